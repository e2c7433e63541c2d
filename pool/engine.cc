#include "shoal/pool/engine.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <span>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shoal/ipc/codec.h"
#include "shoal/ipc/type_tree.h"
#include "shoal/plugins/abi.h"
#include "shoal/pool/messages.h"
#include "shoal/shm/quiet_thread.h"
#include "shoal/pool/worker_program.h"
#include "shoal/process/cpu_count.h"
#include "shoal/sync/process_epoch.h"
#include "shoal/sync/status.h"

namespace shoal::pool_internal {
namespace {

using ipc_internal::Frame;
using process_internal::ExitStatus;
using shm_internal::UniqueFd;
using sync_internal::ErrnoStatus;
using sync_internal::MakeStatus;

constexpr int kMaxWorkers = 1024;
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

// A worker gets about this much work ahead, so that it need not wait for the pool between short tasks, and so that little waits
// behind a long one.
constexpr double kAheadNanoseconds = 1e6;
constexpr size_t kMostAhead = 1024;

// If a task turns out to be this long while another worker has nothing to do, what waits behind it goes to the other.
constexpr int64_t kPatienceNanoseconds = 2'000'000;

// How long the leader gives its processor away before it sleeps for good. As long as it does, workers need no system call to
// be heard. Bounded in time, because on a machine with idle processors yielding is spinning.
constexpr int64_t kYieldNanoseconds = 30'000;

std::string_view Text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

absl::Status Nonsense(absl::string_view what) {
  return MakeStatus(absl::StatusCode::kDataLoss, absl::StrCat("a worker wrote bytes that make no sense: ", what));
}

}  // namespace

// ---- birth ----------------------------------------------------------------------------------------------------------

Engine::Engine(PoolOptions options)
    : options_(std::move(options)), creator_(sync_internal::ProcessEpoch()), keeper_([this] {
        // The keeper's thread: a worker has ended, and may have died before it could wake anybody.
        segment_->deaths().fetch_add(1, std::memory_order_release);  // pool.death (release): publishes the keeper's list
        sync_internal::WakeAll(segment_->deaths());
        const Lock lock(mutex_);
        deaths_to_handle_ = true;
        if (!leading_) background_.notify_one();
      }) {}

absl::StatusOr<std::shared_ptr<Engine>> Engine::Create(PoolOptions options) {
  if (options.workers == 0) options.workers = CpuCount();
  const auto invalid = [](const auto&... parts) {
    return MakeStatus(absl::StatusCode::kInvalidArgument, absl::StrCat(parts...));
  };
  if (options.workers < 0 || options.workers > kMaxWorkers) {
    return invalid("a pool has 1 to ", kMaxWorkers, " workers, not ", options.workers);
  }
  if (options.plugins.empty()) return invalid("a pool needs at least one plug-in");
  if (options.max_retries < 0) return invalid("max_retries is not negative, as ", options.max_retries, " is");
  if (options.max_tasks_per_worker == 0) return invalid("max_tasks_per_worker is at least 1");
  if (options.task_timeout <= absl::ZeroDuration()) return invalid("task_timeout is positive");
  if (options.max_message_bytes == 0 || options.max_message_bytes > uint64_t{1} << 40) {
    return invalid("max_message_bytes is 1 to 2^40, not ", options.max_message_bytes);
  }
  if (!sync_internal::FutexWaitvSupported()) {
    return MakeStatus(absl::StatusCode::kUnimplemented,
                      "this system lacks futex_waitv (Linux 5.16, or a container profile that denies it)");
  }
  // A worker may be started much later, when this program has another working folder.
  for (std::string& plugin : options.plugins) {
    std::error_code error;
    const std::filesystem::path absolute = std::filesystem::absolute(plugin, error);
    if (!error) plugin = absolute.string();
  }
  std::shared_ptr<Engine> engine(new Engine(std::move(options)), &DeleteUnlessForked);
  SHOAL_RETURN_IF_ERROR(engine->Start());
  return engine;
}

absl::Status Engine::Start() {
  parent_ = UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0)));
  if (!parent_.valid()) return ErrnoStatus(errno, "cannot open a pidfd of this process");
  SHOAL_ASSIGN_OR_RETURN(program_, OpenWorkerProgram());

  // Address space is reserved for all workers; memory is used for what they touch.
  const size_t limit = (size_t{1} << 20) + static_cast<size_t>(options_.workers) * (size_t{512} << 10);
  SHOAL_ASSIGN_OR_RETURN(segment_, Segment::Create({.limit_bytes = limit}));
  SHOAL_ASSIGN_OR_RETURN(const size_t shared_offset, segment_->Allocate(sizeof(PoolShared), alignof(PoolShared)));
  shared_ = segment_->At<PoolShared>(shared_offset);
  plan_ = {.segment_descriptor = segment_->fd(),
           .parent_descriptor = parent_.get(),
           .program_descriptor = program_.get(),
           .initializer = options_.initializer,
           .plugins = options_.plugins,
           .output_to_stderr = options_.worker_output_to_stderr,
           .max_message_bytes = options_.max_message_bytes};
  for (int i = 0; i < options_.workers; ++i) {
    SHOAL_ASSIGN_OR_RETURN(WorkerSlot slot, WorkerSlot::Create(*segment_, shared_offset, options_.max_message_bytes));
    slots_.push_back(std::move(slot));
  }
  SHOAL_RETURN_IF_ERROR(keeper_.Start());
  SHOAL_ASSIGN_OR_RETURN(background_thread_, shm_internal::QuietThread("shoal-pool", [this] { Background(); }));
  SHOAL_ASSIGN_OR_RETURN(callback_thread_, shm_internal::QuietThread("shoal-callbacks", [this] { RunCallbacks(); }));

  // All at once: the first that is ready tells what the plug-ins offer.
  Locked([this] { StartWorkers(); });
  bool ready = false;
  Await(
      [&] {
        ready = std::any_of(slots_.begin(), slots_.end(),
                            [](const WorkerSlot& slot) { return slot.state == WorkerSlot::State::kReady; });
        return ready || !broken_.ok();
      },
      absl::InfiniteDuration());
  if (ready) return absl::OkStatus();
  absl::Status why;
  Locked([&] { why = broken_; });
  return why;
}

void Engine::DeleteUnlessForked(Engine* engine) {
  if (!sync_internal::InProcessOf(engine->creator_)) return;
  if (!engine->OnOwnThread()) {
    delete engine;
    return;
  }
  // The last reference was dropped by a callback, or with a job. The engine ends its threads, so none of them can end it.
  try {
    std::thread([engine] { delete engine; }).detach();
  } catch (const std::system_error&) {
    // Without a thread to be had it stays: a leak, and nothing worse.
  }
}

bool Engine::OnOwnThread() const {
  const std::thread::id self = std::this_thread::get_id();
  return self == background_thread_.get_id() || self == callback_thread_.get_id();
}

Engine::~Engine() {
  if (background_thread_.joinable()) {
    Close().IgnoreError();
    Join(absl::InfiniteDuration()).IgnoreError();
  }
  {
    const Lock lock(mutex_);
    stop_threads_ = true;
    background_.notify_all();
    callbacks_due_.notify_all();
  }
  if (background_thread_.joinable()) background_thread_.join();
  if (callback_thread_.joinable()) callback_thread_.join();
}

// ---- what users call ------------------------------------------------------------------------------------------------

absl::Status Engine::CheckProcess() const {
  if (sync_internal::InProcessOf(creator_)) return absl::OkStatus();
  return MakeStatus(absl::StatusCode::kFailedPrecondition,
                    "a pool belongs to the process that made it, not to a fork of it");
}

absl::Status Engine::WhyNotOpen() const {
  if (terminated_) return MakeStatus(absl::StatusCode::kFailedPrecondition, "the pool was terminated");
  if (closed_) return MakeStatus(absl::StatusCode::kFailedPrecondition, "the pool was closed");
  return broken_;
}

void Engine::Add(const std::shared_ptr<Job>& job, size_t items, Then then) {
  if (items == 0) return;
  if (const absl::Status forked = CheckProcess(); !forked.ok()) {
    // A copy of the job in a process of one thread. Its lock may be held by nobody, for ever.
    for (; items > 0; --items) job->Finish(job->size_++, {.status = forked});
    return;
  }
  const Lock lock(mutex_);
  const size_t first = job->size_;
  job->size_ += items;
  job->unfinished_ += items;
  unfinished_ += items;
  job->held_ = job;
  if (const absl::Status closed = WhyNotOpen(); !closed.ok()) {
    // Earlier items of the job may still be waiting to be issued: they stay where they are, the new ones end here.
    for (size_t item = job->next_; item < first; ++item) job->again_.insert(job->again_.begin(), item);
    job->next_ = job->size_;
    for (size_t item = first; item < first + items; ++item) Finish(*job, item, {.status = closed});
  } else {
    Enqueue(*job, items);
    if (Dispatch() && leading_ && job->options.timeout < absl::InfiniteDuration()) {
      shared_->bell.Ring();  // the leader sleeps with a deadline computed without this task
    }
  }
  if (then == Then::kGoOn) SeeToALeader();
  TellLeader();
}

bool Engine::Cancel(Job& job) {
  if (!CheckProcess().ok()) return false;
  const Lock lock(mutex_);
  if (job.next_ != 0 || job.size_ != 1 || job.unfinished_ != 1) return false;
  Dequeue(job);
  job.next_ = 1;
  Finish(job, 0, {.status = MakeStatus(absl::StatusCode::kCancelled, "the task was cancelled before a worker had it")});
  TellLeader();
  return true;
}

bool Engine::Await(const std::function<bool()>& done, absl::Duration timeout) {
  const Deadline deadline = Deadline::After(timeout);
  if (!CheckProcess().ok()) return done();
  Lock lock(mutex_);
  for (;;) {
    if (done() || deadline.passed()) break;
    if (!leading_) {
      leading_ = true;
      Lead(lock, done, deadline);
      leading_ = false;
    } else {
      ++followers_;
      if (deadline.infinite()) {
        changed_.wait(lock);
      } else {
        changed_.wait_for(lock, std::chrono::nanoseconds(std::max<int64_t>(0, deadline.nanoseconds() - Deadline::Now())));
      }
      --followers_;
    }
  }
  // Whoever goes home sees to it that somebody leads, whether it led or only followed.
  SeeToALeader();
  return done();
}

void Engine::Locked(const std::function<void()>& look) {
  if (!CheckProcess().ok()) return look();
  const Lock lock(mutex_);
  look();
}

absl::Status Engine::Close() {
  SHOAL_RETURN_IF_ERROR(CheckProcess());
  const Lock lock(mutex_);
  closed_ = true;
  return absl::OkStatus();
}

absl::Status Engine::Join(absl::Duration timeout) {
  SHOAL_RETURN_IF_ERROR(CheckProcess());
  {
    const Lock lock(mutex_);
    if (!closed_ && !terminated_) {
      return MakeStatus(absl::StatusCode::kFailedPrecondition, "join a pool after closing or terminating it");
    }
  }
  const Deadline deadline = Deadline::After(timeout);
  const auto late = [] {
    return MakeStatus(absl::StatusCode::kDeadlineExceeded, "the pool still works: the timeout of Join passed");
  };
  // Callbacks belong to the work that is waited for, unless one of them is who waits.
  const bool in_callback = std::this_thread::get_id() == callback_thread_.get_id();
  const auto finished = [&] { return unfinished_ == 0 && (in_callback || (callbacks_.empty() && !in_callbacks_)); };
  if (!Await(finished, timeout)) return late();
  Locked([this] {
    stopping_ = true;
    for (WorkerSlot& slot : slots_) {
      if (slot.state == WorkerSlot::State::kReady) {
        if (!slot.Stop().ok()) slot.Kill(WorkerSlot::Fate::kNonsense);
      } else if (slot.state == WorkerSlot::State::kStarting) {
        slot.Kill(WorkerSlot::Fate::kTerminated);
      }
    }
  });
  // A worker that hangs in an exit handler is killed after a while.
  const auto vacant = [this] {
    return std::all_of(slots_.begin(), slots_.end(),
                       [](const WorkerSlot& slot) { return slot.state == WorkerSlot::State::kVacant; });
  };
  return Await(vacant, deadline.Remaining()) ? absl::OkStatus() : late();
}

absl::Status Engine::Terminate() {
  SHOAL_RETURN_IF_ERROR(CheckProcess());
  {
    const Lock lock(mutex_);
    terminated_ = true;
    stopping_ = true;
    for (WorkerSlot& slot : slots_) slot.Kill(WorkerSlot::Fate::kTerminated);
    FinishAll(MakeStatus(absl::StatusCode::kCancelled, "the pool was terminated"));
    TellLeader();
  }
  return Join(absl::InfiniteDuration());
}

PoolStats Engine::Stats() {
  if (!CheckProcess().ok()) return {};
  const Lock lock(mutex_);
  PoolStats stats{
      .workers = {}, .pending = unfinished_, .done = tasks_done_, .retried = tasks_retried_, .worker_deaths = deaths_};
  for (const WorkerSlot& slot : slots_) {
    if (slot.process.has_value()) stats.workers.push_back(slot.process->pid());
  }
  return stats;
}

// ---- leading --------------------------------------------------------------------------------------------------------

// Looks after the workers until `done()` or the deadline.
// REQUIRES: leading_, set by this thread.
void Engine::Lead(Lock& lock, const std::function<bool()>& done, Deadline deadline) {
  const auto enough = [&] { return done() || deadline.passed(); };
  int64_t idle_since = 0;
  for (;;) {
    // pool.death (acquire): whatever the keeper noted before this count is seen by HandleEnded
    const uint32_t deaths = segment_->deaths().load(std::memory_order_acquire);
    const bool progress = Pump();
    if (enough()) return;
    if (progress) {
      idle_since = 0;
      continue;
    }
    const int64_t now = Deadline::Now();
    if (idle_since == 0) idle_since = now;
    if (now - idle_since < kYieldNanoseconds) {
      lock.unlock();
      sched_yield();
      lock.lock();
      if (enough()) return;
      continue;
    }
    shared_->bell.Arm();
    if (Pump() || enough()) {  // what came before the bell was armed rang for nobody
      shared_->bell.Disarm();
      if (enough()) return;
      continue;
    }
    const Deadline until = Deadline::Earlier(deadline, NextDeadline());
    lock.unlock();
    shared_->bell.Sleep(segment_->deaths(), deaths, until);
    lock.lock();
    if (enough()) return;
    idle_since = 0;
  }
}

bool Engine::NobodyNeedsLead() const {
  const bool vacant = std::any_of(slots_.begin(), slots_.end(), [](const WorkerSlot& slot) {
    return slot.state == WorkerSlot::State::kVacant || slot.state == WorkerSlot::State::kStopping;
  });
  return unfinished_ == 0 && !deaths_to_handle_ && (!vacant || stopping_);
}

// Nobody may lead any more: whoever waits takes it, or the background thread if somebody must.
void Engine::SeeToALeader() {
  if (leading_) return;
  if (followers_ > 0) {
    changed_.notify_all();
  } else if (!NobodyNeedsLead()) {
    background_.notify_one();
  }
}

void Engine::Background() {
  Lock lock(mutex_);
  for (;;) {
    background_.wait(lock, [this] { return stop_threads_ || (!leading_ && followers_ == 0 && !NobodyNeedsLead()); });
    if (stop_threads_) return;
    leading_ = true;
    deaths_to_handle_ = false;
    Lead(
        lock, [this] { return NobodyNeedsLead() || followers_ > 0 || stop_threads_; }, Deadline::Infinite());
    leading_ = false;
    SeeToALeader();
  }
}

// Followers look again when something has happened that one of them may wait for.
void Engine::TellFollowers() {
  if (std::exchange(news_, false) && followers_ > 0) changed_.notify_all();
}

// The same for the leader, from a thread that does not lead: it may sleep.
void Engine::TellLeader() {
  if (leading_ && news_) shared_->bell.Ring();
  TellFollowers();
}

// The callback thread: runs what users want to be called with, without the lock. It may wait for tasks, or for ever, and keeps
// nobody but other callbacks waiting.
void Engine::RunCallbacks() {
  Lock lock(mutex_);
  for (;;) {
    callbacks_due_.wait(lock, [this] { return stop_threads_ || !callbacks_.empty(); });
    if (callbacks_.empty()) return;
    std::vector<std::shared_ptr<Job>> due = std::exchange(callbacks_, {});
    in_callbacks_ = true;
    lock.unlock();
    for (std::shared_ptr<Job>& job : due) {
      job->AfterFinish();
      job.reset();  // what the callback holds is let go of here
    }
    lock.lock();
    in_callbacks_ = false;
    news_ = true;  // somebody may wait for the end of callbacks
    TellLeader();
  }
}

// Does everything that can be done without waiting. Returns whether anything came in.
bool Engine::Pump() {
  bool progress = HandleEnded();
  for (WorkerSlot& slot : slots_) {
    if (slot.state != WorkerSlot::State::kVacant) progress = Receive(slot) || progress;
  }
  HandleLateTasks();
  if (StartIsDue()) StartWorkers();
  Dispatch();
  HandleWaitingTasks();
  TellFollowers();
  return progress;
}

// ---- workers --------------------------------------------------------------------------------------------------------

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

// ---- tasks ----------------------------------------------------------------------------------------------------------

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
