#include "shoal/shm/read_hold.h"

#include "shoal/shm/journal.h"
#include "shoal/sync/status.h"

namespace shoal::shm_internal {
namespace {

// Undoes what the dead owner of `lock`'s turnstile had open, if it was writing. The cycle is odd then, so nobody reads.
auto Recovery(Section& section, sync_internal::ReadWriteLock& lock) {
  return [&section, &lock] {
    return RecoverSection(section.attachment(), section.attachment().OffsetOf(&lock.turnstile()));
  };
}

}  // namespace

absl::StatusOr<ReadHold> ReadHold::TakeSlowly(sync_internal::Thread& self, sync_internal::ReadWriteLock& lock,
                                              sync_internal::Deadline deadline) {
  SHOAL_ASSIGN_OR_RETURN(Section* const place, SectionAt(&lock));
  sync_internal::RobustWord* held = nullptr;
  bool recovered = false;
  SHOAL_RETURN_IF_ERROR(lock.AcquireRead(self, deadline, Recovery(*place, lock), held, recovered));
  return ReadHold(*place, lock, *held, recovered);
}

absl::Status WriteAndRecover(Section& section, sync_internal::ReadWriteLock& lock, sync_internal::Deadline deadline,
                             bool* recovered) {
  return lock.AcquireWrite(sync_internal::ThisThread(), deadline, Recovery(section, lock), *recovered);
}

}  // namespace shoal::shm_internal
