#ifndef SHOAL_SHM_MEMBERSHIP_H_
#define SHOAL_SHM_MEMBERSHIP_H_

#include "absl/status/statusor.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/participants.h"

// This process as one of a segment's participants, from the first time it holds something there outside of a call until it lets go
// of the segment.

namespace shoal::shm_internal {

// Makes this process a participant of the segment, once; who it is. A forked child is another one than its parent.
//
// Thread safety:  may run concurrently. Costs a few nanoseconds when it has been done.
// Blocking:       the first call waits for the keeper thread, which looks for a free slot.
// Crash safety:   from the return on, the others learn of this process's death and take back what it held.
// Errors:         ResourceExhausted: too many processes use the segment, or the system has no thread left.
absl::StatusOr<ParticipantId> Participate(Attachment& attachment);

// Takes back what a dead participant held. Keepers run it; so does Segment::Reap.
void ReapParticipant(Attachment& attachment, ParticipantId id);

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_MEMBERSHIP_H_
