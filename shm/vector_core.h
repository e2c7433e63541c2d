#ifndef SHOAL_SHM_VECTOR_CORE_H_
#define SHOAL_SHM_VECTOR_CORE_H_

#include <algorithm>
#include <bit>
#include <boost/interprocess/offset_ptr.hpp>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "absl/status/status.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/section.h"
#include "shoal/shm/segment_around.h"

// What Vector, String and Box are made of: a header that names a block of elements of one size, and knows of no type. What has to
// be saved when is told in vector_core.cc.

namespace shoal::shm_internal {

struct ElementShape {
  size_t bytes;
  size_t alignment;
};

inline constexpr size_t kMaxSegmentBytes = size_t{1} << 40;

// A word of a header. It has 64 bits, and is none of the types that elements mostly are: a store to an int64_t, uint64_t or size_t is then
// none to a header, and a loop that stores such ones need not read the header again.
using HeaderWord = unsigned long long;
static_assert(sizeof(HeaderWord) == 8 && !std::is_same_v<HeaderWord, uint64_t> && !std::is_same_v<HeaderWord, size_t>);
using HeaderLink = boost::interprocess::offset_ptr<std::byte, std::ptrdiff_t, HeaderWord>;
// Where a link leads. Without offset_ptr's question whether it is null, and the union that may be anything.
inline std::byte* Follow(const HeaderLink& link) {
  return reinterpret_cast<std::byte*>(reinterpret_cast<uintptr_t>(&link) + reinterpret_cast<const HeaderWord&>(link));
}
static_assert(sizeof(HeaderLink) == sizeof(HeaderWord) && std::is_standard_layout_v<HeaderLink>,
              "its offset is all there is of it");

// What is read from shared memory is read once: the compiler must not read it again after it has been checked.
template <class Word>
inline Word Once(Word value) {
  asm("" : "+r"(value));
  return value;
}

// `size`, if so many of `capacity` elements from `elements` on can be: in the segment that `container` lies in; else 0. As VectorCore::Read
// has it, but without a branch: what does not change in a loop is computed in front of it.
__attribute__((always_inline)) inline size_t SizeIfWithin(const void* container, const std::byte* elements, size_t size,
                                                          size_t capacity, ElementShape shape) {
  const PackedRange segment = PackedSegmentAround(container);
  const auto segment_bytes = static_cast<size_t>(segment >> 64);
  const size_t offset = reinterpret_cast<uintptr_t>(elements) - static_cast<uintptr_t>(segment);
  // Two comparisons in one: the low bits of what is not aligned make it large. A segment begins at a page.
  const int unaligned_bits = std::countr_zero(shape.alignment);
  bool sane = std::rotr(offset, unaligned_bits) <= segment_bytes >> unaligned_bits;
  sane &= size <= capacity;
  sane &= capacity <= kMaxSegmentBytes / shape.bytes;
  sane &= capacity * shape.bytes <= segment_bytes - offset;
  return size & -static_cast<size_t>(sane);
}

// What a header says.
struct VectorExtent {
  std::byte* elements = nullptr;  // null if the capacity is 0
  size_t size = 0;
  size_t capacity = 0;

  // Whether something lies in the block.
  bool Holds(const void* part, ElementShape shape) const {
    return reinterpret_cast<uintptr_t>(part) - reinterpret_cast<uintptr_t>(elements) < capacity * shape.bytes;
  }
};

// A header that is about to change, in the open section.
struct VectorChange : VectorExtent {
  Section* section = nullptr;
  size_t kept = 0;  // elements [0, kept) of the block are the last commit's: saved before they change
};

// A new block, which no header names yet.
struct VectorRoom {
  std::byte* elements = nullptr;
  size_t capacity = 0;
};

// All zero is an empty one.
struct VectorCore {
  HeaderLink elements;  // means nothing while the capacity is 0
  HeaderWord size = 0;
  HeaderWord capacity = 0;
  HeaderWord saved_in = 0;  // number of the section that has saved this header, or made it
  HeaderWord kept = 0;      // in that section: VectorChange::kept

  static constexpr size_t kMaxBytes = kMaxSegmentBytes;

  // What the header says, for whoever only looks, and has no Status to tell by: what makes no sense reads as empty. A few comparisons,
  // each time.
  __attribute__((always_inline)) VectorExtent Look(ElementShape shape) const {
    VectorExtent seen;
    const auto is_ours = [this](const void* at, size_t bytes) __attribute__((always_inline)) {
      return SegmentAround(this)(at, bytes);
    };
    if (__builtin_expect(!Read(shape, is_ours, seen), 0)) seen = {};
    return seen;
  }

  // The same for access by index, which is mostly a loop: nothing here keeps a compiler from doing it once, in front of the loop.
  // docs/decisions has figures. The address means nothing if the size is 0.
  __attribute__((always_inline)) VectorExtent LookInLoop(ElementShape shape) const {
    VectorExtent seen;
    seen.elements = Follow(elements);
    seen.capacity = capacity;
    seen.size = SizeIfWithin(this, seen.elements, size, seen.capacity, shape);
    return seen;
  }

  // Where the elements are, if there are any; trusts the header.
  const std::byte* first() const { return Follow(elements); }

  // Reads the header; false: it makes no sense. `covers(address, bytes)` tells whether these are the segment's heap's.
  template <class Covers>
  __attribute__((always_inline)) bool Read(ElementShape shape, Covers covers, VectorExtent& extent) const {
    extent.capacity = Once(capacity);
    extent.size = Once(size);
    if (__builtin_expect(extent.size > extent.capacity, 0)) return false;
    if (extent.capacity == 0) return true;
    extent.elements = Once(elements.get());
    return extent.capacity <= kMaxBytes / shape.bytes &&
           reinterpret_cast<uintptr_t>(extent.elements) % shape.alignment == 0 &&
           covers(extent.elements, extent.capacity * shape.bytes);
  }
  __attribute__((always_inline)) bool ReadIn(const Section& section, ElementShape shape, VectorExtent& extent) const {
    return Read(
        shape, [&](const void* at, size_t bytes) __attribute__((always_inline)) { return section.Covers(at, bytes); },
        extent);
  }
  // The same for whoever has no section open. FailedPrecondition: not in a segment. DataLoss.
  absl::Status ReadAnywhere(ElementShape shape, VectorExtent& extent) const;
  absl::Status ReadIn(const Attachment& attachment, ElementShape shape, VectorExtent& extent) const;

  // Begins to change it: finds the thread's open section and saves the header, once.
  // FailedPrecondition: no section is open here. DataLoss. ResourceExhausted.
  absl::Status Begin(ElementShape shape, VectorChange& change) {
    Section* const section = OpenSectionOrNull(this, sizeof(*this));
    if (__builtin_expect(section == nullptr, 0)) return NoOpenSection(this);
    change.section = section;
    if (__builtin_expect(!ReadIn(*section, shape, change), 0)) return Nonsense();
    if (__builtin_expect(saved_in != section->number(), 0)) return SaveHeader(change);
    change.kept = std::min<size_t>(Once(kept), change.capacity);
    return absl::OkStatus();
  }

  // The place behind the last element, if all there is to do is to write there: this section has begun the change before, there is
  // room, and nothing to save; else false. No more is compared than that place needs.
  __attribute__((always_inline)) bool FindPlace(ElementShape shape, size_t& size_now, std::byte*& place) {
    const Section* const section = ThisThreadSections().open;
    if (__builtin_expect(section == nullptr, 0)) return false;
    size_now = Once(size);
    if (__builtin_expect(size_now >= capacity || size_now < kept, 0)) return false;
    const uintptr_t at = reinterpret_cast<uintptr_t>(first()) + size_now * shape.bytes;
    place = reinterpret_cast<std::byte*>(at);
    // Two comparisons in one: each is a branch.
    const uint64_t different = (saved_in ^ section->number()) | at % shape.alignment;
    return __builtin_expect(different == 0 && section->CoversFew(place, shape.bytes), 1);
  }

  // Saves the elements from `index` on, as far as they are the last commit's; none of them needs it again.
  absl::Status SaveFrom(ElementShape shape, VectorChange& change, size_t index);

  // Takes a block for at least `needed` elements and twice as many as there is room for now, if that much is there, and gives the
  // present one up. ResourceExhausted: nothing is taken or given up. Then the caller fills the room, and Moves in; or cancels.
  static absl::Status MakeRoom(ElementShape shape, const VectorChange& change, size_t needed, VectorRoom& room);
  void MoveTo(const VectorRoom& room, size_t new_size) {
    elements = room.elements;
    capacity = room.capacity;
    kept = 0;
    size = new_size;
  }

  // It is made, by this section, where nothing needs saving.
  static void Make(Section& section, VectorCore* where) {
    new (static_cast<void*>(where)) VectorCore;
    where->saved_in = section.number();
  }
  static void Relocate(Section& section, VectorCore* from, VectorCore* to);
  // Begins to change both, and exchanges them. FailedPrecondition also: one lies in the other's block.
  static absl::Status Swap(ElementShape shape, VectorCore& left, VectorCore& right);

  absl::Status Nonsense() const;

 private:
  absl::Status SaveHeader(VectorChange& change);
};
static_assert(sizeof(VectorCore) == 40 && alignof(VectorCore) == 8, "part of the shared layout");

// Ends the process: an index that this program computed is wrong, or the header that says how many there are: `said` is what it says,
// `size` what can be.
[[noreturn]] void IndexOutOfRange(size_t index, size_t size, const HeaderWord& said);

absl::Status OutOfRange(size_t index, size_t size);
// FailedPrecondition: a container would come to lie in a block of its own.
absl::Status WouldOwnItself();

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_VECTOR_CORE_H_
