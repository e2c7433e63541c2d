#ifndef SHOAL_IPC_LOCKED_QUEUE_H_
#define SHOAL_IPC_LOCKED_QUEUE_H_

#include <algorithm>
#include <atomic>
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
#include "shoal/ipc/message_ring.h"
#include "shoal/ipc/message_type.h"
#include "shoal/ipc/payload.h"
#include "shoal/ipc/queue_handle.h"
#include "shoal/ipc/wait_hook.h"
#include "shoal/ipc/wire_type.h"
#include "shoal/shm/holds.h"
#include "shoal/shm/layout.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/section.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/shareable.h"
#include "shoal/shm/shareable_sync.h"
#include "shoal/shm/shared.h"
#include "shoal/shm/stored.h"
#include "shoal/shm/string.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/futex.h"
#include "shoal/sync/process_epoch.h"
#include "shoal/sync/status.h"

// What LifoQueue and PriorityQueue have in common: the items lie in what a Mutex guards, so an operation happens whole or not at
// all, whoever dies in it. Beside the Mutex lie words that nobody needs the lock for: that it is closed, how many items there
// are, and two audiences.
//
// Who finds nothing (or no room) announces himself while he has the lock, and sleeps when he has given it up. Whoever brings
// something has the lock after him, and so sees the announcement; he wakes all, when he has unlocked, and they look again.
//
//   EDGE locked_queue.closed: closed, seq_cst → looked at after an announcement, seq_cst; the audiences are looked at after
//   closing, seq_cst. One of the two sees the other. Close takes no lock: it can be called in a section, and beside a process
//   that is stopped in a call. Who found the queue closed and empty had the lock, so whoever puts later finds it closed, too:
//   what was put is taken, or was not put.
//
//   If the process dies …                    the others see …
//    in a section                             the queue as before; whoever has the lock next; `deaths` makes those who sleep look
//    before it commits, the size noted        a wrong size, as long as they cannot lock; whoever can, corrects it
//    having committed, no wake given          `deaths`, on which everybody sleeps, too
//    having closed it, no wake given          the same
//    announced, asleep, or woken              one bit too many, which costs one system call

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
  uint64_t next = 0;  // number of the next item
  Items items;
};

// The object in the segment. `Policy`: Items; static Put(state, value, most_bytes), Take(state, optional<T>& out), Size(items).
// What fails is rolled back by the caller. If what is taken makes no sense it is gone all the same: OK, and nothing in `out`.
template <class T, class Policy>
class LockedObject {
 public:
  using State = LockedState<typename Policy::Items>;
  using Guard = MutexGuard<State>;

  LockedObject(uint64_t capacity, uint64_t most_bytes) : capacity_(capacity), most_bytes_(most_bytes) {}

  absl::StatusOr<Guard> Lock(sync_internal::Deadline deadline) {
    // Who only looks waits for whoever is inside, too; but not for ever: that may have been stopped.
    constexpr absl::Duration kPatience = absl::Seconds(1);
    SHOAL_ASSIGN_OR_RETURN(
        Guard guard, state_.Lock(deadline.infinite() ? absl::InfiniteDuration() : std::max(kPatience, deadline.Remaining())));
    NoteSize(*guard);
    return guard;
  }
  void Commit(Guard& guard) {
    NoteSize(*guard);
    guard.Release();
  }

  // Takes nothing and waits for nobody: if somebody is inside, or the lock cannot be had, it is what was noted last.
  size_t Size() {
    if (const std::optional<Guard> guard = state_.TryLock()) NoteSize(**guard);
    return noted_size_.load(std::memory_order_relaxed);  // relaxed: a number
  }

  void Close() {
    closed_.store(1, std::memory_order_seq_cst);  // locked_queue.closed (seq_cst)
    filled_.Wake(INT_MAX);
    freed_.Wake(INT_MAX);
  }
  bool closed() const { return closed_.load(std::memory_order_seq_cst) != 0; }  // locked_queue.closed (seq_cst)

  Audience& filled() { return filled_; }  // wait for an item, or the end
  Audience& freed() { return freed_; }    // wait for room, or the end
  uint64_t capacity() const { return capacity_; }
  uint64_t most_bytes() const { return most_bytes_; }

  // Whether a Get need not wait: for an item, the end, or an error.
  bool Ready() {
    const auto guard = Lock(sync_internal::Deadline::Passed());
    return !guard.ok() || closed() || Policy::Size((*guard)->items) != 0;
  }

 private:
  void NoteSize(const State& state) {
    noted_size_.store(Policy::Size(state.items), std::memory_order_relaxed);  // relaxed: a number
  }

  Mutex<State> state_;  // first: shm/dispose.cc finds it there
  const uint64_t capacity_;
  const uint64_t most_bytes_;            // of an item
  std::atomic<uint64_t> noted_size_{0};  // changed by whoever has the lock
  std::atomic<uint32_t> closed_{0};      // 1: closed, for ever
  Audience filled_;
  Audience freed_;
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

  // Errors, of both: FailedPrecondition: the handle names no queue, or this thread has a section open; DataLoss;
  // ResourceExhausted: the segment is full, the message too large, or too many threads use the segment.
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

  // Exact while nobody is in a call; 0, true, false of a handle that names no queue.
  size_t size() const {
    Object* const object = object_.get();
    return object == nullptr ? 0 : object->Size();
  }
  bool empty() const { return size() == 0; }
  bool full() const {
    Object* const object = object_.get();
    return object != nullptr && object->Size() >= object->capacity();
  }

  // From now on nothing is put; what has been put can be taken. In whatever process, in a section or outside, and more than once.
  void Close() {
    if (Object* const object = object_.get(); object != nullptr) object->Close();
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
    return OrNoMemory(
        [&] { return segment.template New<Object>(uint64_t{options.capacity}, options.max_message_bytes); });
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
  using Guard = typename Object::Guard;

  // The lock, as soon as the queue is closed, or `may_go_on`(items). DeadlineExceeded; the errors of a Mutex.
  template <class MayGoOn>
  static absl::StatusOr<Guard> LockWhen(Object& object, const shm_internal::Hold& hold, Audience& audience, Deadline deadline,
                                        MayGoOn may_go_on) {
    const sync_internal::FutexWord& deaths = hold.attachment->header().deaths;
    for (;;) {
      const uint32_t seen = deaths.load(std::memory_order_acquire);  // participants.deaths (acquire): before the look
      SHOAL_ASSIGN_OR_RETURN(Guard guard, object.Lock(deadline));
      if (object.closed() || may_go_on(guard->items)) return guard;
      if (deadline.passed()) return TimedOut();
      const uint32_t word = audience.Announce();
      if (object.closed()) return guard;
      guard.Release();
      sync_internal::SleepWhile({{&audience.word(), word}, {&deaths, seen}}, deadline);
    }
  }

  absl::Status PutUntil(const T& value, Deadline deadline) {
    return OrNoMemory([&] { return PutOrThrow(value, deadline); });
  }
  // What is thrown in a section rolls it back.
  absl::Status PutOrThrow(const T& value, Deadline deadline) {
    const shm_internal::Hold* const hold = HoldOrNull();
    if (hold == nullptr) return NamesNoQueue();
    Object& object = *object_;
    if (SharedValue<T> && sizeof(T) > object.most_bytes()) return MessageTooLarge(sizeof(T), object.most_bytes());
    SHOAL_ASSIGN_OR_RETURN(Guard guard, LockWhen(object, *hold, object.freed(), deadline, [&](const auto& items) {
                             return Policy::Size(items) < object.capacity();
                           }));
    if (object.closed()) return PutIntoClosedQueue();
    if (absl::Status status = Policy::Put(*guard, value, object.most_bytes()); !status.ok()) {
      guard.Rollback();
      return status;
    }
    object.Commit(guard);
    object.filled().Wake(INT_MAX);
    return absl::OkStatus();
  }

  absl::StatusOr<T> GetUntil(Deadline deadline) {
    const shm_internal::Hold* const hold = HoldOrNull();
    if (hold == nullptr) return NamesNoQueue();
    absl::StatusOr<T> value = OrNoMemory([&] { return TakeOrThrow(*object_, *hold, deadline); });
    Watch::TellConsumed(*hold);  // also if others have taken what the descriptor speaks of
    return value;
  }
  static absl::StatusOr<T> TakeOrThrow(Object& object, const shm_internal::Hold& hold, Deadline deadline) {
    SHOAL_ASSIGN_OR_RETURN(Guard guard, LockWhen(object, hold, object.filled(), deadline,
                                                 [](const auto& items) { return Policy::Size(items) != 0; }));
    if (Policy::Size(guard->items) == 0) return QueueIsDrained();
    std::optional<T> value;
    if (absl::Status status = Policy::Take(*guard, value); !status.ok()) {
      guard.Rollback();
      return status;
    }
    // Before the commit: what a move throws leaves the item where it is.
    absl::StatusOr<T> taken = value.has_value() ? absl::StatusOr<T>(*std::move(value)) : DamagedMessage();
    object.Commit(guard);
    object.freed().Wake(INT_MAX);
    return taken;
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

  Shared<Object> object_;
};

}  // namespace shoal::ipc_internal

#endif  // SHOAL_IPC_LOCKED_QUEUE_H_
