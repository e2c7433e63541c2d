// ipc/message_ring_looks.cc: what can be seen of a ring without taking from it, its end, and what Wait and descriptors need.

#include <algorithm>
#include <mutex>

#include "shoal/ipc/message_ring.h"
#include "shoal/sync/status.h"

namespace shoal::ipc_internal {

absl::Status RingPort::Close() {
  Tail tail;
  for (;;) {
    const Look look = FindTail(tail);
    if (look == Look::kEnd) break;
    if (look != Look::kFound) return Scribbled();
    // message_ring.put (release); seq_cst: see EDGE audience.brought. On failure relaxed: again
    if (order_[tail.position & order_mask_].compare_exchange_strong(
            tail.entry, OrderEntry::Of(LapOf(tail.position), OrderEntry::kClosed), std::memory_order_seq_cst,
            std::memory_order_relaxed)) {
      break;
    }
  }
  ring_->closed_.store(1, std::memory_order_seq_cst);  // seq_cst: see EndOrNothing
  ring_->getters_.WakeAll();
  ring_->claimers_.WakeAll();
  ring_->publishers_.WakeAll();
  return absl::OkStatus();
}

size_t RingPort::size() const {
  uint64_t waiting = 0;
  uint64_t position = ring_->head_.load(std::memory_order_acquire);  // message_ring.hint (acquire)
  for (uint64_t steps = (order_mask_ + 1) * 64 + 4096; steps != 0; --steps) {
    const uint64_t entry = order_[position & order_mask_].load(std::memory_order_acquire);  // message_ring.put (acquire)
    const uint64_t lap = OrderEntry::Lap(entry);
    const uint32_t cell = OrderEntry::CellOf(entry);
    if (lap > LapOf(position)) {
      position = std::max(position, (lap - 1) << log2_order_ | (position & order_mask_)) + 1;
      continue;
    }
    if (lap < LapOf(position) || cell >= count_) break;
    const uint64_t word = WordOf(cell).load(std::memory_order_acquire);  // message_ring.cell (acquire)
    if (CellWord::State(word) == CellState::kOffered && CellWord::Position(word) == (position & CellWord::kPositionMask)) {
      Tail tail;
      const Look look = FindTail(tail);
      if (look != Look::kDamaged && tail.position > position) waiting = tail.position - position;
      break;
    }
    ++position;
  }
  if ((ring_->returned_.load(std::memory_order_acquire) & 1) != 0) {  // message_ring.returned (acquire)
    for (uint32_t cell = 0; cell < count_; ++cell) {
      // relaxed: a count
      if (CellWord::State(WordOf(cell).load(std::memory_order_relaxed)) == CellState::kReturned) ++waiting;
    }
  }
  return std::min<uint64_t>(waiting, shape_.capacity);
}

bool RingPort::full() const {
  if (keeps()) {
    for (uint32_t cell = 0; cell < count_; ++cell) {
      if (WordOf(cell).load(std::memory_order_relaxed) == 0) return false;  // relaxed: a hint
    }
    return true;
  }
  Tail tail;
  for (int tries = kMostTries; tries != 0; --tries) {
    if (FindTail(tail) != Look::kFound) return size() >= shape_.capacity;
    const Look full = IsFull(tail.position);
    if (full != Look::kEnd) return full == Look::kFound;
  }
  return false;
}

bool RingPort::ReadyToTake() const {
  TakeBackFromTheDead(deaths().load(std::memory_order_acquire));  // participants.deaths (acquire)
  HeldCell held;
  return LookForMessage(held, /*take=*/false) != Look::kNothing;
}

void RingPort::TellRelay() const {
  // message_ring.port (acquire)
  if (FdRelay* const relay = relay_known_.load(std::memory_order_acquire); relay != nullptr) relay->Consumed();
}

absl::StatusOr<int> RingPort::Fd() {
  const std::lock_guard lock(mutex_);
  if (relay_ == nullptr) {
    SHOAL_ASSIGN_OR_RETURN(relay_, FdRelay::Start(Hook()));
    relay_known_.store(relay_.get(), std::memory_order_release);  // message_ring.port (release)
  }
  return relay_->fd();
}

WaitHook RingPort::Hook() const {
  static constexpr WaitOps kOps = {
      .deaths = [](const void* port) { return &static_cast<const RingPort*>(port)->deaths(); },
      .ready = [](const void* port) { return static_cast<const RingPort*>(port)->ReadyToTake(); },
      .announce =
          [](const void* port, sync_internal::FutexExpectation* sleep_on) {
            const auto& self = *static_cast<const RingPort*>(port);
            *sleep_on = {&self.ring_->getters_.word(), self.ring_->getters_.Announce()};
            return !self.ReadyToTake();
          },
      .was_ready = nullptr,
      .withdraw =
          [](const void* port) {
            // A wake is passed on only if there is what it was for: two who wait here would wake each other for ever.
            const auto& self = *static_cast<const RingPort*>(port);
            if (self.ReadyToTake()) self.WakeGetters(1);
          },
      .fd =
          [](const void* port) {
            const absl::StatusOr<int> fd = const_cast<RingPort*>(static_cast<const RingPort*>(port))->Fd();
            return fd.ok() ? *fd : -1;
          },
      .consumed = [](const void* port) { static_cast<const RingPort*>(port)->TellRelay(); },
  };
  return {.object = this, .ops = &kOps};
}

}  // namespace shoal::ipc_internal
