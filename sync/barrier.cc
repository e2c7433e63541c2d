// sync/barrier.cc: the word, the slots, the deaths.
//
//  state_ is one 64-bit word. Its low half, the cycle word, is what sleepers sleep on.
//
//   bits    field      meaning
//    0      running    the last party of the cycle runs its action
//    1..7   arrived    parties that have come in this cycle, the one that runs the action not counted
//    8..31  cycle      the number of the cycle
//   32      broken     until Reset; no cycle is in progress
//   33..63  history    how the last 31 cycles ended, the newest in bit 33; 1: broken
//
//   running broken arrived   meaning                       who may change it, to what
//      0      0     < p      filling                       a party → arrived + 1; the last, without action → next cycle;
//                                                            the last, with an action → running
//      1      0     p - 1    the action runs               its runner → next cycle
//      0 or 1 0      any     (both of these)               anyone who gives up or sees a death → next cycle, broken;
//                                                            Reset → next cycle, this one ended broken
//      0      1      0       broken                        Reset → not broken
//
//  EDGE barrier.cycle: every change of state_ release → the acquire that sees a later cycle. All changes are read-modify-writes, so
//  the last party's acquires what every party released, and its release passes it on.
//
//  A party that comes takes a slot, a robust word in its thread's list, and writes the cycle into it *before* it counts itself in.
//  The kernel marks the word when the thread dies, and then wakes one sleeper through the beacon, which is list_op_pending from
//  before the party is counted until it leaves. Everybody who comes, is about to sleep or has been woken looks through the slots: a
//  marked one of this cycle breaks the barrier.
//
//  A death-wake reaches only those who sleep already. So a sleeper compares, in one system call, all it depends on: the beacon,
//  the cycle word with its number of arrivals, and the slot of everybody who has come in this cycle. The runner's action is the
//  user's code, so nothing may be pending in it: its slot has the waiters bit, and everybody is woken once to sleep on it.
//
//  Whoever ends a cycle wakes all its sleepers, and then says so in woken_. A woken sleeper that finds the cycle ended and woken_
//  behind does it again: the one whose duty it was may have died. (It cannot tell by what it was woken.)
//
//  If the thread dies …                        the others see …
//   with a slot, not yet counted                the slot marked; if its cycle is still the current one the barrier breaks
//   counted, asleep or not                      the slot marked, one of them woken: the barrier breaks
//   as the last, before it ends the cycle       the same
//   between the end and the wake                the kernel wakes one through the beacon, that one wakes all
//   in the action                               the slot marked, and one of those who sleep on it woken: the barrier breaks
//   woken, leaving                              a marked slot of an older cycle: the next who needs a slot takes it
//   in Break, Abort, Reset                      before the change nothing; after it as between the end and the wake

#include "shoal/sync/barrier.h"

#include <climits>

#include "shoal/sync/robust_lock.h"
#include "shoal/sync/status.h"

namespace shoal {
namespace {

using sync_internal::ClearPending;
using sync_internal::Deadline;
using sync_internal::FutexExpectation;
using sync_internal::FutexOutcome;
using sync_internal::FutexWord;
using sync_internal::MakeStatus;
using sync_internal::RobustSupport;
using sync_internal::RobustWord;
using sync_internal::SetPending;
using sync_internal::Thread;

constexpr uint64_t kRunning = 1;
constexpr uint64_t kOneArrived = 1 << 1;
constexpr uint32_t kArrivedMask = 0xfe;
constexpr uint32_t kNextCycle = 1 << 8;
constexpr uint32_t kCycleMask = 0xffffff00;
constexpr uint64_t kBroken = uint64_t{1} << 32;
constexpr int kHistoryShift = 33;
constexpr uint32_t kHistoryLength = 31;

constexpr bool IsRunning(uint64_t state) { return (state & kRunning) != 0; }
constexpr bool IsBroken(uint64_t state) { return (state & kBroken) != 0; }
constexpr uint32_t CycleWord(uint64_t state) { return static_cast<uint32_t>(state); }
constexpr uint32_t Cycle(uint64_t state) { return CycleWord(state) & kCycleMask; }
// The cycle, and whether its action has begun: what sleepers are woken for.
constexpr uint32_t Stage(uint64_t state) { return CycleWord(state) & ~kArrivedMask; }
constexpr int Arrived(uint64_t state) { return static_cast<int>((CycleWord(state) & kArrivedMask) >> 1); }

// The state in which the next cycle begins.
constexpr uint64_t Ended(uint64_t state, bool broken) {
  const uint64_t history = state >> kHistoryShift << 1 | (broken ? 1 : 0);
  return history << kHistoryShift | uint64_t{Cycle(state) + kNextCycle};  // the sum wraps in 32 bits
}

// How `cycle`, which is over, ended. One so old that nobody knows counts as broken.
constexpr bool EndedBroken(uint64_t state, uint32_t cycle) {
  const uint32_t age = (Cycle(state) - cycle) / kNextCycle - 1;
  return age >= kHistoryLength || ((state >> (kHistoryShift + age)) & 1) != 0;
}

absl::Status BrokenStatus() {
  // Made once, so that a broken barrier allocates nothing.
  static const absl::Status* const status =
      new absl::Status(MakeStatus(absl::StatusCode::kAborted, "the barrier is broken"));
  return *status;
}

}  // namespace

absl::StatusOr<int> Barrier::Wait(absl::Duration timeout) { return WaitUntil(nullptr, Deadline::After(timeout)); }

absl::StatusOr<int> Barrier::Wait(Action action, absl::Duration timeout) {
  return WaitUntil(&action, Deadline::After(timeout));
}

absl::StatusOr<int> Barrier::WaitUntil(const Action* action, Deadline deadline) {
  if (parties_ < 1 || parties_ > kMaxParties) {
    return MakeStatus(absl::StatusCode::kInvalidArgument, "a barrier has 1 to 127 parties");
  }
  if (beacon_.load(std::memory_order_relaxed) != 0) {  // relaxed: it is always 0, in a barrier
    return MakeStatus(absl::StatusCode::kDataLoss, "these bytes are not a barrier: its beacon is not 0");
  }
  Thread& self = sync_internal::ThisThread();
  SHOAL_RETURN_IF_ERROR(MakeRoom(self));
  const int slot = ClaimSlot(self);
  if (slot < 0) {
    return MakeStatus(absl::StatusCode::kResourceExhausted, "more than 127 threads wait at this barrier");
  }
  absl::StatusOr<int> index = BrokenStatus();
  bool again = true;
  while (again) index = Arrive(self, slot, action, deadline, &again);
  sync_internal::Release(self, slots_[slot]);  // ends pending
  return index;
}

// One attempt of a party that has a slot. `*again`: the cycle it found was not one it could join.
// REQUIRES: pending is the beacon; it is so again on return.
absl::StatusOr<int> Barrier::Arrive(Thread& self, int slot, const Action* action, Deadline deadline, bool* again) {
  *again = false;
  uint64_t seen = state_.load(std::memory_order_acquire);  // barrier.cycle (acquire)
  if (IsBroken(seen) || BreakIfDead(seen)) return BrokenStatus();
  if (IsRunning(seen)) {  // full: wait for the next cycle
    if (SleepUntilChange(slot, seen, deadline)) *again = true;
    return BrokenStatus();
  }

  const int index = Arrived(seen);
  const bool is_last = index == parties_ - 1;
  if (!is_last && deadline.poll_once()) {
    Break(seen);
    return BrokenStatus();
  }
  // relaxed: the CAS below publishes it; a death before the CAS is a death in this cycle too
  slots_[slot].arrival.store(Cycle(seen), std::memory_order_relaxed);
  if (is_last && action != nullptr) {
    const uint64_t running = seen | kRunning;
    // The others sleep on the slot from then on; without the bit the kernel would wake none of them.
    // relaxed: published by the CAS below
    slots_[slot].word.fetch_or(sync_internal::kWaiters, std::memory_order_relaxed);
    if (Change(seen, running)) return RunAction(self, slot, running, *action, index);
  } else if (is_last) {
    const uint64_t ended = Ended(seen, /*broken=*/false);
    if (Change(seen, ended)) {
      WakeAllOf(ended);
      return index;
    }
  } else if (Change(seen, seen + kOneArrived)) {
    const uint32_t cycle = Cycle(seen);
    for (;;) {
      seen = state_.load(std::memory_order_acquire);  // barrier.cycle (acquire)
      if (Cycle(seen) != cycle) break;
      if (!SleepUntilChange(slot, seen, deadline)) break;
    }
    seen = state_.load(std::memory_order_acquire);  // barrier.cycle (acquire)
    if (EndedBroken(seen, cycle)) return BrokenStatus();
    return index;
  }
  *again = true;  // somebody else changed the state
  return BrokenStatus();
}

absl::StatusOr<int> Barrier::RunAction(Thread& self, int slot, uint64_t running, Action action, int index) {
  WakeAllOf(running);
  ClearPending(self);
  try {
    action();
  } catch (...) {
    SetPending(self, beacon_);
    Break(running);
    sync_internal::Release(self, slots_[slot]);
    throw;  // the user's own; also a thread that is being cancelled
  }
  SetPending(self, beacon_);
  const uint64_t ended = Ended(running, /*broken=*/false);
  if (!Change(running, ended)) return BrokenStatus();  // somebody gave up meanwhile
  WakeAllOf(ended);
  return index;
}

// Sleeps until something differs from `seen`, for as long as nobody dies. False: the caller's time was over, or it found a dead
// party or bytes that are no barrier's, and the cycle is broken. True: look again. REQUIRES: pending is the beacon.
bool Barrier::SleepUntilChange(int own_slot, uint64_t seen, Deadline deadline) {
  FutexExpectation expectations[1 + kMaxParties];  // all slots but its own, and two
  expectations[0] = {&beacon_, 0};
  expectations[1] = {cycle_word(), CycleWord(seen)};
  int count = 2;
  const int32_t used = slots_used_.load(std::memory_order_acquire);  // acquire: see ClaimSlot
  for (int i = 0; i < used && i < kMaxParties; ++i) {
    if (i == own_slot) continue;
    // acquire: with the mark, or the owner, goes the arrival, which is before it in program order
    const uint32_t word = slots_[i].word.load(std::memory_order_acquire);
    // relaxed: ordered by the load above, and for all who are counted in `seen` by barrier.cycle
    if (word == 0 || slots_[i].arrival.load(std::memory_order_relaxed) != Cycle(seen)) continue;
    if (sync_internal::OwnerDied(word)) {
      Break(seen);
      return false;
    }
    expectations[count++] = {&slots_[i].word, word};
  }
  if (deadline.passed()) {
    Break(seen);
    return false;
  }
  const FutexOutcome outcome = sync_internal::SleepWhile(expectations, count, deadline);
  if (outcome == FutexOutcome::kChanged && beacon_.load(std::memory_order_relaxed) != 0) {  // relaxed: it is always 0
    Break(seen);  // somebody has written over it meanwhile: nobody could sleep here any more
    return false;
  }
  if (outcome == FutexOutcome::kWoken) {
    const uint64_t now = state_.load(std::memory_order_acquire);  // barrier.cycle (acquire)
    // relaxed: if it is behind, one wake too many
    if (static_cast<int32_t>(Stage(now) - woken_.load(std::memory_order_relaxed)) > 0) WakeAllOf(now);
    BreakIfDead(now);
  }
  return true;
}

// Takes a slot and makes the beacon pending. -1: there is none.
int Barrier::ClaimSlot(Thread& self) {
  for (int i = 0; i < kMaxParties; ++i) {
    RobustWord& slot = slots_[i];
    uint32_t seen = slot.word.load(std::memory_order_relaxed);  // relaxed: the CAS decides
    if (!sync_internal::IsFree(seen)) continue;
    // A dead party of this cycle is not cleared away before the cycle is broken: its mark is all that is left of it.
    if (sync_internal::OwnerDied(seen)) {
      SetPending(self, beacon_);
      BreakIfDead(state_.load(std::memory_order_acquire));  // barrier.cycle (acquire)
    }
    int32_t used = slots_used_.load(std::memory_order_relaxed);  // relaxed: the CAS decides
    // release: with the acquire in BreakIfDead, so that a look that misses the slot came before it was taken
    while (used <= i && !slots_used_.compare_exchange_weak(used, i + 1, std::memory_order_release)) {
    }
    SetPending(self, slot.word);
    // acquire: what the last holder did with the links is over. relaxed on failure: try the next slot
    if (slot.word.compare_exchange_strong(seen, self.tid, std::memory_order_acquire, std::memory_order_relaxed)) {
      Link(self, slot);
      SetPending(self, beacon_);
      return i;
    }
  }
  ClearPending(self);
  return -1;
}

// Breaks the cycle of `seen` if one of its parties has died in it. True: it is over.
bool Barrier::BreakIfDead(uint64_t seen) {
  if (IsBroken(seen)) return false;
  const int32_t used = slots_used_.load(std::memory_order_acquire);  // acquire: see ClaimSlot
  for (int i = 0; i < used && i < kMaxParties; ++i) {
    // acquire: if the kernel's mark is seen, so is the dead party's arrival, which is before it in program order
    if (!sync_internal::OwnerDied(slots_[i].word.load(std::memory_order_acquire))) continue;
    // relaxed: ordered by the load above
    if (slots_[i].arrival.load(std::memory_order_relaxed) != Cycle(seen)) continue;
    Break(seen);
    return true;
  }
  return false;
}

// Ends the cycle of `seen`, broken, if it is not over. REQUIRES: pending is the beacon.
void Barrier::Break(uint64_t seen) {
  const uint32_t cycle = Cycle(seen);
  while (Cycle(seen) == cycle && !IsBroken(seen)) {
    const uint64_t broken = Ended(seen, /*broken=*/true) | kBroken;
    if (!Change(seen, broken)) continue;
    WakeAllOf(broken);
    return;
  }
}

void Barrier::Abort() {
  Thread& self = sync_internal::ThisThread();
  const bool robust = self.support == RobustSupport::kReady;  // else nothing can be promised if this thread dies here
  if (robust) SetPending(self, beacon_);
  Break(state_.load(std::memory_order_relaxed));  // relaxed: the CAS decides
  if (robust) ClearPending(self);
}

void Barrier::Reset() {
  Thread& self = sync_internal::ThisThread();
  const bool robust = self.support == RobustSupport::kReady;  // as in Abort
  if (robust) SetPending(self, beacon_);
  uint64_t seen = state_.load(std::memory_order_relaxed);  // relaxed: the CAS decides
  for (;;) {
    if (IsBroken(seen)) {
      if (Change(seen, seen & ~kBroken)) break;
    } else if (Arrived(seen) != 0 || IsRunning(seen)) {
      const uint64_t ended = Ended(seen, /*broken=*/true);
      if (!Change(seen, ended)) continue;
      WakeAllOf(ended);
      break;
    } else {
      break;
    }
  }
  if (robust) ClearPending(self);
}

int Barrier::waiting() const {
  const uint64_t state = state_.load(std::memory_order_relaxed);  // relaxed: a hint
  return IsRunning(state) ? 0 : Arrived(state);
}

bool Barrier::broken() const {
  return IsBroken(state_.load(std::memory_order_relaxed));  // relaxed: a hint
}

bool Barrier::Change(uint64_t& seen, uint64_t wanted) {
  // barrier.cycle (acq_rel); on failure acquire: the caller goes on with what it saw
  return state_.compare_exchange_strong(seen, wanted, std::memory_order_acq_rel, std::memory_order_acquire);
}

void Barrier::WakeAllOf(uint64_t state) {
  sync_internal::WakeAll(*cycle_word());
  woken_.store(Stage(state), std::memory_order_relaxed);  // relaxed: after the system call; see SleepUntilChange
}

const FutexWord* Barrier::cycle_word() const {
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the low half of state_ comes first");
  // Only its address is used, and only by the kernel.
  return reinterpret_cast<const FutexWord*>(&state_);
}

}  // namespace shoal
