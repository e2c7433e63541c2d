#ifndef SHOAL_SHM_HASH_MAP_CORE_H_
#define SHOAL_SHM_HASH_MAP_CORE_H_

#include <emmintrin.h>

#include <algorithm>
#include <bit>
#include <boost/interprocess/offset_ptr.hpp>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/section.h"
#include "shoal/shm/segment_around.h"
#include "shoal/shm/vector_core.h"

// What a HashMap is made of: a header that names a table of groups, each of 16 control bytes and 16 slots; it knows of no type. What has
// to be saved when is told in hash_map_core.cc.

namespace shoal::shm_internal {

// One slot: a key, and a value behind it.
struct SlotShape {
  uint32_t bytes;
  uint32_t value_offset;
  uint32_t alignment;

  static constexpr size_t kGroupSlots = 16;
  static constexpr size_t kLeastCapacity = 4;
  static constexpr size_t kMaxBytes = size_t{1} << 40;  // of a segment

  constexpr size_t BlockAlignment() const { return std::max<size_t>(16, alignment); }
  constexpr size_t GroupsAt() const { return BlockAlignment(); }  // behind the table's header
  constexpr size_t SlotsAt() const { return BlockAlignment(); }   // behind the control bytes
  // always_inline: of a map whose types are known all of this is known when it is compiled, and g++ does not see that.
  __attribute__((always_inline)) constexpr size_t GroupBytes() const {
    return (SlotsAt() + kGroupSlots * size_t{bytes} + BlockAlignment() - 1) / BlockAlignment() * BlockAlignment();
  }
  // REQUIRES: IsCapacity(capacity).
  __attribute__((always_inline)) constexpr size_t TableBytes(size_t capacity) const {
    return capacity < kGroupSlots ? GroupsAt() + SlotsAt() + capacity * bytes
                                  : GroupsAt() + capacity / kGroupSlots * GroupBytes();
  }
  // 4, or whole groups, a power of two of them.
  __attribute__((always_inline)) constexpr bool IsCapacity(size_t capacity) const {
    static_assert(kLeastCapacity == 4 && kGroupSlots == 16);
    return (capacity & (capacity - 1)) == 0 && capacity - 4 <= kMaxBytes / GroupBytes() - 4 && capacity != 8;
  }
};

// How many slots of a table may be in use, or have been: in a single group all.
constexpr size_t MostInUse(size_t capacity) { return capacity <= SlotShape::kGroupSlots ? capacity : capacity / 8 * 7; }
// The least capacity for `count` elements.
constexpr size_t CapacityFor(size_t count) {
  if (count <= SlotShape::kLeastCapacity) return SlotShape::kLeastCapacity;
  if (count <= SlotShape::kGroupSlots) return SlotShape::kGroupSlots;
  return std::bit_ceil(count + count / 7 + 1);
}

// The capacity of the table that replaces one that has no room for one more.
constexpr size_t CapacityAfter(size_t capacity, size_t size) {
  // Where many slots were erased, a table of the same size has room again; but not for a few elements only.
  const bool mostly_erased = capacity > SlotShape::kGroupSlots && size < capacity / 4 * 3;
  return mostly_erased ? capacity : std::max(CapacityFor(size + 1), capacity < SlotShape::kGroupSlots ? 0 : 2 * capacity);
}

// A control byte says what is in its slot.
enum Control : uint8_t {
  kEmptySlot = 0x80,   // nothing, since the table was made or since its group was last seen with another empty slot
  kErasedSlot = 0xfe,  // nothing now; whoever looks for a key looks on in the next group
  // less than 0x80: an element, with these 7 bits of its hash
};

// The 16 control bytes of one group, read once. The results have one bit for each slot.
class ControlBytes final {
 public:
  explicit ControlBytes(const std::byte* group) : bytes_(_mm_load_si128(reinterpret_cast<const __m128i*>(group))) {}
  uint32_t Full() const { return ~static_cast<uint32_t>(_mm_movemask_epi8(bytes_)) & 0xffff; }
  uint32_t Free() const { return static_cast<uint32_t>(_mm_movemask_epi8(bytes_)); }
  uint32_t Empty() const { return Matching(kEmptySlot); }
  uint32_t Matching(uint8_t control) const {
    return static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes_, _mm_set1_epi8(static_cast<char>(control)))));
  }

 private:
  __m128i bytes_;
};

inline constexpr size_t kLineBytes = 64;  // what a processor fetches at once

inline uint8_t ControlOf(uint64_t hash) { return hash & 0x7f; }

// A table whose place and size have been compared with the segment.
struct HashTable {
  std::byte* groups = nullptr;
  size_t capacity = 0;

  __attribute__((always_inline)) size_t group_mask() const {
    return capacity < SlotShape::kGroupSlots ? 0 : capacity / SlotShape::kGroupSlots - 1;
  }
  // The slots that a group has.
  uint32_t valid() const { return capacity < SlotShape::kGroupSlots ? (1u << capacity) - 1 : 0xffff; }
  __attribute__((always_inline)) std::byte* Group(const SlotShape& shape, size_t group) const {
    return groups + group * shape.GroupBytes();
  }
  std::byte* Slot(const SlotShape& shape, size_t index) const {
    return Group(shape, index / SlotShape::kGroupSlots) + shape.SlotsAt() + index % SlotShape::kGroupSlots * shape.bytes;
  }
  std::byte* Control(const SlotShape& shape, size_t index) const {
    return Group(shape, index / SlotShape::kGroupSlots) + index % SlotShape::kGroupSlots;
  }
};

// A table of whole groups for whoever looks for one key. What is compared with the segment is not the table but each group that is
// looked at. The mask is a power of two, less 1: each step of a search leads to another group, and in the end out of the segment.
struct UncheckedTable {
  uintptr_t segment;
  size_t segment_bytes;
  size_t first;  // where in the segment
  size_t end;    // where in the segment no group may begin; 0: it is no such table, or makes no sense
  size_t group_mask;

  // False: ask HashMapCore::Read.
  __attribute__((always_inline)) bool Group(const SlotShape& shape, size_t index, std::byte*& group) const {
    const size_t at = first + index * shape.GroupBytes();
    group = reinterpret_cast<std::byte*>(segment + at);
    return at < end;
  }
  bool Covers(const void* address, size_t bytes) const { return AddressRange{segment, segment_bytes}(address, bytes); }
};

// A header that is about to change, in the open section.
struct HashMapChange : HashTable {
  Section* section = nullptr;
  bool fresh = false;   // this section has taken the table: nothing in it needs saving
  bool reused = false;  // this section has emptied slots: a free one may hold what the last commit left

  // Whether something lies in the table.
  bool Holds(const void* part, const SlotShape& shape) const {
    return capacity != 0 && reinterpret_cast<uintptr_t>(part) - reinterpret_cast<uintptr_t>(groups) <
                                shape.TableBytes(capacity) - shape.GroupsAt();
  }

  // Saves what is in the table, if it needs that.
  absl::Status SaveControl(uint8_t* control) const {
    return fresh ? absl::OkStatus() : section->Save(control, sizeof(*control));
  }
};

// All zero is an empty one.
struct HashMapCore {
  HeaderLink table;  // means nothing while the capacity is 0
  HeaderWord size = 0;
  HeaderWord capacity = 0;   // slots
  HeaderWord room = 0;       // how many more empty slots may be filled before a new table is made
  HeaderWord saved_in = 0;   // number of the section that has saved this header, or made it
  HeaderWord made_in = 0;    // number of the section that has taken the table
  HeaderWord erased_in = 0;  // number of the last section that has emptied a slot of it

  // Reads where the table is; false: the header makes no sense. `is_ours(address, bytes)` tells what may be read.
  template <class IsOurs>
  __attribute__((always_inline)) bool Read(const SlotShape& shape, const IsOurs& is_ours, HashTable& found) const {
    size_t slots = capacity;
    asm("" : "+r"(slots));  // read once: what is checked is what is used
    found.capacity = slots;
    if (__builtin_expect(slots == 0, 0)) return true;
    std::byte* block = table.get();
    asm("" : "+r"(block));
    // By numbers: a damaged header's block may be null.
    found.groups = reinterpret_cast<std::byte*>(reinterpret_cast<uintptr_t>(block) + shape.GroupsAt());
    return shape.IsCapacity(slots) && reinterpret_cast<uintptr_t>(block) % shape.BlockAlignment() == 0 &&
           is_ours(block, shape.TableBytes(slots));
  }

  // The same for whoever looks for one key. Nothing here keeps a compiler from doing it once, in front of a loop, and what compilers make of
  // it reads each word once; docs/decisions has figures.
  __attribute__((always_inline)) UncheckedTable LookInLoop(const SlotShape& shape) const {
    const PackedRange packed = PackedSegmentAround(this);
    const auto segment = static_cast<uintptr_t>(packed);
    const auto segment_bytes = static_cast<size_t>(packed >> 64);
    const size_t slots = capacity;
    const size_t first = reinterpret_cast<uintptr_t>(Follow(table)) + shape.GroupsAt() - segment;
    bool usual = slots >= SlotShape::kGroupSlots;
    usual &= (slots & (slots - 1)) == 0;
    usual &= segment_bytes >= shape.GroupBytes();
    usual &= first % shape.BlockAlignment() == 0;  // a segment begins at a page
    return {.segment = segment,
            .segment_bytes = segment_bytes,
            .first = first,
            .end = (segment_bytes - shape.GroupBytes() + 1) & -static_cast<size_t>(usual),
            .group_mask = slots / SlotShape::kGroupSlots - 1};
  }

  // Has the processor fetch the group where a search for `hash` will begin, while the caller does what comes before. What the header
  // says is not looked at yet: an address that is nobody's is fetched by no processor.
  __attribute__((always_inline)) void Expect(const SlotShape& shape, uint64_t hash) const {
    const uintptr_t first = reinterpret_cast<uintptr_t>(table.get()) + shape.GroupsAt();
    const size_t groups = capacity / SlotShape::kGroupSlots;
    const uintptr_t group = first + (hash >> 7 & (groups - (groups != 0))) * shape.GroupBytes();
    __builtin_prefetch(reinterpret_cast<const void*>(group));
    if (shape.GroupBytes() > kLineBytes) __builtin_prefetch(reinterpret_cast<const void*>(group + kLineBytes));
  }

  // Begins to change it: finds the thread's open section, compares the header with the segment, and saves it, once.
  // FailedPrecondition: no section is open here. DataLoss. ResourceExhausted.
  absl::Status Begin(const SlotShape& shape, HashMapChange& change) {
    Section* const section = OpenSectionOrNull(this, sizeof(*this));
    if (__builtin_expect(section == nullptr, 0)) return NoOpenSection(this);
    return BeginIn(*section, shape, change);
  }
  absl::Status BeginIn(Section& section, const SlotShape& shape, HashMapChange& change) {
    change.section = &section;
    const auto covers = [&section](const void* at, size_t bytes) { return section.Covers(at, bytes); };
    if (__builtin_expect(!Read(shape, covers, change) || size > change.capacity, 0)) return Nonsense();
    if (__builtin_expect(saved_in != section.number(), 0)) {
      if (absl::Status saved = SaveHeader(shape, change); !saved.ok()) return saved;
    }
    change.fresh = made_in == section.number();
    change.reused = !change.fresh && erased_in == section.number();
    return absl::OkStatus();
  }

  // Takes a table for `capacity` slots, all empty, and gives the present one up. ResourceExhausted, DataLoss: nothing is taken or given up.
  // Then the caller fills it, and Moves in; or cancels.
  static absl::Status TakeTable(const SlotShape& shape, const HashMapChange& change, size_t capacity, HashTable& taken);
  void MoveTo(const SlotShape& shape, const HashTable& taken, size_t in_use, const Section& section) {
    table = taken.groups - shape.GroupsAt();
    capacity = taken.capacity;
    room = MostInUse(taken.capacity) - in_use;
    made_in = section.number();
  }
  absl::Status GiveUpTable(const SlotShape& shape, const HashMapChange& change) const;
  void MoveOut() { size = capacity = room = 0; }

  // It is made, by this section, where nothing needs saving.
  static void Make(const Section& section, HashMapCore* where) {
    new (static_cast<void*>(where)) HashMapCore;
    where->saved_in = section.number();
  }
  static void Relocate(const Section& section, HashMapCore* from, HashMapCore* to);
  // Begins to change both, and exchanges them. FailedPrecondition also: one lies in the other's table.
  static absl::Status Swap(const SlotShape& shape, HashMapCore& left, HashMapCore& right);

  absl::Status Nonsense() const;
  absl::Status NonsenseInside() const;

 private:
  absl::Status SaveHeader(const SlotShape& shape, const HashMapChange& change);
};
static_assert(sizeof(HashMapCore) == 56 && alignof(HashMapCore) == 8, "part of the shared layout");

// At the beginning of a table, for those who know no types.
struct TableHeader {
  uint8_t log2_capacity;
  uint8_t log2_alignment;
  uint16_t reserved0;
  uint32_t slot_bytes;
  uint32_t value_offset;
  uint32_t reserved1;

  bool Says(const SlotShape& shape, size_t capacity) const;
};
static_assert(sizeof(TableHeader) == 16, "part of the shared layout");

// The map at `core` for those who know no types.
struct UntypedHashMap {
  HashTable table;
  SlotShape shape;

  // DataLoss: it makes no sense.
  static absl::StatusOr<UntypedHashMap> Read(const Attachment& attachment, const HashMapCore& core);
  bool IsFull(size_t index) const { return *reinterpret_cast<const uint8_t*>(table.Control(shape, index)) < kEmptySlot; }
  std::byte* Key(size_t index) const { return table.Slot(shape, index); }
  std::byte* Value(size_t index) const { return Key(index) + shape.value_offset; }
  // What Section::Free takes.
  std::byte* block() const { return table.groups - shape.GroupsAt(); }
};

absl::Status KeyIsThere();
absl::Status KeyIsNotThere();

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_HASH_MAP_CORE_H_
