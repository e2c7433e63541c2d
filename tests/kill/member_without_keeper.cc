#include "shoal/tests/kill/member_without_keeper.h"

#include <unistd.h>

#include <memory>

#include "shoal/shm/layout.h"
#include "shoal/shm/membership.h"
#include "shoal/shm/participants.h"
#include "shoal/sync/check.h"
#include "shoal/sync/futex.h"
#include "shoal/sync/process_epoch.h"
#include "shoal/sync/robust_list.h"
#include "shoal/sync/robust_lock.h"

namespace shoal::tests {

using shm_internal::Attachment;
using shm_internal::Membership;
using shm_internal::ParticipantId;
using shm_internal::ParticipantSlot;

void JoinWithoutKeeper(Attachment& attachment) {
  sync_internal::Thread& self = sync_internal::ThisThread();
  sync_internal::RobustWord& joining = attachment.header().joining;
  bool owner_died = false;
  SHOAL_CHECK(sync_internal::Acquire(self, joining, sync_internal::Deadline::Infinite(), &owner_died).ok(), "it can be had");
  ParticipantId id = 0;
  for (int i = 0; i < shm_internal::kMaxParticipants && id == 0; ++i) {
    ParticipantSlot& slot = attachment.participants()[static_cast<size_t>(i)];
    if (slot.life.word.load() != 0) continue;
    id = shm_internal::ParticipantIdOf(i, ++slot.life_number);
    slot.pid = static_cast<uint32_t>(getpid());
    slot.process = attachment.process_number();
    SHOAL_CHECK(sync_internal::Acquire(self, slot.life, sync_internal::Deadline::Passed(), &owner_died).ok(), "it is free");
  }
  SHOAL_CHECK(id != 0, "there is a free slot");
  sync_internal::Release(self, joining);
  attachment.SetCompanion(std::make_unique<Membership>());
  attachment.membership() = uint64_t{sync_internal::ProcessEpoch()} << 32 | id;
}

void JoinWatchedWithoutKeeper(Attachment& attachment) {
  if (attachment.membership().load() >> 32 == sync_internal::ProcessEpoch()) return;
  JoinWithoutKeeper(attachment);
  const auto id = static_cast<ParticipantId>(attachment.membership().load());
  attachment.participants()[static_cast<size_t>(shm_internal::SlotOf(id))].life.word |= sync_internal::kWaiters;
  ++attachment.header().deaths;
  sync_internal::WakeAll(attachment.header().deaths);
}

void LeaveWithoutKeeper(Attachment& attachment) {
  const auto id = static_cast<ParticipantId>(attachment.membership().load());
  ParticipantSlot& slot = attachment.participants()[static_cast<size_t>(shm_internal::SlotOf(id))];
  sync_internal::Release(sync_internal::ThisThread(), slot.life);
  attachment.membership() = 0;
}

}  // namespace shoal::tests
