#ifndef SHOAL_IPC_LIFO_QUEUE_H_
#define SHOAL_IPC_LIFO_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/ipc/locked_queue.h"
#include "shoal/ipc/queue_handle.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/shareable.h"
#include "shoal/shm/shared.h"
#include "shoal/shm/stored.h"
#include "shoal/shm/vector.h"
#include "shoal/sync/status.h"

namespace shoal {

namespace ipc_internal {

template <class T>
struct StackItems {
  Vector<Kept<T>> values;  // the next to be taken is the last
};

template <class T>
struct StackPolicy {
  using Items = StackItems<T>;
  using State = LockedState<Items>;

  static size_t Size(const Items& items) { return items.values.size(); }
  static absl::Status Put(State& state, const T& value, uint64_t most_bytes) {
    if constexpr (SharedValue<T>) {
      return state.items.values.PushBack(value);
    } else {
      SHOAL_ASSIGN_OR_RETURN(const std::string bytes, BytesToKeep(value));
      if (bytes.size() > most_bytes) return MessageTooLarge(bytes.size(), most_bytes);
      return state.items.values.PushBack(std::string_view(bytes));
    }
  }
  static absl::Status Take(State& state, std::optional<T>& out) {
    const Kept<T>& last = state.items.values[state.items.values.size() - 1];
    if constexpr (SharedValue<T>) {
      if (HasValidBools<T>(reinterpret_cast<const std::byte*>(&last))) out.emplace(last);
    } else if (const auto bytes = last.Checked(); !bytes.ok()) {
      SHOAL_RETURN_IF_ERROR(ForgetIfDamaged(last));
    } else if (absl::StatusOr<T> value = FromKept<T>(*bytes); value.ok()) {
      out.emplace(*std::move(value));
    }
    return state.items.values.PopBack();
  }
};

template <class T>
class LifoObject final : public LockedObject<T, StackPolicy<T>> {
 public:
  using LockedObject<T, StackPolicy<T>>::LockedObject;
};

}  // namespace ipc_internal

// A bounded queue between processes that gives out first what was put last. Of plain values, and of whatever else can be encoded;
// not of handles.
//
// Thread safety:   every call may run concurrently with every other. A handle itself is like a std::shared_ptr.
// Process safety:  as Queue. Put and Get not inside a section of the same thread: they are sections themselves. Close is not
//                  taken back with a section; size and its likes say there what was when a call ended last.
// Crash safety:    an operation happens whole or not at all, whenever its process dies; everybody else goes on at once. A process that is
//                  stopped inside a call holds up the others: Queue does not.
// Blocking:        Put sleeps while it is full, Get while it is empty; one call is inside at a time. TryPut, TryGet, and calls
//                  with a short timeout, wait up to a second for whoever is inside: some microseconds, unless that was stopped.
//                  So does Wait, which takes it for ready if that cannot be told. Close, size and their likes wait for nobody.
// Memory ordering: what a process did before it put is visible to whoever takes it.
// Allocation:      items lie in the segment's heap.
template <class T>
class LifoQueue final : public ipc_internal::LockedHandle<T, ipc_internal::StackPolicy<T>, ipc_internal::LifoObject<T>> {
  using Object = ipc_internal::LifoObject<T>;
  using Base = ipc_internal::LockedHandle<T, ipc_internal::StackPolicy<T>, Object>;

 public:
  LifoQueue() = default;  // names none
  explicit LifoQueue(Shared<Object> object) : Base(std::move(object)) {}

  // InvalidArgument: a capacity of 0, or `acknowledge`; ResourceExhausted.
  [[nodiscard]] static absl::StatusOr<LifoQueue> Create(const QueueOptions& options = {}) {
    SHOAL_ASSIGN_OR_RETURN(Shared<Object> made, Base::Make(options));
    return LifoQueue(std::move(made));
  }
  [[nodiscard]] static absl::StatusOr<LifoQueue> Find(const Segment& segment, std::string_view key) {
    SHOAL_ASSIGN_OR_RETURN(Shared<Object> found, segment.template Find<Object>(key));
    return LifoQueue(std::move(found));
  }

 private:
  friend struct shm_internal::StoredAccess;
};

// The state is named as it lies there, so that what is in it is found when the queue goes; and for what it is sent as.
template <class T>
struct ShareableTraits<ipc_internal::LifoObject<T>>
    : SharedType<SharedKind::kConcurrent, ipc_internal::LockedState<ipc_internal::StackItems<T>>, ipc_internal::SentAs<T>> {
  static constexpr std::string_view kName = "LifoQueue";
};
template <class T>
struct ShareableTraits<LifoQueue<T>> : SharedType<SharedKind::kHandle, ipc_internal::LifoObject<T>> {
  static constexpr std::string_view kName = "Shared";
};

}  // namespace shoal

#endif  // SHOAL_IPC_LIFO_QUEUE_H_
