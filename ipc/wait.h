#ifndef SHOAL_IPC_WAIT_H_
#define SHOAL_IPC_WAIT_H_

#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/ipc/fd_relay.h"
#include "shoal/ipc/wait_hook.h"
#include "shoal/sync/event.h"

namespace shoal {

// Something that Wait waits for: a Connection (a message, or the end of them), a queue (an item, or its end), an Event (that it is set),
// or a descriptor (that it can be read, or has an error), for example a Process's sentinel (that it has ended).
// It names the object, which outlives it. Who waits again and again keeps it, rather than making another: what an Event needs beside
// descriptors stays with it.
class Waitable final {
 public:
  template <class T>
  requires requires(const T& object) {
    { object.wait_hook() } -> std::same_as<ipc_internal::WaitHook>;
  }
  Waitable(const T& object) : hook_(object.wait_hook()) {}
  Waitable(const Event& event);
  Waitable(int fd) : fd_(fd), is_fd_(true) {}

 private:
  friend class Waiter;

  ipc_internal::WaitHook hook_;
  int fd_ = -1;
  bool is_fd_ = false;
  mutable ipc_internal::KeptRelay relay_;  // of an object that has no descriptor of its own
};

// Waits until one of them is ready, and returns the places in `any_of` of all that are, in order; of none, if the timeout passes first.
// Takes nothing from them.
//
//   SHOAL_ASSIGN_OR_RETURN(auto ready, Wait({requests, stop_event, worker.sentinel()}));
//
// Thread safety:  any number of calls may run concurrently, also for the same objects.
// Crash safety:   a process that dies, with anything to do with any of them, wakes whoever must look again.
// Blocking:       sleeps in one system call: futex_waitv; or, with a descriptor among them, ppoll, for which a thread of this process
//                 watches each of the others. It is started by the first such call, and stays: with the object, as its fd() does, or,
//                 for an Event, with its Waitable.
// Errors:         InvalidArgument: nothing to wait for, and for ever; more than 120 objects, or of too many segments; the same twice;
//                 a descriptor that is not open. FailedPrecondition: an object that is closed on this side, was moved away, or is the
//                 parent's. ResourceExhausted: no descriptor or thread is to be had.
[[nodiscard]] absl::StatusOr<std::vector<size_t>> Wait(std::span<const Waitable> any_of,
                                                       absl::Duration timeout = absl::InfiniteDuration());
[[nodiscard]] inline absl::StatusOr<std::vector<size_t>> Wait(std::initializer_list<Waitable> any_of,
                                                              absl::Duration timeout = absl::InfiniteDuration()) {
  return Wait(std::span<const Waitable>(any_of.begin(), any_of.size()), timeout);
}

}  // namespace shoal

#endif  // SHOAL_IPC_WAIT_H_
