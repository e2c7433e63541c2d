#include "shoal/sync/guard.h"

#include "shoal/sync/check.h"
#include "shoal/sync/robust_lock.h"
#include "shoal/sync/status.h"

namespace shoal {
namespace {

using sync_internal::MakeStatus;
using sync_internal::RobustWord;
using sync_internal::Thread;

// One level of an RLock, or the lock itself. False: its links had been scribbled over.
bool ReleaseOne(Thread& self, RobustWord& lock) {
  if (lock.depth != 0) {
    --lock.depth;
    return true;
  }
  return sync_internal::Release(self, lock);
}

constexpr uint32_t Epoch(uint64_t serial) { return static_cast<uint32_t>(serial >> 32); }

}  // namespace

absl::Status Guard::Release() {
  if (lock_ == nullptr) return MakeStatus(absl::StatusCode::kFailedPrecondition, "this guard holds no lock");
  Thread& self = sync_internal::ThisThread();
  if (owner_ != self.serial) {
    return MakeStatus(absl::StatusCode::kFailedPrecondition,
                      Epoch(owner_) == self.epoch ? "another thread acquired this guard, and only it can release it"
                                                  : "the parent of this process holds this guard's lock");
  }
  RobustWord& lock = *std::exchange(lock_, nullptr);
  if (!ReleaseOne(self, lock)) {
    return MakeStatus(absl::StatusCode::kDataLoss, "somebody wrote over the links of a held lock; it was released");
  }
  return absl::OkStatus();
}

void Guard::Drop() {
  if (lock_ == nullptr) return;
  Thread& self = sync_internal::ThisThread();
  if (__builtin_expect(owner_ != self.serial, 0)) {
    SHOAL_CHECK(Epoch(owner_) != self.epoch, "a guard is destroyed by the thread that acquired it");
    return;  // a forked child: the lock is the parent's
  }
  ReleaseOne(self, *std::exchange(lock_, nullptr));
}

}  // namespace shoal
