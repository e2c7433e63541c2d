#include "shoal/tests/kill/sync_room.h"

#include <errno.h>
#include <pthread.h>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/sync/check.h"
#include "shoal/sync/guard.h"

namespace shoal::tests::sync_room {

void Warm() {
  static Room& own = *new Room;
  {
    absl::StatusOr<Guard> guard = own.lock.Acquire();
    (void)own.lock.Acquire(absl::ZeroDuration());
  }
  {
    absl::StatusOr<Guard> guard = own.lock.Acquire();
    (void)own.changed.Wait(*guard, absl::Nanoseconds(1));
  }
  (void)own.semaphore.Acquire(absl::Nanoseconds(1));
  (void)own.event.Wait(absl::Nanoseconds(1));
  (void)own.barrier.Wait(absl::ZeroDuration());
}

void MakeMutex(Room& room) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&room.mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
}
void TakeMutex(Room& room) {
  if (pthread_mutex_lock(&room.mutex) == EOWNERDEAD) pthread_mutex_consistent(&room.mutex);
}
void TakeAndGiveMutex(Room& room) {
  TakeMutex(room);
  pthread_mutex_unlock(&room.mutex);
}

}  // namespace shoal::tests::sync_room
