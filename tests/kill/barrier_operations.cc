#include "shoal/tests/kill/sync_room.h"

#include <atomic>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace shoal::tests::sync_room {
namespace {

void Count(Room& room, const absl::StatusOr<int>& index) {
  // relaxed, both: read when everybody is done
  (index.ok() ? room.passed : room.aborted).fetch_add(1, std::memory_order_relaxed);
}

void Meet(Room& room) { Count(room, room.barrier.Wait()); }
void MeetWithAction(Room& room) {
  Count(room, room.barrier.Wait([&room] {
    ++room.first;
    ++room.second;
  }));
}
void MeetForAMoment(Room& room) { Count(room, room.barrier.Wait(absl::Microseconds(200))); }
void AbortIt(Room& room) { room.barrier.Abort(); }
void ResetIt(Room& room) { room.barrier.Reset(); }

Operation BarrierOperation(std::string name) {
  Operation operation = OperationOn<Room>(std::move(name));
  operation.warm = Warm;
  operation.rescuer = On(AbortIt);
  operation.kill_rescuer_too = true;
  // Whoever waits for a party that never came; but not beside the dead.
  operation.may_sleep = [](const void* shared, int asleep) {
    const Barrier& barrier = In(shared).barrier;
    return !barrier.broken() && barrier.waiting() == asleep;
  };
  operation.check = [](void* shared) {
    Room& room = *static_cast<Room*>(shared);
    room.barrier.Reset();
    if (room.barrier.broken() || room.barrier.waiting() != 0) return Verdict::kLeaked;
    // Of one cycle, all go on or all are sent away.
    const bool both = room.passed.load(std::memory_order_relaxed) != 0 &&  // relaxed: everybody is done
                      room.aborted.load(std::memory_order_relaxed) != 0;   // relaxed: as above
    return both ? Verdict::kHalfDone : Verdict::kFine;
  };
  return operation;
}

}  // namespace

std::vector<Operation> BarrierOperations() {
  std::vector<Operation> operations;
  {
    Operation operation = BarrierOperation("Barrier wait, the first to come");
    operation.body = On(Meet);
    operations.push_back(operation);
    operation.name = "Barrier wait, the second of 3, then asleep";
    operation.sleepers = {On(Meet)};
    operation.pause_first_sleeper = true;
    operations.push_back(operation);
    operation.name = "Barrier wait, asleep and woken by the third";
    operation.waker = On(Meet);
    operations.push_back(operation);
    operation.name = "Barrier wait, timed out, 1 sleeper";
    operation.waker = nullptr;
    operation.body = On(MeetForAMoment);
    operation.body_wakes_itself = true;
    operations.push_back(operation);
  }
  {
    Operation operation = BarrierOperation("Barrier wait, the last, 2 sleepers");
    operation.sleepers = {On(Meet), On(Meet)};
    operation.pause_first_sleeper = true;
    operation.body = On(Meet);
    operations.push_back(operation);
    operation.name = "Barrier wait with action, the last, 2 sleepers";
    operation.body = On(MeetWithAction);
    operations.push_back(operation);
    operation.name = "Barrier abort, 2 sleepers";
    operation.body = On(AbortIt);
    operations.push_back(operation);
    operation.name = "Barrier reset, 2 sleepers";
    operation.body = On(ResetIt);
    operations.push_back(operation);
  }
  {
    Operation operation = BarrierOperation("Barrier abort, nobody waits");
    operation.body = On(AbortIt);
    operations.push_back(operation);
    operation.name = "Barrier reset, nobody waits";
    operation.prepare = On(AbortIt);
    operation.body = On(ResetIt);
    operations.push_back(operation);
  }
  return operations;
}

}  // namespace shoal::tests::sync_room
