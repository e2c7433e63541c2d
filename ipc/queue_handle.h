#ifndef SHOAL_IPC_QUEUE_HANDLE_H_
#define SHOAL_IPC_QUEUE_HANDLE_H_

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/ipc/message_ring.h"
#include "shoal/ipc/message_type.h"
#include "shoal/ipc/payload.h"
#include "shoal/ipc/wait_hook.h"
#include "shoal/shm/holds.h"
#include "shoal/shm/names.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/shareable.h"
#include "shoal/shm/shared.h"
#include "shoal/shm/stored.h"
#include "shoal/shm/type_table.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/process_epoch.h"
#include "shoal/sync/status.h"

// What all queues over a ring have in common: a counted handle to the object in the segment.

namespace shoal {

struct QueueOptions {
  const Segment* segment = nullptr;  // where it lies; null: in Segment::Default()
  size_t capacity = 1024;            // messages that are put and not taken; with `acknowledge`, not done
  // A message that was taken belongs to its taker until that says Done, or dies: then it is delivered again. Whoever must know that takes
  // it with Receive, which has the mark.
  bool acknowledge = false;
  uint64_t max_message_bytes = uint64_t{1} << 40;  // a larger one is refused
  size_t inline_bytes = 0;           // messages up to this size lie in the queue itself; 0: what suits the type
};

namespace ipc_internal {

inline constexpr size_t kMaxInlineBytes = 1024;   // unless asked for
inline constexpr size_t kMostInlineBytes = 65536;  // asked for
inline constexpr size_t kEncodedInlineBytes = 104;

// Bytes from a cell to its room, so that a T may lie there.
template <class T>
constexpr uint32_t RoomAt() {
  constexpr size_t kAlignment = std::min<size_t>(FormOf<T>() == MessageForm::kBytes ? alignof(T) : 8, 64);
  return static_cast<uint32_t>((sizeof(shm_internal::Cell) + kAlignment - 1) / kAlignment * kAlignment);
}

template <class T>
absl::StatusOr<RingShape> ShapeFor(const QueueOptions& options, uint32_t flags) {
  if (options.capacity == 0 || options.capacity > kMaxRingCapacity) return NoSuchCapacity(options.capacity);
  if (options.inline_bytes > kMostInlineBytes) return TooMuchInline(options.inline_bytes);
  size_t room = kEncodedInlineBytes;
  if constexpr (FormOf<T>() == MessageForm::kBytes) room = sizeof(T) <= kMaxInlineBytes ? sizeof(T) : 0;
  if (options.inline_bytes != 0) room = options.inline_bytes;
  if (options.acknowledge) flags |= RingFlags::kKeep | RingFlags::kRedeliver;
  if (!Repeats<T> && flags != 0) return CannotDeliverTwice();
  return RingShape{.capacity = static_cast<uint32_t>(options.capacity),
                   .room_at = RoomAt<T>(),
                   .room_bytes = static_cast<uint32_t>(room),
                   .flags = flags,
                   .most_bytes = std::min(options.max_message_bytes, shm_internal::CellContent::kMaxBytes)};
}

// Makes the queue findable by a name in its segment.
template <class Object>
absl::Status PublishQueue(std::string_view key, const Shared<Object>& object) {
  const shm_internal::Handle& handle = shm_internal::HandleAccess::Of(object);
  const shm_internal::Hold* const hold = handle.hold_or_null();
  if (hold == nullptr || !sync_internal::InProcessOf(hold->epoch)) return NamesNoQueue();
  return shm_internal::PublishName(hold->attachment, key, handle, shm_internal::DescriptionOf<Object>());
}

// The object in the segment. Nobody reads it but through a RingPort.
template <class T>
class QueueObject {
 public:
  static absl::Status ConstructInSegment(QueueObject* where, shm_internal::Section& section, const RingShape& shape) {
    return MessageRing::Construct(&where->ring_, section, shape);
  }

 private:
  MessageRing ring_;
};

// The handle. `Object`: a QueueObject<T>, or one like it with a name of its own. What T is, members ask when they are called: where the
// class is named, a T may be incomplete, for it may have a handle to its own queue.
template <class T, class Object>
class QueueHandle {
 public:
  using value_type = T;

  QueueHandle() = default;
  explicit QueueHandle(Shared<Object> object) : object_(std::move(object)) {}

  // The handle that it is made of: to publish the queue by a name (Segment::Publish), or to store it.
  const Shared<Object>& shared() const { return object_; }
  [[nodiscard]] absl::Status Assign(const QueueHandle& other) { return object_.Assign(other.object_); }
  // Whether it names a queue that this process may use.
  explicit operator bool() const { return static_cast<bool>(object_); }

  // Exact while nobody is in a call; 0, true, false of a handle that names no queue.
  size_t size() const {
    const RingPort* const port = EnterOrNull();
    return port == nullptr ? 0 : port->size();
  }
  bool empty() const { return size() == 0; }
  bool full() const {
    const RingPort* const port = EnterOrNull();
    return port != nullptr && port->full();
  }
  size_t capacity() const {
    const RingPort* const port = EnterOrNull();
    return port == nullptr ? 0 : port->capacity();
  }

  // From now on nothing is put; what has been put can be taken. In whatever process, and more than once.
  void Close() {
    if (const auto port = Enter(); port.ok()) (*port)->Close().IgnoreError();
  }

  // For Wait: ready when there is something to take, or the end. Valid as long as this process holds the queue.
  WaitHook wait_hook() const {
    const RingPort* const port = EnterOrNull();
    return port == nullptr ? WaitHook() : port->Hook();
  }
  // A descriptor of this process for poll(2) and its kin: can be read while there is something to take, or the end. It stays the
  // queue's; a thread of this process feeds it from the first call on. ResourceExhausted; FailedPrecondition: names no queue.
  [[nodiscard]] absl::StatusOr<int> fd() const {
    SHOAL_ASSIGN_OR_RETURN(RingPort * port, Enter());
    return OrNoMemory([&] { return port->Fd(); });
  }

 protected:
  static absl::StatusOr<Shared<Object>> Make(const QueueOptions& options, uint32_t flags) {
    static_assert(CheckMessage<T>());
    SHOAL_ASSIGN_OR_RETURN(const RingShape shape, ShapeFor<T>(options, flags));
    const Segment& segment = options.segment == nullptr ? Segment::Default() : *options.segment;
    return OrNoMemory([&] { return segment.template New<Object>(shape); });
  }

  static absl::StatusOr<Shared<Object>> FindObject(const Segment& segment, std::string_view key) {
    static_assert(CheckMessage<T>());
    return segment.template Find<Object>(key);
  }

  // The ring, for one call of a user.
  absl::StatusOr<RingPort*> Enter() const {
    static_assert(CheckMessage<T>());
    const shm_internal::Hold* const hold = shm_internal::HandleAccess::Of(object_).hold_or_null();
    if (__builtin_expect(hold == nullptr || !sync_internal::InProcessOf(hold->epoch), 0)) return NamesNoQueue();
    // message_ring.port (acquire)
    auto* port = static_cast<RingPort*>(hold->companion.load(std::memory_order_acquire));
    if (__builtin_expect(port == nullptr, 0)) {
      SHOAL_ASSIGN_OR_RETURN(port, OpenPort(*const_cast<shm_internal::Hold*>(hold), RoomAt<T>()));
    }
    SHOAL_RETURN_IF_ERROR(port->Enter());
    return port;
  }
  // The same for calls that only look; null: FailedPrecondition or whatever else.
  RingPort* EnterOrNull() const {
    const auto port = Enter();
    return port.ok() ? *port : nullptr;
  }

  absl::Status PutValue(const T& value, sync_internal::Deadline deadline) {
    SHOAL_ASSIGN_OR_RETURN(RingPort * port, Enter());
    return PutInto(*port, value, deadline, /*quietly=*/false);
  }

  absl::Status PutMoved(T& value, sync_internal::Deadline deadline) {
    SHOAL_ASSIGN_OR_RETURN(RingPort * port, Enter());
    return MoveInto(*port, value, deadline, /*quietly=*/false);
  }

  // Nothing is left with the caller. What was put, and could not be published after all, goes back to where it came from.
  static absl::Status MoveInto(RingPort& port, T& value, sync_internal::Deadline deadline, bool quietly) {
    return OrNoMemory([&] { return MoveIntoOrThrow(port, value, deadline, quietly); });
  }
  static absl::Status MoveIntoOrThrow(RingPort& port, T& value, sync_internal::Deadline deadline, bool quietly) {
    SHOAL_ASSIGN_OR_RETURN(HeldCell held, port.Claim(deadline));
    const AbandonIfUnwound guard(port, held);
    const Carrier carrier = port.CarrierOf(held);
    MessageCell at = port.At(held.cell);
    at.carrier = &carrier;
    absl::Status status = PutMessage(port.segment(), at, std::as_const(value), port.most_bytes());
    if (status.ok()) {
      status = quietly ? port.PublishQuietly(held, deadline) : port.Publish(held, deadline);
      if (status.ok()) {
        [[maybe_unused]] const T gone = std::move(value);
        return status;
      }
      std::optional<T> back;
      if (TakeMessage(port.segment(), at, port.SpentWord(held), back).ok()) value = *std::move(back);
    }
    port.Abandon(held);
    return status;
  }

  static absl::Status PutInto(RingPort& port, const T& value, sync_internal::Deadline deadline, bool quietly) {
    return OrNoMemory([&] { return PutIntoOrThrow(port, value, deadline, quietly); });
  }
  static absl::Status PutIntoOrThrow(RingPort& port, const T& value, sync_internal::Deadline deadline, bool quietly) {
    SHOAL_ASSIGN_OR_RETURN(HeldCell held, port.Claim(deadline));
    const AbandonIfUnwound guard(port, held);
    absl::Status status = PutMessage(port.segment(), port.At(held.cell), value, port.most_bytes());
    if (__builtin_expect(status.ok(), 1)) {
      status = quietly ? port.PublishQuietly(held, deadline) : port.Publish(held, deadline);
      if (__builtin_expect(status.ok(), 1)) return status;
    }
    port.Abandon(held);
    return status;
  }

  // DataLoss: the message was dropped, or left as the next to be taken; ResourceExhausted: it is the next to be taken.
  static absl::Status GetFrom(RingPort& port, std::optional<T>& out, sync_internal::Deadline deadline,
                              IfDamaged if_damaged = IfDamaged::kDrop) {
    absl::Status status = OrNoMemory([&] { return GetFromOrThrow(port, out, deadline, if_damaged); });
    if (__builtin_expect(!status.ok(), 0)) out.reset();
    return status;
  }
  static absl::Status GetFromOrThrow(RingPort& port, std::optional<T>& out, sync_internal::Deadline deadline,
                                     IfDamaged if_damaged) {
    SHOAL_ASSIGN_OR_RETURN(HeldCell held, port.Take(deadline));
    const GiveBackIfUnwound guard(port, held);
    const MessageCell at = port.At(held.cell);
    const auto is_over = [&](const absl::Status& status) {
      return __builtin_expect(status.ok(), 1) || (absl::IsDataLoss(status) && if_damaged == IfDamaged::kDrop);
    };
    if (__builtin_expect(port.keeps(), 0)) {
      absl::Status status = ReadMessage(port.segment(), at, out);
      if (status.ok()) {
        port.FinishAsOwed(held);
      } else if (is_over(status)) {
        port.Abandon(held);
      } else {
        port.GiveBack(held);
      }
      return status;
    }
    absl::Status status = TakeMessage(port.segment(), at, port.SpentWord(held), out, if_damaged);
    if (is_over(status)) {
      port.Abandon(held);
    } else {
      port.GiveBack(held);
    }
    return status;
  }

  absl::StatusOr<T> GetValue(sync_internal::Deadline deadline) {
    SHOAL_ASSIGN_OR_RETURN(RingPort * port, Enter());
    std::optional<T> out;
    SHOAL_RETURN_IF_ERROR(GetFrom(*port, out, deadline));
    return *std::move(out);
  }

  // `Value`: const T, or T, which is moved.
  template <class Value>
  absl::StatusOr<size_t> PutValues(std::span<Value> values, sync_internal::Deadline deadline) {
    SHOAL_ASSIGN_OR_RETURN(RingPort * port, Enter());
    const auto put_into = [&](Value& value, sync_internal::Deadline until) {
      if constexpr (std::is_const_v<Value>) {
        return PutInto(*port, value, until, /*quietly=*/true);
      } else {
        return MoveInto(*port, value, until, /*quietly=*/true);
      }
    };
    size_t put = 0;
    size_t told = 0;
    absl::Status status;
    while (put < values.size()) {
      // Without waiting as long as there is room; before a sleep, those who may make some must know what there is.
      status = put_into(values[put], sync_internal::Deadline::Passed());
      if (absl::IsDeadlineExceeded(status) && !deadline.passed()) {
        if (told != put) port->WakeGetters(static_cast<int>(put - told));
        told = put;
        status = put_into(values[put], deadline);
      }
      if (!status.ok()) break;
      ++put;
    }
    if (told != put) port->WakeGetters(static_cast<int>(put - told));
    if (put == 0 && !status.ok()) return status;
    return put;
  }

  absl::StatusOr<std::vector<T>> GetValues(size_t most, sync_internal::Deadline deadline) {
    SHOAL_ASSIGN_OR_RETURN(RingPort * port, Enter());
    std::vector<T> values;
    while (values.size() < most) {
      // What is behind others and cannot be taken is told of by the next call, so that those are not lost.
      absl::Status status;
      const bool told = CompletesOrHas([&] { status = GetOneMore(*port, values, most, deadline); },
                                       [&] { return !values.empty(); });
      if (told && status.ok()) continue;
      if (values.empty()) return status;
      break;
    }
    return values;
  }
  static absl::Status GetOneMore(RingPort& port, std::vector<T>& values, size_t most, sync_internal::Deadline deadline) {
    // Its place first: what has been taken out of the queue is not lost for want of one.
    SHOAL_RETURN_IF_ERROR(OrNoMemory([&] {
      if (values.size() == values.capacity()) values.reserve(std::min(most, std::max<size_t>(2 * values.size(), 4)));
      return absl::OkStatus();
    }));
    std::optional<T> out;
    SHOAL_RETURN_IF_ERROR(values.empty() ? GetFrom(port, out, deadline)
                                         : GetFrom(port, out, sync_internal::Deadline::Passed(), IfDamaged::kLeave));
    values.push_back(*std::move(out));
    return absl::OkStatus();
  }

  // For StoredAccess.
  static absl::Status Construct(shm_internal::Section& section, QueueHandle* where) {
    return shm_internal::StoredAccess::Construct(section, &where->object_);
  }
  static absl::Status Construct(shm_internal::Section& section, QueueHandle* where, const QueueHandle& other) {
    return shm_internal::StoredAccess::Construct(section, &where->object_, other.object_);
  }
  static void Relocate(shm_internal::Section& section, QueueHandle* from, QueueHandle* to) {
    shm_internal::StoredAccess::Relocate(section, &from->object_, &to->object_);
  }
  static absl::Status Dispose(shm_internal::Disposal& disposal, QueueHandle& object) {
    return shm_internal::StoredAccess::Dispose(disposal, object.object_);
  }

  Shared<Object> object_;
};

}  // namespace ipc_internal
}  // namespace shoal

#endif  // SHOAL_IPC_QUEUE_HANDLE_H_
