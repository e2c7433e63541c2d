// shm/objects.cc: the life of an object, from the side of the process that makes it or has handles to it.
//
//  If the process dies …                              the others see …
//   in Begin, or while the object is constructed       the section undone: the block is free again
//   in Finish, before the section's commit             the same
//   in the commit                                      committed: whoever finishes the section enters the object, with the bit of the
//                                                        dead process; the reaper, who comes after that, clears it
//   after it                                           an object with one holder, who is dead
//   storing a handle in a section                      the section undone: the old word, and the counts as they were
//   dropping its last handle, before the bit is clear  a holder who is dead
//   after it                                           a doomed object

#include "shoal/shm/objects.h"

#include <cstring>
#include <new>

#include "shoal/shm/dispose.h"
#include "shoal/shm/lingering.h"
#include "shoal/shm/membership.h"
#include "shoal/shm/object.h"
#include "shoal/shm/stored_word.h"
#include "shoal/sync/check.h"
#include "shoal/sync/process_epoch.h"
#include "shoal/sync/status.h"

namespace shoal::shm_internal {

using sync_internal::MakeStatus;

// ---- making ------------------------------------------------------------------------------------------------------------------

Creation::Creation(SideSection section, std::shared_ptr<Attachment> attachment, const TypeDescription& type, uint64_t offset,
                   ParticipantId self)
    : section_(std::move(section)),
      attachment_(std::move(attachment)),
      type_(&type),
      offset_(offset),
      self_(self),
      where_(attachment_->base() + offset + sizeof(ObjectHeader)) {}

absl::StatusOr<Creation> Creation::Begin(const std::shared_ptr<Attachment>& attachment, const TypeDescription& type,
                                         size_t alignment) {
  SHOAL_ASSIGN_OR_RETURN(const ParticipantId self, Participate(*attachment));
  SHOAL_ASSIGN_OR_RETURN(const uint64_t type_offset, MembershipOf(*attachment).holds.TypeOffset(attachment, type));
  SHOAL_ASSIGN_OR_RETURN(SideSection section, SideSection::Open(attachment));
  SHOAL_ASSIGN_OR_RETURN(const Block block, section->Allocate(sizeof(ObjectHeader) + type.size_bytes, alignment));
  std::byte* const at = attachment->base() + block.offset;
  auto* const header = new (at) ObjectHeader{};
  header->type.store(type_offset, std::memory_order_relaxed);  // relaxed: nobody knows the object yet
  std::memset(at + sizeof(ObjectHeader), 0, type.size_bytes);
  return Creation(std::move(section), attachment, type, block.offset, self);
}

absl::StatusOr<Hold*> Creation::Finish() {
  SHOAL_RETURN_IF_ERROR(section_->failure());  // the constructor has copied a handle
  SHOAL_RETURN_IF_ERROR(section_->Defer(Reference::kMade, offset_, SlotOf(self_)));
  // Before the commit: what lacks the memory for its record is not made.
  Hold* const hold = MembershipOf(*attachment_).holds.Adopt(attachment_, self_, offset_, *type_);
  section_.Commit();
  return hold;
}

// ---- handles -----------------------------------------------------------------------------------------------------------------

namespace {

absl::Status Inherited() {
  return MakeStatus(absl::StatusCode::kFailedPrecondition,
                    "this handle belongs to the process that this one was forked from: find the object, or be given a handle");
}

// The segment that a handle lies in, if any.
std::shared_ptr<Attachment> SegmentAround(const Handle& handle) {
  return Attachment::MayLieInSegment(&handle) ? Attachment::Of(&handle) : nullptr;
}

}  // namespace

void SettleCopy(const absl::Status& status) {
  if (status.ok() || absl::IsDataLoss(status)) return;
  Section* const open = ThisThreadSections().open;
  if (absl::IsResourceExhausted(status) && open != nullptr) return open->Fail(status);
  sync_internal::CheckFailed(
      "the handle is copied",
      "it is inherited by fork, or is stored outside a section, or in another segment, or memory is short; Assign tells");
}

void DropHold(Hold& hold) {
  if (!sync_internal::InProcessOf(hold.epoch)) return;  // in a forked child it is not ours
  const std::shared_ptr<Attachment> attachment = Holds::Drop(hold);
  if (attachment == nullptr) return;
  // The locks of sync know nothing of segments, so nobody has looked since they were given up.
  LetGoOfUnused(attachment, nullptr);
  DestroyDoomed(attachment);
}

Hold* Handle::hold_or_null() const {
  const uint64_t word = *const_cast<const volatile uint64_t*>(&word_);  // read once
  // What lies in a segment and is not marked as stored is damaged, and no address of ours.
  if (word == 0 || StoredWord::Is(word) || SegmentAround(*this) != nullptr) return nullptr;
  return reinterpret_cast<Hold*>(word);
}

absl::StatusOr<uint64_t> Handle::OffsetIn(const Attachment& attachment) const {
  if (const Hold* const hold = hold_or_null(); hold != nullptr) {
    if (!sync_internal::InProcessOf(hold->epoch)) return Inherited();
    if (hold->attachment->SameSegment(attachment)) return hold->offset;
  } else {
    const std::shared_ptr<Attachment> around = SegmentAround(*this);
    if (around != nullptr && around->SameSegment(attachment)) return StoredWord::Offset(word_);
  }
  return MakeStatus(absl::StatusCode::kFailedPrecondition, "a handle can be stored only in the segment of its object");
}

absl::Status Handle::StoreInto(Section& section, const Handle& other, const TypeDescription& type) {
  if (other.word_ == 0) {
    word_ = 0;
    return absl::OkStatus();
  }
  SHOAL_RETURN_IF_ERROR(Participate(section.attachment()).status());
  SHOAL_ASSIGN_OR_RETURN(const uint64_t offset, other.OffsetIn(section.attachment()));
  SHOAL_RETURN_IF_ERROR(Holds::CheckType(section.attachment(), offset, type));
  SHOAL_RETURN_IF_ERROR(section.Retain(offset, &DestroyDoomedAfter));
  word_ = StoredWord::Of(offset);
  return absl::OkStatus();
}

absl::Status Handle::Construct(Section& section, const Handle& other, const TypeDescription& type) {
  return StoreInto(section, other, type);
}

absl::Status Handle::Drop(Section& section) const {
  if (!StoredWord::Is(word_)) return absl::OkStatus();
  SHOAL_RETURN_IF_ERROR(Participate(section.attachment()).status());
  return section.Drop(StoredWord::Offset(word_), &DestroyDoomedAfter);
}

absl::Status Handle::CopyFrom(const Handle& other, const TypeDescription& type) {
  if (other.word_ == 0) return absl::OkStatus();
  if (SegmentAround(*this) != nullptr) {
    Section* const section = OpenSectionOrNull(this, sizeof(*this));
    return section == nullptr ? NoOpenSection(this) : StoreInto(*section, other, type);
  }
  if (Hold* const hold = other.hold_or_null(); hold != nullptr) {
    if (!sync_internal::InProcessOf(hold->epoch)) return Inherited();
    Holds::Copy(*hold);
    word_ = other.word_;
    return absl::OkStatus();
  }
  const std::shared_ptr<Attachment> attachment = SegmentAround(other);
  if (attachment == nullptr) return MakeStatus(absl::StatusCode::kDataLoss, "a handle has lost its segment");
  SHOAL_ASSIGN_OR_RETURN(const ParticipantId self, Participate(*attachment));
  SHOAL_ASSIGN_OR_RETURN(Hold* const hold, MembershipOf(*attachment)
                                               .holds.Take(attachment, self, StoredWord::Offset(other.word_), type));
  word_ = reinterpret_cast<uint64_t>(hold);
  return absl::OkStatus();
}

absl::Status Handle::Assign(const Handle& other, const TypeDescription& type) {
  if (this == &other) return absl::OkStatus();
  if (StoredWord::Is(word_) || SegmentAround(*this) != nullptr) {
    Section* const section = OpenSectionOrNull(this, sizeof(*this));
    if (section == nullptr) return NoOpenSection(this);
    const size_t mark = section->mark();
    const uint64_t before = word_;
    absl::Status status = section->Save(this, sizeof(*this));
    if (status.ok()) status = Drop(*section);
    if (status.ok()) status = StoreInto(*section, other, type);
    if (!status.ok()) {
      word_ = before;
      section->CancelSince(mark);
    }
    return status;
  }
  Handle copy;
  SHOAL_RETURN_IF_ERROR(copy.CopyFrom(other, type));
  std::swap(word_, copy.word_);
  copy.Destroy();
  return absl::OkStatus();
}

absl::Status Handle::MoveFrom(Handle& other, const TypeDescription& type) {
  if (!StoredWord::Is(other.word_) && SegmentAround(*this) == nullptr && SegmentAround(other) == nullptr) {
    word_ = std::exchange(other.word_, 0);
    return absl::OkStatus();
  }
  SHOAL_RETURN_IF_ERROR(CopyFrom(other, type));
  if (StoredWord::Is(other.word_)) return other.Assign(Handle(), type);
  other.Destroy();
  return absl::OkStatus();
}

void Handle::Destroy() {
  if (Hold* const hold = hold_or_null(); hold != nullptr) DropHold(*hold);
  if (!StoredWord::Is(word_) && SegmentAround(*this) == nullptr) word_ = 0;
}

std::byte* Handle::Object(const TypeDescription& type) const {
  if (word_ == 0) return nullptr;
  if (const Hold* const hold = hold_or_null(); hold != nullptr) {
    return sync_internal::InProcessOf(hold->epoch) ? hold->object : nullptr;
  }
  const std::shared_ptr<Attachment> attachment = SegmentAround(*this);
  if (attachment == nullptr) return nullptr;
  const uint64_t offset = StoredWord::Offset(word_);
  if (!Holds::CheckType(*attachment, offset, type).ok()) return nullptr;
  return attachment->base() + offset + sizeof(ObjectHeader);
}

bool Handle::SameAs(const Handle& other) const {
  if (word_ == other.word_) return true;
  if (word_ == 0 || other.word_ == 0 || StoredWord::Is(word_) == StoredWord::Is(other.word_)) return false;
  const Handle& stored = StoredWord::Is(word_) ? *this : other;
  const Hold* const hold = (&stored == this ? other : *this).hold_or_null();
  if (hold == nullptr) return false;  // damaged
  const absl::StatusOr<uint64_t> offset = stored.OffsetIn(*hold->attachment);
  return offset.ok() && *offset == hold->offset;
}

}  // namespace shoal::shm_internal
