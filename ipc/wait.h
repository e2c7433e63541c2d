#ifndef SHOAL_IPC_WAIT_H_
#define SHOAL_IPC_WAIT_H_

#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/ipc/fd_relay.h"
#include "shoal/ipc/wait_hook.h"
#include "shoal/sync/event.h"

namespace shoal {

namespace ipc_internal {
WaitHook HookOf(const Event& event);
}  // namespace ipc_internal

// Something that Wait waits for: a Connection (a message, or the end of them), a queue (an item, or its end), an Event (that it is set),
// or a descriptor (that it can be read, or has an error), for example a Process's sentinel (that it has ended).
//
// Who waits again and again keeps it, rather than making another: what an Event needs beside descriptors stays with it.
//
// Thread safety:  as a value; several threads may wait for the same one.
// Ownership:      that of a queue is a handle, as good as the one that it was made of. That of a Connection follows the end of
//                 the pipe to another Connection of this process that it is moved to; once the end is closed, has been sent or
//                 handed over, it cannot be waited for, and says so. An Event, and a descriptor, must outlive it.
class Waitable final {
 public:
  template <class T>
  requires requires(const T& object) {
    { object.wait_hook() } -> std::same_as<ipc_internal::WaitHook>;
  }
  Waitable(const T& object) {
    if constexpr (std::copy_constructible<T>) {
      const auto held = std::make_shared<const T>(object);
      hook_ = held->wait_hook();
      is_held_ = [](const void* handle) { return static_cast<bool>(*static_cast<const T*>(handle)); };
      held_ = held;
    } else {
      hook_ = object.wait_hook();
      Use();
    }
  }
  Waitable(const Event& event) : hook_(ipc_internal::HookOf(event)) {}
  Waitable(int fd) : fd_(fd), is_fd_(true) {}

 private:
  friend class Waiter;

  void Use();
  bool CanBeWaitedFor() const;

  ipc_internal::WaitHook hook_;
  int fd_ = -1;
  bool is_fd_ = false;
  bool (*is_held_)(const void* handle) = nullptr;  // whether `held_`, a handle, holds anything in this process
  std::shared_ptr<const void> held_;               // what keeps the object where it is; null: the caller does
  mutable ipc_internal::KeptRelay relay_;          // of an object that has no descriptor of its own
};

// Waits until one of them is ready, and returns the places in `any_of` of all that are, in order; of none, if the timeout passes first.
// Takes nothing from them.
//
//   const std::vector<Waitable> any_of = {requests, stop_event, worker.sentinel()};
//   for (;;) {
//     SHOAL_ASSIGN_OR_RETURN(auto ready, Wait(any_of));
//     ...
//
// For once: Wait({requests, stop_event, worker.sentinel()}).
//
// Thread safety:  any number of calls may run concurrently, also for the same objects.
// Crash safety:   a process that dies, with anything to do with any of them, wakes whoever must look again.
// Blocking:       sleeps in one system call: futex_waitv; or, with a descriptor among them, ppoll, for which a thread of this process
//                 watches each of the others. It is started by the first such call that must sleep, and stays: with the object,
//                 as its fd() does, or, for an Event, with its Waitable: one that is made for a single call costs a thread, some
//                 100 us, if that call must sleep. A call that finds something, or has no time, starts none. An Event that is set
//                 while a call sleeps ends it, also if the event is cleared at once.
// Errors:         InvalidArgument: nothing to wait for, and for ever; more than 120 objects, or of too many segments; the same twice;
//                 a descriptor that is not open. FailedPrecondition: an object that is closed on this side, was moved or given
//                 away, or is the parent's. ResourceExhausted: no descriptor or thread is to be had.
[[nodiscard]] absl::StatusOr<std::vector<size_t>> Wait(std::span<const Waitable> any_of,
                                                       absl::Duration timeout = absl::InfiniteDuration());
[[nodiscard]] inline absl::StatusOr<std::vector<size_t>> Wait(std::initializer_list<Waitable> any_of,
                                                              absl::Duration timeout = absl::InfiniteDuration()) {
  return Wait(std::span<const Waitable>(any_of.begin(), any_of.size()), timeout);
}

}  // namespace shoal

#endif  // SHOAL_IPC_WAIT_H_
