#include "shoal/ipc/audience.h"

#include <climits>

namespace shoal::ipc_internal {

void Audience::WakeSlow(uint32_t seen, int count) {
  if (sync_internal::AddAndWake(word_, kStep, count) != 0) return;
  uint32_t expected = seen + kStep;
  // relaxed: whoever announces himself changes the word, so this is the bit of one who sleeps no more
  word_.compare_exchange_strong(expected, expected & ~kWaiters, std::memory_order_relaxed);
}

void Audience::WakeAll() { sync_internal::AddAndWake(word_, kStep, INT_MAX); }

}  // namespace shoal::ipc_internal
