#ifndef SHOAL_IPC_LOCKED_QUEUE_H_
#define SHOAL_IPC_LOCKED_QUEUE_H_

#include <algorithm>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/ipc/audience.h"
#include "shoal/ipc/locked_queue_watch.h"
#include "shoal/ipc/message_type.h"
#include "shoal/ipc/payload.h"
#include "shoal/ipc/queue_handle.h"
#include "shoal/ipc/wait_hook.h"
#include "shoal/ipc/wire_type.h"
#include "shoal/shm/holds.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/section.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/shareable.h"
#include "shoal/shm/shareable_sync.h"
#include "shoal/shm/shared.h"
#include "shoal/shm/stored.h"
#include "shoal/shm/string.h"
#include "shoal/sync/condition.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/process_epoch.h"
#include "shoal/sync/status.h"

// What LifoQueue and PriorityQueue have in common: the items lie in what a Mutex guards, and two conditions tell of changes. So an
// operation happens whole or not at all, whoever dies in it, and no notification is lost (sync/condition.h). Those who wait for several
// objects at once sleep on a word beside it (locked_queue_watch.h).

namespace shoal::ipc_internal {

// What an item lies there as: a plain value as itself, anything else as its bytes.
template <class T>
using Kept = std::conditional_t<SharedValue<T>, T, String>;

template <class T>
absl::StatusOr<std::string> BytesToKeep(const T& value) {
  std::string bytes;
  if constexpr (FormOf<T>() == MessageForm::kBulk) {
    WithBulkBytes(value, [&](std::span<const std::byte> all) {
      bytes.assign(reinterpret_cast<const char*>(all.data()), all.size());
    });
  } else {
    CborWriter writer(bytes);
    EncodeItem(writer, value);
    SHOAL_RETURN_IF_ERROR(WrittenWhole(writer));
  }
  return bytes;
}
template <class T>
absl::StatusOr<T> FromKept(std::string_view kept) {
  std::optional<T> value;
  // Numbers are read where they are aligned.
  const std::string copy(kept);
  SHOAL_RETURN_IF_ERROR(Decode(std::as_bytes(std::span(copy.data(), copy.size())), nullptr, value));
  return *std::move(value);
}

// What lies in a damaged one is nobody's any more, so that the container around it can give it up.
// REQUIRES: a section of its segment is open.
inline absl::Status ForgetIfDamaged(const String& kept) {
  if (kept.Checked().ok()) return absl::OkStatus();
  shm_internal::Section* const section = shm_internal::OpenSectionOrNull(&kept, sizeof(kept));
  if (section == nullptr) return shm_internal::NoOpenSection(&kept);
  auto* const damaged = const_cast<String*>(&kept);
  SHOAL_RETURN_IF_ERROR(section->Save(damaged, sizeof(*damaged)));
  return shm_internal::StoredAccess::Construct(*section, damaged);
}

// What the Mutex guards. `Items`: a plain struct of containers.
template <class Items>
struct LockedState {
  uint64_t capacity = 0;
  uint64_t most_bytes = 0;
  uint64_t next = 0;  // number of the next item
  uint64_t closed = 0;
  Items items;
};

// The object in the segment. `Policy`: Items; static Put(state, value), Take(state, optional<T>& out), Size(items). What fails is
// rolled back by the caller. If what is taken makes no sense it is gone all the same: OK, and nothing in `out`.
template <class T, class Policy>
class LockedObject {
 public:
  using State = LockedState<typename Policy::Items>;

  LockedObject(uint64_t capacity, uint64_t most_bytes) : state_(capacity, most_bytes) {}

  absl::StatusOr<MutexGuard<State>> Lock(sync_internal::Deadline deadline) {
    // Who only looks waits for whoever is inside, too; but not for ever: that may have been stopped.
    constexpr absl::Duration kPatience = absl::Seconds(1);
    return state_.Lock(deadline.infinite() ? absl::InfiniteDuration() : std::max(kPatience, deadline.Remaining()));
  }
  Condition& filled() { return filled_; }
  Condition& freed() { return freed_; }
  Audience& watchers() { return watchers_; }

  // Whether a Get need not wait: for an item, the end, or an error.
  bool Ready() {
    const auto guard = Lock(sync_internal::Deadline::Passed());
    return !guard.ok() || (*guard)->closed != 0 || Policy::Size((*guard)->items) != 0;
  }

 private:
  Mutex<State> state_;  // first: shm/dispose.cc finds it there
  Condition filled_;
  Condition freed_;
  Audience watchers_;  // take nothing
  [[maybe_unused]] uint32_t reserved_ = 0;
};

// Says in words why a type cannot be an item.
template <class T>
constexpr bool CheckItem() {
  constexpr bool kComplete = requires { sizeof(T); };
  static_assert(kComplete, "a LifoQueue or PriorityQueue takes no handles, and so none of its own kind: take a Queue");
  if constexpr (kComplete) {
    CheckMessage<T>();
    static_assert(SharedValue<T> || !ContainsHandle<T>(), "handles travel in a Queue, a SimpleQueue or a JoinableQueue");
  }
  return true;
}

template <class T, class Policy, class Object>
class LockedHandle {
  static_assert(CheckItem<T>());
  using Deadline = sync_internal::Deadline;

 public:
  using value_type = T;

  LockedHandle() = default;
  explicit LockedHandle(Shared<Object> object) : object_(std::move(object)) {}

  // Errors, all: FailedPrecondition: the handle names no queue, or this thread has a section open; DataLoss; ResourceExhausted: the
  // segment is full, the message too large, or too many threads use the segment.
  // Put: DeadlineExceeded; FailedPrecondition: closed. Nothing was put. Get: DataLoss: as a rule an item that made no sense, which is gone.
  [[nodiscard]] absl::Status Put(const T& value, absl::Duration timeout = absl::InfiniteDuration()) {
    return PutUntil(value, Deadline::After(timeout));
  }
  [[nodiscard]] bool TryPut(const T& value) { return PutUntil(value, Deadline::Passed()).ok(); }
  // DeadlineExceeded; Cancelled: closed, and nothing is left.
  [[nodiscard]] absl::StatusOr<T> Get(absl::Duration timeout = absl::InfiniteDuration()) {
    return GetUntil(Deadline::After(timeout));
  }
  [[nodiscard]] std::optional<T> TryGet() {
    auto value = GetUntil(Deadline::Passed());
    if (!value.ok()) return std::nullopt;
    return *std::move(value);
  }

  size_t size() const { return Look([](const auto& state) { return Policy::Size(state.items); }); }
  bool empty() const { return size() == 0; }
  bool full() const {
    return Look([](const auto& state) { return size_t{Policy::Size(state.items) >= state.capacity}; }) != 0;
  }

  // From now on nothing is put; what has been put can be taken.
  void Close() {
    Object* const object = object_.get();
    if (object == nullptr) return;
    auto guard = object->Lock(Deadline::Infinite());
    if (!guard.ok()) return;
    (*guard)->closed = 1;
    object->filled().NotifyAll(*guard).IgnoreError();
    object->freed().NotifyAll(*guard).IgnoreError();
    guard->Release();
    object->watchers().Wake(INT_MAX);
  }

  // For Wait; valid as long as this process holds the queue.
  WaitHook wait_hook() const {
    Watch* const watch = WatchOrNull();
    return watch == nullptr ? WaitHook() : watch->Hook();
  }
  // As Queue::fd.
  [[nodiscard]] absl::StatusOr<int> fd() const {
    Watch* const watch = WatchOrNull();
    if (watch == nullptr) return NamesNoQueue();
    return watch->Fd();
  }

  [[nodiscard]] absl::Status PublishAs(std::string_view key) const { return PublishQueue(key, object_); }
  const Shared<Object>& shared() const { return object_; }
  [[nodiscard]] absl::Status Assign(const LockedHandle& other) { return object_.Assign(other.object_); }
  explicit operator bool() const { return static_cast<bool>(object_); }

 protected:
  static absl::StatusOr<Shared<Object>> Make(const QueueOptions& options) {
    if (options.capacity == 0) return NoSuchCapacity(options.capacity);
    if (options.acknowledge) return OnlyQueuesAcknowledge();
    const Segment& segment = options.segment == nullptr ? Segment::Default() : *options.segment;
    return segment.template New<Object>(uint64_t{options.capacity}, options.max_message_bytes);
  }

  // For StoredAccess.
  static absl::Status Construct(shm_internal::Section& section, LockedHandle* where) {
    return shm_internal::StoredAccess::Construct(section, &where->object_);
  }
  static absl::Status Construct(shm_internal::Section& section, LockedHandle* where, const LockedHandle& other) {
    return shm_internal::StoredAccess::Construct(section, &where->object_, other.object_);
  }
  static void Relocate(shm_internal::Section& section, LockedHandle* from, LockedHandle* to) {
    shm_internal::StoredAccess::Relocate(section, &from->object_, &to->object_);
  }
  static absl::Status Dispose(shm_internal::Disposal& disposal, LockedHandle& object) {
    return shm_internal::StoredAccess::Dispose(disposal, object.object_);
  }

 private:
  absl::Status PutUntil(const T& value, Deadline deadline) {
    Object* const object = object_.get();
    if (object == nullptr) return NamesNoQueue();
    SHOAL_ASSIGN_OR_RETURN(auto guard, object->Lock(deadline));
    const auto may_go_on = [&] { return guard->closed != 0 || Policy::Size(guard->items) < guard->capacity; };
    SHOAL_RETURN_IF_ERROR(object->freed().Wait(guard, may_go_on, Left(deadline)));
    if (guard->closed != 0) return PutIntoClosedQueue();
    absl::Status status = Policy::Put(*guard, value);
    if (status.ok()) status = object->filled().Notify(guard);
    if (!status.ok()) {
      guard.Rollback();
      return status;
    }
    guard.Release();
    object->watchers().Wake(INT_MAX);
    return absl::OkStatus();
  }

  absl::StatusOr<T> GetUntil(Deadline deadline) {
    Object* const object = object_.get();
    if (object == nullptr) return NamesNoQueue();
    SHOAL_ASSIGN_OR_RETURN(auto guard, object->Lock(deadline));
    const auto may_go_on = [&] { return guard->closed != 0 || Policy::Size(guard->items) != 0; };
    SHOAL_RETURN_IF_ERROR(object->filled().Wait(guard, may_go_on, Left(deadline)));
    if (Policy::Size(guard->items) == 0) return QueueIsDrained();
    std::optional<T> value;
    absl::Status status = Policy::Take(*guard, value);
    if (status.ok()) status = object->freed().Notify(guard);
    if (!status.ok()) {
      guard.Rollback();
      return status;
    }
    guard.Release();
    if (const shm_internal::Hold* const hold = HoldOrNull()) Watch::TellConsumed(*hold);
    if (!value.has_value()) return DamagedMessage();
    return *std::move(value);
  }

  using Watch = LockedWatch<Object>;
  shm_internal::Hold* HoldOrNull() const {
    shm_internal::Hold* const hold = shm_internal::HandleAccess::Of(object_).hold_or_null();
    return hold == nullptr || !sync_internal::InProcessOf(hold->epoch) ? nullptr : hold;
  }
  // Null: the handle names no queue of this process's.
  Watch* WatchOrNull() const {
    shm_internal::Hold* const hold = HoldOrNull();
    return hold == nullptr ? nullptr : &Watch::Of(*hold, *object_.get());
  }

  static absl::Duration Left(Deadline deadline) {
    return deadline.poll_once() ? absl::ZeroDuration() : deadline.Remaining();
  }

  template <class F>
  size_t Look(F look) const {
    Object* const object = object_.get();
    if (object == nullptr) return 0;
    const auto guard = object->Lock(Deadline::Passed());
    return guard.ok() ? look(**guard) : 0;
  }

  Shared<Object> object_;
};

}  // namespace shoal::ipc_internal

#endif  // SHOAL_IPC_LOCKED_QUEUE_H_
