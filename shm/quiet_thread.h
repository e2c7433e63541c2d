#ifndef SHOAL_SHM_QUIET_THREAD_H_
#define SHOAL_SHM_QUIET_THREAD_H_

#include <pthread.h>
#include <signal.h>

#include <system_error>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/sync/status.h"

namespace shoal::shm_internal {

// A thread of the library's own: it takes no signals, so that a program's handlers run on the program's threads.
// `name` has at most 15 characters. Errors: ResourceExhausted: the system has no thread to give.
template <class Body>
absl::StatusOr<std::thread> QuietThread(const char* name, Body body) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // inherited by the new thread
  std::thread thread;
  try {
    thread = std::thread(std::move(body));
  } catch (const std::system_error&) {
    // Told below.
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (!thread.joinable()) {
    return sync_internal::MakeStatus(absl::StatusCode::kResourceExhausted, "the system has no thread left");
  }
  pthread_setname_np(thread.native_handle(), name);
  return thread;
}

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_QUIET_THREAD_H_
