#ifndef SHOAL_TESTS_KILL_SYNC_ROOM_H_
#define SHOAL_TESTS_KILL_SYNC_ROOM_H_

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <vector>

#include "shoal/sync/barrier.h"
#include "shoal/sync/bounded_semaphore.h"
#include "shoal/sync/condition.h"
#include "shoal/sync/event.h"
#include "shoal/sync/lock.h"
#include "shoal/sync/rlock.h"
#include "shoal/sync/semaphore.h"
#include "shoal/tests/kill/driver.h"

namespace shoal::tests::sync_room {

// What the parties share; each operation uses a part of it.
struct Room {
  Lock lock;
  RLock rlock;
  Condition changed;
  Event event;
  Event go;  // a holder's cue
  Semaphore semaphore{0};
  BoundedSemaphore bounded{2};
  Barrier barrier{3};
  pthread_mutex_t mutex;

  // Guarded by the lock in use. An owner changes `first`, then `second`; unequal, the section was left in the middle.
  int64_t first = 0;
  int64_t second = 0;
  int64_t items = 0;
  int64_t taking = 0;  // an item taken in a section that is not over

  std::atomic<int> sent{0};     // the victim's call was over: a notification was sent in full
  std::atomic<int> passed{0};   // parties that got through a barrier
  std::atomic<int> aborted{0};  // parties that were sent away from it
};

inline const Room& In(const void* shared) { return *static_cast<const Room*>(shared); }

// What a process makes once is made before it is stepped.
void Warm();

// glibc's robust mutex in the room.
void MakeMutex(Room& room);
void TakeMutex(Room& room);
void TakeAndGiveMutex(Room& room);

// One file each.
std::vector<Operation> LockOperations();
std::vector<Operation> SemaphoreOperations();
std::vector<Operation> EventOperations();
std::vector<Operation> ConditionOperations();
std::vector<Operation> BarrierOperations();

}  // namespace shoal::tests::sync_room

#endif  // SHOAL_TESTS_KILL_SYNC_ROOM_H_
