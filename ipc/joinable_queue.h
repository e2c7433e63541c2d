#ifndef SHOAL_IPC_JOINABLE_QUEUE_H_
#define SHOAL_IPC_JOINABLE_QUEUE_H_

#include <concepts>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/ipc/message_in_place.h"
#include "shoal/ipc/queue_handle.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/shareable.h"
#include "shoal/shm/shared.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/status.h"

namespace shoal {

namespace ipc_internal {
// A type of its own, so that a queue that counts tasks is not taken for one that does not.
template <class T>
class JoinableObject : public QueueObject<T> {
 public:
  static absl::Status ConstructInSegment(JoinableObject* where, shm_internal::Section& section, const RingShape& shape) {
    return QueueObject<T>::ConstructInSegment(where, section, shape);
  }
};
}  // namespace ipc_internal

// A queue of tasks: whoever takes one says when it is done, and Join waits until all are.
//
//   SHOAL_ASSIGN_OR_RETURN(JoinableQueue<Job> jobs, JoinableQueue<Job>::Create({.acknowledge = true}));
//   ... in the workers:  SHOAL_ASSIGN_OR_RETURN(Job job, jobs.Get());  Do(job);  jobs.TaskDone();
//   ... who put them:    SHOAL_RETURN_IF_ERROR(jobs.Join(absl::Minutes(5)));
//
// All that is said of Queue holds. A task takes its place until it is done: `capacity` counts both.
//
// Crash safety:    the tasks that a dead process had taken and not done are, with `acknowledge`, delivered again (only Receive says that
//                  they are: Received::redelivered()); without, they count as done, and Join returns Unavailable, naming the process:
//                  every Join that was under way when they were lost, and if there was none, the next one. Join sleeps beside neither.
// Blocking:        Join sleeps until nothing is left to do; it is woken by TaskDone, or when a process dies.
// Errors:          TaskDone: FailedPrecondition: everything that was taken is done. Join: DeadlineExceeded; Unavailable: as above.
template <class T>
class JoinableQueue final : public ipc_internal::QueueHandle<T, ipc_internal::JoinableObject<T>> {
  using Object = ipc_internal::JoinableObject<T>;
  using Base = ipc_internal::QueueHandle<T, Object>;

 public:
  JoinableQueue() = default;  // names none
  explicit JoinableQueue(Shared<Object> object) : Base(std::move(object)) {}

  [[nodiscard]] static absl::StatusOr<JoinableQueue> Create(const QueueOptions& options = {}) {
    CheckRepeats();
    SHOAL_ASSIGN_OR_RETURN(Shared<Object> made, Base::Make(options, ipc_internal::RingFlags::kKeep));
    return JoinableQueue(std::move(made));
  }
  [[nodiscard]] static absl::StatusOr<JoinableQueue> Find(const Segment& segment, std::string_view key) {
    CheckRepeats();
    SHOAL_ASSIGN_OR_RETURN(Shared<Object> found, Base::FindObject(segment, key));
    return JoinableQueue(std::move(found));
  }
  [[nodiscard]] absl::Status PublishAs(std::string_view key) const { return ipc_internal::PublishQueue(key, this->object_); }

  [[nodiscard]] absl::Status Put(const T& value, absl::Duration timeout = absl::InfiniteDuration()) {
    CheckRepeats();
    return this->PutValue(value, sync_internal::Deadline::After(timeout));
  }
  [[nodiscard]] bool TryPut(const T& value) { return this->PutValue(value, sync_internal::Deadline::Passed()).ok(); }
  [[nodiscard]] absl::StatusOr<T> Get(absl::Duration timeout = absl::InfiniteDuration()) {
    return this->GetValue(sync_internal::Deadline::After(timeout));
  }
  [[nodiscard]] std::optional<T> TryGet() {
    auto value = this->GetValue(sync_internal::Deadline::Passed());
    if (!value.ok()) return std::nullopt;
    return *std::move(value);
  }
  [[nodiscard]] absl::StatusOr<size_t> PutMany(std::span<const T> values,
                                               absl::Duration timeout = absl::InfiniteDuration()) {
    return this->PutValues(values, sync_internal::Deadline::After(timeout));
  }
  [[nodiscard]] absl::StatusOr<std::vector<T>> GetMany(size_t most, absl::Duration timeout = absl::InfiniteDuration()) {
    return this->GetValues(most, sync_internal::Deadline::After(timeout));
  }
  // The next task where it lies; its Done is TaskDone for it.
  [[nodiscard]] absl::StatusOr<Received<T>> Receive(absl::Duration timeout = absl::InfiniteDuration()) {
    SHOAL_ASSIGN_OR_RETURN(ipc_internal::RingPort * port, this->Enter());
    return Received<T>::From(this->object_, *port, sync_internal::Deadline::After(timeout));
  }

  // What this thread has longest is done; if it has none, what this process has longest; if that has none, what anybody has.
  absl::Status TaskDone() {
    SHOAL_ASSIGN_OR_RETURN(ipc_internal::RingPort * port, this->Enter());
    return port->DoneWithOldest(/*of_anybody=*/true);
  }
  // Waits until everything that was put has been taken, and is done.
  [[nodiscard]] absl::Status Join(absl::Duration timeout = absl::InfiniteDuration()) {
    SHOAL_ASSIGN_OR_RETURN(ipc_internal::RingPort * port, this->Enter());
    return port->Join(sync_internal::Deadline::After(timeout));
  }

 private:
  friend struct shm_internal::StoredAccess;

  // Not in the class: a T may be incomplete where its queue is named.
  static constexpr void CheckRepeats() {
    static_assert(ipc_internal::Repeats<T>, "a task stays in the queue until it is done, so it must be possible to copy it");
  }
};

template <class T>
struct ShareableTraits<ipc_internal::JoinableObject<T>> : SharedType<SharedKind::kConcurrent, ipc_internal::Sent<T>> {
  static constexpr std::string_view kName = "JoinableQueue";
};
template <class T>
struct ShareableTraits<JoinableQueue<T>> : SharedType<SharedKind::kHandle, ipc_internal::JoinableObject<T>> {
  static constexpr std::string_view kName = "Shared";
};

}  // namespace shoal

#endif  // SHOAL_IPC_JOINABLE_QUEUE_H_
