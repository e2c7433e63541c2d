#ifndef SHOAL_IPC_AUDIENCE_H_
#define SHOAL_IPC_AUDIENCE_H_

#include <cstdint>

#include "shoal/sync/futex.h"

namespace shoal::ipc_internal {

// Those who sleep until something comes: one word, in shared memory. They sleep comparing it and the segment's `deaths`, so a wake that
// a dying process owed, or swallowed, is made up for.
//
//   word: waiters:1 (bit 0), sequence:31
//
// A sleeper announces itself, which always changes the word, looks once more, and sleeps on the word as it left it. Who brings
// something publishes it and then looks at the bit; if that is set, the sequence is moved on and one is woken in one system call: who is
// stopped in between has not brought it yet, and the bit is there for the next. A wake that finds nobody takes the bit away, if nobody
// has announced himself meanwhile. Whoever was woken and leaves something behind wakes the next.
//
//   EDGE audience.brought: published, seq_cst → looked at after the announcement, seq_cst; and the other way round, the announcement →
//   looked at after publishing. One of the two sees the other.
//
//   If the process dies …                    the others see …
//    before it looks at the bit               `deaths`, and look
//    before the system call                   the same, and the bit as it was
//    announced, or asleep, or just woken      the same; a bit too many costs one system call
class Audience final {
 public:
  static constexpr uint32_t kWaiters = 1;
  static constexpr uint32_t kStep = 2;

  // What to sleep on, unless another look finds something.
  uint32_t Announce() {
    uint32_t seen = word_.load(std::memory_order_relaxed);  // relaxed: the CAS decides
    // seq_cst: store→load with the look that follows; see EDGE audience.brought. On failure relaxed: again
    while (!word_.compare_exchange_weak(seen, (seen + kStep) | kWaiters, std::memory_order_seq_cst,
                                        std::memory_order_relaxed)) {
    }
    return (seen + kStep) | kWaiters;
  }

  // After something was brought by a seq_cst operation: wakes `count` of them.
  void Wake(int count = 1) {
    const uint32_t seen = word_.load(std::memory_order_seq_cst);  // seq_cst: see EDGE audience.brought
    if (__builtin_expect((seen & kWaiters) != 0, 0)) WakeSlow(seen, count);
  }
  // Everybody looks again.
  void WakeAll();

  bool SomebodySleeps() const {
    return (word_.load(std::memory_order_seq_cst) & kWaiters) != 0;  // seq_cst: see EDGE audience.brought
  }
  const sync_internal::FutexWord& word() const { return word_; }

 private:
  __attribute__((noinline, cold)) void WakeSlow(uint32_t seen, int count);

  sync_internal::FutexWord word_{0};
};
static_assert(sizeof(Audience) == 4, "part of the shared layout");

}  // namespace shoal::ipc_internal

#endif  // SHOAL_IPC_AUDIENCE_H_
