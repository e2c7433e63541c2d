#ifndef SHOAL_IPC_QUEUE_H_
#define SHOAL_IPC_QUEUE_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
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

// A bounded queue of values between processes: any number put, any number take.
//
//   SHOAL_ASSIGN_OR_RETURN(Queue<Job> jobs, Queue<Job>::Create({.capacity = 100}));
//   SHOAL_RETURN_IF_ERROR(jobs.Put(job, absl::Seconds(1)));      // it is there for everybody when this returns
//   SHOAL_ASSIGN_OR_RETURN(Job next, jobs.Get());                // in this process or another
//   jobs.Close();                                                // who takes gets the rest, and then Cancelled
//
// A Queue object is a handle, counted as a Shared is: copy it, send it in a message, store it in what a Mutex guards. Another process
// has it from a message, or finds it by a name:
//
//   jobs.PublishAs("jobs");   ...   SHOAL_ASSIGN_OR_RETURN(Queue<Job> jobs, Queue<Job>::Find(segment, "jobs"));
//
// T is a plain value, which travels as its bytes; a string, vector, map, set, optional, variant, tuple or struct of such, which is encoded;
// and any of these with handles in it (Shared, Queue, Connection), also to queues of its own kind: `struct Ask { std::string what;
// Queue<Ask> reply; }`. (A queue that has a handle to itself among its messages stays as long as that lies there.) Large messages lie
// in the segment's heap; a message is written once and read once.
//
// In place: Loan() lends a cell to write a plain value in, Receive() gives what was taken where it lies. With `acknowledge`, a message
// that was taken belongs to its taker until Done: on a Received, or, after Get, Done() on the queue.
//
// Thread safety:   every call may run concurrently with every other. A handle itself is like a std::shared_ptr.
// Process safety:  lies in a Segment. In a child made by fork the parent's handles are dead: every call is FailedPrecondition.
// Crash safety:    a process that dies loses at most what it had not yet put, or had already taken; everybody else goes on at once. What
//                  it had taken and not read to the end, or with `acknowledge` not done, is delivered again as soon as its death has
//                  been noticed (by a keeper, or Segment::Reap), before what is newer, the oldest first. Only Receive says that it is:
//                  Received::redelivered(); from Get, TryGet and GetMany it looks like any other. A process that is stopped hides nothing
//                  that others have put; up to 32 may be stopped in a call or hold messages in place without taking room (with
//                  `acknowledge`, each takes a place). Stopped is not dead, though: messages with memory or handles of their own take
//                  short locks of the segment, and looking after the dead takes one, too; whoever is stopped in these few instructions
//                  holds up those who need them.
// Blocking:        Put sleeps while the queue is full, Get while it is empty; they look for some microseconds first. They are woken by
//                  who takes or puts, by Close, or when a process dies. Not fair.
// Order:           each process's messages are taken in the order in which its Put calls returned; all calls are linearizable, but that
//                  TryPut may find a queue with `acknowledge` full while others take and put.
// Memory ordering: what a process did before it put is visible to whoever takes it.
// Errors:          DeadlineExceeded: nothing was put, or taken. Put: FailedPrecondition: closed, or a handle of another segment;
//                  ResourceExhausted: the message is larger than max_message_bytes, or the segment has no room for it;
//                  InvalidArgument: it was changed meanwhile, or a variant in it has no value. In all cases nothing was put. Get:
//                  Cancelled: closed, and nothing is left (with `acknowledge` it waits for what other processes have taken and not
//                  done, unless this one has some itself). ResourceExhausted: this process has no memory of its own for the message,
//                  which is the next to be taken again. Nothing of ours throws; what a value's own constructors and allocators throw,
//                  but for std::bad_alloc, comes out, and leaves the message to be taken, or nothing put.
//                  All: FailedPrecondition: the handle names no queue; DataLoss: the shared bytes make no sense (a message that makes
//                  none is dropped); ResourceExhausted: too many processes or threads use the segment.
// Allocation:      Create: capacity (and, without `acknowledge`, 32 more) times the size of a cell. Put: messages that do not fit a
//                  cell, or have handles, take memory of the segment until they have been taken.
// Layout:          the handle 8 bytes; the queue 448, and its cells; docs/memory_format.md.
template <class T>
class Queue final : public ipc_internal::QueueHandle<T, ipc_internal::QueueObject<T>> {
  using Object = ipc_internal::QueueObject<T>;
  using Base = ipc_internal::QueueHandle<T, Object>;

 public:
  Queue() = default;  // names none
  explicit Queue(Shared<Object> object) : Base(std::move(object)) {}

  // InvalidArgument: a capacity of 0, or above 1,000,000; ResourceExhausted: the segment has no room.
  [[nodiscard]] static absl::StatusOr<Queue> Create(const QueueOptions& options = {}) {
    SHOAL_ASSIGN_OR_RETURN(Shared<Object> made, Base::Make(options, 0));
    return Queue(std::move(made));
  }

  // By a name in the segment. Errors as Segment::Publish and Find: a queue of other values is FailedPrecondition, and the message says
  // how they differ, field by field.
  [[nodiscard]] static absl::StatusOr<Queue> Find(const Segment& segment, std::string_view key) {
    SHOAL_ASSIGN_OR_RETURN(Shared<Object> found, Base::FindObject(segment, key));
    return Queue(std::move(found));
  }
  [[nodiscard]] absl::Status PublishAs(std::string_view key) const { return ipc_internal::PublishQueue(key, this->object_); }

  // `Message` is T: a parameter of the call, because a T may be incomplete where its queue is named.
  template <class Message = T>
  requires ipc_internal::Repeats<Message>
  [[nodiscard]] absl::Status Put(const T& value, absl::Duration timeout = absl::InfiniteDuration()) {
    return this->PutValue(value, sync_internal::Deadline::After(timeout));
  }
  // Of what can only be moved. An error leaves it with the caller.
  template <class Message = T>
  requires(!ipc_internal::Repeats<Message>)
  [[nodiscard]] absl::Status Put(T&& value, absl::Duration timeout = absl::InfiniteDuration()) {
    return this->PutMoved(value, sync_internal::Deadline::After(timeout));
  }
  template <class Message = T>
  requires ipc_internal::Repeats<Message>
  [[nodiscard]] bool TryPut(const T& value) {
    return this->PutValue(value, sync_internal::Deadline::Passed()).ok();
  }
  template <class Message = T>
  requires(!ipc_internal::Repeats<Message>)
  [[nodiscard]] bool TryPut(T&& value) {
    return this->PutMoved(value, sync_internal::Deadline::Passed()).ok();
  }

  // The next message. Does not say whether it is delivered again; see Receive.
  [[nodiscard]] absl::StatusOr<T> Get(absl::Duration timeout = absl::InfiniteDuration()) {
    return this->GetValue(sync_internal::Deadline::After(timeout));
  }
  [[nodiscard]] std::optional<T> TryGet() {
    auto value = this->GetValue(sync_internal::Deadline::Passed());
    if (!value.ok()) return std::nullopt;
    return *std::move(value);
  }

  // Puts all, in order, not as one: how many were put before the timeout, Close, or a message that cannot be; an error if none was.
  template <class Message = T>
  requires ipc_internal::Repeats<Message>
  [[nodiscard]] absl::StatusOr<size_t> PutMany(std::span<const T> values, absl::Duration timeout = absl::InfiniteDuration()) {
    return this->PutValues(values, sync_internal::Deadline::After(timeout));
  }
  // Of what can only be moved: what was put is moved from, the rest stays the caller's.
  template <class Message = T>
  requires(!ipc_internal::Repeats<Message>)
  [[nodiscard]] absl::StatusOr<size_t> PutMany(std::span<T> values, absl::Duration timeout = absl::InfiniteDuration()) {
    return this->PutValues(values, sync_internal::Deadline::After(timeout));
  }
  // Waits for one, and takes as many as there are, `most` at most. One that makes no sense is told of, as DataLoss, only if it is the
  // first: behind others it is left for the next call. So is one for which there is no memory, or whose own constructor throws.
  [[nodiscard]] absl::StatusOr<std::vector<T>> GetMany(size_t most, absl::Duration timeout = absl::InfiniteDuration()) {
    return this->GetValues(most, sync_internal::Deadline::After(timeout));
  }

  // A cell to build the next message in. Of plain values only.
  template <class Message = T>
  requires SharedValue<Message>
  [[nodiscard]] absl::StatusOr<Loaned<T>> Loan(absl::Duration timeout = absl::InfiniteDuration()) {
    SHOAL_ASSIGN_OR_RETURN(ipc_internal::RingPort * port, this->Enter());
    return Loaned<T>::From(this->object_, *port, sync_internal::Deadline::After(timeout));
  }
  // The next message, where it lies if it is a plain value, and whether it is delivered again.
  [[nodiscard]] absl::StatusOr<Received<T>> Receive(absl::Duration timeout = absl::InfiniteDuration()) {
    SHOAL_ASSIGN_OR_RETURN(ipc_internal::RingPort * port, this->Enter());
    return Received<T>::From(this->object_, *port, sync_internal::Deadline::After(timeout));
  }

  // With `acknowledge`: what this thread has longest of those that it took with Get is done; if it has none, this process's oldest.
  // FailedPrecondition: there is none.
  absl::Status Done() {
    SHOAL_ASSIGN_OR_RETURN(ipc_internal::RingPort * port, this->Enter());
    return port->DoneWithOldest(/*of_anybody=*/false);
  }

 private:
  friend struct shm_internal::StoredAccess;
};

namespace ipc_internal {
template <class T>
struct SharedQueueTraits : SharedType<SharedKind::kConcurrent, Sent<T>> {};
}  // namespace ipc_internal

template <class T>
struct ShareableTraits<ipc_internal::QueueObject<T>> : ipc_internal::SharedQueueTraits<T> {
  static constexpr std::string_view kName = "Queue";
};
// In a message, or in shared memory, the handle is the Shared that it consists of.
template <class T>
struct ShareableTraits<Queue<T>> : SharedType<SharedKind::kHandle, ipc_internal::QueueObject<T>> {
  static constexpr std::string_view kName = "Shared";
};

}  // namespace shoal

#endif  // SHOAL_IPC_QUEUE_H_
