#ifndef SHOAL_IPC_WAIT_HOOK_H_
#define SHOAL_IPC_WAIT_HOOK_H_

#include <cstdint>

#include "shoal/sync/futex.h"

namespace shoal::ipc_internal {

// How Wait() and a relay look at an object without knowing what it is, and sleep beside it. The object outlives the call; a
// Waitable uses it, or holds it.
//
//   deaths    the segment's, on which every sleeper sleeps too; null: none
//   ready     whether taking would not block: something is there, or the end of it. It may take back what dead processes held.
//   announce  says that somebody is about to sleep, and looks again. True: sleep as long as `sleep_on` holds. False: it is ready.
//   was_ready whether something came since `announce` said `sleep_on`, even if it has gone again. Null: ask `ready`. Where there
//             is this, `announce` has no other effect, and false from it says that something came.
//   withdraw  after a sleep that takes nothing: passes the wake on, where an object wakes one of many. Null: nothing to do.
//   fd        a descriptor that can be read while the object is ready, or -1. Null: it has none.
//   consumed  the descriptor could be read, but the object is not ready: somebody else has taken what there was. Null: cannot be.
//   use       one user more, so that the object stays; leave: one less. Null, both: whoever waits keeps it there otherwise.
//   usable    whether it can still be waited for: not closed on this side, not given away, not the parent's. Null: always.
struct WaitOps {
  const sync_internal::FutexWord* (*deaths)(const void* object);
  bool (*ready)(const void* object);
  bool (*announce)(const void* object, sync_internal::FutexExpectation* sleep_on);
  bool (*was_ready)(const void* object, const sync_internal::FutexExpectation& slept_on);
  void (*withdraw)(const void* object);
  int (*fd)(const void* object);
  void (*consumed)(const void* object);
  void (*use)(const void* object) = nullptr;
  void (*leave)(const void* object) = nullptr;
  bool (*usable)(const void* object) = nullptr;
};

struct WaitHook {
  const void* object = nullptr;
  const WaitOps* ops = nullptr;  // null: nothing that can be waited for (closed by this side, moved away, inherited by fork)
};

}  // namespace shoal::ipc_internal

#endif  // SHOAL_IPC_WAIT_HOOK_H_
