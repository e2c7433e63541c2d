#ifndef SHOAL_POOL_QUIET_THREAD_H_
#define SHOAL_POOL_QUIET_THREAD_H_

#include <pthread.h>
#include <signal.h>

#include <thread>
#include <utility>

namespace shoal::pool_internal {

// A thread of the library's own: it takes no signals, so that a program's handlers run on the program's threads.
// `name` has at most 15 characters.
template <class Body>
std::thread QuietThread(const char* name, Body body) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // inherited by the new thread
  std::thread thread(std::move(body));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(thread.native_handle(), name);
  return thread;
}

}  // namespace shoal::pool_internal

#endif  // SHOAL_POOL_QUIET_THREAD_H_
