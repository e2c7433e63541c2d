#ifndef SHOAL_IPC_PIPE_CORE_H_
#define SHOAL_IPC_PIPE_CORE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "shoal/ipc/message_type.h"
#include "shoal/shm/message_cells.h"
#include "shoal/shm/participants.h"
#include "shoal/shm/pipe_ends.h"
#include "shoal/shm/section.h"
#include "shoal/shm/shareable.h"
#include "shoal/sync/futex.h"

// What a pipe is in shared memory: two ends, and for each direction that it has a ring of cells. The states, the edges and the deaths
// are told in pipe_end.cc.

namespace shoal::ipc_internal {

// A cell as the two who use it see it.
struct PipeCell {
  sync_internal::FutexWord word;  // lap:29 ended:1 waiters:1 full:1
  uint32_t reserved;
  shm_internal::CellContent content;

  static constexpr uint32_t kFull = 1;
  static constexpr uint32_t kWaiters = 2;
  static constexpr uint32_t kEnded = 4;
  static constexpr uint32_t kMarks = kWaiters | kEnded;
  static constexpr uint32_t Empty(uint64_t lap) { return static_cast<uint32_t>(lap) << 3; }
  static constexpr uint32_t Full(uint64_t lap) { return Empty(lap) | kFull; }
};
static_assert(sizeof(PipeCell) == sizeof(shm_internal::Cell), "everybody finds what it owns");

// One direction. Each position belongs to one end, and has its cache line, and the one that the processor fetches with that, to itself.
struct PipeDirection {
  std::atomic<uint64_t> written;  // how many messages were sent; changed by the end that sends
  uint64_t padding[15];
  std::atomic<uint64_t> taken;  // how many were received; changed by the end that receives
  uint64_t more_padding[15];
};
static_assert(sizeof(PipeDirection) == 256, "part of the shared layout");

// What one end sends.
struct LaneShape {
  uint32_t capacity = 0;      // messages on the way, a power of two; 0: the pipe has no such direction
  uint32_t inline_bytes = 0;  // room for a message in its cell
  uint32_t alignment = 8;     // of a message in its cell; a power of two, at most 64
  uint64_t most_bytes = 0;    // of a message
};

struct PipeShape {
  LaneShape lanes[2];
  bool spin = true;
};

// The shared object, without the types of its messages.
struct PipeCore {
  shm_internal::PipeEnds ends;
  shm_internal::CellTable cells[2];  // of what each end sends
  uint64_t most_bytes[2];            // of a message
  uint32_t value_at[2];
  uint32_t inline_bytes[2];
  uint32_t spins;  // 1: who waits may look again and again for a moment, before going to sleep
  uint32_t reserved;
  std::atomic<uint64_t> carrier[2];   // of each end, while it is travelling: a Carrier's way; 0: not known
  std::atomic<uint64_t> position[2];  // and position
  uint64_t more_reserved[7];
  PipeDirection direction[2];

  // Makes one, both ends in the care of `maker` (EndState::kHandedOver). ResourceExhausted.
  static absl::Status Construct(PipeCore* where, shm_internal::Section& section, const PipeShape& shape,
                                shm_internal::ParticipantId maker);
};
static_assert(sizeof(PipeCore) == 704 && offsetof(PipeCore, direction) == 192, "part of the shared layout");

// The shared object. A: what end 0 sends; B: what end 1 sends.
template <class A, class B>
struct PipeObject final : PipeCore {};

}  // namespace shoal::ipc_internal

namespace shoal {

template <>
struct ShareableTraits<shm_internal::CellTable> : SharedType<SharedKind::kConcurrent> {
  static constexpr std::string_view kName = "Cells";
};
template <class A, class B>
struct ShareableTraits<ipc_internal::PipeObject<A, B>>
    : SharedType<SharedKind::kConcurrent, shm_internal::CellTable, shm_internal::CellTable, ipc_internal::Sent<A>,
                 ipc_internal::Sent<B>> {
  static constexpr std::string_view kName = "Pipe";
};

}  // namespace shoal

#endif  // SHOAL_IPC_PIPE_CORE_H_
