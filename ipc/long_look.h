#ifndef SHOAL_IPC_LONG_LOOK_H_
#define SHOAL_IPC_LONG_LOOK_H_

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "shoal/sync/deadline.h"

namespace shoal::ipc_internal {

// When it is worth to look for long before going to sleep.
//
// Whoever waits looks again for about as long as a sleep costs, and then sleeps. Two who exchange messages and have fallen asleep over
// each other could stay so for ever: where it takes 50 us to be woken, each is always woken too late for the other's look. One long look
// of either ends that. But where messages come seldom it is wasted. So there is one in 32 waits at most; and after one that did not
// lead to messages coming soon, twice as many waits pass before the next, up to 1,024. See
// docs/decisions/two-who-sleep-over-each-other-are-found-by-a-long-look.md.
//
// Thread safety:  all calls may run concurrently. Lies in a process's own memory.
class LongLook final {
 public:
  static constexpr uint32_t kFewestWaits = 32;
  static constexpr uint32_t kMostWaits = 1024;

  // A wait ended soon: in the short look.
  void FoundSoon() {
    Count();
    soon_.store(soon_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);  // relaxed, both: as in Count
  }

  // A short look was in vain. True: look for long, before going to sleep.
  bool IsDue() {
    if (!Count()) return false;
    // relaxed, both: as in Count
    const uint32_t soon = soon_.exchange(0, std::memory_order_relaxed);
    uint32_t next = std::min(2 * between_.load(std::memory_order_relaxed), kMostWaits);
    if (soon >= kFewestWaits / 2) next = kFewestWaits;
    between_.store(next, std::memory_order_relaxed);  // relaxed, both: as in Count
    left_.store(next, std::memory_order_relaxed);
    return true;
  }

 private:
  // One wait more. True: enough of them.
  bool Count() {
    // relaxed, both: threads that wait at once may lose some counts of each other's
    const uint32_t left = left_.load(std::memory_order_relaxed);
    if (left == 0) return true;
    left_.store(left - 1, std::memory_order_relaxed);
    return false;
  }

  std::atomic<uint32_t> left_{kFewestWaits};  // waits until the next long look
  std::atomic<uint32_t> between_{kFewestWaits / 2};
  std::atomic<uint32_t> soon_{0};  // since the last one
};

// Looks until `condition` holds, for about 100 us: longer than it takes to wake another, who then has something for us. Not often, for
// each look takes a line from those who are about to write to it. False: in vain.
template <class Condition>
bool LookForLong(sync_internal::Deadline deadline, Condition condition) {
  constexpr uint64_t kCycles = 250'000;  // of the time-stamp counter: a pause takes 20 ns on one processor and 80 on another
  constexpr int kPauses = 32;
  const uint64_t begin = __builtin_ia32_rdtsc();
  do {
    for (int i = 0; i < kPauses; ++i) __builtin_ia32_pause();
    if (condition()) return true;
  } while (__builtin_ia32_rdtsc() - begin < kCycles && !deadline.passed());
  return false;
}

// Whether others can do something while this thread looks: there is more than one processor. Looked up once.
bool LookingIsOfUse();

}  // namespace shoal::ipc_internal

#endif  // SHOAL_IPC_LONG_LOOK_H_
