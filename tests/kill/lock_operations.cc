#include "shoal/tests/kill/sync_room.h"

#include <errno.h>
#include <pthread.h>

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/sync/check.h"
#include "shoal/sync/guard.h"

namespace shoal::tests::sync_room {
namespace {

template <class L>
L& LockOf(Room& room);
template <>
Lock& LockOf<Lock>(Room& room) {
  return room.lock;
}
template <>
RLock& LockOf<RLock>(Room& room) {
  return room.rlock;
}

// A section: repairs what a dead owner left, then changes both numbers.
void Change(Room& room, const Guard& guard) {
  if (guard.owner_died()) room.second = room.first;
  SHOAL_CHECK(room.first == room.second, "an abandoned section is announced");
  ++room.first;
  ++room.second;
}

template <class L>
void Section(Room& room) {
  absl::StatusOr<Guard> guard = LockOf<L>(room).Acquire();
  SHOAL_CHECK(guard.ok(), "a lock can be acquired");
  Change(room, *guard);
}

void SectionAtDepthTwo(Room& room) {
  absl::StatusOr<Guard> outer = room.rlock.Acquire();
  absl::StatusOr<Guard> inner = room.rlock.Acquire();
  SHOAL_CHECK(outer.ok() && inner.ok(), "a lock can be acquired");
  Change(room, *outer);
}

// Made in `prepare`, ended in the stepped body.
Guard* held = nullptr;
Guard* held_inner = nullptr;

template <class L>
void TakeIt(Room& room) {
  held = new Guard(*LockOf<L>(room).Acquire());
}
void TakeItTwice(Room& room) {
  TakeIt<RLock>(room);
  held_inner = new Guard(*room.rlock.Acquire());
}
void GiveItBack(Room&) { (void)held->Release(); }
void GiveItBackTwice(Room&) {
  (void)held_inner->Release();
  (void)held->Release();
}

template <class L>
void HoldUntilGo(Room& room) {
  absl::StatusOr<Guard> guard = LockOf<L>(room).Acquire();
  SHOAL_CHECK(guard.ok() && room.go.Wait().ok(), "a holder holds");
}

template <class L>
void AcquireForAMoment(Room& room) {
  absl::StatusOr<Guard> guard = LockOf<L>(room).Acquire(absl::Microseconds(200));
  if (guard.ok()) Change(room, *guard);
}

void Go(Room& room) { room.go.Set(); }

template <class L>
void GoAndSection(Room& room) {
  room.go.Set();
  Section<L>(room);
}

// A thread's list with more than one entry in it, ours and one of glibc's, which goes in the middle.
void SectionAmongOthers(Room& room) {
  absl::StatusOr<Guard> below = room.rlock.Acquire();
  TakeMutex(room);
  absl::StatusOr<Guard> above = room.lock.Acquire();
  SHOAL_CHECK(below.ok() && above.ok(), "a lock can be acquired");
  Change(room, *above);
  pthread_mutex_unlock(&room.mutex);
  (void)below->Release();
}
// Whatever the dead one held is there to be taken, by whoever comes.
Verdict AllAreFree(void* shared) {
  Room& room = *static_cast<Room*>(shared);
  const bool free = room.lock.TryAcquire().has_value() && room.rlock.TryAcquire().has_value();
  const int taken = pthread_mutex_trylock(&room.mutex);
  return free && (taken == 0 || taken == EOWNERDEAD) ? Verdict::kFine : Verdict::kLeaked;
}

template <class L>
std::function<void(void*, const Gate&)> Thief() {
  return [](void* shared, const Gate& gate) {
    Room& room = *static_cast<Room*>(shared);
    absl::StatusOr<Guard> guard = LockOf<L>(room).Acquire();
    SHOAL_CHECK(guard.ok(), "a thief gets the lock");
    gate.Hold();
    Change(room, *guard);
  };
}

template <class L>
Operation LockOperation(std::string name) {
  Operation operation = OperationOn<Room>(std::move(name));
  operation.warm = Warm;
  operation.rescuer = On(GoAndSection<L>);
  operation.kill_rescuer_too = true;
  operation.thief = Thief<L>();
  operation.may_sleep = [](const void* shared, int) { return LockOf<L>(const_cast<Room&>(In(shared))).locked(); };
  operation.check = [](void* shared) {
    Room& room = *static_cast<Room*>(shared);
    const std::optional<Guard> guard = LockOf<L>(room).TryAcquire();
    if (!guard.has_value()) return Verdict::kLeaked;
    return room.first == room.second || guard->owner_died() ? Verdict::kFine : Verdict::kHalfDone;
  };
  return operation;
}

template <class L>
void AddLockOperations(const std::string& name, std::vector<Operation>& operations) {
  {
    Operation operation = LockOperation<L>(name + " acquire, release");
    operation.body = On(Section<L>);
    operations.push_back(operation);
  }
  {
    Operation operation = LockOperation<L>(name + " release, 1 sleeper");
    operation.prepare = On(TakeIt<L>);
    operation.sleepers = {On(Section<L>)};
    operation.body = On(GiveItBack);
    operation.pause_first_sleeper = true;
    operations.push_back(operation);
    operation.name = name + " release, 2 sleepers";
    operation.sleepers.push_back(On(Section<L>));
    operations.push_back(operation);
  }
  {
    Operation operation = LockOperation<L>(name + " acquire, asleep and woken, alone");
    operation.sleepers = {On(HoldUntilGo<L>)};
    operation.body = On(Section<L>);
    operation.waker = On(Go);
    operations.push_back(operation);
    operation.name = name + " acquire, asleep and woken, 2 behind";
    operation.late_sleepers = {On(Section<L>), On(Section<L>)};
    operations.push_back(operation);
    operation.name = name + " acquire, asleep and woken, 1 before, 1 behind";
    operation.sleepers.push_back(On(Section<L>));
    operation.late_sleepers.pop_back();
    operations.push_back(operation);
  }
  {
    Operation operation = LockOperation<L>(name + " acquire, timed out");
    operation.sleepers = {On(HoldUntilGo<L>)};
    operation.body = On(AcquireForAMoment<L>);
    operation.body_wakes_itself = true;
    operations.push_back(operation);
    operation.name = name + " acquire, timed out, 1 sleeper";
    operation.sleepers.push_back(On(Section<L>));
    operations.push_back(operation);
  }
}

}  // namespace

std::vector<Operation> LockOperations() {
  std::vector<Operation> operations;
  AddLockOperations<Lock>("Lock", operations);
  AddLockOperations<RLock>("RLock", operations);
  {
    Operation operation = LockOperation<RLock>("RLock acquire, release at depth 2");
    operation.body = On(SectionAtDepthTwo);
    operations.push_back(operation);
    operation.name = "RLock release at depth 2, 2 sleepers";
    operation.prepare = On(TakeItTwice);
    operation.sleepers = {On(Section<RLock>), On(Section<RLock>)};
    operation.body = On(GiveItBackTwice);
    operations.push_back(operation);
  }
  {
    Operation operation = LockOperation<RLock>("RLock at depth 2, asleep and woken, 1 behind");
    operation.sleepers = {On(HoldUntilGo<RLock>)};
    operation.body = On(SectionAtDepthTwo);
    operation.late_sleepers = {On(Section<RLock>)};
    operation.waker = On(Go);
    operations.push_back(operation);
  }
  {
    Operation operation = OperationOn<Room>("Lock, RLock, pthread robust mutex: acquire, release");
    operation.warm = [] {
      Warm();
      static Room& own = *new Room;
      MakeMutex(own);
      SectionAmongOthers(own);
    };
    operation.setup = [](void* shared) { MakeMutex(*new (shared) Room); };
    operation.body = On(SectionAmongOthers);
    operation.rescuer = On(SectionAmongOthers);
    operation.kill_rescuer_too = true;
    operation.check = AllAreFree;
    operations.push_back(operation);
  }
  return operations;
}

}  // namespace shoal::tests::sync_room
