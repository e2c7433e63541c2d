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
//  owed → (returned, t) in a ring that delivers again, otherwise (owed, itself, t), which it counts as lost, and then (clearing, itself).
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
//  What a sleeper may wait for (put, taken, freed, returned, closed) is done by seq_cst operations: see audience.h. All of one audience
//  wait for the same, so that whichever is woken can use what came: who has a cell (publishers) waits for room only, who has none
//  (claimers) for room and a free cell. A message taken is told to both, a cell freed to claimers.
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
//   having counted a lost message, before its cell is cleared   it owed, by another dead one: counted once more
//   in Join, before it has told of a lost one                   told_ as it was: the next Join tells of it
//   closing, before closed_ is stored                           the order closed, and `deaths`
//
//  An owner is named by 20 bits: a participant's slot, and 13 bits of its life number. It would be taken for another only if its slot
//  was taken anew exactly 8,192 times while nobody used the queue at all.

#include "shoal/ipc/message_ring.h"

#include <algorithm>
#include <bit>
#include <new>
#include <span>
#include <utility>

#include "shoal/ipc/message_ring_wait.h"
#include "shoal/shm/heap.h"
#include "shoal/shm/membership.h"
#include "shoal/shm/object.h"
#include "shoal/sync/status.h"

namespace shoal::ipc_internal {

using shm_internal::CellTable;
using shm_internal::ParticipantId;
using sync_internal::Deadline;
using sync_internal::MakeStatus;

namespace {

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
  SHOAL_RETURN_IF_ERROR(port->Locate(hold.attachment, reinterpret_cast<MessageRing*>(hold.object)));
  if (port->shape_.room_at != room_at) return Scribbled();
  SHOAL_ASSIGN_OR_RETURN(port->self_, shm_internal::Participate(*port->attachment_));
  port->life_ = &port->attachment_->participants()[static_cast<size_t>(shm_internal::SlotOf(port->self_))].life.word;
  return port;
}

absl::Status RingPort::Locate(const SegmentRef& segment, MessageRing* ring) {
  attachment_ = segment;
  ring_ = ring;
  // Copies, which are checked, and used from here on.
  const CellTable table = ring->table_;
  const RingShape shape = ring->shape_;
  SHOAL_ASSIGN_OR_RETURN(const std::span<std::byte> cells, LocateCells(*segment, table));
  const bool sound = shape.capacity >= 1 && shape.capacity <= kMaxRingCapacity && (shape.flags & ~RingFlags::kAll) == 0 &&
                     !cells.empty() && table.count == CellsFor(shape) && table.stride == StrideFor(shape) &&
                     table.first == OrderBytesFor(shape.capacity) &&
                     reinterpret_cast<uintptr_t>(cells.data()) % kCellAlignment == 0;
  if (!sound) return Scribbled();
  shape_ = shape;
  cells_ = cells.data();
  order_ = reinterpret_cast<std::atomic<uint64_t>*>(cells.data() - table.first);
  count_ = table.count;
  stride_ = table.stride;
  log2_order_ = Log2OrderFor(shape.capacity);
  order_mask_ = (uint64_t{1} << log2_order_) - 1;
  return absl::OkStatus();
}

RingPort::~RingPort() {
  relay_.reset();
  if (!redelivers()) return;
  for (Owed& owed : owed_) {
    uint64_t word = owed.held.word;
    const uint64_t returned = CellWord::Of(CellState::kReturned, 0, CellWord::Position(word));
    // message_ring.cell (acq_rel); on failure relaxed: somebody has said that it is done
    if (WordOf(owed.held.cell)
            .compare_exchange_strong(word, returned, std::memory_order_acq_rel, std::memory_order_relaxed)) {
      SayReturned();
    }
  }
}

absl::Status RingPort::BeingKilled() { return MakeStatus(absl::StatusCode::kUnavailable, "this process is being killed"); }

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
  const bool waits =
      CellWord::State(word) == CellState::kOffered && CellWord::Position(word) == (before & CellWord::kPositionMask);
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
    look = AwaitSlowly(ring_->claimers_, deadline, [&] { return LookForRoom(held); });
  }
  if (__builtin_expect(look == Look::kFound, 1)) return held;
  if (look == Look::kNothing) return NoRoomInTime();
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
    if (order_[tail.position & order_mask_].compare_exchange_strong(tail.entry,
                                                                    OrderEntry::Of(LapOf(tail.position), held.cell),
                                                                    std::memory_order_seq_cst, std::memory_order_relaxed)) {
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
    look = AwaitSlowly(ring_->publishers_, deadline, [&] { return TryPublish(held); });
  }
  if (__builtin_expect(look == Look::kFound, 1)) return absl::OkStatus();
  if (look == Look::kNothing) return NoRoomInTime();
  return look == Look::kEnd ? PutIntoClosedQueue() : Scribbled();
}

absl::Status RingPort::Publish(HeldCell& held, Deadline deadline) {
  absl::Status status = PublishQuietly(held, deadline);
  if (__builtin_expect(status.ok(), 1)) ring_->getters_.Wake();
  return status;
}

// As in FinishAsOwed and GiveBack, no comparison: only the owner changes the word of a cell that it has, and is never taken for dead while a
// thread of it runs. In bytes that somebody has written over, a comparison would only leave the cell to nobody.
void RingPort::Free(uint32_t cell) const {
  WordOf(cell).exchange(0, std::memory_order_seq_cst);  // message_ring.cell (release); seq_cst: see EDGE audience.brought
  ring_->claimers_.Wake();
  if (__builtin_expect(keeps(), 0)) TellThatLessIsOwed();
}

Carrier RingPort::CarrierOf(const HeldCell& held) const {
  return Carrier::InQueue(attachment_->OffsetOf(ring_) - sizeof(shm_internal::ObjectHeader), held.cell);
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
      if (oldest != 0 && !CellWord::IsOlder(word, oldest)) continue;
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
    if (!keeps()) {
      ring_->publishers_.Wake();
      ring_->claimers_.Wake();
    }
    TellRelay();
    return held;
  }
  TellRelay();  // somebody else has taken what it told of
  if (look == Look::kNothing) return TimedOut();
  return look == Look::kEnd ? QueueIsDrained() : Scribbled();
}

// ---- for handles -------------------------------------------------------------------------------------------------------------------

absl::StatusOr<RingPort*> OpenPort(shm_internal::Hold& hold, uint32_t room_at) {
  SHOAL_ASSIGN_OR_RETURN(std::unique_ptr<RingPort> made, OrNoMemory([&] { return RingPort::Open(hold, room_at); }));
  shm_internal::HoldCompanion* known = nullptr;
  // message_ring.port (acq_rel): the port is whole; on failure acquire: another thread's
  if (hold.companion.compare_exchange_strong(known, made.get(), std::memory_order_acq_rel, std::memory_order_acquire)) {
    return made.release();
  }
  return static_cast<RingPort*>(known);
}

}  // namespace shoal::ipc_internal
