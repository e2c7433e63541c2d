#ifndef SHOAL_SYNC_ROBUST_LOCK_H_
#define SHOAL_SYNC_ROBUST_LOCK_H_

#include <atomic>
#include <cstdint>

#include "absl/status/status.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/futex.h"
#include "shoal/sync/robust_list.h"

namespace shoal::sync_internal {

// The lock in a RobustWord: who owns it, and what happens when the owner dies. Knows nothing of guards or data; Lock, RLock
// and Condition are made of it. The state table, the edges and the deaths are told in robust_lock.cc.

inline constexpr uint32_t kWaiters = 0x80000000;    // FUTEX_WAITERS: somebody sleeps, or is about to
inline constexpr uint32_t kOwnerDied = 0x40000000;  // FUTEX_OWNER_DIED: the kernel's mark
inline constexpr uint32_t kOwner = 0x3fffffff;      // FUTEX_TID_MASK

inline constexpr bool HasWaiters(uint32_t word) { return (word & kWaiters) != 0; }
inline constexpr bool OwnerDied(uint32_t word) { return (word & kOwnerDied) != 0; }
inline constexpr uint32_t OwnerOf(uint32_t word) { return word & kOwner; }
inline constexpr bool IsFree(uint32_t word) { return OwnerOf(word) == 0; }

// Takes the lock if it is free, nobody sleeps and nobody died. False says nothing: ask AcquireSlow.
// `order`: seq_cst for those who look at another word next, which others store before they look at this one.
template <std::memory_order order = std::memory_order_acquire>  // lock.handoff (acquire)
inline bool TryAcquireFast(Thread& self, RobustWord& lock) {
  if (__builtin_expect(!HasRoom(self), 0)) return false;
  // relaxed: a number that changes once
  if (__builtin_expect(lock.pid_namespace.load(std::memory_order_relaxed) != self.pid_namespace, 0)) return false;
  SetPending(self, lock.word);
  uint32_t expected = 0;
  // lock.handoff (acquire); on failure relaxed: nothing was learned
  const bool taken = lock.word.compare_exchange_strong(expected, self.tid, order, std::memory_order_relaxed);
  if (taken) {
    Link(self, lock);
    if (__builtin_expect(lock.depth != 0, 0)) lock.depth = 0;  // these bytes were something else before
  }
  ClearPending(self);
  return taken;
}

// Takes the lock, waiting until `deadline`. `owner_died`: the last owner died holding it.
// DeadlineExceeded; FailedPrecondition: this thread holds it, or another pid namespace uses it, or this thread cannot own robust
// words; ResourceExhausted: it holds too many; DataLoss: the shared bytes are not a lock; Unimplemented: the kernel is too old.
// `whose`: kOurs, if it lies in a segment and is given up before the call of the library returns. There is room for a few of these beside
// all others, and a word that names an owner that cannot be one is found out: see robust_lock.cc.
absl::Status AcquireSlow(Thread& self, RobustWord& lock, Deadline deadline, bool* owner_died, Whose whose = Whose::kUsers);

// The same, but gives up when `*word` is not `expected` any more: OK, `changed`, and the lock is not taken.
struct Unless {
  const FutexWord* word;
  uint32_t expected;
};
absl::Status AcquireUnless(Thread& self, RobustWord& lock, Deadline deadline, Unless unless, bool* owner_died,
                           bool* changed);

inline absl::Status Acquire(Thread& self, RobustWord& lock, Deadline deadline, bool* owner_died,
                            Whose whose = Whose::kUsers) {
  *owner_died = false;
  if (__builtin_expect(TryAcquireFast(self, lock), 1)) return absl::OkStatus();
  return AcquireSlow(self, lock, deadline, owner_died, whose);
}

// Gives it up, waking one sleeper if there are any. False: its shared bytes had been scribbled over (it is released).
// REQUIRES: this thread holds it, or did before its depth was scribbled over.
inline bool Release(Thread& self, RobustWord& lock) {
  SetPending(self, lock.word);
  const bool intact = Unlink(self, lock);
  uint32_t expected = self.tid;
  // lock.handoff (release); on failure relaxed: the system call below releases
  if (__builtin_expect(!lock.word.compare_exchange_strong(expected, 0, std::memory_order_release, std::memory_order_relaxed),
                       0)) {
    // lock.handoff (release): the kernel's store is a full barrier. Not what somebody else has by now.
    if (intact || OwnerOf(expected) == self.tid) StoreAndWake(lock.word, 0, 1);
  }
  ClearPending(self);
  return intact;
}

// The same in two calls, for whoever wants no call of a function on his way: what is mostly all, and the rest.
enum class Released : uint8_t {
  kNotYet,    // nothing has happened
  kUnlinked,  // it is out of this thread's list, and somebody sleeps
  kYes,
};
inline Released BeginRelease(Thread& self, RobustWord& lock) {
  if (__builtin_expect(!IsNewestAndFirst(self, lock), 0)) return Released::kNotYet;
  SetPending(self, lock.word);
  UnlinkNewest(self);
  uint32_t expected = self.tid;
  // lock.handoff (release); on failure relaxed: FinishRelease's system call releases
  if (__builtin_expect(!lock.word.compare_exchange_strong(expected, 0, std::memory_order_release, std::memory_order_relaxed),
                       0)) {
    return Released::kUnlinked;
  }
  ClearPending(self);
  return Released::kYes;
}
// REQUIRES: `so_far` is what BeginRelease has said, and is not kYes. False as Release.
bool FinishRelease(Thread& self, RobustWord& lock, Released so_far);

// The same for one level of an RLock; of a Lock it is the only one.
inline bool ReleaseOne(Thread& self, RobustWord& lock) {
  if (__builtin_expect(lock.depth != 0, 0)) {
    --lock.depth;
    return true;
  }
  return Release(self, lock);
}

// Gives it up as if this thread had died holding it: the next owner is told so, and makes good what this one could not.
// REQUIRES: this thread holds it.
void Abandon(Thread& self, RobustWord& lock);

inline bool HeldBy(const Thread& self, const RobustWord& lock) {
  // relaxed: only this thread makes the word equal to its own TID, or unequal again
  if (OwnerOf(lock.word.load(std::memory_order_relaxed)) != self.tid) return false;
  // In another pid namespace the same number is another thread. Who does not know its own asks its list.
  if (__builtin_expect(self.pid_namespace == 0, 0)) return HoldsWithin(self, &lock, sizeof(lock));
  return lock.pid_namespace.load(std::memory_order_relaxed) == self.pid_namespace;  // relaxed: a number that changes once
}

// For other sleepers on lock words. They wake now and then, and if the owner no longer exists they mark the word as the kernel
// should have; see the backstop in robust_lock.cc.
void MarkIfOwnerIsGone(RobustWord& lock);
// The same for a lock of ours: also if the owner is a thread that cannot have taken it.
void MarkIfOwnerIsNone(RobustWord& lock);
// Whether no thread has this TID; whether none has, or only what is left of one, or of a process that is this one's.
bool ThreadIsNoMore(uint32_t tid);
bool ThreadIsGone(uint32_t tid);
inline constexpr int64_t kBackstopNanoseconds = 1'000'000'000;

// How often a sleeper looked and found that the kernel had not told of a death; see the backstop in robust_lock.cc.
uint64_t BackstopCount();

}  // namespace shoal::sync_internal

#endif  // SHOAL_SYNC_ROBUST_LOCK_H_
