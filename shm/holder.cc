// shm/holder.cc: why nobody sleeps beside what a dead process held, or beside the wake that it owed.
//
//  What is held is one 8-byte entry of the object with the holder's id in it. A sleeper reads `deaths`, looks at all entries and
//  takes back those of the dead, and sleeps comparing `deaths`. A keeper adds 1 to `deaths` when a process has died AND none of its
//  threads with a slot runs any more. Every thread that takes has a slot (EnterAsHolder). Hence, of any death:
//    - what the dead held is found by a look that began after the change, and everybody looks then;
//    - what a dying thread did to an object came before that look, and nothing of it comes later: whichever wake it owed, or
//      swallowed, the look makes up for it. So nothing here needs list_op_pending or a beacon.
//  A thread that first comes in while its process is already dying could have been overlooked by the keeper: it finds its own life
//  word dead when it has the inner lock (CheckAlive), and takes nothing.
//
//  EDGE participants.deaths: see participants.cc.

#include "shoal/shm/holder.h"

#include <algorithm>

#include "shoal/shm/membership.h"
#include "shoal/shm/section.h"
#include "shoal/sync/robust_lock.h"
#include "shoal/sync/status.h"

namespace shoal::shm_internal {

using sync_internal::Deadline;
using sync_internal::MakeStatus;

namespace {

constexpr int64_t kPatienceNanoseconds = 1'000'000'000;

}  // namespace

absl::StatusOr<Holder> EnterAsHolder(const void* object, size_t bytes) {
  SHOAL_ASSIGN_OR_RETURN(Section* const place, SectionAt(object));
  if (!place->Covers(object, bytes)) {
    return MakeStatus(absl::StatusCode::kFailedPrecondition, "this object does not lie in the heap of a segment");
  }
  SHOAL_ASSIGN_OR_RETURN(const ParticipantId id, Participate(place->attachment()));
  return Holder{.attachment = &place->shared_attachment(), .id = id};
}

absl::Status AcquireInner(sync_internal::Thread& self, sync_internal::RobustWord& lock, Deadline deadline) {
  if (__builtin_expect(sync_internal::TryAcquireFast(self, lock), 1)) return absl::OkStatus();
  const Deadline patience =
      Deadline::AtNanoseconds(std::max(deadline.nanoseconds(), Deadline::Now() + kPatienceNanoseconds));
  bool owner_died = false;  // leaves nothing to repair: see those who use it
  const absl::Status status = sync_internal::AcquireSlow(self, lock, deadline.infinite() ? deadline : patience, &owner_died,
                                                         sync_internal::Whose::kOurs);
  if (!absl::IsDeadlineExceeded(status)) return status;
  return MakeStatus(absl::StatusCode::kDeadlineExceeded,
                    "a thread that is inside a call on this object did not go on in time: is its process stopped?");
}

absl::Status CheckAlive(const Holder& holder) {
  // The inner lock's compare-exchange is a full barrier between this thread's slot and this look, so either we see our death or the
  // keeper that comes to reap us sees the slot.
  if (__builtin_expect(!LifeHasEnded(holder.segment(), holder.id), 1)) return absl::OkStatus();
  return MakeStatus(absl::StatusCode::kUnavailable, "this process is being killed");
}

}  // namespace shoal::shm_internal
