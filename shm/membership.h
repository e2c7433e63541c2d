#ifndef SHOAL_SHM_MEMBERSHIP_H_
#define SHOAL_SHM_MEMBERSHIP_H_

#include <memory>

#include "absl/status/statusor.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/holds.h"
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

// What this process has in a segment that it participates in. It lives as long as the attachment; in a forked child it is made anew,
// and what the parent had is left alone.
struct Membership final : Attachment::Companion {
  std::unique_ptr<Participant> participant;
  Holds holds;
};
// REQUIRES: this process participates.
inline Membership& MembershipOf(const Attachment& attachment) { return static_cast<Membership&>(*attachment.companion()); }

// What it holds there; null: it does not participate.
Holds* HoldsOrNull(const Attachment& attachment);

// Whether `id` is dead (IsDead), and what it had open undone or finished: what it was just giving or taking is where it belongs.
// Blocking: while another recoverer of the same section is at work.
bool IsDeadAndUndone(const Attachment& attachment, ParticipantId id);

// Takes back what dead participants held, and destroys what nobody holds any more; how many participants there were. On demand, as
// the keepers do it.
int ReapDead(const std::shared_ptr<Attachment>& attachment);

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_MEMBERSHIP_H_
