#ifndef SHOAL_SYNC_BOUNDED_SEMAPHORE_H_
#define SHOAL_SYNC_BOUNDED_SEMAPHORE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/permits.h"
#include "shoal/sync/status.h"

namespace shoal {

// A Semaphore that never has more permits than it began with: a Release too many is an error instead of a permit out of nothing.
//
// Everything on Semaphore's card holds, except: Release above the initial value is FailedPrecondition and changes nothing, and
// a zero-filled one, like BoundedSemaphore(0), has no permits for ever.
class BoundedSemaphore final {
 public:
  static constexpr uint32_t kMaxValue = sync_internal::Permits::kMax;

  constexpr explicit BoundedSemaphore(uint32_t initial)
      : permits_(initial <= kMaxValue ? initial : 0), initial_(initial <= kMaxValue ? initial : 0),
        invalid_(initial <= kMaxValue ? 0 : 1) {}
  BoundedSemaphore(const BoundedSemaphore&) = delete;
  BoundedSemaphore& operator=(const BoundedSemaphore&) = delete;

  [[nodiscard]] absl::Status Acquire(absl::Duration timeout = absl::InfiniteDuration()) {
    if (permits_.TryTake()) return absl::OkStatus();
    if (invalid_ != 0) return Invalid();
    return permits_.Take(sync_internal::Deadline::After(timeout));
  }

  [[nodiscard]] bool TryAcquire() { return permits_.TryTake(); }

  absl::Status Release(uint32_t n = 1) {
    if (n != 0 && permits_.Add(n, initial_)) return absl::OkStatus();
    return RefuseRelease(n);
  }

  // A hint: it may have changed by the time the caller looks at the answer.
  uint32_t value() const { return permits_.count(); }

 private:
  __attribute__((noinline, cold)) static absl::Status Invalid() {
    return sync_internal::MakeStatus(absl::StatusCode::kInvalidArgument,
                                     "this semaphore was made with more than 2147483647 permits");
  }
  __attribute__((noinline, cold)) absl::Status RefuseRelease(uint32_t n) const {
    if (invalid_ != 0) return Invalid();
    if (n == 0) return sync_internal::MakeStatus(absl::StatusCode::kInvalidArgument, "Release needs at least one permit");
    return sync_internal::MakeStatus(
        absl::StatusCode::kFailedPrecondition,
        absl::StrCat("released too many times: this semaphore never holds more than its initial ", initial_, " permits"));
  }

  sync_internal::Permits permits_;
  uint32_t initial_;
  uint32_t invalid_;  // not 0: the constructor's argument was out of range
};
static_assert(sizeof(BoundedSemaphore) == 16 && alignof(BoundedSemaphore) == 4, "part of the shared layout");

}  // namespace shoal

#endif  // SHOAL_SYNC_BOUNDED_SEMAPHORE_H_
