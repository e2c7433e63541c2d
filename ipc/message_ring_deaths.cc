// ipc/message_ring_deaths.cc: what dead processes had in the cells is taken back. Why this is enough is told in message_ring.cc.

#include "shoal/ipc/message_ring.h"
#include "shoal/ipc/payload.h"
#include "shoal/shm/membership.h"
#include "shoal/shm/object.h"
#include "shoal/shm/participants.h"

namespace shoal::ipc_internal {

using shm_internal::ParticipantId;
using shm_internal::ParticipantSlot;

bool RingPort::OwnerIsDead(uint64_t word) const {
  const uint32_t owner = CellWord::Owner(word);
  if (owner == (self_ & CellWord::kOwnerMask)) return false;
  const int slot = shm_internal::SlotOf(owner);
  if (slot < 0 || slot >= shm_internal::kMaxParticipants) return true;
  const ParticipantSlot& participant = attachment_->participants()[static_cast<size_t>(slot)];
  // relaxed: never changes while the slot has this owner
  const ParticipantId id = shm_internal::ParticipantIdOf(slot, participant.life_number.load(std::memory_order_relaxed));
  if ((id & CellWord::kOwnerMask) != owner) return true;  // one of its successors has the slot
  // What it had open may name what lies in its cells.
  return shm_internal::IsDeadAndUndone(*attachment_, id);
}

bool RingPort::IsPublished(uint32_t cell, uint64_t word) const {
  const uint64_t position = CellWord::Position(word);
  const uint64_t entry = order_[position & order_mask_].load(std::memory_order_acquire);  // message_ring.put (acquire)
  const uint64_t put = OrderEntry::Lap(entry) << log2_order_ | (position & order_mask_);
  return OrderEntry::CellOf(entry) == cell && (put & CellWord::kPositionMask) == position;
}

bool RingPort::WasNeverPut(const SegmentRef& segment, uint64_t object, uint64_t cell, ParticipantId sender) {
  shm_internal::ObjectHeader* const header = shm_internal::ObjectAtOrNull(*segment, object);
  if (header == nullptr || !segment->Contains(header + 1, sizeof(MessageRing))) return false;  // it goes, and what is in it
  RingPort port;
  if (!port.Locate(segment, reinterpret_cast<MessageRing*>(shm_internal::ObjectOf(*header))).ok() || cell >= port.count_)
    return false;
  const auto number = static_cast<uint32_t>(cell);
  const uint64_t word = port.WordOf(number).load(std::memory_order_acquire);  // message_ring.cell (acquire)
  if (CellWord::Owner(word) != (sender & CellWord::kOwnerMask)) return false;
  const CellState state = CellWord::State(word);
  if (state == CellState::kOffered) return !port.IsPublished(number, word);
  return state == CellState::kClaimed || state == CellState::kClearing;
}

void RingPort::CountLost(uint64_t word) const {
  const int slot = shm_internal::SlotOf(CellWord::Owner(word));
  uint64_t pid = 0;
  if (slot >= 0 && slot < shm_internal::kMaxParticipants) {
    const ParticipantSlot& participant = attachment_->participants()[static_cast<size_t>(slot)];
    // relaxed, both: for a message
    const ParticipantId id = shm_internal::ParticipantIdOf(slot, participant.life_number.load(std::memory_order_relaxed));
    if ((id & CellWord::kOwnerMask) == CellWord::Owner(word)) pid = participant.pid.load(std::memory_order_relaxed);
  }
  uint64_t before = ring_->lost_.load(std::memory_order_relaxed);  // relaxed: a count
  // relaxed: as above
  while (!ring_->lost_.compare_exchange_weak(before, ((before >> 32) + 1) << 32 | pid, std::memory_order_relaxed)) {
  }
}

// Counts a message that a dead process owes as lost, and gives it up. False: the cell has another word. It is this process's to owe first:
// so of those who sweep at once only one counts it, and no Join passes before that.
bool RingPort::LoseOwed(uint32_t cell, uint64_t word) const {
  uint64_t seen = word;
  const uint64_t owed = CellWord::Of(CellState::kOwed, self_, CellWord::Position(word));
  // message_ring.cell (acq_rel); on failure relaxed: look again
  if (!WordOf(cell).compare_exchange_strong(seen, owed, std::memory_order_acq_rel, std::memory_order_relaxed)) return false;
  CountLost(word);
  Clear(cell, owed);  // otherwise somebody has just said that it is done
  return true;
}

// Takes back what a dead process has in the cell. `returned`: there is a message to be delivered again.
void RingPort::SweepCell(uint32_t cell, bool& returned) const {
  for (;;) {
    uint64_t word = WordOf(cell).load(std::memory_order_acquire);  // message_ring.cell (acquire)
    const CellState state = CellWord::State(word);
    if (state == CellState::kReturned) returned = true;
    if (word == 0 || state == CellState::kReturned || state > CellState::kClearing || !OwnerIsDead(word)) return;
    // relaxed: an undone section may have put an old word back; otherwise the CAS below decides
    if (WordOf(cell).load(std::memory_order_relaxed) != word) continue;
    const bool again = state == CellState::kTaken || (state == CellState::kOwed && redelivers());
    if (again) {
      const uint64_t back = CellWord::Of(CellState::kReturned, 0, CellWord::Position(word));
      // message_ring.cell (acq_rel); on failure relaxed: look again
      if (!WordOf(cell).compare_exchange_strong(word, back, std::memory_order_acq_rel, std::memory_order_relaxed)) continue;
      returned = true;
      return;
    }
    if (state == CellState::kOffered && IsPublished(cell, word)) return;
    if (state == CellState::kOwed ? LoseOwed(cell, word) : Clear(cell, word)) return;
  }
}

// `deaths`: as it was before the caller's look.
void RingPort::TakeBackFromTheDead(uint32_t deaths) const {
  // relaxed: if it is old, there is one look too many
  if (__builtin_expect(ring_->swept_.load(std::memory_order_relaxed) == deaths, 1)) return;
  bool returned = false;
  for (uint32_t cell = 0; cell < count_; ++cell) SweepCell(cell, returned);
  if (returned) SayReturned();
  ring_->swept_.store(deaths, std::memory_order_relaxed);  // relaxed: as above
}

// Gives up what is in a cell with this word. False: it has another.
bool RingPort::Clear(uint32_t cell, uint64_t word) const {
  const uint64_t clearing = CellWord::Of(CellState::kClearing, self_, CellWord::Position(word));
  // message_ring.cell (acq_rel); on failure relaxed: somebody else does it
  if (!WordOf(cell).compare_exchange_strong(word, clearing, std::memory_order_acq_rel, std::memory_order_relaxed)) {
    return false;
  }
  if (!DropMessage(attachment_, *At(cell).cell).ok()) {
    // No memory for a journal: nobody's, until the next sweep.
    // message_ring.cell (release); seq_cst: see EDGE audience.brought
    WordOf(cell).store(CellWord::Of(CellState::kClearing, 0, 0), std::memory_order_seq_cst);
    TellThatLessIsOwed();
    return true;
  }
  Free(cell);
  return true;
}

}  // namespace shoal::ipc_internal
