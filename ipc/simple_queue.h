#ifndef SHOAL_IPC_SIMPLE_QUEUE_H_
#define SHOAL_IPC_SIMPLE_QUEUE_H_

#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/ipc/message_ring.h"
#include "shoal/ipc/message_type.h"
#include "shoal/ipc/queue.h"
#include "shoal/ipc/wait_hook.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/shareable.h"
#include "shoal/shm/shared.h"
#include "shoal/sync/status.h"

namespace shoal {

// A Queue with nothing to decide: put, get, empty, close, and Wait. Both block as long as it takes, or until a timeout; a Put that
// cannot be fails, and puts nothing.
//
//   SHOAL_ASSIGN_OR_RETURN(SimpleQueue<std::string> lines, SimpleQueue<std::string>::Create());
//
// All that is said of Queue holds; it is one, of 1024 messages unless the options say otherwise. It has no Done: `acknowledge` is
// InvalidArgument.
template <class T>
class SimpleQueue final {
  using Object = ipc_internal::QueueObject<T>;

 public:
  using value_type = T;

  SimpleQueue() = default;  // names none
  explicit SimpleQueue(Shared<Object> object) : queue_(std::move(object)) {}

  [[nodiscard]] static absl::StatusOr<SimpleQueue> Create(const QueueOptions& options = {}) {
    if (options.acknowledge) return ipc_internal::OnlyQueuesAcknowledge();
    SHOAL_ASSIGN_OR_RETURN(Queue<T> made, Queue<T>::Create(options));
    return SimpleQueue(std::move(made));
  }
  [[nodiscard]] static absl::StatusOr<SimpleQueue> Find(const Segment& segment, std::string_view key) {
    SHOAL_ASSIGN_OR_RETURN(Queue<T> found, Queue<T>::Find(segment, key));
    return SimpleQueue(std::move(found));
  }
  [[nodiscard]] absl::Status PublishAs(std::string_view key) const { return queue_.PublishAs(key); }

  template <class Message = T>
  requires ipc_internal::Repeats<Message>
  [[nodiscard]] absl::Status Put(const T& value, absl::Duration timeout = absl::InfiniteDuration()) {
    return queue_.Put(value, timeout);
  }
  // Of what can only be moved. An error leaves it with the caller.
  template <class Message = T>
  requires(!ipc_internal::Repeats<Message>)
  [[nodiscard]] absl::Status Put(T&& value, absl::Duration timeout = absl::InfiniteDuration()) {
    return queue_.Put(std::move(value), timeout);
  }
  [[nodiscard]] absl::StatusOr<T> Get(absl::Duration timeout = absl::InfiniteDuration()) { return queue_.Get(timeout); }
  bool empty() const { return queue_.empty(); }
  void Close() { queue_.Close(); }

  // For Wait, and for poll(2) and its kin; see Queue.
  ipc_internal::WaitHook wait_hook() const { return queue_.wait_hook(); }
  [[nodiscard]] absl::StatusOr<int> fd() const { return queue_.fd(); }

  const Shared<Object>& shared() const { return queue_.shared(); }
  [[nodiscard]] absl::Status Assign(const SimpleQueue& other) { return queue_.Assign(other.queue_); }
  explicit operator bool() const { return static_cast<bool>(queue_); }

 private:
  friend struct shm_internal::StoredAccess;

  explicit SimpleQueue(Queue<T> queue) : queue_(std::move(queue)) {}

  // For StoredAccess.
  static absl::Status Construct(shm_internal::Section& section, SimpleQueue* where) {
    return shm_internal::StoredAccess::Construct(section, &where->queue_);
  }
  static absl::Status Construct(shm_internal::Section& section, SimpleQueue* where, const SimpleQueue& other) {
    return shm_internal::StoredAccess::Construct(section, &where->queue_, other.queue_);
  }
  static void Relocate(shm_internal::Section& section, SimpleQueue* from, SimpleQueue* to) {
    shm_internal::StoredAccess::Relocate(section, &from->queue_, &to->queue_);
  }
  static absl::Status Dispose(shm_internal::Disposal& disposal, SimpleQueue& object) {
    return shm_internal::StoredAccess::Dispose(disposal, object.queue_);
  }

  Queue<T> queue_;
};

template <class T>
struct ShareableTraits<SimpleQueue<T>> : SharedType<SharedKind::kHandle, ipc_internal::QueueObject<T>> {
  static constexpr std::string_view kName = "Shared";
};

}  // namespace shoal

#endif  // SHOAL_IPC_SIMPLE_QUEUE_H_
