#ifndef SHOAL_IPC_FRAME_STREAM_H_
#define SHOAL_IPC_FRAME_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/ipc/byte_ring.h"

namespace shoal::ipc_internal {

// Messages of any size over a byte ring of any size: a frame that does not fit goes through in pieces.

// What precedes the bytes of each frame.
struct FrameHeader {
  uint32_t kind = 0;
  uint32_t detail = 0;
  uint64_t id = 0;
  uint64_t size = 0;  // of the bytes that follow
};
static_assert(sizeof(FrameHeader) == 24, "part of the shared layout");

struct Frame {
  FrameHeader header;
  std::span<const std::byte> bytes;  // valid until the receiver's next call
};

// The sending end. What does not fit into the ring waits in private memory until Flush.
//
// Thread safety: one thread at a time. Blocking: never. Crash safety: a peer sees whole frames or the beginning of the last
// one; it does not act on a beginning. Errors: DataLoss (see RingWriter). Allocation: only for what does not fit.
class FrameSender {
 public:
  FrameSender() = default;
  explicit FrameSender(const RingView& ring) : writer_(ring) {}

  // Appends a frame. `bytes` may be reused at once. Visible to the peer after Publish.
  absl::Status Append(FrameHeader header, std::span<const std::byte> bytes);

  // Moves what waits into the ring as far as there is room, and makes everything in the ring visible. Returns whether the
  // peer can see something new.
  absl::StatusOr<bool> Publish();

  // Nothing waits in private memory.
  bool drained() const { return waiting_.empty(); }

  // Asks the peer to ring once there is room. REQUIRES: !drained(). Publish again after asking.
  void AskForRoom() {
    writer_.AskForRoom();
    asked_ = true;
  }

 private:
  absl::Status Put(std::span<const std::byte> bytes);

  RingWriter writer_;
  std::vector<std::byte> waiting_;
  bool asked_ = false;       // for room
  size_t waiting_from_ = 0;  // bytes of waiting_ before this one are in the ring
};

// The receiving end.
//
// Thread safety: one thread at a time. Blocking: never. Errors: DataLoss: the ring's positions make no sense, or a frame says
// it is longer than the limit; the stream cannot be used any further. Allocation: for frames that wrap or exceed the ring, as
// their bytes arrive, never on the word of a header.
class FrameReceiver {
 public:
  FrameReceiver() = default;
  FrameReceiver(const RingView& ring, uint64_t limit_bytes) : reader_(ring), limit_bytes_(limit_bytes) {}

  // The next frame, if all of it has arrived.
  absl::StatusOr<std::optional<Frame>> Next();

  // Gives the room of all frames before the last returned one back to the peer. Returns whether the peer waits for room: then
  // its bell must be rung.
  bool Release();

 private:
  RingReader reader_;
  uint64_t limit_bytes_ = 0;
  size_t to_take_ = 0;  // bytes of the frame last returned, still in the ring
  std::optional<FrameHeader> partial_;
  std::vector<std::byte> scratch_;
};

}  // namespace shoal::ipc_internal

#endif  // SHOAL_IPC_FRAME_STREAM_H_
