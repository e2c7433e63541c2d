// ipc/pipe_end.cc: the ends, the cells, the edges, the deaths. How an end waits is in pipe_end_wait.cc.
//
//  An end is one word of the pipe, state and participant:
//
//   end                meaning                                              who may change it, to what
//    owned, P lives     P sends and receives here                            P → closed, handed over, travelling
//    owned, P is dead   died: for ever; the peer drains, then Unavailable    nobody
//    handed over, P     P answers for it until somebody takes it             whoever it is for → owned; P → owned, closed
//    travelling, P      it lies in a message of P's                          who takes the message → owned; who destroys it → closed
//    closed             for ever; the peer drains, then Cancelled            nobody
//
//  A direction has one end that sends and one that receives. Position p lies in cell p mod n, in lap p / n. Its word:
//
//   cell              meaning                                    who may change it, to what
//    empty, lap        position p is the sender's to fill         the sender → full, in one exchange: the message is sent
//    full, lap         the message is the receiver's, also while  the receiver → empty, next lap, in one exchange: the room is given back
//                        it reads it there, when what comes next has its turn
//    … + waiters       somebody sleeps on this word               a sleeper sets it; the exchange takes it away
//    … + ended         an end was closed while it was here        whoever closes sets it; the exchange takes it away
//
//  So there is nothing between "not sent" and "sent", nor between "there" and "taken"; what a dead end had half written in its cell
//  nobody ever reads. `written` and `taken` are the ends' own notes of how far they are, for the thread that comes next.
//
//  A sleeper sleeps on its cell's word and on `deaths`. The exchange finds whether somebody sleeps there. Who closes an end stores that
//  first, and then marks the cells at which anybody can sleep, and wakes. A sleeper sets its bit first, and then looks at the ends once
//  more. While another thread of the closer's process sends, or is lent a message, that cell may be the one beside the closer's own
//  position: so both are marked. The mark stays: to take the waiters bit away instead would let a second sleeper at that cell put it back,
//  and a third, who had looked before, sleep for ever (the model found that).
//
//  Messages behind one that is read in place are received, so the receiver may come round to that one's cell while it is full as a lap
//  ago. Then nothing is there for it: it sleeps on the full cell, beside the sender who waits for the room, and the exchange that gives the
//  cell back wakes both. Only who has the turn to receive, and no message in place, knows that such a cell makes no sense.
//
//  EDGE pipe.publish: the exchange to full, release → the look of the receiver, acquire. Publishes the message.
//  EDGE pipe.room: the exchange to empty, release → the look of the sender, acquire. What was read in the cell is over.
//  EDGE pipe.end: a change of an end's word, release → a look at it, acquire. Publishes the positions to the next owner; and to the peer
//       what was sent before the end closed.
//  EDGE pipe.closing: end := closed, then the cell is marked; the bit is set, then the end is looked at. All seq_cst: a Dekker pair.
//  EDGE pipe.turn: `busy` given up, release → claimed, acquire: threads of one process take turns.
//  EDGE pipe.lent: what was read in place is over, release → the end is handed over, acquire.
//  EDGE pipe.relay: the relay is made, release → a receiver finds it, acquire.
//  EDGE participants.deaths: see participants.cc.
//
//  If the process dies …                          the other sees …
//   sending, before the exchange                    nothing of that message; the end died
//   after it, before its wake                       the message, if it looks; and `deaths` makes it look
//   receiving, before its exchange                  a full cell, which nobody will empty; the end died: Send says so
//   after it, before its wake                       the room, and the end that died
//   asleep                                          one waiters bit too many
//   closing, before the word is stored              the end died
//   after it, before the cells are marked           closed; `deaths` makes everybody look
//   sending an end: before the section commits     the end owned by a dead one
//     after it, before the message is sent         who waits at the other end follows it and finds that it was not sent: lost
//     after that                                   the message; if who should receive it dies or closes, the same finds that
//   taking an end over                              the end as it was before, in another's care or in its message, or died; whoever
//                                                  finds it owned by a dead one first undoes what that had open
//
//  A process that dies takes its end with it, so no turn of a dead thread is ever in the way: `busy` lies in the process.

#include "shoal/ipc/pipe_end.h"

#include <bit>
#include <new>

#include "absl/strings/str_cat.h"
#include "shoal/ipc/message_ring.h"
#include "shoal/ipc/payload.h"
#include "shoal/shm/dispose.h"
#include "shoal/shm/holds.h"
#include "shoal/shm/membership.h"
#include "shoal/shm/object.h"
#include "shoal/shm/thread_slot.h"
#include "shoal/shm/type_table.h"
#include "shoal/sync/status.h"

namespace shoal::ipc_internal {

using shm_internal::Attachment;
using shm_internal::EndState;
using shm_internal::EndWord;
using shm_internal::ParticipantId;
using shm_internal::StoredEnd;
using sync_internal::MakeStatus;

// ---- the end of a pipe, made and given up ---------------------------------------------------------------------------------------

PipeEnd::PipeEnd(std::shared_ptr<Attachment> attachment, shm_internal::Handle handle, PipeCore& core, int side)
    : attachment_(std::move(attachment)),
      handle_(handle),
      core_(&core),
      side_(side),
      epoch_(sync_internal::ProcessEpoch()) {}

PipeEnd::~PipeEnd() {
  delete relay_.load(std::memory_order_acquire);  // pipe.relay (acquire)
  handle_.Destroy();
}

absl::Status PipeEnd::OpenLane(Lane& lane, int sender) {
  const shm_internal::CellTable table = core_->cells[sender];  // read once
  if (table.block == 0) return absl::OkStatus();
  SHOAL_ASSIGN_OR_RETURN(const std::span<std::byte> cells, LocateCells(*attachment_, table));
  lane.value_at = core_->value_at[sender];
  lane.inline_bytes = core_->inline_bytes[sender];
  lane.most_bytes = core_->most_bytes[sender];
  if (!std::has_single_bit(table.count) || lane.value_at < sizeof(PipeCell) || lane.value_at > table.stride ||
      lane.inline_bytes > table.stride - lane.value_at) {
    return MakeStatus(absl::StatusCode::kDataLoss, "the cells of a pipe make no sense");
  }
  lane.cells = cells.data();
  lane.mask = table.count - 1;
  lane.lap_shift = static_cast<uint32_t>(std::countr_zero(table.count));
  lane.stride = table.stride;
  lane.spins = core_->spins != 0 && LookingIsOfUse() ? Lane::kFirstSpins : 0;
  PipeDirection& direction = core_->direction[sender];
  lane.position = sender == side_ ? &direction.written : &direction.taken;
  return absl::OkStatus();
}

absl::StatusOr<PipeEnd*> PipeEnd::Open(const std::shared_ptr<Attachment>& attachment, shm_internal::Hold* hold, int side,
                                       ParticipantId id, EndState from, std::optional<uint64_t> ticket,
                                       shm_internal::Section* section) {
  auto* const core = reinterpret_cast<PipeCore*>(hold->object);
  shm_internal::Handle handle(hold);
  auto* const end = new (std::nothrow) PipeEnd(attachment, handle, *core, side);
  if (end == nullptr) {
    handle.Destroy();
    return sync_internal::NoMemoryStatus();
  }
  absl::Status status = end->OpenLane(end->out_, side);
  if (status.ok()) status = end->OpenLane(end->in_, 1 - side);
  if (status.ok() && section != nullptr) status = section->Save(&end->OwnEnd(), sizeof(uint64_t));
  if (status.ok()) {
    uint64_t seen = end->OwnEnd().load(std::memory_order_relaxed);  // relaxed: the CAS decides
    const uint64_t own_word = EndWord::Of(EndState::kOwned, id, EndWord::Turn(seen) + 1);
    // pipe.end (acq_rel); on failure relaxed: it is somebody else's
    if (EndWord::State(seen) == from && (!ticket.has_value() || TicketOf(*attachment, end->name(), seen) == ticket) &&
        end->OwnEnd().compare_exchange_strong(seen, own_word, std::memory_order_acq_rel, std::memory_order_relaxed)) {
      end->own_word_ = own_word;
    } else {
      status = MakeStatus(absl::StatusCode::kFailedPrecondition,
                          "this end of a pipe is nobody's to take: somebody has taken it, taken it back, or closed it");
    }
  }
  if (!status.ok()) {
    end->Leave();
    return status;
  }
  return end;
}

absl::StatusOr<std::pair<PipeEnd*, PipeEnd*>> PipeEnd::Make(const std::shared_ptr<Attachment>& attachment,
                                                            const shm_internal::TypeDescription& type,
                                                            const PipeShape& shape) {
  SHOAL_ASSIGN_OR_RETURN(const ParticipantId self, shm_internal::Participate(*attachment));
  SHOAL_ASSIGN_OR_RETURN(shm_internal::Creation creation,
                         shm_internal::Creation::Begin(attachment, type, shm_internal::kMaxObjectAlignment));
  SHOAL_RETURN_IF_ERROR(
      PipeCore::Construct(static_cast<PipeCore*>(creation.where()), creation.section(), shape, self));
  SHOAL_ASSIGN_OR_RETURN(shm_internal::Hold* const hold, creation.Finish());
  shm_internal::Holds::Copy(*hold);
  auto first = Open(attachment, hold, 0, self, EndState::kHandedOver, std::nullopt, nullptr);
  auto second = Open(attachment, hold, 1, self, EndState::kHandedOver, std::nullopt, nullptr);
  if (first.ok() && second.ok()) return std::pair(*first, *second);
  if (first.ok()) (*first)->Leave();
  if (second.ok()) (*second)->Leave();
  return first.ok() ? second.status() : first.status();
}

absl::StatusOr<PipeEnd*> PipeEnd::TakeOver(const std::shared_ptr<Attachment>& attachment, uint64_t word,
                                           const shm_internal::TypeDescription& type, shm_internal::Section& section) {
  if (!StoredEnd::Is(word)) return MakeStatus(absl::StatusCode::kDataLoss, "no end of a pipe has such a name");
  SHOAL_ASSIGN_OR_RETURN(const ParticipantId self, shm_internal::Participate(*attachment));
  SHOAL_ASSIGN_OR_RETURN(shm_internal::Hold* const hold, shm_internal::MembershipOf(*attachment)
                                                             .holds.Take(attachment, self, StoredEnd::Offset(word), type));
  return Open(attachment, hold, StoredEnd::Side(word), self, EndState::kTravelling, std::nullopt, &section);
}

// Nobody may answer for it any more, and its place may be another object's: that is what the number tells, before and after it is held.
absl::StatusOr<PipeEnd*> PipeEnd::TakeTicket(const std::shared_ptr<Attachment>& attachment, uint64_t ticket,
                                             const shm_internal::TypeDescription& type) {
  const uint64_t name = shm_internal::TicketNumber::Name(ticket);
  if (!StoredEnd::Is(name)) return MakeStatus(absl::StatusCode::kDataLoss, "no ticket has such a number");
  if (!IsHandedOver(*attachment, ticket)) {
    return MakeStatus(absl::StatusCode::kFailedPrecondition,
                      "nobody hands over an end with this ticket: somebody has taken it, taken it back, or closed it");
  }
  SHOAL_ASSIGN_OR_RETURN(const ParticipantId self, shm_internal::Participate(*attachment));
  SHOAL_ASSIGN_OR_RETURN(shm_internal::Hold* const hold, shm_internal::MembershipOf(*attachment)
                                                             .holds.Take(attachment, self, StoredEnd::Offset(name), type));
  return Open(attachment, hold, StoredEnd::Side(name), self, EndState::kHandedOver, ticket, nullptr);
}

// Nothing: there is no allocation at that place.
std::optional<uint64_t> PipeEnd::TicketOf(const Attachment& attachment, uint64_t name, uint64_t end_word) {
  const auto block = attachment.heap().BlockAt(StoredEnd::Offset(name));
  if (!block.ok()) return std::nullopt;
  return shm_internal::TicketNumber::Of(name, block->tag, EndWord::Turn(end_word));
}

bool PipeEnd::IsHandedOver(const Attachment& attachment, uint64_t ticket) {
  const uint64_t name = shm_internal::TicketNumber::Name(ticket);
  const shm_internal::ObjectHeader* const object = shm_internal::ObjectAtOrNull(attachment, StoredEnd::Offset(name));
  if (object == nullptr || !attachment.Contains(object + 1, sizeof(shm_internal::PipeEnds))) return false;
  const auto& ends = *reinterpret_cast<const shm_internal::PipeEnds*>(object + 1);
  const uint64_t word = ends.end[StoredEnd::Side(name)].load(std::memory_order_acquire);  // pipe.end (acquire)
  return TicketOf(attachment, name, word) == ticket && EndWord::State(word) == EndState::kHandedOver;
}

uint64_t PipeEnd::name() const {
  return StoredEnd::Of(attachment_->OffsetOf(core_) - sizeof(shm_internal::ObjectHeader), side_);
}

uint64_t PipeEnd::ticket_number() const { return TicketOf(*attachment_, name(), own_word_).value_or(0); }

absl::Status PipeEnd::HandOver(EndState to, shm_internal::Section* section, const Carrier* carrier) {
  if (Inherited()) return CannotSend();
  // Both turns, so that nobody is in a call. pipe.turn (acquire), both
  if (out_.busy.exchange(1, std::memory_order_acquire) != 0) return SomebodySends();
  if (in_.busy.exchange(1, std::memory_order_acquire) != 0) {  // pipe.turn (acquire)
    AbandonSend();
    return SomebodyReceives();
  }
  absl::Status status;
  if (AnyIsLent()) {
    status = MakeStatus(absl::StatusCode::kFailedPrecondition, "an end of which a message is being read in place stays where it is");
  }
  if (status.ok() && section != nullptr) status = section->Save(&OwnEnd(), sizeof(uint64_t));
  if (status.ok()) {
    // relaxed, both: ordered by the end's word; what they were when it was not travelling, nobody asks
    core_->carrier[side_].store(carrier == nullptr ? 0 : carrier->way, std::memory_order_relaxed);
    core_->position[side_].store(carrier == nullptr ? 0 : carrier->position, std::memory_order_relaxed);
    uint64_t seen = own_word_;
    // pipe.end (release); on failure relaxed: it is closed
    if (!OwnEnd().compare_exchange_strong(seen, EndWord::With(own_word_, to), std::memory_order_release, std::memory_order_relaxed)) {
      status = MakeStatus(absl::StatusCode::kFailedPrecondition, "this end is closed");
    }
  }
  AbandonSend();
  in_.busy.store(0, std::memory_order_release);  // pipe.turn (release)
  if (status.ok()) WakeWhoSleeps(0);             // those of this process
  return status;
}

absl::StatusOr<uint64_t> PipeEnd::StoreInto(shm_internal::Section& section, const Carrier* carrier) {
  if (!attachment_->SameSegment(section.attachment())) {
    return MakeStatus(absl::StatusCode::kFailedPrecondition, "an end of a pipe travels only through a connection or queue of its segment");
  }
  SHOAL_RETURN_IF_ERROR(HandOver(EndState::kTravelling, &section, carrier));
  const uint64_t word = name();
  SHOAL_RETURN_IF_ERROR(section.Retain(StoredEnd::Offset(word), &shm_internal::DestroyDoomedAfter));
  return word;
}

void PipeEnd::Arrive(Arrivals& arrivals) {
  arriving_ = true;
  Use();
  arrivals.Add(this, [](void* end, bool kept) { static_cast<PipeEnd*>(end)->Settle(kept); });
}

void PipeEnd::Settle(bool kept) {
  arriving_ = false;
  // Whoever takes it next, in this process, may have the very word that was ours.
  if (!kept) own_word_ = UINT64_MAX;
  if (kept && closed_on_arrival_) Close();
  Leave();
}

bool PipeEnd::TakeBack(EndState from) {
  uint64_t seen = EndWord::With(own_word_, from);
  // pipe.end (acq_rel); on failure relaxed: somebody has taken it
  return !Inherited() && OwnEnd().compare_exchange_strong(seen, own_word_, std::memory_order_acq_rel, std::memory_order_relaxed);
}

void PipeEnd::Close() {
  if (Inherited()) return;
  if (arriving_) {
    closed_on_arrival_ = true;
    return;
  }
  if (OwnEndIsClosed()) return;  // or not ours any more: who has it now may be reading the word
  uint64_t seen = own_word_;
  // pipe.closing (seq_cst), and pipe.end (release); on failure relaxed: somebody has closed it, or it is not ours any more
  if (!OwnEnd().compare_exchange_strong(seen, EndWord::With(own_word_, EndState::kClosed), std::memory_order_seq_cst,
                                        std::memory_order_relaxed)) {
    return;
  }
  WakeWhoSleeps(PipeCell::kEnded);
  DropWhatWasNotReceived();
}

// What lies in messages that nobody will receive: handles count no more, and ends are closed. A message that comes later stays until the
// pipe goes; its sender finds that we are closed (TellIfNobodyReceives).
void PipeEnd::DropWhatWasNotReceived() {
  // pipe.turn (acquire)
  if (in_.cells == nullptr || in_.busy.exchange(1, std::memory_order_acquire) != 0) return;
  for (uint64_t i = 0; i <= in_.mask && MessageIsThere(); ++i) {
    const uint64_t position = in_.Position();
    // What cannot be given up for lack of memory stays until the pipe goes. The cell stays full, as nobody is to fill it again.
    DropMessage(attachment_, reinterpret_cast<shm_internal::Cell&>(in_.CellAt(position))).IgnoreError();
    in_.position->store(position + 1, std::memory_order_relaxed);  // relaxed: this end's own
  }
  in_.busy.store(0, std::memory_order_release);  // pipe.turn (release)
}

Carrier PipeEnd::CarrierOfNext() const {
  const uint64_t offset = StoredEnd::Offset(name());
  return {.way = StoredEnd::Of(offset, 1 - side_), .position = out_.Position()};
}

void PipeEnd::TellIfNobodyReceives() {
  // pipe.closing (seq_cst)
  const absl::Status status = OrNoMemory([&] { return CheckSend(PeerEnd().load(std::memory_order_seq_cst)); });
  // Told once too often, they look in vain.
  if (!status.ok()) shm_internal::TellOfDeath(attachment_->header());
}

void PipeEnd::WakeWhoSleeps(uint32_t mark) {
  for (const Lane* const lane : {&out_, &in_}) {
    if (lane->cells == nullptr) continue;
    // All who can sleep in this direction sleep at our own position: we, and the other, if it has caught up with us. If it has moved on
    // since we looked, its exchange has woken them. Only where messages are read in place, it may sleep at any of their cells.
    // Our own position may be one behind what has been sent, and one before what has been lent: threads beside us are in such a call.
    const bool lent = lane == &in_ && AnyIsLent();
    const uint64_t first = lane->Position() - (lane == &in_ ? 1 : 0);
    for (uint64_t i = 0; i <= (lent ? lane->mask : 1); ++i) {
      PipeCell& cell = lane->CellAt(first + i);
      cell.word.fetch_or(mark, std::memory_order_seq_cst);  // pipe.closing (seq_cst)
      sync_internal::WakeAll(cell.word);
    }
  }
}

// ---- what cannot be done ----------------------------------------------------------------------------------------------------------

absl::Status PipeEnd::CannotSend() const {
  if (Inherited()) {
    return MakeStatus(absl::StatusCode::kFailedPrecondition, "this end belongs to the process that this one was forked from");
  }
  return MakeStatus(absl::StatusCode::kFailedPrecondition, "this end of a simplex pipe only receives");
}
absl::Status PipeEnd::CannotReceive() const {
  if (Inherited()) return CannotSend();
  return MakeStatus(absl::StatusCode::kFailedPrecondition, "this end of a simplex pipe only sends");
}
absl::Status PipeEnd::SomebodySends() {
  return MakeStatus(absl::StatusCode::kFailedPrecondition, "another thread is sending through this end, or has a message on loan");
}
absl::Status PipeEnd::SomebodyReceives() {
  return MakeStatus(absl::StatusCode::kFailedPrecondition, "another thread is receiving through this end");
}

absl::Status PipeEnd::CheckSend(uint64_t peer) const {
  if (OwnEnd().load(std::memory_order_seq_cst) != own_word_) {  // pipe.closing (seq_cst)
    return MakeStatus(absl::StatusCode::kFailedPrecondition, "this end is closed");
  }
  SHOAL_RETURN_IF_ERROR(CheckPeer(peer));
  if (EndWord::State(peer) != EndState::kClosed) return absl::OkStatus();
  return MakeStatus(absl::StatusCode::kFailedPrecondition, "the other end is closed: nobody would receive it");
}

// Whether somebody has the other end, or has closed it. What a dead process had open may have changed that once more: then it is looked
// at again.
absl::Status PipeEnd::CheckPeer(uint64_t& peer) const {
  for (;;) {
    absl::Status status = CheckPeerAsItWas(peer);
    const uint64_t now = PeerEnd().load(std::memory_order_seq_cst);  // pipe.closing (seq_cst), and pipe.end (acquire)
    if (now != peer) {
      peer = now;
      continue;
    }
    // Found out before it was told: what this end does next must know, also if it usually only compares `deaths`.
    // relaxed, both: whoever has been told by us in this thread sees what we have stored
    if (absl::IsUnavailable(status) && !knows_of_death_.load(std::memory_order_relaxed) &&
        !knows_of_death_.exchange(true, std::memory_order_relaxed)) {
      shm_internal::TellOfDeath(attachment_->header());
    }
    return status;
  }
}

absl::Status PipeEnd::CheckPeerAsItWas(uint64_t peer) const {
  switch (EndWord::State(peer)) {
    case EndState::kOwned:
    case EndState::kHandedOver:
      if (!shm_internal::IsDeadAndUndone(*attachment_, EndWord::Who(peer))) return absl::OkStatus();
      return MakeStatus(absl::StatusCode::kUnavailable,
                        absl::StrCat("the other end died with ", Describe(*attachment_, EndWord::Who(peer))));
    case EndState::kTravelling:
      return CheckTravelling(*core_, 1 - side_, peer, 0);
    case EndState::kClosed:
      return absl::OkStatus();
    case EndState::kNobody:
      break;
  }
  return MakeStatus(absl::StatusCode::kDataLoss, "somebody wrote over a pipe: an end of it is in no state there is");
}

// An end in a message may be lost with it: if the process died that was sending it, and had not sent it yet; or if the end of a pipe that
// will receive it is closed or has died. Whoever waits at its other end finds out by following it.
absl::Status PipeEnd::CheckTravelling(const PipeCore& core, int side, uint64_t word, int depth) const {
  constexpr int kDeepest = 16;
  const uint64_t carrier = core.carrier[side].load(std::memory_order_relaxed);    // relaxed: ordered by the end's word
  const uint64_t position = core.position[side].load(std::memory_order_relaxed);  // relaxed: as above
  if (carrier == 0 || depth > kDeepest) return absl::OkStatus();
  const auto lost = [&](ParticipantId who) {
    // If it has arrived meanwhile, nothing is lost.
    if (core.ends.end[side].load(std::memory_order_acquire) != word) return absl::OkStatus();  // pipe.end (acquire)
    return MakeStatus(absl::StatusCode::kUnavailable,
                      absl::StrCat("the other end was lost on its way to somebody, with ", Describe(*attachment_, who)));
  };
  if (!StoredEnd::Is(carrier)) {
    const ParticipantId sender = EndWord::Who(word);
    const bool never_put = shm_internal::IsDeadAndUndone(*attachment_, sender) &&
                           RingPort::WasNeverPut(attachment_, StoredEnd::Offset(carrier), position, sender);
    return never_put ? lost(sender) : absl::OkStatus();
  }
  const shm_internal::ObjectHeader* const object = ObjectAtOrNull(*attachment_, StoredEnd::Offset(carrier));
  if (object == nullptr || !attachment_->Contains(object + 1, sizeof(PipeCore))) return absl::OkStatus();  // about to be closed
  const PipeCore& way = *reinterpret_cast<const PipeCore*>(object + 1);
  const int receiver = StoredEnd::Side(carrier);
  uint64_t end = way.ends.end[receiver].load(std::memory_order_acquire);  // pipe.end (acquire)
  bool died = false;
  const auto is_owned = [&] {
    return EndWord::State(end) == EndState::kOwned || EndWord::State(end) == EndState::kHandedOver;
  };
  while (is_owned() && shm_internal::IsDeadAndUndone(*attachment_, EndWord::Who(end))) {
    // What the dead one had open may have put it back to where it came from.
    const uint64_t before =
        std::exchange(end, way.ends.end[receiver].load(std::memory_order_acquire));  // pipe.end (acquire)
    died = end == before;
    if (died) break;
  }
  switch (EndWord::State(end)) {
    case EndState::kClosed:
      return lost(EndWord::Who(end));
    case EndState::kOwned:
    case EndState::kHandedOver:
      if (died) return lost(EndWord::Who(end));
      break;
    case EndState::kTravelling:
      SHOAL_RETURN_IF_ERROR(CheckTravelling(way, receiver, end, depth + 1));
      break;
    case EndState::kNobody:
      return absl::OkStatus();
  }
  if (!shm_internal::IsDeadAndUndone(*attachment_, EndWord::Who(word))) return absl::OkStatus();
  // Has it been sent?
  const shm_internal::CellTable table = way.cells[1 - receiver];  // read once
  const absl::StatusOr<std::span<std::byte>> cells = LocateCells(*attachment_, table);
  if (!cells.ok() || !std::has_single_bit(table.count)) return absl::OkStatus();
  const auto& cell = *reinterpret_cast<const PipeCell*>(cells->data() + (position & (table.count - 1)) * table.stride);
  const uint32_t empty = PipeCell::Empty(position >> std::countr_zero(table.count));
  const uint32_t now = cell.word.load(std::memory_order_acquire);  // pipe.publish (acquire)
  return (now & ~PipeCell::kMarks) == empty ? lost(EndWord::Who(word)) : absl::OkStatus();
}

absl::Status PipeEnd::CheckReceive(uint64_t peer) const {
  if (OwnEnd().load(std::memory_order_seq_cst) != own_word_) {  // pipe.closing (seq_cst)
    return MakeStatus(absl::StatusCode::kCancelled, "this end is closed");
  }
  SHOAL_RETURN_IF_ERROR(CheckPeer(peer));
  if (EndWord::State(peer) != EndState::kClosed) return absl::OkStatus();
  return MakeStatus(absl::StatusCode::kCancelled, "the other end is closed, and everything it sent has been received");
}

}  // namespace shoal::ipc_internal
