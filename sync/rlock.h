#ifndef SHOAL_SYNC_RLOCK_H_
#define SHOAL_SYNC_RLOCK_H_

#include <cstdint>
#include <limits>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/guard.h"
#include "shoal/sync/robust_lock.h"
#include "shoal/sync/status.h"

namespace shoal {

// A Lock that its owner may acquire again. Each guard is one level; the last one to go, in whatever order, releases it.
//
// Everything on Lock's card holds, except that acquiring it again never blocks and never fails (before 2^32 levels:
// ResourceExhausted). owner_died() is told to the guard of the outermost level. In a child made by fork, a lock that the parent
// holds is held by somebody else: Acquire waits for the parent.
class RLock final {
 public:
  constexpr RLock() = default;
  RLock(const RLock&) = delete;
  RLock& operator=(const RLock&) = delete;

  [[nodiscard]] absl::StatusOr<Guard> Acquire(absl::Duration timeout = absl::InfiniteDuration()) {
    sync_internal::Thread& self = sync_internal::ThisThread();
    if (sync_internal::HeldBy(self, lock_)) return AcquireAgain(self);
    bool owner_died = false;
    if (!sync_internal::TryAcquireFast(self, lock_)) {
      absl::Status status = sync_internal::AcquireSlow(self, lock_, sync_internal::Deadline::After(timeout), &owner_died);
      if (!status.ok()) return status;
    }
    return Guard(lock_, self, owner_died);
  }

  // Takes it if that needs no waiting; nullopt also wherever Acquire has an error.
  [[nodiscard]] std::optional<Guard> TryAcquire() {
    absl::StatusOr<Guard> guard = Acquire(absl::ZeroDuration());
    if (!guard.ok()) return std::nullopt;
    return *std::move(guard);
  }

  // Whether anybody holds it, in any process. It may have changed by the time the caller looks at the answer.
  bool locked() const {
    // relaxed: a hint; nothing may be concluded about what the lock protects
    return !sync_internal::IsFree(lock_.word.load(std::memory_order_relaxed));
  }

 private:
  absl::StatusOr<Guard> AcquireAgain(const sync_internal::Thread& self) {
    if (lock_.depth == std::numeric_limits<uint32_t>::max()) {
      return sync_internal::MakeStatus(absl::StatusCode::kResourceExhausted, "an RLock has at most 2^32 levels");
    }
    ++lock_.depth;  // a death between here and the guard: the word is abandoned, and the next owner starts at depth 0
    return Guard(lock_, self, /*owner_died=*/false);
  }

  sync_internal::RobustWord lock_ = {};
};
static_assert(sizeof(RLock) == 40 && alignof(RLock) == 8, "part of the shared layout");

}  // namespace shoal

#endif  // SHOAL_SYNC_RLOCK_H_
