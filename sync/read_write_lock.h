#ifndef SHOAL_SYNC_READ_WRITE_LOCK_H_
#define SHOAL_SYNC_READ_WRITE_LOCK_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/futex.h"
#include "shoal/sync/robust_list.h"
#include "shoal/sync/robust_lock.h"

namespace shoal::sync_internal {

// Many readers or one writer: the words that an RwLock is made of. Knows nothing of guards, sections or data. Lies in shared
// memory; valid when zero-filled. The states, the edges and the deaths are told in read_write_lock.cc.
//
// A reader owns one of 32 words, which has a cache line of its own, and touches nothing else that changes: readers do not slow
// each other down. A writer owns the turnstile.
class ReadWriteLock final {
 public:
  static constexpr int kReaders = 32;

  // Makes good what a dead writer left; called by whoever has just taken the turnstile from it, alone. An error is the caller's
  // then, and the next one tries again.
  using Recover = absl::FunctionRef<absl::Status()>;

  // Takes a word to read by, if nobody writes, and the first word looked at is free. Null says nothing: ask AcquireRead.
  RobustWord* TryReadFast(Thread& self) {
    if (__builtin_expect(Reads(self), 0)) return nullptr;
    RobustWord& word = readers_[self.tid % kReaders].word;
    // seq_cst: store→load with BeginWrite; see EDGE rw.dekker. lock.handoff (acquire)
    if (__builtin_expect(!TryAcquireFast<std::memory_order_seq_cst>(self, word), 0)) return nullptr;
    // rw.done (acquire); seq_cst: as above
    if (__builtin_expect(!IsWriting(cycle_.load(std::memory_order_seq_cst)), 1)) return &word;
    Release(self, word);
    return nullptr;
  }

  // Waits for the right to read; `held` is what to give up. `recovered`: a writer had died, and this thread made it good.
  // DeadlineExceeded; FailedPrecondition: this thread reads or writes already; else as AcquireSlow, or as `recover` says.
  absl::Status AcquireRead(Thread& self, Deadline deadline, Recover recover, RobustWord*& held, bool& recovered);
  void ReleaseRead(Thread& self, RobustWord& held) {
    if (__builtin_expect(&held == &turnstile_, 0)) return LeaveTurnstile(self);
    Release(self, held);
  }

  // Waits for the right to write. Errors as above.
  absl::Status AcquireWrite(Thread& self, Deadline deadline, Recover recover, bool& owner_died);
  void ReleaseWrite(Thread& self) { LeaveTurnstile(self); }
  // As if this thread had died writing, after nothing was changed: the next one is told of the death that this one was told of.
  void AbandonWrite(Thread& self);

  // Owned by the writer, from before it waits for the readers until it is done.
  RobustWord& turnstile() { return turnstile_; }

  // Owned by one that reads, or waits to.
  RobustWord& reader(int number) { return readers_[number].word; }

  // Hints.
  bool written() const {
    // relaxed, both: a hint
    return IsWriting(cycle_.load(std::memory_order_relaxed)) && !IsFree(turnstile_.word.load(std::memory_order_relaxed));
  }
  int readers() const;

 private:
  struct alignas(64) Reader {
    RobustWord word;
    FutexWord waits_for;  // the cycle whose writer its owner waits for; 0, an even one, for no writer
    [[maybe_unused]] char padding[128 - sizeof(RobustWord) - sizeof(FutexWord)];
  };
  static_assert(sizeof(Reader) == 128, "processors fetch lines in pairs");

  static constexpr bool IsWriting(uint32_t cycle) { return (cycle & 1) != 0; }

  bool Reads(const Thread& self) const { return HoldsWithin(self, readers_, sizeof(readers_)); }
  absl::Status CheckNotReading(const Thread& self, const RobustWord* except) const;
  absl::Status TakeWord(Thread& self, Reader*& taken);
  absl::Status AwaitWriter(Thread& self, Reader& mine, uint32_t cycle, Deadline deadline, Recover recover,
                           bool& recovered);
  absl::Status ReadWithoutWord(Thread& self, Deadline deadline, Recover recover, RobustWord*& held, bool& recovered);
  absl::Status TakeTurnstile(Thread& self, Deadline deadline, Recover recover, bool& owner_died);
  absl::Status MakeGood(Thread& self, Recover recover);
  uint32_t BeginWrite();
  absl::Status AwaitReaders(Thread& self, uint32_t cycle, Deadline deadline, RobustWord** any_word);
  bool EndWrite();
  void LeaveTurnstile(Thread& self);

  RobustWord turnstile_;
  FutexWord cycle_;  // odd: the turnstile's owner writes, or waits for the readers to leave; changed by the turnstile's owner
  Reader readers_[kReaders];
};
static_assert(sizeof(ReadWriteLock) == 64 + 32 * 128 && alignof(ReadWriteLock) == 64, "part of the shared layout");

}  // namespace shoal::sync_internal

#endif  // SHOAL_SYNC_READ_WRITE_LOCK_H_
