#ifndef SHOAL_SHM_BOX_H_
#define SHOAL_SHM_BOX_H_

#include <cstddef>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/shm/section.h"
#include "shoal/shm/shareable.h"
#include "shoal/shm/stored.h"
#include "shoal/shm/vector_core.h"
#include "shoal/sync/check.h"
#include "shoal/sync/status.h"

namespace shoal {

// One T in a block of its own, or nothing: what a unique_ptr is elsewhere. For large parts that are often absent, and for types that
// contain themselves.
//
//   struct Link { int64_t value; Box<Link> next; };
//   list->With([](Box<Link>& first) -> absl::Status {
//     SHOAL_RETURN_IF_ERROR(first.Set(1));             // builds a Link{1}
//     SHOAL_ASSIGN_OR_RETURN(Link* link, first.Edit());
//     return link->next.Set(2);
//   });
//
// Thread safety, process safety, crash safety, ownership, errors: as Vector. FailedPrecondition also: Edit of an empty one.
// Allocation:      one block, for as long as it is full.
// Layout:          40 bytes; docs/memory_format.md.
template <class T>
class Box final {
 public:
  Box() { [[maybe_unused]] constexpr bool checked = CheckGuardable<T>(); }
  Box(const Box&) = delete;
  Box& operator=(const Box&) = delete;

  // Or its header makes no sense: it is compared with the segment each time.
  bool empty() const { return core_.Look(kShape).size == 0; }
  // REQUIRES: not empty.
  const T& operator*() const {
    const shm_internal::VectorExtent seen = core_.Look(kShape);
    SHOAL_CHECK(seen.size != 0, "an empty Box has nothing to show");
    return *reinterpret_cast<const T*>(seen.elements);
  }
  const T* operator->() const { return &**this; }

  // What it holds, or null, after the header has been compared with the segment. DataLoss; FailedPrecondition: not in a segment.
  [[nodiscard]] absl::StatusOr<const T*> Checked() const {
    shm_internal::VectorExtent extent;
    SHOAL_RETURN_IF_ERROR(core_.ReadAnywhere(kShape, extent));
    return extent.size == 0 ? nullptr : reinterpret_cast<const T*>(extent.elements);
  }

  // What it holds, to write to.
  [[nodiscard]] absl::StatusOr<T*> Edit() {
    Change change;
    SHOAL_RETURN_IF_ERROR(core_.Begin(kShape, change));
    if (change.size == 0) {
      return sync_internal::MakeStatus(absl::StatusCode::kFailedPrecondition, "an empty Box has nothing to edit");
    }
    SHOAL_RETURN_IF_ERROR(core_.SaveFrom(kShape, change, 0));
    return reinterpret_cast<T*>(change.elements);
  }

  // Builds a new T from the arguments, in place of what it held.
  template <class... Args>
  [[nodiscard]] absl::Status Set(Args&&... args);
  [[nodiscard]] absl::Status Clear();

  // Gets what `other` holds, which is empty then, in place of what it held. `other` may lie in there, however deep:
  // list.Take((*list.Edit())->next) removes the first link. FailedPrecondition also: they do not lie in one segment, or this one lies in
  // what `other` holds. REQUIRES: nor deeper inside.
  [[nodiscard]] absl::Status Take(Box& other);
  // FailedPrecondition also: they do not lie in one segment, or one lies in what the other holds. REQUIRES: nor deeper inside.
  [[nodiscard]] absl::Status Swap(Box& other) { return shm_internal::VectorCore::Swap(kShape, core_, other.core_); }

 private:
  friend struct shm_internal::StoredAccess;
  using Section = shm_internal::Section;
  using Change = shm_internal::VectorChange;
  using Room = shm_internal::VectorRoom;

  static constexpr shm_internal::ElementShape kShape = {sizeof(T), alignof(T)};

  // For StoredAccess.
  static absl::Status Construct(Section& section, Box* where) {
    shm_internal::VectorCore::Make(section, &where->core_);
    return absl::OkStatus();
  }
  template <class First, class... Rest>
  static absl::Status Construct(Section& section, Box* where, First&& first, Rest&&... rest) {
    SHOAL_RETURN_IF_ERROR(Construct(section, where));
    Room room;
    SHOAL_RETURN_IF_ERROR(Build(section, room, std::forward<First>(first), std::forward<Rest>(rest)...));
    where->core_.MoveTo(room, 1);
    return absl::OkStatus();
  }
  static void Relocate(Section& section, Box* from, Box* to) {
    shm_internal::VectorCore::Relocate(section, &from->core_, &to->core_);
  }
  static absl::Status Dispose(shm_internal::Disposal& disposal, Box& box) {
    shm_internal::VectorExtent extent;
    if (!box.core_.ReadIn(disposal.section(), kShape, extent)) return box.core_.Nonsense();
    if (extent.capacity == 0) return absl::OkStatus();
    SHOAL_RETURN_IF_ERROR(disposal.Free(extent.elements));
    disposal.Add(reinterpret_cast<T*>(extent.elements), extent.size);
    return absl::OkStatus();
  }

  template <class... Args>
  static absl::Status Build(Section& section, Room& room, Args&&... args) {
    const Change none = {{.elements = nullptr, .size = 0, .capacity = 0}, &section, 0};
    shm_internal::CancelGuard records(section);
    SHOAL_RETURN_IF_ERROR(shm_internal::VectorCore::MakeRoom(kShape, none, 1, room));
    room.capacity = 1;
    SHOAL_RETURN_IF_ERROR(
        shm_internal::Construct(section, reinterpret_cast<T*>(room.elements), std::forward<Args>(args)...));
    records.Dismiss();
    return absl::OkStatus();
  }

  shm_internal::VectorCore core_;
};

template <class T>
struct ShareableTraits<Box<T>> : SharedType<SharedKind::kContainer, T> {
  static constexpr std::string_view kName = "Box";
};

template <class T>
template <class... Args>
absl::Status Box<T>::Set(Args&&... args) {
  Change change;
  SHOAL_RETURN_IF_ERROR(core_.Begin(kShape, change));
  Section& section = *change.section;
  shm_internal::CancelGuard records(section);
  Room room;
  SHOAL_RETURN_IF_ERROR(Build(section, room, std::forward<Args>(args)...));
  SHOAL_RETURN_IF_ERROR(shm_internal::Dispose(section, *this));
  records.Dismiss();
  core_.MoveTo(room, 1);
  return absl::OkStatus();
}

template <class T>
absl::Status Box<T>::Clear() {
  Change change;
  SHOAL_RETURN_IF_ERROR(core_.Begin(kShape, change));
  SHOAL_RETURN_IF_ERROR(shm_internal::Dispose(*change.section, *this));
  core_.MoveTo({}, 0);
  return absl::OkStatus();
}

// `other` is empty before what this one holds is given up, as it may be a part of it.
template <class T>
absl::Status Box<T>::Take(Box& other) {
  Change ours;
  Change theirs;
  SHOAL_RETURN_IF_ERROR(core_.Begin(kShape, ours));
  SHOAL_RETURN_IF_ERROR(other.core_.Begin(kShape, theirs));
  if (this == &other) return absl::OkStatus();
  if (theirs.Holds(this, kShape)) return shm_internal::WouldOwnItself();
  other.core_.MoveTo({}, 0);
  const absl::Status gone = shm_internal::Dispose(*ours.section, *this);
  shm_internal::VectorCore& taker = gone.ok() ? core_ : other.core_;
  taker.MoveTo({.elements = theirs.elements, .capacity = theirs.capacity}, theirs.size);
  taker.kept = theirs.kept;
  return gone;
}

}  // namespace shoal

#endif  // SHOAL_SHM_BOX_H_
