#ifndef SHOAL_SHM_HASH_MAP_H_
#define SHOAL_SHM_HASH_MAP_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <ranges>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/shm/hash_map_core.h"
#include "shoal/shm/hash_map_key.h"
#include "shoal/shm/section.h"
#include "shoal/shm/segment_around.h"
#include "shoal/shm/shareable.h"
#include "shoal/shm/stored.h"
#include "shoal/sync/status.h"

namespace shoal {

// A map in shared memory, inside a Mutex or RwLock, or inside another container there.
//
//   Shared<Mutex<HashMap<String, int64_t>>> counts = ...;
//   counts->With([](HashMap<String, int64_t>& words) -> absl::Status {
//     SHOAL_ASSIGN_OR_RETURN(int64_t* count, words.FindOrInsert("herring"));  // to write
//     ++*count;
//     if (const int64_t* sharks = words.Find("shark"); sharks != nullptr) printf("%ld sharks\n", *sharks);  // to read
//     for (const auto& [word, n] : words) printf("%s\n", std::string(word).c_str());
//     return words.Erase("minnow").status();
//   });
//
// Keys are numbers, enums, bool, plain structs and arrays of these (compared field by field, so that padding does not matter; no
// floating point), described types with a HashMapHash, or String, which is looked up by std::string_view. Values are whatever a Mutex may
// guard. Their order is none.
//
// Reading is const. What changes says so: Set, FindMut, FindOrInsert and EditAll save what they are about to change and then give access.
// References, pointers and iterators end with the next call that may add or remove an element.
//
// Thread safety:   that of the Mutex or RwLock around it: const calls may run concurrently.
// Process safety:  lies in a segment, at whatever address that is mapped. Elsewhere it is empty, and stays so. It neither copies nor
//                  moves; Swap exchanges two in one section. All processes and builds have the same hash; it is no secret, and keys
//                  that were chosen to collide make the map slow, not wrong.
// Crash safety:    what a section did to it happens when that commits, or not at all.
// Ownership:       owns its elements and what they own. No destructor runs: memory goes when the section commits that removed it, or
//                  with the Mutex. References into it are valid while the section is open.
// Errors:          every call that returns a Status leaves the map as it was unless it is OK. FailedPrecondition: it does not lie in a
//                  segment, or this thread has no section open there. ResourceExhausted: the segment is full, or the section
//                  has changed too much, or this process has no memory of its own. NotFound, AlreadyExists: as named. DataLoss: the bytes
//                  make no sense. Reading compares what it follows with the segment, too: a damaged map has fewer elements, and no end of
//                  the process. Nothing of ours throws. What a constructor, a conversion, a range or a HashMapHash throws comes out and
//                  leaves the map as it was, too: who catches it inside the section may go on and commit. Such code changes nothing in the
//                  segment itself.
// Allocation:      one block, replaced by one twice as large when 7/8 are in use; a few elements (4, then 16) fill theirs. A
//                  section that grows it needs the old block until it commits.
// Layout:          56 bytes; docs/memory_format.md.
template <class K, class V>
class HashMap final {
  using Key = shm_internal::MapKey<K>;
  template <class Value>
  struct Element;
  template <class Value>
  class Iterator;
  template <class Value>
  struct Range;

 public:
  using KeyView = typename Key::View;  // const K&, K, or for String: std::string_view
  using const_iterator = Iterator<const V>;
  using value_type = Element<const V>;

  HashMap() {
    shm_internal::CheckMapKey<K>();
    CheckGuardable<V>();
  }
  HashMap(const HashMap&) = delete;
  HashMap& operator=(const HashMap&) = delete;

  // ---- reading --------------------------------------------------------------------------------------------------------------

  size_t size() const { return core_.size; }
  bool empty() const { return core_.size == 0; }
  size_t capacity() const { return shm_internal::MostInUse(core_.capacity); }

  // The value, or null: there is none.
  __attribute__((always_inline)) const V* Find(KeyView key) const {
    return FindInGroups(core_.LookInLoop(kShape), Key::Hash(key), key);
  }
  bool Contains(KeyView key) const { return Find(key) != nullptr; }

  // All elements, each once: `for (const auto& [key, value] : map)`.
  const_iterator begin() const {
    Table table;
    if (!core_.Read(kShape, shm_internal::SegmentAround(this), table)) table = {};
    return const_iterator(table, 0);
  }
  std::default_sentinel_t end() const { return {}; }

  // ---- writing --------------------------------------------------------------------------------------------------------------

  // Adds an element, its value built from the arguments; without any, as V{}. AlreadyExists: the key is there; nothing has changed.
  // Returns the value, to write to.
  template <class... Args>
  [[nodiscard]] absl::StatusOr<V*> Insert(KeyView key, Args&&... args);

  // Adds an element, or replaces the value of the one that is there. Returns whether it was added.
  template <class... Args>
  [[nodiscard]] absl::StatusOr<bool> InsertOrAssign(KeyView key, Args&&... args);
  template <class... Args>
  [[nodiscard]] absl::Status Set(KeyView key, Args&&... args) {
    return InsertOrAssign(key, std::forward<Args>(args)...).status();
  }

  // The value, to write to, as long as what Vector::Edit gives. NotFound: there is none.
  [[nodiscard]] absl::StatusOr<V*> FindMut(KeyView key);
  // The same; if there is none, it is inserted, built from the arguments.
  template <class... Args>
  [[nodiscard]] absl::StatusOr<V*> FindOrInsert(KeyView key, Args&&... args);

  // All values, to write to: `for (auto [key, value] : *all)`. Saves the whole map.
  [[nodiscard]] absl::StatusOr<Range<V>> EditAll();

  // Returns whether it was there.
  [[nodiscard]] absl::StatusOr<bool> Erase(KeyView key);
  [[nodiscard]] absl::Status Clear();  // gives the memory back, too

  // Room for `count` elements in all.
  [[nodiscard]] absl::Status Reserve(size_t count);

  // FailedPrecondition also: they do not lie in one segment, or one lies in a value of the other. REQUIRES: nor deeper inside.
  [[nodiscard]] absl::Status Swap(HashMap& other) { return shm_internal::HashMapCore::Swap(kShape, core_, other.core_); }

 private:
  friend struct shm_internal::StoredAccess;
  using Section = shm_internal::Section;
  using Table = shm_internal::HashTable;
  using Change = shm_internal::HashMapChange;
  using Shape = shm_internal::SlotShape;
  using ControlBytes = shm_internal::ControlBytes;

  static constexpr uint32_t RoundUp(size_t bytes, size_t multiple) {
    return static_cast<uint32_t>((bytes + multiple - 1) / multiple * multiple);
  }
  static constexpr size_t kAlignment = std::max(alignof(K), alignof(V));
  static constexpr Shape kShape = {.bytes = RoundUp(RoundUp(sizeof(K), alignof(V)) + sizeof(V), kAlignment),
                                   .value_offset = RoundUp(sizeof(K), alignof(V)),
                                   .alignment = kAlignment};

  static K* KeyIn(std::byte* slot) { return reinterpret_cast<K*>(slot); }
  static V* ValueIn(std::byte* slot) { return reinterpret_cast<V*>(slot + kShape.value_offset); }

  // Where a key is, or else where it may be put: null if there is no free slot on its way.
  struct Place {
    std::byte* slot = nullptr;
    std::byte* free_slot = nullptr;
    std::byte* group = nullptr;
    uint8_t* control = nullptr;  // of either
  };
  template <class IsOurs>
  static Place FindSlot(const Table& table, uint64_t hash, KeyView key, const IsOurs& is_ours);
  const V* FindInGroups(const shm_internal::UncheckedTable& table, uint64_t hash, KeyView key) const;
  // Find where the table has less than a group, or there is none, or its header makes no sense.
  const V* FindInFew(uint64_t hash, KeyView key) const;
  // The same, and pure, so that a loop may read the header in front of it; but not where a HashMapHash is called, which may throw and change
  // what it likes.
  __attribute__((noinline, pure)) const V* FindInFewPurely(uint64_t hash, KeyView key) const { return FindInFew(hash, key); }
  __attribute__((noinline)) const V* FindInFewFreely(uint64_t hash, KeyView key) const { return FindInFew(hash, key); }
  __attribute__((always_inline)) const V* FindElsewhere(uint64_t hash, KeyView key) const {
    if constexpr (shm_internal::RunsUsersCode<K>()) {
      return FindInFewFreely(hash, key);
    } else {
      return FindInFewPurely(hash, key);
    }
  }
  static Place FindFree(const Table& table, uint64_t hash);
  // Has the processor fetch the slots behind a group's control bytes at once with these.
  static void FetchSlots(const std::byte* group) {
    if constexpr (kShape.GroupBytes() > shm_internal::kLineBytes) __builtin_prefetch(group + shm_internal::kLineBytes);
  }
  static Place PlaceAt(std::byte* group, int index, bool free) {
    std::byte* const slot = group + kShape.SlotsAt() + static_cast<size_t>(index) * kShape.bytes;
    return {.slot = free ? nullptr : slot,
            .free_slot = free ? slot : nullptr,
            .group = group,
            .control = reinterpret_cast<uint8_t*>(group) + index};
  }
  static auto Covering(const Section& section) {
    return [&section](const void* at, size_t bytes) { return section.Covers(at, bytes); };
  }
  static Place Look(const Change& change, uint64_t hash, KeyView key) {
    return change.capacity == 0 ? Place() : FindSlot(change, hash, key, Covering(*change.section));
  }

  template <class... Args>
  absl::StatusOr<V*> Add(Change& change, Place place, uint64_t hash, KeyView key, Args&&... args);
  template <class... Args>
  static absl::Status Replace(const Change& change, std::byte* slot, Args&&... args);
  static absl::Status SaveValue(const Change& change, V* value);
  absl::Status Rebuild(Change& change, size_t capacity);
  static void AddAll(shm_internal::Disposal& disposal, const Table& table);
  static absl::Status DisposeSlots(shm_internal::Disposal& disposal, shm_internal::Disposal::Pending& rest);

  // For StoredAccess.
  static absl::Status Construct(Section& section, HashMap* where) {
    shm_internal::HashMapCore::Make(section, &where->core_);
    return absl::OkStatus();
  }
  // Of a range of pairs; of pairs with one key, the last one counts.
  template <std::ranges::input_range R>
  static absl::Status Construct(Section& section, HashMap* where, R&& range);
  static void Relocate(Section& section, HashMap* from, HashMap* to) {
    shm_internal::HashMapCore::Relocate(section, &from->core_, &to->core_);
  }
  static absl::Status Dispose(shm_internal::Disposal& disposal, HashMap& map);

  shm_internal::HashMapCore core_;
};

template <class K, class V>
struct ShareableTraits<HashMap<K, V>> : SharedType<SharedKind::kContainer, K, V> {
  static constexpr std::string_view kName = "HashMap";
};

}  // namespace shoal

#include "shoal/shm/hash_map_impl.h"

#endif  // SHOAL_SHM_HASH_MAP_H_
