#ifndef SHOAL_SYNC_PERMITS_H_
#define SHOAL_SYNC_PERMITS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/futex.h"

namespace shoal::sync_internal {

// A number of permits, and those who sleep for one: the word machine of Semaphore and BoundedSemaphore. Lies in shared memory,
// valid when zero-filled (no permits). The table, the edges and the deaths are told in permits.cc.
class Permits final {
 public:
  static constexpr uint32_t kMax = 0x7fffffff;

  constexpr explicit Permits(uint32_t initial) : state_(initial) {}

  // Takes one if there is one.
  bool TryTake() {
    uint32_t seen = state_.load(std::memory_order_relaxed);  // relaxed: the CAS decides
    while (CountOf(seen) != 0) {
      // permits.handoff (acquire); on failure relaxed: look again
      if (state_.compare_exchange_weak(seen, seen - 1, std::memory_order_acquire, std::memory_order_relaxed)) return true;
    }
    return false;
  }

  // Takes one, waiting until `deadline`. DeadlineExceeded; else why this thread cannot sleep here.
  absl::Status Take(Deadline deadline);

  // Adds `n` and wakes as many sleepers. False: there would be more than `limit`; nothing was changed.
  bool Add(uint32_t n, uint32_t limit) {
    uint32_t seen = state_.load(std::memory_order_relaxed);  // relaxed: the CAS decides
    // With nobody asleep no wake is owed, and nothing need be pending.
    while ((seen & kWaiters) == 0) {
      if (!Fits(n, seen, limit)) return false;
      // permits.handoff (release); on failure relaxed: look again
      if (state_.compare_exchange_weak(seen, seen + n, std::memory_order_release, std::memory_order_relaxed)) return true;
    }
    return AddAndWake(n, limit);
  }

  uint32_t count() const {
    return CountOf(state_.load(std::memory_order_relaxed));  // relaxed: a hint
  }

 private:
  static constexpr uint32_t kWaiters = 0x80000000;
  static constexpr uint32_t CountOf(uint32_t state) { return state & ~kWaiters; }
  static constexpr bool Fits(uint32_t n, uint32_t state, uint32_t limit) {
    return CountOf(state) <= limit && n <= limit - CountOf(state);
  }

  bool AddAndWake(uint32_t n, uint32_t limit);

  FutexWord state_;
  FutexWord beacon_{0};
};
static_assert(sizeof(Permits) == 8, "part of the shared layout");

}  // namespace shoal::sync_internal

#endif  // SHOAL_SYNC_PERMITS_H_
