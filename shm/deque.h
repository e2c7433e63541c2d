#ifndef SHOAL_SHM_DEQUE_H_
#define SHOAL_SHM_DEQUE_H_

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/shm/deque_core.h"
#include "shoal/shm/section.h"
#include "shoal/shm/shareable.h"
#include "shoal/shm/stored.h"
#include "shoal/shm/vector_core.h"
#include "shoal/sync/status.h"

namespace shoal {

// A sequence of T in shared memory that grows and shrinks at both ends, inside a Mutex or RwLock, or inside a container there.
//
//   jobs->With([](Deque<Job>& waiting) -> absl::Status {
//     SHOAL_RETURN_IF_ERROR(waiting.PushBack(17, "bake"));
//     return waiting.PopFront();
//   });
//
// Thread safety, process safety, crash safety, ownership, errors: as Vector. OutOfRange also: PopFront or PopBack of an empty one. Iterators
//                  end with the next call that changes the deque's size.
// Allocation:      one block, doubled when it is full. A section that grows it needs the old block until it commits.
// Layout:          56 bytes; docs/memory_format.md.
template <class T>
class Deque final {
 public:
  using value_type = T;

  class const_iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using pointer = const T*;
    using reference = const T&;

    const_iterator() = default;
    reference operator*() const { return *At(all_.elements, all_.PlaceOf(index_)); }
    pointer operator->() const { return &**this; }
    const_iterator& operator++() {
      ++index_;
      return *this;
    }
    const_iterator operator++(int) {
      const_iterator before = *this;
      ++index_;
      return before;
    }
    friend bool operator==(const const_iterator& left, const const_iterator& right) { return left.index_ == right.index_; }

   private:
    friend class Deque;
    const_iterator(const shm_internal::DequeExtent& all, size_t index) : all_(all), index_(index) {}
    shm_internal::DequeExtent all_;
    size_t index_ = 0;
  };

  Deque() { [[maybe_unused]] constexpr bool checked = CheckGuardable<T>(); }
  Deque(const Deque&) = delete;
  Deque& operator=(const Deque&) = delete;

  // ---- reading --------------------------------------------------------------------------------------------------------------

  size_t size() const { return core_.LookInLoop(kShape).size; }
  bool empty() const { return core_.Look(kShape).size == 0; }
  size_t capacity() const { return core_.capacity; }
  const_iterator begin() const { return {core_.Look(kShape), 0}; }
  const_iterator end() const {
    const shm_internal::DequeExtent seen = core_.Look(kShape);
    return {seen, seen.size};
  }
  const T& operator[](size_t index) const {
    const shm_internal::DequeExtent seen = core_.LookInLoop(kShape);
    if (__builtin_expect(index >= seen.size, 0)) shm_internal::IndexOutOfRange(index, seen.size, core_.size);
    return *At(seen.elements, seen.PlaceOf(index));
  }

  // One element, after the header has been compared with the segment. DataLoss; OutOfRange; FailedPrecondition: not in a segment.
  [[nodiscard]] absl::StatusOr<const T*> Checked(size_t index) const {
    shm_internal::DequeExtent extent;
    SHOAL_RETURN_IF_ERROR(core_.ReadAnywhere(kShape, extent));
    if (index >= extent.size) return shm_internal::OutOfRange(index, extent.size);
    return At(extent.elements, extent.PlaceOf(index));
  }

  // ---- writing: all or nothing ----------------------------------------------------------------------------------------------

  // Replaces one element by one that is built from the arguments.
  template <class... Args>
  [[nodiscard]] absl::Status Set(size_t index, Args&&... args);
  // One element, to write to.
  [[nodiscard]] absl::StatusOr<T*> Edit(size_t index);

  // Adds an element that is built from the arguments, as Vector does.
  template <class... Args>
  [[nodiscard]] absl::Status PushBack(Args&&... args) {
    return Add(/*front=*/false, std::forward<Args>(args)...).status();
  }
  template <class... Args>
  [[nodiscard]] absl::Status PushFront(Args&&... args) {
    return Add(/*front=*/true, std::forward<Args>(args)...).status();
  }
  template <class... Args>
  [[nodiscard]] absl::StatusOr<T*> EmplaceBack(Args&&... args) {
    return Add(/*front=*/false, std::forward<Args>(args)...);
  }
  template <class... Args>
  [[nodiscard]] absl::StatusOr<T*> EmplaceFront(Args&&... args) {
    return Add(/*front=*/true, std::forward<Args>(args)...);
  }
  [[nodiscard]] absl::Status PopBack();
  [[nodiscard]] absl::Status PopFront();
  [[nodiscard]] absl::Status Clear();  // keeps the capacity
  [[nodiscard]] absl::Status Reserve(size_t capacity);

  // FailedPrecondition also: they do not lie in one segment, or one lies in an element of the other. REQUIRES: nor deeper inside.
  [[nodiscard]] absl::Status Swap(Deque& other) { return shm_internal::DequeCore::Swap(kShape, core_, other.core_); }

 private:
  friend struct shm_internal::StoredAccess;
  using Section = shm_internal::Section;
  using Change = shm_internal::DequeChange;
  using Room = shm_internal::VectorRoom;

  static constexpr shm_internal::ElementShape kShape = {sizeof(T), alignof(T)};

  static T* At(std::byte* elements, size_t place) { return reinterpret_cast<T*>(elements) + place; }

  // For StoredAccess.
  static absl::Status Construct(Section& section, Deque* where) {
    shm_internal::DequeCore::Make(section, &where->core_);
    return absl::OkStatus();
  }
  static void Relocate(Section& section, Deque* from, Deque* to) {
    shm_internal::DequeCore::Relocate(section, &from->core_, &to->core_);
  }
  static absl::Status Dispose(shm_internal::Disposal& disposal, Deque& deque);

  template <class... Args>
  absl::StatusOr<T*> Add(bool front, Args&&... args);
  // Moves all elements to the places from `place` on of a new block.
  static void MoveAll(const Change& change, const Room& room, size_t place);
  static void DisposeLater(shm_internal::Disposal& disposal, const shm_internal::DequeExtent& extent);

  shm_internal::DequeCore core_;
};

template <class T>
struct ShareableTraits<Deque<T>> : SharedType<SharedKind::kContainer, T> {
  static constexpr std::string_view kName = "Deque";
};

// ---- implementation -------------------------------------------------------------------------------------------------------------

// The new element is built before the others move: the arguments may be some of them.
template <class T>
template <class... Args>
absl::StatusOr<T*> Deque<T>::Add(bool front, Args&&... args) {
  Change change;
  SHOAL_RETURN_IF_ERROR(core_.Begin(kShape, change));
  Section& section = *change.section;
  if (change.size < change.capacity) {
    const size_t place = front ? (change.first == 0 ? change.capacity : change.first) - 1 : change.PlaceOf(change.size);
    T* const made = At(change.elements, place);
    if (change.MustSave(place)) SHOAL_RETURN_IF_ERROR(section.SaveOnce(made, sizeof(T)));
    SHOAL_RETURN_IF_ERROR(shm_internal::Construct(section, made, std::forward<Args>(args)...));
    if (front) core_.first = place;
    core_.size = change.size + 1;
    return made;
  }
  shm_internal::CancelGuard records(section);
  Room room;
  SHOAL_RETURN_IF_ERROR(shm_internal::DequeCore::MakeRoom(kShape, change, change.size + 1, room));
  T* const made = At(room.elements, front ? 0 : change.size);
  SHOAL_RETURN_IF_ERROR(shm_internal::Construct(section, made, std::forward<Args>(args)...));
  records.Dismiss();
  MoveAll(change, room, front ? 1 : 0);
  core_.MoveTo(room, 0, change.size + 1);
  return made;
}

template <class T>
void Deque<T>::MoveAll(const Change& change, const Room& room, size_t place) {
  const size_t until_end = std::min(change.size, change.capacity - change.first);
  shm_internal::Relocate(*change.section, At(change.elements, change.first), At(room.elements, place), until_end);
  shm_internal::Relocate(*change.section, At(change.elements, 0), At(room.elements, place + until_end),
                         change.size - until_end);
}

template <class T>
template <class... Args>
absl::Status Deque<T>::Set(size_t index, Args&&... args) {
  Change change;
  SHOAL_RETURN_IF_ERROR(core_.Begin(kShape, change));
  if (index >= change.size) return shm_internal::OutOfRange(index, change.size);
  T* const element = At(change.elements, change.PlaceOf(index));
  if (change.MustSave(change.PlaceOf(index))) SHOAL_RETURN_IF_ERROR(change.section->SaveOnce(element, sizeof(T)));
  return shm_internal::Replace(*change.section, element, std::forward<Args>(args)...);
}

template <class T>
absl::StatusOr<T*> Deque<T>::Edit(size_t index) {
  Change change;
  SHOAL_RETURN_IF_ERROR(core_.Begin(kShape, change));
  if (index >= change.size) return shm_internal::OutOfRange(index, change.size);
  T* const element = At(change.elements, change.PlaceOf(index));
  if (change.MustSave(change.PlaceOf(index))) SHOAL_RETURN_IF_ERROR(change.section->SaveOnce(element, sizeof(T)));
  return element;
}

template <class T>
absl::Status Deque<T>::PopBack() {
  Change change;
  SHOAL_RETURN_IF_ERROR(core_.Begin(kShape, change));
  if (change.size == 0) return shm_internal::OutOfRange(0, 0);
  SHOAL_RETURN_IF_ERROR(shm_internal::Dispose(*change.section, *At(change.elements, change.PlaceOf(change.size - 1))));
  core_.size = change.size - 1;
  return absl::OkStatus();
}

template <class T>
absl::Status Deque<T>::PopFront() {
  Change change;
  SHOAL_RETURN_IF_ERROR(core_.Begin(kShape, change));
  if (change.size == 0) return shm_internal::OutOfRange(0, 0);
  SHOAL_RETURN_IF_ERROR(shm_internal::Dispose(*change.section, *At(change.elements, change.first)));
  core_.first = change.PlaceOf(1);
  core_.size = change.size - 1;
  return absl::OkStatus();
}

template <class T>
absl::Status Deque<T>::Clear() {
  Change change;
  SHOAL_RETURN_IF_ERROR(core_.Begin(kShape, change));
  shm_internal::Disposal disposal(*change.section);
  DisposeLater(disposal, change);
  SHOAL_RETURN_IF_ERROR(disposal.Run());
  core_.size = 0;
  return absl::OkStatus();
}

template <class T>
absl::Status Deque<T>::Reserve(size_t capacity) {
  Change change;
  SHOAL_RETURN_IF_ERROR(core_.Begin(kShape, change));
  if (capacity <= change.capacity) return absl::OkStatus();
  Room room;
  SHOAL_RETURN_IF_ERROR(shm_internal::DequeCore::MakeRoom(kShape, change, capacity, room));
  MoveAll(change, room, 0);
  core_.MoveTo(room, 0, change.size);
  return absl::OkStatus();
}

template <class T>
void Deque<T>::DisposeLater(shm_internal::Disposal& disposal, const shm_internal::DequeExtent& extent) {
  const size_t until_end = std::min(extent.size, extent.capacity - extent.first);
  disposal.Add(At(extent.elements, extent.first), until_end);
  disposal.Add(At(extent.elements, 0), extent.size - until_end);
}

template <class T>
absl::Status Deque<T>::Dispose(shm_internal::Disposal& disposal, Deque& deque) {
  shm_internal::DequeExtent extent;
  if (!deque.core_.ReadIn(disposal.section(), kShape, extent)) return deque.core_.Nonsense();
  if (extent.capacity == 0) return absl::OkStatus();
  SHOAL_RETURN_IF_ERROR(disposal.Free(extent.elements));
  DisposeLater(disposal, extent);
  return absl::OkStatus();
}

}  // namespace shoal

#endif  // SHOAL_SHM_DEQUE_H_
