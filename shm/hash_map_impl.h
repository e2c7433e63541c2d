#ifndef SHOAL_SHM_HASH_MAP_IMPL_H_
#define SHOAL_SHM_HASH_MAP_IMPL_H_

// The templates of hash_map.h, which includes this.

#include "shoal/shm/hash_map.h"

namespace shoal {

template <class K, class V>
template <class Value>
struct HashMap<K, V>::Element {
  const K& key;
  Value& value;
};

template <class K, class V>
template <class Value>
class HashMap<K, V>::Iterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using iterator_concept = std::forward_iterator_tag;
  using value_type = Element<Value>;
  using reference = Element<Value>;
  using difference_type = ptrdiff_t;

  Iterator() = default;
  Element<Value> operator*() const {
    std::byte* const slot = table_.Slot(kShape, group_ * Shape::kGroupSlots + static_cast<size_t>(std::countr_zero(full_)));
    return {*KeyIn(slot), *ValueIn(slot)};
  }
  Iterator& operator++() {
    full_ &= full_ - 1;
    SkipToFull();
    return *this;
  }
  Iterator operator++(int) {
    Iterator before = *this;
    ++*this;
    return before;
  }
  friend bool operator==(const Iterator& left, const Iterator& right) {
    return left.group_ == right.group_ && left.full_ == right.full_;
  }
  friend bool operator==(const Iterator& it, std::default_sentinel_t) { return it.full_ == 0; }

 private:
  friend class HashMap;
  Iterator(const Table& table, size_t group) : table_(table), group_(group) {
    if (table_.capacity == 0) return;
    full_ = Full();
    SkipToFull();
  }
  uint32_t Full() const { return ControlBytes(table_.Group(kShape, group_)).Full() & table_.valid(); }
  void SkipToFull() {
    while (full_ == 0 && group_ < table_.group_mask()) {
      ++group_;
      full_ = Full();
    }
  }

  Table table_;
  size_t group_ = 0;
  uint32_t full_ = 0;  // of the group, those not yet passed; 0: the end
};

template <class K, class V>
template <class Value>
struct HashMap<K, V>::Range {
  Iterator<Value> first;
  Iterator<Value> begin() const { return first; }
  std::default_sentinel_t end() const { return {}; }
};

template <class K, class V>
template <class IsOurs>
typename HashMap<K, V>::Place HashMap<K, V>::FindSlot(const Table& table, uint64_t hash, KeyView key,
                                                      const IsOurs& is_ours) {
  const uint8_t control = shm_internal::ControlOf(hash);
  const size_t mask = table.group_mask();
  const uint32_t valid = table.valid();
  Place free;
  size_t at = hash >> 7 & mask;
  FetchSlots(table.Group(kShape, at));
  for (size_t step = 0; step <= mask;) {
    std::byte* const group = table.Group(kShape, at);
    const ControlBytes bytes(group);
    for (uint32_t left = bytes.Matching(control) & valid; left != 0; left &= left - 1) {
      const Place place = PlaceAt(group, std::countr_zero(left), /*free=*/false);
      if (__builtin_expect(Key::Same(*KeyIn(place.slot), key, is_ours), 1)) return place;
    }
    if (free.free_slot == nullptr) {
      const uint32_t frees = bytes.Free() & valid;
      if (frees != 0) free = PlaceAt(group, std::countr_zero(frees), /*free=*/true);
    }
    if (__builtin_expect((bytes.Empty() & valid) != 0, 1)) return free;
    at = (at + ++step) & mask;
  }
  return free;
}

// The same for whoever only looks. Where memory is what takes the time, the more searches fit into the processor's window at once the
// sooner all are done, so each instruction counts.
template <class K, class V>
__attribute__((always_inline)) inline const V* HashMap<K, V>::FindInGroups(const shm_internal::UncheckedTable& table,
                                                                           uint64_t hash, KeyView key) const {
  const auto is_ours = [&table](const void* at, size_t bytes) { return table.Covers(at, bytes); };
  const uint8_t control = shm_internal::ControlOf(hash);
  size_t at = hash >> 7 & table.group_mask;
  for (size_t step = 0; step <= table.group_mask;) {
    std::byte* group;
    if (__builtin_expect(!table.Group(kShape, at, group), 0)) return FindElsewhere(hash, key);
    FetchSlots(group);
    const ControlBytes bytes(group);
    for (uint32_t left = bytes.Matching(control); left != 0; left &= left - 1) {
      std::byte* const slot = PlaceAt(group, std::countr_zero(left), /*free=*/false).slot;
      if (__builtin_expect(Key::Same(*KeyIn(slot), key, is_ours), 1)) return ValueIn(slot);
    }
    if (__builtin_expect(bytes.Empty() != 0, 1)) return nullptr;
    at = (at + ++step) & table.group_mask;
  }
  return nullptr;
}

template <class K, class V>
const V* HashMap<K, V>::FindInFew(uint64_t hash, KeyView key) const {
  const shm_internal::AddressRange segment = shm_internal::SegmentAround(this);
  Table table;
  if (!core_.Read(kShape, segment, table) || table.capacity == 0) return nullptr;
  std::byte* const slot = FindSlot(table, hash, key, segment).slot;
  return slot == nullptr ? nullptr : ValueIn(slot);
}

template <class K, class V>
typename HashMap<K, V>::Place HashMap<K, V>::FindFree(const Table& table, uint64_t hash) {
  const size_t mask = table.group_mask();
  size_t at = hash >> 7 & mask;
  for (size_t step = 0; step <= mask;) {
    std::byte* const group = table.Group(kShape, at);
    const uint32_t frees = ControlBytes(group).Free() & table.valid();
    if (frees != 0) return PlaceAt(group, std::countr_zero(frees), /*free=*/true);
    at = (at + ++step) & mask;
  }
  return {};
}

// Fills a free slot. `place` is what a search for the key has found.
template <class K, class V>
template <class... Args>
absl::StatusOr<V*> HashMap<K, V>::Add(Change& change, Place place, uint64_t hash, KeyView key, Args&&... args) {
  const bool uses_room = place.free_slot != nullptr && *place.control == shm_internal::kEmptySlot;
  if (place.free_slot == nullptr || (uses_room && core_.room == 0)) {
    SHOAL_RETURN_IF_ERROR(Rebuild(change, shm_internal::CapacityAfter(change.capacity, core_.size)));
    place = FindFree(change, hash);
    if (place.free_slot == nullptr) return core_.NonsenseInside();
  }
  Section& section = *change.section;
  const bool fills_empty = *place.control == shm_internal::kEmptySlot;
  if (change.reused) SHOAL_RETURN_IF_ERROR(section.Save(place.free_slot, kShape.bytes));
  if (absl::Status saved = change.SaveControl(place.control); __builtin_expect(!saved.ok(), 0)) return saved;
  shm_internal::CancelGuard records(section);
  if (absl::Status built = shm_internal::Construct(section, KeyIn(place.free_slot), key); __builtin_expect(!built.ok(), 0)) {
    return built;
  }
  V* const value = ValueIn(place.free_slot);
  if (absl::Status built = shm_internal::Construct(section, value, std::forward<Args>(args)...);
      __builtin_expect(!built.ok(), 0)) {
    return built;
  }
  records.Dismiss();
  *place.control = shm_internal::ControlOf(hash);
  ++core_.size;
  if (fills_empty && core_.room != 0) --core_.room;
  return value;
}

// Into a new table. What the old one holds stays as it is.
template <class K, class V>
absl::Status HashMap<K, V>::Rebuild(Change& change, size_t capacity) {
  Section& section = *change.section;
  shm_internal::CancelGuard records(section);
  Table taken;
  SHOAL_RETURN_IF_ERROR(shm_internal::HashMapCore::TakeTable(kShape, change, capacity, taken));
  size_t moved = 0;
  for (size_t group = 0; change.capacity != 0 && group <= change.group_mask(); ++group) {
    const ControlBytes bytes(change.Group(kShape, group));
    for (uint32_t left = bytes.Full() & change.valid(); left != 0; left &= left - 1) {
      std::byte* const slot = PlaceAt(change.Group(kShape, group), std::countr_zero(left), false).slot;
      uint64_t hash;
      Place place;
      if (Key::HashStored(*KeyIn(slot), Covering(section), hash)) place = FindFree(taken, hash);
      if (place.free_slot == nullptr || moved == shm_internal::MostInUse(capacity)) return core_.NonsenseInside();
      shm_internal::Relocate(section, KeyIn(slot), KeyIn(place.free_slot));
      shm_internal::Relocate(section, ValueIn(slot), ValueIn(place.free_slot));
      *place.control = shm_internal::ControlOf(hash);
      ++moved;
    }
  }
  if (moved != core_.size) return core_.NonsenseInside();
  records.Dismiss();
  core_.MoveTo(kShape, taken, moved, section);
  static_cast<Table&>(change) = taken;
  change.fresh = true;
  change.reused = false;
  return absl::OkStatus();
}

template <class K, class V>
absl::Status HashMap<K, V>::SaveValue(const Change& change, V* value) {
  if constexpr (shm_internal::IsOwner<V>()) {
    return absl::OkStatus();  // it saves itself
  } else {
    return change.fresh ? absl::OkStatus() : change.section->SaveOnce(value, sizeof(V));
  }
}

template <class K, class V>
template <class... Args>
absl::Status HashMap<K, V>::Replace(const Change& change, std::byte* slot, Args&&... args) {
  V* const value = ValueIn(slot);
  if (!change.fresh) SHOAL_RETURN_IF_ERROR(change.section->SaveOnce(value, sizeof(V)));
  return shm_internal::Replace(*change.section, value, std::forward<Args>(args)...);
}

template <class K, class V>
template <class... Args>
absl::StatusOr<V*> HashMap<K, V>::Insert(KeyView key, Args&&... args) {
  const uint64_t hash = Key::Hash(key);
  core_.Expect(kShape, hash);
  Change change;
  if (absl::Status begun = core_.Begin(kShape, change); __builtin_expect(!begun.ok(), 0)) return begun;
  const Place place = Look(change, hash, key);
  if (place.slot != nullptr) return shm_internal::KeyIsThere();
  return Add(change, place, hash, key, std::forward<Args>(args)...);
}

template <class K, class V>
template <class... Args>
absl::StatusOr<bool> HashMap<K, V>::InsertOrAssign(KeyView key, Args&&... args) {
  const uint64_t hash = Key::Hash(key);
  core_.Expect(kShape, hash);
  Change change;
  if (absl::Status begun = core_.Begin(kShape, change); __builtin_expect(!begun.ok(), 0)) return begun;
  const Place place = Look(change, hash, key);
  if (place.slot == nullptr) {
    if (auto added = Add(change, place, hash, key, std::forward<Args>(args)...); !added.ok()) return added.status();
    return true;
  }
  if (absl::Status replaced = Replace(change, place.slot, std::forward<Args>(args)...); !replaced.ok()) return replaced;
  return false;
}

template <class K, class V>
absl::StatusOr<V*> HashMap<K, V>::FindMut(KeyView key) {
  const uint64_t hash = Key::Hash(key);
  core_.Expect(kShape, hash);
  Change change;
  if (absl::Status begun = core_.Begin(kShape, change); __builtin_expect(!begun.ok(), 0)) return begun;
  const Place place = Look(change, hash, key);
  if (place.slot == nullptr) return shm_internal::KeyIsNotThere();
  V* const value = ValueIn(place.slot);
  if (absl::Status saved = SaveValue(change, value); __builtin_expect(!saved.ok(), 0)) return saved;
  return value;
}

template <class K, class V>
template <class... Args>
absl::StatusOr<V*> HashMap<K, V>::FindOrInsert(KeyView key, Args&&... args) {
  const uint64_t hash = Key::Hash(key);
  core_.Expect(kShape, hash);
  Change change;
  if (absl::Status begun = core_.Begin(kShape, change); __builtin_expect(!begun.ok(), 0)) return begun;
  const Place place = Look(change, hash, key);
  if (place.slot == nullptr) return Add(change, place, hash, key, std::forward<Args>(args)...);
  V* const value = ValueIn(place.slot);
  if (absl::Status saved = SaveValue(change, value); __builtin_expect(!saved.ok(), 0)) return saved;
  return value;
}

template <class K, class V>
absl::StatusOr<typename HashMap<K, V>::template Range<V>> HashMap<K, V>::EditAll() {
  Change change;
  SHOAL_RETURN_IF_ERROR(core_.Begin(kShape, change));
  if (change.capacity != 0 && !change.fresh) {
    SHOAL_RETURN_IF_ERROR(change.section->SaveOnce(change.groups, kShape.TableBytes(change.capacity) - kShape.GroupsAt()));
  }
  return Range<V>{Iterator<V>(change, 0)};
}

template <class K, class V>
absl::StatusOr<bool> HashMap<K, V>::Erase(KeyView key) {
  const uint64_t hash = Key::Hash(key);
  core_.Expect(kShape, hash);
  Change change;
  if (absl::Status begun = core_.Begin(kShape, change); __builtin_expect(!begun.ok(), 0)) return begun;
  const Place place = Look(change, hash, key);
  if (place.slot == nullptr) return false;
  if (core_.size == 0) return core_.Nonsense();
  Section& section = *change.section;
  if (absl::Status saved = change.SaveControl(place.control); __builtin_expect(!saved.ok(), 0)) return saved;
  if constexpr (!SharedValue<K> || !SharedValue<V>) {
    shm_internal::Disposal disposal(section);
    disposal.Add(KeyIn(place.slot), 1);
    disposal.Add(ValueIn(place.slot), 1);
    SHOAL_RETURN_IF_ERROR(disposal.Run());
  }
  const bool never_passed = (ControlBytes(place.group).Empty() & change.valid()) != 0;
  *place.control = never_passed ? shm_internal::kEmptySlot : shm_internal::kErasedSlot;
  --core_.size;
  if (never_passed && core_.room < change.capacity) ++core_.room;
  core_.erased_in = section.number();
  return true;
}

template <class K, class V>
void HashMap<K, V>::AddAll(shm_internal::Disposal& disposal, const Table& table) {
  if constexpr (!SharedValue<K> || !SharedValue<V>) {
    disposal.Add({.objects = table.groups, .next = 0, .count = table.capacity, .go_on = &DisposeSlots});
  }
}

template <class K, class V>
absl::Status HashMap<K, V>::DisposeSlots(shm_internal::Disposal& disposal, shm_internal::Disposal::Pending& rest) {
  const Table table = {.groups = static_cast<std::byte*>(rest.objects), .capacity = rest.count};
  const size_t before = disposal.pending();
  while (rest.next < rest.count && disposal.pending() == before) {
    const size_t group = rest.next / Shape::kGroupSlots;
    const uint32_t not_yet = 0xffffu << rest.next % Shape::kGroupSlots;
    const uint32_t left = ControlBytes(table.Group(kShape, group)).Full() & table.valid() & not_yet;
    if (left == 0) {
      rest.next = (group + 1) * Shape::kGroupSlots;
      continue;
    }
    const size_t index = group * Shape::kGroupSlots + static_cast<size_t>(std::countr_zero(left));
    rest.next = index + 1;
    std::byte* const slot = table.Slot(kShape, index);
    SHOAL_RETURN_IF_ERROR(shm_internal::Disposal::One(disposal, *KeyIn(slot)));
    SHOAL_RETURN_IF_ERROR(shm_internal::Disposal::One(disposal, *ValueIn(slot)));
  }
  return absl::OkStatus();
}

template <class K, class V>
absl::Status HashMap<K, V>::Clear() {
  Change change;
  SHOAL_RETURN_IF_ERROR(core_.Begin(kShape, change));
  if (change.capacity == 0) return absl::OkStatus();
  shm_internal::CancelGuard records(*change.section);
  shm_internal::Disposal disposal(*change.section);
  AddAll(disposal, change);
  SHOAL_RETURN_IF_ERROR(disposal.Run());
  SHOAL_RETURN_IF_ERROR(core_.GiveUpTable(kShape, change));
  records.Dismiss();
  core_.MoveOut();
  return absl::OkStatus();
}

template <class K, class V>
absl::Status HashMap<K, V>::Reserve(size_t count) {
  Change change;
  SHOAL_RETURN_IF_ERROR(core_.Begin(kShape, change));
  if (count <= core_.size || count - core_.size <= core_.room) return absl::OkStatus();
  if (count > Shape::kMaxBytes / kShape.bytes) return Rebuild(change, Shape::kMaxBytes);
  return Rebuild(change, shm_internal::CapacityFor(count));
}

template <class K, class V>
template <std::ranges::input_range R>
absl::Status HashMap<K, V>::Construct(Section& section, HashMap* where, R&& range) {
  shm_internal::HashMapCore::Make(section, &where->core_);
  for (auto&& [key, value] : range) {
    // It need not lie in the segment yet.
    Change change;
    SHOAL_RETURN_IF_ERROR(where->core_.BeginIn(section, kShape, change));
    const KeyView view(key);
    const uint64_t hash = Key::Hash(view);
    const Place place = Look(change, hash, view);
    SHOAL_RETURN_IF_ERROR(place.slot == nullptr ? where->Add(change, place, hash, view, value).status()
                                                : Replace(change, place.slot, value));
  }
  return absl::OkStatus();
}

template <class K, class V>
absl::Status HashMap<K, V>::Dispose(shm_internal::Disposal& disposal, HashMap& map) {
  Table table;
  if (!map.core_.Read(kShape, Covering(disposal.section()), table)) return map.core_.Nonsense();
  if (table.capacity == 0) return absl::OkStatus();
  AddAll(disposal, table);
  return disposal.Free(table.groups - kShape.GroupsAt());
}

}  // namespace shoal

#endif  // SHOAL_SHM_HASH_MAP_IMPL_H_
