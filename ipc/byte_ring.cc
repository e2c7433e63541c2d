#include "shoal/ipc/byte_ring.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "shoal/sync/check.h"
#include "shoal/sync/status.h"

// The head of byte_ring.h has the state table and the edges.
//
//  If an end dies …                                    the other end sees …
//   producer between Write and Publish                  nothing of what was written
//   producer after Publish                              all of it
//   consumer between Take and Release                   the bytes as not yet read; a new ring is made for its successor
//   either while it asks for room or rings a bell       nothing: the words are hints, deaths are told by the kernel

namespace shoal::ipc_internal {
namespace {

absl::Status Nonsense(absl::string_view who, uint64_t theirs, uint64_t ours, size_t capacity) {
  return sync_internal::MakeStatus(
      absl::StatusCode::kDataLoss,
      absl::StrCat("a ring of ", capacity, " bytes has its ", who, " at ", theirs, " while this end is at ", ours));
}

}  // namespace

absl::StatusOr<RingPlace> AllocateRing(const Segment& segment, size_t capacity) {
  SHOAL_CHECK(std::has_single_bit(capacity), "the capacity of a ring is a power of two");
  SHOAL_ASSIGN_OR_RETURN(const size_t offset, segment.Allocate(sizeof(RingState) + capacity, alignof(RingState)));
  return RingPlace{offset, capacity};
}

absl::StatusOr<RingView> ViewRing(const Segment& segment, RingPlace place) {
  RingState* const state = shm_internal::ObjectIn<RingState>(segment, place.offset);
  const std::span<std::byte> bytes =
      state == nullptr ? std::span<std::byte>{} : segment.BytesAt(place.offset + sizeof(RingState), place.capacity);
  if (bytes.empty() || !std::has_single_bit(place.capacity)) {
    return sync_internal::MakeStatus(absl::StatusCode::kDataLoss,
                                     absl::StrCat("no ring of ", place.capacity, " bytes can lie at offset ", place.offset));
  }
  return RingView{state, bytes};
}

void ResetRing(const RingView& ring) {
  // relaxed: nobody uses the ring; who takes an end next learns of it by a later edge (the start of a process)
  ring.state->tail.store(0, std::memory_order_relaxed);
  ring.state->head.store(0, std::memory_order_relaxed);            // relaxed: as above
  ring.state->producer_waits.store(0, std::memory_order_relaxed);  // relaxed: as above
}

absl::Status RingWriter::Refresh() {
  const uint64_t head = ring_.state->head.load(std::memory_order_acquire);  // ring.release (acquire)
  if (published_ - head > capacity() || head < head_) return Nonsense("head", head, tail_, capacity());
  head_ = head;
  return absl::OkStatus();
}

absl::StatusOr<size_t> RingWriter::Room() {
  SHOAL_RETURN_IF_ERROR(Refresh());
  return capacity() - (tail_ - head_);
}

absl::StatusOr<size_t> RingWriter::Write(std::span<const std::byte> bytes) {
  if (capacity() - (tail_ - head_) < bytes.size()) SHOAL_RETURN_IF_ERROR(Refresh());
  const size_t size = std::min<size_t>(bytes.size(), capacity() - (tail_ - head_));
  if (size == 0) return 0;
  const size_t start = tail_ & (capacity() - 1);
  const size_t before_wrap = std::min(size, capacity() - start);
  std::memcpy(ring_.bytes.data() + start, bytes.data(), before_wrap);
  std::memcpy(ring_.bytes.data(), bytes.data() + before_wrap, size - before_wrap);
  tail_ += size;
  return size;
}

bool RingWriter::Publish() {
  if (published_ == tail_) return false;
  published_ = tail_;
  ring_.state->tail.store(tail_, std::memory_order_release);  // ring.publish (release)
  return true;
}

absl::StatusOr<size_t> RingReader::Visible(size_t wanted) {
  if (tail_ - head_ < wanted) {
    const uint64_t tail = ring_.state->tail.load(std::memory_order_acquire);  // ring.publish (acquire)
    if (tail - released_ > capacity() || tail < tail_) return Nonsense("tail", tail, head_, capacity());
    tail_ = tail;
  }
  return tail_ - head_;
}

std::optional<std::span<const std::byte>> RingReader::InPlace(size_t size) const {
  const size_t start = head_ & (capacity() - 1);
  if (size > capacity() - start) return std::nullopt;
  return ring_.bytes.subspan(start, size);
}

void RingReader::Copy(std::span<std::byte> into) const {
  const size_t start = head_ & (capacity() - 1);
  const size_t before_wrap = std::min(into.size(), capacity() - start);
  if (into.empty()) return;
  std::memcpy(into.data(), ring_.bytes.data() + start, before_wrap);
  std::memcpy(into.data() + before_wrap, ring_.bytes.data(), into.size() - before_wrap);
}

bool RingReader::Release() {
  if (released_ == head_) return false;
  released_ = head_;
  ring_.state->head.store(head_, std::memory_order_release);  // ring.release (release)
  return true;
}

bool RingReader::ProducerWaits() const {
  return ring_.state->producer_waits.load(std::memory_order_relaxed) != 0;  // relaxed: the caller's fence orders it
}

}  // namespace shoal::ipc_internal
