#ifndef SHOAL_SHM_HELD_WORDS_H_
#define SHOAL_SHM_HELD_WORDS_H_

#include <cstddef>
#include <cstdint>

#include "shoal/shm/layout.h"
#include "shoal/shm/participants.h"

// Where objects say who holds something of them outside of calls, for whoever looks at them without knowing their classes. Each such word
// is a holder's id, and in the low half what it has: 0, nothing.

namespace shoal::shm_internal {

struct HeldWords {
  size_t at;      // of the first, in the object
  size_t stride;  // from one to the next
  size_t count;

  static constexpr ParticipantId HolderOf(uint64_t word) {
    return static_cast<uint32_t>(word) == 0 ? 0 : static_cast<ParticipantId>(word >> 32);
  }
};

inline constexpr HeldWords kPermitWords = {.at = 64, .stride = 8, .count = kMaxParticipants};  // of a PermitPool
inline constexpr HeldWords kBorrowWords = {.at = 64, .stride = 24, .count = 160};              // of an Array

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_HELD_WORDS_H_
