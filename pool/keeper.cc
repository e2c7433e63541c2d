#include "shoal/pool/keeper.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <array>
#include <cstdint>
#include <utility>

#include "shoal/shm/quiet_thread.h"
#include "shoal/sync/cancellation.h"
#include "shoal/sync/status.h"

namespace shoal::pool_internal {
namespace {

constexpr uint64_t kStop = ~uint64_t{0};  // no worker's name

absl::Status NoDescriptor() { return sync_internal::ErrnoStatus(errno, "no descriptor for the keeper of a pool"); }

}  // namespace

Keeper::Keeper(std::function<void()> on_end) : on_end_(std::move(on_end)) {}

absl::Status Keeper::Start() {
  watched_ = shm_internal::UniqueFd(epoll_create1(EPOLL_CLOEXEC));
  if (!watched_.valid()) return NoDescriptor();
  stop_ = shm_internal::UniqueFd(eventfd(0, EFD_CLOEXEC));
  if (!stop_.valid()) return NoDescriptor();
  struct epoll_event event = {.events = EPOLLIN, .data = {.u64 = kStop}};
  if (epoll_ctl(watched_.get(), EPOLL_CTL_ADD, stop_.get(), &event) != 0) return NoDescriptor();
  SHOAL_ASSIGN_OR_RETURN(thread_, shm_internal::QuietThread("shoal-keeper", [this] { Run(); }));
  return absl::OkStatus();
}

Keeper::~Keeper() {
  if (!thread_.joinable()) return;
  const sync_internal::NoCancellation whole;  // a destructor is not unwound
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

absl::Status Keeper::Watch(int pidfd, int name) {
  // Told of once: the descriptor is ready from then on, and leaves the set when it is closed.
  struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data = {.u64 = static_cast<uint64_t>(name)}};
  if (epoll_ctl(watched_.get(), EPOLL_CTL_ADD, pidfd, &event) != 0) {
    return sync_internal::ErrnoStatus(errno, "cannot watch a worker");
  }
  return absl::OkStatus();
}

std::vector<int> Keeper::TakeEnded() {
  const std::lock_guard lock(mutex_);
  return std::exchange(ended_, {});
}

void Keeper::Run() {
  for (;;) {
    std::array<struct epoll_event, 64> events;
    const int ready = epoll_wait(watched_.get(), events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < ready; ++i) {
      if (events[static_cast<size_t>(i)].data.u64 == kStop) return;
      const std::lock_guard lock(mutex_);
      ended_.push_back(static_cast<int>(events[static_cast<size_t>(i)].data.u64));
    }
    if (ready > 0) on_end_();
  }
}

}  // namespace shoal::pool_internal
