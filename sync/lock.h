#ifndef SHOAL_SYNC_LOCK_H_
#define SHOAL_SYNC_LOCK_H_

#include <optional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/guard.h"
#include "shoal/sync/robust_lock.h"

namespace shoal {

// A lock between threads of any processes that a death never leaves locked.
//
//   auto* lock = new (shared_memory) shoal::Lock;
//   absl::StatusOr<shoal::Guard> guard = lock->Acquire(absl::Seconds(1));
//
// Thread safety:   every call may run concurrently with every other. Not for signal handlers.
// Process safety:  lies in any MAP_SHARED memory, at any address; valid when zero-filled. One pid namespace; Acquire refuses in
//                  another where /proc tells which it is.
// Crash safety:    an owner's death, also by exec or by the end of its thread, releases it, and the next guard says owner_died().
//                  The death of a sleeper, of the one just woken or of the one that wakes leaves nobody asleep.
// Blocking:        Acquire looks for about seven microseconds, then sleeps; it is woken by the release or by the kernel. Not fair:
//                  whoever comes while the woken one is on its way may be first.
// Memory ordering: what the last owner did before its release is visible to the next one.
// Ownership:       a thread holds at most 992 at once, of this kind and of all others. The memory outlives every call on it and every
//                  guard; it is not unmapped nor reused while a thread is in a call.
// Errors:          DeadlineExceeded; FailedPrecondition: this thread holds it already (asking again would wait for ever), or
//                  another pid namespace uses it, or the thread has no robust list; ResourceExhausted: more than 992 held;
//                  DataLoss: these bytes are not a lock; Unimplemented: the kernel lacks futex_waitv.
// Allocation:      none, up to 6 locks held at once by a thread; then 24 kB, once for that thread.
// Layout:          40 bytes, aligned to 8.
class Lock final {
 public:
  constexpr Lock() = default;
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  // always_inline: in the caller the result need not go through memory, which is a fifth of what an acquisition costs.
  [[nodiscard]] __attribute__((always_inline)) absl::StatusOr<Guard> Acquire(
      absl::Duration timeout = absl::InfiniteDuration()) {
    sync_internal::Thread& self = sync_internal::ThisThread();
    if (sync_internal::TryAcquireFast(self, lock_)) return Guard(lock_, self, /*owner_died=*/false);
    return AcquireSlow(self, timeout);
  }

  // Takes it if that needs no waiting; nullopt also wherever Acquire has an error.
  [[nodiscard]] std::optional<Guard> TryAcquire() {
    absl::StatusOr<Guard> guard = Acquire(absl::ZeroDuration());
    if (!guard.ok()) return std::nullopt;
    return *std::move(guard);
  }

  // Whether anybody holds it, in any process. It may have changed by the time the caller looks at the answer.
  bool locked() const {
    // relaxed: a hint; nothing may be concluded about what the lock protects
    return !sync_internal::IsFree(lock_.word.load(std::memory_order_relaxed));
  }

 private:
  __attribute__((noinline, cold)) absl::StatusOr<Guard> AcquireSlow(sync_internal::Thread& self, absl::Duration timeout) {
    bool owner_died = false;
    absl::Status status = sync_internal::AcquireSlow(self, lock_, sync_internal::Deadline::After(timeout), &owner_died);
    if (!status.ok()) return status;
    return Guard(lock_, self, owner_died);
  }

  sync_internal::RobustWord lock_ = {};
};
static_assert(sizeof(Lock) == 40 && alignof(Lock) == 8, "part of the shared layout");

}  // namespace shoal

#endif  // SHOAL_SYNC_LOCK_H_
