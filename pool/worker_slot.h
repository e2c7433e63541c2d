#ifndef SHOAL_POOL_WORKER_SLOT_H_
#define SHOAL_POOL_WORKER_SLOT_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/ipc/byte_ring.h"
#include "shoal/ipc/frame_stream.h"
#include "shoal/pool/job.h"
#include "shoal/pool/wire.h"
#include "shoal/process/process.h"
#include "shoal/shm/segment.h"
#include "shoal/sync/deadline.h"

namespace shoal::pool_internal {

// What every worker of a pool is started with.
struct WorkerPlan {
  int segment_descriptor = -1;
  int parent_descriptor = -1;
  int program_descriptor = -1;
  std::string initializer;
  std::vector<std::string> plugins;
  bool output_to_stderr = false;
  uint64_t max_message_bytes = 0;
};

// A task that a worker has: begun, or waiting behind the one that is.
struct InFlight {
  Job* job = nullptr;
  size_t item = 0;
  uint64_t sequence = 0;
};

// The place of one worker in a pool: its part of the segment, and the process that has it now. When that process has ended,
// everything here is made new for the next.
//
//  state      meaning                                       leaves it when
//  kVacant    no process                                    Start → kStarting
//  kStarting  the process loads its plug-ins                its hello → kReady; its end → kVacant
//  kReady     takes tasks                                   Stop → kStopping; Kill → kDying; its end → kVacant
//  kStopping  was told to finish                            its end → kVacant
//  kDying     was killed by us; `fate` says why             its end → kVacant
//
// Thread safety: none; the engine's lock protects it.
class WorkerSlot {
 public:
  enum class State { kVacant, kStarting, kReady, kStopping, kDying };
  enum class Fate { kUnexpected, kOverran, kNonsense, kTerminated };

  // Sets the slot's part of the segment aside.
  static absl::StatusOr<WorkerSlot> Create(const Segment& segment, size_t pool_shared_offset, uint64_t max_message_bytes);

  absl::Status Start(const WorkerPlan& plan);

  // Queues a task, a stop. Visible to the worker after Flush.
  absl::Status Issue(const InFlight& task, std::string_view arguments);
  absl::Status Stop();

  // The worker ends by itself; it has this long.
  void ExpectEnd();

  // Lets the worker see what was queued, as far as its ring has room, and wakes it.
  absl::Status Flush();

  // The next frame from the worker.
  absl::StatusOr<std::optional<ipc_internal::Frame>> Receive() { return results_.Next(); }

  // The frames received have been used: their room is the worker's again.
  void DoneReceiving();

  void Kill(Fate why);

  // The process has ended and was reaped.
  void Vacate();

  // The task that the worker had begun and not finished when it died.
  bool FrontHasBegun() const;

  // When what has not begun should be taken back if others are idle: after `patience`, once per front task.
  sync_internal::Deadline TakeBackTime(int64_t patience_nanoseconds) const;

  // Takes the tasks back that the worker has not begun. Empty where it has just gone on to the next by itself. Until it has
  // noticed, it takes no others; it rings when it has.
  absl::StatusOr<std::deque<InFlight>> TakeBack();

  // When the front task will have run too long; infinite without a timeout.
  sync_internal::Deadline FrontDeadline() const;

  // The worker is there, reads what it is sent, and has not yet to notice that tasks were taken back.
  bool may_take_tasks();

  State state = State::kVacant;
  Fate fate = Fate::kUnexpected;
  uint64_t overran = 0;  // kOverran: sequence number of the task that did
  std::optional<Process> process;
  std::deque<InFlight> in_flight;
  uint64_t issued = 0;    // sequence number of the last task given to this process
  uint64_t given = 0;     // tasks given to this process and not taken back
  uint64_t finished = 0;  // tasks that this process has ended
  sync_internal::Deadline stop_by = sync_internal::Deadline::Infinite();  // of kStopping
  int64_t front_since = 0;                                                // when the front task became the front
  double nanoseconds_per_task = 0;                                        // running mean; 0: not known yet

 private:
  WorkerSlot() = default;

  ipc_internal::RingPlace task_place_;
  ipc_internal::RingPlace result_place_;
  size_t pool_shared_offset_ = 0;
  size_t shared_offset_ = 0;
  WorkerShared* shared_ = nullptr;
  ipc_internal::RingView task_ring_;
  ipc_internal::RingView result_ring_;
  ipc_internal::FrameSender tasks_;
  ipc_internal::FrameReceiver results_;
  uint64_t max_message_bytes_ = 0;
  bool closed_ = false;            // as far as this process knows, the claim is
  uint64_t took_back_behind_ = 0;  // sequence number of the front task when TakeBack was last tried
};

}  // namespace shoal::pool_internal

#endif  // SHOAL_POOL_WORKER_SLOT_H_
