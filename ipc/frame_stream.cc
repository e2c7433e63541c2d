#include "shoal/ipc/frame_stream.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shoal/sync/status.h"

namespace shoal::ipc_internal {
namespace {

// Empties a buffer for its next use, and gives its memory back where one large message made it large.
void Recycle(std::vector<std::byte>& buffer) {
  constexpr size_t kWorthKeeping = size_t{1} << 20;
  if (buffer.capacity() > kWorthKeeping) {
    std::vector<std::byte>().swap(buffer);
  } else {
    buffer.clear();
  }
}

}  // namespace

absl::Status FrameSender::Put(std::span<const std::byte> bytes) {
  if (drained()) {
    SHOAL_ASSIGN_OR_RETURN(const size_t written, writer_.Write(bytes));
    bytes = bytes.subspan(written);
  }
  waiting_.insert(waiting_.end(), bytes.begin(), bytes.end());
  return absl::OkStatus();
}

absl::Status FrameSender::Append(FrameHeader header, std::span<const std::byte> bytes) {
  header.size = bytes.size();
  const auto head = std::as_bytes(std::span(&header, 1));
  if (drained() && writer_.WriteQuickly(head, bytes)) return absl::OkStatus();
  SHOAL_RETURN_IF_ERROR(Put(head));
  return Put(bytes);
}

absl::StatusOr<bool> FrameSender::Publish() {
  if (!drained()) {
    SHOAL_ASSIGN_OR_RETURN(const size_t written, writer_.Write(std::span(waiting_).subspan(waiting_from_)));
    waiting_from_ += written;
    if (waiting_from_ == waiting_.size()) {
      Recycle(waiting_);
      waiting_from_ = 0;
      if (std::exchange(asked_, false)) writer_.StopAsking();
    }
  }
  return writer_.Publish();
}

absl::StatusOr<std::optional<Frame>> FrameReceiver::Next() {
  reader_.Take(to_take_);
  to_take_ = 0;

  if (!partial_.has_value()) {
    FrameHeader header;
    SHOAL_ASSIGN_OR_RETURN(const size_t visible, reader_.Visible(sizeof header));
    if (visible < sizeof header) return std::nullopt;
    reader_.Copy(std::as_writable_bytes(std::span(&header, 1)));
    if (header.size > limit_bytes_) {
      return sync_internal::MakeStatus(absl::StatusCode::kDataLoss, absl::StrCat("a frame says it has ", header.size,
                                                                                 " bytes; the limit is ", limit_bytes_));
    }
    reader_.Take(sizeof header);
    SHOAL_ASSIGN_OR_RETURN(const size_t body, reader_.Visible(std::min<uint64_t>(header.size, reader_.capacity())));
    if (body >= header.size) {
      if (const auto bytes = reader_.InPlace(header.size)) {  // The usual case: no copy.
        to_take_ = header.size;
        return Frame{header, *bytes};
      }
    }
    partial_ = header;
    Recycle(scratch_);
  }

  // In pieces: take what has arrived, so that the sender gets room for more.
  const uint64_t missing = partial_->size - scratch_.size();
  SHOAL_ASSIGN_OR_RETURN(const size_t visible, reader_.Visible(std::min<uint64_t>(missing, reader_.capacity())));
  const size_t piece = std::min<uint64_t>(missing, visible);
  scratch_.resize(scratch_.size() + piece);
  reader_.Copy(std::span(scratch_).last(piece));
  reader_.Take(piece);
  if (scratch_.size() < partial_->size) return std::nullopt;
  const FrameHeader header = *partial_;
  partial_.reset();
  return Frame{header, scratch_};
}

bool FrameReceiver::Release() {
  if (!reader_.Release()) return false;
  std::atomic_thread_fence(std::memory_order_seq_cst);  // seq_cst: store→load with AskForRoom + Arm; see doorbell.dekker
  return reader_.ProducerWaits();
}

}  // namespace shoal::ipc_internal
