#include "shoal/tests/kill/sync_room.h"

#include <atomic>
#include <functional>
#include <new>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "shoal/sync/check.h"

namespace shoal::tests::sync_room {
namespace {

Semaphore& TheSemaphore(Room& room, const Semaphore*) { return room.semaphore; }
BoundedSemaphore& TheSemaphore(Room& room, const BoundedSemaphore*) { return room.bounded; }
template <class S>
S& SemaphoreOf(Room& room) {
  return TheSemaphore(room, static_cast<const S*>(nullptr));
}

template <class S>
void TakeOne(Room& room) {
  SHOAL_CHECK(SemaphoreOf<S>(room).Acquire().ok(), "a permit can be acquired");
}
template <class S>
void TakeOneForAMoment(Room& room) {
  (void)SemaphoreOf<S>(room).Acquire(absl::Microseconds(200));
}
template <class S, int n>
void Give(Room& room) {
  (void)SemaphoreOf<S>(room).Release(n);  // the bounded one may be full
}

template <class S>
Operation SemaphoreOperation(std::string name) {
  Operation operation = OperationOn<Room>(std::move(name));
  operation.warm = Warm;
  operation.setup = [](void* shared) {
    Room& room = *new (shared) Room;
    while (room.bounded.TryAcquire()) {
    }
  };
  operation.may_sleep = [](const void* shared, int) { return SemaphoreOf<S>(const_cast<Room&>(In(shared))).value() == 0; };
  operation.thief = [](void* shared, const Gate& gate) {
    Room& room = *static_cast<Room*>(shared);
    const bool taken = SemaphoreOf<S>(room).TryAcquire();
    gate.Hold();
    if (taken) (void)SemaphoreOf<S>(room).Release();
  };
  return operation;
}

template <class S>
void TakeOneAndSay(Room& room) {
  TakeOne<S>(room);
  room.sent.store(1, std::memory_order_relaxed);  // relaxed: read when this process is dead
}
template <class S>
void GiveOneAndSay(Room& room) {
  Give<S, 1>(room);
  room.sent.store(1, std::memory_order_relaxed);  // relaxed: as above
}

// The permits that are left when all are done: `without` what the victim's call does, or `with` it. A call that has said that it was
// over has done it.
template <class S>
std::function<Verdict(void*)> ValueIs(uint32_t without, uint32_t with) {
  return [without, with](void* shared) {
    Room& room = *static_cast<Room*>(shared);
    const uint32_t value = SemaphoreOf<S>(room).value();
    if (value != without && value != with) return Verdict::kHalfDone;
    // relaxed: the victim is dead
    return room.sent.load(std::memory_order_relaxed) != 0 && value != with ? Verdict::kLost : Verdict::kFine;
  };
}

template <class S>
void AddSemaphoreOperations(const std::string& name, std::vector<Operation>& operations) {
  {
    Operation operation = SemaphoreOperation<S>(name + " release");
    operation.body = On(GiveOneAndSay<S>);
    operation.check = ValueIs<S>(0, 1);
    operations.push_back(operation);
  }
  {
    Operation operation = SemaphoreOperation<S>(name + " acquire");
    operation.prepare = On(Give<S, 1>);
    operation.body = On(TakeOneAndSay<S>);
    operation.check = ValueIs<S>(1, 0);
    operations.push_back(operation);
  }
  {
    Operation operation = SemaphoreOperation<S>(name + " release, 1 sleeper");
    operation.sleepers = {On(TakeOne<S>)};
    operation.body = On(Give<S, 1>);
    operation.pause_first_sleeper = true;
    operation.rescuer = On(Give<S, 1>);
    operation.check = ValueIs<S>(0, 1);
    operations.push_back(operation);
  }
  {
    Operation operation = SemaphoreOperation<S>(name + " release(2), 2 sleepers");
    operation.sleepers = {On(TakeOne<S>), On(TakeOne<S>)};
    operation.body = On(Give<S, 2>);
    operation.pause_first_sleeper = true;
    operation.rescuer = On(Give<S, 2>);
    operation.check = ValueIs<S>(0, 2);
    operations.push_back(operation);
  }
  {
    Operation operation = SemaphoreOperation<S>(name + " acquire, asleep and woken, 2 behind");
    operation.body = On(TakeOne<S>);
    operation.late_sleepers = {On(TakeOne<S>), On(TakeOne<S>)};
    operation.waker = On(Give<S, 2>);
    operation.rescuer = On(Give<S, 1>);
    operation.check = ValueIs<S>(1, 0);
    operations.push_back(operation);
  }
  {
    Operation operation = SemaphoreOperation<S>(name + " acquire, timed out, 1 sleeper");
    operation.sleepers = {On(TakeOne<S>)};
    operation.body = On(TakeOneForAMoment<S>);
    operation.body_wakes_itself = true;
    operation.rescuer = On(Give<S, 1>);
    operation.check = ValueIs<S>(0, 0);
    operations.push_back(operation);
  }
}

}  // namespace

std::vector<Operation> SemaphoreOperations() {
  std::vector<Operation> operations;
  AddSemaphoreOperations<Semaphore>("Semaphore", operations);
  AddSemaphoreOperations<BoundedSemaphore>("BoundedSemaphore", operations);
  return operations;
}

}  // namespace shoal::tests::sync_room
