#ifndef SHOAL_POOL_ENGINE_H_
#define SHOAL_POOL_ENGINE_H_

#include <sys/types.h>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/ipc/frame_stream.h"
#include "shoal/pool/job.h"
#include "shoal/pool/keeper.h"
#include "shoal/pool/pool_options.h"
#include "shoal/pool/wire.h"
#include "shoal/pool/worker_slot.h"
#include "shoal/process/exit_status.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/unique_fd.h"
#include "shoal/sync/deadline.h"

namespace shoal::pool_internal {

// The scheduler of a pool: which worker gets which task, what came of it, and who is replaced.
//
// There is one lock, and at any time at most one *leader*: a thread that looks after the workers (Pump) and sleeps on the
// pool's doorbell when there is nothing to do. Whoever waits for results leads; the others follow, and take over when the
// leader has what it came for. A background thread leads when tasks are under way and nobody waits. So a caller that waits is
// woken by the worker itself, without another thread between them.
//
//  INVARIANTS, under the lock:
//   a task is in exactly one place: not issued (its job's next_ or again_), or in flight at one worker, or finished;
//   unfinished_ > 0 implies: somebody leads, or is about to, or follows, or the background thread has been told;
//   no code of the user runs under the lock, and no callback on a thread that leads or waits: it may do either itself;
//   the leader sleeps only while the bell is armed and no worker's ring has anything for it.
//
// Thread safety: all public calls from any thread, also from callbacks. Nothing of it is shared with other processes but the
// segment; see wire.h for that.
class Engine final {
 public:
  static absl::StatusOr<std::shared_ptr<Engine>> Create(PoolOptions options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // The engine of a pool in a forked copy of its process is left alone: threads, workers and locks are the parent's.
  static void DeleteUnlessForked(Engine* engine);

  // What the workers offer. Constant once Create has returned.
  const std::vector<FunctionInfo>& functions() const { return functions_; }

  // FailedPrecondition in a fork of the process that made the pool; looks at nothing that a lock protects.
  absl::Status CheckProcess() const;

  const PoolOptions& options() const { return options_; }

  // Whether the thread that adds tasks will at once wait for them, and look after the workers itself.
  enum class Then { kGoOn, kWait };

  // Adds `items` tasks to a job. If no task can be accepted (closed, terminated, broken, a fork's child) all end at once with
  // that status. The engine holds the job until all its items have ended.
  void Add(const std::shared_ptr<Job>& job, size_t items, Then then = Then::kGoOn);

  // Takes back what has not been issued: true if that was all of a job that had one item, which then ends as cancelled.
  bool Cancel(Job& job);

  // Waits until `done()`, which is called under the lock. False: the timeout passed first.
  bool Await(const std::function<bool()>& done, absl::Duration timeout);

  // Calls `look` under the lock.
  void Locked(const std::function<void()>& look);

  absl::Status Close();
  absl::Status Join(absl::Duration timeout);
  absl::Status Terminate();
  PoolStats Stats();

 private:
  explicit Engine(PoolOptions options);
  using Lock = std::unique_lock<std::mutex>;
  using Deadline = sync_internal::Deadline;

  absl::Status Start();
  absl::Status WhyNotOpen() const;

  // Leading.
  void Lead(Lock& lock, const std::function<bool()>& done, Deadline deadline);
  void Background();
  void SeeToALeader();
  bool NobodyNeedsLead() const;
  bool Pump();
  void TellFollowers();
  void TellLeader();
  void RunCallbacks();
  bool OnOwnThread() const;

  // What happens to workers.
  bool HandleEnded();
  void HandleEnd(WorkerSlot& slot);
  bool BlameForEnd(WorkerSlot& slot, const process_internal::ExitStatus& end, const InFlight& front);
  bool BlameForNotBeginning(WorkerSlot& slot, const process_internal::ExitStatus& end, const InFlight& front);
  void StartWorkers();
  bool StartIsDue() const;
  void RetireIfDone(WorkerSlot& slot);
  bool MayTakeTasks(WorkerSlot& slot) const;
  bool Receive(WorkerSlot& slot);
  absl::Status HandleFrame(WorkerSlot& slot, const ipc_internal::Frame& frame);
  absl::Status HandleHello(WorkerSlot& slot, std::string_view bytes);
  void HandleLateTasks();
  void HandleWaitingTasks();
  bool SomebodyIsIdle();
  void GiveBack(const std::deque<InFlight>& tasks);
  Deadline NextDeadline();
  void NoteFailure(const absl::Status& why, bool killed);
  void Break(const absl::Status& why);

  // What happens to tasks.
  bool Dispatch();
  size_t WindowOf(const WorkerSlot& slot) const;
  void IssueSome(WorkerSlot& slot, size_t most);
  void Enqueue(Job& job, size_t items);
  void Dequeue(Job& job);
  bool IssueOne(WorkerSlot& slot, Job& job);
  void Finish(Job& job, size_t item, const TaskOutcome& outcome);
  void FinishFront(WorkerSlot& slot, const TaskOutcome& outcome);
  void FinishAll(const absl::Status& status);
  absl::Status FailureOf(std::string_view function, std::string_view bytes) const;
  std::string Describe(const WorkerSlot& slot, const process_internal::ExitStatus& end) const;
  const std::string& NameOf(const Job& job) const { return functions_[job.options.function].name; }

  const PoolOptions options_;
  const uint32_t creator_;  // the process that made it, by its epoch
  std::optional<Segment> segment_;
  PoolShared* shared_ = nullptr;
  shm_internal::UniqueFd parent_;   // our own pidfd, for the workers
  shm_internal::UniqueFd program_;  // the worker program
  WorkerPlan plan_;
  std::vector<FunctionInfo> functions_;

  std::mutex mutex_;
  std::condition_variable changed_;        // followers: somebody's tasks ended, or the lead is free
  std::condition_variable background_;     // the background thread: there may be nobody who leads
  std::condition_variable callbacks_due_;  // the callback thread
  // All below: guarded by mutex_.
  bool leading_ = false;
  int followers_ = 0;
  bool stop_threads_ = false;
  bool closed_ = false;
  bool terminated_ = false;
  bool stopping_ = false;  // workers are told to finish; none is started any more
  absl::Status broken_;    // not OK: no worker can be started; every task ends with this
  // Workers that ended before they had done anything, in a row; the next is started the later, the more there were.
  int failures_ = 0;
  int killed_ = 0;  // of these, by SIGKILL
  absl::Status last_failure_;
  sync_internal::Deadline next_start_ = sync_internal::Deadline::Passed();
  std::vector<WorkerSlot> slots_;
  std::list<Job*> queue_;                        // jobs with items to issue
  size_t to_issue_ = 0;                          // items of all jobs in the queue
  std::vector<std::shared_ptr<Job>> callbacks_;  // jobs that have ended and whose AfterFinish is due
  bool in_callbacks_ = false;                    // some of them are running
  size_t unfinished_ = 0;
  bool functions_known_ = false;   // a worker has been ready
  bool news_ = false;              // followers have a reason to look again
  bool deaths_to_handle_ = false;  // the keeper has noted an end since the background thread last led
  uint64_t tasks_done_ = 0;
  uint64_t tasks_retried_ = 0;
  uint64_t deaths_ = 0;
  std::string scratch_;  // arguments of the task being issued
  std::thread background_thread_;
  std::thread callback_thread_;
  Keeper keeper_;  // last: its thread uses all of the above
};

}  // namespace shoal::pool_internal

#endif  // SHOAL_POOL_ENGINE_H_
