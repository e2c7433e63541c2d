// shm/thread_slot.cc: who has a slot.
//
//  life      head      meaning                                            who may take it
//  free      closed    unused; it may have a journal and slabs            anyone
//  a TID     closed    its thread is not in a section                     nobody
//  a TID     open      its thread is in a section                         nobody
//  died      closed    its thread died outside any section                anyone, who finishes its intents
//  died      open, n   its thread died in a section with n locks          nobody, until the next owner of one of them has undone it,
//                                                                           or the reaper of its process, who takes the slot for that
//  died      open, 0   its thread died in a section without locks         anyone, who undoes it
//
//  The life word is owned by the thread itself, through the kernel's robust list, so "died" means that it executes nothing any more:
//  a process's other threads may still run for a moment after the first of them has been seen dead.

#include "shoal/shm/thread_slot.h"

#include <algorithm>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "shoal/shm/intents.h"
#include "shoal/shm/journal.h"
#include "shoal/shm/process_state.h"
#include "shoal/sync/futex.h"
#include "shoal/sync/robust_lock.h"
#include "shoal/sync/status.h"

namespace shoal::shm_internal {
namespace {

// As long as it lives, this thread may hold life words of threads that were of other processes.
class Reaper final {
 public:
  explicit Reaper(uint32_t tid) : state_(*ProcessStateOrNull()), tid_(tid) {
    const std::lock_guard lock(state_.reapers_mutex);
    state_.reapers.push_back(tid_);
  }
  Reaper(const Reaper&) = delete;
  Reaper& operator=(const Reaper&) = delete;
  ~Reaper() {
    const std::lock_guard lock(state_.reapers_mutex);
    state_.reapers.erase(std::find(state_.reapers.begin(), state_.reapers.end(), tid_));
  }

 private:
  ProcessState& state_;
  const uint32_t tid_;
};

// A slot for a thread of the process with this number; -1: all are in use.
absl::StatusOr<int> ClaimFreeSlot(sync_internal::Thread& self, Attachment& attachment, uint64_t process) {
  for (int i = 0; i < kMaxThreads; ++i) {
    ThreadSlot& slot = attachment.threads()[static_cast<size_t>(i)];
    // relaxed: a hint, Acquire decides
    if (!sync_internal::IsFree(slot.life.word.load(std::memory_order_relaxed))) continue;
    bool owner_died = false;
    const absl::Status taken = sync_internal::Acquire(self, slot.life, sync_internal::Deadline::Passed(), &owner_died);
    if (absl::IsDeadlineExceeded(taken)) continue;
    if (!taken.ok()) return taken;
    const absl::Status undone = RecoverSlot(attachment, slot, kNoLock);
    // relaxed: its last thread is dead, and we have its life word
    if (!undone.ok() || slot.head.load(std::memory_order_relaxed) != Head::kClosed) {
      sync_internal::Release(self, slot.life);
      continue;
    }
    FinishIntents(attachment, slot, nullptr);
    // relaxed, both: ours now; no section is open
    slot.retained.store(0, std::memory_order_relaxed);
    slot.finished.store(0, std::memory_order_relaxed);
    // relaxed: ordered by the life word
    const uint64_t before = slot.process.exchange(process, std::memory_order_relaxed);
    // A keeper may have met us in the slot before that store, and sleep until what it takes for a thread of a dead process ends.
    if (owner_died || (before != 0 && before != process)) TellOfDeath(attachment.header());
    return i;
  }
  return -1;
}

bool LivesAsParticipant(const Attachment& attachment, uint64_t process) {
  const auto is_its = [process](const ParticipantSlot& slot) {
    // relaxed, both: of a living owner they are stable
    return slot.process.load(std::memory_order_relaxed) == process &&
           !sync_internal::IsFree(slot.life.word.load(std::memory_order_relaxed));
  };
  const auto participants = attachment.participants();
  return std::any_of(participants.begin(), participants.end(), is_its);
}

// Of threads that are gone though their slots do not say so. Not those of a process that lives as a participant: its keeper's end tells of
// its threads', and until then a life word that somebody has written over is not taken for a dead one's.
void MarkAllGoneThreads(const Attachment& attachment) {
  for (ThreadSlot& slot : attachment.threads()) {
    // relaxed: as above
    if (!LivesAsParticipant(attachment, slot.process.load(std::memory_order_relaxed))) {
      sync_internal::MarkIfOwnerIsGone(slot.life);
    }
  }
}

}  // namespace

absl::StatusOr<int> ClaimThreadSlot(sync_internal::Thread& self, Attachment& attachment) {
  const uint64_t process = attachment.process_number();
  // From the life word until its number is stored, a thread of this process looks like one of another copy of the library.
  const std::lock_guard lock(ProcessStateOrNull()->claiming);
  SHOAL_RETURN_IF_ERROR(attachment.CheckNoOtherCopy());
  SHOAL_ASSIGN_OR_RETURN(int claimed, ClaimFreeSlot(self, attachment, process));
  if (claimed < 0) {
    MarkAllGoneThreads(attachment);
    SHOAL_ASSIGN_OR_RETURN(claimed, ClaimFreeSlot(self, attachment, process));
  }
  if (claimed >= 0) return claimed;
  return sync_internal::MakeStatus(absl::StatusCode::kResourceExhausted,
                                   absl::StrCat(kMaxThreads, " threads use this segment already"));
}

void MarkGoneThreads(const Attachment& attachment, uint64_t process) {
  for (ThreadSlot& slot : attachment.threads()) {
    // relaxed: a number that never returns
    if (slot.process.load(std::memory_order_relaxed) == process) sync_internal::MarkIfOwnerIsGone(slot.life);
  }
}

void ReleaseThreadSlot(sync_internal::Thread& self, const Attachment& attachment, ThreadSlot& slot) {
  const uint64_t place = slot.journal.load(std::memory_order_relaxed);  // relaxed: this thread's slot
  if (place != 0) {
    if (auto block = attachment.heap().BlockAt(JournalPlace::Offset(place)); block.ok()) {
      SetIntent(slot.leaving, *block);
      slot.journal.store(0, std::memory_order_relaxed);  // relaxed: this thread's slot
      FinishIntents(attachment, slot, nullptr);
    }
  }
  sync_internal::Release(self, slot.life);
}

void TellOfDeath(SegmentHeader& header) {
  header.deaths.fetch_add(1, std::memory_order_release);  // participants.deaths (release)
  sync_internal::WakeAll(header.deaths);
}

void ReapThreadSlots(sync_internal::Thread& self, Attachment& attachment, uint64_t process) {
  const Reaper reaper(self.tid);
  for (int i = 0; i < kMaxThreads; ++i) {
    ThreadSlot& slot = attachment.threads()[static_cast<size_t>(i)];
    // relaxed: a number that never returns; whoever takes the slot over stores another
    if (slot.process.load(std::memory_order_relaxed) != process) continue;
    bool owner_died = false;
    constexpr auto kOurs = sync_internal::Whose::kOurs;
    if (!sync_internal::Acquire(self, slot.life, sync_internal::Deadline::Passed(), &owner_died, kOurs).ok()) continue;
    // relaxed: as above, and now nobody can take it
    if (slot.process.load(std::memory_order_relaxed) == process && RecoverDeadSlot(attachment, slot).ok()) {
      FinishIntents(attachment, slot, nullptr);
      attachment.heap().ReleaseSlot(static_cast<uint32_t>(i) + 1);
      ReleaseThreadSlot(self, attachment, slot);
    } else {
      sync_internal::Release(self, slot.life);
    }
  }
  // Of slots that somebody was just about to claim: what lies open there is finished before this returns.
  FinishSectionsOf(attachment, process);
}

void FinishSectionsOf(const Attachment& attachment, uint64_t process) {
  for (ThreadSlot& slot : attachment.threads()) {
    const auto is_left_open = [&] {
      // relaxed: the number never returns; journal.closed (acquire)
      return slot.process.load(std::memory_order_relaxed) == process && Head::IsOpen(slot.head.load(std::memory_order_acquire));
    };
    if (!is_left_open()) continue;
    sync_internal::Thread& self = sync_internal::ThisThread();
    bool owner_died = false;
    constexpr auto kOurs = sync_internal::Whose::kOurs;
    if (!sync_internal::Acquire(self, slot.replay, sync_internal::Deadline::Infinite(), &owner_died, kOurs).ok()) continue;
    // Nobody has the slot next before the section in it is closed, and that takes this lock.
    if (is_left_open()) UndoOrFinish(attachment, slot, nullptr).IgnoreError();
    sync_internal::Release(self, slot.replay);
  }
}

}  // namespace shoal::shm_internal
