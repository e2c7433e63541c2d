// ipc/message_ring_owed.cc: messages that were taken and are not done, and who waits for them. States and edges are in message_ring.cc.

#include <algorithm>
#include <mutex>
#include <new>
#include <thread>

#include "shoal/ipc/message_ring.h"
#include "shoal/ipc/message_ring_wait.h"
#include "shoal/sync/status.h"

namespace shoal::ipc_internal {

using sync_internal::Deadline;
using sync_internal::MakeStatus;

void RingPort::FinishAsOwed(HeldCell& held) {
  const uint64_t owed = CellWord::Of(CellState::kOwed, self_, CellWord::Position(held.word));
  const std::lock_guard lock(mutex_);
  // Both in the lock: whoever finds the entry finds the word. The entry first: from the word on anybody may say that it is done.
  owed_.push_back({.held = {.cell = held.cell, .word = owed, .redelivered = held.redelivered},
                   .thread = std::this_thread::get_id()});
  WordOf(held.cell).store(owed, std::memory_order_release);  // message_ring.cell (release)
  held.word = 0;
}

void RingPort::LeaveOwed(HeldCell& held) noexcept {
  try {
    FinishAsOwed(held);
  } catch (const std::bad_alloc&) {
    // message_ring.cell (release)
    WordOf(held.cell).store(CellWord::Of(CellState::kOwed, self_, CellWord::Position(held.word)), std::memory_order_release);
    held.word = 0;
  }
}

void RingPort::GiveBack(HeldCell& held) {
  if (!held) return;
  const uint64_t returned = CellWord::Of(CellState::kReturned, 0, CellWord::Position(held.word));
  WordOf(held.cell).store(returned, std::memory_order_release);  // message_ring.cell (release)
  held.word = 0;
  SayReturned();
}

void RingPort::SayReturned() const {
  uint32_t seen = ring_->returned_.load(std::memory_order_relaxed);  // relaxed: the CAS decides
  // message_ring.returned (release); seq_cst: see EDGE audience.brought. On failure relaxed: again
  while (!ring_->returned_.compare_exchange_weak(seen, (seen | 1) == seen ? seen + 2 : seen + 1, std::memory_order_seq_cst,
                                                 std::memory_order_relaxed)) {
  }
  ring_->getters_.Wake();
}

absl::Status RingPort::DoneWithOldest(bool of_anybody) {
  for (;;) {
    HeldCell held;
    {
      const std::lock_guard lock(mutex_);
      auto found = std::find_if(owed_.begin(), owed_.end(),
                                [](const Owed& owed) { return owed.thread == std::this_thread::get_id(); });
      if (found == owed_.end()) found = owed_.begin();
      if (found == owed_.end()) break;
      held = found->held;
      owed_.erase(found);
    }
    if (Clear(held.cell, held.word)) return absl::OkStatus();
  }
  while (of_anybody) {
    uint64_t oldest = 0;
    uint32_t oldest_cell = 0;
    for (uint32_t cell = 0; cell < count_; ++cell) {
      const uint64_t word = WordOf(cell).load(std::memory_order_relaxed);  // relaxed: the CAS decides
      if (CellWord::State(word) != CellState::kOwed) continue;
      if (oldest != 0 && !CellWord::IsOlder(word, oldest)) continue;
      oldest = word;
      oldest_cell = cell;
    }
    if (oldest == 0) break;
    if (Clear(oldest_cell, oldest)) return absl::OkStatus();
  }
  return MakeStatus(absl::StatusCode::kFailedPrecondition, "nothing that was taken from this queue is still to be done");
}

// Whether everything that was put is done: there is none in a cell. Only if nothing was put while we looked: otherwise it may have gone
// to a cell that we had passed already, before the one that we come to was done.
bool RingPort::NobodyOwes() const {
  for (;;) {
    Tail before = {};
    Tail after = {};
    FindTail(before);
    if (AnyCellIsOwed()) return false;
    FindTail(after);
    if (before.position == after.position) return true;
  }
}

bool RingPort::AnyCellIsOwed() const {
  for (uint32_t cell = 0; cell < count_; ++cell) {
    const uint64_t word = WordOf(cell).load(std::memory_order_seq_cst);  // seq_cst: see EDGE audience.brought
    switch (CellWord::State(word)) {
      case CellState::kTaken:
      case CellState::kOwed:
      case CellState::kReturned:
        return true;
      case CellState::kOffered:
        if (IsPublished(cell, word)) return true;
        break;
      default:
        break;
    }
  }
  return false;
}

absl::Status RingPort::Join(Deadline deadline) {
  // Whoever tells of a loss while this waits does so for itself: what was not told of when this began is told of by this, too.
  const uint32_t told = ring_->told_.load(std::memory_order_relaxed);  // relaxed: a count; any that is not newer will do
  const auto look = [&] { return NobodyOwes() ? Look::kFound : Look::kNothing; };
  if (AwaitSlowly(ring_->joiners_, deadline, look) == Look::kNothing) return NotAllDoneInTime();
  // message_ring.cell (acquire), in NobodyOwes: a message is counted before its cell ceases to be owed. relaxed: so it is seen
  const uint64_t lost = ring_->lost_.load(std::memory_order_relaxed);
  const auto number = static_cast<uint32_t>(lost >> 32);
  if (static_cast<int32_t>(number - told) <= 0) return absl::OkStatus();
  TellOfLost(number);
  return LostWithTheirTaker(static_cast<uint32_t>(lost), number - told);
}

// Those who begin from now on have nothing to tell of the first `number` that were lost. If this process dies before, they have.
void RingPort::TellOfLost(uint32_t number) const {
  uint32_t told = ring_->told_.load(std::memory_order_relaxed);  // relaxed, all: a count
  while (static_cast<int32_t>(number - told) > 0 &&
         !ring_->told_.compare_exchange_weak(told, number, std::memory_order_relaxed)) {
  }
}

void RingPort::TellThatLessIsOwed() const {
  // seq_cst: as in Audience::Wake. There the bit, here the look.
  if (ring_->joiners_.SomebodySleeps() && NobodyOwes()) ring_->joiners_.WakeAll();
  // seq_cst: who finds the end stores it, and then looks at the cells
  if (ring_->closed_.load(std::memory_order_seq_cst) != 0 && ring_->getters_.SomebodySleeps()) ring_->getters_.WakeAll();
}

}  // namespace shoal::ipc_internal
