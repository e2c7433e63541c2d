// sync/robust_lock.cc: the lock word, its edges, its deaths.
//
//  waiters died owner   meaning                                       who may change it, to what
//     0      0    0     free, nobody sleeps that is not being woken   anyone → (0, 0, self)
//     0      0    A     held by A, nobody sleeps                      A → free; a locker that will sleep → (1, 0, A)
//     1      0    A     held by A, somebody sleeps or is about to     A → free, waking one, in one system call
//     1      0    0     free, and the woken one has said that         anyone → (1, 0, self)
//                       others may still sleep
//     x      1    0     abandoned: the kernel marked A's death, or    anyone → (x, 0, self), owner_died
//                       A gave up as if it had died
//
//  EDGE lock.handoff: release → acquire. Publishes what the lock guards.
//  The waiters bit is relaxed: it is in the same word, and futex_waitv compares the word again when it goes to sleep.
//
//  A release with sleepers forgets the waiters bit (it stores 0 and wakes one), so the bit is the woken one's duty: it sets it
//  before it looks, because others may sleep behind it. Until it has set the bit its list_op_pending is the beacon, on which
//  every sleeper sleeps too and which never has an owner: if it dies, the kernel wakes the next one, whoever holds the lock by
//  then. A lock word in list_op_pending would not do: the kernel wakes nobody while a thief's TID is in it (glibc's robust
//  mutex loses a sleeper so).
//
//  If the thread dies …                        the others see …
//   in acquire, before the CAS                  nothing
//   between the CAS and Link's last store       abandoned (list_op_pending was the word)
//   holding it                                  abandoned (the list)
//   after it set the waiters bit, not asleep    a bit without a sleeper: one needless system call at the next release
//   asleep                                      nothing
//   woken, the bit not yet set                  the kernel wakes the next sleeper through the beacon
//   woken, the bit set, pending the beacon      the same; the bit makes the next release wake one, too
//   woken, pending the word, not yet owner      if the word is free the kernel wakes one of its sleepers; if a thief has it, the
//                                                 thief's release sees the bit
//   in release, before the store                abandoned (the list, or list_op_pending)
//   in Abandon, between store and wake          the kernel wakes one; or a thief has the word, and it still has the bit
//   between store and wake                      cannot happen: with sleepers they are one system call
//
//  Backstop. The kernel skips a dead thread's list when it cannot read it (the OOM killer has taken the memory, somebody has
//  replaced the list). So a sleeper looks once a second whether the owner still exists, where /proc tells that the owner's number
//  means the same thread here. This is never how a death is learned otherwise: BackstopCount() stays 0.
//  (For those who wait for what a process holds outside of calls, its keepers look: shm/participants.cc.)
//
//  The library's own locks in a segment are held for a moment, inside of calls. One that is not given up for a second may have been written
//  over: its word names a thread that never had it, and that lives for ever. So the sleeper looks further: a thread whose process has not
//  mapped the segment has not taken a lock in it, and the word is marked. Of one whose process has, or may not be looked into, nothing can
//  be said for certain (it may be stopped, or frozen), and there must never be two owners: it is waited for.

#include "shoal/sync/robust_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shoal/sync/cancellation.h"
#include "shoal/sync/mapped_by.h"
#include "shoal/sync/status.h"

namespace shoal::sync_internal {
namespace {

// A held lock is mostly released within the time that going to sleep and being woken take, so a locker looks for a while before it
// sleeps: not at all where this thread may use one processor only, because the owner cannot run while we look. It looks seldom,
// because each look takes the word's cache line away from the owner, who needs it to release. In cycles of the time-stamp counter,
// for a `pause` takes 20 ns on one processor and 80 on another. Measured in
// docs/decisions/a-locker-looks-seldom-and-for-seven-microseconds-before-it-sleeps.md.
constexpr uint64_t kCyclesBetweenLooks = 2'000;
constexpr uint64_t kCyclesOfLooking = 16'000;

constinit std::atomic<uint64_t> backstops{0};

// A mark that the kernel owes. Only this exact word: if it has changed meanwhile, somebody is alive.
void MarkAsDied(RobustWord& lock, uint32_t seen) {
  // relaxed: the dead thread's stores are as visible as they will ever be; the taker's CAS acquires what was released before
  if (lock.word.compare_exchange_strong(seen, (seen & kWaiters) | kOwnerDied, std::memory_order_relaxed)) {
    backstops.fetch_add(1, std::memory_order_relaxed);  // relaxed: a statistic
  }
}

// The owner's TID, if that means the same thread here; 0: it does not, or there is none.
uint32_t OwnerHere(const RobustWord& lock, uint32_t seen) {
  const uint32_t here = ThisThread().pid_namespace;
  // relaxed: a number that changes once
  if (IsFree(seen) || here == 0 || lock.pid_namespace.load(std::memory_order_relaxed) != here) return 0;
  return OwnerOf(seen);
}

bool MayRunBesideOthers() {
  // relaxed: every thread computes the same answer, or nearly
  static constinit std::atomic<int> processors{0};
  int known = processors.load(std::memory_order_relaxed);
  if (known == 0) {
    cpu_set_t set;
    known = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
    processors.store(known, std::memory_order_relaxed);  // relaxed: as above
  }
  return known > 1;
}

// Waits a moment for the word to become free. Returns the last value seen.
uint32_t Spin(const FutexWord& word) {
  uint32_t seen = word.load(std::memory_order_relaxed);  // relaxed: a hint, the CAS decides
  if (!MayRunBesideOthers()) return seen;
  uint64_t now = __builtin_ia32_rdtsc();
  const uint64_t begin = now;
  while (!IsFree(seen) && now - begin < kCyclesOfLooking) {
    for (const uint64_t last_look = now; now - last_look < kCyclesBetweenLooks; now = __builtin_ia32_rdtsc()) {
      __builtin_ia32_pause();
    }
    seen = word.load(std::memory_order_relaxed);  // relaxed: a hint, the CAS decides
  }
  return seen;
}

absl::Status CheckNamespace(const Thread& self, RobustWord& lock) {
  uint32_t known = lock.pid_namespace.load(std::memory_order_relaxed);  // relaxed: the CAS decides
  if (known == self.pid_namespace || self.pid_namespace == 0) return absl::OkStatus();
  // relaxed: a number that changes once and publishes nothing
  if (known == 0 && lock.pid_namespace.compare_exchange_strong(known, self.pid_namespace, std::memory_order_relaxed)) {
    return absl::OkStatus();
  }
  if (known == self.pid_namespace) return absl::OkStatus();
  return MakeStatus(absl::StatusCode::kFailedPrecondition,
                    "this lock is used in another pid namespace: its owner's number means another thread here");
}

absl::Status TimedOut() {
  // Made once, so that a timeout allocates nothing.
  static const absl::Status* const status =
      new absl::Status(MakeStatus(absl::StatusCode::kDeadlineExceeded, "the lock was not free in time"));
  return *status;
}

// `unless` may be null.
absl::Status AcquireOrGiveUp(Thread& self, RobustWord& lock, Deadline deadline, Whose whose, const Unless* unless,
                             bool* owner_died, bool* changed) {
  SHOAL_RETURN_IF_ERROR(CheckNamespace(self, lock));
  if (HeldBy(self, lock)) {
    return MakeStatus(absl::StatusCode::kFailedPrecondition, "this thread holds the lock already");
  }
  SHOAL_RETURN_IF_ERROR(MakeRoom(self, whose));

  SetPending(self, lock.word);
  uint32_t seen = deadline.poll_once() ? lock.word.load(std::memory_order_relaxed)  // relaxed: the CAS decides
                                       : Spin(lock.word);
  for (;;) {
    if (IsFree(seen)) {
      // lock.handoff (acquire); on failure relaxed: look again
      if (!lock.word.compare_exchange_weak(seen, (seen & kWaiters) | self.tid, std::memory_order_acquire,
                                           std::memory_order_relaxed)) {
        continue;
      }
      Link(self, lock);
      ClearPending(self);
      lock.depth = 0;
      *owner_died = OwnerDied(seen);
      if (*owner_died) lock.deaths.fetch_add(1, std::memory_order_relaxed);  // relaxed: guarded by the lock
      return absl::OkStatus();
    }
    // Whoever was woken and gives up here found a thief's TID after it had set the bit: the thief's release wakes the next.
    // The value of `unless` may publish what its writer did: lock.handoff (acquire)
    if (unless != nullptr && unless->word->load(std::memory_order_acquire) != unless->expected) {
      ClearPending(self);
      *changed = true;
      return absl::OkStatus();
    }
    if (deadline.passed()) {
      ClearPending(self);
      return TimedOut();
    }
    // relaxed: the bit orders nothing; futex_waitv compares the word again
    if (!HasWaiters(seen) && !lock.word.compare_exchange_weak(seen, seen | kWaiters, std::memory_order_relaxed)) continue;
    seen |= kWaiters;

    SetPending(self, lock.beacon);
    const Deadline look_up = Deadline::AtNanoseconds(Deadline::Now() + kBackstopNanoseconds);
    FutexExpectation words[3] = {{&lock.beacon, 0}, {&lock.word, seen}};
    if (unless != nullptr) words[2] = {unless->word, unless->expected};
    const FutexOutcome outcome = SleepWhile(words, unless != nullptr ? 3 : 2, Deadline::Earlier(deadline, look_up));
    if (outcome == FutexOutcome::kWoken) {
      lock.word.fetch_or(kWaiters, std::memory_order_relaxed);  // relaxed: as above; others may sleep behind us
    } else if (outcome == FutexOutcome::kTimedOut) {
      // Not at the deadline itself, which says nothing of the owner.
      if (!deadline.passed()) whose == Whose::kUsers ? MarkIfOwnerIsGone(lock) : MarkIfOwnerIsNone(lock);
    } else if (lock.beacon.load(std::memory_order_relaxed) != 0) {  // relaxed: it is always 0, in a lock
      ClearPending(self);
      return MakeStatus(absl::StatusCode::kDataLoss, "these bytes are not a lock: its beacon is not 0");
    }
    SetPending(self, lock.word);
    seen = lock.word.load(std::memory_order_relaxed);  // relaxed: the CAS decides
  }
}

}  // namespace

absl::Status AcquireSlow(Thread& self, RobustWord& lock, Deadline deadline, bool* owner_died, Whose whose) {
  return AcquireOrGiveUp(self, lock, deadline, whose, nullptr, owner_died, nullptr);
}

absl::Status AcquireUnless(Thread& self, RobustWord& lock, Deadline deadline, Unless unless, bool* owner_died,
                           bool* changed) {
  *owner_died = false;
  *changed = false;
  return AcquireOrGiveUp(self, lock, deadline, Whose::kUsers, &unless, owner_died, changed);
}

bool ThreadIsNoMore(uint32_t tid) { return kill(static_cast<pid_t>(tid), 0) != 0 && errno == ESRCH; }

// What is left of a thread that is not waited for yet: its list has been walked by then, or never will be.
bool ThreadIsGone(uint32_t tid) {
  if (ThreadIsNoMore(tid)) return true;
  const NoCancellation whole;  // who asks has list_op_pending set
  char path[32];
  snprintf(path, sizeof(path), "/proc/%u/stat", tid);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  char text[512];
  const ssize_t length = read(fd, text, sizeof(text) - 1);
  close(fd);
  if (length <= 0) return false;
  text[length] = '\0';
  const char* const name_end = strrchr(text, ')');  // the name may hold parentheses itself
  return name_end != nullptr && name_end[1] == ' ' && (name_end[2] == 'Z' || name_end[2] == 'X');
}

// The backstop: marks the word as the kernel should have.
void MarkIfOwnerIsGone(RobustWord& lock) {
  const uint32_t seen = lock.word.load(std::memory_order_relaxed);  // relaxed: the CAS decides
  const uint32_t owner = OwnerHere(lock, seen);
  if (owner != 0 && ThreadIsGone(owner)) MarkAsDied(lock, seen);
}

// Who has taken a lock keeps its memory mapped until it is given up, or until the kernel has walked its list. So a process without it has
// no thread that owns the lock.
void MarkIfOwnerIsNone(RobustWord& lock) {
  const uint32_t seen = lock.word.load(std::memory_order_relaxed);  // relaxed: the CAS decides
  const uint32_t owner = OwnerHere(lock, seen);
  if (owner != 0 && (ThreadIsGone(owner) || MappedBy(owner, &lock) == Mapped::kNo)) MarkAsDied(lock, seen);
}

bool FinishRelease(Thread& self, RobustWord& lock, Released so_far) {
  if (so_far == Released::kNotYet) return Release(self, lock);
  // lock.handoff (release): as in Release
  StoreAndWake(lock.word, 0, 1);
  ClearPending(self);
  return true;
}

void Abandon(Thread& self, RobustWord& lock) {
  SetPending(self, lock.word);
  Unlink(self, lock);
  uint32_t seen = lock.word.load(std::memory_order_relaxed);  // relaxed: the CAS decides
  // lock.handoff (release); on failure relaxed: look again. The bit stays: this store and the wake are two steps.
  while (!lock.word.compare_exchange_weak(seen, (seen & kWaiters) | kOwnerDied, std::memory_order_release,
                                          std::memory_order_relaxed)) {
  }
  if (HasWaiters(seen)) Wake(lock.word, 1);
  ClearPending(self);
}

uint64_t BackstopCount() { return backstops.load(std::memory_order_relaxed); }  // relaxed: a statistic

}  // namespace shoal::sync_internal
