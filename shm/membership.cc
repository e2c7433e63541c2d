#include "shoal/shm/membership.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <utility>

#include "shoal/shm/dispose.h"
#include "shoal/shm/layout.h"
#include "shoal/shm/process_state.h"
#include "shoal/shm/references.h"
#include "shoal/shm/section.h"
#include "shoal/shm/thread_slot.h"
#include "shoal/sync/cancellation.h"
#include "shoal/sync/process_epoch.h"
#include "shoal/sync/status.h"

//  EDGE membership.joined: Participate() release → Participate() acquire, in another thread. Publishes the keeper's slot.

namespace shoal::shm_internal {
namespace {

// Takes back what a dead participant held: first what its threads left half done, which may still give it something.
void TakeBack(Attachment& attachment, ParticipantId id) {
  const ParticipantSlot& slot = attachment.participants()[static_cast<size_t>(SlotOf(id))];
  // relaxed: stable while the slot has its dead owner
  ReapThreadSlots(sync_internal::ThisThread(), attachment, slot.process.load(std::memory_order_relaxed));
  // A damaged list is told to whoever walks it next on a user's behalf.
  ClearHolderEverywhere(attachment, SlotOf(id)).IgnoreError();
}

// For the keeper thread, which the attachment outlives: it must not keep it alive, nor have anything of the segment when it sleeps.
void ReapAsKeeper(Attachment& attachment, ParticipantId id) {
  TakeBack(attachment, id);
  DestroyDoomed(std::shared_ptr<Attachment>(std::shared_ptr<void>(), &attachment));
  LeaveSegments();
}

}  // namespace

absl::StatusOr<ParticipantId> Participate(Attachment& attachment) {
  const uint32_t epoch = sync_internal::ProcessEpoch();
  // membership.joined (acquire)
  const uint64_t known = attachment.membership().load(std::memory_order_acquire);
  if (known >> 32 == epoch && static_cast<ParticipantId>(known) != 0) return static_cast<ParticipantId>(known);
  const sync_internal::NoCancellation whole;  // the keeper is waited for
  const std::lock_guard lock(ProcessStateOrNull()->joining);
  const uint64_t now = attachment.membership().load(std::memory_order_relaxed);  // relaxed: guarded by the mutex
  if (now >> 32 == epoch && static_cast<ParticipantId>(now) != 0) return static_cast<ParticipantId>(now);
  auto made = std::make_unique<Membership>();
  SHOAL_ASSIGN_OR_RETURN(made->participant, Participant::Join(attachment, &ReapAsKeeper));
  const ParticipantId id = made->participant->id();
  attachment.SetCompanion(std::move(made));  // in a forked child this leaves the parent's keeper alone
  attachment.membership().store(uint64_t{epoch} << 32 | id, std::memory_order_release);  // membership.joined (release)
  return id;
}

Holds* HoldsOrNull(const Attachment& attachment) {
  // membership.joined (acquire)
  const uint64_t known = const_cast<Attachment&>(attachment).membership().load(std::memory_order_acquire);
  return known >> 32 == sync_internal::ProcessEpoch() && static_cast<ParticipantId>(known) != 0 ? &MembershipOf(attachment).holds
                                                                                             : nullptr;
}

bool IsDeadAndUndone(const Attachment& attachment, ParticipantId id) {
  const int slot = SlotOf(id);
  if (slot < 0 || slot >= kMaxParticipants) return true;
  const ParticipantSlot& participant = attachment.participants()[static_cast<size_t>(slot)];
  // relaxed: never changes while the slot has this owner, which is looked at next
  const uint64_t process = participant.process.load(std::memory_order_relaxed);
  // relaxed: as above. If one of its successors has the slot, it has been reaped, and that began with its sections.
  const bool reaped = ParticipantIdOf(slot, participant.life_number.load(std::memory_order_relaxed)) != id;
  if (!IsDead(attachment, id)) return false;
  if (!reaped) FinishSectionsOf(attachment, process);
  return true;
}

int ReapDead(const std::shared_ptr<Attachment>& attachment) {
  const int reaped = Reap(*attachment, &TakeBack);
  if (Holds* const holds = HoldsOrNull(*attachment); holds != nullptr) holds->DropUnused(*attachment, nullptr);
  DestroyDoomed(attachment);
  return reaped;
}

}  // namespace shoal::shm_internal
