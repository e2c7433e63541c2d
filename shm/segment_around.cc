#include "shoal/shm/segment_around.h"

#include <memory>

#include "shoal/shm/attachment.h"

namespace shoal::shm_internal {

AddressRange SegmentAroundSlowly(const void* object) {
  const std::shared_ptr<Attachment> attachment = Attachment::Of(object);
  if (attachment == nullptr) return {};
  return {reinterpret_cast<uintptr_t>(attachment->base()), attachment->size_bytes()};
}

PackedRange PackedSegmentAround(const void* object) noexcept {
  const AddressRange range = SegmentAround(object);
  return PackedRange{range.size} << 64 | range.base;
}

}  // namespace shoal::shm_internal
