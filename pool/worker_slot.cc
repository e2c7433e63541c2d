#include "shoal/pool/worker_slot.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shoal/ipc/byte_ring.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/status.h"

namespace shoal::pool_internal {
namespace {

using sync_internal::Deadline;

// Of each of a worker's two rings. Larger messages pass through in pieces; more would only hold more small ones.
constexpr size_t kRingBytes = size_t{128} << 10;

// How long a worker may take to end after it was told to: it may hang in an exit handler. Its tasks are done by then.
constexpr absl::Duration kStopGrace = absl::Seconds(5);

// The deadline of a task counts from its beginning. A worker that does not even begin one is stopped, or the machine is busy.
constexpr absl::Duration kTimeToBegin = absl::Seconds(1);

}  // namespace

absl::StatusOr<WorkerSlot> WorkerSlot::Create(const Segment& segment, size_t pool_shared_offset,
                                              uint64_t max_message_bytes) {
  WorkerSlot slot;
  SHOAL_ASSIGN_OR_RETURN(slot.shared_offset_, segment.Allocate(sizeof(WorkerShared), alignof(WorkerShared)));
  slot.shared_ = shm_internal::ObjectIn<WorkerShared>(segment, slot.shared_offset_);
  SHOAL_ASSIGN_OR_RETURN(slot.task_place_, ipc_internal::AllocateRing(segment, kRingBytes));
  SHOAL_ASSIGN_OR_RETURN(slot.result_place_, ipc_internal::AllocateRing(segment, kRingBytes));
  SHOAL_ASSIGN_OR_RETURN(slot.task_ring_, ipc_internal::ViewRing(segment, slot.task_place_));
  SHOAL_ASSIGN_OR_RETURN(slot.result_ring_, ipc_internal::ViewRing(segment, slot.result_place_));
  slot.pool_shared_offset_ = pool_shared_offset;
  slot.max_message_bytes_ = max_message_bytes;
  return slot;
}

absl::Status WorkerSlot::Start(const WorkerPlan& plan) {
  // Nobody else uses the slot: the process that had it has been reaped. Starting the next one is the edge.
  // Everything is written anew from what this process remembers, in case the last worker scribbled over it.
  shared_->tasks = task_place_;
  shared_->results = result_place_;
  shared_->pool_shared_offset = pool_shared_offset_;
  shared_->max_message_bytes = max_message_bytes_;
  shared_->bell.Disarm();
  ipc_internal::ResetRing(task_ring_);
  ipc_internal::ResetRing(result_ring_);
  shared_->claim.store(0, std::memory_order_relaxed);  // relaxed: as above
  tasks_ = ipc_internal::FrameSender(task_ring_);
  results_ = ipc_internal::FrameReceiver(result_ring_, max_message_bytes_ + kRingBytes);

  ProcessOptions options;
  options.program = absl::StrCat("/proc/self/fd/", kProgramDescriptor);
  options.name = "shoal-worker";
  options.arguments = {absl::StrCat(shared_offset_), plan.initializer};
  options.arguments.insert(options.arguments.end(), plan.plugins.begin(), plan.plugins.end());
  options.inherited_descriptors = {plan.segment_descriptor, plan.parent_descriptor, plan.program_descriptor};
  options.output_to_stderr = plan.output_to_stderr;
  options.blocks_interrupt = true;
  SHOAL_ASSIGN_OR_RETURN(process, Process::Start(options));
  state = State::kStarting;
  fate = Fate::kUnexpected;
  overran = 0;
  took_back_behind_ = 0;
  closed_ = false;
  issued = 0;
  given = 0;
  finished = 0;
  stop_by = Deadline::Infinite();
  return absl::OkStatus();
}

absl::Status WorkerSlot::Issue(const InFlight& task, std::string_view arguments) {
  ++issued;
  ++given;
  if (in_flight.empty()) front_since = Deadline::Now();
  in_flight.push_back({.job = task.job, .item = task.item, .sequence = issued});
  const uint32_t timed = task.job->options.timeout < absl::InfiniteDuration() ? kTimed : 0;
  return tasks_.Append({.kind = kTask, .detail = task.job->options.function | timed, .id = issued},
                       std::as_bytes(std::span(arguments.data(), arguments.size())));
}

void WorkerSlot::ExpectEnd() {
  state = State::kStopping;
  stop_by = Deadline::After(kStopGrace);
}

absl::Status WorkerSlot::Stop() {
  ExpectEnd();
  SHOAL_RETURN_IF_ERROR(tasks_.Append({.kind = kStop}, {}));
  return Flush();
}

absl::Status WorkerSlot::Flush() {
  SHOAL_ASSIGN_OR_RETURN(bool news, tasks_.Publish());
  if (!tasks_.drained()) {
    tasks_.AskForRoom();
    // The worker may have made room just before it could see that we ask: look once more. From now on it rings.
    std::atomic_thread_fence(std::memory_order_seq_cst);  // seq_cst: store→load with FrameReceiver::Release
    SHOAL_ASSIGN_OR_RETURN(const bool more, tasks_.Publish());
    news = news || more;
  }
  if (news) shared_->bell.Ring();
  return absl::OkStatus();
}

void WorkerSlot::DoneReceiving() {
  if (results_.Release()) shared_->bell.Ring();
}

void WorkerSlot::Kill(Fate why) {
  if (state == State::kVacant || state == State::kDying) return;
  state = State::kDying;
  fate = why;
  process->Kill().IgnoreError();  // it may have ended already
}

void WorkerSlot::Vacate() {
  process.reset();
  in_flight.clear();
  state = State::kVacant;
}

bool WorkerSlot::may_take_tasks() {
  if (closed_) {
    // relaxed: opened means that the worker has come past our kResume; what it publishes later has edges of its own
    closed_ = (shared_->claim.load(std::memory_order_relaxed) & kClosed) != 0;
  }
  return state == State::kReady && tasks_.drained() && !closed_;
}

bool WorkerSlot::FrontHasBegun() const {
  const uint64_t claim = shared_->claim.load(std::memory_order_acquire);  // claim.begin (acquire)
  return !in_flight.empty() && (claim & ~kClosed) == in_flight.front().sequence;
}

sync_internal::Deadline WorkerSlot::TakeBackTime(int64_t patience_nanoseconds) const {
  const bool due = state == State::kReady && !in_flight.empty() && in_flight.front().sequence != took_back_behind_ &&
                   (in_flight.size() > 1 || !FrontHasBegun());
  return due ? Deadline::AtNanoseconds(front_since + patience_nanoseconds) : Deadline::Infinite();
}

absl::StatusOr<std::deque<InFlight>> WorkerSlot::TakeBack() {
  took_back_behind_ = in_flight.front().sequence;
  uint64_t begun = shared_->claim.load(std::memory_order_acquire);  // claim.begin (acquire)
  // Closed: what was taken back before has not even been skipped yet. Begun another meanwhile: the worker goes on, no hurry.
  // relaxed on failure: nothing follows from it
  if ((begun & kClosed) != 0 || !shared_->claim.compare_exchange_strong(begun, begun | kClosed, std::memory_order_acquire,
                                                                        std::memory_order_relaxed)) {
    return std::deque<InFlight>();
  }
  closed_ = true;
  std::deque<InFlight> taken;
  while (!in_flight.empty() && in_flight.back().sequence > begun) {
    taken.push_front(in_flight.back());
    in_flight.pop_back();
    --given;
  }
  SHOAL_RETURN_IF_ERROR(tasks_.Append({.kind = kResume}, {}));
  SHOAL_RETURN_IF_ERROR(Flush());
  return taken;
}

sync_internal::Deadline WorkerSlot::FrontDeadline() const {
  if (in_flight.empty()) return Deadline::Infinite();
  const absl::Duration timeout = in_flight.front().job->options.timeout;
  if (timeout == absl::InfiniteDuration()) return Deadline::Infinite();
  const bool begun = FrontHasBegun();
  // relaxed: ordered by the load in FrontHasBegun. A moment outside these bounds is nonsense from a worker that has gone wrong.
  const int64_t since = begun ? std::clamp(shared_->started_at.load(std::memory_order_relaxed), front_since,
                                           std::max(front_since, Deadline::Now()))
                              : front_since;
  const int64_t length = absl::ToInt64Nanoseconds(begun ? timeout : std::max(timeout, kTimeToBegin));  // saturates
  return length >= std::numeric_limits<int64_t>::max() - since ? Deadline::Infinite()
                                                               : Deadline::AtNanoseconds(since + length);
}

}  // namespace shoal::pool_internal
