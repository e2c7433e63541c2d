// What happens to tasks: queued, handed out, finished.

#include "shoal/pool/engine.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shoal/ipc/codec.h"
#include "shoal/plugins/abi.h"
#include "shoal/pool/messages.h"
#include "shoal/sync/status.h"

namespace shoal::pool_internal {
namespace {

using sync_internal::MakeStatus;

// A worker gets about this much work ahead, so that it need not wait for the pool between short tasks, and so that little waits
// behind a long one.
constexpr double kAheadNanoseconds = 1e6;
constexpr size_t kMostAhead = 1024;

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

absl::Status Nonsense(absl::string_view what) {
  return MakeStatus(absl::StatusCode::kDataLoss, absl::StrCat("a worker wrote bytes that make no sense: ", what));
}

}  // namespace

// `items` of a job, more than before, are there to be issued.
void Engine::Enqueue(Job& job, size_t items) {
  to_issue_ += items;
  if (!job.queued_.has_value()) job.queued_ = queue_.insert(queue_.end(), &job);
}

// A job's items will not be issued, or there are none left.
void Engine::Dequeue(Job& job) {
  if (!job.queued_.has_value()) return;
  to_issue_ -= job.ToIssue();
  queue_.erase(*job.queued_);
  job.queued_.reset();
}

size_t Engine::WindowOf(const WorkerSlot& slot) const {
  if (slot.nanoseconds_per_task <= 0) return 1;
  return std::clamp<size_t>(static_cast<size_t>(kAheadNanoseconds / slot.nanoseconds_per_task), 1, kMostAhead);
}

// Hands out what the workers have room for. Returns whether anything was.
bool Engine::Dispatch() {
  bool any = false;
  while (!queue_.empty()) {
    WorkerSlot* idlest = nullptr;
    size_t ready = 0;
    for (WorkerSlot& slot : slots_) {
      if (!MayTakeTasks(slot)) continue;
      ++ready;
      if (slot.in_flight.size() >= WindowOf(slot)) continue;
      if (idlest == nullptr || slot.in_flight.size() < idlest->in_flight.size()) idlest = &slot;
    }
    if (idlest == nullptr) break;
    // A share of what is left, so that all workers come to the end together.
    const size_t share = (to_issue_ + 2 * ready - 1) / (2 * ready);
    const size_t room = WindowOf(*idlest) - idlest->in_flight.size();
    IssueSome(*idlest, std::max(queue_.front()->options.chunk, std::min(share, room)));
    any = true;
  }
  // A worker that has had its part of a large message may have room for the rest.
  for (WorkerSlot& slot : slots_) {
    if (slot.state == WorkerSlot::State::kVacant || slot.state == WorkerSlot::State::kDying) continue;
    if (!slot.Flush().ok()) slot.Kill(WorkerSlot::Fate::kNonsense);
  }
  return any;
}

// Hands up to `most` items to a worker, and lets it see them.
void Engine::IssueSome(WorkerSlot& slot, size_t most) {
  if (options_.max_tasks_per_worker.has_value()) {
    most = static_cast<size_t>(std::min<uint64_t>(most, *options_.max_tasks_per_worker - slot.given));
  }
  while (most > 0 && !queue_.empty() && slot.may_take_tasks()) {
    const std::shared_ptr<Job> held = queue_.front()->held_;  // a refused item may be its last
    Job& job = *held;
    while (most > 0 && job.ToIssue() > 0 && slot.may_take_tasks()) {
      if (!IssueOne(slot, job)) {
        slot.Kill(WorkerSlot::Fate::kNonsense);
        break;
      }
      --most;
    }
    if (job.ToIssue() == 0) Dequeue(job);
  }
  // Jobs take turns, so that a short one need not wait for the end of a long one.
  if (queue_.size() > 1) queue_.splice(queue_.end(), queue_, queue_.begin());
  if (scratch_.capacity() > (size_t{1} << 20)) scratch_ = {};
  if (!slot.Flush().ok()) slot.Kill(WorkerSlot::Fate::kNonsense);
}

// False: the worker's ring makes no sense. Its tasks, this one among them, go elsewhere when it has ended.
bool Engine::IssueOne(WorkerSlot& slot, Job& job) {
  const size_t item = job.TakeItem();
  --to_issue_;
  scratch_.clear();
  job.Encode(item, scratch_);
  if (scratch_.size() > options_.max_message_bytes) {
    Finish(job, item,
           {.status = MakeStatus(
                absl::StatusCode::kResourceExhausted,
                absl::StrCat("the arguments have ", scratch_.size(), " bytes; the limit is ", options_.max_message_bytes))});
    return true;
  }
  return slot.Issue({.job = &job, .item = item}, scratch_).ok();
}

void Engine::FinishFront(WorkerSlot& slot, const TaskOutcome& outcome) {
  const InFlight task = slot.in_flight.front();
  slot.in_flight.pop_front();
  Finish(*task.job, task.item, outcome);
}

void Engine::Finish(Job& job, size_t item, const TaskOutcome& outcome) {
  job.Finish(item, outcome);
  if (!job.deaths_.empty()) job.deaths_.erase(item);
  if (!job.unbegun_.empty()) job.unbegun_.erase(item);
  --job.unfinished_;
  --unfinished_;
  ++tasks_done_;
  news_ = true;
  if (job.unfinished_ == 0) {
    const std::shared_ptr<Job> held = std::move(job.held_);  // may be the last to hold it
    if (job.WantsAfterFinish()) {
      callbacks_.push_back(held);
      callbacks_due_.notify_one();
    }
  }
}

// Ends every task, wherever it is. The workers that have some are killed by the caller.
void Engine::FinishAll(const absl::Status& status) {
  for (WorkerSlot& slot : slots_) {
    for (const InFlight& task : std::exchange(slot.in_flight, {})) Finish(*task.job, task.item, {.status = status});
  }
  while (!queue_.empty()) {
    const std::shared_ptr<Job> job = queue_.front()->held_;  // until this turn is over
    Dequeue(*job);
    while (job->ToIssue() > 0) Finish(*job, job->TakeItem(), {.status = status});
  }
}

absl::Status Engine::FailureOf(std::string_view function, std::string_view bytes) const {
  FailureMessage failure;
  if (!ipc_internal::DecodeMessage(bytes, failure)) return Nonsense("a failure");
  switch (failure.kind) {
    case SHOAL_FAILURE_EXCEPTION:
      // Not made by us: the function's own, like the status it might have returned.
      return absl::UnknownError(
          absl::StrCat(View(function), " threw ", failure.type, failure.message.empty() ? "" : ": ", failure.message));
    case SHOAL_FAILURE_STATUS: {
      const bool known = failure.code > 0 && failure.code <= static_cast<int>(absl::StatusCode::kUnauthenticated);
      return absl::Status(known ? static_cast<absl::StatusCode>(failure.code) : absl::StatusCode::kUnknown, failure.message);
    }
    case kTooLarge:
      return MakeStatus(absl::StatusCode::kResourceExhausted, failure.message);
    default:
      return MakeStatus(absl::StatusCode::kInvalidArgument, absl::StrCat(View(function), ": ", failure.message));
  }
}

}  // namespace shoal::pool_internal
