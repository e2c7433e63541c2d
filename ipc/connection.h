#ifndef SHOAL_IPC_CONNECTION_H_
#define SHOAL_IPC_CONNECTION_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/ipc/connection_ticket.h"
#include "shoal/ipc/loaned_message.h"
#include "shoal/ipc/message_handles.h"
#include "shoal/ipc/message_type.h"
#include "shoal/ipc/payload.h"
#include "shoal/ipc/pipe_core.h"
#include "shoal/ipc/pipe_end.h"
#include "shoal/ipc/wait_hook.h"
#include "shoal/shm/pipe_ends.h"
#include "shoal/shm/section.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/shareable.h"
#include "shoal/shm/stored.h"
#include "shoal/shm/type_table.h"
#include "shoal/sync/status.h"

namespace shoal {

namespace ipc_internal {

// Gives PipeMaker and Listener the ends that they make.
struct ConnectionAccess;

}  // namespace ipc_internal

// One end of a pipe: sends messages to the other end, and receives what that sends. Pipe() makes the two; Listener and Client give
// one each to programs that know only a name.
//
//   SHOAL_ASSIGN_OR_RETURN((auto [here, there]), Pipe<std::string>());
//   SHOAL_RETURN_IF_ERROR(here.Send("hello"));
//   SHOAL_ASSIGN_OR_RETURN(std::string text, there.Recv());
//
// A message is whole: one Send is one Recv. It has been sent when Send returns, and what its sender did before is visible to who
// receives it. An end is one process's at a time. It may be sent through another connection or a queue of its segment, and
// belongs to whoever receives it then; a child that is forked gets one by a ticket (HandOver).
//
// Processes take turns at one end by a Queue<Connection<T>> of capacity 1, in which it lies while it is nobody's turn:
//
//   SHOAL_ASSIGN_OR_RETURN(Connection<int> end, turns.Get());              // waits for its turn
//   SHOAL_ASSIGN_OR_RETURN(int number, end.Recv());
//   SHOAL_RETURN_IF_ERROR(turns.Put(std::move(end)));                      // the next one's
//
// Who is killed while it waits, or has had its turn, takes nothing away. Who is killed in its turn takes the end along: the other end is
// Unavailable, what had not been received is lost, and those who wait for their turn go on waiting until whoever has the other end puts
// one of a new pipe into the queue, or closes that.
//
// Thread safety:   threads may take turns at one end, and one may send while another receives. A second one that sends (or receives)
//                  at the same time is refused. Poll, Close, fd and Wait are for any thread at any time.
// Process safety:  in a child made by fork the parent's ends are dead: every call is FailedPrecondition, the destructor does nothing.
// Crash safety:    a process that is killed, in a call or outside, leaves the messages it has sent, and nothing of the one it was sending.
//                  Whoever waits at the other end is woken.
// Blocking:        Send waits while `capacity` messages are on the way; Recv, and Poll with a timeout, while there is none. They look for
//                  some microseconds before they sleep (PipeOptions::spin), and are woken by the other end, its closing or its death.
// Memory ordering: what was done before Send is visible after the Recv that gets the message.
// Ownership:       the pipe lives as long as one of its ends, and keeps its segment mapped. Destroying an end closes it.
// Errors:          Recv: Cancelled: the other end is closed and everything it sent has been received, or this end is closed;
//                  Unavailable: its process died, and everything it sent has been received (the message says who); ResourceExhausted:
//                  this process has no memory of its own for the message, which is still the next.
//                  Send: FailedPrecondition: this end or the other is closed; Unavailable: the other's process died; ResourceExhausted: the
//                  message has more bytes than the pipe allows, or the segment has no room for it; InvalidArgument, or
//                  FailedPrecondition: it cannot be encoded, or has a handle of another segment. Nothing is sent then.
//                  Nothing of ours throws; what a value's own constructors and allocators throw, but for std::bad_alloc, comes out, and
//                  nothing was sent or received.
//                  Both: DeadlineExceeded: nothing was sent or received; FailedPrecondition: another thread is at it, the end has no such
//                  direction, has been moved away, or is the parent's; DataLoss: the shared bytes make no sense.
// Allocation:      a plain value that fits its cell: none. What does not fit, or has handles: a block of the segment, until it is received.
// Layout:          docs/memory_format.md.
template <class S, class R>
class Connection final {
 public:
  // No end of anything.
  Connection() = default;
  Connection(Connection&& other) noexcept : word_(std::exchange(other.word_, 0)) {}
  Connection& operator=(Connection&& other) noexcept {
    if (this != &other) {
      Drop();
      word_ = std::exchange(other.word_, 0);
    }
    return *this;
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { Drop(); }

  [[nodiscard]] absl::Status Send(const S& value, absl::Duration timeout = absl::InfiniteDuration()) {
    static_assert(!ipc_internal::MovesHandles<S>(), "a connection is moved, not copied: Send(std::move(message))");
    return Put(value, timeout);
  }
  // What `value` has that can only be moved (a Connection) has gone when this returns OK, and only then.
  [[nodiscard]] absl::Status Send(S&& value, absl::Duration timeout = absl::InfiniteDuration()) {
    SHOAL_RETURN_IF_ERROR(Put(value, timeout));
    if constexpr (ipc_internal::MovesHandles<S>()) [[maybe_unused]] const S gone = std::move(value);
    return absl::OkStatus();
  }

  [[nodiscard]] absl::StatusOr<R> Recv(absl::Duration timeout = absl::InfiniteDuration()) {
    std::optional<R> value;
    const absl::Status status = ipc_internal::OrNoMemory([&] { return TakeNext(value, timeout); });
    if (__builtin_expect(!status.ok(), 0)) return status;
    return *std::move(value);
  }

  // The same into a value that is there; of types whose assignment cannot fail. A text or vector of plain elements keeps the memory it has:
  // into a new one, each page of a large message is a page fault, which takes longer than to copy it. Nobody else looks at the value
  // meanwhile. Without a message it is as it was.
  template <class Message = R>
  requires std::is_nothrow_move_assignable_v<Message>
  [[nodiscard]] absl::Status RecvInto(R& value, absl::Duration timeout = absl::InfiniteDuration()) {
    if constexpr (ipc_internal::FormOf<R>() == ipc_internal::MessageForm::kBulk) {
      return ipc_internal::OrNoMemory([&] {
        ipc_internal::RefilledValue<R> refilled(value);
        return TakeNext(refilled.slot, timeout);
      });
    } else {
      std::optional<R> received;
      SHOAL_RETURN_IF_ERROR(ipc_internal::OrNoMemory([&] { return TakeNext(received, timeout); }));
      value = *std::move(received);
      return absl::OkStatus();
    }
  }

  // Whether Recv would not wait: true when there is a message, or the end of them. Takes nothing.
  [[nodiscard]] absl::StatusOr<bool> Poll(absl::Duration timeout = absl::ZeroDuration()) {
    ipc_internal::PipeEnd* const end = end_or_null();
    if (end == nullptr) return NoEnd();
    return ipc_internal::OrNoMemory([&] { return end->Poll(timeout); });
  }

  // Lends the place of the next message, to be written there and then published; plain values only. Zero or what an older message left.
  // (`Message` is S: a parameter of the call, because an S may be incomplete where its connection is named.)
  template <class Message = S>
  requires SharedValue<Message>
  [[nodiscard]] absl::StatusOr<LoanedMessage<S>> Loan(absl::Duration timeout = absl::InfiniteDuration()) {
    return ipc_internal::OrNoMemory([&] { return LoanOne(timeout); });
  }

  // The next message where it lies; plain values only. Its place is the sender's again when the result is destroyed.
  template <class Message = R>
  requires SharedValue<Message>
  [[nodiscard]] absl::StatusOr<ReceivedMessage<R>> RecvInPlace(absl::Duration timeout = absl::InfiniteDuration()) {
    return ipc_internal::OrNoMemory([&] { return TakeInPlace(timeout); });
  }

  // A descriptor that can be read while Poll would be true, for poll(2), epoll and event loops. It belongs to this end, and is never
  // to be read or closed. The first call starts a thread of this process that watches.
  [[nodiscard]] absl::StatusOr<int> fd() {
    ipc_internal::PipeEnd* const end = end_or_null();
    if (end == nullptr) return NoEnd();
    return ipc_internal::OrNoMemory([&] { return end->Fd(); });
  }

  // Nothing more is sent or received here; the other end is told. Whoever waits here is woken. Harmless when it has been closed.
  void Close() {
    if (ipc_internal::PipeEnd* const end = end_or_null(); end != nullptr) end->Close();
  }
  bool closed() const { return end_or_null() == nullptr || end_or_null()->closed(); }
  // Whether the pipe has that direction.
  bool readable() const { return end_or_null() != nullptr && end_or_null()->in().cells != nullptr; }
  bool writable() const { return end_or_null() != nullptr && end_or_null()->out().cells != nullptr; }
  explicit operator bool() const { return !closed(); }

  // The segment that the pipe lies in.
  [[nodiscard]] absl::StatusOr<Segment> segment() const {
    const ipc_internal::PipeEnd* const end = end_or_null();
    if (end == nullptr || end->Inherited()) return NoEnd();
    return Segment::Of(end->attachment());
  }

  // Gives the end away to whoever is told the ticket's number: a child that is forked, or any process that has the segment. As long as
  // nobody has taken it the ticket answers for it, and closes it when it is destroyed.
  // FailedPrecondition: it is in use, or closed; nothing has changed.
  [[nodiscard]] absl::StatusOr<ConnectionTicket> HandOver() {
    ipc_internal::PipeEnd* const end = end_or_null();
    if (end == nullptr) return NoEnd();
    SHOAL_RETURN_IF_ERROR(end->HandOver(shm_internal::EndState::kHandedOver, nullptr));
    word_ = 0;
    return ConnectionTicket(end);
  }
  // FailedPrecondition: it has been taken, or closed, or is of another type (the message says where they differ).
  [[nodiscard]] static absl::StatusOr<Connection> Take(const Segment& segment, uint64_t ticket) {
    SHOAL_RETURN_IF_ERROR(segment.status());
    return ipc_internal::OrNoMemory([&] { return TakeFrom(shm_internal::Attachment::Of(&segment.deaths()), ticket); });
  }

  // For Wait.
  ipc_internal::WaitHook wait_hook() const {
    ipc_internal::PipeEnd* const end = end_or_null();
    return end == nullptr || end->closed() ? ipc_internal::WaitHook() : end->Hook();
  }

 private:
  friend struct shm_internal::StoredAccess;
  friend struct ipc_internal::ConnectionAccess;
  friend struct ipc_internal::MessageHandle<Connection>;

  // The pipe's end 0 sends S, or its end 1 does.
  static const shm_internal::TypeDescription& TypeSeenFrom(int side) {
    static_assert(ipc_internal::CheckMessage<S>() && ipc_internal::CheckMessage<R>());
    return side == 0 ? shm_internal::DescriptionOf<ipc_internal::PipeObject<S, R>>()
                     : shm_internal::DescriptionOf<ipc_internal::PipeObject<R, S>>();
  }

  static absl::StatusOr<Connection> TakeFrom(const std::shared_ptr<shm_internal::Attachment>& attachment, uint64_t ticket) {
    if (attachment == nullptr) return NoEnd();
    Connection taken;
    SHOAL_ASSIGN_OR_RETURN(
        ipc_internal::PipeEnd * end,
        ipc_internal::PipeEnd::TakeTicket(attachment, ticket, TypeSeenFrom(shm_internal::StoredEnd::Side(ticket))));
    taken.word_ = reinterpret_cast<uint64_t>(end);
    return taken;
  }

  explicit Connection(ipc_internal::PipeEnd* end) : word_(reinterpret_cast<uint64_t>(end)) {}

  static absl::Status NoEnd() {
    return sync_internal::MakeStatus(absl::StatusCode::kFailedPrecondition,
                                     "this connection is the end of no pipe: it was moved away, or lies in a message");
  }

  ipc_internal::PipeEnd* end_or_null() const {
    static_assert(ipc_internal::CheckMessage<S>() && ipc_internal::CheckMessage<R>());
    return (word_ & 1) != 0 ? nullptr : reinterpret_cast<ipc_internal::PipeEnd*>(word_);
  }

  static ipc_internal::MessageCell MessageIn(const ipc_internal::PipeEnd::Lane& lane, ipc_internal::PipeCell& cell) {
    return {.cell = reinterpret_cast<shm_internal::Cell*>(&cell), .room = {lane.ValueOf(cell), lane.inline_bytes}};
  }

  absl::Status TakeNext(std::optional<R>& value, absl::Duration timeout) {
    ipc_internal::PipeEnd* const end = end_or_null();
    if (__builtin_expect(end == nullptr, 0)) return NoEnd();
    ipc_internal::PipeCell* cell = nullptr;
    SHOAL_RETURN_IF_ERROR(end->BeginReceive(timeout, cell));
    const ipc_internal::PipeEnd::ReceiveTurn turn(*end);
    absl::Status status =
        ipc_internal::TakeMessage<R>(end->attachment(), MessageIn(end->in(), *cell), /*spent=*/std::nullopt, value);
    if (__builtin_expect(status.ok() || absl::IsDataLoss(status), 1)) end->GiveBack(*cell, end->TakeCell());
    return status;
  }

  absl::StatusOr<ReceivedMessage<R>> TakeInPlace(absl::Duration timeout) {
    ipc_internal::PipeEnd* const end = end_or_null();
    if (end == nullptr) return NoEnd();
    ipc_internal::PipeCell* cell = nullptr;
    SHOAL_RETURN_IF_ERROR(end->BeginReceive(timeout, cell));
    const ipc_internal::PipeEnd::ReceiveTurn turn(*end);
    const absl::StatusOr<R*> value = ipc_internal::LocateValue<R>(end->attachment(), MessageIn(end->in(), *cell));
    const uint64_t lap = end->TakeCell();
    if (value.ok()) return ReceivedMessage<R>(*end, *cell, lap, **value);
    end->GiveBack(*cell, lap);
    return value.status();
  }

  absl::StatusOr<LoanedMessage<S>> LoanOne(absl::Duration timeout) {
    ipc_internal::PipeEnd* const end = end_or_null();
    if (end == nullptr) return NoEnd();
    ipc_internal::PipeCell* cell = nullptr;
    SHOAL_RETURN_IF_ERROR(end->BeginSend(timeout, cell));
    const ipc_internal::MessageCell at = MessageIn(end->out(), *cell);
    // First, because its atomic operation would wait for all that is written into the cell.
    LoanedMessage<S> loan(*end, *cell);
    if (__builtin_expect(cell->content.block != 0, 0)) {
      SHOAL_RETURN_IF_ERROR(ipc_internal::DropMessage(end->attachment(), *at.cell));
    }
    SHOAL_ASSIGN_OR_RETURN(loan.value_, ipc_internal::MakeRoomForValue<S>(end->attachment(), at, end->out().most_bytes));
    return loan;
  }

  absl::Status Put(const S& value, absl::Duration timeout) {
    return ipc_internal::OrNoMemory([&] { return PutOrThrow(value, timeout); });
  }
  absl::Status PutOrThrow(const S& value, absl::Duration timeout) {
    ipc_internal::PipeEnd* const end = end_or_null();
    if (__builtin_expect(end == nullptr, 0)) return NoEnd();
    ipc_internal::PipeCell* cell = nullptr;
    SHOAL_RETURN_IF_ERROR(end->BeginSend(timeout, cell));
    ipc_internal::PipeEnd::SendTurn turn(*end);
    const ipc_internal::MessageCell at = MessageIn(end->out(), *cell);
    absl::Status status;
    // A block can be left there by a receiver that had no memory for the journal.
    if (__builtin_expect(cell->content.block != 0, 0)) status = ipc_internal::DropMessage(end->attachment(), *at.cell);
    if (__builtin_expect(status.ok(), 1)) {
      if constexpr (ipc_internal::MovesHandles<S>()) {
        const ipc_internal::Carrier carrier = end->CarrierOfNext();
        status = ipc_internal::PutMessage<S>(end->attachment(), {at.cell, at.room, &carrier}, value, end->out().most_bytes);
      } else {
        status = ipc_internal::PutMessage<S>(end->attachment(), at, value, end->out().most_bytes);
      }
    }
    if (__builtin_expect(!status.ok(), 0)) return status;
    turn.Publish(*cell);
    if constexpr (ipc_internal::MovesHandles<S>()) end->TellIfNobodyReceives();
    return absl::OkStatus();
  }

  void Drop() {
    ipc_internal::PipeEnd* const end = end_or_null();
    if (end == nullptr) return;
    word_ = 0;
    end->Close();
    end->Leave();
  }

  // For StoredAccess: an end goes into a message. `value` keeps what it needs to have it back if the section is rolled back.
  static absl::Status Construct(shm_internal::Section&, Connection* where) {
    ::new (static_cast<void*>(where)) Connection;
    return absl::OkStatus();
  }
  static absl::Status Construct(shm_internal::Section& section, Connection* where, Connection& value) {
    ipc_internal::PipeEnd* const end = value.end_or_null();
    auto* const stored = ::new (static_cast<void*>(where)) Connection;
    if (end == nullptr) return value.word_ == 0 ? absl::OkStatus() : NoEnd();
    SHOAL_ASSIGN_OR_RETURN(stored->word_, end->StoreInto(section, nullptr));
    return absl::OkStatus();
  }
  static void Relocate(shm_internal::Section&, Connection* from, Connection* to) { to->word_ = from->word_; }
  static absl::Status Dispose(shm_internal::Disposal& disposal, Connection& object) {
    return shm_internal::DropMessageHandle(disposal.section(), object.word_, nullptr);
  }

  uint64_t word_ = 0;  // 0: no end; in a process's own memory the address of its PipeEnd; in a message a StoredEnd
};

template <class S, class R>
struct ShareableTraits<Connection<S, R>> : SharedType<SharedKind::kHandle, ipc_internal::Sent<S>, ipc_internal::Sent<R>> {
  static constexpr std::string_view kName = "Connection";
};

namespace ipc_internal {

// An end leaves its message, in a section, and is this process's if that commits.
template <class S, class R>
struct MessageHandle<Connection<S, R>> {
  static absl::Status Put(shm_internal::Section& section, Connection<S, R>* stored, const Connection<S, R>& value,
                          const Carrier* carrier) {
    ::new (static_cast<void*>(stored)) Connection<S, R>;
    PipeEnd* const end = value.end_or_null();
    if (end == nullptr) return value.word_ == 0 ? absl::OkStatus() : Connection<S, R>::NoEnd();
    SHOAL_ASSIGN_OR_RETURN(stored->word_, end->StoreInto(section, carrier));
    return absl::OkStatus();
  }
  static absl::Status Take(shm_internal::Section& section, Connection<S, R>& stored, Connection<S, R>& out,
                           Arrivals& arrivals) {
    const uint64_t word = stored.word_;
    out = Connection<S, R>();
    if (word == 0) return absl::OkStatus();
    SHOAL_RETURN_IF_ERROR(section.Save(&stored.word_, sizeof(stored.word_)));
    arrivals.MakeRoomForOne();
    SHOAL_ASSIGN_OR_RETURN(
        PipeEnd * end, PipeEnd::TakeOver(section.shared_attachment(), word,
                                         Connection<S, R>::TypeSeenFrom(shm_internal::StoredEnd::Side(word)), section));
    end->Arrive(arrivals);
    out.word_ = reinterpret_cast<uint64_t>(end);
    SHOAL_RETURN_IF_ERROR(shm_internal::DropMessageHandle(section, word, nullptr));
    stored.word_ = 0;
    return absl::OkStatus();
  }
};

struct ConnectionAccess {
  template <class S, class R>
  static Connection<S, R> Of(PipeEnd* end) {
    return Connection<S, R>(end);
  }
  template <class S, class R>
  static absl::StatusOr<Connection<S, R>> Take(const std::shared_ptr<shm_internal::Attachment>& attachment, uint64_t ticket) {
    return Connection<S, R>::TakeFrom(attachment, ticket);
  }
};

}  // namespace ipc_internal
}  // namespace shoal

#endif  // SHOAL_IPC_CONNECTION_H_
