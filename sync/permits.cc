// sync/permits.cc: the word, the edges, the deaths.
//
//  waiters count   meaning                                             who may change it, to what
//     0      n     n permits, nobody sleeps that is not being woken    taker → (0, n - 1); releaser → (0, n + k)
//     0      0     none                                                the same; a sleeper → (1, 0)
//     1      n     n permits, somebody sleeps or is about to           taker → (1, n - 1); releaser → (0, n + k), waking k
//
//  EDGE permits.handoff: Add release → TryTake, Take acquire. Publishes what the releaser did before.
//  The waiters bit is relaxed: it is in the same word, and futex_waitv compares the word again when it goes to sleep.
//
//  A releaser forgets the waiters bit and wakes as many as it brought permits. So each woken one sets the bit before it looks,
//  because others may sleep behind it, and if permits are left when it has taken its own, it wakes one more (the baton). From
//  before the change that owes a wake until after the wake, list_op_pending is the beacon, on which every sleeper sleeps too: a
//  death in between makes the kernel wake one of them, and that one has the same duties.
//
//  If the thread dies …                        the others see …
//   in TryTake                                  the permits before or after: a permit belongs to nobody, it dies with its taker
//   in Add, before the CAS                      nothing
//   in Add, between the CAS and the wake        the permits; the kernel wakes one, the baton wakes the rest
//   after it set the waiters bit, not asleep    a bit without a sleeper: one needless system call at the next release
//   asleep                                      nothing
//   woken, nothing taken yet                    the kernel wakes the next sleeper
//   woken, a permit taken, the baton owed       one permit less; the kernel wakes the next sleeper

#include "shoal/sync/permits.h"

#include "shoal/sync/robust_list.h"
#include "shoal/sync/status.h"

namespace shoal::sync_internal {
namespace {

absl::Status TimedOut() {
  // Made once, so that a timeout allocates nothing.
  static const absl::Status* const status =
      new absl::Status(MakeStatus(absl::StatusCode::kDeadlineExceeded, "no permit was free in time"));
  return *status;
}

}  // namespace

absl::Status Permits::Take(Deadline deadline) {
  if (TryTake()) return absl::OkStatus();
  if (deadline.poll_once()) return TimedOut();
  Thread& self = ThisThread();
  if (self.support != RobustSupport::kReady) return MakeRoom(self);

  SetPending(self, beacon_);
  uint32_t seen = state_.load(std::memory_order_relaxed);  // relaxed: the CAS decides
  for (;;) {
    if (CountOf(seen) != 0) {
      // permits.handoff (acquire); on failure relaxed: look again
      if (!state_.compare_exchange_weak(seen, seen - 1, std::memory_order_acquire, std::memory_order_relaxed)) continue;
      // The baton. Whoever took a permit without sleeping may leave it to the sleeper that the releaser woke.
      if (CountOf(seen) > 1 && (seen & kWaiters) != 0) Wake(state_, 1);
      ClearPending(self);
      return absl::OkStatus();
    }
    if (deadline.passed()) {
      // Nothing to pass on: no permit is left, and if we were woken the bit is set, so the next release wakes.
      ClearPending(self);
      return TimedOut();
    }
    // relaxed: the bit orders nothing; futex_waitv compares the word again
    if ((seen & kWaiters) == 0 && !state_.compare_exchange_weak(seen, seen | kWaiters, std::memory_order_relaxed)) continue;
    seen |= kWaiters;
    const FutexOutcome outcome = SleepWhile({{&beacon_, 0}, {&state_, seen}}, deadline);
    if (outcome == FutexOutcome::kWoken) {
      seen =
          state_.fetch_or(kWaiters, std::memory_order_relaxed) | kWaiters;  // relaxed: as above; others may sleep behind us
      continue;
    }
    if (outcome == FutexOutcome::kChanged && beacon_.load(std::memory_order_relaxed) != 0) {  // relaxed: it is always 0
      ClearPending(self);
      return MakeStatus(absl::StatusCode::kDataLoss, "these bytes are not a semaphore: its beacon is not 0");
    }
    seen = state_.load(std::memory_order_relaxed);  // relaxed: the CAS decides
  }
}

bool Permits::AddAndWake(uint32_t n, uint32_t limit) {
  Thread& self = ThisThread();
  const bool robust = self.support == RobustSupport::kReady;  // else nothing can be promised if this thread dies here
  if (robust) SetPending(self, beacon_);
  uint32_t seen = state_.load(std::memory_order_relaxed);  // relaxed: the CAS decides
  do {
    if (!Fits(n, seen, limit)) {
      if (robust) ClearPending(self);
      return false;
    }
    // permits.handoff (release); on failure relaxed: look again
  } while (!state_.compare_exchange_weak(seen, CountOf(seen) + n, std::memory_order_release, std::memory_order_relaxed));
  if ((seen & kWaiters) != 0) Wake(state_, static_cast<int>(n));
  if (robust) ClearPending(self);
  return true;
}

}  // namespace shoal::sync_internal
