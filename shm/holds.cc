#include "shoal/shm/holds.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shoal/shm/dispose.h"
#include "shoal/shm/object.h"
#include "shoal/shm/references.h"
#include "shoal/shm/type_layout.h"
#include "shoal/sync/process_epoch.h"
#include "shoal/sync/status.h"

//  EDGE holds.last: Drop() release → the Drop() of the last handle, acquire. What each thread did with the object is over before it is
//  let go.

namespace shoal::shm_internal {

using sync_internal::MakeStatus;

absl::Status Holds::CheckType(const Attachment& attachment, uint64_t offset, const TypeDescription& type) {
  const ObjectHeader* const object = ObjectAtOrNull(attachment, offset);
  // relaxed: written before anybody had a handle
  const uint64_t place = object == nullptr ? 0 : object->type.load(std::memory_order_relaxed);
  const TypeRecord* const record = TypeAtOrNull(attachment, place);
  if (record == nullptr || !attachment.Contains(object + 1, type.size_bytes)) {
    return MakeStatus(absl::StatusCode::kDataLoss, absl::StrCat("a handle names no object at offset ", offset));
  }
  if (record->fingerprint == type.fingerprint && record->size_bytes == type.size_bytes) return absl::OkStatus();
  SHOAL_ASSIGN_OR_RETURN(const std::string code, CodeOf(attachment, place));
  SHOAL_RETURN_IF_ERROR(CompareLayouts(code, type.code(), type.field_names()));
  return MakeStatus(absl::StatusCode::kDataLoss, "the record of a type is damaged");
}

Hold* Holds::Enter(const std::shared_ptr<Attachment>& attachment, uint64_t offset, const TypeDescription& type,
                   int participant_slot) {
  auto* const object = reinterpret_cast<ObjectHeader*>(attachment->base() + offset);
  std::unique_ptr<Hold> hold(new Hold{.handles = 1,
                                      .object = ObjectOf(*object),
                                      .offset = offset,
                                      .type = &type,
                                      .participant_slot = participant_slot,
                                      .epoch = sync_internal::ProcessEpoch(),
                                      .holds = this,
                                      .attachment = attachment});
  holds_.emplace(offset, hold.get());
  return hold.release();
}

absl::StatusOr<Hold*> Holds::Take(const std::shared_ptr<Attachment>& attachment, ParticipantId self, uint64_t offset,
                                  const TypeDescription& type) {
  SHOAL_RETURN_IF_ERROR(CheckType(*attachment, offset, type));
  const std::lock_guard lock(mutex_);
  if (const auto known = holds_.find(offset); known != holds_.end()) {
    Copy(*known->second);
    return known->second;
  }
  // What may throw comes first: without it there is no bit that nobody would take away.
  std::unique_ptr<Hold> hold(Enter(attachment, offset, type, SlotOf(self)));
  if (absl::Status status = SetHolder(*attachment, offset, SlotOf(self)); !status.ok()) {
    holds_.erase(offset);
    return status;
  }
  return hold.release();
}

Hold* Holds::Adopt(const std::shared_ptr<Attachment>& attachment, ParticipantId self, uint64_t offset,
                   const TypeDescription& type) {
  const std::lock_guard lock(mutex_);
  return Enter(attachment, offset, type, SlotOf(self));
}

absl::StatusOr<uint64_t> Holds::TypeOffset(const std::shared_ptr<Attachment>& attachment, const TypeDescription& type) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = types_.find(&type); known != types_.end()) return known->second;
  }
  SHOAL_RETURN_IF_ERROR(CheckCanBeDestroyed(type.code()));
  SHOAL_ASSIGN_OR_RETURN(const uint64_t offset, InternType(attachment, type));
  const std::lock_guard lock(mutex_);
  types_.emplace(&type, offset);
  return offset;
}

std::shared_ptr<Attachment> Holds::Drop(Hold& hold) {
  uint64_t handles = hold.handles.load(std::memory_order_relaxed);  // relaxed: the compare-exchange decides
  while (handles > 1) {
    // holds.last (release): what was done with the object is over when the last handle goes; on failure relaxed: try again
    if (hold.handles.compare_exchange_weak(handles, handles - 1, std::memory_order_release, std::memory_order_relaxed)) {
      return nullptr;
    }
  }
  Holds& holds = *hold.holds;
  std::shared_ptr<Attachment> attachment;
  {
    const std::lock_guard lock(holds.mutex_);
    // Somebody may have taken one more from a stored handle meanwhile. holds.last (acq_rel): see above
    if (hold.handles.fetch_sub(1, std::memory_order_acq_rel) != 1) return nullptr;
    holds.holds_.erase(hold.offset);
    attachment = std::move(hold.attachment);
    // relaxed: it was set by a thread with a handle, and holds.last orders that
    delete hold.companion.load(std::memory_order_relaxed);
    // If it cannot be done now, it is done when this process has ended.
    ClearHolder(*attachment, hold.offset, hold.participant_slot).IgnoreError();
  }
  delete &hold;
  return attachment;
}

}  // namespace shoal::shm_internal
