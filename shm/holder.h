#ifndef SHOAL_SHM_HOLDER_H_
#define SHOAL_SHM_HOLDER_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/participants.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/futex.h"
#include "shoal/sync/robust_list.h"

// What is held outside of calls (a permit, a borrow) is written down in the object itself, with the participant that holds it. When
// that is dead, whoever meets the entry takes it back; and whoever sleeps is woken to do so. This is what PermitPool and Array have
// in common; why nobody is forgotten is told in holder.cc.

namespace shoal::shm_internal {

// In whose name a thread takes something of one segment.
struct Holder {
  const std::shared_ptr<Attachment>* attachment;  // the thread's own; lives as long as the thread uses the segment
  ParticipantId id;

  Attachment& segment() const { return **attachment; }
};

// REQUIRES of all who hold: every thread that takes comes in through here.
// FailedPrecondition: the object does not lie in a segment; ResourceExhausted: too many processes or threads use it, or there is no
// thread to be had for the keeper.
absl::StatusOr<Holder> EnterAsHolder(const void* object, size_t bytes);

// Takes the lock inside of an object that is never held for longer than a look at it. A caller who only wants to look once waits
// for it all the same, but not for ever: its owner may have been stopped.
// DeadlineExceeded, and as Acquire.
absl::Status AcquireInner(sync_internal::Thread& self, sync_internal::RobustWord& lock, sync_internal::Deadline deadline);

// Under the inner lock: OK, or Unavailable: this process is being killed, and takes nothing any more.
absl::Status CheckAlive(const Holder& holder);

// `deaths`, read before the look at what is held: a death that the look missed changes it.
inline uint32_t DeathsBeforeLook(const Holder& holder) {
  return holder.segment().header().deaths.load(std::memory_order_acquire);  // participants.deaths (acquire)
}

// Sleeps while nothing is given back and nobody dies.
inline void SleepUntilGivenBack(const Holder& holder, const sync_internal::FutexWord& changes, uint32_t seen,
                                uint32_t deaths, sync_internal::Deadline deadline) {
  sync_internal::SleepWhile({{&changes, seen}, {&holder.segment().header().deaths, deaths}}, deadline);
}

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_HOLDER_H_
