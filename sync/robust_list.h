#ifndef SHOAL_SYNC_ROBUST_LIST_H_
#define SHOAL_SYNC_ROBUST_LIST_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "shoal/sync/futex.h"
#include "shoal/sync/process_table.h"

namespace shoal::sync_internal {

// A word that the kernel marks and wakes when the thread that owns it dies, with the links of the list in which the kernel
// finds it. It may lie in any shared mapping and is valid when zero-filled.
//
// The links lie where pthread_mutex_t has them, because a thread has one list and one distance from link to word, and glibc's
// robust mutexes are in that list too: we join it and never replace it.
struct RobustWord final {
  FutexWord word;                       // owner's TID, FUTEX_WAITERS, FUTEX_OWNER_DIED; see robust_lock.cc
  FutexWord beacon;                     // always 0: what a sleeper's list_op_pending names, and what it compares first
  std::atomic<uint32_t> pid_namespace;  // in which the TIDs mean something; set by the first owner, 0: not known
  std::atomic<uint32_t> deaths;         // owners that died holding it, counted by whoever took it over
  uint32_t depth;                       // guarded by `word`: further acquisitions by its owner (RLock)
  std::atomic<uint32_t> arrival;        // the cycle in which its owner came (Barrier)
  std::atomic<uintptr_t> previous;      // guarded by `word`, in the owner's address space
  std::atomic<uintptr_t> next;          // the same; the kernel follows it
};
static_assert(sizeof(RobustWord) == 40 && alignof(RobustWord) == 8, "part of the shared layout");
static_assert(offsetof(RobustWord, word) == 0 && offsetof(RobustWord, previous) == 24 && offsetof(RobustWord, next) == 32,
              "where glibc's pthread_mutex_t has its lock, __prev and __next on x86-64");

// struct robust_list_head of <linux/futex.h>, with fields that this thread stores in an order the kernel may interrupt.
struct RobustListHead {
  std::atomic<uintptr_t> first;
  long futex_offset;
  std::atomic<uintptr_t> pending;
};

// Why a thread cannot own robust words; kReady: it can.
enum class RobustSupport : uint8_t { kReady, kNoList, kForeignLayout, kNoWaitv, kNoMemory, kOtherBuild };

// What this thread knows of itself. Lies in its own memory; another process never sees it. There is one for all copies of this
// library in the process: see process_table.h.
struct Thread {
  // The private copy of an entry's links, by which a release finds out that a peer has scribbled over the shared ones.
  struct Entry {
    RobustWord* node;
    uintptr_t previous;
    uintptr_t next;
  };
  static constexpr int kInline = 6;
  static constexpr size_t kAboveBytes = 64;

  uint32_t epoch;  // of the process in which the rest was filled in
  uint32_t tid;
  RobustListHead* head;     // glibc's; an empty one of nobody's until `support` is kReady
  RobustWord* newest;       // the last to come, which has no entry yet; null: it is gone
  uintptr_t behind_newest;  // the private copy of its `next`
  int held;                 // entries in use
  int room;                 // entries there are for users' locks; 0 until `support` is kReady
  Entry* entries;           // `few`, or heap memory
  uint64_t serial;          // no two threads of one process, nor a parent and its forked child, share it; even
  uint32_t pid_namespace;   // 0: not known
  RobustSupport support;
  Entry few[kInline];
  alignas(8) unsigned char above[kAboveBytes];  // what the packages above know of this thread; zero at first, and after a fork
};

// More than this many robust words at once are refused: the kernel walks 2,048 entries of a dying thread's list and leaves
// the rest locked for ever, and pthread's robust mutexes stand in the same list. The last few are for the library's own short locks:
// whoever has all of its own locks that it may have can give them up, and what stands behind them, without a failure.
inline constexpr int kMaxHeld = 1000;
inline constexpr int kMaxHeldByUsers = kMaxHeld - 8;
// Who asks for one more: somebody with a guard to show for it, or a call of the library, which gives it back before it returns.
enum class Whose : uint8_t { kUsers, kOurs };

// Epoch 0 is the wiped page after a fork; a thread that has never looked is in none.
inline constexpr uint32_t kNoEpoch = 0xffffffff;
inline constexpr uint32_t kUnknownEpoch = 0xfffffffe;

// This thread's record, or one that is in no epoch as long as this copy of the library has not looked for it.
// Initial-exec: a fixed distance from the thread pointer, in plug-ins too, instead of a call on every lock.
extern constinit thread_local Thread* this_thread __attribute__((tls_model("initial-exec")));
// A word in a page that the kernel wipes in a child (MADV_WIPEONFORK), also after a clone that runs no atfork handler.
extern constinit std::atomic<const std::atomic<uint32_t>*> process_epoch;

__attribute__((noinline, cold)) Thread& MeetThread();

// This thread's record, or null: it has to be filled in first, as after a fork.
inline Thread* ThisThreadOrNull() {
  // robust.epoch (acquire); then relaxed: the word changes only by a fork of this very thread
  const uint32_t epoch = process_epoch.load(std::memory_order_acquire)->load(std::memory_order_relaxed);
  Thread* const self = this_thread;
  return __builtin_expect(self->epoch == epoch, 1) ? self : nullptr;
}
// This thread's record, filled in anew after a fork. A few nanoseconds.
inline Thread& ThisThread() {
  Thread* const self = ThisThreadOrNull();
  return __builtin_expect(self != nullptr, 1) ? *self : MeetThread();
}

// The process's table, for a copy of the library that is about to be loaded. Null: no memory.
const ProcessTable* TableToGive();

// What the packages above keep for this process, in the table: null at first, and whoever is first puts something there.
// Null itself: this copy cannot share with its program, and must do nothing; why, MakeRoom says.
std::atomic<void*>* AboveOrNull();

// list_op_pending: the kernel looks at this word too when the thread dies. If it is owned by the dead thread it is marked; if
// it has no owner (all beacons) one of its sleepers is woken.
// The fences keep the compiler from moving these stores across the operations they cover; a death, like a signal handler, sees
// this thread's stores in program order.
inline void SetPending(Thread& self, const FutexWord& word) {
  std::atomic_signal_fence(std::memory_order_seq_cst);  // seq_cst: program order, see above
  // relaxed: only this thread and the kernel on its behalf
  self.head->pending.store(reinterpret_cast<uintptr_t>(&word) + offsetof(RobustWord, next), std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);  // seq_cst: program order
}

inline void ClearPending(Thread& self) {
  std::atomic_signal_fence(std::memory_order_seq_cst);     // seq_cst: program order
  self.head->pending.store(0, std::memory_order_relaxed);  // relaxed: only this thread and the kernel on its behalf
}

// An entry of the list is the address of a word's `next` field, as glibc and the kernel have it.
inline uintptr_t EntryOf(const RobustWord& node) { return reinterpret_cast<uintptr_t>(&node.next); }
inline uintptr_t HeadEntry(const Thread& self) { return reinterpret_cast<uintptr_t>(&self.head->first); }

inline constexpr uintptr_t kPriorityInheriting = 1;  // bit 0 of an entry of glibc's
inline constexpr uintptr_t kBackLink = offsetof(RobustWord, next) - offsetof(RobustWord, previous);

inline std::atomic<uintptr_t>& NextField(uintptr_t entry) {
  return *reinterpret_cast<std::atomic<uintptr_t>*>(entry & ~kPriorityInheriting);
}
// The head has this field too.
inline std::atomic<uintptr_t>& PreviousField(uintptr_t entry) {
  return *reinterpret_cast<std::atomic<uintptr_t>*>((entry & ~kPriorityInheriting) - kBackLink);
}

inline int CountHeld(const Thread& self) { return self.held + (self.newest != nullptr ? 1 : 0); }

// Whether one more may be put into the list, whosesoever; if not, ask MakeRoom.
inline bool HasRoom(const Thread& self) { return CountHeld(self) < self.room; }

// Whether this thread holds a word that lies in the `size_bytes` from `begin`.
inline bool HoldsWithin(const Thread& self, const void* begin, size_t size_bytes) {
  const auto within = [&](const RobustWord* node) {
    return reinterpret_cast<uintptr_t>(node) - reinterpret_cast<uintptr_t>(begin) < size_bytes;
  };
  if (self.newest != nullptr && within(self.newest)) return true;
  for (int i = 0; i < self.held; ++i) {
    if (__builtin_expect(within(self.entries[i].node), 0)) return true;
  }
  return false;
}

// Gives the newest an entry like the others.
__attribute__((noinline)) void Settle(Thread& self);

// The same as Unlink, wherever the word stands.
__attribute__((noinline)) bool UnlinkAnywhere(Thread& self, RobustWord& node);

// Puts `node`, just acquired, into this thread's list. REQUIRES: pending is `node.word`; HasRoom(self).
// Mostly it is the next to go. Every store counts then: the CAS of the release waits for all of them. So it gets no entry before
// another comes, and the link back is left out: nobody reads that of the first in the list, and whoever comes in front sets it.
inline void Link(Thread& self, RobustWord& node) {
  if (__builtin_expect(self.newest != nullptr, 0)) Settle(self);
  // relaxed, all: this thread's own list; the kernel and glibc look at it on this thread's behalf. The fence keeps the order.
  const uintptr_t first = self.head->first.load(std::memory_order_relaxed);
  node.next.store(first, std::memory_order_relaxed);
  if (first != HeadEntry(self)) PreviousField(first).store(EntryOf(node), std::memory_order_relaxed);  // relaxed: as above
  self.newest = &node;
  if (self.behind_newest != first) self.behind_newest = first;
  std::atomic_signal_fence(std::memory_order_seq_cst);               // seq_cst: complete before it is in the list
  self.head->first.store(EntryOf(node), std::memory_order_relaxed);  // relaxed: as above
}

// Whether `node` is the last that came, and its shared links are what they should be.
inline bool IsNewestAndFirst(const Thread& self, const RobustWord& node) {
  // relaxed, both: this thread's own list
  return self.newest == &node && self.head->first.load(std::memory_order_relaxed) == EntryOf(node) &&
         node.next.load(std::memory_order_relaxed) == self.behind_newest;
}
// Takes the newest out. REQUIRES: IsNewestAndFirst; pending is its word.
inline void UnlinkNewest(Thread& self) {
  const uintptr_t behind = self.behind_newest;
  self.head->first.store(behind, std::memory_order_relaxed);  // relaxed: this thread's own list
  if (behind != HeadEntry(self))
    PreviousField(behind).store(HeadEntry(self), std::memory_order_relaxed);  // relaxed: as above
  std::atomic_signal_fence(std::memory_order_seq_cst);  // seq_cst: out of the list before it is given up
  self.newest = nullptr;
}

// Takes `node` out again. Returns whether its shared links were what they should be; if not, they were not followed. (False also if
// `node` is not in the list.) REQUIRES: pending is `node.word`.
inline bool Unlink(Thread& self, RobustWord& node) {
  if (__builtin_expect(!IsNewestAndFirst(self, node), 0)) return UnlinkAnywhere(self, node);
  UnlinkNewest(self);
  return true;
}

// Makes room for one more entry: OK, or why there is none (Unimplemented, FailedPrecondition, ResourceExhausted).
absl::Status MakeRoom(Thread& self, Whose whose = Whose::kUsers);

}  // namespace shoal::sync_internal

#endif  // SHOAL_SYNC_ROBUST_LIST_H_
