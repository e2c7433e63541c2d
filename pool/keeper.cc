#include "shoal/pool/keeper.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

#include "shoal/pool/quiet_thread.h"
#include "shoal/sync/status.h"

namespace shoal::pool_internal {

Keeper::Keeper(std::function<void()> on_end) : on_end_(std::move(on_end)) {}

absl::Status Keeper::Start() {
  changed_ = shm_internal::UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!changed_.valid()) return sync_internal::ErrnoStatus(errno, "no descriptor for the keeper of a pool");
  thread_ = QuietThread("shoal-keeper", [this] { Run(); });
  return absl::OkStatus();
}

Keeper::~Keeper() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  eventfd_write(changed_.get(), 1);
  thread_.join();
}

void Keeper::Watch(int pidfd, int name) {
  {
    const std::lock_guard lock(mutex_);
    watched_.push_back({pidfd, name});
  }
  eventfd_write(changed_.get(), 1);
}

std::vector<int> Keeper::TakeEnded() {
  const std::lock_guard lock(mutex_);
  return std::exchange(ended_, {});
}

void Keeper::Run() {
  for (;;) {
    std::vector<struct pollfd> fds = {{.fd = changed_.get(), .events = POLLIN, .revents = 0}};
    {
      const std::lock_guard lock(mutex_);
      if (stop_) return;
      for (const Watched& child : watched_) fds.push_back({.fd = child.pidfd, .events = POLLIN, .revents = 0});
    }
    if (poll(fds.data(), fds.size(), -1) <= 0) continue;  // interrupted
    eventfd_t ignored;
    eventfd_read(changed_.get(), &ignored);

    bool somebody = false;
    {
      const std::lock_guard lock(mutex_);
      std::erase_if(watched_, [&](const Watched& child) {
        for (const struct pollfd& polled : fds) {
          if (polled.fd == child.pidfd && polled.revents != 0) {
            ended_.push_back(child.name);
            somebody = true;
            return true;
          }
        }
        return false;
      });
    }
    if (somebody) on_end_();
  }
}

}  // namespace shoal::pool_internal
