#ifndef SHOAL_SYNC_LOCK_HOLDER_H_
#define SHOAL_SYNC_LOCK_HOLDER_H_

#include <concepts>
#include <span>

#include "absl/status/status.h"
#include "shoal/sync/robust_list.h"

namespace shoal::sync_internal {

// A guard of any kind, as a Condition sees it: which locks it holds, and how they are given up for the time of a sleep. A kind of
// guard that conditions shall take has a friend of this name, found by its argument:
//
//   friend SomeLockHolder LockHolderOf(MyGuard& guard);   // which is derived from LockHolder
class LockHolder {
 public:
  // The locks that this thread holds through the guard, at least one, valid until GiveUp.
  // FailedPrecondition: it holds nothing, or was acquired by another thread or by the parent of this process.
  virtual absl::Status FindLocks(std::span<RobustWord* const>& locks) = 0;

  // Whether the last owner died is the guard's to tell; whoever asks the lock sees its `deaths`.
  // REQUIRES, both: FindLocks was OK. After an error of TakeAgain the guard holds nothing.
  virtual void GiveUp() = 0;
  virtual absl::Status TakeAgain() = 0;

 protected:
  ~LockHolder() = default;
};

template <class G>
concept GuardOfLocks = requires(G& guard) {
  { LockHolderOf(guard) } -> std::derived_from<LockHolder>;
};

}  // namespace shoal::sync_internal

#endif  // SHOAL_SYNC_LOCK_HOLDER_H_
