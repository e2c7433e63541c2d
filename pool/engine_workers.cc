// What happens to workers: started, heard, late, dead, replaced.

#include "shoal/pool/engine.h"

#include <errno.h>
#include <signal.h>

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shoal/ipc/codec.h"
#include "shoal/ipc/type_tree.h"
#include "shoal/pool/messages.h"
#include "shoal/sync/status.h"

namespace shoal::pool_internal {
namespace {

using ipc_internal::Frame;
using process_internal::ExitStatus;
using sync_internal::MakeStatus;

// After so many workers in a row that ended before they had done anything, and with no other left, the pool says that none can
// be had. One that was killed from outside (by somebody, or for want of memory) says little about the next.
constexpr int kMaxFailures = 15;
constexpr int kMaxKilled = 40;

// The first replacement starts at once; then each waits twice as long as the one before, up to a second.
constexpr int64_t kFirstPauseNanoseconds = 1'000'000;
constexpr int kMostDoublings = 10;

// A task whose worker dies before it can even begin it (for want of memory for its arguments, say) is handed out this often
// beyond its retries. It may have been bad luck: others may have killed the worker.
constexpr int kUnbegunRetries = 5;

// If a task turns out to be this long while another worker has nothing to do, what waits behind it goes to the other.
constexpr int64_t kPatienceNanoseconds = 2'000'000;

std::string_view Text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

absl::Status Nonsense(absl::string_view what) {
  return MakeStatus(absl::StatusCode::kDataLoss, absl::StrCat("a worker wrote bytes that make no sense: ", what));
}

}  // namespace

bool Engine::StartIsDue() const {
  return !stopping_ && next_start_.passed() && std::any_of(slots_.begin(), slots_.end(), [](const WorkerSlot& slot) {
    return slot.state == WorkerSlot::State::kVacant;
  });
}

// Starts a worker in every vacant place, until one cannot be started.
void Engine::StartWorkers() {
  for (size_t i = 0; i < slots_.size(); ++i) {
    WorkerSlot& slot = slots_[i];
    if (slot.state != WorkerSlot::State::kVacant) continue;
    absl::Status started = slot.Start(plan_);
    if (started.ok()) {
      started = keeper_.Watch(slot.process->sentinel(), static_cast<int>(i));
      if (!started.ok()) slot.Vacate();  // ends it
    }
    if (!started.ok()) return NoteFailure(started, /*killed=*/false);
  }
}

// A worker could not be started, or ended before it had done anything. The next gets its chance, after a while.
void Engine::NoteFailure(const absl::Status& why, bool killed) {
  ++failures_;
  killed_ += killed;
  last_failure_ = why;
  const bool others_live = std::any_of(slots_.begin(), slots_.end(),
                                       [](const WorkerSlot& slot) { return slot.state == WorkerSlot::State::kReady; });
  // Before any worker has been ready there is no reason to hope: the same program and plug-ins will fail again.
  const int most = functions_known_ ? kMaxFailures : 1;
  if (!others_live && (failures_ - killed_ >= most || killed_ >= kMaxKilled)) return Break(why);
  if (failures_ > 1) {
    const int doublings = std::min(failures_ - 2, kMostDoublings);
    next_start_ = Deadline::AtNanoseconds(Deadline::Now() + (kFirstPauseNanoseconds << doublings));
  }
}

void Engine::Break(const absl::Status& why) {
  if (!broken_.ok()) return;
  broken_ = why;
  stopping_ = true;
  for (WorkerSlot& slot : slots_) slot.Kill(WorkerSlot::Fate::kTerminated);
  FinishAll(why);
  news_ = true;
}

bool Engine::HandleEnded() {
  const std::vector<int> ended = keeper_.TakeEnded();
  for (const int index : ended) HandleEnd(slots_[static_cast<size_t>(index)]);
  news_ = news_ || !ended.empty();
  return !ended.empty();
}

void Engine::HandleEnd(WorkerSlot& slot) {
  if (!slot.process.has_value()) return;
  const bool was_starting = slot.state == WorkerSlot::State::kStarting;
  Receive(slot);  // what it published before it died counts; a refusal among it breaks the pool
  const ExitStatus end = slot.process->exit_status().value_or(ExitStatus{});
  const bool unasked = slot.fate != WorkerSlot::Fate::kTerminated && slot.state != WorkerSlot::State::kStopping;
  if (unasked) ++deaths_;

  const bool front_had_begun = slot.FrontHasBegun();
  if (unasked && !front_had_begun && slot.finished == 0) {
    const std::string when = !was_starting ? "before it had done anything"
                                           : absl::StrCat("while it loaded ", options_.plugins.front(),
                                                          options_.plugins.size() > 1 ? " and others" : "");
    NoteFailure(MakeStatus(absl::StatusCode::kUnavailable, absl::StrCat(Describe(slot, end), " ", when)),
                /*killed=*/end == ExitStatus{.kind = ExitStatus::Kind::kSignalled, .value = SIGKILL});
  }
  std::deque<InFlight> orphans = std::exchange(slot.in_flight, {});
  if (!orphans.empty()) {
    const InFlight front = orphans.front();
    const bool ends = front_had_begun ? BlameForEnd(slot, end, front) : BlameForNotBeginning(slot, end, front);
    if (ends) orphans.pop_front();
  }
  GiveBack(orphans);
  slot.Vacate();
}

// The worker died, or was killed by us, while it ran `front`. Returns whether that ends the task.
bool Engine::BlameForEnd(WorkerSlot& slot, const ExitStatus& end, const InFlight& front) {
  Job& job = *front.job;
  if (slot.fate == WorkerSlot::Fate::kOverran) {
    if (slot.overran != front.sequence) return false;  // the one that overran has ended after all; this one is innocent
    Finish(job, front.item,
           {.status = MakeStatus(
                absl::StatusCode::kDeadlineExceeded,
                absl::StrCat(NameOf(job), " did not return within its deadline of ",
                             absl::FormatDuration(job.options.timeout), "; worker ", slot.process->pid(), " was killed"))});
    return true;
  }
  const int deaths = ++job.deaths_[front.item];
  if (deaths <= job.options.max_retries) {
    ++tasks_retried_;
    return false;
  }
  Finish(job, front.item,
         {.status = MakeStatus(absl::StatusCode::kUnavailable,
                               absl::StrCat(Describe(slot, end), " while it ran ", NameOf(job),
                                            deaths > 1 ? absl::StrCat(" (attempt ", deaths, ")") : ""))});
  return true;
}

// The worker died although it had not begun `front`, which was next. Once that is chance, many times it is not.
bool Engine::BlameForNotBeginning(WorkerSlot& slot, const ExitStatus& end, const InFlight& front) {
  Job& job = *front.job;
  if (slot.fate != WorkerSlot::Fate::kUnexpected && slot.fate != WorkerSlot::Fate::kNonsense) return false;
  const int deaths = ++job.unbegun_[front.item];
  if (deaths <= job.options.max_retries + kUnbegunRetries) return false;
  Finish(
      job, front.item,
      {.status = MakeStatus(absl::StatusCode::kUnavailable, absl::StrCat(Describe(slot, end), " before it could begin ",
                                                                         NameOf(job), ", as did ", deaths - 1, " others"))});
  return true;
}

// Tasks that were handed out go back to where they came from, in their old order.
void Engine::GiveBack(const std::deque<InFlight>& tasks) {
  for (auto task = tasks.rbegin(); task != tasks.rend(); ++task) {
    task->job->again_.push_back(task->item);
    Enqueue(*task->job, 1);
  }
}

bool Engine::SomebodyIsIdle() {
  return queue_.empty() && std::any_of(slots_.begin(), slots_.end(),
                                       [this](WorkerSlot& slot) { return slot.in_flight.empty() && MayTakeTasks(slot); });
}

// Nothing waits behind a long task while somebody is idle.
void Engine::HandleWaitingTasks() {
  if (!SomebodyIsIdle()) return;
  const int64_t now = Deadline::Now();
  for (WorkerSlot& slot : slots_) {
    if (slot.TakeBackTime(kPatienceNanoseconds).nanoseconds() > now) continue;
    const double so_far = static_cast<double>(now - slot.front_since);
    const absl::StatusOr<std::deque<InFlight>> taken = slot.TakeBack();
    if (!taken.ok()) {
      slot.Kill(WorkerSlot::Fate::kNonsense);
    } else if (!taken->empty()) {
      slot.nanoseconds_per_task = std::max(slot.nanoseconds_per_task, so_far);
      GiveBack(*taken);
    }
  }
  if (!queue_.empty()) Dispatch();
}

std::string Engine::Describe(const WorkerSlot& slot, const ExitStatus& end) const {
  if (slot.fate == WorkerSlot::Fate::kNonsense) {
    return absl::StrCat("worker ", slot.process->pid(), " wrote bytes that make no sense and was killed");
  }
  return absl::StrCat("worker ", slot.process->pid(), " ", end.Describe());
}

bool Engine::Receive(WorkerSlot& slot) {
  size_t results = 0;
  bool any = false;
  for (;;) {
    const absl::StatusOr<std::optional<Frame>> frame = slot.Receive();
    const absl::Status status = !frame.ok()           ? frame.status()
                                : !frame->has_value() ? absl::OkStatus()
                                                      : HandleFrame(slot, **frame);
    if (!status.ok()) {
      slot.Kill(WorkerSlot::Fate::kNonsense);
      break;
    }
    if (!frame->has_value()) break;
    any = true;
    if ((*frame)->header.kind >= kValue) ++results;
  }
  if (results > 0) {
    const int64_t now = Deadline::Now();
    const double each = static_cast<double>(now - slot.front_since) / static_cast<double>(results);
    slot.nanoseconds_per_task = slot.nanoseconds_per_task == 0 ? each : 0.5 * slot.nanoseconds_per_task + 0.5 * each;
    slot.front_since = now;
    slot.finished += results;
    failures_ = 0;
    killed_ = 0;
    RetireIfDone(slot);
  }
  slot.DoneReceiving();
  return any;
}

bool Engine::MayTakeTasks(WorkerSlot& slot) const {
  return slot.may_take_tasks() &&
         (!options_.max_tasks_per_worker.has_value() || slot.given < *options_.max_tasks_per_worker);
}

// A worker that has had its number of tasks is replaced.
void Engine::RetireIfDone(WorkerSlot& slot) {
  const bool done = options_.max_tasks_per_worker.has_value() && slot.given >= *options_.max_tasks_per_worker;
  if (slot.state != WorkerSlot::State::kReady || !slot.in_flight.empty() || !done) return;
  if (!slot.Stop().ok()) slot.Kill(WorkerSlot::Fate::kNonsense);
}

absl::Status Engine::HandleFrame(WorkerSlot& slot, const Frame& frame) {
  const std::string_view bytes = Text(frame.bytes);
  const bool starting = slot.state == WorkerSlot::State::kStarting;
  switch (frame.header.kind) {
    case kHello:
      return starting ? HandleHello(slot, bytes) : Nonsense("a second hello");
    case kRefusal:
      if (!starting) return Nonsense("a refusal after the hello");
      slot.ExpectEnd();
      NoteFailure(MakeStatus(static_cast<absl::StatusCode>(frame.header.detail), View(bytes)), /*killed=*/false);
      return absl::OkStatus();
    case kValue:
    case kFailure: {
      if (slot.in_flight.empty() || slot.in_flight.front().sequence != frame.header.id) {
        return slot.state == WorkerSlot::State::kDying ? absl::OkStatus() : Nonsense("a result nobody asked for");
      }
      if (frame.header.kind == kValue) {
        FinishFront(slot, {.status = absl::OkStatus(), .bytes = bytes});
      } else {
        FinishFront(slot, {.status = FailureOf(NameOf(*slot.in_flight.front().job), bytes), .bytes = {}});
      }
      return absl::OkStatus();
    }
    default:
      return Nonsense(absl::StrCat("a frame of kind ", frame.header.kind));
  }
}

absl::Status Engine::HandleHello(WorkerSlot& slot, std::string_view bytes) {
  Catalogue catalogue;
  if (!ipc_internal::DecodeMessage(bytes, catalogue)) return Nonsense("its catalogue");
  if (!functions_known_) {
    for (auto& [name, signature, help] : catalogue) {
      functions_.push_back({.name = std::move(name), .signature = std::move(signature), .help = std::move(help)});
    }
    functions_known_ = true;
  } else {
    const bool same = std::equal(functions_.begin(), functions_.end(), catalogue.begin(), catalogue.end(),
                                 [](const auto& known, const auto& now) {
                                   return known.name == std::get<0>(now) && known.signature == std::get<1>(now);
                                 });
    if (!same) {
      Break(MakeStatus(absl::StatusCode::kFailedPrecondition,
                       "a plug-in's file was replaced by one with other functions while the pool was at work"));
      return absl::OkStatus();
    }
  }
  slot.state = WorkerSlot::State::kReady;
  slot.nanoseconds_per_task = 0;
  news_ = true;
  return absl::OkStatus();
}

void Engine::HandleLateTasks() {
  const int64_t now = Deadline::Now();
  for (WorkerSlot& slot : slots_) {
    if (slot.state == WorkerSlot::State::kReady && slot.FrontDeadline().nanoseconds() <= now) {
      slot.overran = slot.in_flight.front().sequence;
      slot.Kill(WorkerSlot::Fate::kOverran);
    } else if (slot.state == WorkerSlot::State::kStopping && slot.stop_by.nanoseconds() <= now) {
      slot.Kill(WorkerSlot::Fate::kTerminated);
    }
  }
}

sync_internal::Deadline Engine::NextDeadline() {
  Deadline next = Deadline::Infinite();
  const bool somebody_is_idle = SomebodyIsIdle();
  for (const WorkerSlot& slot : slots_) {
    if (slot.state == WorkerSlot::State::kVacant && !stopping_) next = Deadline::Earlier(next, next_start_);
    if (slot.state == WorkerSlot::State::kStopping) next = Deadline::Earlier(next, slot.stop_by);
    if (slot.state != WorkerSlot::State::kReady) continue;
    next = Deadline::Earlier(next, slot.FrontDeadline());
    if (somebody_is_idle) next = Deadline::Earlier(next, slot.TakeBackTime(kPatienceNanoseconds));
  }
  return next;
}

}  // namespace shoal::pool_internal
