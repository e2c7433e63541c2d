#ifndef SHOAL_SYNC_MAPPED_BY_H_
#define SHOAL_SYNC_MAPPED_BY_H_

#include <cstdint>

namespace shoal::sync_internal {

// Whether a thread's process has the file mapped that lies at an address here. kUnknown: that may not be looked at, or no file lies there.
enum class Mapped : uint8_t { kYes, kNo, kUnknown };

// By /proc: slow, up to milliseconds. Allocates nothing. REQUIRES: `tid` is a number of this pid namespace, and so is /proc.
Mapped MappedBy(uint32_t tid, const void* address);

}  // namespace shoal::sync_internal

#endif  // SHOAL_SYNC_MAPPED_BY_H_
