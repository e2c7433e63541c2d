// ipc/message_ring_errors.cc: what callers are told.

#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shoal/ipc/message_ring.h"
#include "shoal/sync/status.h"

namespace shoal::ipc_internal {

using sync_internal::MakeStatus;

namespace {

// Made once, so that it allocates nothing each time; it is never destroyed.
union Kept {
  explicit Kept(absl::Status made) noexcept : status(std::move(made)) {}
  ~Kept() {}

  absl::Status status;
};

}  // namespace

absl::Status Scribbled() {
  return MakeStatus(absl::StatusCode::kDataLoss, "somebody wrote over a queue: its order makes no sense");
}

absl::Status TimedOut() {
  static const Kept kept(MakeStatus(absl::StatusCode::kDeadlineExceeded, "nothing came into the queue in time"));
  return kept.status;
}

absl::Status NoRoomInTime() {
  static const Kept kept(MakeStatus(absl::StatusCode::kDeadlineExceeded, "the queue had no room for this message in time"));
  return kept.status;
}

absl::Status NotAllDoneInTime() {
  static const Kept kept(MakeStatus(absl::StatusCode::kDeadlineExceeded, "not all that was put into the queue was done in time"));
  return kept.status;
}

absl::Status NamesNoQueue() {
  return MakeStatus(
      absl::StatusCode::kFailedPrecondition,
      "this handle names no queue: it is empty, was inherited by fork, or lies in shared memory (copy it first)");
}

absl::Status PutIntoClosedQueue() {
  return MakeStatus(absl::StatusCode::kFailedPrecondition, "this queue has been closed: nothing is put any more");
}

absl::Status QueueIsDrained() {
  static const Kept kept(MakeStatus(absl::StatusCode::kCancelled, "this queue has been closed, and all was taken"));
  return kept.status;
}

absl::Status LostWithTheirTaker(uint32_t pid, uint32_t number) {
  try {
    return MakeStatus(
        absl::StatusCode::kUnavailable,
        absl::StrCat("process ", pid, " ended with messages that it had taken and not done: ", number, " are lost"));
  } catch (const std::bad_alloc&) {
    return MakeStatus(absl::StatusCode::kUnavailable, "a process ended with messages that it had taken and not done");
  }
}

absl::Status OnlyQueuesAcknowledge() {
  return MakeStatus(absl::StatusCode::kInvalidArgument, "only a Queue and its likes keep what was taken until it is done");
}

absl::Status NoSuchCapacity(uint64_t capacity) {
  return MakeStatus(absl::StatusCode::kInvalidArgument,
                    absl::StrCat("a queue holds 1 to ", kMaxRingCapacity, " messages; ", capacity, " are asked for"));
}

absl::Status TooMuchInline(uint64_t bytes) {
  return MakeStatus(absl::StatusCode::kInvalidArgument,
                    absl::StrCat("messages of up to 65536 bytes can lie in the queue itself; ", bytes, " are asked for"));
}

absl::Status CannotDeliverTwice() {
  return MakeStatus(absl::StatusCode::kInvalidArgument,
                    "a message that cannot be copied cannot be delivered again: a queue of these does not keep them");
}

}  // namespace shoal::ipc_internal
