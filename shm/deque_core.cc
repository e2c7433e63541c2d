// shm/deque_core.cc: a ring of places. What has to be saved, and what a death leaves, is told in vector_core.cc; here the places that hold
// what the last commit left are `kept` of them from `kept_first` on, around the end of the block.
//
//  size     first        places in use
//   0        any          none
//   n        f            f, f + 1, … f + n - 1, modulo the capacity

#include "shoal/shm/deque_core.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shoal/sync/status.h"

namespace shoal::shm_internal {

absl::Status DequeCore::Nonsense() const {
  return sync_internal::MakeStatus(
      absl::StatusCode::kDataLoss,
      absl::StrCat("the header of a deque is damaged: ", size, " elements from place ", first, " on, room for ", capacity));
}

absl::Status DequeCore::ReadIn(const Attachment& attachment, ElementShape shape, DequeExtent& extent) const {
  const auto covers = [&](const void* at, size_t bytes) {
    return attachment.Contains(at, bytes) && attachment.OffsetOf(at) >= attachment.areas().first_page;
  };
  return Read(shape, covers, extent) ? absl::OkStatus() : Nonsense();
}

absl::Status DequeCore::ReadAnywhere(ElementShape shape, DequeExtent& extent) const {
  if (const Section* const section = OpenSectionOrNull(this, sizeof(*this)); section != nullptr) {
    return ReadIn(*section, shape, extent) ? absl::OkStatus() : Nonsense();
  }
  const std::shared_ptr<Attachment> attachment = Attachment::Of(this);
  if (attachment != nullptr) return ReadIn(*attachment, shape, extent);
  if (capacity == 0 && size == 0) return absl::OkStatus();
  return sync_internal::MakeStatus(absl::StatusCode::kFailedPrecondition, "this container does not lie in a segment");
}

absl::Status DequeCore::SaveHeader(DequeChange& change) {
  if (absl::Status saved = change.section->Save(this, sizeof(*this)); !saved.ok()) return saved;
  kept_first = change.kept_first = change.first;
  kept = change.kept = change.size;
  saved_in = change.section->number();
  return absl::OkStatus();
}

absl::Status DequeCore::MakeRoom(ElementShape shape, const DequeChange& change, size_t needed, VectorRoom& room) {
  VectorChange block;
  static_cast<VectorExtent&>(block) = change;
  block.section = change.section;
  return VectorCore::MakeRoom(shape, block, needed, room);
}

void DequeCore::Relocate(Section& section, DequeCore* from, DequeCore* to) {
  const VectorRoom block = {.elements = from->elements.get(), .capacity = from->capacity};
  const bool touched = from->saved_in == section.number();
  const uint64_t size = from->size;
  const uint64_t first = from->first;
  const uint64_t kept_first = touched ? from->kept_first : first;
  const uint64_t kept = touched ? from->kept : size;
  Make(section, to);
  to->MoveTo(block, first, size);
  to->kept_first = kept_first;
  to->kept = kept;
}

absl::Status DequeCore::Swap(ElementShape shape, DequeCore& left, DequeCore& right) {
  DequeChange of_left;
  DequeChange of_right;
  SHOAL_RETURN_IF_ERROR(left.Begin(shape, of_left));
  SHOAL_RETURN_IF_ERROR(right.Begin(shape, of_right));
  if (of_left.Holds(&right, shape) || of_right.Holds(&left, shape)) return WouldOwnItself();
  std::byte* const elements = left.elements.get();
  left.elements = right.elements.get();
  right.elements = elements;
  std::swap(left.size, right.size);
  std::swap(left.capacity, right.capacity);
  std::swap(left.first, right.first);
  std::swap(left.kept_first, right.kept_first);
  std::swap(left.kept, right.kept);
  return absl::OkStatus();
}

}  // namespace shoal::shm_internal
