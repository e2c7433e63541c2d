// ipc/message_ring.cc: the cells, the order, the edges, the deaths.
//
//  cell's word              meaning                                              who may change it, to what
//   0                       free, and empty                                      anybody → (claimed, itself)
//   claimed, P              P writes a message                                   P → (offered, t), or (clearing, P), or free
//   offered, P, t           the order at t names this cell: put, and not taken   anybody → (taken, itself, t)
//                           otherwise: P is about to put it at t                 P → (offered, P, a later t), or (clearing, P), or free
//   taken, P, t             P reads it                                           P → free, (clearing, P), (owed, P, t) or (returned, t)
//   owed, P, t              P has it, and has not said that it is done           anybody who says so → (clearing, itself)
//   returned, t             its taker had not done with it                       anybody → (taken, itself, t)
//   clearing, P             P gives up what the message owns                     P → free
//  and if P is dead, anybody: claimed, offered and not put, clearing → (clearing, itself); taken → (returned, t);
//  owed → (returned, t) in a ring that delivers again, otherwise (clearing, itself).
//
//  order at position t: {lap of t, cell}: the message at t was put there; {lap - 1, …}: nothing has been put at t; {lap, closed}: nothing
//  will be put at t and beyond. A place holds positions one lap apart, and there is one place more than may be put and not taken: so what
//  a put overwrites has been taken. Positions are put one after the other, by ONE compare-exchange each, after the cell's word has said
//  which: nobody has a position before that, so one who is stopped hides nobody; and for the cell of a dead one the order answers
//  whether it was put. A cell's word gets a position t only while its owner has seen that nothing was put at t since it owned the cell:
//  so {offered, t} never meets an older {t, this cell}. Messages are taken in order: a getter goes on only where a cell is no more
//  {offered, t}, and that never returns.
//
//  The ring is full if the message `capacity` places before the tail has not been taken. A ring that keeps its messages has as many
//  cells as its capacity, and is full if none is free. tail_ and head_ are hints, which may lag and never lead.
//
//  returned_: odd while there may be returned messages. Whoever returns one makes it odd, and another number; whoever has found none
//  makes it even, if it is the number he saw before.
//
//  EDGE message_ring.put: the order's change, release → read, acquire. Publishes the message.
//  EDGE message_ring.cell: a cell's word, release → read or changed, acquire. Publishes what its last owner did to the cell.
//  EDGE message_ring.port: the process's view of a ring set, release → used, acquire, in another thread of the process.
//  EDGE message_ring.hint: a hint stored, release → read, acquire. What came before it has happened.
//  EDGE message_ring.returned: made odd, release → read, acquire. The cell that is returned is seen.
//  What a sleeper may wait for (put, taken, freed, returned, closed) is done by seq_cst operations: see audience.h.
//
//  Nobody sleeps here beside what a dead process held, for the reasons told in shm/holder.cc: `deaths` changes after the last thread of
//  the dead has ended, every sleeper sleeps on it too, and whoever finds that it is not swept_ looks at all cells.
//
//  If the process dies …                                     the others see …
//   having claimed a cell, before its order is stored           no message; the cell of a dead one
//   after it, before anybody was woken                          the message, and `deaths`
//   having taken, before its cell is free, or owed              the message of a dead taker, which is returned
//   owing                                                       the same, or a message lost, and counted (Join tells)
//   having returned, before returned_ is odd                    a returned message: whoever sweeps makes it odd
//   sweeping                                                    swept_ as it was: the next one sweeps
//   closing, before closed_ is stored                           the order closed, and `deaths`
//
//  An owner is named by 20 bits: a participant's slot, and 13 bits of its life number. It would be taken for another only if its slot
//  was taken anew exactly 8,192 times while nobody used the queue at all.

#include "shoal/ipc/message_ring.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shoal/shm/membership.h"
#include "shoal/shm/thread_slot.h"
#include "shoal/sync/process_epoch.h"
#include "shoal/sync/status.h"

namespace shoal::ipc_internal {

using shm_internal::CellTable;
using shm_internal::ParticipantId;
using shm_internal::ParticipantSlot;
using sync_internal::Deadline;
using sync_internal::MakeStatus;

namespace {

// A look at the ring costs some nanoseconds, a sleep and a wake several thousand: whoever finds nothing looks again for about as long
// before it sleeps. The pauses between the looks double, for each look takes a line from those who are about to write to it; after
// some, there are several messages to be found at once. (A pause takes 40 ns on the machine where this was measured.)
constexpr int kFewestPauses = 16;
constexpr int kMostPauses = 64;

// Whoever must begin again because others were first has seen them go on. So often in a row, the bytes make no sense.
constexpr int kMostTries = 1'000'000;

constexpr size_t kCellAlignment = 64;

constexpr uint64_t RoundUp(uint64_t value, uint64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

constexpr uint32_t CellsFor(const RingShape& shape) {
  return shape.capacity + ((shape.flags & RingFlags::kKeep) != 0 ? 0 : kSpareCells);
}
// One place more than there may be messages in the order.
constexpr int Log2OrderFor(uint32_t capacity) { return std::bit_width(capacity); }
constexpr uint64_t StrideFor(const RingShape& shape) {
  return RoundUp(uint64_t{shape.room_at} + shape.room_bytes, kCellAlignment);
}
// In front of the cells, in the same block.
constexpr uint64_t OrderBytesFor(uint32_t capacity) {
  return RoundUp((uint64_t{1} << Log2OrderFor(capacity)) * sizeof(uint64_t), kCellAlignment);
}

// Gets a line for writing in one go, where a load would get it for reading first.
void PrefetchToWrite(const void* address) { asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(address))); }

absl::Status Scribbled() {
  return MakeStatus(absl::StatusCode::kDataLoss, "somebody wrote over a queue: its order makes no sense");
}
absl::Status TimedOut() {
  // Made once, so that a timeout allocates nothing.
  static const absl::Status* const status =
      new absl::Status(MakeStatus(absl::StatusCode::kDeadlineExceeded, "the queue had nothing for this call in time"));
  return *status;
}

}  // namespace

// ---- making and opening -----------------------------------------------------------------------------------------------------------

absl::Status MessageRing::Construct(MessageRing* where, shm_internal::Section& section, const RingShape& shape) {
  if (shape.capacity == 0 || shape.capacity > kMaxRingCapacity) return NoSuchCapacity(shape.capacity);
  ::new (static_cast<void*>(where)) MessageRing();
  const uint64_t order_bytes = OrderBytesFor(shape.capacity);
  const uint64_t bytes = order_bytes + CellsFor(shape) * StrideFor(shape);
  SHOAL_ASSIGN_OR_RETURN(const shm_internal::Block block, section.AllocateZeroed(bytes, kCellAlignment));
  where->shape_ = shape;
  where->table_ = {.block = block.offset,
                   .first = order_bytes,
                   .count = CellsFor(shape),
                   .stride = static_cast<uint32_t>(StrideFor(shape))};
  // The first lap is 1: in zero memory nothing has been put.
  const uint64_t first = uint64_t{1} << Log2OrderFor(shape.capacity);
  where->tail_.store(first, std::memory_order_relaxed);  // relaxed, both: nobody knows the ring yet
  where->head_.store(first, std::memory_order_relaxed);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<RingPort>> RingPort::Open(const shm_internal::Hold& hold, uint32_t room_at) {
  std::unique_ptr<RingPort> port(new RingPort);
  port->attachment_ = hold.attachment;
  port->ring_ = reinterpret_cast<MessageRing*>(hold.object);
  // Copies, which are checked, and used from here on.
  const CellTable table = port->ring_->table_;
  const RingShape shape = port->ring_->shape_;
  SHOAL_ASSIGN_OR_RETURN(const std::span<std::byte> cells, LocateCells(*port->attachment_, table));
  const bool sound = shape.capacity >= 1 && shape.capacity <= kMaxRingCapacity && shape.room_at == room_at &&
                     (shape.flags & ~RingFlags::kAll) == 0 && !cells.empty() && table.count == CellsFor(shape) &&
                     table.stride == StrideFor(shape) && table.first == OrderBytesFor(shape.capacity) &&
                     reinterpret_cast<uintptr_t>(cells.data()) % kCellAlignment == 0;
  if (!sound) return Scribbled();
  port->shape_ = shape;
  port->cells_ = cells.data();
  port->order_ = reinterpret_cast<std::atomic<uint64_t>*>(cells.data() - table.first);
  port->count_ = table.count;
  port->stride_ = table.stride;
  port->log2_order_ = Log2OrderFor(shape.capacity);
  port->order_mask_ = (uint64_t{1} << port->log2_order_) - 1;
  SHOAL_ASSIGN_OR_RETURN(port->self_, shm_internal::Participate(*port->attachment_));
  port->life_ = &port->attachment_->participants()[static_cast<size_t>(shm_internal::SlotOf(port->self_))].life.word;
  return port;
}

RingPort::~RingPort() {
  relay_.reset();
  if (!redelivers()) return;
  for (Owed& owed : owed_) {
    uint64_t word = owed.held.word;
    const uint64_t returned = CellWord::Of(CellState::kReturned, 0, CellWord::Position(word));
    // message_ring.cell (acq_rel); on failure relaxed: somebody has said that it is done
    if (WordOf(owed.held.cell).compare_exchange_strong(word, returned, std::memory_order_acq_rel, std::memory_order_relaxed)) {
      SayReturned();
    }
  }
}

absl::Status RingPort::BeingKilled() {
  return MakeStatus(absl::StatusCode::kUnavailable, "this process is being killed");
}

// ---- waiting ----------------------------------------------------------------------------------------------------------------------

// try_once() is kNothing as long as there is nothing. Returns that when the deadline has passed.
template <class TryOnce>
RingPort::Look RingPort::AwaitSlowly(Audience& audience, Deadline deadline, TryOnce try_once) {
  const sync_internal::FutexWord& deaths_word = deaths();
  for (bool slept = false;; slept = true) {
    const bool last_look = deadline.passed();
    // participants.deaths (acquire): a death that the look misses changes it
    const uint32_t seen_deaths = deaths_word.load(std::memory_order_acquire);
    TakeBackFromTheDead(seen_deaths);
    if (!slept) {
      for (int pauses = kFewestPauses;; pauses *= 2) {
        if (const Look look = try_once(); look != Look::kNothing) return look;
        if (last_look) return Look::kNothing;
        if (pauses > kMostPauses) break;
        for (int i = 0; i < pauses; ++i) __builtin_ia32_pause();
      }
    }
    const uint32_t seen = audience.Announce();
    if (const Look look = try_once(); look != Look::kNothing) {
      if (slept) audience.Wake();  // others may sleep beside what is left
      return look;
    }
    if (last_look) return Look::kNothing;
    sync_internal::SleepWhile({{&audience.word(), seen}, {&deaths_word, seen_deaths}}, deadline);
  }
}

// ---- putting ----------------------------------------------------------------------------------------------------------------------

// The first position at which nothing has been put. kEnd: the ring is closed there.
RingPort::Look RingPort::FindTail(Tail& tail) const {
  uint64_t position = ring_->tail_.load(std::memory_order_acquire);  // message_ring.hint (acquire)
  for (uint64_t steps = (order_mask_ + 1) * 64 + 4096; steps != 0; --steps) {
    // message_ring.put (acquire); seq_cst: see EDGE audience.brought
    const uint64_t entry = order_[position & order_mask_].load(std::memory_order_seq_cst);
    const uint64_t lap = OrderEntry::Lap(entry);
    if (lap + 1 == LapOf(position)) {
      tail = {.position = position, .entry = entry};
      return Look::kFound;
    }
    if (lap < LapOf(position)) return Look::kDamaged;
    if (OrderEntry::CellOf(entry) == OrderEntry::kClosed) {
      tail = {.position = lap << log2_order_ | (position & order_mask_), .entry = entry};
      return Look::kEnd;
    }
    position = (lap << log2_order_ | (position & order_mask_)) + 1;
  }
  return Look::kDamaged;
}

// With the tail at `position`. kFound: it is; kEnd: that is the tail no more.
RingPort::Look RingPort::IsFull(uint64_t position) const {
  const uint64_t before = position - shape_.capacity;
  if (LapOf(before) == 0) return Look::kNothing;  // there was never anything
  // What is known to have been taken needs no look at lines that others write to. relaxed: of this process; it never leads
  if (before < known_taken_.load(std::memory_order_relaxed)) return Look::kNothing;
  const uint64_t head = ring_->head_.load(std::memory_order_acquire);  // message_ring.hint (acquire)
  if (before < head && head <= position) {
    known_taken_.store(head, std::memory_order_relaxed);  // relaxed: as above
    return Look::kNothing;
  }
  // message_ring.put (acquire); seq_cst: see EDGE audience.brought
  const uint64_t entry = order_[before & order_mask_].load(std::memory_order_seq_cst);
  if (OrderEntry::Lap(entry) > LapOf(before)) return Look::kEnd;
  const uint32_t cell = OrderEntry::CellOf(entry);
  if (OrderEntry::Lap(entry) < LapOf(before) || cell >= count_) return Look::kDamaged;
  // message_ring.cell (acquire); seq_cst: see EDGE audience.brought
  const uint64_t word = WordOf(cell).load(std::memory_order_seq_cst);
  const bool waits = CellWord::State(word) == CellState::kOffered &&
                     CellWord::Position(word) == (before & CellWord::kPositionMask);
  return waits ? Look::kFound : Look::kNothing;
}

// Claims a cell, if there is room for a message.
RingPort::Look RingPort::LookForRoom(HeldCell& held) const {
  // Where it will be put matters when it is put. Until then it is enough to know that there may be room, mostly from the hints alone.
  Tail tail = {.position = ring_->tail_.load(std::memory_order_acquire), .entry = 0};  // message_ring.hint (acquire)
  // relaxed: of this process; it never leads
  if (keeps() || tail.position - shape_.capacity >= known_taken_.load(std::memory_order_relaxed)) {
    for (int tries = kMostTries;; --tries) {
      if (tries == 0) return Look::kDamaged;
      if (const Look look = FindTail(tail); look != Look::kFound) return look;
      if (keeps()) break;
      const Look full = IsFull(tail.position);
      if (full == Look::kNothing) break;
      if (full == Look::kFound) return Look::kNothing;
      if (full == Look::kDamaged) return full;
    }
  }
  const uint64_t claimed = CellWord::Of(CellState::kClaimed, self_, 0);
  uint32_t cell = static_cast<uint32_t>(tail.position) % count_;
  for (uint32_t i = 0; i < count_; ++i, cell = cell + 1 == count_ ? 0 : cell + 1) {
    std::atomic<uint64_t>& word = WordOf(cell);
    uint64_t free = word.load(std::memory_order_seq_cst);  // seq_cst: see EDGE audience.brought; the CAS decides
    // message_ring.cell (acquire); on failure relaxed: it is another's
    if (free == 0 && word.compare_exchange_strong(free, claimed, std::memory_order_acquire, std::memory_order_relaxed)) {
      held = {.cell = cell, .word = claimed};
      // The one after the next, most likely: its lines come while this one is written.
      const MessageCell next = At(cell + 2 < count_ ? cell + 2 : 0);
      PrefetchToWrite(next.cell);
      PrefetchToWrite(reinterpret_cast<std::byte*>(next.cell) + kCellAlignment);
      return Look::kFound;
    }
  }
  return Look::kNothing;
}

absl::StatusOr<HeldCell> RingPort::Claim(Deadline deadline) {
  HeldCell held;
  Look look = LookForRoom(held);
  if (__builtin_expect(look == Look::kNothing, 0)) {
    look = AwaitSlowly(ring_->putters_, deadline, [&] { return LookForRoom(held); });
  }
  if (__builtin_expect(look == Look::kFound, 1)) return held;
  if (look == Look::kNothing) return TimedOut();
  return look == Look::kEnd ? PutIntoClosedQueue() : Scribbled();
}

// Puts what is in the cell, if there is room.
RingPort::Look RingPort::TryPublish(HeldCell& held) const {
  Tail tail;
  for (int tries = kMostTries;; --tries) {
    if (tries == 0) return Look::kDamaged;
    // relaxed: a guess
    PrefetchToWrite(&order_[ring_->tail_.load(std::memory_order_relaxed) & order_mask_]);
    if (const Look look = FindTail(tail); look != Look::kFound) return look;
    if (!keeps()) {
      const Look full = IsFull(tail.position);
      if (full == Look::kFound) return Look::kNothing;
      if (full == Look::kDamaged) return full;
      if (full == Look::kEnd) continue;
    }
    held.word = CellWord::Of(CellState::kOffered, self_, tail.position);
    WordOf(held.cell).store(held.word, std::memory_order_release);  // message_ring.cell (release)
    // message_ring.put (release); seq_cst: see EDGE audience.brought. On failure relaxed: somebody else has put there
    if (order_[tail.position & order_mask_].compare_exchange_strong(
            tail.entry, OrderEntry::Of(LapOf(tail.position), held.cell), std::memory_order_seq_cst,
            std::memory_order_relaxed)) {
      // relaxed: it may lag. message_ring.hint (release)
      if (ring_->tail_.load(std::memory_order_relaxed) <= tail.position) {
        ring_->tail_.store(tail.position + 1, std::memory_order_release);
      }
      held.word = 0;
      return Look::kFound;
    }
  }
}

absl::Status RingPort::PublishQuietly(HeldCell& held, Deadline deadline) {
  Look look = TryPublish(held);
  if (__builtin_expect(look == Look::kNothing, 0)) {
    look = AwaitSlowly(ring_->putters_, deadline, [&] { return TryPublish(held); });
  }
  if (__builtin_expect(look == Look::kFound, 1)) return absl::OkStatus();
  if (look == Look::kNothing) return TimedOut();
  return look == Look::kEnd ? PutIntoClosedQueue() : Scribbled();
}

absl::Status RingPort::Publish(HeldCell& held, Deadline deadline) {
  absl::Status status = PublishQuietly(held, deadline);
  if (__builtin_expect(status.ok(), 1)) ring_->getters_.Wake();
  return status;
}

void RingPort::Free(uint32_t cell) const {
  WordOf(cell).exchange(0, std::memory_order_seq_cst);  // message_ring.cell (release); seq_cst: see EDGE audience.brought
  ring_->putters_.Wake();
  if (__builtin_expect(keeps(), 0)) TellThatLessIsOwed();
}

void RingPort::TellThatLessIsOwed() const {
  // seq_cst: as in Audience::Wake. There the bit, here the look.
  if (ring_->joiners_.SomebodySleeps() && NobodyOwes()) ring_->joiners_.WakeAll();
  // seq_cst: who finds the end stores it, and then looks at the cells
  if (ring_->closed_.load(std::memory_order_seq_cst) != 0 && ring_->getters_.SomebodySleeps()) ring_->getters_.WakeAll();
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

void RingPort::Abandon(HeldCell& held) {
  if (!held) return;
  if (__builtin_expect(At(held.cell).cell->content.block == 0, 1)) {
    Free(held.cell);
  } else {
    Clear(held.cell, held.word);
  }
  held.word = 0;
}

// ---- taking -----------------------------------------------------------------------------------------------------------------------

// The cell of a message behind, if that is there already: its lines come while this one is read.
void RingPort::PrefetchNext(uint64_t position) const {
  const uint64_t entry = order_[position & order_mask_].load(std::memory_order_relaxed);  // relaxed: a guess
  const uint32_t cell = OrderEntry::CellOf(entry);
  if (OrderEntry::Lap(entry) != LapOf(position) || cell >= count_) return;
  PrefetchToWrite(At(cell).cell);
  PrefetchToWrite(reinterpret_cast<std::byte*>(At(cell).cell) + kCellAlignment);
}

// `take` false: only looks.
RingPort::Look RingPort::LookForMessage(HeldCell& held, bool take) const {
  // message_ring.returned (acquire); seq_cst: see EDGE audience.brought
  if (__builtin_expect((ring_->returned_.load(std::memory_order_seq_cst) & 1) != 0, 0)) {
    if (const Look look = TakeReturned(held, take); look != Look::kNothing) return look;
  }
  uint64_t position = ring_->head_.load(std::memory_order_acquire);  // message_ring.hint (acquire)
  for (uint64_t steps = (order_mask_ + 1) * 64 + 4096; steps != 0; --steps) {
    // message_ring.put (acquire); seq_cst: see EDGE audience.brought
    const uint64_t entry = order_[position & order_mask_].load(std::memory_order_seq_cst);
    const uint64_t lap = OrderEntry::Lap(entry);
    if (lap + 1 == LapOf(position)) return Look::kNothing;
    if (lap < LapOf(position)) return Look::kDamaged;
    if (lap > LapOf(position)) {  // one lap later something was put, so all of the last lap has been taken up to there
      position = std::max(position, (lap - 1) << log2_order_ | (position & order_mask_)) + 1;
      continue;
    }
    const uint32_t cell = OrderEntry::CellOf(entry);
    if (cell == OrderEntry::kClosed) return EndOrNothing();
    if (cell >= count_) return Look::kDamaged;
    if (take) {
      PrefetchToWrite(At(cell).cell);
      __builtin_prefetch(reinterpret_cast<std::byte*>(At(cell).cell) + kCellAlignment);
    }
    uint64_t word = WordOf(cell).load(std::memory_order_acquire);  // message_ring.cell (acquire)
    while (CellWord::State(word) == CellState::kOffered &&
           CellWord::Position(word) == (position & CellWord::kPositionMask)) {
      if (!take) return Look::kFound;
      const uint64_t taken = CellWord::Of(CellState::kTaken, self_, position);
      // message_ring.cell (acquire); seq_cst: see EDGE audience.brought
      if (WordOf(cell).compare_exchange_weak(word, taken, std::memory_order_seq_cst, std::memory_order_acquire)) {
        // relaxed: it may lag. message_ring.hint (release)
        if (ring_->head_.load(std::memory_order_relaxed) <= position) {
          ring_->head_.store(position + 1, std::memory_order_release);
        }
        held = {.cell = cell, .word = taken};
        PrefetchNext(position + 2);
        return Look::kFound;
      }
    }
    ++position;
  }
  return Look::kDamaged;
}

RingPort::Look RingPort::TakeReturned(HeldCell& held, bool take) const {
  for (;;) {
    uint32_t seen = ring_->returned_.load(std::memory_order_acquire);  // message_ring.returned (acquire)
    if ((seen & 1) == 0) return Look::kNothing;
    uint64_t oldest = 0;
    uint32_t oldest_cell = 0;
    for (uint32_t cell = 0; cell < count_; ++cell) {
      const uint64_t word = WordOf(cell).load(std::memory_order_acquire);  // message_ring.cell (acquire)
      if (CellWord::State(word) != CellState::kReturned) continue;
      if (oldest != 0 && CellWord::Position(word) >= CellWord::Position(oldest)) continue;
      oldest = word;
      oldest_cell = cell;
    }
    if (oldest == 0) {
      // relaxed: a hint that there is none; whoever returns one makes it another number
      if (ring_->returned_.compare_exchange_strong(seen, seen + 1, std::memory_order_relaxed)) return Look::kNothing;
      continue;
    }
    if (!take) return Look::kFound;
    const uint64_t taken = CellWord::Of(CellState::kTaken, self_, CellWord::Position(oldest));
    // message_ring.cell (acquire); on failure relaxed: look again
    if (WordOf(oldest_cell).compare_exchange_strong(oldest, taken, std::memory_order_seq_cst, std::memory_order_relaxed)) {
      held = {.cell = oldest_cell, .word = taken, .redelivered = true};
      return Look::kFound;
    }
  }
}

// At the end of the order: whether what others have may still come back, and this process has nothing itself.
RingPort::Look RingPort::EndOrNothing() const {
  // seq_cst, both: before the look at the cells; see Free
  if (ring_->closed_.load(std::memory_order_seq_cst) == 0) ring_->closed_.store(1, std::memory_order_seq_cst);
  if (!redelivers()) return Look::kEnd;
  bool others = false;
  for (uint32_t cell = 0; cell < count_; ++cell) {
    const uint64_t word = WordOf(cell).load(std::memory_order_seq_cst);  // seq_cst: as above
    const CellState state = CellWord::State(word);
    if (state == CellState::kReturned) return Look::kNothing;  // the next look finds it
    if (state != CellState::kTaken && state != CellState::kOwed) continue;
    if (CellWord::Owner(word) == (self_ & CellWord::kOwnerMask)) return Look::kEnd;
    others = true;
  }
  return others ? Look::kNothing : Look::kEnd;
}

void RingPort::TellRelay() const {
  // message_ring.port (acquire)
  if (FdRelay* const relay = relay_known_.load(std::memory_order_acquire); relay != nullptr) relay->Consumed();
}

absl::StatusOr<HeldCell> RingPort::Take(Deadline deadline) {
  HeldCell held;
  // relaxed, both: a hint; whoever sleeps looks again
  if (__builtin_expect(ring_->swept_.load(std::memory_order_relaxed) != deaths().load(std::memory_order_relaxed), 0)) {
    // participants.deaths (acquire)
    TakeBackFromTheDead(deaths().load(std::memory_order_acquire));
  }
  Look look = LookForMessage(held, /*take=*/true);
  if (__builtin_expect(look == Look::kNothing, 0)) {
    look = AwaitSlowly(ring_->getters_, deadline, [&] { return LookForMessage(held, /*take=*/true); });
  }
  if (__builtin_expect(look == Look::kFound, 1)) {
    if (!keeps()) ring_->putters_.Wake();
    TellRelay();
    return held;
  }
  TellRelay();  // somebody else has taken what it told of
  if (look == Look::kNothing) return TimedOut();
  return look == Look::kEnd ? QueueIsDrained() : Scribbled();
}

void RingPort::FinishAsOwed(HeldCell& held) {
  held.word = CellWord::Of(CellState::kOwed, self_, CellWord::Position(held.word));
  const std::lock_guard lock(mutex_);
  // In the lock, and first: whoever finds the entry finds the word.
  WordOf(held.cell).store(held.word, std::memory_order_release);  // message_ring.cell (release)
  owed_.push_back({.held = held, .thread = std::this_thread::get_id()});
  held.word = 0;
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
      if (oldest != 0 && CellWord::Position(word) >= CellWord::Position(oldest)) continue;
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
  uint64_t lost = 0;
  const auto look = [&] {
    const uint64_t now = ring_->lost_.load(std::memory_order_relaxed);  // relaxed: for the answer
    if (now != 0) lost = now;
    return NobodyOwes() ? Look::kFound : Look::kNothing;
  };
  if (AwaitSlowly(ring_->joiners_, deadline, look) == Look::kNothing) return TimedOut();
  look();  // those that were lost last
  if (lost == 0) return absl::OkStatus();
  uint64_t expected = lost;
  // relaxed: told once; others who wait have seen it
  ring_->lost_.compare_exchange_strong(expected, 0, std::memory_order_relaxed);
  return MakeStatus(absl::StatusCode::kUnavailable,
                    absl::StrCat("process ", static_cast<uint32_t>(lost), " ended with messages that it had taken and not done: ",
                                 lost >> 32, " are lost"));
}

// ---- the dead ---------------------------------------------------------------------------------------------------------------------

bool RingPort::OwnerIsDead(uint64_t word) const {
  const uint32_t owner = CellWord::Owner(word);
  if (owner == (self_ & CellWord::kOwnerMask)) return false;
  const int slot = shm_internal::SlotOf(owner);
  if (slot < 0 || slot >= shm_internal::kMaxParticipants) return true;
  const ParticipantSlot& participant = attachment_->participants()[static_cast<size_t>(slot)];
  // relaxed, both: never change while the slot has this owner
  const ParticipantId id = shm_internal::ParticipantIdOf(slot, participant.life_number.load(std::memory_order_relaxed));
  const uint64_t process = participant.process.load(std::memory_order_relaxed);
  if ((id & CellWord::kOwnerMask) != owner) return true;  // one of its successors has the slot
  if (!shm_internal::IsDead(*attachment_, id)) return false;
  // What it had open may name what lies in its cells.
  shm_internal::FinishSectionsOf(*attachment_, process);
  return true;
}

bool RingPort::IsPublished(uint32_t cell, uint64_t word) const {
  const uint64_t position = CellWord::Position(word);
  const uint64_t entry = order_[position & order_mask_].load(std::memory_order_acquire);  // message_ring.put (acquire)
  const uint64_t put = OrderEntry::Lap(entry) << log2_order_ | (position & order_mask_);
  return OrderEntry::CellOf(entry) == cell && (put & CellWord::kPositionMask) == position;
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
    if (state == CellState::kOwed) CountLost(word);
    if (Clear(cell, word)) return;
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

// ---- looking, and the end -----------------------------------------------------------------------------------------------------------

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
  ring_->putters_.WakeAll();
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
      .consumed =
          [](const void* port) {
            static_cast<const RingPort*>(port)->TellRelay();
          },
  };
  return {.object = this, .ops = &kOps};
}

// ---- for handles -------------------------------------------------------------------------------------------------------------------

absl::StatusOr<RingPort*> OpenPort(shm_internal::Hold& hold, uint32_t room_at) {
  SHOAL_ASSIGN_OR_RETURN(std::unique_ptr<RingPort> made, RingPort::Open(hold, room_at));
  shm_internal::HoldCompanion* known = nullptr;
  // message_ring.port (acq_rel): the port is whole; on failure acquire: another thread's
  if (hold.companion.compare_exchange_strong(known, made.get(), std::memory_order_acq_rel, std::memory_order_acquire)) {
    return made.release();
  }
  return static_cast<RingPort*>(known);
}

absl::Status NamesNoQueue() {
  return MakeStatus(absl::StatusCode::kFailedPrecondition,
                    "this handle names no queue: it is empty, was inherited by fork, or lies in shared memory (copy it first)");
}
absl::Status PutIntoClosedQueue() {
  return MakeStatus(absl::StatusCode::kFailedPrecondition, "this queue has been closed: nothing is put any more");
}
absl::Status QueueIsDrained() {
  static const absl::Status* const status =
      new absl::Status(MakeStatus(absl::StatusCode::kCancelled, "this queue has been closed, and all was taken"));
  return *status;
}
absl::Status OnlyQueuesAcknowledge() {
  return MakeStatus(absl::StatusCode::kInvalidArgument, "only a Queue and its likes keep what was taken until it is done");
}
absl::Status NoSuchCapacity(uint64_t capacity) {
  return MakeStatus(absl::StatusCode::kInvalidArgument,
                    absl::StrCat("a queue holds 1 to ", kMaxRingCapacity, " messages; ", capacity, " are asked for"));
}
absl::Status TooMuchInline(uint64_t bytes) {
  return MakeStatus(absl::StatusCode::kInvalidArgument,
                    absl::StrCat("messages of up to 65536 bytes can lie in the queue itself; ", bytes, " are asked for"));
}
absl::Status CannotDeliverTwice() {
  return MakeStatus(absl::StatusCode::kInvalidArgument,
                    "a message that cannot be copied cannot be delivered again: a queue of these does not keep them");
}

}  // namespace shoal::ipc_internal
