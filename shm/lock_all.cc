// shm/lock_all.cc: several locks, one section.
//
//  They are taken in order of their place in the segment, by everybody, so nobody waits for one who waits for him. The section lists
//  them all, and begins when all are owned; until then nothing of theirs has changed.
//
//  If the thread dies …                        the others see …
//   having taken some, no section open           those abandoned, nothing to undo
//   in the section                               all abandoned. The next owner of any one of them undoes the whole section, with
//                                                  those objects too that others own by now: an owner looks at its object only
//                                                  when no section that lists its lock is open any more (journal.cc)
//   committed, some given up already             the rest abandoned, the section closed: nothing to undo

#include "shoal/shm/lock_all.h"

#include "shoal/shm/read_hold.h"
#include "shoal/sync/robust_lock.h"
#include "shoal/sync/status.h"

namespace shoal::shm_internal {
namespace {

absl::Status CheckTogether(const Section& section, std::span<const OneOfSeveral> locks) {
  for (size_t i = 0; i < locks.size(); ++i) {
    if (!section.attachment().Contains(locks[i].word, sizeof(*locks[i].word))) {
      return sync_internal::MakeStatus(absl::StatusCode::kFailedPrecondition,
                                       "what one section locks must lie in one segment");
    }
    if (i > 0 && locks[i].word == locks[i - 1].word) {
      return sync_internal::MakeStatus(absl::StatusCode::kFailedPrecondition, "a section cannot lock the same object twice");
    }
  }
  return absl::OkStatus();
}

void Release(sync_internal::Thread& self, const OneOfSeveral& lock) {
  if (lock.read_write != nullptr) {
    lock.read_write->ReleaseWrite(self);
  } else {
    sync_internal::Release(self, *lock.word);
  }
}

// Gives up what was taken from a dead owner, so that the next one is told of that death.
void Abandon(sync_internal::Thread& self, const OneOfSeveral& lock) {
  if (lock.read_write != nullptr) {
    lock.read_write->AbandonWrite(self);
  } else {
    sync_internal::Abandon(self, *lock.word);
  }
}

}  // namespace

absl::Status TakeSeveral(Section& section, std::span<const OneOfSeveral> locks, sync_internal::Deadline deadline,
                         bool* recovered) {
  SHOAL_RETURN_IF_ERROR(CheckTogether(section, locks));
  *recovered = false;
  bool from_the_dead[kMaxLocks] = {};
  absl::Status status = absl::OkStatus();
  size_t taken = 0;
  for (; taken < locks.size(); ++taken) {
    const OneOfSeveral& lock = locks[taken];
    status = lock.read_write != nullptr ? WriteAndRecover(section, *lock.read_write, deadline, &from_the_dead[taken])
                                        : LockAndRecover(section, *lock.word, deadline, &from_the_dead[taken]);
    if (!status.ok()) break;
    *recovered |= from_the_dead[taken];
  }
  if (status.ok()) return status;
  sync_internal::Thread& self = sync_internal::ThisThread();
  while (taken-- > 0) from_the_dead[taken] ? Abandon(self, locks[taken]) : Release(self, locks[taken]);
  return status;
}

void ReleaseSeveral(sync_internal::Thread& self, std::span<const OneOfSeveral> locks) {
  for (size_t i = locks.size(); i-- > 0;) Release(self, locks[i]);
}

}  // namespace shoal::shm_internal
