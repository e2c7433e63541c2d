#ifndef SHOAL_IPC_LOCKED_QUEUE_WATCH_H_
#define SHOAL_IPC_LOCKED_QUEUE_WATCH_H_

#include <atomic>
#include <memory>

#include "absl/status/statusor.h"
#include "shoal/ipc/audience.h"
#include "shoal/ipc/fd_relay.h"
#include "shoal/ipc/wait_hook.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/holds.h"
#include "shoal/shm/layout.h"
#include "shoal/sync/futex.h"
#include "shoal/sync/status.h"

// How a process waits for a queue that is a container in a Mutex beside others.

namespace shoal::ipc_internal {

// Such a queue as one process watches it. Lives as long as the process holds the object, which has:
//
//   bool Ready();        whether there is an item, or the end; also if that cannot be told
//   Audience& filled();  who brings something wakes all of it, after it has unlocked
//
// No wake is missed: whoever sleeps has announced itself, and then locked to look; if it did not see the item, the lock was its before it
// was the putter's, and the putter sees the announcement. A putter that dies in between is counted in the segment's `deaths`.
//
//   EDGE locked_queue.watch: the watch set, release → used, acquire, in another thread of the process.
template <class Object>
class LockedWatch final : public shm_internal::HoldCompanion {
 public:
  // Of what `hold` holds, made if need be.
  static LockedWatch& Of(shm_internal::Hold& hold, Object& object) {
    shm_internal::HoldCompanion* known = hold.companion.load(std::memory_order_acquire);  // locked_queue.watch (acquire)
    if (known != nullptr) return static_cast<LockedWatch&>(*known);
    auto made = std::make_unique<LockedWatch>(object, hold.attachment->header().deaths);
    // locked_queue.watch (acq_rel); on failure acquire: another thread's
    if (hold.companion.compare_exchange_strong(known, made.get(), std::memory_order_acq_rel, std::memory_order_acquire)) {
      return *made.release();
    }
    return static_cast<LockedWatch&>(*known);
  }
  // Of a Get: whether the descriptor may say so still is looked at.
  static void TellConsumed(const shm_internal::Hold& hold) {
    const auto* const known =
        static_cast<const LockedWatch*>(hold.companion.load(std::memory_order_acquire));  // locked_queue.watch (acquire)
    if (__builtin_expect(known != nullptr, 0)) known->relay_.TellConsumed();
  }

  LockedWatch(Object& object, const sync_internal::FutexWord& deaths) : object_(object), deaths_(deaths) {}

  WaitHook Hook() const {
    static constexpr WaitOps kOps = {
        .deaths = [](const void* watch) { return &Self(watch).deaths_; },
        .ready = [](const void* watch) { return Self(watch).object_.Ready(); },
        .announce =
            [](const void* watch, sync_internal::FutexExpectation* sleep_on) {
              Object& object = Self(watch).object_;
              *sleep_on = {&object.filled().word(), object.filled().Announce()};
              return !object.Ready();
            },
        .was_ready = nullptr,
        .withdraw = nullptr,
        .fd =
            [](const void* watch) {
              const absl::StatusOr<int> fd = Self(watch).Fd();
              return fd.ok() ? *fd : -1;
            },
        .consumed = [](const void* watch) { Self(watch).relay_.TellConsumed(); },
    };
    return {.object = this, .ops = &kOps};
  }
  absl::StatusOr<int> Fd() const {
    SHOAL_ASSIGN_OR_RETURN(const std::shared_ptr<FdRelay> relay, relay_.Get(Hook()));
    return relay->fd();
  }

 private:
  static const LockedWatch& Self(const void* watch) { return *static_cast<const LockedWatch*>(watch); }

  Object& object_;
  const sync_internal::FutexWord& deaths_;
  mutable KeptRelay relay_;
};

}  // namespace shoal::ipc_internal

#endif  // SHOAL_IPC_LOCKED_QUEUE_WATCH_H_
