#include "shoal/tests/kill/sync_room.h"

#include <atomic>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/sync/check.h"
#include "shoal/sync/guard.h"

namespace shoal::tests::sync_room {
namespace {

// Undoes what a dead consumer had begun, as a section of shm would.
void RollBack(Room& room, const Guard& guard) {
  if (!guard.owner_died()) return;
  room.items += room.taking;
  room.taking = 0;
}

absl::StatusOr<Guard> Enter(Room& room) {
  absl::StatusOr<Guard> guard = room.lock.Acquire();
  SHOAL_CHECK(guard.ok(), "a lock can be acquired");
  RollBack(room, *guard);
  return guard;
}

void Consume(Room& room) {
  absl::StatusOr<Guard> guard = Enter(room);
  const absl::Status status = room.changed.Wait(*guard, [&] {
    RollBack(room, *guard);
    return room.items > 0;
  });
  SHOAL_CHECK(status.ok(), "an item comes in the end");
  room.taking = 1;
  std::atomic_signal_fence(std::memory_order_seq_cst);  // seq_cst: in program order, as a journal would be
  --room.items;
  std::atomic_signal_fence(std::memory_order_seq_cst);  // seq_cst: as above
  room.taking = 0;                                      // the commit
}

void ConsumeForAMoment(Room& room) {
  absl::StatusOr<Guard> guard = Enter(room);
  (void)room.changed.Wait(
      *guard, [&] { return room.items > 0; }, absl::Microseconds(200));
}

template <int n>
void Produce(Room& room) {
  absl::StatusOr<Guard> guard = Enter(room);
  room.sent.store(0, std::memory_order_relaxed);  // relaxed: read when everybody is at rest
  room.items += n;
  SHOAL_CHECK(n == 1 ? room.changed.Notify(*guard).ok() : room.changed.NotifyAll(*guard).ok(), "a notification is sent");
  room.sent.store(1, std::memory_order_relaxed);  // relaxed: read when this process is dead
}

Operation ConditionOperation(std::string name) {
  Operation operation = OperationOn<Room>(std::move(name));
  operation.warm = Warm;
  operation.rescuer = On(Produce<3>);
  operation.kill_rescuer_too = true;
  operation.thief = [](void* shared, const Gate& gate) {
    absl::StatusOr<Guard> guard = Enter(*static_cast<Room*>(shared));
    gate.Hold();
  };
  // A producer that died before its notification was sent has told nobody.
  operation.may_sleep = [](const void* shared, int) {
    const Room& room = In(shared);
    // relaxed: everybody is at rest
    return room.sent.load(std::memory_order_relaxed) == 0 || room.items + room.taking == 0;
  };
  operation.check = [](void* shared) {
    Room& room = *static_cast<Room*>(shared);
    std::optional<Guard> guard = room.lock.TryAcquire();
    if (!guard.has_value()) return Verdict::kLeaked;
    RollBack(room, *guard);
    return room.items >= 0 && room.taking == 0 ? Verdict::kFine : Verdict::kHalfDone;
  };
  return operation;
}

}  // namespace

std::vector<Operation> ConditionOperations() {
  std::vector<Operation> operations;
  {
    Operation operation = ConditionOperation("Condition notify_all, nobody waits");
    operation.body = On(Produce<2>);
    operations.push_back(operation);
    operation.name = "Condition notify, nobody waits";
    operation.body = On(Produce<1>);
    operations.push_back(operation);
    operation.name = "Condition notify, 2 sleepers";
    operation.sleepers = {On(Consume), On(Consume)};
    operation.pause_first_sleeper = true;
    operations.push_back(operation);
    operation.name = "Condition notify_all, 2 sleepers";
    operation.body = On(Produce<2>);
    operations.push_back(operation);
  }
  {
    Operation operation = ConditionOperation("Condition wait, asleep and woken, alone");
    operation.body = On(Consume);
    operation.waker = On(Produce<1>);
    operations.push_back(operation);
    operation.name = "Condition wait, asleep and woken, 1 behind";
    operation.late_sleepers = {On(Consume)};
    operations.push_back(operation);
    operation.name = "Condition wait, asleep and woken, 1 before, 1 behind";
    operation.sleepers = {On(Consume)};
    operations.push_back(operation);
  }
  {
    Operation operation = ConditionOperation("Condition wait, timed out, 1 sleeper");
    operation.sleepers = {On(Consume)};
    operation.body = On(ConsumeForAMoment);
    operation.body_wakes_itself = true;
    operations.push_back(operation);
  }
  return operations;
}

}  // namespace shoal::tests::sync_room
