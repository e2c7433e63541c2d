// sync/event.cc: one word, and why it needs neither beacon nor list_op_pending.
//
//  round (30 bits) waiters set   meaning                                      who may change it, to what
//        r            0     0    not set, nobody sleeps                       Set → (r, 0, 1); a sleeper → (r, 1, 0)
//        r            1     0    not set, somebody sleeps or is about to      Set → (r, 1, 1), waking all, in one system call
//        r            x     1    set; nobody sleeps                           Clear → (r + 1, 0, 0)
//
//  EDGE event.set: Set release → Wait, IsSet acquire. Publishes what the setter did before.
//
//  A sleeper compares the whole word in the kernel, so it sleeps only while nobody has set the event since it looked; the round
//  lets it tell, after Set and Clear, that there was a Set. (It would be fooled by 2^30 rounds between its look and its sleep.)
//
//  If the thread dies …                        the others see …
//   in Set, before its one atomic step          an event not set, and sleep on
//   in Set, after it                            an event set; all sleepers are awake: the kernel changes the word and wakes them
//                                                 with no signal looked at in between
//   in Clear                                    the round before or the round after
//   in Wait, the bit set, asleep or woken       the bit without a sleeper: one needless system call at the next Set

#include "shoal/sync/event.h"

#include <climits>

#include "shoal/sync/deadline.h"
#include "shoal/sync/status.h"

namespace shoal {
namespace {

using sync_internal::Deadline;
using sync_internal::FutexOutcome;
using sync_internal::MakeStatus;

constexpr uint32_t kWaiters = 2;
constexpr uint32_t kFlags = 3;
constexpr uint32_t kRound = 4;

absl::Status TimedOut() {
  // Made once, so that a timeout allocates nothing.
  static const absl::Status* const status =
      new absl::Status(MakeStatus(absl::StatusCode::kDeadlineExceeded, "the event was not set in time"));
  return *status;
}

}  // namespace

void Event::Set() {
  uint32_t seen = state_.load(std::memory_order_relaxed);  // relaxed: the CAS or the system call decides
  for (;;) {
    if ((seen & kSet) != 0) {
      // Set by somebody else, but what this thread did must be visible too to whoever sees it set from now on.
      // event.set (release); on failure relaxed: look again
      if (state_.compare_exchange_weak(seen, seen, std::memory_order_release, std::memory_order_relaxed)) return;
      continue;
    }
    if ((seen & kWaiters) != 0) {
      sync_internal::OrAndWake(state_, kSet, INT_MAX);  // event.set (release): the kernel's operation is a full barrier
      return;
    }
    // event.set (release); on failure relaxed: look again
    if (state_.compare_exchange_weak(seen, seen | kSet, std::memory_order_release, std::memory_order_relaxed)) return;
  }
}

void Event::Clear() {
  uint32_t seen = state_.load(std::memory_order_relaxed);  // relaxed: the CAS decides
  while ((seen & kSet) != 0) {
    // release: a waiter of this round learns from the new round that there was a Set, and synchronises with it through this
    // CAS, which continues the release sequence of event.set; on failure relaxed: look again
    if (state_.compare_exchange_weak(seen, (seen & ~kFlags) + kRound, std::memory_order_release,
                                     std::memory_order_relaxed)) {
      return;
    }
  }
}

absl::Status Event::Wait(absl::Duration timeout) {
  if (IsSet()) return absl::OkStatus();
  const Deadline deadline = Deadline::After(timeout);
  if (deadline.poll_once()) return TimedOut();
  if (!sync_internal::FutexWaitvSupported()) {
    return MakeStatus(absl::StatusCode::kUnimplemented,
                      "futex_waitv is missing (it needs Linux 5.16) or denied by a seccomp profile");
  }
  uint32_t seen = state_.load(std::memory_order_acquire);  // event.set (acquire)
  const uint32_t round = seen / kRound;
  // In a later round, or set in this one: there was a Set since the call began.
  while ((seen & kSet) == 0 && seen / kRound == round) {
    if ((seen & kWaiters) == 0) {
      // acquire only for the failure, which may have seen event.set; the bit orders nothing, the kernel compares the word again
      if (!state_.compare_exchange_weak(seen, seen | kWaiters, std::memory_order_acquire)) continue;
      seen |= kWaiters;
    }
    const FutexOutcome outcome = sync_internal::SleepWhile({{&state_, seen}}, deadline);
    seen = state_.load(std::memory_order_acquire);  // event.set (acquire)
    if (outcome == FutexOutcome::kTimedOut && (seen & kSet) == 0 && seen / kRound == round) return TimedOut();
  }
  return absl::OkStatus();
}

namespace sync_internal {

bool EventWaiting::Announce(Event& event, FutexExpectation& sleep_on) {
  uint32_t seen = event.state_.load(std::memory_order_acquire);  // event.set (acquire)
  while ((seen & Event::kSet) == 0) {
    // acquire only for the failure, as in Wait
    if ((seen & kWaiters) != 0 ||
        event.state_.compare_exchange_weak(seen, seen | kWaiters, std::memory_order_acquire)) {
      sleep_on = {&event.state_, seen | kWaiters};
      return true;
    }
  }
  return false;
}

bool EventWaiting::WasSet(const Event& event, const FutexExpectation& slept_on) {
  const uint32_t seen = event.state_.load(std::memory_order_acquire);  // event.set (acquire)
  return (seen & Event::kSet) != 0 || seen / kRound != slept_on.expected / kRound;
}

}  // namespace sync_internal
}  // namespace shoal
