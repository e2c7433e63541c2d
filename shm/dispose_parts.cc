#include "shoal/shm/dispose_parts.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "shoal/shm/deque_core.h"
#include "shoal/shm/stored_word.h"
#include "shoal/shm/vector_core.h"
#include "shoal/sync/status.h"

namespace shoal::shm_internal {

absl::Status DamagedContainer() {
  return sync_internal::MakeStatus(absl::StatusCode::kDataLoss, "an object to be destroyed is damaged");
}

namespace {

// Elements of a Vector, Box or Deque; a String's are bytes. Null: they own nothing.
const Layout* OwningElement(const Layout& layout) {
  if (layout.parts.empty()) return nullptr;
  const Layout& element = layout.parts[0];
  return element.kind == Layout::Kind::kOuter || Owns(element) ? &element : nullptr;
}

ElementShape ShapeOf(const Layout& layout) {
  return {.bytes = layout.parts.empty() ? 1 : SizeOf(layout.parts[0]), .alignment = 1};
}

// All zero is an empty container.
absl::Status GiveUpBlock(Section& section, const Place& place, size_t header_bytes, const std::byte* block) {
  SHOAL_RETURN_IF_ERROR(section.Save(place.at, header_bytes));
  // One that is none is forgotten all the same.
  const absl::Status freed = section.Free(section.attachment().OffsetOf(block));
  if (!freed.ok() && !absl::IsDataLoss(freed)) return freed;
  std::memset(place.at, 0, header_bytes);
  return absl::OkStatus();
}

bool Fits(const Layout& layout, const Place& place, size_t header_bytes) {
  return layout.number == header_bytes && reinterpret_cast<uintptr_t>(place.at) % alignof(uint64_t) == 0;
}

}  // namespace

absl::Status VectorPart(Section& section, const Layout& layout, const Place& place, Places& places) {
  if (!Fits(layout, place, sizeof(VectorCore)) || ShapeOf(layout).bytes == 0) return DamagedContainer();
  VectorExtent extent;
  if (!reinterpret_cast<const VectorCore*>(place.at)->ReadIn(section, ShapeOf(layout), extent)) return DamagedContainer();
  if (extent.capacity == 0) return absl::OkStatus();
  const Layout* const element = OwningElement(layout);
  if (element == nullptr || place.emptied) return GiveUpBlock(section, place, sizeof(VectorCore), extent.elements);
  places.Return(place);
  places.Add(*element, extent.elements, extent.size);
  return absl::OkStatus();
}

absl::Status DequePart(Section& section, const Layout& layout, const Place& place, Places& places) {
  if (!Fits(layout, place, sizeof(DequeCore)) || ShapeOf(layout).bytes == 0) return DamagedContainer();
  const ElementShape shape = ShapeOf(layout);
  DequeExtent extent;
  if (!reinterpret_cast<const DequeCore*>(place.at)->ReadIn(section, shape, extent)) return DamagedContainer();
  if (extent.capacity == 0) return absl::OkStatus();
  const Layout* const element = OwningElement(layout);
  if (element == nullptr || place.emptied) return GiveUpBlock(section, place, sizeof(DequeCore), extent.elements);
  const size_t until_end = std::min(extent.size, extent.capacity - extent.first);
  places.Return(place);
  places.Add(*element, extent.elements + extent.first * shape.bytes, until_end);
  places.Add(*element, extent.elements, extent.size - until_end);
  return absl::OkStatus();
}

absl::Status InnerPart(Section&, const Layout& layout, const Place& place, Places& places) {
  if (!layout.parts.empty()) places.Add(layout.parts[0], place.at, 1);
  return absl::OkStatus();
}

absl::Status HandlePart(Section& section, const Layout& layout, const Place& place, Places&) {
  uint64_t word;
  if (layout.number != sizeof(word)) return DamagedContainer();
  std::memcpy(&word, place.at, sizeof(word));
  if (!StoredWord::Is(word)) return absl::OkStatus();
  SHOAL_RETURN_IF_ERROR(section.Save(place.at, sizeof(word)));
  // One that names nothing is forgotten all the same.
  const absl::Status dropped = section.Drop(StoredWord::Offset(word), nullptr);
  if (!dropped.ok() && !absl::IsDataLoss(dropped)) return dropped;
  std::memset(place.at, 0, sizeof(word));
  return absl::OkStatus();
}

}  // namespace shoal::shm_internal
