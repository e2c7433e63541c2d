#ifndef SHOAL_SHM_VECTOR_H_
#define SHOAL_SHM_VECTOR_H_

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <ranges>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/shm/section.h"
#include "shoal/shm/shareable.h"
#include "shoal/shm/stored.h"
#include "shoal/shm/vector_core.h"
#include "shoal/sync/status.h"

namespace shoal {

// A sequence of T in shared memory, inside a Mutex or RwLock, or inside another container there.
//
//   struct Order { int64_t number; String item; Vector<double> prices; };
//   Shared<Mutex<Vector<Order>>> orders = ...;
//   orders->With([](Vector<Order>& all) -> absl::Status {
//     SHOAL_RETURN_IF_ERROR(all.PushBack(17, "herring", std::array{1.5, 2.5}));  // one argument for each field
//     SHOAL_ASSIGN_OR_RETURN(Order* first, all.Edit(0));                         // to write; all[0] is const
//     return first->prices.PushBack(3.5);
//   });
//
// Reading is const and costs what std::vector costs; an index outside of a loop one or two nanoseconds more. What changes says so:
// Set, Edit and EditAll save what they are about to change, once in a section, and then give access. References and spans end with the
// next call that changes the vector's size.
//
// Thread safety:   that of the Mutex or RwLock around it: const calls may run concurrently.
// Process safety:  lies in a segment, at whatever address that is mapped. Elsewhere it is empty, and stays so. It neither copies nor
//                  moves; Swap exchanges two in one section.
// Crash safety:    what a section did to it happens when that commits, or not at all.
// Ownership:       owns its elements and what they own. No destructor runs: memory goes when the section commits that removed it, or
//                  with the Mutex. References into it are valid while the section is open.
// Errors:          every call that returns a Status leaves the vector as it was unless it is OK. FailedPrecondition: it does not lie in a
//                  segment, or this thread has no section open there. ResourceExhausted: the segment is full, or the
//                  section has changed too much, or this process has no memory of its own. OutOfRange: an index. DataLoss: the header
//                  makes no sense. Whatever gives access to elements, and size, compares the header with the segment, too: what
//                  makes no sense reads as empty. operator[] with an index that is not below size() ends the process. Nothing of
//                  ours throws.
//                  What an element's constructor, a conversion or a range throws comes out and leaves the vector as it was, too:
//                  who catches it inside the section may go on and commit. Such code changes nothing in the segment itself.
// Allocation:      one block, doubled when it is full. A section that grows it needs the old block until it commits.
// Layout:          40 bytes; docs/memory_format.md.
template <class T>
class Vector final {
 public:
  using value_type = T;
  using const_iterator = const T*;

  Vector() { [[maybe_unused]] constexpr bool checked = CheckGuardable<T>(); }
  Vector(const Vector&) = delete;
  Vector& operator=(const Vector&) = delete;

  // ---- reading --------------------------------------------------------------------------------------------------------------

  size_t size() const { return core_.LookInLoop(kShape).size; }
  bool empty() const { return core_.Look(kShape).size == 0; }
  size_t capacity() const { return core_.capacity; }
  const T* data() const { return begin(); }
  const T* begin() const { return At(core_.Look(kShape).elements, 0); }
  const T* end() const {
    const shm_internal::VectorExtent seen = core_.Look(kShape);
    return At(seen.elements, seen.size);
  }
  const T& operator[](size_t index) const {
    const shm_internal::VectorExtent seen = core_.LookInLoop(kShape);
    if (__builtin_expect(index >= seen.size, 0)) shm_internal::IndexOutOfRange(index, seen.size, core_.size);
    return *At(seen.elements, index);
  }

  // All elements, after the header has been compared with the segment. DataLoss; FailedPrecondition: not in a segment.
  [[nodiscard]] absl::StatusOr<std::span<const T>> Checked() const {
    shm_internal::VectorExtent extent;
    SHOAL_RETURN_IF_ERROR(core_.ReadAnywhere(kShape, extent));
    return std::span<const T>(reinterpret_cast<const T*>(extent.elements), extent.size);
  }

  // ---- writing --------------------------------------------------------------------------------------------------------------

  // Replaces one element by one that is built from the arguments.
  template <class... Args>
  [[nodiscard]] absl::Status Set(size_t index, Args&&... args);

  // One element, or all, to write to, until the section ends, or goes on after a Rollback or a Condition::Wait.
  [[nodiscard]] absl::StatusOr<T*> Edit(size_t index);
  [[nodiscard]] absl::StatusOr<std::span<T>> EditAll();

  // Adds an element at the end, built from the arguments: of a plain value, what its constructor takes; of a container, its elements;
  // of a struct with containers, one argument for each of its first fields.
  template <class... Args>
  [[nodiscard]] __attribute__((always_inline)) absl::Status PushBack(Args&&... args) {
    if constexpr (SharedValue<T> && sizeof(T) <= kWorthSaving) {
      size_t size;
      std::byte* place;
      if (__builtin_expect(core_.FindPlace(kShape, size, place), 1)) {
        shm_internal::ConstructValue(reinterpret_cast<T*>(place), std::forward<Args>(args)...).IgnoreError();
        core_.size = size + 1;
        return absl::OkStatus();
      }
      // By value: what is only needed here need not lie in memory before.
      if constexpr (shm_internal::SharedScalar<T> && sizeof...(Args) == 1 &&
                    (std::same_as<std::remove_cvref_t<Args>, T> && ...)) {
        return AddValue(args...);
      }
    }
    T* made;
    return Add(made, std::forward<Args>(args)...);
  }
  template <class... Args>
  [[nodiscard]] absl::StatusOr<T*> EmplaceBack(Args&&... args) {
    T* made;
    if (absl::Status added = Add(made, std::forward<Args>(args)...); __builtin_expect(!added.ok(), 0)) return added;
    return made;
  }
  // Adds one for each of a range, all or none.
  template <std::ranges::forward_range R>
  [[nodiscard]] absl::Status Append(R&& range);
  // Replaces all elements by those of a range.
  template <std::ranges::forward_range R>
  [[nodiscard]] absl::Status Assign(R&& range);
  template <class U>
  [[nodiscard]] absl::Status Assign(std::initializer_list<U> values) {
    return Assign(std::span<const U>(values.begin(), values.size()));
  }

  // Before the element at `index`, or at the end.
  template <class... Args>
  [[nodiscard]] absl::Status Insert(size_t index, Args&&... args);
  [[nodiscard]] absl::Status Erase(size_t index, size_t count = 1);
  [[nodiscard]] absl::Status PopBack();  // OutOfRange: it is empty
  [[nodiscard]] absl::Status Clear();    // keeps the capacity, unless a new block is cheaper than saving this one's elements

  // The elements that come are built without arguments.
  [[nodiscard]] absl::Status Resize(size_t size);
  [[nodiscard]] absl::Status Reserve(size_t capacity);
  [[nodiscard]] absl::Status ShrinkToFit();

  // FailedPrecondition also: they do not lie in one segment, or one lies in an element of the other. REQUIRES: nor deeper inside.
  [[nodiscard]] absl::Status Swap(Vector& other) { return shm_internal::VectorCore::Swap(kShape, core_, other.core_); }

 private:
  friend struct shm_internal::StoredAccess;
  using Section = shm_internal::Section;
  using Change = shm_internal::VectorChange;
  using Room = shm_internal::VectorRoom;

  static constexpr shm_internal::ElementShape kShape = {sizeof(T), alignof(T)};
  static constexpr size_t kWorthSaving = 4096;  // bytes

  static T* At(std::byte* elements, size_t index) { return reinterpret_cast<T*>(elements) + index; }

  // More than any segment has room for, if a size_t cannot say it.
  template <class R>
  static size_t CountOf(R& range) {
    const auto distance = std::ranges::distance(range);
    const size_t count = static_cast<size_t>(distance);
    return static_cast<std::ranges::range_difference_t<R>>(count) == distance ? count : SIZE_MAX;
  }

  // For StoredAccess.
  static absl::Status Construct(Section& section, Vector* where) {
    shm_internal::VectorCore::Make(section, &where->core_);
    return absl::OkStatus();
  }
  template <std::ranges::forward_range R>
  static absl::Status Construct(Section& section, Vector* where, R&& range);
  static void Relocate(Section& section, Vector* from, Vector* to) {
    shm_internal::VectorCore::Relocate(section, &from->core_, &to->core_);
  }
  static absl::Status Dispose(shm_internal::Disposal& disposal, Vector& vector);

  template <class... Args>
  absl::Status Add(T*& made, Args&&... args);
  __attribute__((noinline)) absl::Status AddValue(T value) {
    T* made;
    return Add(made, value);
  }
  template <class... Args>
  absl::Status AddToFull(const Change& change, T*& made, Args&&... args);
  template <class R>
  static absl::Status ConstructEach(Section& section, T* where, R&& range);
  absl::Status Truncate(Change& change, size_t size);
  absl::Status GrowTo(Change& change, size_t needed);

  shm_internal::VectorCore core_;
};

template <class T>
struct ShareableTraits<Vector<T>> : SharedType<SharedKind::kContainer, T> {
  static constexpr std::string_view kName = "Vector";
};

// ---- implementation -------------------------------------------------------------------------------------------------------------

template <class T>
template <class... Args>
__attribute__((noinline)) absl::Status Vector<T>::Add(T*& made, Args&&... args) {
  Change change;
  if (absl::Status begun = core_.Begin(kShape, change); __builtin_expect(!begun.ok(), 0)) return begun;
  if (__builtin_expect(change.size == change.capacity, 0)) return AddToFull(change, made, std::forward<Args>(args)...);
  made = At(change.elements, change.size);
  if (__builtin_expect(change.size < change.kept, 0)) {  // its last owner was removed in this section
    SHOAL_RETURN_IF_ERROR(change.section->SaveOnce(made, sizeof(T)));
  }
  absl::Status built = shm_internal::Construct(*change.section, made, std::forward<Args>(args)...);
  if (__builtin_expect(built.ok(), 1)) core_.size = change.size + 1;
  return built;
}

// The new element is built before the others move: the arguments may be some of them.
template <class T>
template <class... Args>
__attribute__((noinline)) absl::Status Vector<T>::AddToFull(const Change& change, T*& made, Args&&... args) {
  Section& section = *change.section;
  shm_internal::CancelGuard records(section);
  Room room;
  SHOAL_RETURN_IF_ERROR(shm_internal::VectorCore::MakeRoom(kShape, change, change.size + 1, room));
  made = At(room.elements, change.size);
  SHOAL_RETURN_IF_ERROR(shm_internal::Construct(section, made, std::forward<Args>(args)...));
  records.Dismiss();
  shm_internal::Relocate(section, At(change.elements, 0), At(room.elements, 0), change.size);
  core_.MoveTo(room, change.size + 1);
  return absl::OkStatus();
}

template <class T>
template <class... Args>
absl::Status Vector<T>::Set(size_t index, Args&&... args) {
  Change change;
  SHOAL_RETURN_IF_ERROR(core_.Begin(kShape, change));
  if (index >= change.size) return shm_internal::OutOfRange(index, change.size);
  T* const element = At(change.elements, index);
  if (index < change.kept) SHOAL_RETURN_IF_ERROR(change.section->SaveOnce(element, sizeof(T)));
  return shm_internal::Replace(*change.section, element, std::forward<Args>(args)...);
}

template <class T>
absl::StatusOr<T*> Vector<T>::Edit(size_t index) {
  Change change;
  SHOAL_RETURN_IF_ERROR(core_.Begin(kShape, change));
  if (index >= change.size) return shm_internal::OutOfRange(index, change.size);
  T* const element = At(change.elements, index);
  if (index < change.kept) SHOAL_RETURN_IF_ERROR(change.section->SaveOnce(element, sizeof(T)));
  return element;
}

template <class T>
absl::StatusOr<std::span<T>> Vector<T>::EditAll() {
  Change change;
  SHOAL_RETURN_IF_ERROR(core_.Begin(kShape, change));
  SHOAL_RETURN_IF_ERROR(core_.SaveFrom(kShape, change, 0));
  return std::span<T>(At(change.elements, 0), change.size);
}

// Builds one element of each of the range, all or none.
template <class T>
template <class R>
absl::Status Vector<T>::ConstructEach(Section& section, T* where, R&& range) {
  if constexpr (SharedValue<T> && std::ranges::contiguous_range<R> &&
                std::same_as<std::remove_cv_t<std::ranges::range_value_t<R>>, T>) {
    const size_t count = CountOf(range);
    if (count != 0) std::memcpy(static_cast<void*>(where), std::to_address(std::ranges::begin(range)), count * sizeof(T));
  } else {
    shm_internal::CancelGuard records(section);
    for (auto&& value : range) {
      SHOAL_RETURN_IF_ERROR(shm_internal::Construct(section, where++, std::forward<decltype(value)>(value)));
    }
    records.Dismiss();
  }
  return absl::OkStatus();
}

template <class T>
template <std::ranges::forward_range R>
absl::Status Vector<T>::Append(R&& range) {
  Change change;
  SHOAL_RETURN_IF_ERROR(core_.Begin(kShape, change));
  Section& section = *change.section;
  const size_t count = CountOf(range);
  if (count <= change.capacity - change.size) {
    SHOAL_RETURN_IF_ERROR(core_.SaveFrom(kShape, change, change.size));
    SHOAL_RETURN_IF_ERROR(ConstructEach(section, At(change.elements, change.size), range));
    core_.size = change.size + count;
    return absl::OkStatus();
  }
  shm_internal::CancelGuard records(section);
  Room room;
  const size_t needed = std::max(count, change.size + count);  // refused either way if the sum wraps around
  SHOAL_RETURN_IF_ERROR(shm_internal::VectorCore::MakeRoom(kShape, change, needed, room));
  SHOAL_RETURN_IF_ERROR(ConstructEach(section, At(room.elements, change.size), range));
  records.Dismiss();
  shm_internal::Relocate(section, At(change.elements, 0), At(room.elements, 0), change.size);
  core_.MoveTo(room, change.size + count);
  return absl::OkStatus();
}

// Into a block of its own: the range may be a view of this very vector.
template <class T>
template <std::ranges::forward_range R>
absl::Status Vector<T>::Assign(R&& range) {
  Change change;
  SHOAL_RETURN_IF_ERROR(core_.Begin(kShape, change));
  Section& section = *change.section;
  const size_t count = CountOf(range);
  if (count == 0) return Truncate(change, 0);
  shm_internal::CancelGuard records(section);
  const Change without_growth = {{.elements = nullptr, .size = 0, .capacity = 0}, &section, 0};
  Room room;
  SHOAL_RETURN_IF_ERROR(shm_internal::VectorCore::MakeRoom(kShape, without_growth, count, room));
  SHOAL_RETURN_IF_ERROR(ConstructEach(section, At(room.elements, 0), range));
  SHOAL_RETURN_IF_ERROR(shm_internal::Dispose(section, At(change.elements, 0), change.size));
  if (change.capacity != 0) SHOAL_RETURN_IF_ERROR(section.Free(section.attachment().OffsetOf(change.elements)));
  records.Dismiss();
  core_.MoveTo(room, count);
  return absl::OkStatus();
}

template <class T>
template <class... Args>
absl::Status Vector<T>::Insert(size_t index, Args&&... args) {
  Change change;
  SHOAL_RETURN_IF_ERROR(core_.Begin(kShape, change));
  if (index > change.size) return shm_internal::OutOfRange(index, change.size);
  T* made;
  if (index == change.size) return Add(made, std::forward<Args>(args)...);
  shm_internal::Aside<T> aside;
  T* const held = aside.get();
  if (__builtin_expect(held == nullptr, 0)) return sync_internal::NoMemoryStatus();
  SHOAL_RETURN_IF_ERROR(core_.SaveFrom(kShape, change, index));
  SHOAL_RETURN_IF_ERROR(Add(made, std::forward<Args>(args)...));
  // It lies at the end now, in a block that need not be the old one. The rest cannot fail.
  Section& section = *change.section;
  T* const first = made - (change.size - index);
  shm_internal::Relocate(section, made, held);
  if constexpr (SharedValue<T>) {
    std::memmove(static_cast<void*>(first + 1), first, static_cast<size_t>(made - first) * sizeof(T));
  } else {
    for (T* to = made; to != first; --to) shm_internal::Relocate(section, to - 1, to);
  }
  shm_internal::Relocate(section, held, first);
  return absl::OkStatus();
}

template <class T>
absl::Status Vector<T>::Erase(size_t index, size_t count) {
  Change change;
  SHOAL_RETURN_IF_ERROR(core_.Begin(kShape, change));
  if (index > change.size || count > change.size - index)
    return shm_internal::OutOfRange(std::max(count, index + count), change.size);
  const size_t behind = index + count;
  if (behind == change.size) return Truncate(change, index);
  SHOAL_RETURN_IF_ERROR(core_.SaveFrom(kShape, change, index));
  Section& section = *change.section;
  T* const all = At(change.elements, 0);
  SHOAL_RETURN_IF_ERROR(shm_internal::Dispose(section, all + index, count));
  if constexpr (SharedValue<T>) {
    std::memmove(static_cast<void*>(all + index), all + behind, (change.size - behind) * sizeof(T));
  } else if (count != 0) {
    for (size_t i = behind; i < change.size; ++i) shm_internal::Relocate(section, all + i, all + i - count);
  }
  core_.size = change.size - count;
  return absl::OkStatus();
}

// Their bytes stay: nothing needs saving.
template <class T>
absl::Status Vector<T>::Truncate(Change& change, size_t size) {
  SHOAL_RETURN_IF_ERROR(shm_internal::Dispose(*change.section, At(change.elements, size), change.size - size));
  core_.size = size;
  return absl::OkStatus();
}

template <class T>
absl::Status Vector<T>::PopBack() {
  Change change;
  SHOAL_RETURN_IF_ERROR(core_.Begin(kShape, change));
  if (change.size == 0) return shm_internal::OutOfRange(0, 0);
  return Truncate(change, change.size - 1);
}

template <class T>
absl::Status Vector<T>::Clear() {
  Change change;
  SHOAL_RETURN_IF_ERROR(core_.Begin(kShape, change));
  if (change.kept * sizeof(T) <= kWorthSaving) return Truncate(change, 0);
  // What comes next would have to save the old elements one by one. In a block of its own it saves nothing.
  Section& section = *change.section;
  shm_internal::CancelGuard records(section);
  SHOAL_RETURN_IF_ERROR(section.Free(section.attachment().OffsetOf(change.elements)));
  SHOAL_RETURN_IF_ERROR(shm_internal::Dispose(section, At(change.elements, 0), change.size));
  records.Dismiss();
  core_.MoveTo({}, 0);
  return absl::OkStatus();
}

template <class T>
absl::Status Vector<T>::GrowTo(Change& change, size_t needed) {
  Room room;
  SHOAL_RETURN_IF_ERROR(shm_internal::VectorCore::MakeRoom(kShape, change, needed, room));
  shm_internal::Relocate(*change.section, At(change.elements, 0), At(room.elements, 0), change.size);
  core_.MoveTo(room, change.size);
  change.elements = room.elements;
  return absl::OkStatus();
}

template <class T>
absl::Status Vector<T>::Resize(size_t size) {
  Change change;
  SHOAL_RETURN_IF_ERROR(core_.Begin(kShape, change));
  if (size <= change.size) return Truncate(change, size);
  if (size <= change.capacity) {
    SHOAL_RETURN_IF_ERROR(core_.SaveFrom(kShape, change, change.size));
  } else {
    SHOAL_RETURN_IF_ERROR(GrowTo(change, size));
  }
  T* const all = At(change.elements, 0);
  for (size_t i = change.size; i < size; ++i) {
    shm_internal::Construct(*change.section, all + i).IgnoreError();  // cannot fail without arguments
  }
  core_.size = size;
  return absl::OkStatus();
}

template <class T>
absl::Status Vector<T>::Reserve(size_t capacity) {
  Change change;
  SHOAL_RETURN_IF_ERROR(core_.Begin(kShape, change));
  return capacity <= change.capacity ? absl::OkStatus() : GrowTo(change, capacity);
}

template <class T>
absl::Status Vector<T>::ShrinkToFit() {
  Change change;
  SHOAL_RETURN_IF_ERROR(core_.Begin(kShape, change));
  if (change.size == change.capacity) return absl::OkStatus();
  Section& section = *change.section;
  shm_internal::CancelGuard records(section);
  Room room;
  if (change.size != 0) {
    const Change without_growth = {{.elements = nullptr, .size = 0, .capacity = 0}, &section, 0};
    SHOAL_RETURN_IF_ERROR(shm_internal::VectorCore::MakeRoom(kShape, without_growth, change.size, room));
  }
  SHOAL_RETURN_IF_ERROR(section.Free(section.attachment().OffsetOf(change.elements)));
  records.Dismiss();
  shm_internal::Relocate(section, At(change.elements, 0), At(room.elements, 0), change.size);
  core_.MoveTo(room, change.size);
  return absl::OkStatus();
}

template <class T>
template <std::ranges::forward_range R>
absl::Status Vector<T>::Construct(Section& section, Vector* where, R&& range) {
  const size_t count = CountOf(range);
  SHOAL_RETURN_IF_ERROR(Construct(section, where));
  if (count == 0) return absl::OkStatus();
  const Change empty = {{.elements = nullptr, .size = 0, .capacity = 0}, &section, 0};
  Room room;
  SHOAL_RETURN_IF_ERROR(shm_internal::VectorCore::MakeRoom(kShape, empty, count, room));
  SHOAL_RETURN_IF_ERROR(ConstructEach(section, At(room.elements, 0), range));
  where->core_.MoveTo(room, count);
  return absl::OkStatus();
}

template <class T>
absl::Status Vector<T>::Dispose(shm_internal::Disposal& disposal, Vector& vector) {
  shm_internal::VectorExtent extent;
  if (!vector.core_.ReadIn(disposal.section(), kShape, extent)) return vector.core_.Nonsense();
  if (extent.capacity == 0) return absl::OkStatus();
  SHOAL_RETURN_IF_ERROR(disposal.Free(extent.elements));
  disposal.Add(At(extent.elements, 0), extent.size);
  return absl::OkStatus();
}

}  // namespace shoal

#endif  // SHOAL_SHM_VECTOR_H_
