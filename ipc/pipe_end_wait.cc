// ipc/pipe_end_wait.cc: how long an end looks before it sleeps, and on what; what Wait and descriptors need. The states and the edges are
// told in pipe_end.cc.

#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>

#include "shoal/ipc/payload.h"
#include "shoal/ipc/pipe_end.h"
#include "shoal/sync/futex.h"
#include "shoal/sync/status.h"

namespace shoal::ipc_internal {

using shm_internal::EndState;
using shm_internal::EndWord;
using sync_internal::Deadline;
using sync_internal::FutexExpectation;
using sync_internal::MakeStatus;

namespace {

// Made once, so that a poll that finds nothing allocates nothing; it is never destroyed.
union Kept {
  explicit Kept(absl::Status made) noexcept : status(std::move(made)) {}
  ~Kept() {}

  absl::Status status;
};
absl::Status NothingCame() {
  static const Kept kept(MakeStatus(absl::StatusCode::kDeadlineExceeded, "no message came in time"));
  return kept.status;
}
absl::Status NoRoom() {
  static const Kept kept(MakeStatus(absl::StatusCode::kDeadlineExceeded, "the other end did not take a message in time"));
  return kept.status;
}

// How often to look before going to sleep: as often as has been of use lately. A look takes some 40 ns; the most is about what two
// sleeps and two wakes cost. Where the ends share one processor, or one is slow, it soon is next to nothing. Now and then a long look
// (long_look.h) finds out whether it would be of use again.
constexpr uint32_t kMostSpins = 1000;
constexpr uint32_t kFewestSpins = 8;

template <class Condition>
bool SpinUntil(PipeEnd::Lane& lane, Deadline deadline, Condition condition) {
  if (lane.spins == 0) return false;
  for (uint32_t i = 0; i < lane.spins; ++i) {
    if (condition()) {
      lane.spins = std::min(kMostSpins, std::max(lane.spins, 2 * i) + kFewestSpins);
      lane.long_look.FoundSoon();
      return true;
    }
    __builtin_ia32_pause();
  }
  if (lane.long_look.IsDue() && LookForLong(deadline, condition)) {
    lane.spins = kMostSpins;
    return true;
  }
  if (lane.spins > kFewestSpins) lane.spins -= lane.spins / 4;
  return false;
}

}  // namespace

// Sets the bit in a cell that is in state `expected`; what the word is then, or what is there instead.
// A mark that is there while both ends are open is nobody's, and goes: it would keep everybody awake. If an end has closed meanwhile it is
// put back, and everybody woken, as by whoever closed it: another may sleep there since.
uint32_t PipeEnd::SayThatSomebodySleeps(PipeCell& cell, uint32_t expected) const {
  uint32_t word = cell.word.load(std::memory_order_relaxed);  // relaxed: the compare-exchange decides
  const auto nobody_closed = [&] {
    // pipe.closing (seq_cst), both
    return EndWord::State(PeerEnd().load(std::memory_order_seq_cst)) != EndState::kClosed &&
           OwnEnd().load(std::memory_order_seq_cst) == own_word_;
  };
  for (;;) {
    if ((word & ~PipeCell::kMarks) != expected) return word;
    const bool marked = (word & PipeCell::kEnded) != 0;
    if (word == (expected | PipeCell::kWaiters) || (marked && !nobody_closed())) return word;
    // pipe.closing (seq_cst): the bit, and then the ends; on failure relaxed: look again
    if (!cell.word.compare_exchange_strong(word, expected | PipeCell::kWaiters, std::memory_order_seq_cst,
                                           std::memory_order_relaxed)) {
      continue;
    }
    if (!marked || nobody_closed()) return expected | PipeCell::kWaiters;
    word = cell.word.fetch_or(PipeCell::kEnded, std::memory_order_seq_cst) | PipeCell::kEnded;  // pipe.closing (seq_cst)
    sync_internal::WakeAll(cell.word);
    return word;
  }
}

absl::Status PipeEnd::StillSendsSlow() {
  return OrNoMemory([&]() -> absl::Status {
    // participants.deaths (acquire): before the look at who lives
    const uint32_t deaths = attachment_->header().deaths.load(std::memory_order_acquire);
    const uint64_t peer = PeerEnd().load(std::memory_order_acquire);  // pipe.end (acquire)
    SHOAL_RETURN_IF_ERROR(CheckSend(peer));
    out_.known_peer = peer;
    out_.known_deaths = deaths;
    return absl::OkStatus();
  });
}

absl::Status PipeEnd::AwaitRoom(absl::Duration timeout) {
  Lane& lane = out_;
  const Deadline deadline = Deadline::After(timeout);
  const uint64_t position = lane.Position();
  const uint64_t lap = position >> lane.lap_shift;
  PipeCell& cell = lane.CellAt(position);
  // pipe.room (acquire)
  const auto there_is_room = [&] { return (cell.word.load(std::memory_order_acquire) & ~PipeCell::kMarks) == PipeCell::Empty(lap); };
  SendTurn turn(*this);  // until there is room
  for (;;) {
    // participants.deaths (acquire): before the look at who lives, so that no death since is slept through
    const uint32_t deaths = attachment_->header().deaths.load(std::memory_order_acquire);
    const uint64_t peer = PeerEnd().load(std::memory_order_acquire);  // pipe.end (acquire)
    SHOAL_RETURN_IF_ERROR(CheckSend(peer));
    lane.known_peer = peer;
    lane.known_deaths = deaths;
    if (there_is_room()) {
      turn.Keep();
      return absl::OkStatus();
    }
    if (deadline.passed()) return NoRoom();
    if (SpinUntil(lane, deadline, [&] { return there_is_room() || !NothingChanged(lane); })) continue;
    const uint32_t full = PipeCell::Full(lap - 1);
    if (const uint32_t word = SayThatSomebodySleeps(cell, full); word != (full | PipeCell::kWaiters)) {
      if ((word & ~PipeCell::kMarks) == PipeCell::Empty(lap) || (word & ~PipeCell::kMarks) == full) continue;
      return MakeStatus(absl::StatusCode::kDataLoss, "somebody wrote over a pipe: a cell is in a lap it cannot be in");
    }
    // pipe.closing (seq_cst), both
    if (PeerEnd().load(std::memory_order_seq_cst) != peer || OwnEnd().load(std::memory_order_seq_cst) != own_word_) continue;
    sync_internal::SleepWhile({{&cell.word, full | PipeCell::kWaiters}, {&attachment_->header().deaths, deaths}}, deadline);
  }
}

bool PipeEnd::MessageIsThere() const {
  const uint64_t position = in_.Position();
  const uint32_t word = in_.CellAt(position).word.load(std::memory_order_acquire);  // pipe.publish (acquire)
  return (word & ~PipeCell::kMarks) == PipeCell::Full(position >> in_.lap_shift);
}

absl::Status PipeEnd::AwaitMessage(absl::Duration timeout) {
  ReceiveTurn turn(*this);  // until there is a message
  SHOAL_RETURN_IF_ERROR(LookForMessage(Deadline::After(timeout), /*claimed=*/true));
  turn.Keep();
  return absl::OkStatus();
}

// What is at our position is in no lap that it can be in. What was there a lap ago may be there still: it is read in place, or the thread
// that has the turn is about to give it back.
bool PipeEnd::Scribbled(bool claimed) const {
  const uint64_t position = in_.Position();
  const uint64_t lap = position >> in_.lap_shift;
  const bool may_be_out = !claimed || AnyIsLent();  // before the look: what is back then is seen to be back
  // pipe.publish (acquire)
  const uint32_t word = in_.CellAt(position).word.load(std::memory_order_acquire) & ~PipeCell::kMarks;
  if (word == PipeCell::Empty(lap) || word == PipeCell::Full(lap)) return false;
  if (may_be_out && word == PipeCell::Full(lap - 1)) return false;
  return in_.Position() == position;  // otherwise it has been received meanwhile
}

// OK: a message is there. Whoever has claimed the direction may spin; others only look, and the receiver may be quicker.
absl::Status PipeEnd::LookForMessage(Deadline deadline, bool claimed) {
  Lane& lane = in_;
  for (;;) {
    // participants.deaths (acquire): before the look at who lives, so that no death since is slept through
    const uint32_t deaths = attachment_->header().deaths.load(std::memory_order_acquire);
    const uint64_t peer = PeerEnd().load(std::memory_order_seq_cst);  // pipe.end (acquire): before the look at the cell
    const absl::Status status = CheckReceive(peer);
    if (!OwnEndIsClosed() && !(claimed && lane.ended) && MessageIsThere()) return absl::OkStatus();
    if (!status.ok()) {
      if (claimed) lane.ended = true;  // what a dying thread still sends comes too late
      return status;
    }
    if (Scribbled(claimed)) {
      return MakeStatus(absl::StatusCode::kDataLoss, "somebody wrote over a pipe: a cell is in a lap it cannot be in");
    }
    if (deadline.passed()) return NothingCame();
    const auto something_new = [&] {
      // relaxed, both: looked at again above
      return MessageIsThere() || OwnEndIsClosed() || PeerEnd().load(std::memory_order_relaxed) != peer ||
             attachment_->header().deaths.load(std::memory_order_relaxed) != deaths;
    };
    if (claimed && SpinUntil(lane, deadline, something_new)) continue;
    FutexExpectation expectations[2] = {{}, {&attachment_->header().deaths, deaths}};
    if (!Announce(expectations[0])) continue;
    sync_internal::SleepWhile(expectations, 2, deadline);
  }
}

// Says that somebody sleeps where the next message will be. False: do not, look again.
bool PipeEnd::Announce(FutexExpectation& sleep_on) const {
  const uint64_t position = in_.Position();
  const uint64_t lap = position >> in_.lap_shift;
  PipeCell& cell = in_.CellAt(position);
  // Full as a lap ago: it is read in place. The exchange that gives it back wakes us, as it does a sender who waits for the room; then we
  // sleep on the empty cell. relaxed: a guess, what is said there is compared
  const uint32_t still_out = PipeCell::Full(lap - 1);
  const bool is_out = (cell.word.load(std::memory_order_relaxed) & ~PipeCell::kMarks) == still_out;
  const uint32_t nothing = is_out ? still_out : PipeCell::Empty(lap);
  if (SayThatSomebodySleeps(cell, nothing) != (nothing | PipeCell::kWaiters)) return false;
  // pipe.closing (seq_cst), both. An end that only changes hands does so without a word; whoever has it then may close it or die.
  if (EndWord::State(PeerEnd().load(std::memory_order_seq_cst)) == EndState::kClosed ||
      OwnEnd().load(std::memory_order_seq_cst) != own_word_) {
    return false;
  }
  sleep_on = {&cell.word, nothing | PipeCell::kWaiters};
  return true;
}

absl::StatusOr<bool> PipeEnd::Poll(absl::Duration timeout) {
  if (in_.cells == nullptr || Inherited()) return CannotReceive();
  if (OwnEndIsClosed()) return MakeStatus(absl::StatusCode::kFailedPrecondition, "this end is closed");
  const absl::Status status = LookForMessage(Deadline::After(timeout), /*claimed=*/false);
  if (status.ok() || absl::IsCancelled(status) || absl::IsUnavailable(status)) return true;
  if (absl::IsDeadlineExceeded(status)) return false;
  return status;
}

bool PipeEnd::Readable() {
  return !absl::IsDeadlineExceeded(LookForMessage(Deadline::Passed(), /*claimed=*/false));
}

absl::StatusOr<int> PipeEnd::Fd() {
  if (in_.cells == nullptr || Inherited()) return CannotReceive();
  const std::lock_guard lock(relay_mutex_);
  FdRelay* relay = relay_.load(std::memory_order_relaxed);  // relaxed: guarded by the mutex
  if (relay == nullptr) {
    if (OwnEndIsClosed()) return MakeStatus(absl::StatusCode::kFailedPrecondition, "this end is closed");
    SHOAL_ASSIGN_OR_RETURN(std::unique_ptr<FdRelay> made, FdRelay::Start(Hook()));
    relay = made.release();
    relay_.store(relay, std::memory_order_release);  // pipe.relay (release)
  }
  return relay->fd();
}

WaitHook PipeEnd::Hook() {
  static constexpr WaitOps kOps = {
      .deaths = [](const void* end) -> const sync_internal::FutexWord* {
        return &static_cast<const PipeEnd*>(end)->attachment_->header().deaths;
      },
      .ready = [](const void* end) { return const_cast<PipeEnd*>(static_cast<const PipeEnd*>(end))->Readable(); },
      .announce = [](const void* end,
                     FutexExpectation* sleep_on) { return static_cast<const PipeEnd*>(end)->Announce(*sleep_on); },
      .was_ready = nullptr,
      .withdraw = nullptr,
      .fd =
          [](const void* end) {
            const absl::StatusOr<int> fd = const_cast<PipeEnd*>(static_cast<const PipeEnd*>(end))->Fd();
            return fd.ok() ? *fd : -1;
          },
      .consumed =
          [](const void* end) {
            // pipe.relay (acquire)
            FdRelay* const relay = static_cast<const PipeEnd*>(end)->relay_.load(std::memory_order_acquire);
            if (relay != nullptr) relay->Consumed();
          },
      .use = [](const void* end) { const_cast<PipeEnd*>(static_cast<const PipeEnd*>(end))->Use(); },
      .leave = [](const void* end) { const_cast<PipeEnd*>(static_cast<const PipeEnd*>(end))->Leave(); },
      .usable = [](const void* end) { return !static_cast<const PipeEnd*>(end)->closed(); },
  };
  if (in_.cells == nullptr || Inherited()) return {};
  return {.object = this, .ops = &kOps};
}

}  // namespace shoal::ipc_internal
