#ifndef SHOAL_IPC_PIPE_OPTIONS_H_
#define SHOAL_IPC_PIPE_OPTIONS_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "shoal/ipc/message_type.h"
#include "shoal/ipc/pipe_core.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/segment.h"

namespace shoal {

struct PipeOptions {
  const Segment* segment = nullptr;  // where it lies; null: Segment::Default()
  uint32_t capacity = 64;            // messages on the way in each direction, rounded up to a power of two
  bool duplex = true;
  uint64_t max_message_bytes = uint64_t{1} << 40;  // as encoded; larger ones are refused
  uint32_t inline_bytes = 0;                       // room for a message beside its place in the ring; 0: by its type
  bool spin = true;                                // look again for some microseconds before going to sleep
};

namespace ipc_internal {

inline constexpr uint32_t kMostMessages = 1 << 20;

// The segment to make a pipe in; checks the options.
absl::StatusOr<std::shared_ptr<shm_internal::Attachment>> SegmentFor(const PipeOptions& options);

// A plain value of up to this many bytes lies in its cell; of others, what has up to so many as kEncodedInline.
inline constexpr size_t kPlainInline = 1024;
inline constexpr size_t kEncodedInline = 104;

template <class T>
LaneShape LaneFor(const PipeOptions& options) {
  LaneShape lane = {.capacity = options.capacity == 0 || options.capacity > kMostMessages ? 0 : std::bit_ceil(options.capacity),
                    .inline_bytes = options.inline_bytes,
                    .alignment = 8,
                    .most_bytes = options.max_message_bytes};
  if constexpr (FormOf<T>() == MessageForm::kBytes) {
    lane.alignment = alignof(T) <= 64 ? alignof(T) : 64;
    if (lane.inline_bytes == 0 && sizeof(T) <= kPlainInline) lane.inline_bytes = sizeof(T);
    if (lane.inline_bytes < sizeof(T)) lane.inline_bytes = 0;  // none of them fits
  } else if (lane.inline_bytes == 0) {
    lane.inline_bytes = kEncodedInline;
  }
  return lane;
}

}  // namespace ipc_internal
}  // namespace shoal

#endif  // SHOAL_IPC_PIPE_OPTIONS_H_
