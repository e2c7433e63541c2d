// sync/read_write_lock.cc: who may read, who may write, and who makes good what the dead leave.
//
//  cycle  turnstile   meaning                                              who may change it, to what
//  even   free        anybody reads who has a word                         a writer takes the turnstile → (even, W)
//  even   held        a writer is about to begin, or has just ended        its owner → odd, or → free
//  odd    held        its owner writes, or waits for the readers to leave  its owner → even, then free
//  odd    died        the writer has died                                  whoever takes the turnstile makes it good, keeps it or → even
//  even   died        the same, before it began or after it had ended      the same
//
//  reader's word  waits_for     meaning
//  free or died                 nobody's
//  owned          not `cycle`   its owner reads, or is about to look at the cycle
//  owned          `cycle`       its owner waits until this cycle is over. It reads in the next one, before any other writer does.
//
//  So neither kind starves. From the moment a writer makes the cycle odd no reader comes in before it; and those who have come
//  meanwhile read before the next writer, however soon that comes, because it must wait for their words too. (Who writes next is
//  decided by the turnstile, as fair as a Lock.)
//
//  EDGE rw.dekker: {a reader takes a word; looks at the cycle} against {a writer makes the cycle odd; looks at the words}. At least
//  one sees the other: the reader waits, or the writer does.
//  EDGE rw.done: EndWrite release → a reader's look at the cycle, acquire. Publishes what the writer wrote. (What readers read is over
//  for the writer by lock.handoff on their words.)
//
//  Who sleeps where. A reader that waits for a writer sleeps on the turnstile like any locker (it may have to make it good), and on
//  the cycle. On readers' words and their waits_for sleeps only the owner of the turnstile: if that one dies, nobody else is there
//  who could have been woken instead of it.
//  A writer that ends wakes all on the cycle if the turnstile has its waiters bit: who sleeps set it while the writer held it.
//
//  When all words are taken, a reader takes the turnstile and makes the cycle odd, until a word is free; if all who have one wait
//  for it, it reads alone, by the turnstile.
//
//  If the thread dies …                          the others see …
//   in TakeWord, reading, or waiting to            its word free (the kernel marks it, and wakes the writer that sleeps on it)
//   after waits_for, before it wakes the writer    the same
//   owning the turnstile, before the cycle is odd  it died: the next owner, reader or writer, wakes all on the cycle and goes on
//   with the cycle odd, waiting for readers        the same; a reader makes the cycle even, a writer takes it as its own
//   writing                                        the same, and first `recover` brings the object back: the cycle is odd, nobody reads
//   making it good, before it is all done          the same again
//   after the cycle is even, before the wake       it died: the next owner wakes all on the cycle
//   between the wake and the release               the same
//   a reader, woken for the turnstile              as in robust_lock.cc: the beacon, and the waiters bit

#include "shoal/sync/read_write_lock.h"

#include "shoal/sync/status.h"

namespace shoal::sync_internal {
namespace {

absl::Status TimedOut() {
  // Made once, so that a timeout allocates nothing.
  static const absl::Status* const status =
      new absl::Status(MakeStatus(absl::StatusCode::kDeadlineExceeded, "the readers were not done in time"));
  return *status;
}

absl::Status ReadsAlready() {
  return MakeStatus(absl::StatusCode::kFailedPrecondition,
                    "this thread reads this object already: it can neither write it nor read it twice at once");
}

}  // namespace

int ReadWriteLock::readers() const {
  int count = 0;
  for (const Reader& reader : readers_) {
    count += !IsFree(reader.word.word.load(std::memory_order_relaxed));  // relaxed: a hint
  }
  return count;
}

// Words of this thread, which it may have taken through another mapping. It would wait for itself.
absl::Status ReadWriteLock::CheckNotReading(const Thread& self, const RobustWord* except) const {
  for (const Reader& reader : readers_) {
    if (&reader.word != except && HeldBy(self, reader.word)) return ReadsAlready();
  }
  return absl::OkStatus();
}

absl::Status ReadWriteLock::AcquireRead(Thread& self, Deadline deadline, Recover recover, RobustWord*& held,
                                        bool& recovered) {
  recovered = false;
  if (Reads(self)) return ReadsAlready();
  Reader* mine = nullptr;
  SHOAL_RETURN_IF_ERROR(TakeWord(self, mine));
  if (mine == nullptr) return ReadWithoutWord(self, deadline, recover, held, recovered);
  std::atomic_thread_fence(std::memory_order_seq_cst);           // seq_cst: store→load with BeginWrite; see EDGE rw.dekker
  const uint32_t cycle = cycle_.load(std::memory_order_seq_cst);  // rw.done (acquire); seq_cst: as above
  if (IsWriting(cycle)) {
    absl::Status status = AwaitWriter(self, *mine, cycle, deadline, recover, recovered);
    // relaxed: who owns the word now finds the cycle itself
    mine->waits_for.store(0, std::memory_order_relaxed);
    if (!status.ok()) {
      Release(self, mine->word);
      return status;
    }
  }
  held = &mine->word;
  return absl::OkStatus();
}

// A free word, beginning with this thread's own. Null: there is none.
absl::Status ReadWriteLock::TakeWord(Thread& self, Reader*& taken) {
  taken = nullptr;
  for (uint32_t i = 0; i < kReaders; ++i) {
    Reader& reader = readers_[(self.tid + i) % kReaders];
    // relaxed: a hint, Acquire decides
    if (!IsFree(reader.word.word.load(std::memory_order_relaxed))) continue;
    bool owner_died = false;
    absl::Status status = Acquire(self, reader.word, Deadline::Passed(), &owner_died);
    if (absl::IsDeadlineExceeded(status)) continue;
    if (!status.ok()) return status;
    // relaxed: ordered by the word
    if (owner_died) reader.waits_for.store(0, std::memory_order_relaxed);
    taken = &reader;
    return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status ReadWriteLock::AwaitWriter(Thread& self, Reader& mine, uint32_t cycle, Deadline deadline, Recover recover,
                                        bool& recovered) {
  SHOAL_RETURN_IF_ERROR(CheckNotReading(self, &mine.word));
  // seq_cst: store→load with AwaitReaders: it sees that we wait, or we see that it sleeps on our word
  mine.waits_for.exchange(cycle, std::memory_order_seq_cst);
  if (HasWaiters(mine.word.word.load(std::memory_order_seq_cst))) WakeAll(mine.waits_for);  // seq_cst: as above
  bool over = false;
  SHOAL_RETURN_IF_ERROR(AcquireUnless(self, turnstile_, deadline, {&cycle_, cycle}, &recovered, &over));
  if (over) return absl::OkStatus();
  if (recovered) SHOAL_RETURN_IF_ERROR(MakeGood(self, recover));
  LeaveTurnstile(self);
  return absl::OkStatus();
}

absl::Status ReadWriteLock::ReadWithoutWord(Thread& self, Deadline deadline, Recover recover, RobustWord*& held,
                                            bool& recovered) {
  SHOAL_RETURN_IF_ERROR(TakeTurnstile(self, deadline, recover, recovered));
  held = &turnstile_;
  absl::Status status = AwaitReaders(self, BeginWrite(), deadline, &held);
  if (!status.ok() || held != &turnstile_) LeaveTurnstile(self);
  return status;
}

absl::Status ReadWriteLock::AcquireWrite(Thread& self, Deadline deadline, Recover recover, bool& owner_died) {
  if (Reads(self)) return ReadsAlready();
  SHOAL_RETURN_IF_ERROR(TakeTurnstile(self, deadline, recover, owner_died));
  absl::Status status = AwaitReaders(self, BeginWrite(), deadline, nullptr);
  if (!status.ok()) owner_died ? AbandonWrite(self) : LeaveTurnstile(self);
  return status;
}

absl::Status ReadWriteLock::TakeTurnstile(Thread& self, Deadline deadline, Recover recover, bool& owner_died) {
  SHOAL_RETURN_IF_ERROR(Acquire(self, turnstile_, deadline, &owner_died));
  return owner_died ? MakeGood(self, recover) : absl::OkStatus();
}

// After the death of the turnstile's owner. REQUIRES: this thread owns it. On an error it does no more.
absl::Status ReadWriteLock::MakeGood(Thread& self, Recover recover) {
  WakeAll(cycle_);  // the dead one may have owed it
  absl::Status status = recover();
  if (!status.ok()) Abandon(self, turnstile_);
  return status;
}

// Lets no more readers in. REQUIRES: this thread owns the turnstile.
uint32_t ReadWriteLock::BeginWrite() {
  const uint32_t cycle = cycle_.load(std::memory_order_relaxed);  // relaxed: only the turnstile's owner changes it
  if (IsWriting(cycle)) return cycle;                             // a dead writer's, and now ours
  cycle_.exchange(cycle + 1, std::memory_order_seq_cst);          // seq_cst: store→load; see EDGE rw.dekker
  return cycle + 1;
}

// Waits until all who own a word wait for `cycle` to be over. With `any_word`: or until there is a free one, and takes that.
absl::Status ReadWriteLock::AwaitReaders(Thread& self, uint32_t cycle, Deadline deadline, RobustWord** any_word) {
  for (;;) {
    FutexExpectation in_the_way[2 * kReaders];
    Reader* owner[kReaders];
    int count = 0;
    bool look_again = false;
    for (Reader& reader : readers_) {
      // lock.handoff (acquire): what its owner read is over; seq_cst: see EDGE rw.dekker
      uint32_t seen = reader.word.word.load(std::memory_order_seq_cst);
      if (IsFree(seen) && any_word == nullptr) continue;
      if (IsFree(seen)) {
        bool owner_died = false;
        absl::Status taken = Acquire(self, reader.word, Deadline::Passed(), &owner_died);
        if (taken.ok()) {
          reader.waits_for.store(0, std::memory_order_relaxed);  // relaxed: ordered by the word
          *any_word = &reader.word;
        }
        if (!absl::IsDeadlineExceeded(taken)) return taken;
        seen = reader.word.word.load(std::memory_order_seq_cst);  // seq_cst: as above; lock.handoff (acquire)
      }
      // seq_cst: store→load with AwaitWriter
      const uint32_t waits_for = reader.waits_for.load(std::memory_order_seq_cst);
      if (waits_for == cycle) continue;
      if (HeldBy(self, reader.word)) return ReadsAlready();
      while (!IsFree(seen) && !HasWaiters(seen)) {
        // seq_cst: store→load with AwaitWriter, which looks for this bit; the kernel compares waits_for again
        if (reader.word.word.compare_exchange_weak(seen, seen | kWaiters, std::memory_order_seq_cst)) seen |= kWaiters;
      }
      look_again |= IsFree(seen);  // it has just gone
      in_the_way[2 * count] = {&reader.word.word, seen};
      in_the_way[2 * count + 1] = {&reader.waits_for, waits_for};
      owner[count++] = &reader;
    }
    if (count == 0) return absl::OkStatus();
    if (look_again) continue;
    if (deadline.passed()) return TimedOut();
    const Deadline look_up = Deadline::AtNanoseconds(Deadline::Now() + kBackstopNanoseconds);
    if (SleepWhile(in_the_way, 2 * count, Deadline::Earlier(deadline, look_up)) == FutexOutcome::kTimedOut) {
      for (int i = 0; i < count; ++i) MarkIfOwnerIsGone(owner[i]->word);
    }
  }
}

// Lets the readers in. Whether the cycle was odd.
bool ReadWriteLock::EndWrite() {
  const uint32_t cycle = cycle_.load(std::memory_order_relaxed);  // relaxed: only the turnstile's owner changes it
  if (!IsWriting(cycle)) return false;
  cycle_.store(cycle + 1, std::memory_order_release);  // rw.done (release)
  return true;
}

void ReadWriteLock::LeaveTurnstile(Thread& self) {
  const bool wrote = EndWrite();
  // As Release, but whoever sleeps on the cycle is woken first.
  SetPending(self, turnstile_.word);
  Unlink(self, turnstile_);
  uint32_t expected = self.tid;
  // lock.handoff (release); on failure relaxed: the system calls below wake and release
  if (!turnstile_.word.compare_exchange_strong(expected, 0, std::memory_order_release, std::memory_order_relaxed)) {
    if (wrote) WakeAll(cycle_);
    StoreAndWake(turnstile_.word, 0, 1);  // lock.handoff (release): the kernel's store is a full barrier
  }
  ClearPending(self);
}

void ReadWriteLock::AbandonWrite(Thread& self) {
  EndWrite();
  Abandon(self, turnstile_);  // whoever takes it wakes all on the cycle
}

}  // namespace shoal::sync_internal
