#include "shoal/ipc/pipe_core.h"

#include <algorithm>
#include <bit>
#include <new>

#include "shoal/shm/heap.h"
#include "shoal/sync/status.h"

namespace shoal::ipc_internal {

using shm_internal::EndState;
using shm_internal::EndWord;

namespace {

constexpr uint64_t kCellAlignment = 64;

constexpr uint64_t RoundUp(uint64_t bytes, uint64_t unit) { return (bytes + unit - 1) / unit * unit; }

// No cache line has parts of two cells, unless it has both whole: one end would take it away from the other for a message that the other
// has nothing to do with. (Cells of 88 bytes, for messages of 64, took 1.4 times as long as these.)
constexpr uint64_t StrideFor(uint64_t bytes) {
  return bytes > kCellAlignment ? RoundUp(bytes, kCellAlignment) : std::bit_ceil(bytes);
}
static_assert(StrideFor(24 + 8) == 32 && StrideFor(24 + 16) == 64 && StrideFor(24 + 64) == 128);

}  // namespace

absl::Status PipeCore::Construct(PipeCore* where, shm_internal::Section& section, const PipeShape& shape,
                                 shm_internal::ParticipantId maker) {
  PipeCore& pipe = *::new (static_cast<void*>(where)) PipeCore{};
  pipe.spins = shape.spin ? 1 : 0;
  for (int i = 0; i < 2; ++i) {
    const LaneShape& lane = shape.lanes[i];
    // relaxed: nobody knows the pipe yet
    pipe.ends.end[i].store(EndWord::Of(EndState::kHandedOver, maker), std::memory_order_relaxed);
    if (lane.capacity == 0) continue;
    const uint64_t unit = std::max<uint64_t>(lane.alignment, alignof(PipeCell));
    const uint64_t value_at = RoundUp(sizeof(PipeCell), unit);
    const uint64_t stride = StrideFor(value_at + RoundUp(lane.inline_bytes, unit));
    if (stride > UINT32_MAX) {
      return sync_internal::MakeStatus(absl::StatusCode::kInvalidArgument, "no cell of a pipe can be as large as that");
    }
    // Zero-filled: empty, in lap 0.
    SHOAL_ASSIGN_OR_RETURN(const shm_internal::Block block, section.AllocateZeroed(lane.capacity * stride, kCellAlignment));
    pipe.cells[i] = {
        .block = block.offset, .first = 0, .count = lane.capacity, .stride = static_cast<uint32_t>(stride)};
    pipe.most_bytes[i] = lane.most_bytes;
    pipe.value_at[i] = static_cast<uint32_t>(value_at);
    pipe.inline_bytes[i] = lane.inline_bytes;
  }
  return absl::OkStatus();
}

}  // namespace shoal::ipc_internal
