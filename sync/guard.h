#ifndef SHOAL_SYNC_GUARD_H_
#define SHOAL_SYNC_GUARD_H_

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "shoal/sync/robust_list.h"
#include "shoal/sync/robust_lock.h"

namespace shoal {

class Lock;
class RLock;

namespace sync_internal {
struct GuardAccess;
}  // namespace sync_internal

// The right to what a Lock or RLock protects; releases it on destruction. Move-only, and never ignored:
//
//   absl::StatusOr<shoal::Guard> guard = lock.Acquire();
//   if (!guard.ok()) return guard.status();
//   if (guard->owner_died()) Repair();
//
// Thread safety:   belongs to the thread that acquired it.
// Process safety:  lies in its owner's memory only. In a child made by fork the parent's guards are dead: they release nothing.
// Crash safety:    the owner's death releases the lock; the next guard says owner_died().
// Blocking:        never.
// Memory ordering: what its owner did before the release is visible to whoever acquires after it.
// Ownership:       the lock, and the mapping it lies in, outlive the guard.
class [[nodiscard]] Guard final {
 public:
  Guard(Guard&& other) noexcept : lock_(std::exchange(other.lock_, nullptr)), owner_(other.owner_) {}
  Guard& operator=(Guard&& other) noexcept {
    if (this != &other) {
      if (lock_ != nullptr) Drop(*lock_, owner_);
      lock_ = std::exchange(other.lock_, nullptr);
      owner_ = other.owner_;
    }
    return *this;
  }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;
  // Destroying it in a thread of this process other than the one that acquired it is a broken invariant: that thread still has
  // the lock in its list, and only it can take it out. The process ends and says so.
  ~Guard() {
    if (lock_ != nullptr) Drop(*lock_, owner_);
  }

  // Releases now rather than at the end of the scope.
  // FailedPrecondition: not held, or acquired by another thread, or by the parent of this process; nothing was released then.
  // DataLoss: a peer had scribbled over the lock's links or depth; it was released all the same.
  absl::Status Release();

  // Whether it still stands for the lock: not moved from, not released.
  bool held() const { return lock_ != nullptr; }
  explicit operator bool() const { return held(); }

  // The last owner died holding the lock: what it protects may be half changed.
  bool owner_died() const { return (owner_ & kOwnerDied) != 0; }

 private:
  friend class Lock;
  friend class RLock;
  friend struct sync_internal::GuardAccess;

  static constexpr uint64_t kOwnerDied = 1;  // serials are even

  Guard(sync_internal::RobustWord& lock, const sync_internal::Thread& self, bool owner_died)
      : lock_(&lock), owner_(self.serial | (owner_died ? kOwnerDied : 0)) {}

  bool OwnedBy(const sync_internal::Thread& self) const { return (owner_ & ~kOwnerDied) == self.serial; }

  // Releases `lock`, acquired by `owner`. By value, so that a guard that is in nobody's way can stay in registers.
  static void Drop(sync_internal::RobustWord& lock, uint64_t owner);

  sync_internal::RobustWord* lock_;  // null: not held
  uint64_t owner_;                   // the serial of the thread that acquired it, and kOwnerDied
};

namespace sync_internal {

// For those who sleep while a guard gives its lock up: Condition, and the sections of shm.
struct GuardAccess {
  static RobustWord* LockOrNull(const Guard& guard) { return guard.lock_; }
  static bool HeldByThisThread(const Guard& guard) { return guard.lock_ != nullptr && guard.OwnedBy(ThisThread()); }
  static void SetNotHeld(Guard& guard) { guard.lock_ = nullptr; }
  // The same thread has taken `lock` again.
  static void SetHeld(Guard& guard, RobustWord& lock, bool owner_died) {
    guard.lock_ = &lock;
    guard.owner_ = (guard.owner_ & ~Guard::kOwnerDied) | (owner_died ? Guard::kOwnerDied : 0);
  }
};

}  // namespace sync_internal
}  // namespace shoal

#endif  // SHOAL_SYNC_GUARD_H_
