#ifndef SHOAL_IPC_MESSAGE_IN_PLACE_H_
#define SHOAL_IPC_MESSAGE_IN_PLACE_H_

#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/ipc/message_ring.h"
#include "shoal/ipc/payload.h"
#include "shoal/shm/holds.h"
#include "shoal/shm/objects.h"
#include "shoal/shm/shareable.h"
#include "shoal/shm/shared.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/process_epoch.h"
#include "shoal/sync/status.h"

namespace shoal {
namespace ipc_internal {

// A cell that this process has, and the queue around it.
class CellHold {
 public:
  CellHold() = default;
  // REQUIRES: the handle names the queue, in this process.
  template <class Handle>
  CellHold(const Handle& queue, RingPort& port, HeldCell held)
      : queue_(shm_internal::HandleAccess::Of(queue).hold_or_null()),
        port_(&port),
        held_(held),
        epoch_(sync_internal::ProcessEpoch()) {
    shm_internal::Holds::Copy(*queue_);
  }
  CellHold(CellHold&& other) noexcept
      : queue_(std::move(other.queue_)),
        port_(std::exchange(other.port_, nullptr)),
        held_(std::exchange(other.held_, HeldCell())),
        epoch_(other.epoch_) {}
  CellHold& operator=(CellHold&& other) noexcept {
    queue_ = std::move(other.queue_);
    port_ = std::exchange(other.port_, nullptr);
    held_ = std::exchange(other.held_, HeldCell());
    epoch_ = other.epoch_;
    return *this;
  }

  // Whether it still stands for a cell of this process: not moved from, given up, or the parent's.
  bool held() const { return port_ != nullptr && sync_internal::InProcessOf(epoch_); }
  RingPort& port() const { return *port_; }
  HeldCell& cell() { return held_; }
  MessageCell At() const { return port_->At(held_.cell); }
  bool redelivered() const { return held_.redelivered; }
  // It stands for nothing any more. The queue goes with it, if this was the last handle.
  void Forget() {
    port_ = nullptr;
    held_ = {};
    queue_.reset();
  }
  static absl::Status HoldsNothing() {
    return sync_internal::MakeStatus(absl::StatusCode::kFailedPrecondition,
                                     "this message was published, done or moved away already, or is the parent's");
  }

 private:
  // One handle more, of whatever type: to copy the caller's would need memory for each message.
  struct Leave {
    void operator()(shm_internal::Hold* hold) const { shm_internal::DropHold(*hold); }
  };

  std::unique_ptr<shm_internal::Hold, Leave> queue_;
  RingPort* port_ = nullptr;
  HeldCell held_;
  uint32_t epoch_ = 0;
};

}  // namespace ipc_internal

// A message that is being written where it will be read; see Queue::Loan. Destroyed before it is published, it was never there.
//
// Thread safety:  belongs to one thread at a time.
// Crash safety:   if its process dies before it is published, there was no message.
// Ownership:      keeps the queue, and the segment mapped.
template <class T>
class [[nodiscard]] Loaned final {
 public:
  Loaned(Loaned&&) noexcept = default;
  Loaned& operator=(Loaned&& other) noexcept {
    if (this != &other) {
      Drop();
      hold_ = std::move(other.hold_);
      value_ = other.value_;
    }
    return *this;
  }
  ~Loaned() { Drop(); }

  // The value: T{} at first. REQUIRES: it has not been published.
  T& operator*() const { return *value_; }
  T* operator->() const { return value_; }

  // Puts it. An error leaves it as it is: errors as Queue::Put; FailedPrecondition also: it has been published.
  [[nodiscard]] absl::Status Publish(absl::Duration timeout = absl::InfiniteDuration()) {
    if (!hold_.held()) return ipc_internal::CellHold::HoldsNothing();
    SHOAL_RETURN_IF_ERROR(hold_.port().Enter());
    SHOAL_RETURN_IF_ERROR(hold_.port().Publish(hold_.cell(), sync_internal::Deadline::After(timeout)));
    hold_.Forget();
    return absl::OkStatus();
  }

 private:
  template <class U>
  friend class Queue;
  template <class Handle>
  static absl::StatusOr<Loaned> From(const Handle& queue, ipc_internal::RingPort& port, sync_internal::Deadline deadline) {
    return ipc_internal::OrNoMemory([&] { return FromOrThrow(queue, port, deadline); });
  }
  template <class Handle>
  static absl::StatusOr<Loaned> FromOrThrow(const Handle& queue, ipc_internal::RingPort& port, sync_internal::Deadline deadline) {
    SHOAL_ASSIGN_OR_RETURN(ipc_internal::HeldCell held, port.Claim(deadline));
    // First, because its atomic operation would wait for all that is written into the cell.
    Loaned loaned(ipc_internal::CellHold(queue, port, held), nullptr);
    SHOAL_ASSIGN_OR_RETURN(loaned.value_,
                           ipc_internal::MakeRoomForValue<T>(port.segment(), port.At(held.cell), port.most_bytes()));
    return loaned;
  }
  Loaned(ipc_internal::CellHold hold, T* value) : hold_(std::move(hold)), value_(value) {}
  void Drop() {
    if (hold_.held()) hold_.port().Abandon(hold_.cell());
    hold_.Forget();
  }

  ipc_internal::CellHold hold_;
  T* value_;
};

// A message that was taken; see Queue::Receive. A plain value is read where it lies.
//
// Thread safety:  belongs to one thread at a time.
// Crash safety:   if its process dies, the message is delivered again.
// Ownership:      keeps the queue, and the segment mapped. On destruction the message is gone; in a queue with `acknowledge`, unless
//                 it was done, it is delivered again (in a JoinableQueue without, it is still to be done).
template <class T>
class [[nodiscard]] Received final {
 public:
  Received(Received&&) noexcept = default;
  Received& operator=(Received&& other) noexcept {
    if (this != &other) {
      Drop();
      hold_ = std::move(other.hold_);
      copy_ = std::move(other.copy_);
      in_place_ = other.in_place_;
      redelivered_ = other.redelivered_;
    }
    return *this;
  }
  ~Received() { Drop(); }

  // REQUIRES: it is not done.
  const T& operator*() const { return in_place_ != nullptr ? *in_place_ : *copy_; }
  const T* operator->() const { return &**this; }

  // Whether somebody had taken it before, who died or gave it back.
  bool redelivered() const { return redelivered_; }

  // It is done: the message is gone, and its place free. FailedPrecondition: it was already.
  absl::Status Done() {
    if (!hold_.held()) return ipc_internal::CellHold::HoldsNothing();
    hold_.port().Abandon(hold_.cell());
    hold_.Forget();
    return absl::OkStatus();
  }

 private:
  template <class U>
  friend class Queue;
  template <class U>
  friend class JoinableQueue;

  template <class Handle>
  static absl::StatusOr<Received> From(const Handle& queue, ipc_internal::RingPort& port, sync_internal::Deadline deadline) {
    return ipc_internal::OrNoMemory([&] { return FromOrThrow(queue, port, deadline); });
  }
  template <class Handle>
  static absl::StatusOr<Received> FromOrThrow(const Handle& queue, ipc_internal::RingPort& port, sync_internal::Deadline deadline) {
    SHOAL_ASSIGN_OR_RETURN(ipc_internal::HeldCell held, port.Take(deadline));
    const ipc_internal::GiveBackIfUnwound guard(port, held);
    const ipc_internal::MessageCell at = port.At(held.cell);
    Received received;
    received.redelivered_ = held.redelivered;
    absl::Status status;
    if constexpr (SharedValue<T>) {
      auto value = ipc_internal::LocateValue<T>(port.segment(), at);
      if (value.ok()) {
        received.in_place_ = *value;
      } else {
        status = value.status();
      }
    } else if (port.keeps()) {
      status = ipc_internal::ReadMessage(port.segment(), at, received.copy_);
    } else {
      status = ipc_internal::TakeMessage(port.segment(), at, port.SpentWord(held), received.copy_);
    }
    if (status.ok()) {
      received.hold_ = ipc_internal::CellHold(queue, port, held);
      held = {};
      // What has been copied out needs no cell.
      if (!SharedValue<T> && !port.keeps()) port.Abandon(received.hold_.cell());
      return received;
    }
    if (absl::IsDataLoss(status)) {
      port.Abandon(held);
    } else {
      port.GiveBack(held);
    }
    return status;
  }

  Received() = default;
  void Drop() {
    if (hold_.held()) {
      ipc_internal::RingPort& port = hold_.port();
      if (port.redelivers()) {
        port.GiveBack(hold_.cell());
      } else if (port.keeps() && hold_.cell()) {
        port.LeaveOwed(hold_.cell());
      } else {
        port.Abandon(hold_.cell());
      }
    }
    hold_.Forget();
  }

  ipc_internal::CellHold hold_;
  std::optional<T> copy_;
  const T* in_place_ = nullptr;
  bool redelivered_ = false;
};

}  // namespace shoal

#endif  // SHOAL_IPC_MESSAGE_IN_PLACE_H_
