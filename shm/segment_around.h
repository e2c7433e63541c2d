#ifndef SHOAL_SHM_SEGMENT_AROUND_H_
#define SHOAL_SHM_SEGMENT_AROUND_H_

#include <cstddef>
#include <cstdint>

#include "shoal/shm/section.h"

// Which addresses are the segment's that an object lies in, for containers that compare what they read with it.

namespace shoal::shm_internal {

struct AddressRange {
  uintptr_t base = 0;
  size_t size = 0;
  bool operator()(const void* address, size_t bytes) const {
    const size_t offset = reinterpret_cast<uintptr_t>(address) - base;
    return offset < size && bytes <= size - offset;
  }
};

// Nothing, if it lies in none.
AddressRange SegmentAroundSlowly(const void* object);
inline AddressRange SegmentAround(const void* object) {
  const ThreadSections& mine = SectionsAsKnown();  // a segment lies where it lies in a forked child, too
  if (__builtin_expect(reinterpret_cast<uintptr_t>(object) - mine.base < mine.size, 1)) return {mine.base, mine.size};
  return SegmentAroundSlowly(object);
}

// The same in one value, base below and size above: a call, which a loop over one object makes once. Its result depends on the address
// alone, as a segment neither moves nor shrinks nor goes while somebody may look at what lies in it; the compiler is told so (const), and
// takes the call out of loops over stores, and over calls of which it knows nothing.
__extension__ using PackedRange = unsigned __int128;
__attribute__((const)) PackedRange PackedSegmentAround(const void* object) noexcept;

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_SEGMENT_AROUND_H_
