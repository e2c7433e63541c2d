// sync/condition.cc: who is told, and what a death leaves behind.
//
//  Everything but the sleep happens under the user's lock. There are three parts:
//
//  sequence_          + 1, and everybody woken, in one system call, by every notification. A waiter reads it before it gives the
//                     lock up and sleeps only while it is unchanged: nothing is missed in between.
//  notifications_     who may go on; see notifications.h. The woken decide under the lock; who has no token sleeps again.
//  lock.deaths        owners that died with the lock in hand. If there is one more than when a waiter began to wait, it returns as
//                     if notified: the dead one may have taken a token and been rolled back since. Nobody is woken for a death
//                     alone: a waiter that still sleeps has seen the object as it was before the dead one's section.
//
//  What holds the lock is told by a LockHolder: a Guard, or a critical section of shm. A section is committed before its lock is given
//  up for the sleep, and a notification is sent from inside one, before it commits: a notifier that is killed either has told nobody
//  of what then never happened, or leaves the lock abandoned, which tells everybody.
//
//  EDGE: none of its own. All data is ordered by lock.handoff.
//
//  If the thread dies …                        the others see …
//   in Wait, before it gives the lock up        the lock abandoned: its next owner counts the death, and whoever comes here next
//                                                 lets all who wait return OK
//   in Wait, the lock given up, not asleep      one waiter too many in the counts: at most a notification too many, later
//   asleep                                      the same
//   woken, with or without a notification       the token is still there, all others are awake and look; one takes it
//     for it, the lock not yet taken
//   woken through the beacon, dying itself      its list_op_pending is the beacon: the kernel wakes the next; when it asks for the
//                                                 lock (list_op_pending is the lock's) it has nothing that others need
//   after it took a token, holding the lock     the lock abandoned, the death counted: who was woken for the same notification takes
//                                                 the lock again only now, returns OK, and lets all who wait return OK
//   in Notify, before the system call           the lock abandoned, and the kernel wakes one sleeper through the beacon
//   in Notify, after it                         everybody woken

#include "shoal/sync/condition.h"

#include <climits>
#include <span>
#include <utility>

#include "shoal/sync/robust_list.h"
#include "shoal/sync/robust_lock.h"
#include "shoal/sync/status.h"

namespace shoal {
namespace {

using sync_internal::Deadline;
using sync_internal::FutexOutcome;
using sync_internal::GuardAccess;
using sync_internal::LockHolder;
using sync_internal::MakeStatus;
using sync_internal::RobustWord;
using sync_internal::Thread;

constexpr int kBeaconIndex = 0;

absl::Status TimedOut() {
  // Made once, so that a timeout allocates nothing.
  static const absl::Status* const status =
      new absl::Status(MakeStatus(absl::StatusCode::kDeadlineExceeded, "not notified in time"));
  return *status;
}

// A Lock or RLock, the latter at all its levels.
class HolderOfGuard final : public LockHolder {
 public:
  explicit HolderOfGuard(Guard& guard) : guard_(guard) {}

  absl::Status FindLocks(std::span<RobustWord* const>& locks) override {
    if (!GuardAccess::HeldByThisThread(guard_)) {
      return MakeStatus(absl::StatusCode::kFailedPrecondition,
                        guard_.held() ? "this guard was acquired by another thread, or by the parent of this process"
                                      : "this guard holds no lock");
    }
    lock_ = GuardAccess::LockOrNull(guard_);
    locks = {&lock_, 1};
    return absl::OkStatus();
  }
  void GiveUp() override {
    depth_ = std::exchange(lock_->depth, 0);
    GuardAccess::SetNotHeld(guard_);
    sync_internal::Release(sync_internal::ThisThread(), *lock_);
  }
  absl::Status TakeAgain() override {
    bool owner_died = false;
    SHOAL_RETURN_IF_ERROR(
        sync_internal::Acquire(sync_internal::ThisThread(), *lock_, Deadline::Infinite(), &owner_died));
    lock_->depth = depth_;
    GuardAccess::SetHeld(guard_, *lock_, owner_died);
    return absl::OkStatus();
  }

 private:
  Guard& guard_;
  RobustWord* lock_ = nullptr;
  uint32_t depth_ = 0;
};

}  // namespace

absl::Status Condition::Wait(Guard& held, absl::Duration timeout) {
  HolderOfGuard holder(held);
  return WaitUntil(holder, Deadline::After(timeout));
}

absl::Status Condition::Wait(Guard& held, absl::FunctionRef<bool()> predicate, absl::Duration timeout) {
  HolderOfGuard holder(held);
  return WaitFor(holder, predicate, Deadline::After(timeout));
}

absl::Status Condition::Notify(Guard& held, int n) {
  HolderOfGuard holder(held);
  return NotifySome(holder, n);
}

absl::Status Condition::NotifyAll(Guard& held) { return Notify(held, INT_MAX); }

absl::Status Condition::WaitFor(LockHolder& holder, absl::FunctionRef<bool()> predicate, Deadline deadline) {
  RobustWord* lock = nullptr;
  SHOAL_RETURN_IF_ERROR(FindOnlyLock(holder, lock));
  while (!predicate()) {
    absl::Status status = WaitUntil(holder, deadline);
    if (status.ok()) continue;
    // The predicate may have come true without a notification; without the lock it must not be looked at.
    if (absl::IsDeadlineExceeded(status) && FindLock(holder, lock).ok() && predicate()) return absl::OkStatus();
    return status;
  }
  return absl::OkStatus();
}

absl::Status Condition::NotifySome(LockHolder& holder, int n) {
  RobustWord* lock = nullptr;
  SHOAL_RETURN_IF_ERROR(FindLock(holder, lock));
  if (n <= 0 || lock == nullptr) return absl::OkStatus();
  Thread& self = sync_internal::ThisThread();
  NotifyAllAfterDeath(self, *lock);
  SetPending(self, beacon_);
  if (notifications_.Notify(static_cast<uint32_t>(n))) WakeSleepers(self);
  ClearPending(self);
  return absl::OkStatus();
}

// This condition's lock among those that are held; null: several are, and the condition has not been used with any yet.
absl::Status Condition::FindLock(LockHolder& holder, RobustWord*& lock) {
  std::span<RobustWord* const> held;
  SHOAL_RETURN_IF_ERROR(holder.FindLocks(held));
  lock = nullptr;
  int64_t known = lock_distance_.load(std::memory_order_relaxed);  // relaxed: a number that changes once
  if (known == 0 && held.size() != 1) return absl::OkStatus();
  for (RobustWord* const each : held) {
    const int64_t distance = reinterpret_cast<intptr_t>(each) - reinterpret_cast<intptr_t>(this);
    // relaxed: as above
    if (known == 0 && lock_distance_.compare_exchange_strong(known, distance, std::memory_order_relaxed)) known = distance;
    if (known == distance) lock = each;
  }
  if (lock != nullptr) return absl::OkStatus();
  return MakeStatus(absl::StatusCode::kFailedPrecondition, "this condition is used with another lock");
}

// The same for who gives it up: it must be the only one.
absl::Status Condition::FindOnlyLock(LockHolder& holder, RobustWord*& lock) {
  std::span<RobustWord* const> held;
  SHOAL_RETURN_IF_ERROR(holder.FindLocks(held));
  if (held.size() == 1) return FindLock(holder, lock);
  return MakeStatus(absl::StatusCode::kFailedPrecondition,
                    "only a section of one lock can be given up for a sleep: this one holds several");
}

absl::Status Condition::WaitUntil(LockHolder& holder, Deadline deadline) {
  RobustWord* found = nullptr;
  SHOAL_RETURN_IF_ERROR(FindOnlyLock(holder, found));
  RobustWord& lock = *found;
  if (deadline.poll_once()) return TimedOut();  // nobody can notify a waiter that keeps the lock
  Thread& self = sync_internal::ThisThread();
  NotifyAllAfterDeath(self, lock);

  const uint64_t ticket = notifications_.Register();
  const uint32_t deaths = lock.deaths.load(std::memory_order_relaxed);  // relaxed: guarded by the lock
  for (;;) {
    // With another value no sleep begins, and the lock would be given up and taken again for ever.
    if (beacon_.load(std::memory_order_relaxed) != 0) {  // relaxed: it is always 0, in a condition
      notifications_.Leave(ticket);
      return MakeStatus(absl::StatusCode::kDataLoss, "these bytes are not a condition: its beacon is not 0");
    }
    const uint32_t sequence = sequence_.load(std::memory_order_relaxed);  // relaxed: guarded by the lock
    holder.GiveUp();

    SetPending(self, beacon_);
    int woken_by = -1;
    const FutexOutcome outcome = sync_internal::SleepWhile({{&beacon_, 0}, {&sequence_, sequence}}, deadline, &woken_by);
    absl::Status taken = holder.TakeAgain();
    if (!taken.ok()) {
      ClearPending(self);
      return taken;
    }

    // A death through the beacon may hide behind an ordinary wake, but then everybody has been woken and looks, as we do.
    if (woken_by == kBeaconIndex) {
      deaths_seen_ = lock.deaths.load(std::memory_order_relaxed) - 1;  // relaxed: guarded by the lock
    }
    NotifyAllAfterDeath(self, lock);
    if (notifications_.Take(ticket)) return absl::OkStatus();
    if (lock.deaths.load(std::memory_order_relaxed) != deaths) {  // relaxed: guarded by the lock
      notifications_.Leave(ticket);
      return absl::OkStatus();
    }
    if (outcome == FutexOutcome::kTimedOut || deadline.passed()) {
      notifications_.Leave(ticket);
      return TimedOut();
    }
  }
}

// REQUIRES: pending is the beacon.
void Condition::WakeSleepers(Thread&) { sync_internal::IncrementAndWake(sequence_, INT_MAX); }

// If an owner of the lock has died since this was last asked: whatever it was about to tell, everybody looks for himself.
void Condition::NotifyAllAfterDeath(Thread& self, const RobustWord& lock) {
  const uint32_t deaths = lock.deaths.load(std::memory_order_relaxed);  // relaxed: guarded by the lock
  if (deaths == deaths_seen_) return;
  SetPending(self, beacon_);
  notifications_.NotifyAll();
  WakeSleepers(self);
  deaths_seen_ = deaths;  // last: if we die before it, the next one does it again
  ClearPending(self);
}

}  // namespace shoal
