#ifndef SHOAL_SHM_STORED_WORD_H_
#define SHOAL_SHM_STORED_WORD_H_

#include <cstdint>

namespace shoal::shm_internal {

// What a handle is in shared memory: the offset of the object's header, with bit 0 set; 0: it names nothing. In a process's own
// memory the same word is the address of a Hold, whose bit 0 is clear.
struct StoredWord {
  static constexpr uint64_t Of(uint64_t offset) { return offset | 1; }
  static constexpr bool Is(uint64_t word) { return (word & 1) != 0; }
  static constexpr uint64_t Offset(uint64_t word) { return word & ~uint64_t{1}; }
};

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_STORED_WORD_H_
