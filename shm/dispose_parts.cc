#include "shoal/shm/dispose_parts.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "shoal/shm/array_elements.h"
#include "shoal/shm/deque_core.h"
#include "shoal/shm/hash_map_core.h"
#include "shoal/shm/message_cells.h"
#include "shoal/shm/pipe_ends.h"
#include "shoal/shm/stored_word.h"
#include "shoal/shm/vector_core.h"
#include "shoal/sync/status.h"

namespace shoal::shm_internal {

absl::Status DamagedContainer() {
  return sync_internal::MakeStatus(absl::StatusCode::kDataLoss, "an object to be destroyed is damaged");
}

namespace {

constexpr size_t kVariantTextAt = 16;

bool MayOwn(const Layout& layout) { return layout.kind == Layout::Kind::kOuter || Owns(layout); }

// Elements of a Vector, Box or Deque; a String's are bytes. Null: they own nothing.
const Layout* OwningElement(const Layout& layout) {
  if (layout.parts.empty()) return nullptr;
  return MayOwn(layout.parts[0]) ? &layout.parts[0] : nullptr;
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

absl::Status HashMapPart(Section& section, const Layout& layout, const Place& place, Places& places) {
  if (!Fits(layout, place, sizeof(HashMapCore)) || layout.parts.size() != 2) return DamagedContainer();
  const auto map = UntypedHashMap::Read(section.attachment(), *reinterpret_cast<const HashMapCore*>(place.at));
  if (!map.ok()) return DamagedContainer();
  if (map->table.capacity == 0) return absl::OkStatus();
  const SlotShape& shape = map->shape;
  const Layout& key = layout.parts[0];
  const Layout& value = layout.parts[1];
  const size_t value_bytes = SizeOf(value);
  if (SizeOf(key) > shape.value_offset || value_bytes > shape.bytes - shape.value_offset) return DamagedContainer();
  const bool keys_own = MayOwn(key);
  const bool values_own = MayOwn(value);
  if (place.emptied || (!keys_own && !values_own)) return GiveUpBlock(section, place, sizeof(HashMapCore), map->block());
  places.Return(place);
  for (size_t i = 0; i < map->table.capacity; ++i) {
    if (!map->IsFull(i)) continue;
    if (keys_own) places.Add(key, map->Key(i), 1);
    if (values_own) places.Add(value, map->Value(i), 1);
  }
  return absl::OkStatus();
}

// Its text is a String.
absl::Status VariantPart(Section& section, const Layout& layout, const Place& place, Places&) {
  if (!Fits(layout, place, kVariantTextAt + sizeof(VectorCore))) return DamagedContainer();
  const Place text = {.layout = place.layout, .at = place.at + kVariantTextAt, .emptied = false};
  VectorExtent extent;
  if (!reinterpret_cast<const VectorCore*>(text.at)->ReadIn(section, {.bytes = 1, .alignment = 1}, extent)) {
    return DamagedContainer();
  }
  return extent.capacity == 0 ? absl::OkStatus() : GiveUpBlock(section, text, sizeof(VectorCore), extent.elements);
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

absl::Status ArrayPart(Section& section, const Layout& layout, const Place& place, Places&) {
  if (layout.number < sizeof(ArrayElements)) return DamagedContainer();
  return reinterpret_cast<ArrayElements*>(place.at)->Dispose(section);
}

absl::Status CellsPart(Section& section, const Layout& layout, const Place& place, Places& places) {
  constexpr int kAtOnce = 64;  // so that the journal need not grow much
  if (layout.number < sizeof(CellTable)) return DamagedContainer();
  const CellTable table = *reinterpret_cast<const CellTable*>(place.at);  // read once
  const auto cells = LocateCells(section.attachment(), table);
  if (!cells.ok()) return DamagedContainer();
  if (table.block == 0) return absl::OkStatus();
  const size_t stride = table.stride;
  int given_up = 0;
  for (size_t at = 0; at < cells->size(); at += stride) {
    CellContent& content = reinterpret_cast<Cell*>(cells->data() + at)->content;
    if (content.block == 0) continue;
    if (++given_up > kAtOnce) {
      places.Return(place);
      return absl::OkStatus();
    }
    SHOAL_RETURN_IF_ERROR(GiveUpContent(section, content, nullptr));
  }
  return GiveUpBlock(section, place, sizeof(CellTable), section.attachment().base() + table.block);
}

absl::Status PipePart(Section&, const Layout& layout, const Place& place, Places& places) {
  if (layout.number < sizeof(PipeEnds) + 2 * sizeof(CellTable) || layout.parts.size() < 2) return DamagedContainer();
  for (size_t i = 0; i < 2; ++i) places.Add(layout.parts[i], place.at + sizeof(PipeEnds) + i * sizeof(CellTable), 1);
  return absl::OkStatus();
}

absl::Status EndPart(Section& section, const Layout& layout, const Place& place, Places&) {
  uint64_t word;
  if (layout.number != sizeof(word)) return DamagedContainer();
  std::memcpy(&word, place.at, sizeof(word));
  if (!StoredEnd::Is(word)) return absl::OkStatus();
  SHOAL_RETURN_IF_ERROR(section.Save(place.at, sizeof(word)));
  SHOAL_RETURN_IF_ERROR(DropMessageHandle(section, word, nullptr));
  std::memset(place.at, 0, sizeof(word));
  return absl::OkStatus();
}

}  // namespace shoal::shm_internal
