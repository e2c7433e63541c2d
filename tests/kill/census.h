#ifndef SHOAL_TESTS_KILL_CENSUS_H_
#define SHOAL_TESTS_KILL_CENSUS_H_

#include <algorithm>
#include <cstdint>

#include "shoal/shm/attachment.h"
#include "shoal/shm/heap.h"
#include "shoal/shm/journal.h"
#include "shoal/shm/layout.h"
#include "shoal/tests/kill/driver.h"

// What is in a segment after deaths and rescue, as judges of operations count it.

namespace shoal::tests {

inline bool AnySectionIsOpen(const shm_internal::Attachment& attachment) {
  const auto threads = attachment.threads();
  return std::any_of(threads.begin(), threads.end(),
                     [](const auto& slot) { return shm_internal::Head::IsOpen(slot.head.load()); });
}

// Blocks that somebody has, but for the journals of threads.
inline uint64_t BlocksBesideJournals(const shm_internal::Attachment& attachment) {
  const auto threads = attachment.threads();
  const auto journals =
      std::count_if(threads.begin(), threads.end(), [](const auto& slot) { return slot.journal.load() != 0; });
  return attachment.heap().Usage().allocated_blocks - static_cast<uint64_t>(journals);
}

inline Verdict OfBlocks(uint64_t found, uint64_t owned) {
  return found == owned ? Verdict::kFine : found < owned ? Verdict::kLost : Verdict::kLeaked;
}

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_KILL_CENSUS_H_
