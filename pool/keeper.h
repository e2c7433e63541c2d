#ifndef SHOAL_POOL_KEEPER_H_
#define SHOAL_POOL_KEEPER_H_

#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "shoal/shm/unique_fd.h"

namespace shoal::pool_internal {

// A thread that learns of the deaths of child processes from the kernel and says so. It holds no data of the user's.
//
// Whoever sleeps on shared words cannot wait for a pidfd in the same call, and a dead worker wakes nobody. The keeper turns the
// one into the other: it sleeps in epoll_wait(2), and its `on_end` changes a word that every sleeper of the pool compares. So a wake
// that died with its waker is always made up for by a thread of the sleeper's own process.
//
// Thread safety: Watch and TakeEnded from any thread. Blocking: the destructor waits for the thread; nothing else blocks.
class Keeper {
 public:
  // `on_end` runs on the keeper's thread, after the end has been noted.
  explicit Keeper(std::function<void()> on_end);
  ~Keeper();
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  // Errors: ResourceExhausted: no descriptor for the keeper's own use.
  absl::Status Start();

  // Tells of the end of the process behind `pidfd` as `name`, once. The descriptor stays the caller's, and open until then.
  // Errors: ResourceExhausted: the kernel has no room for another watch.
  absl::Status Watch(int pidfd, int name);

  // The names of those that have ended since the last call.
  std::vector<int> TakeEnded();

 private:
  void Run();

  const std::function<void()> on_end_;
  shm_internal::UniqueFd watched_;  // an epoll instance with all pidfds, and with stop_
  shm_internal::UniqueFd stop_;     // an eventfd: the keeper shall stop
  std::mutex mutex_;
  std::vector<int> ended_;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace shoal::pool_internal

#endif  // SHOAL_POOL_KEEPER_H_
