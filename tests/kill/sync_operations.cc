#include "shoal/tests/kill/sync_operations.h"

#include <pthread.h>

#include <iterator>
#include <new>
#include <utility>

#include "shoal/tests/kill/sync_room.h"

namespace shoal::tests {

using sync_room::MakeMutex;
using sync_room::Room;
using sync_room::TakeAndGiveMutex;
using sync_room::TakeMutex;

std::vector<Operation> SyncOperations() {
  std::vector<Operation> operations = sync_room::LockOperations();
  for (const auto part : {sync_room::EventOperations, sync_room::SemaphoreOperations, sync_room::ConditionOperations,
                          sync_room::BarrierOperations}) {
    std::vector<Operation> more = part();
    std::move(more.begin(), more.end(), std::back_inserter(operations));
  }
  return operations;
}

std::vector<Operation> SyncOperationsThatHang() {
  std::vector<Operation> operations;
  {
    Operation operation = OperationOn<Room>("pthread robust mutex unlock, 1 sleeper, a thief");
    operation.setup = [](void* shared) { MakeMutex(*new (shared) Room); };
    operation.prepare = On(TakeMutex);
    operation.sleepers = {On(TakeAndGiveMutex)};
    operation.body = [](void* shared) { pthread_mutex_unlock(&static_cast<Room*>(shared)->mutex); };
    operation.thief = [](void* shared, const Gate& gate) {
      Room& room = *static_cast<Room*>(shared);
      TakeMutex(room);
      gate.Hold();
      pthread_mutex_unlock(&room.mutex);
    };
    // Nobody asks for it again, and everybody who had it has given it back: the sleeper could go on.
    operations.push_back(operation);
  }
  for (Operation operation : SyncOperations()) {
    if (operation.name != "Lock release, 2 sleepers" && operation.name != "Semaphore release(2), 2 sleepers" &&
        operation.name != "Barrier abort, 2 sleepers") {
      continue;
    }
    operation.name += ", list_op_pending forgotten";
    operation.forget_pending = true;
    operation.thief = nullptr;
    operation.pause_first_sleeper = false;
    operation.kill_rescuer_too = false;
    operations.push_back(operation);
  }
  return operations;
}

}  // namespace shoal::tests
