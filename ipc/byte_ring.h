#ifndef SHOAL_IPC_BYTE_RING_H_
#define SHOAL_IPC_BYTE_RING_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/shm/segment.h"

namespace shoal::ipc_internal {

// A ring of bytes in shared memory with one producer and one consumer, in different processes or not.
//
// Thread safety:   one thread at a time per end.
// Process safety:  RingState and the bytes behind it lie in a segment; RingWriter and RingReader are private to their process.
// Crash safety:    an end that dies leaves the ring as after its last Publish or Release: each is one store. A byte is visible
//                  whole or not at all, and so is everything that one Publish covers. There is nothing to repair; the ring is
//                  made new (Reset) before another process takes the dead one's end.
// Blocking:        never. Who waits sleeps on a doorbell.
// Memory ordering: what the producer did before Publish is visible to a consumer that sees its bytes; what the consumer did
//                  before Release is visible to a producer that sees the room.
// Errors:          DataLoss: the peer's position makes no sense (it lies outside what this end can have allowed).
// Layout:          384 bytes, then `capacity` bytes; capacity is a power of two.
//
//  tail - head   meaning                            who may change it
//       0        empty                              producer: tail += n (n <= room), by Publish
//     1..cap     bytes for the consumer             consumer: head += n (n <= visible), by Release
//
//  EDGE ring.publish: Publish (release) → Refresh of the reader (acquire). Publishes the bytes before tail.
//  EDGE ring.release: Release (release) → Refresh of the writer (acquire). Says that the bytes before head have been read.
struct RingState {
  alignas(128) std::atomic<uint64_t> tail;
  alignas(128) std::atomic<uint64_t> head;
  // The producer wants room and will sleep until the consumer has released some and rung its bell.
  alignas(128) std::atomic<uint32_t> producer_waits;
};
static_assert(sizeof(RingState) == 384, "part of the shared layout");

// Where a ring lies in its segment. Every process computes its own addresses from it.
struct RingPlace {
  uint64_t offset = 0;
  uint64_t capacity = 0;
};

// A ring's addresses in this process, and nothing else of it: positions belong to the ends.
struct RingView {
  RingState* state = nullptr;
  std::span<std::byte> bytes;
};

absl::StatusOr<RingPlace> AllocateRing(const Segment& segment, size_t capacity);

// DataLoss if `place` does not lie inside the segment.
absl::StatusOr<RingView> ViewRing(const Segment& segment, RingPlace place);

// Makes the ring empty. REQUIRES: no process uses either end.
void ResetRing(const RingView& ring);

class RingWriter {
 public:
  RingWriter() = default;
  explicit RingWriter(const RingView& ring) : ring_(ring) {}

  // How many bytes Write would take now.
  absl::StatusOr<size_t> Room();

  // Copies as many of `bytes` as there is room for behind what was written before, and returns how many. Not yet visible.
  absl::StatusOr<size_t> Write(std::span<const std::byte> bytes);

  // Writes both one behind the other if there is known to be room for all, without a wrap: the usual case, in a few stores.
  bool WriteQuickly(std::span<const std::byte> first, std::span<const std::byte> second) {
    const size_t size = first.size() + second.size();
    const size_t start = tail_ & (capacity() - 1);
    if (size > capacity() - (tail_ - head_) || size > capacity() - start) return false;
    std::memcpy(ring_.bytes.data() + start, first.data(), first.size());
    if (!second.empty()) std::memcpy(ring_.bytes.data() + start + first.size(), second.data(), second.size());
    tail_ += size;
    return true;
  }

  // Makes everything written visible. Returns whether there was anything new.
  bool Publish();

  // Asks the consumer to ring this end's bell whenever it has released room, until told otherwise. Look at the room again
  // after asking. Only the producer writes this word: a consumer that cleared it could clear a question asked since it looked.
  // relaxed: the arming of the bell that follows is the fence; see EDGE doorbell.dekker
  void AskForRoom() { ring_.state->producer_waits.store(1, std::memory_order_relaxed); }
  void StopAsking() { ring_.state->producer_waits.store(0, std::memory_order_relaxed); }  // relaxed: a late ring is harmless

  size_t capacity() const { return ring_.bytes.size(); }

 private:
  absl::Status Refresh();

  RingView ring_;
  uint64_t tail_ = 0;       // ours; the shared one lags behind until Publish
  uint64_t published_ = 0;  // the shared one
  uint64_t head_ = 0;       // the last seen
};

class RingReader {
 public:
  RingReader() = default;
  explicit RingReader(const RingView& ring) : ring_(ring) {}

  // How many bytes can be read now; looks at the shared position only when fewer than `wanted` are known.
  absl::StatusOr<size_t> Visible(size_t wanted);

  // The next `size` bytes in place, if they do not wrap. REQUIRES: size <= Visible().
  std::optional<std::span<const std::byte>> InPlace(size_t size) const;

  // Copies the next bytes without taking them. REQUIRES: into.size() <= Visible().
  void Copy(std::span<std::byte> into) const;

  // Takes `size` bytes; their room is not the producer's before Release.
  void Take(size_t size) { head_ += size; }

  // Gives the room of everything taken back. Returns whether there was any.
  bool Release();

  // Whether the producer waits for room. Call it after Release and a full fence.
  bool ProducerWaits() const;

  size_t capacity() const { return ring_.bytes.size(); }

 private:
  RingView ring_;
  uint64_t head_ = 0;      // ours
  uint64_t released_ = 0;  // the shared one
  uint64_t tail_ = 0;      // the last seen
};

}  // namespace shoal::ipc_internal

#endif  // SHOAL_IPC_BYTE_RING_H_
