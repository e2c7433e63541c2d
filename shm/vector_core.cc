// shm/vector_core.cc: what has to be saved before it changes.
//
//  saved_in            kept     meaning
//   not this section    -        untouched in it: the first change saves the header's 40 bytes and sets kept to size
//   this section        n        the header is saved, or was made by this section. Elements [0, n) of the block hold what the last
//                                 commit left, and are saved before they change; those behind them were nobody's then, or are
//                                 saved already
//   this section        0        nothing of the block needs saving: it was allocated in this section, or is saved as a whole
//
//  A section's number is never used again, so nobody has to clear `saved_in` when it ends. When a header moves (within a vector of
//  vectors) it comes to lie where nothing needs saving, so it is marked as saved.
//
//  Every operation does first what may fail: it saves, takes a block, builds new elements where nothing lies yet, and names what is to be
//  given up. A failure there, or an exception of the elements' own code, takes the blocks' records back (CancelGuard). Then it stores,
//  which cannot fail.
//
//  If the thread dies …                      the others see, after the section is undone, …
//   before the header is saved                nothing
//   after a block was taken                   the old header, the old block; the new one is given back
//   between two stores of the header          the old header
//   after the section's commit                the new header; the old block is given back by whoever finishes the commit

#include "shoal/shm/vector_core.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "absl/strings/str_cat.h"
#include "shoal/shm/heap.h"
#include "shoal/sync/cancellation.h"
#include "shoal/sync/status.h"

namespace shoal::shm_internal {

using sync_internal::MakeStatus;

absl::Status VectorCore::Nonsense() const {
  return MakeStatus(absl::StatusCode::kDataLoss,
                    absl::StrCat("the header of a container is damaged: ", size, " elements, room for ", capacity));
}

absl::Status VectorCore::ReadIn(const Attachment& attachment, ElementShape shape, VectorExtent& extent) const {
  const auto covers = [&](const void* at, size_t bytes) {
    return attachment.Contains(at, bytes) && attachment.OffsetOf(at) >= attachment.areas().first_page;
  };
  return Read(shape, covers, extent) ? absl::OkStatus() : Nonsense();
}

absl::Status VectorCore::ReadAnywhere(ElementShape shape, VectorExtent& extent) const {
  if (const Section* const section = OpenSectionOrNull(this, sizeof(*this)); section != nullptr) {
    return ReadIn(*section, shape, extent) ? absl::OkStatus() : Nonsense();
  }
  const std::shared_ptr<Attachment> attachment = Attachment::Of(this);
  if (attachment != nullptr) return ReadIn(*attachment, shape, extent);
  if (capacity == 0 && size == 0) return absl::OkStatus();
  return MakeStatus(absl::StatusCode::kFailedPrecondition, "this container does not lie in a segment");
}

absl::Status VectorCore::SaveHeader(VectorChange& change) {
  if (absl::Status saved = change.section->Save(this, sizeof(*this)); !saved.ok()) return saved;
  change.kept = change.size;
  kept = change.size;
  saved_in = change.section->number();
  return absl::OkStatus();
}

absl::Status VectorCore::SaveFrom(ElementShape shape, VectorChange& change, size_t index) {
  if (index >= change.kept) return absl::OkStatus();
  if (absl::Status saved = change.section->Save(change.elements + index * shape.bytes, (change.kept - index) * shape.bytes);
      !saved.ok()) {
    return saved;
  }
  change.kept = index;
  kept = index;
  return absl::OkStatus();
}

absl::Status VectorCore::MakeRoom(ElementShape shape, const VectorChange& change, size_t needed, VectorRoom& room) {
  Section& section = *change.section;
  if (needed > kMaxBytes / shape.bytes) {
    return MakeStatus(absl::StatusCode::kResourceExhausted,
                      absl::StrCat("no segment has room for ", needed, " elements of ", shape.bytes, " bytes"));
  }
  CancelGuard records(section);
  size_t bytes = Heap::UsableBytesFor(std::max(needed, 2 * change.capacity) * shape.bytes, shape.alignment);
  absl::StatusOr<Block> block = section.Allocate(bytes, shape.alignment);
  if (!block.ok() && needed < 2 * change.capacity) {
    bytes = needed * shape.bytes;
    block = section.Allocate(bytes, shape.alignment);
  }
  if (!block.ok()) return std::move(block).status();
  if (change.capacity != 0) SHOAL_RETURN_IF_ERROR(section.Free(section.attachment().OffsetOf(change.elements)));
  records.Dismiss();
  room.elements = section.attachment().base() + block->offset;
  room.capacity = bytes / shape.bytes;
  return absl::OkStatus();
}

void VectorCore::Relocate(Section& section, VectorCore* from, VectorCore* to) {
  const VectorExtent extent = {.elements = from->elements.get(), .size = from->size, .capacity = from->capacity};
  const size_t kept = from->saved_in == section.number() ? from->kept : extent.size;
  Make(section, to);
  to->MoveTo({.elements = extent.elements, .capacity = extent.capacity}, extent.size);
  to->kept = kept;
}

absl::Status VectorCore::Swap(ElementShape shape, VectorCore& left, VectorCore& right) {
  VectorChange of_left;
  VectorChange of_right;
  SHOAL_RETURN_IF_ERROR(left.Begin(shape, of_left));
  SHOAL_RETURN_IF_ERROR(right.Begin(shape, of_right));
  if (of_left.Holds(&right, shape) || of_right.Holds(&left, shape)) return WouldOwnItself();
  std::byte* const elements = left.elements.get();
  left.elements = right.elements.get();
  right.elements = elements;
  std::swap(left.size, right.size);
  std::swap(left.capacity, right.capacity);
  std::swap(left.kept, right.kept);
  return absl::OkStatus();
}

void IndexOutOfRange(size_t index, size_t size, const HeaderWord& said) {
  const sync_internal::NoCancellation whole;
  char text[160];
  const int length =
      size == said
          ? snprintf(text, sizeof(text), "shoal: broken invariant: index %zu of a container of %zu elements\n", index, size)
          : snprintf(text, sizeof(text),
                     "shoal: broken invariant: index %zu of a container whose header is damaged: it says %llu elements\n",
                     index, said);
  [[maybe_unused]] const ssize_t ignored = write(STDERR_FILENO, text, static_cast<size_t>(length));
  abort();
}

absl::Status WouldOwnItself() {
  return MakeStatus(
      absl::StatusCode::kFailedPrecondition,
      "a container and a part of it cannot change places, as the part would own itself: Box::Take puts what is "
      "inside a box in the box's place");
}

absl::Status OutOfRange(size_t index, size_t size) {
  return MakeStatus(absl::StatusCode::kOutOfRange, absl::StrCat("index ", index, " of a container of ", size, " elements"));
}

}  // namespace shoal::shm_internal
