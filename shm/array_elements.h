#ifndef SHOAL_SHM_ARRAY_ELEMENTS_H_
#define SHOAL_SHM_ARRAY_ELEMENTS_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/section.h"

namespace shoal::shm_internal {

// Where the elements of an Array lie: what an Array begins with. Knows no types, so that who destroys an array needs to know none.
// Changed only while nobody has the array: before it is published, and when nobody holds it any more.
class ArrayElements final {
 public:
  // Takes memory for `length` zero elements, which is given back if the section does not commit. ResourceExhausted.
  // REQUIRES: this object is new, and lies in the section's segment.
  absl::Status Construct(Section& section, uint64_t length, size_t element_bytes, size_t alignment);
  // Gives it back, and has no elements any more, when the section commits. DataLoss; ResourceExhausted: nothing was changed.
  absl::Status Dispose(Section& section);

  // What lies there as long as nobody destroys the array.
  struct Extent {
    std::byte* elements = nullptr;  // null: there is none
    uint64_t length = 0;
  };

  uint64_t length() const {
    return __atomic_load_n(&length_, __ATOMIC_RELAXED);
  }  // relaxed: never changes; read once, as it is shared
  // DataLoss: they do not lie in an allocation of the segment.
  absl::StatusOr<Extent> Locate(const Attachment& segment, size_t element_bytes) const;

 private:
  uint64_t length_ = 0;
  int64_t elements_ = 0;  // bytes from this object to the first element; 0: there is none
};
static_assert(sizeof(ArrayElements) == 16, "part of the shared layout");

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_ARRAY_ELEMENTS_H_
