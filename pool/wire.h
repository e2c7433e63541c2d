#ifndef SHOAL_POOL_WIRE_H_
#define SHOAL_POOL_WIRE_H_

#include <atomic>
#include <cstdint>

#include "shoal/ipc/byte_ring.h"
#include "shoal/sync/doorbell.h"

// What a pool and its workers share: one anonymous segment with one PoolShared and, for each worker, one WorkerShared and two
// rings. No two workers share anything with each other: what a dead worker leaves behind concerns the pool alone, which makes
// it new for the worker's successor. So nothing here ever needs repair, and no lock is held by anybody.

namespace shoal::pool_internal {

// Frames from the pool to a worker.
enum TaskFrame : uint32_t {
  kTask = 1,    // detail: index of the function; id: sequence number, 1, 2, 3 …; bytes: the arguments
  kStop = 2,    // finish: exit(0)
  kResume = 3,  // tasks before this frame that had not begun when the claim was closed belong to others; open it again
};

// Frames from a worker to the pool.
enum ResultFrame : uint32_t {
  kHello = 17,    // first of all; bytes: the catalogue (vector of name, signature, help)
  kRefusal = 18,  // instead of kHello; detail: status code; bytes: why this worker cannot work
  kValue = 19,    // id: the task's; bytes: the result
  kFailure = 20,  // id: the task's; bytes: FailureMessage
};

// The claim says which task a worker has begun, and lets the pool take back those it has not.
//
//  closed  begun   meaning                                     who may change it, to what
//    0      n      task n was the last begun; n + 1 may be     worker → (0, m) with the next task m it has; pool → (1, n)
//    1      n      nothing after n may be begun                worker → (0, n), at the pool's kResume
//
//  Both change an open claim by compare-exchange, so a task is begun or taken back, never both.
//
// EDGE claim.begin: the worker's claim of a task (release) → the pool's load (acquire). Publishes started_at.
struct WorkerShared {
  // Written by the pool before the worker exists.
  ipc_internal::RingPlace tasks;
  ipc_internal::RingPlace results;
  uint64_t pool_shared_offset;
  uint64_t max_message_bytes;

  alignas(128) sync_internal::Doorbell bell;  // the worker sleeps here
  alignas(128) std::atomic<uint64_t> claim;   // kClosed | sequence number of the last task begun
  std::atomic<int64_t> started_at;            // when, on CLOCK_MONOTONIC, in nanoseconds; only for tasks with a timeout
};
static_assert(sizeof(WorkerShared) == 384, "part of the shared layout");

struct PoolShared {
  alignas(128) sync_internal::Doorbell bell;  // whoever leads the pool sleeps here
};
static_assert(sizeof(PoolShared) == 128, "part of the shared layout");

// In TaskFrame's detail, beside the function's index: the task has a timeout, so the worker notes when it begins.
inline constexpr uint32_t kTimed = uint32_t{1} << 31;

inline constexpr uint64_t kClosed = uint64_t{1} << 63;

// The descriptors that a worker is started with. Behind them comes Segment::Default(), as for every child (shm/inheritance.h).
inline constexpr int kSegmentDescriptor = 3;
inline constexpr int kParentDescriptor = 4;   // a pidfd of the parent
inline constexpr int kProgramDescriptor = 5;  // the worker program itself: it was started from there

}  // namespace shoal::pool_internal

#endif  // SHOAL_POOL_WIRE_H_
