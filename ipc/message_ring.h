#ifndef SHOAL_IPC_MESSAGE_RING_H_
#define SHOAL_IPC_MESSAGE_RING_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/ipc/audience.h"
#include "shoal/ipc/fd_relay.h"
#include "shoal/ipc/long_look.h"
#include "shoal/ipc/message_handles.h"
#include "shoal/ipc/payload.h"
#include "shoal/ipc/wait_hook.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/holds.h"
#include "shoal/shm/message_cells.h"
#include "shoal/shm/participants.h"
#include "shoal/shm/section.h"
#include "shoal/sync/deadline.h"

// The machine of the queues, which knows no types: cells with messages, and the order in which they were put. message_ring.cc tells the
// states, the edges and the deaths; docs/memory_format.md the bytes. It puts and takes; message_ring_owed.cc keeps what is not done,
// message_ring_deaths.cc makes up for the dead, and message_ring_looks.cc only looks.

namespace shoal::ipc_internal {

// A cell's word.
//
//   state:3 | owner:20 (a participant's id, of its life number the low 13 bits) | position:41
enum class CellState : uint32_t {
  kFree = 0,      // nobody's, empty; the whole word is 0
  kClaimed = 1,   // the owner writes a message
  kOffered = 2,   // the message is put at `position` if the order says so; otherwise the owner is about to
  kTaken = 3,     // the owner reads it
  kOwed = 4,      // the owner has read it, and has not said that it is done
  kReturned = 5,  // its taker died, or gave it back: whoever comes next takes it, the lowest position first
  kClearing = 6,  // the owner gives up what is in it
};

struct CellWord {
  static constexpr int kPositionBits = 41;
  static constexpr int kOwnerBits = 20;
  static constexpr uint64_t kPositionMask = (uint64_t{1} << kPositionBits) - 1;
  static constexpr uint32_t kOwnerMask = (1u << kOwnerBits) - 1;

  static constexpr uint64_t Of(CellState state, uint32_t owner, uint64_t position) {
    return static_cast<uint64_t>(state) << (kPositionBits + kOwnerBits) |
           static_cast<uint64_t>(owner & kOwnerMask) << kPositionBits | (position & kPositionMask);
  }
  static constexpr CellState State(uint64_t word) { return static_cast<CellState>(word >> (kPositionBits + kOwnerBits)); }
  static constexpr uint32_t Owner(uint64_t word) { return static_cast<uint32_t>(word >> kPositionBits) & kOwnerMask; }
  static constexpr uint64_t Position(uint64_t word) { return word & kPositionMask; }
  // Whether `left` was put before `right`. Positions wrap; what is in cells at the same time lies closer together than half of that.
  static constexpr bool IsOlder(uint64_t left, uint64_t right) {
    return ((left - right) & kPositionMask) >> (kPositionBits - 1) != 0;
  }
};

// What stands in the order at a position: the lap, and the cell.
struct OrderEntry {
  static constexpr int kCellBits = 20;
  static constexpr uint32_t kClosed = (1u << kCellBits) - 1;  // instead of a cell: nothing is put from here on

  static constexpr uint64_t Of(uint64_t lap, uint32_t cell) { return lap << kCellBits | cell; }
  static constexpr uint64_t Lap(uint64_t entry) { return entry >> kCellBits; }
  static constexpr uint32_t CellOf(uint64_t entry) { return static_cast<uint32_t>(entry) & kClosed; }
};

struct RingShape {
  uint32_t capacity;
  uint32_t room_at;  // bytes from a cell to its room
  uint32_t room_bytes;
  uint32_t flags;       // of RingFlags
  uint64_t most_bytes;  // of a message
};
struct RingFlags {
  static constexpr uint32_t kKeep = 1;       // a message keeps its cell until its taker says that it is done
  static constexpr uint32_t kRedeliver = 2;  // with kKeep: if the taker dies, it is delivered again
  static constexpr uint32_t kAll = 3;
};

inline constexpr uint32_t kMaxRingCapacity = 1'000'000;
inline constexpr uint32_t kSpareCells = 32;  // beyond the capacity: for puts in progress, loans, and what is being read

// Whoever must begin again because others were first has seen them go on. So often in a row, the bytes make no sense.
inline constexpr int kMostTries = 1'000'000;

// What lies in the segment.
class MessageRing final {
 public:
  // InvalidArgument: a capacity of 0, or too large; ResourceExhausted.
  static absl::Status Construct(MessageRing* where, shm_internal::Section& section, const RingShape& shape);

 private:
  friend class RingPort;
  MessageRing() = default;

  shm_internal::CellTable table_ = {};  // first: shm/dispose.cc finds it there
  RingShape shape_ = {};
  [[maybe_unused]] uint8_t reserved_[16] = {};
  alignas(64) std::atomic<uint64_t> tail_{0};  // hints: every position before it has been put,
  [[maybe_unused]] uint8_t padding_0_[120] = {};
  alignas(64) std::atomic<uint64_t> head_{0};  // and every position before it has been taken
  [[maybe_unused]] uint8_t padding_1_[120] = {};
  alignas(64) Audience getters_;
  Audience claimers_;
  Audience joiners_;
  std::atomic<uint32_t> closed_{0};    // 1: the order says so, too, and first
  std::atomic<uint32_t> returned_{0};  // odd: there may be a returned message
  std::atomic<uint32_t> swept_{0};     // the segment's `deaths` when all cells were looked at for dead owners
  std::atomic<uint64_t> lost_{0};      // messages that dead takers had not done with: number:32, which grows, pid of the last:32
  Audience publishers_;
  std::atomic<uint32_t> told_{0};      // of those numbers the last that a Join has told of
  [[maybe_unused]] uint8_t padding_2_[88] = {};
};
static_assert(sizeof(MessageRing) == 448 && alignof(MessageRing) == 64, "part of the shared layout");

// A message that this process has taken, or is about to put.
struct HeldCell {
  uint32_t cell = 0;
  uint64_t word = 0;  // as this process left it; 0: none
  bool redelivered = false;
  explicit operator bool() const { return word != 0; }
};

// A ring as one process sees it: checked once, then used. Lives as long as the process holds the object.
//
// Thread safety:  all calls may run concurrently.
class RingPort final : public shm_internal::HoldCompanion {
 public:
  // DataLoss: the shared bytes make no sense.
  static absl::StatusOr<std::unique_ptr<RingPort>> Open(const shm_internal::Hold& hold, uint32_t room_at);
  ~RingPort() override;

  // Whether a message that `sender` had in this cell of the queue at `object` was not put, and never will be.
  // REQUIRES: `sender` is dead, and has nothing open.
  static bool WasNeverPut(const SegmentRef& segment, uint64_t object, uint64_t cell, shm_internal::ParticipantId sender);

  // Every call of a user begins with it. Unavailable: this process is being killed; ResourceExhausted: too many threads.
  absl::Status Enter() const {
    const sync_internal::Thread& self = sync_internal::ThisThread();
    if (__builtin_expect(shm_internal::PlaceOrNull(self, ring_) == nullptr, 0)) {
      SHOAL_RETURN_IF_ERROR(OrNoMemory([&] { return shm_internal::SectionAt(ring_).status(); }));
    }
    // acquire: after this thread has its slot, whose taking was a full barrier: lock.handoff (acquire)
    const uint32_t life = life_->load(std::memory_order_acquire);
    return __builtin_expect(life != 0 && !sync_internal::OwnerDied(life), 1) ? absl::OkStatus() : BeingKilled();
  }

  // ---- putting --------------------------------------------------------------------------------------------------------------------

  // A cell to write into. DeadlineExceeded: none was free, or the ring full; FailedPrecondition: closed; DataLoss.
  absl::StatusOr<HeldCell> Claim(sync_internal::Deadline deadline);
  // Puts it behind all that have been put. Errors as Claim: it is still claimed.
  absl::Status Publish(HeldCell& held, sync_internal::Deadline deadline);
  // The same, and wakes nobody: the caller does, after the last of many.
  absl::Status PublishQuietly(HeldCell& held, sync_internal::Deadline deadline);
  // For ends in the message that is written there.
  Carrier CarrierOf(const HeldCell& held) const;
  // Gives a claimed cell, or a taken one, back to nobody; what is in it is given up.
  void Abandon(HeldCell& held);

  // ---- taking ---------------------------------------------------------------------------------------------------------------------

  // The next message. DeadlineExceeded; Cancelled: closed and drained; DataLoss.
  absl::StatusOr<HeldCell> Take(sync_internal::Deadline deadline);
  // Of a taken one: it is read (see Abandon, too), and from now on owed, by this thread. std::bad_alloc: it is still taken.
  void FinishAsOwed(HeldCell& held);
  // The same, for who cannot fail: without memory it is owed by this process, but none of its threads has it.
  void LeaveOwed(HeldCell& held) noexcept;
  // The word of a cell that is being given up; for TakeMessage. Then Abandon it.
  uint64_t SpentWord(const HeldCell& held) const {
    return CellWord::Of(CellState::kClearing, self_, CellWord::Position(held.word));
  }
  // Of a taken or owed one: back into the queue, as returned.
  void GiveBack(HeldCell& held);
  // The oldest that this thread owes is done; if it owes none, the oldest that this process does. With `of_anybody`: if that
  // owes none either, the oldest that anybody does. FailedPrecondition: there is none.
  absl::Status DoneWithOldest(bool of_anybody);
  // All that was put has been taken, and is done. Unavailable: it is, but a dead taker had not said so (named): since this call began,
  // or before it, and no call has told of that.
  absl::Status Join(sync_internal::Deadline deadline);

  // ---- looking --------------------------------------------------------------------------------------------------------------------

  absl::Status Close();
  size_t size() const;
  bool full() const;
  bool ReadyToTake() const;  // there is something, or the end; takes back from the dead
  // For Wait; lives as long as this.
  WaitHook Hook() const;
  // A descriptor that can be read while there is something, or the end: of this process, fed by a thread of it that begins with the
  // first call. ResourceExhausted.
  absl::StatusOr<int> Fd();
  void WakeGetters(int count) const { ring_->getters_.Wake(count); }
  const sync_internal::FutexWord& deaths() const { return attachment_->header().deaths; }

  MessageCell At(uint32_t cell) const {
    std::byte* const at = cells_ + size_t{cell} * stride_;
    return {.cell = reinterpret_cast<shm_internal::Cell*>(at), .room = {at + shape_.room_at, shape_.room_bytes}};
  }
  const SegmentRef& segment() const { return attachment_; }
  uint64_t most_bytes() const { return shape_.most_bytes; }
  uint32_t capacity() const { return shape_.capacity; }
  bool keeps() const { return (shape_.flags & RingFlags::kKeep) != 0; }
  bool redelivers() const { return (shape_.flags & RingFlags::kRedeliver) != 0; }

 private:
  enum class Look { kNothing, kFound, kEnd, kDamaged };
  struct Tail {
    uint64_t position;
    uint64_t entry;  // what is in its place now
  };
  struct Owed {
    HeldCell held;
    std::thread::id thread;
  };

  RingPort() = default;

  absl::Status Locate(const SegmentRef& segment, MessageRing* ring);
  static absl::Status BeingKilled();
  std::atomic<uint64_t>& WordOf(uint32_t cell) const { return At(cell).cell->word; }
  uint64_t LapOf(uint64_t position) const { return position >> log2_order_; }

  Look FindTail(Tail& tail) const;
  Look IsFull(uint64_t position) const;
  Look LookForRoom(HeldCell& held) const;
  Look TryPublish(HeldCell& held) const;
  Look LookForMessage(HeldCell& held, bool take) const;
  void PrefetchNext(uint64_t position) const;
  Look TakeReturned(HeldCell& held, bool take) const;
  Look EndOrNothing() const;
  bool IsPublished(uint32_t cell, uint64_t word) const;
  bool NobodyOwes() const;
  bool AnyCellIsOwed() const;
  void TellRelay() const;
  void TellThatLessIsOwed() const;

  template <class TryOnce>
  Look AwaitSlowly(Audience& audience, sync_internal::Deadline deadline, TryOnce try_once);
  void TakeBackFromTheDead(uint32_t deaths) const;
  void SweepCell(uint32_t cell, bool& returned) const;
  bool OwnerIsDead(uint64_t word) const;
  bool Clear(uint32_t cell, uint64_t word) const;
  void Free(uint32_t cell) const;
  void SayReturned() const;
  void CountLost(uint64_t word) const;
  bool LoseOwed(uint32_t cell, uint64_t word) const;
  void TellOfLost(uint32_t number) const;

  SegmentRef attachment_;
  MessageRing* ring_ = nullptr;
  std::atomic<uint64_t>* order_ = nullptr;
  std::byte* cells_ = nullptr;
  const std::atomic<uint32_t>* life_ = nullptr;
  RingShape shape_ = {};
  uint32_t count_ = 0;
  uint32_t stride_ = 0;
  int log2_order_ = 0;
  uint64_t order_mask_ = 0;
  shm_internal::ParticipantId self_ = 0;
  mutable std::atomic<uint64_t> known_taken_{0};  // every position before it has been taken
  LongLook getters_long_look_;
  LongLook others_long_look_;

  std::mutex mutex_;
  std::deque<Owed> owed_;
  std::unique_ptr<FdRelay> relay_;  // guarded by the mutex; made once
  std::atomic<FdRelay*> relay_known_{nullptr};
};

// If whoever has a cell is unwound, by an exception of a value's own or of memory: it is abandoned, or given back.
template <void (RingPort::*give_up)(HeldCell&)>
class UnwindGuard final {
 public:
  UnwindGuard(RingPort& port, HeldCell& held) : port_(port), held_(held) {}
  UnwindGuard(const UnwindGuard&) = delete;
  UnwindGuard& operator=(const UnwindGuard&) = delete;
  ~UnwindGuard() {
    if (__builtin_expect(static_cast<bool>(held_), 0)) (port_.*give_up)(held_);
  }

 private:
  RingPort& port_;
  HeldCell& held_;
};
using AbandonIfUnwound = UnwindGuard<&RingPort::Abandon>;
using GiveBackIfUnwound = UnwindGuard<&RingPort::GiveBack>;

// The ring of an object that this process holds, made if need be. DataLoss; ResourceExhausted.
absl::StatusOr<RingPort*> OpenPort(shm_internal::Hold& hold, uint32_t room_at);

// What callers are told. DataLoss; DeadlineExceeded, three times; FailedPrecondition, twice; Cancelled; Unavailable; InvalidArgument, all
// others.
absl::Status Scribbled();
absl::Status TimedOut();
absl::Status NoRoomInTime();
absl::Status NotAllDoneInTime();
absl::Status NamesNoQueue();
absl::Status PutIntoClosedQueue();
absl::Status QueueIsDrained();
absl::Status LostWithTheirTaker(uint32_t pid, uint32_t number);
absl::Status OnlyQueuesAcknowledge();
absl::Status NoSuchCapacity(uint64_t capacity);
absl::Status TooMuchInline(uint64_t bytes);
absl::Status CannotDeliverTwice();

}  // namespace shoal::ipc_internal

#endif  // SHOAL_IPC_MESSAGE_RING_H_
