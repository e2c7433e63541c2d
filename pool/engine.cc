// How a pool is made and ended, and what its users call.

#include "shoal/pool/engine.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <iterator>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shoal/plugins/abi.h"
#include "shoal/pool/worker_program.h"
#include "shoal/process/cpu_count.h"
#include "shoal/shm/quiet_thread.h"
#include "shoal/sync/cancellation.h"
#include "shoal/sync/futex.h"
#include "shoal/sync/process_epoch.h"
#include "shoal/sync/status.h"

namespace shoal::pool_internal {
namespace {

using shm_internal::UniqueFd;
using sync_internal::ErrnoStatus;
using sync_internal::MakeStatus;

constexpr int kMaxWorkers = 1024;

}  // namespace

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
  shared_ = shm_internal::ObjectIn<PoolShared>(*segment_, shared_offset);
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
  const sync_internal::NoCancellation whole;  // a destructor is not unwound
  if (background_thread_.joinable()) background_thread_.join();
  if (callback_thread_.joinable()) callback_thread_.join();
}

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

}  // namespace shoal::pool_internal
