#include "shoal/shm/array_elements.h"

#include <limits>
#include <span>

#include "absl/strings/str_cat.h"
#include "shoal/sync/status.h"

namespace shoal::shm_internal {

using sync_internal::MakeStatus;

absl::Status ArrayElements::Construct(Section& section, uint64_t length, size_t element_bytes, size_t alignment) {
  if (length > std::numeric_limits<int64_t>::max() / element_bytes) {
    return MakeStatus(absl::StatusCode::kResourceExhausted,
                      absl::StrCat("no segment is large enough for ", length, " elements of ", element_bytes, " bytes"));
  }
  if (length != 0) {
    SHOAL_ASSIGN_OR_RETURN(const Block block, section.AllocateZeroed(length * element_bytes, alignment));
    elements_ = static_cast<int64_t>(block.offset) - static_cast<int64_t>(section.attachment().OffsetOf(this));
  }
  length_ = length;
  return absl::OkStatus();
}

absl::Status ArrayElements::Dispose(Section& section) {
  const int64_t elements = elements_;
  if (elements == 0) return absl::OkStatus();
  SHOAL_RETURN_IF_ERROR(section.Save(this, sizeof(*this)));
  SHOAL_RETURN_IF_ERROR(section.Free(section.attachment().OffsetOf(this) + static_cast<uint64_t>(elements)));
  length_ = 0;
  elements_ = 0;
  return absl::OkStatus();
}

absl::StatusOr<ArrayElements::Extent> ArrayElements::Locate(const Attachment& segment, size_t element_bytes) const {
  const uint64_t length = this->length();
  if (length == 0) return Extent{};
  const uint64_t offset = segment.OffsetOf(this) + static_cast<uint64_t>(elements_);
  SHOAL_ASSIGN_OR_RETURN(const Block block, segment.heap().BlockAt(offset));
  const std::span<std::byte> bytes = segment.heap().BytesOf(block);
  if (length <= bytes.size() / element_bytes) return Extent{.elements = bytes.data(), .length = length};
  return MakeStatus(absl::StatusCode::kDataLoss,
                    absl::StrCat("an array has ", length, " elements, but memory for ", bytes.size(), " bytes"));
}

}  // namespace shoal::shm_internal
