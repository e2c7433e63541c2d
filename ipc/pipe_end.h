#ifndef SHOAL_IPC_PIPE_END_H_
#define SHOAL_IPC_PIPE_END_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/ipc/fd_relay.h"
#include "shoal/ipc/long_look.h"
#include "shoal/ipc/message_handles.h"
#include "shoal/ipc/pipe_core.h"
#include "shoal/ipc/wait_hook.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/objects.h"
#include "shoal/shm/participants.h"
#include "shoal/shm/pipe_ends.h"
#include "shoal/shm/section.h"
#include "shoal/shm/type_table.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/futex.h"
#include "shoal/sync/process_epoch.h"
#include "shoal/sync/status.h"

// One end of a pipe as the process that has it sees it. Connection puts types on it.

namespace shoal::ipc_internal {

// Thread safety:  one thread at a time sends, one receives, and Close, Readable and the hook are for any thread at any time; a second
//                 sender or receiver is refused. Counted: it ends with the last that uses it.
class PipeEnd final {
 public:
  // One direction, as one of its two users sees it.
  struct Lane {
    std::byte* cells = nullptr;  // null: the pipe has no such direction
    uint64_t mask = 0;
    uint32_t lap_shift = 0;
    uint32_t stride = 0;
    uint32_t value_at = 0;
    uint32_t inline_bytes = 0;
    uint64_t most_bytes = 0;
    std::atomic<uint64_t>* position = nullptr;  // of our next message; only this end changes it
    std::atomic<uint32_t> busy{0};              // 1: a thread sends, or receives
    // Guarded by `busy`.
    uint64_t known_peer = 0;    // the peer's end word, and the segment's deaths, when we looked last
    uint32_t known_deaths = 0;
    uint32_t spins = 0;         // how often to look again before going to sleep; 0: never
    static constexpr uint32_t kFirstSpins = 200;
    LongLook long_look;         // when to look for long
    bool ended = false;         // the end of the messages has been seen

    uint64_t Position() const { return position->load(std::memory_order_relaxed); }  // relaxed: this end's own
    PipeCell& CellAt(uint64_t place) const { return *reinterpret_cast<PipeCell*>(cells + (place & mask) * stride); }
    std::byte* ValueOf(PipeCell& cell) const { return reinterpret_cast<std::byte*>(&cell) + value_at; }
  };

  // Makes a pipe; both ends belong to this process. Errors: ResourceExhausted; those of a lock.
  static absl::StatusOr<std::pair<PipeEnd*, PipeEnd*>> Make(const std::shared_ptr<shm_internal::Attachment>& attachment,
                                                            const shm_internal::TypeDescription& type,
                                                            const PipeShape& shape);
  // Takes over the end that lies in a message as `word`, of a pipe of this type, in a section, which it is part of then.
  // Errors: FailedPrecondition: it does not, or is of another type; DataLoss: there is no such end.
  static absl::StatusOr<PipeEnd*> TakeOver(const std::shared_ptr<shm_internal::Attachment>& attachment, uint64_t word,
                                           const shm_internal::TypeDescription& type, shm_internal::Section& section);
  // Takes over the end that has been handed over with this number. The same errors; FailedPrecondition: it was taken back, too.
  static absl::StatusOr<PipeEnd*> TakeTicket(const std::shared_ptr<shm_internal::Attachment>& attachment, uint64_t ticket,
                                             const shm_internal::TypeDescription& type);
  // Whether an end is handed over with this number. If not, that was once, or never.
  static bool IsHandedOver(const shm_internal::Attachment& attachment, uint64_t ticket);

  PipeEnd(const PipeEnd&) = delete;
  PipeEnd& operator=(const PipeEnd&) = delete;
  void Use() { users_.fetch_add(1, std::memory_order_relaxed); }  // relaxed: whoever says so uses it already
  void Leave(uint64_t user = 1) {
    // pipe.lent (acq_rel): what each user did is over when the last goes
    if (users_.fetch_sub(user, std::memory_order_acq_rel) == user) delete this;
  }

  bool Inherited() const { return !sync_internal::InProcessOf(epoch_); }

  // ---- sending --------------------------------------------------------------------------------------------------------------

  // Waits until there is room, and claims the direction. OK: fill the cell, then Publish or Abandon.
  absl::Status BeginSend(absl::Duration timeout, PipeCell*& cell) {
    Lane& lane = out_;
    if (__builtin_expect(lane.cells == nullptr || Inherited(), 0)) return CannotSend();
    // pipe.turn (acquire)
    if (__builtin_expect(lane.busy.exchange(1, std::memory_order_acquire) != 0, 0)) return SomebodySends();
    const uint64_t position = lane.Position();
    PipeCell& next = lane.CellAt(position);
    const uint32_t word = next.word.load(std::memory_order_acquire);  // pipe.room (acquire)
    if (__builtin_expect(
            (word & ~PipeCell::kMarks) != PipeCell::Empty(position >> lane.lap_shift) || !NothingChanged(lane), 0)) {
      SHOAL_RETURN_IF_ERROR(AwaitRoom(timeout));
    }
    cell = &next;
    return absl::OkStatus();
  }
  // Whether the end that has the turn to send may, still: errors as BeginSend.
  absl::Status StillSends() {
    return __builtin_expect(NothingChanged(out_), 1) ? absl::OkStatus() : StillSendsSlow();
  }
  void Publish(PipeCell& cell) {
    Lane& lane = out_;
    const uint64_t position = lane.Position();
    // pipe.publish (release); the exchange is also the barrier before the look at who sleeps
    const uint32_t before = cell.word.exchange(PipeCell::Full(position >> lane.lap_shift), std::memory_order_acq_rel);
    lane.position->store(position + 1, std::memory_order_relaxed);  // relaxed: this end's own; pipe.end hands it over
    __builtin_prefetch(&lane.CellAt(position + 2), /*for writing*/ 1);
    if (__builtin_expect((before & PipeCell::kWaiters) != 0, 0)) sync_internal::WakeAll(cell.word);
    AbandonSend();
  }
  // Of the message that is being sent. REQUIRES: the turn to send.
  Carrier CarrierOfNext() const;
  // After ends were sent: if nobody will receive them, who waits at their other ends must look.
  void TellIfNobodyReceives();
  void AbandonSend() { out_.busy.store(0, std::memory_order_release); }  // pipe.turn (release)

  // The turn to send, given up at the end at the latest: also when its thread is unwound.
  class SendTurn final {
   public:
    explicit SendTurn(PipeEnd& end) : end_(&end) {}
    SendTurn(const SendTurn&) = delete;
    SendTurn& operator=(const SendTurn&) = delete;
    ~SendTurn() {
      if (end_ != nullptr) end_->AbandonSend();
    }
    void Publish(PipeCell& cell) { std::exchange(end_, nullptr)->Publish(cell); }
    void Keep() { end_ = nullptr; }

   private:
    PipeEnd* end_;  // null: given up
  };

  // ---- receiving ------------------------------------------------------------------------------------------------------------

  // Waits until there is a message, and claims the direction. OK: read the cell, then TakeCell or Abandon.
  absl::Status BeginReceive(absl::Duration timeout, PipeCell*& cell) {
    Lane& lane = in_;
    if (__builtin_expect(lane.cells == nullptr || Inherited(), 0)) return CannotReceive();
    // pipe.turn (acquire)
    if (__builtin_expect(lane.busy.exchange(1, std::memory_order_acquire) != 0, 0)) return SomebodyReceives();
    const uint64_t position = lane.Position();
    PipeCell& next = lane.CellAt(position);
    const uint32_t word = next.word.load(std::memory_order_acquire);  // pipe.publish (acquire)
    if (__builtin_expect(word != PipeCell::Full(position >> lane.lap_shift) || OwnEndIsClosed() || lane.ended, 0)) {
      SHOAL_RETURN_IF_ERROR(AwaitMessage(timeout));
    }
    cell = &next;
    return absl::OkStatus();
  }
  // The message is ours; its cell goes back with GiveBack. Returns the lap to say there.
  uint64_t TakeCell() {
    Lane& lane = in_;
    const uint64_t position = lane.Position();
    lane.position->store(position + 1, std::memory_order_relaxed);  // relaxed: this end's own; pipe.end hands it over
    return position >> lane.lap_shift;
  }
  static void GiveBack(PipeCell& cell, uint64_t lap) {
    // pipe.room (release); the exchange is also the barrier before the look at who sleeps
    const uint32_t before = cell.word.exchange(PipeCell::Empty(lap + 1), std::memory_order_acq_rel);
    if (__builtin_expect((before & PipeCell::kWaiters) != 0, 0)) sync_internal::WakeAll(cell.word);
  }
  void AbandonReceive() {
    in_.busy.store(0, std::memory_order_release);  // pipe.turn (release)
    FdRelay* const relay = relay_.load(std::memory_order_acquire);  // pipe.relay (acquire)
    if (__builtin_expect(relay != nullptr, 0)) relay->Consumed();
  }

  class ReceiveTurn final {
   public:
    explicit ReceiveTurn(PipeEnd& end) : end_(&end) {}
    ReceiveTurn(const ReceiveTurn&) = delete;
    ReceiveTurn& operator=(const ReceiveTurn&) = delete;
    ~ReceiveTurn() {
      if (end_ != nullptr) end_->AbandonReceive();
    }
    void Keep() { end_ = nullptr; }

   private:
    PipeEnd* end_;  // null: kept
  };

  // ---- either ---------------------------------------------------------------------------------------------------------------

  // Whether a receiver would not wait: a message is there, or the end of them.
  absl::StatusOr<bool> Poll(absl::Duration timeout);
  bool Readable();
  absl::StatusOr<int> Fd();
  WaitHook Hook();

  // Nothing is sent or received here any more; the peer is told. May be called again.
  void Close();
  bool closed() const { return Inherited() || OwnEndIsClosed(); }

  // Makes the end one that another may take over, in `to`; the pipe is still held here, until Leave. In a section, or null, as above.
  // FailedPrecondition: it is in use, or closed.
  absl::Status HandOver(shm_internal::EndState to, shm_internal::Section* section, const Carrier* carrier = nullptr);
  // The end goes into a message, in a section of its segment: what is stored there. FailedPrecondition: as HandOver; another segment.
  absl::StatusOr<uint64_t> StoreInto(shm_internal::Section& section, const Carrier* carrier);
  // It has been taken over in a section that is still open: nobody is told of its closing, and nothing in it is given up, before that
  // commits; if it does not, the end is in its message again, and this is the end of nothing.
  void Arrive(Arrivals& arrivals);
  // Takes it back, if nobody has taken it over. False: somebody has.
  bool TakeBack(shm_internal::EndState from);
  uint64_t name() const;           // StoredEnd
  uint64_t ticket_number() const;  // of an end that is handed over

  Lane& out() { return out_; }
  Lane& in() { return in_; }
  const std::shared_ptr<shm_internal::Attachment>& attachment() const { return attachment_; }

  // Cells that are read in place, each by one more user.
  void Lend() { users_.fetch_add(kLent, std::memory_order_relaxed); }  // relaxed: whoever says so uses it already
  void LentIsBack() { Leave(kLent); }

 private:
  PipeEnd(std::shared_ptr<shm_internal::Attachment> attachment, shm_internal::Handle handle, PipeCore& core, int side);
  ~PipeEnd();
  static absl::StatusOr<PipeEnd*> Open(const std::shared_ptr<shm_internal::Attachment>& attachment, shm_internal::Hold* hold,
                                       int side, shm_internal::ParticipantId id, shm_internal::EndState from,
                                       std::optional<uint64_t> ticket, shm_internal::Section* section);
  static std::optional<uint64_t> TicketOf(const shm_internal::Attachment& attachment, uint64_t name, uint64_t end_word);
  absl::Status OpenLane(Lane& lane, int sender);

  std::atomic<uint64_t>& OwnEnd() const { return core_->ends.end[side_]; }
  std::atomic<uint64_t>& PeerEnd() const { return core_->ends.end[1 - side_]; }
  // relaxed: who closes it wakes us, and we look again in AwaitMessage and AwaitRoom, where it is ordered
  bool OwnEndIsClosed() const { return OwnEnd().load(std::memory_order_relaxed) != own_word_; }
  // The usual case of CheckSend, without a question.
  bool NothingChanged(const Lane& lane) const {
    // relaxed, all: what has changed is looked at again, where it is ordered
    return PeerEnd().load(std::memory_order_relaxed) == lane.known_peer && !OwnEndIsClosed() &&
           attachment_->header().deaths.load(std::memory_order_relaxed) == lane.known_deaths;
  }

  bool AnyIsLent() const { return users_.load(std::memory_order_acquire) >= kLent; }  // pipe.lent (acquire)

  absl::Status AwaitRoom(absl::Duration timeout);
  absl::Status StillSendsSlow();
  absl::Status AwaitMessage(absl::Duration timeout);
  absl::Status LookForMessage(sync_internal::Deadline deadline, bool claimed);
  absl::Status CheckSend(uint64_t peer) const;
  absl::Status CheckReceive(uint64_t peer) const;
  absl::Status CheckPeer(uint64_t& peer) const;
  absl::Status CheckPeerAsItWas(uint64_t peer) const;
  absl::Status CheckTravelling(const PipeCore& core, int side, uint64_t word, int depth) const;
  absl::Status CannotSend() const;
  absl::Status CannotReceive() const;
  static absl::Status SomebodySends();
  static absl::Status SomebodyReceives();
  bool MessageIsThere() const;
  bool Scribbled(bool claimed) const;
  bool Announce(sync_internal::FutexExpectation& sleep_on) const;
  uint32_t SayThatSomebodySleeps(PipeCell& cell, uint32_t expected) const;
  void WakeWhoSleeps(uint32_t mark);
  void DropWhatWasNotReceived();
  void Settle(bool kept);

  const std::shared_ptr<shm_internal::Attachment> attachment_;
  shm_internal::Handle handle_;
  PipeCore* const core_;
  const int side_;
  uint64_t own_word_ = 0;  // what our end's word is as long as it is ours
  mutable std::atomic<bool> knows_of_death_{false};  // the other end's
  bool arriving_ = false;  // until then only the thread knows it that receives it
  bool closed_on_arrival_ = false;
  const uint32_t epoch_;
  static constexpr uint64_t kLent = (uint64_t{1} << 32) + 1;
  std::atomic<uint64_t> users_{1};  // in the upper half those among them that are lent a cell to read in place
  std::mutex relay_mutex_;
  std::atomic<FdRelay*> relay_{nullptr};  // made once, under the mutex
  Lane out_;
  Lane in_;
};

}  // namespace shoal::ipc_internal

#endif  // SHOAL_IPC_PIPE_END_H_
