// shm/participants.cc: who is a participant, and what happens when one is not any more.
//
//  life word           meaning                                                who may change it, to what
//   0                  nobody has the slot                                    a joining keeper → its TID
//   TID                its process has just joined                            its keeper, and whoever watches it → + WAITERS
//   TID + WAITERS      its process lives                                      the keeper → 0, leaving; the kernel → died
//   died               its process is gone, or going: its keeper has ended    a reaper → 0, when nothing of it is left
//
//  WAITERS is always set, because every other keeper sleeps on the word and the kernel wakes only where the bit is. Who finds it missing
//  sets it: its owner may be stopped before it does, and nobody is to look at it again and again meanwhile.
//
//  A process dies thread by thread, and its keeper need not be the last: so nothing is taken back before the life words of its threads
//  (thread_slot.h) have died too. All of these are marks of the kernel, so nobody waits long and nobody guesses.
//
//  Backstop, as in sync/robust_lock.cc. Where the kernel has skipped a dead thread's list nothing is marked, so keepers that have others to
//  watch look once a second whether the owners of life words exist. A keeper is never the first thread of its process, so nothing is left of
//  it; and a process is dead only if its own number says so, too: a life word that somebody has written over kills nobody.
//
//  EDGE participants.deaths: reaped, deaths + 1, release → a keeper's or sleeper's look, acquire. Publishes what was taken back.
//
//  If the process dies …                        the others see …
//   joining, before the life word is its          an unused slot (if there is none it reaps first, see below)
//   joining, before `deaths` was changed          a participant that some keepers do not watch; whoever rescans finds it dead
//   living                                        died: a keeper that sleeps on it wakes, and reaps
//   reaping                                       the same slot, still died: the next keeper reaps again
//   leaving                                       an unused slot, or a dead one that holds nothing

#include "shoal/shm/participants.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <climits>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "shoal/shm/process_state.h"
#include "shoal/shm/quiet_thread.h"
#include "shoal/shm/thread_slot.h"
#include "shoal/sync/cancellation.h"
#include "shoal/sync/futex.h"
#include "shoal/sync/process_epoch.h"
#include "shoal/sync/robust_lock.h"
#include "shoal/sync/status.h"

namespace shoal::shm_internal {
namespace {

using sync_internal::Deadline;
using sync_internal::FutexExpectation;
using sync_internal::FutexWord;
using sync_internal::MakeStatus;
using sync_internal::RobustWord;
using sync_internal::Thread;
using sync_internal::Whose;

// A thread of the dead process that may still be running, or null.
RobustWord* StillRunningOrNull(const Attachment& attachment, uint64_t process) {
  for (ThreadSlot& thread : attachment.threads()) {
    // relaxed, both: a process's number never returns, and nothing is concluded from a thread that is gone
    if (thread.process.load(std::memory_order_relaxed) != process) continue;
    if (!sync_internal::IsFree(thread.life.word.load(std::memory_order_relaxed))) return &thread.life;
  }
  return nullptr;
}

// The same, for who does not hold `joining`: who has a thread's word may be another's, that reaps it or is about to take its slot over.
bool AnyThreadRuns(const Attachment& attachment, const ParticipantSlot& slot, uint64_t process) {
  // relaxed: written before the life word
  const auto pid = static_cast<pid_t>(slot.pid.load(std::memory_order_relaxed));
  for (const ThreadSlot& thread : attachment.threads()) {
    // relaxed, both: as above; and a word that was given up since tells of a thread that has ended
    if (thread.process.load(std::memory_order_relaxed) != process) continue;
    const auto tid = static_cast<pid_t>(sync_internal::OwnerOf(thread.life.word.load(std::memory_order_relaxed)));
    if (tid != 0 && (tgkill(pid, tid, 0) == 0 || errno != ESRCH)) return true;
  }
  return false;
}

// What a keeper that cannot reap yet sleeps on: the thread's word, with the bit that makes the kernel wake.
FutexExpectation UntilItEnds(RobustWord& life) {
  const uint32_t seen =
      life.word.fetch_or(sync_internal::kWaiters, std::memory_order_relaxed);  // relaxed: the sleep compares
  if (sync_internal::IsFree(seen)) return {&life.word, ~seen};                 // it has ended: do not sleep
  return {&life.word, seen | sync_internal::kWaiters};
}

// What a keeper sleeps on while another lives, whose life word it has seen: the word, with that bit.
FutexExpectation WhileItLives(RobustWord& life, uint32_t seen) {
  // relaxed, both: the sleep compares; if the word was changed meanwhile it is not slept on
  if (uint32_t as_seen = seen; (seen & sync_internal::kWaiters) == 0) {
    life.word.compare_exchange_strong(as_seen, seen | sync_internal::kWaiters, std::memory_order_relaxed);
  }
  return {&life.word, seen | sync_internal::kWaiters};
}

// Marks the life words of those who are gone, where the kernel has not. And the one lock that nobody ever waits for.
void LookForTheGone(Attachment& attachment) {
  sync_internal::MarkIfOwnerIsNone(attachment.header().ledger.disposing);
  for (ParticipantSlot& slot : attachment.participants()) {
    const uint32_t life = slot.life.word.load(std::memory_order_relaxed);  // relaxed: whoever marks it compares
    if (life == 0) continue;
    if (!sync_internal::OwnerDied(life)) {
      if (!sync_internal::ThreadIsNoMore(sync_internal::OwnerOf(life))) continue;
      // relaxed: written before the life word, which is looked at again
      if (!sync_internal::ThreadIsGone(slot.pid.load(std::memory_order_relaxed))) continue;
      sync_internal::MarkIfOwnerIsGone(slot.life);
    }
    // relaxed: stable while the slot has its dead owner
    MarkGoneThreads(attachment, slot.process.load(std::memory_order_relaxed));
  }
}

// Sleeps as SleepWhile, and now and then looks for the gone.
void SleepAndLook(Attachment& attachment, const FutexExpectation* expectations, int count) {
  const Deadline look_up = Deadline::AtNanoseconds(Deadline::Now() + sync_internal::kBackstopNanoseconds);
  const sync_internal::FutexOutcome outcome = sync_internal::SleepWhile(expectations, count, look_up);
  if (outcome == sync_internal::FutexOutcome::kTimedOut) LookForTheGone(attachment);
}

bool Died(const ParticipantSlot& slot) {
  return sync_internal::OwnerDied(slot.life.word.load(std::memory_order_acquire));  // lock.handoff (acquire)
}

// Takes back what the dead participant in `slot` held. Null: done, or somebody else did it. Otherwise a thread of it that may still
// run: come back when it has ended.
RobustWord* ReapSlot(Attachment& attachment, int index, Reaper reaper) {
  ParticipantSlot& slot = attachment.participants()[static_cast<size_t>(index)];
  SegmentHeader& header = attachment.header();
  Thread& self = sync_internal::ThisThread();
  bool owner_died = false;
  // The lock makes sure that the slot does not change hands below us; whoever dies here leaves it to the next one.
  if (!sync_internal::Acquire(self, header.joining, Deadline::Infinite(), &owner_died, Whose::kOurs).ok()) return nullptr;
  RobustWord* running = nullptr;
  if (Died(slot)) {
    // relaxed, both: stable while the slot has its dead owner
    running = StillRunningOrNull(attachment, slot.process.load(std::memory_order_relaxed));
    if (running == nullptr) {
      if (reaper != nullptr) reaper(attachment, ParticipantIdOf(index, slot.life_number.load(std::memory_order_relaxed)));
      TellOfDeath(header);
      slot.life.word.store(
          0, std::memory_order_release);  // lock.handoff (release): last; until here the next one does it again
    }
  }
  sync_internal::Release(self, header.joining);
  return running;
}

}  // namespace

// What the process and its keeper thread share.
class Participant::Keeper final {
 public:
  Keeper(Attachment& attachment, Reaper reaper) : attachment_(&attachment), reaper_(reaper) {}

  // The keeper thread.
  void Run() {
    absl::StatusOr<int> joined = TakeSlot();
    {
      const std::lock_guard lock(mutex_);
      answer_ = joined.ok() ? absl::StatusOr<ParticipantId>(ParticipantIdOf(*joined, LifeNumber(*joined))) : joined.status();
      answered_ = true;
    }
    answer_came_.notify_all();
    if (!joined.ok()) return;
    Watch(*joined);
    Leave(*joined);
  }

  absl::StatusOr<ParticipantId> Answer() {
    std::unique_lock lock(mutex_);
    answer_came_.wait(lock, [this] { return answered_; });
    return answer_;
  }

  void Stop() {
    stop_.store(1, std::memory_order_relaxed);  // relaxed: a cue
    sync_internal::WakeAll(stop_);
  }

 private:
  ParticipantSlot& Slot(int index) { return attachment_->participants()[static_cast<size_t>(index)]; }
  uint32_t LifeNumber(int index) {
    return Slot(index).life_number.load(std::memory_order_relaxed);  // relaxed: our own slot
  }

  absl::StatusOr<int> TakeSlot() {
    // All who have slots may have died at once, and nobody is left to take them back.
    for (;;) {
      absl::StatusOr<int> taken = TakeFreeSlot();
      if (!taken.ok() || *taken >= 0) return taken;
      if (Reap(*attachment_, reaper_) == 0) {
        return MakeStatus(absl::StatusCode::kResourceExhausted,
                          absl::StrCat(kMaxParticipants, " processes use this segment already"));
      }
    }
  }

  // -1: there is none.
  absl::StatusOr<int> TakeFreeSlot() {
    Thread& self = sync_internal::ThisThread();
    SegmentHeader& header = attachment_->header();
    bool owner_died = false;
    SHOAL_RETURN_IF_ERROR(sync_internal::Acquire(self, header.joining, Deadline::Infinite(), &owner_died, Whose::kOurs));
    if (absl::Status sole = CheckNoOtherCopy(); !sole.ok()) {
      sync_internal::Release(self, header.joining);
      return sole;
    }
    absl::StatusOr<int> taken = -1;
    for (int i = 0; i < kMaxParticipants; ++i) {
      ParticipantSlot& slot = Slot(i);
      // relaxed: guarded by `joining`, but for the kernel's mark, which makes it no slot to take
      if (slot.life.word.load(std::memory_order_relaxed) != 0) continue;
      // Who it is first, and then its life: a living participant is never taken for its predecessor.
      // relaxed, all: ordered by the life word
      slot.life_number.fetch_add(1, std::memory_order_relaxed);
      slot.pid.store(static_cast<uint32_t>(getpid()), std::memory_order_relaxed);    // relaxed: as above
      slot.process.store(attachment_->process_number(), std::memory_order_relaxed);  // relaxed: as above
      std::strncpy(slot.name, program_invocation_short_name, sizeof(slot.name) - 1);
      const absl::Status status = sync_internal::Acquire(self, slot.life, Deadline::Passed(), &owner_died);
      if (!status.ok()) {
        taken = status;
        break;
      }
      slot.life.word.fetch_or(sync_internal::kWaiters, std::memory_order_relaxed);  // relaxed: the sleepers compare
      taken = i;
      break;
    }
    sync_internal::Release(self, header.joining);
    // Who watches already must look again, or would not see us die.
    if (taken.ok() && *taken >= 0) TellOfDeath(header);
    return taken;
  }

  absl::Status CheckNoOtherCopy() {
    attachment_->process_number();
    const std::lock_guard lock(ProcessStateOrNull()->claiming);
    return attachment_->CheckNoOtherCopy();
  }

  void Watch(int own) {
    SegmentHeader& header = attachment_->header();
    std::vector<FutexExpectation> expectations;
    while (stop_.load(std::memory_order_relaxed) == 0) {  // relaxed: a cue; the sleep compares it
      expectations.clear();
      // participants.deaths (acquire): before the look at the slots, so that no change since is slept through
      expectations.push_back({&header.deaths, header.deaths.load(std::memory_order_acquire)});
      expectations.push_back({&stop_, 0});
      constexpr int kOwnWords = 2;
      for (int i = 0; i < kMaxParticipants; ++i) {
        if (i == own) continue;
        ParticipantSlot& slot = Slot(i);
        const uint32_t life = slot.life.word.load(std::memory_order_relaxed);  // relaxed: the sleep compares it
        if (sync_internal::OwnerDied(life)) {
          if (RobustWord* const running = ReapSlot(*attachment_, i, reaper_)) expectations.push_back(UntilItEnds(*running));
        } else if (life != 0) {
          expectations.push_back(WhileItLives(slot.life, life));
        }
      }
      if (expectations.size() == kOwnWords) {
        sync_internal::SleepWhile(expectations.data(), kOwnWords, Deadline::Infinite());
      } else {
        SleepAndLook(*attachment_, expectations.data(), static_cast<int>(expectations.size()));
      }
    }
  }

  void Leave(int own) {
    Thread& self = sync_internal::ThisThread();
    sync_internal::Release(self, Slot(own).life);
    TellOfDeath(attachment_->header());
  }

  Attachment* const attachment_;  // outlives the thread, not the process's fork
  const Reaper reaper_;
  FutexWord stop_{0};
  std::mutex mutex_;
  std::condition_variable answer_came_;
  bool answered_ = false;
  absl::StatusOr<ParticipantId> answer_ = ParticipantId{0};
};

absl::StatusOr<std::unique_ptr<Participant>> Participant::Join(Attachment& attachment, Reaper reaper) {
  std::unique_ptr<Participant> participant(new Participant);
  participant->keeper_ = std::make_shared<Keeper>(attachment, reaper);
  participant->epoch_ = sync_internal::ProcessEpoch();
  auto thread = QuietThread("shoal-keeper", [keeper = participant->keeper_] { keeper->Run(); });
  if (!thread.ok()) return thread.status();
  participant->thread_ = *std::move(thread);
  SHOAL_ASSIGN_OR_RETURN(participant->id_, participant->keeper_->Answer());
  return participant;
}

Participant::~Participant() {
  if (!thread_.joinable()) return;
  if (!InThisProcess()) {  // a forked child: the thread is the parent's, and so is what it holds
    new std::thread(std::move(thread_));
    new std::shared_ptr<Keeper>(std::move(keeper_));
    return;
  }
  const sync_internal::NoCancellation whole;  // a destructor is not unwound
  keeper_->Stop();
  thread_.join();
}

bool Participant::InThisProcess() const { return sync_internal::InProcessOf(epoch_); }

bool LifeHasEnded(const Attachment& attachment, ParticipantId id) {
  const int index = SlotOf(id);
  if (index < 0 || index >= kMaxParticipants) return true;
  const ParticipantSlot& slot = attachment.participants()[static_cast<size_t>(index)];
  const uint32_t life = slot.life.word.load(std::memory_order_acquire);  // lock.handoff (acquire)
  // relaxed: never changes while the slot has an owner
  if (id != ParticipantIdOf(index, slot.life_number.load(std::memory_order_relaxed))) return true;
  return life == 0 || sync_internal::OwnerDied(life);
}

bool IsDead(const Attachment& attachment, ParticipantId id) {
  if (!LifeHasEnded(attachment, id)) return false;
  const int index = SlotOf(id);
  if (index < 0 || index >= kMaxParticipants) return true;
  const ParticipantSlot& slot = attachment.participants()[static_cast<size_t>(index)];
  // Until it has been reaped, threads of it may be running. (If it is reaped between these looks, none is.) Who reaps it holds the words of
  // its threads one after the other, and is none of them.
  const uint64_t process = slot.process.load(std::memory_order_relaxed);  // relaxed: ordered by the life word
  const bool running = AnyThreadRuns(attachment, slot, process);
  // relaxed: if the slot is another's by now, this number is newer than the life word's change
  return !running || !Died(slot) || id != ParticipantIdOf(index, slot.life_number.load(std::memory_order_relaxed));
}

int Reap(Attachment& attachment, Reaper reaper) {
  LookForTheGone(attachment);
  int reaped = 0;
  for (int i = 0; i < kMaxParticipants; ++i) {
    const ParticipantSlot& slot = attachment.participants()[static_cast<size_t>(i)];
    if (!Died(slot)) continue;
    while (RobustWord* const running = ReapSlot(attachment, i, reaper)) {
      const FutexExpectation ends = UntilItEnds(*running);
      SleepAndLook(attachment, &ends, 1);
    }
    ++reaped;
  }
  return reaped;
}

std::string Describe(const Attachment& attachment, ParticipantId id) {
  const int index = SlotOf(id);
  if (index < 0 || index >= kMaxParticipants) return "a process that is gone";
  const ParticipantSlot& slot = attachment.participants()[static_cast<size_t>(index)];
  // relaxed, both: for a message
  if (id != ParticipantIdOf(index, slot.life_number.load(std::memory_order_relaxed))) return "a process that is gone";
  char name[sizeof(slot.name) + 1] = {};
  std::memcpy(name, slot.name, sizeof(slot.name));
  return absl::StrCat("process ", slot.pid.load(std::memory_order_relaxed), " (", name, ")");  // relaxed: as above
}

}  // namespace shoal::shm_internal
