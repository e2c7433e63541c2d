#include "shoal/tests/kill/sync_room.h"

#include <string>
#include <utility>

#include "absl/time/time.h"
#include "shoal/sync/check.h"

namespace shoal::tests::sync_room {
namespace {

void SetIt(Room& room) { room.event.Set(); }
void ClearIt(Room& room) { room.event.Clear(); }
void WaitForIt(Room& room) { SHOAL_CHECK(room.event.Wait().ok(), "an event is set in the end"); }
void WaitAMoment(Room& room) { (void)room.event.Wait(absl::Microseconds(200)); }

Operation EventOperation(std::string name) {
  Operation operation = OperationOn<Room>(std::move(name));
  operation.warm = Warm;
  operation.rescuer = On(SetIt);
  operation.may_sleep = [](const void* shared, int) { return !In(shared).event.IsSet(); };
  operation.check = [](void* shared) { return In(shared).event.IsSet() ? Verdict::kFine : Verdict::kLost; };
  return operation;
}

}  // namespace

std::vector<Operation> EventOperations() {
  std::vector<Operation> operations;
  {
    Operation operation = EventOperation("Event set");
    operation.body = On(SetIt);
    operations.push_back(operation);
    operation.name = "Event set, 2 sleepers";
    operation.sleepers = {On(WaitForIt), On(WaitForIt)};
    operation.pause_first_sleeper = true;
    operation.kill_rescuer_too = true;
    operations.push_back(operation);
  }
  {
    Operation operation = EventOperation("Event clear");
    operation.prepare = On(SetIt);
    operation.body = On(ClearIt);
    operations.push_back(operation);
    operation.name = "Event clear, of one that is clear, 2 sleepers";
    operation.prepare = nullptr;
    operation.sleepers = {On(WaitForIt), On(WaitForIt)};
    operations.push_back(operation);
  }
  {
    Operation operation = EventOperation("Event wait, asleep and woken, 1 behind");
    operation.body = On(WaitForIt);
    operation.late_sleepers = {On(WaitForIt)};
    operation.waker = On(SetIt);
    operations.push_back(operation);
  }
  {
    Operation operation = EventOperation("Event wait, of one that is set");
    operation.prepare = On(SetIt);
    operation.body = On(WaitForIt);
    operations.push_back(operation);
  }
  {
    Operation operation = EventOperation("Event wait, timed out, 1 sleeper");
    operation.sleepers = {On(WaitForIt)};
    operation.body = On(WaitAMoment);
    operation.body_wakes_itself = true;
    operations.push_back(operation);
  }
  return operations;
}

}  // namespace shoal::tests::sync_room
