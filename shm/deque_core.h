#ifndef SHOAL_SHM_DEQUE_CORE_H_
#define SHOAL_SHM_DEQUE_CORE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/section.h"
#include "shoal/shm/segment_around.h"
#include "shoal/shm/vector_core.h"

// A Deque's header: a block of places for elements of one size, used as a ring. Knows no types.

namespace shoal::shm_internal {

struct DequeExtent : VectorExtent {
  size_t first = 0;  // place of the first element

  // Place of the element at `index`. REQUIRES: index <= capacity.
  size_t PlaceOf(size_t index) const {
    const size_t place = first + index;
    return place >= capacity ? place - capacity : place;
  }
};

struct DequeChange : DequeExtent {
  Section* section = nullptr;
  size_t kept_first = 0;  // `kept` places from this one on hold what the last commit left: saved before they change
  size_t kept = 0;

  bool MustSave(size_t place) const {
    return (place >= kept_first ? place - kept_first : place + capacity - kept_first) < kept;
  }
};

// All zero is an empty one.
struct DequeCore {
  HeaderLink elements;  // means nothing while the capacity is 0
  HeaderWord size = 0;
  HeaderWord capacity = 0;
  HeaderWord first = 0;
  HeaderWord saved_in = 0;  // as in VectorCore
  HeaderWord kept_first = 0;
  HeaderWord kept = 0;

  // These as VectorCore's.
  template <class Covers>
  __attribute__((always_inline)) bool Read(ElementShape shape, Covers covers, DequeExtent& extent) const {
    extent.capacity = Once(capacity);
    extent.size = Once(size);
    if (__builtin_expect(extent.size > extent.capacity, 0)) return false;
    if (extent.capacity == 0) return true;
    extent.first = Once(first);
    extent.elements = Once(elements.get());
    return extent.first < extent.capacity && extent.capacity <= VectorCore::kMaxBytes / shape.bytes &&
           reinterpret_cast<uintptr_t>(extent.elements) % shape.alignment == 0 &&
           covers(extent.elements, extent.capacity * shape.bytes);
  }
  __attribute__((always_inline)) bool ReadIn(const Section& section, ElementShape shape, DequeExtent& extent) const {
    return Read(
        shape, [&](const void* at, size_t bytes) __attribute__((always_inline)) { return section.Covers(at, bytes); },
        extent);
  }
  __attribute__((always_inline)) DequeExtent Look(ElementShape shape) const {
    DequeExtent seen;
    const auto is_ours = [this](const void* at, size_t bytes) __attribute__((always_inline)) {
      return SegmentAround(this)(at, bytes);
    };
    if (__builtin_expect(!Read(shape, is_ours, seen), 0)) seen = {};
    return seen;
  }
  __attribute__((always_inline)) DequeExtent LookInLoop(ElementShape shape) const {
    DequeExtent seen;
    seen.elements = Follow(elements);
    seen.capacity = capacity;
    seen.first = first;
    const size_t within = SizeIfWithin(this, seen.elements, size, seen.capacity, shape);
    seen.size = within & -static_cast<size_t>(seen.first < seen.capacity);
    return seen;
  }
  absl::Status ReadIn(const Attachment& attachment, ElementShape shape, DequeExtent& extent) const;
  absl::Status ReadAnywhere(ElementShape shape, DequeExtent& extent) const;

  // As VectorCore's.
  __attribute__((always_inline)) absl::Status Begin(ElementShape shape, DequeChange& change) {
    Section* const section = OpenSectionOrNull(this, sizeof(*this));
    if (__builtin_expect(section == nullptr, 0)) return NoOpenSection(this);
    change.section = section;
    if (__builtin_expect(!ReadIn(*section, shape, change), 0)) return Nonsense();
    if (__builtin_expect(saved_in != section->number(), 0)) return SaveHeader(change);
    change.kept = std::min<size_t>(Once(kept), change.capacity);
    change.kept_first = change.capacity == 0 ? 0 : Once(kept_first) % change.capacity;
    return absl::OkStatus();
  }

  static absl::Status MakeRoom(ElementShape shape, const DequeChange& change, size_t needed, VectorRoom& room);
  void MoveTo(const VectorRoom& room, size_t new_first, size_t new_size) {
    elements = room.elements;
    capacity = room.capacity;
    first = new_first;
    kept_first = 0;
    kept = 0;
    size = new_size;
  }

  static void Make(Section& section, DequeCore* where) {
    new (static_cast<void*>(where)) DequeCore;
    where->saved_in = section.number();
  }
  static void Relocate(Section& section, DequeCore* from, DequeCore* to);
  // As VectorCore's.
  static absl::Status Swap(ElementShape shape, DequeCore& left, DequeCore& right);

  absl::Status Nonsense() const;

 private:
  absl::Status SaveHeader(DequeChange& change);
};
static_assert(sizeof(DequeCore) == 56 && alignof(DequeCore) == 8, "part of the shared layout");

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_DEQUE_CORE_H_
