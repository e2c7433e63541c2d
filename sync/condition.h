#ifndef SHOAL_SYNC_CONDITION_H_
#define SHOAL_SYNC_CONDITION_H_

#include <atomic>
#include <cstdint>
#include <limits>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/futex.h"
#include "shoal/sync/guard.h"
#include "shoal/sync/lock_holder.h"
#include "shoal/sync/notifications.h"
#include "shoal/sync/robust_list.h"

namespace shoal {

// Waiting, with a lock given up meanwhile, for something that the lock protects to change.
//
//   absl::StatusOr<shoal::Guard> guard = shared->lock.Acquire();
//   if (absl::Status status = shared->changed.Wait(*guard, [&] { return shared->items > 0; }); !status.ok()) return status;
//
// It is used with the guards of Lock and RLock, and with those that open a critical section (MutexGuard). With these, Wait commits
// the section before it sleeps, and a new one is open when it returns: the object is as others have left it. What Edit, FindMut and the
// like of a container have given before must be asked for again: the new section has not saved what it points to, and others may have
// freed it.
//
// Thread safety:   every call needs a guard of the one lock this condition is used with; that orders them.
// Process safety:  lies in MAP_SHARED memory, in the same mapping as its lock; valid when zero-filled.
// Crash safety:    no notification is swallowed and none blocks, whoever dies: a notification that a killed waiter would have
//                  taken is taken by another. After a death while holding the lock, whoever takes the lock again in Wait returns
//                  OK, as if notified, and as soon as anybody calls anything here so do all who wait: look at the predicate. So
//                  work that a waiter had taken when it was killed in its section, and that has come back, is seen by another.
//                  An owner that dies before it calls Notify has told nobody: with a plain lock, who finds owner_died() notifies.
// Blocking:        Wait sleeps, woken by Notify and NotifyAll, or by the kernel when somebody dies inside a call. Every
//                  notification lets all sleepers look and those without one sleep again: only so can it outlive a waiter.
// Memory ordering: the lock's.
// Ownership:       the memory, and the lock's, outlive every call.
// Errors:          DeadlineExceeded: not notified in time; FailedPrecondition: the guard holds nothing, or is another thread's,
//                  or the parent's, or of another lock than the first one used here, or (Wait) of several locks; DataLoss: these
//                  bytes are not a condition; else as Lock::Acquire, when taking the lock again failed: then the guard holds
//                  nothing.
// Allocation:      none.
// Layout:          112 bytes, aligned to 8.
class Condition final {
 public:
  constexpr Condition() = default;
  Condition(const Condition&) = delete;
  Condition& operator=(const Condition&) = delete;

  // Gives the lock up (an RLock at all its levels), waits for a notification or the timeout, takes the lock again (at all its
  // levels, and however long that takes), and returns OK if notified. A timeout of zero or less returns at once.
  [[nodiscard]] absl::Status Wait(Guard& held, absl::Duration timeout = absl::InfiniteDuration());

  // Waits until `predicate`, evaluated with the lock held, is true, or the timeout has passed and it still is not.
  [[nodiscard]] absl::Status Wait(Guard& held, absl::FunctionRef<bool()> predicate,
                                  absl::Duration timeout = absl::InfiniteDuration());

  // Notifies up to `n` of those who wait now; nobody, and that is no error, for n <= 0. Nothing is kept for later waiters.
  absl::Status Notify(Guard& held, int n = 1);
  absl::Status NotifyAll(Guard& held);

  // The same with the guard of a critical section. A guard of several locks can notify, but not wait.
  template <sync_internal::GuardOfLocks G>
  [[nodiscard]] absl::Status Wait(G& held, absl::Duration timeout = absl::InfiniteDuration()) {
    auto holder = LockHolderOf(held);
    return WaitUntil(holder, sync_internal::Deadline::After(timeout));
  }
  template <sync_internal::GuardOfLocks G>
  [[nodiscard]] absl::Status Wait(G& held, absl::FunctionRef<bool()> predicate,
                                  absl::Duration timeout = absl::InfiniteDuration()) {
    auto holder = LockHolderOf(held);
    return WaitFor(holder, predicate, sync_internal::Deadline::After(timeout));
  }
  template <sync_internal::GuardOfLocks G>
  absl::Status Notify(G& held, int n = 1) {
    auto holder = LockHolderOf(held);
    return NotifySome(holder, n);
  }
  template <sync_internal::GuardOfLocks G>
  absl::Status NotifyAll(G& held) {
    return Notify(held, std::numeric_limits<int>::max());
  }

 private:
  absl::Status FindLock(sync_internal::LockHolder& holder, sync_internal::RobustWord*& lock);
  absl::Status FindOnlyLock(sync_internal::LockHolder& holder, sync_internal::RobustWord*& lock);
  absl::Status WaitFor(sync_internal::LockHolder& holder, absl::FunctionRef<bool()> predicate,
                       sync_internal::Deadline deadline);
  absl::Status WaitUntil(sync_internal::LockHolder& holder, sync_internal::Deadline deadline);
  absl::Status NotifySome(sync_internal::LockHolder& holder, int n);
  void WakeSleepers(sync_internal::Thread& self);
  void NotifyAllAfterDeath(sync_internal::Thread& self, const sync_internal::RobustWord& lock);

  sync_internal::FutexWord sequence_{0};   // guarded by the lock: + 1 for every notification; what sleepers sleep on
  sync_internal::FutexWord beacon_{0};     // always 0
  std::atomic<int64_t> lock_distance_{0};  // from here to the lock, in bytes; 0: not used yet
  uint32_t deaths_seen_ = 0;               // guarded by the lock: its deaths that the waiters have been told of
  [[maybe_unused]] uint32_t reserved_ = 0;
  sync_internal::Notifications notifications_;  // guarded by the lock
};
static_assert(sizeof(Condition) == 112 && alignof(Condition) == 8, "part of the shared layout");

}  // namespace shoal

#endif  // SHOAL_SYNC_CONDITION_H_
