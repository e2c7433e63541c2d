#ifndef SHOAL_SYNC_DEADLINE_H_
#define SHOAL_SYNC_DEADLINE_H_

#include <time.h>

#include <cstdint>
#include <limits>

#include "absl/time/time.h"

namespace shoal::sync_internal {

// A moment on CLOCK_MONOTONIC, made once from a timeout when a call begins, so that no retry can stretch the timeout.
// Zero and negative timeouts have passed already (poll once); an infinite one never passes.
class Deadline {
 public:
  static Deadline After(absl::Duration timeout);
  static constexpr Deadline Infinite() { return Deadline(kNever); }
  static constexpr Deadline Passed() { return Deadline(0); }
  static constexpr Deadline AtNanoseconds(int64_t monotonic) { return Deadline(monotonic); }

  constexpr bool infinite() const { return nanoseconds_ == kNever; }
  // The timeout was zero or negative: the caller asked to look once and not to sleep.
  constexpr bool poll_once() const { return nanoseconds_ == 0; }
  bool passed() const { return !infinite() && (poll_once() || Now() >= nanoseconds_); }
  constexpr int64_t nanoseconds() const { return nanoseconds_; }

  // A moment before the clock began has passed like any other; the kernel would refuse it.
  struct timespec ToTimespec() const {
    if (nanoseconds_ < 0) return {.tv_sec = 0, .tv_nsec = 0};
    return {.tv_sec = nanoseconds_ / 1'000'000'000, .tv_nsec = nanoseconds_ % 1'000'000'000};
  }
  absl::Duration Remaining() const {
    return infinite() ? absl::InfiniteDuration() : absl::Nanoseconds(nanoseconds_ - Now());
  }
  static constexpr Deadline Earlier(Deadline a, Deadline b) { return a.nanoseconds_ < b.nanoseconds_ ? a : b; }

  // CLOCK_MONOTONIC in nanoseconds.
  static int64_t Now() {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1'000'000'000 + now.tv_nsec;
  }

 private:
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
  explicit constexpr Deadline(int64_t nanoseconds) : nanoseconds_(nanoseconds) {}

  int64_t nanoseconds_;
};

inline Deadline Deadline::After(absl::Duration timeout) {
  if (timeout == absl::InfiniteDuration()) return Infinite();
  if (timeout <= absl::ZeroDuration()) return Passed();
  const int64_t now = Now();
  const int64_t length = absl::ToInt64Nanoseconds(timeout);  // saturates
  return length >= kNever - now ? Infinite() : Deadline(now + length);
}

}  // namespace shoal::sync_internal

#endif  // SHOAL_SYNC_DEADLINE_H_
