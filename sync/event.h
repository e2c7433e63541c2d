#ifndef SHOAL_SYNC_EVENT_H_
#define SHOAL_SYNC_EVENT_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "shoal/sync/futex.h"

namespace shoal {

namespace sync_internal {
struct EventWaiting;
}  // namespace sync_internal

// A flag that any number of threads in any processes can wait for.
//
//   auto* ready = new (shared_memory) shoal::Event;
//   if (absl::Status status = ready->Wait(absl::Seconds(5)); !status.ok()) return status;
//
// Thread safety:   every call may run concurrently with every other. Set, Clear and IsSet are async-signal-safe.
// Process safety:  lies in any MAP_SHARED memory, at any address; valid when zero-filled (not set).
// Crash safety:    a death inside any call leaves it set or not set, as before or after the call. A setter cannot die between
//                  setting it and waking the sleepers.
// Blocking:        Wait sleeps; it is woken by Set. Whoever waited when Set was called returns OK, also if the event has been
//                  cleared before it ran.
// Memory ordering: what a thread did before Set is visible to whoever saw it set, through Wait or IsSet.
// Ownership:       the memory outlives every call on it.
// Errors:          DeadlineExceeded; Unimplemented: the kernel lacks futex_waitv.
// Allocation:      none.
// Layout:          8 bytes, aligned to 4.
class Event final {
 public:
  constexpr Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void Set();
  void Clear();
  bool IsSet() const {
    return (state_.load(std::memory_order_acquire) & kSet) != 0;  // event.set (acquire)
  }
  [[nodiscard]] absl::Status Wait(absl::Duration timeout = absl::InfiniteDuration());

 private:
  friend struct sync_internal::EventWaiting;
  static constexpr uint32_t kSet = 1;

  sync_internal::FutexWord state_{0};  // see the table in event.cc
  [[maybe_unused]] uint32_t reserved_ = 0;
};
static_assert(sizeof(Event) == 8 && alignof(Event) == 4, "part of the shared layout");

namespace sync_internal {

// For those who wait for several objects at once.
struct EventWaiting {
  // Says that somebody is about to sleep, and looks again. True: sleep as long as `sleep_on` holds. False: it is set.
  static bool Announce(Event& event, FutexExpectation& sleep_on);
  // After that sleep: whether it was set meanwhile, even if it has been cleared again.
  static bool WasSet(const Event& event, const FutexExpectation& slept_on);
};

}  // namespace sync_internal

}  // namespace shoal

#endif  // SHOAL_SYNC_EVENT_H_
