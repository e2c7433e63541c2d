#ifndef SHOAL_SYNC_SEMAPHORE_H_
#define SHOAL_SYNC_SEMAPHORE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/permits.h"
#include "shoal/sync/status.h"

namespace shoal {

// A number of permits; Acquire takes one, Release gives some. Nobody owns a permit: any thread of any process may release.
//
//   auto* slots = new (shared_memory) shoal::Semaphore(4);
//   if (absl::Status status = slots->Acquire(); !status.ok()) return status;
//
// Thread safety:   every call may run concurrently with every other. Not for signal handlers, except TryAcquire and value.
// Process safety:  lies in any MAP_SHARED memory, at any address; valid when zero-filled (no permits).
// Crash safety:    a death inside any call leaves the value as before or after it, and leaves nobody asleep while there are
//                  permits. A permit that a process took dies with that process; for permits that return, take
//                  shoal/shm/permit_pool.h.
// Blocking:        Acquire sleeps while the value is 0; it is woken by Release, or by the kernel when a waker dies. Not fair.
// Memory ordering: what a thread did before Release is visible to whoever takes one of the permits it brought.
// Ownership:       the memory outlives every call on it.
// Errors:          DeadlineExceeded; FailedPrecondition: Release above 2,147,483,647 (nothing is changed), or a thread without
//                  robust list has to sleep; InvalidArgument: Release(0), or any call when the initial value was above the
//                  maximum; DataLoss: these bytes are not a semaphore; Unimplemented: the kernel lacks futex_waitv.
// Allocation:      none.
// Layout:          16 bytes, aligned to 4.
class Semaphore final {
 public:
  static constexpr uint32_t kMaxValue = sync_internal::Permits::kMax;

  constexpr explicit Semaphore(uint32_t initial)
      : permits_(initial <= kMaxValue ? initial : 0), forbidden_(initial <= kMaxValue ? 0 : kMaxValue) {}
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;

  [[nodiscard]] absl::Status Acquire(absl::Duration timeout = absl::InfiniteDuration()) {
    if (permits_.TryTake()) return absl::OkStatus();
    if (forbidden_ != 0) return Invalid();
    return permits_.Take(sync_internal::Deadline::After(timeout));
  }

  [[nodiscard]] bool TryAcquire() { return permits_.TryTake(); }

  absl::Status Release(uint32_t n = 1) {
    if (n != 0 && permits_.Add(n, kMaxValue - forbidden_)) return absl::OkStatus();
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
    if (forbidden_ != 0) return Invalid();
    if (n == 0) return sync_internal::MakeStatus(absl::StatusCode::kInvalidArgument, "Release needs at least one permit");
    return sync_internal::MakeStatus(absl::StatusCode::kFailedPrecondition,
                                     "released too many times: a semaphore holds at most 2147483647 permits");
  }

  sync_internal::Permits permits_;
  uint32_t forbidden_;  // 0; kMaxValue if the constructor's argument was out of range: then not one permit fits
  [[maybe_unused]] uint32_t reserved_ = 0;
};
static_assert(sizeof(Semaphore) == 16 && alignof(Semaphore) == 4, "part of the shared layout");

}  // namespace shoal

#endif  // SHOAL_SYNC_SEMAPHORE_H_
