#ifndef SHOAL_IPC_PRIORITY_QUEUE_H_
#define SHOAL_IPC_PRIORITY_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/ipc/locked_queue.h"
#include "shoal/ipc/queue_handle.h"
#include "shoal/shm/hash_map.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/shareable.h"
#include "shoal/shm/shared.h"
#include "shoal/shm/stored.h"
#include "shoal/shm/string.h"
#include "shoal/shm/vector.h"
#include "shoal/sync/status.h"

namespace shoal {

namespace ipc_internal {

template <class T>
struct Ranked {
  T value;
  uint64_t number;  // in the order of putting: of two equals the first to come goes first
};

// A heap of plain values. At: DataLoss: that item is damaged.
template <class T>
struct ValueHeap {
  using Rank = Ranked<T>;
  Vector<Rank> ranks;

  absl::StatusOr<Ranked<T>> At(size_t index) const {
    const Rank& rank = ranks[index];
    if (!HasValidBools<T>(reinterpret_cast<const std::byte*>(&rank.value))) return DamagedMessage();
    return rank;
  }
  absl::Status Set(size_t index, const Ranked<T>& item) { return ranks.Set(index, item); }
  absl::Status Add(const Ranked<T>& item, uint64_t) { return ranks.PushBack(item); }
  absl::Status Forget(const Rank&) { return absl::OkStatus(); }
};

// A heap of the numbers of values that are encoded.
template <class T>
struct EncodedHeap {
  using Rank = uint64_t;
  Vector<Rank> ranks;
  HashMap<uint64_t, String> texts;

  absl::StatusOr<Ranked<T>> At(size_t index) const {
    const uint64_t number = ranks[index];
    const String* const text = texts.Find(number);
    if (text == nullptr) return DamagedMessage();
    SHOAL_ASSIGN_OR_RETURN(const std::string_view bytes, text->Checked());
    SHOAL_ASSIGN_OR_RETURN(T value, FromKept<T>(bytes));
    return Ranked<T>{.value = std::move(value), .number = number};
  }
  absl::Status Set(size_t index, const Ranked<T>& item) { return ranks.Set(index, item.number); }
  absl::Status Add(const Ranked<T>& item, uint64_t most_bytes) {
    SHOAL_ASSIGN_OR_RETURN(const std::string bytes, BytesToKeep(item.value));
    if (bytes.size() > most_bytes) return MessageTooLarge(bytes.size(), most_bytes);
    SHOAL_RETURN_IF_ERROR(texts.Set(item.number, std::string_view(bytes)));
    return ranks.PushBack(item.number);
  }
  absl::Status Forget(Rank number) {
    if (const String* const text = texts.Find(number); text != nullptr) SHOAL_RETURN_IF_ERROR(ForgetIfDamaged(*text));
    return texts.Erase(number).status();
  }
};

template <class T>
using HeapItems = std::conditional_t<SharedValue<T>, ValueHeap<T>, EncodedHeap<T>>;

// Each item goes before or beside the nearest items below it that are not damaged. What is damaged compares with nothing: an item that comes
// passes it by, and one that is met when another goes is taken for the first, so that it comes to the top, and out.
template <class T, class Before>
struct HeapPolicy {
  using Items = HeapItems<T>;
  using State = LockedState<Items>;

  static size_t Size(const Items& items) { return items.ranks.size(); }

  static absl::Status Put(State& state, const T& value, uint64_t most_bytes) {
    Items& heap = state.items;
    const Ranked<T> item = {.value = value, .number = state.next++};
    SHOAL_RETURN_IF_ERROR(heap.Add(item, most_bytes));
    size_t hole = heap.ranks.size() - 1;
    for (size_t above = hole; above != 0;) {
      above = (above - 1) / 2;
      const absl::StatusOr<Ranked<T>> other = heap.At(above);
      if (!other.ok()) continue;
      if (!GoesFirst(item, *other)) break;
      SHOAL_RETURN_IF_ERROR(Copy(heap, above, hole));
      hole = above;
    }
    return heap.Set(hole, item);
  }

  static absl::Status Take(State& state, std::optional<T>& out) {
    Items& heap = state.items;
    const size_t last_index = heap.ranks.size() - 1;
    const typename Items::Rank rank = heap.ranks[0];
    absl::StatusOr<Ranked<T>> first = heap.At(0);
    const absl::StatusOr<Ranked<T>> last = heap.At(last_index);
    size_t hole = 0;
    for (size_t below = 1; below < last_index; below = 2 * hole + 1) {
      absl::StatusOr<Ranked<T>> child = heap.At(below);
      if (below + 1 < last_index) {
        absl::StatusOr<Ranked<T>> right = heap.At(below + 1);
        if (GoesFirst(right, child)) {
          child = std::move(right);
          ++below;
        }
      }
      if (!GoesFirst(child, last)) break;
      SHOAL_RETURN_IF_ERROR(Copy(heap, below, hole));
      hole = below;
    }
    if (last_index != 0) SHOAL_RETURN_IF_ERROR(Copy(heap, last_index, hole));
    SHOAL_RETURN_IF_ERROR(heap.ranks.PopBack());
    SHOAL_RETURN_IF_ERROR(heap.Forget(rank));
    if (first.ok()) out.emplace(std::move(first->value));
    return absl::OkStatus();
  }

 private:
  static bool GoesFirst(const Ranked<T>& left, const Ranked<T>& right) {
    if (Before()(left.value, right.value)) return true;
    return !Before()(right.value, left.value) && left.number < right.number;
  }
  static bool GoesFirst(const absl::StatusOr<Ranked<T>>& left, const absl::StatusOr<Ranked<T>>& right) {
    if (!left.ok() || !right.ok()) return !left.ok();
    return GoesFirst(*left, *right);
  }
  static absl::Status Copy(Items& heap, size_t from, size_t to) {
    const typename Items::Rank rank = heap.ranks[from];
    return heap.ranks.Set(to, rank);
  }
};

template <class T, class Before>
class PriorityObject final : public LockedObject<T, HeapPolicy<T, Before>> {
 public:
  using LockedObject<T, HeapPolicy<T, Before>>::LockedObject;
};

}  // namespace ipc_internal

// A bounded queue between processes that gives out the smallest first, by `Before`, and of equals the one that was put first. Of
// plain values, and of whatever else can be encoded; not of handles. All that is said of LifoQueue holds.
//
// All programs that use one must order alike. An operation compares about log2(size) values; those that are encoded it decodes.
template <class T, class Before = std::less<T>>
class PriorityQueue final
    : public ipc_internal::LockedHandle<T, ipc_internal::HeapPolicy<T, Before>, ipc_internal::PriorityObject<T, Before>> {
  using Object = ipc_internal::PriorityObject<T, Before>;
  using Base = ipc_internal::LockedHandle<T, ipc_internal::HeapPolicy<T, Before>, Object>;

 public:
  PriorityQueue() = default;  // names none
  explicit PriorityQueue(Shared<Object> object) : Base(std::move(object)) {}

  // InvalidArgument: a capacity of 0, or `acknowledge`; ResourceExhausted.
  [[nodiscard]] static absl::StatusOr<PriorityQueue> Create(const QueueOptions& options = {}) {
    SHOAL_ASSIGN_OR_RETURN(Shared<Object> made, Base::Make(options));
    return PriorityQueue(std::move(made));
  }
  [[nodiscard]] static absl::StatusOr<PriorityQueue> Find(const Segment& segment, std::string_view key) {
    SHOAL_ASSIGN_OR_RETURN(Shared<Object> found, segment.template Find<Object>(key));
    return PriorityQueue(std::move(found));
  }

 private:
  friend struct shm_internal::StoredAccess;
};

template <class T, class Before>
struct ShareableTraits<ipc_internal::PriorityObject<T, Before>>
    : SharedType<SharedKind::kConcurrent, ipc_internal::LockedState<ipc_internal::HeapItems<T>>, ipc_internal::SentAs<T>> {
  static constexpr std::string_view kName = "PriorityQueue";
};
template <class T, class Before>
struct ShareableTraits<PriorityQueue<T, Before>> : SharedType<SharedKind::kHandle, ipc_internal::PriorityObject<T, Before>> {
  static constexpr std::string_view kName = "Shared";
};

}  // namespace shoal

#endif  // SHOAL_IPC_PRIORITY_QUEUE_H_
