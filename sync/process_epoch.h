#ifndef SHOAL_SYNC_PROCESS_EPOCH_H_
#define SHOAL_SYNC_PROCESS_EPOCH_H_

#include <atomic>
#include <cstdint>

#include "shoal/sync/robust_list.h"

namespace shoal::sync_internal {

// Tells a process from a fork of it: an object that remembers the epoch in which it was made knows, a few nanoseconds later,
// whether it is looked at from a copy. Thread-safe; never blocks. (Where the system has no memory for the page that the kernel
// wipes in a child, every process is taken for the same.)
inline uint32_t ProcessEpoch() { return ThisThread().epoch; }

inline bool InProcessOf(uint32_t epoch) {
  // robust.epoch (acquire); then relaxed: the word changes only by a fork of this very thread
  return process_epoch.load(std::memory_order_acquire)->load(std::memory_order_relaxed) == epoch;
}

}  // namespace shoal::sync_internal

#endif  // SHOAL_SYNC_PROCESS_EPOCH_H_
