#include "shoal/sync/guard.h"

#include "shoal/sync/check.h"
#include "shoal/sync/status.h"

namespace shoal {
namespace {

using sync_internal::MakeStatus;
using sync_internal::RobustWord;
using sync_internal::Thread;

// Of the process in which the thread with this serial lives.
constexpr uint32_t EpochOf(uint64_t serial) { return static_cast<uint32_t>(serial >> 32); }

}  // namespace

absl::Status Guard::Release() {
  if (lock_ == nullptr) return MakeStatus(absl::StatusCode::kFailedPrecondition, "this guard holds no lock");
  Thread& self = sync_internal::ThisThread();
  if (!OwnedBy(self)) {
    return MakeStatus(absl::StatusCode::kFailedPrecondition,
                      EpochOf(owner_) == self.epoch ? "another thread acquired this guard, and only it can release it"
                                                    : "the parent of this process holds this guard's lock");
  }
  RobustWord& lock = *std::exchange(lock_, nullptr);
  if (!sync_internal::ReleaseOne(self, lock)) {
    return MakeStatus(absl::StatusCode::kDataLoss, "somebody wrote over a held lock; it was released");
  }
  return absl::OkStatus();
}

void Guard::Drop(RobustWord& lock, uint64_t owner) {
  Thread& self = sync_internal::ThisThread();
  if (__builtin_expect((owner & ~kOwnerDied) != self.serial, 0)) {
    SHOAL_CHECK(EpochOf(owner) != self.epoch, "a guard is destroyed by the thread that acquired it");
    return;  // a forked child: the lock is the parent's
  }
  sync_internal::ReleaseOne(self, lock);
}

}  // namespace shoal
