#include "shoal/ipc/pipe_options.h"

#include "absl/strings/str_cat.h"
#include "shoal/sync/status.h"

namespace shoal::ipc_internal {

absl::StatusOr<std::shared_ptr<shm_internal::Attachment>> SegmentFor(const PipeOptions& options) {
  if (options.capacity == 0 || options.capacity > kMostMessages) {
    return sync_internal::MakeStatus(absl::StatusCode::kInvalidArgument,
                                     absl::StrCat("a pipe has room for 1 to ", kMostMessages, " messages, not for ", options.capacity));
  }
  const Segment& segment = options.segment == nullptr ? Segment::Default() : *options.segment;
  SHOAL_RETURN_IF_ERROR(segment.status());
  auto attachment = shm_internal::Attachment::Of(&segment.deaths());
  if (attachment != nullptr) return attachment;
  return sync_internal::MakeStatus(absl::StatusCode::kFailedPrecondition, "this segment has been moved away");
}

}  // namespace shoal::ipc_internal
