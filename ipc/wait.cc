// ipc/wait.cc: waiting for several objects at once.
//
// Each object has one word that changes, or one bit that somebody clears, when it may have become ready; and its segment counts deaths.
// A waiter reads the deaths, looks at all objects, says at each that somebody is about to sleep, which looks once more, and sleeps
// comparing all of these words in one system call. Nothing that happened since the looks is slept through. It takes nothing; a wake that
// an object gives to one of many is passed on.
//
// A word that is woken costs whoever makes the object ready one system call. A waiter that has gone leaves such a mark at the objects that
// were not ready: the next message there costs one call too many, once.
//
//  EDGE participants.deaths: see participants.cc.

#include "shoal/ipc/wait.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "shoal/ipc/fd_relay.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/futex.h"
#include "shoal/sync/status.h"

namespace shoal {

using ipc_internal::FdRelay;
using ipc_internal::WaitHook;
using ipc_internal::WaitOps;
using sync_internal::Deadline;
using sync_internal::FutexExpectation;
using sync_internal::FutexWord;
using sync_internal::MakeStatus;

namespace {

constexpr size_t kMostObjects = 120;

}  // namespace

Waitable::Waitable(const Event& event) {
  using sync_internal::EventWaiting;
  static constexpr WaitOps kOps = {
      .deaths = [](const void*) -> const FutexWord* { return nullptr; },
      .ready = [](const void* object) { return static_cast<const Event*>(object)->IsSet(); },
      .announce =
          [](const void* object, FutexExpectation* sleep_on) {
            return EventWaiting::Announce(*const_cast<Event*>(static_cast<const Event*>(object)), *sleep_on);
          },
      .was_ready =
          [](const void* object, const FutexExpectation& slept_on) {
            return EventWaiting::WasSet(*static_cast<const Event*>(object), slept_on);
          },
      .withdraw = nullptr,
      .fd = nullptr,
      .consumed = nullptr,
  };
  hook_ = {.object = &event, .ops = &kOps};
}

// One call.
class Waiter final {
 public:
  Waiter(std::span<const Waitable> any_of, Deadline deadline) : any_of_(any_of), deadline_(deadline) {}

  absl::StatusOr<std::vector<size_t>> Run() {
    SHOAL_RETURN_IF_ERROR(Check());
    const bool fds = std::any_of(any_of_.begin(), any_of_.end(), [](const Waitable& one) { return one.is_fd_; });
    return fds ? WaitForDescriptors() : WaitForWords();
  }

 private:
  absl::Status Check() {
    if (any_of_.empty() && deadline_.infinite()) {
      return MakeStatus(absl::StatusCode::kInvalidArgument, "there is nothing to wait for, for ever");
    }
    if (any_of_.size() > kMostObjects) {
      return MakeStatus(absl::StatusCode::kInvalidArgument,
                        absl::StrCat("at most ", kMostObjects, " objects are waited for at once, not ", any_of_.size()));
    }
    std::vector<std::pair<const void*, int>> names;
    for (const Waitable& one : any_of_) {
      if (one.is_fd_ && one.fd_ < 0) return NotOpen(one.fd_);
      if (!one.is_fd_ && one.hook_.ops == nullptr) {
        return MakeStatus(absl::StatusCode::kFailedPrecondition,
                          "one of the objects to wait for is closed, cannot be read, was moved away, or is the parent's");
      }
      names.emplace_back(one.hook_.object, one.is_fd_ ? one.fd_ : -1);
    }
    std::sort(names.begin(), names.end());
    if (std::adjacent_find(names.begin(), names.end()) != names.end()) {
      return MakeStatus(absl::StatusCode::kInvalidArgument, "one of the objects to wait for is there twice");
    }
    return absl::OkStatus();
  }

  static absl::Status NotOpen(int fd) {
    return MakeStatus(absl::StatusCode::kInvalidArgument, absl::StrCat("descriptor ", fd, " is not open"));
  }

  static bool IsReady(const Waitable& one) { return one.hook_.ops->ready(one.hook_.object); }

  // ---- words only ---------------------------------------------------------------------------------------------------------------

  absl::StatusOr<std::vector<size_t>> WaitForWords() {
    std::vector<FutexExpectation> sleep_on;
    std::vector<size_t> ready;
    for (;;) {
      sleep_on.clear();
      SHOAL_RETURN_IF_ERROR(ReadDeaths(sleep_on));
      const size_t first = sleep_on.size();
      for (size_t i = 0; i < any_of_.size(); ++i) {
        if (IsReady(any_of_[i])) ready.push_back(i);
      }
      if (!ready.empty() || deadline_.passed()) return ready;
      size_t announced = 0;
      for (const Waitable& one : any_of_) {
        FutexExpectation expectation;
        if (!one.hook_.ops->announce(one.hook_.object, &expectation)) break;
        sleep_on.push_back(expectation);
        ++announced;
      }
      if (announced == any_of_.size()) {
        if (sleep_on.empty()) sleep_on.push_back({&nothing_, 0});
        sync_internal::SleepWhile(sleep_on.data(), static_cast<int>(sleep_on.size()), deadline_);
        for (size_t i = 0; i < any_of_.size(); ++i) {
          const WaitHook& hook = any_of_[i].hook_;
          const bool came = hook.ops->was_ready != nullptr ? hook.ops->was_ready(hook.object, sleep_on[first + i])
                                                           : hook.ops->ready(hook.object);
          if (came) ready.push_back(i);
        }
      }
      for (size_t i = 0; i < announced; ++i) {
        const WaitHook& hook = any_of_[i].hook_;
        if (hook.ops->withdraw != nullptr) hook.ops->withdraw(hook.object);
      }
      if (!ready.empty()) return ready;
    }
  }

  absl::Status ReadDeaths(std::vector<FutexExpectation>& sleep_on) const {
    for (const Waitable& one : any_of_) {
      const FutexWord* const deaths = one.hook_.ops->deaths(one.hook_.object);
      const auto same = [&](const FutexExpectation& other) { return other.word == deaths; };
      if (deaths == nullptr || std::any_of(sleep_on.begin(), sleep_on.end(), same)) continue;
      // participants.deaths (acquire): before the looks, so that no death since is slept through
      sleep_on.push_back({deaths, deaths->load(std::memory_order_acquire)});
    }
    if (sleep_on.size() + any_of_.size() <= size_t{sync_internal::kMaxFutexWords}) return absl::OkStatus();
    return MakeStatus(absl::StatusCode::kInvalidArgument,
                      absl::StrCat(any_of_.size(), " objects of ", sleep_on.size(), " segments are too many to wait for at once"));
  }

  // ---- with descriptors ---------------------------------------------------------------------------------------------------------

  absl::StatusOr<std::vector<size_t>> WaitForDescriptors() {
    std::vector<struct pollfd> polled;
    std::vector<std::shared_ptr<FdRelay>> relays(any_of_.size());  // of those that have no descriptor of their own
    for (size_t i = 0; i < any_of_.size(); ++i) {
      SHOAL_ASSIGN_OR_RETURN(const int fd, DescriptorOf(any_of_[i], relays[i]));
      polled.push_back({.fd = fd, .events = POLLIN, .revents = 0});
    }
    std::vector<size_t> ready;
    for (;;) {
      // Those that are ready now may not have been told of yet.
      for (const Waitable& one : any_of_) {
        if (!one.is_fd_ && IsReady(one)) look_only_ = true;
      }
      SHOAL_RETURN_IF_ERROR(Sleep(polled));
      for (size_t i = 0; i < any_of_.size(); ++i) {
        const Waitable& one = any_of_[i];
        if (polled[i].revents & POLLNVAL) return NotOpen(polled[i].fd);
        if (one.is_fd_ ? polled[i].revents != 0 : IsReady(one) || WasTold(relays[i], polled[i])) {
          ready.push_back(i);
        } else if (polled[i].revents != 0 && relays[i] == nullptr && one.hook_.ops->consumed != nullptr) {
          one.hook_.ops->consumed(one.hook_.object);
        }
      }
      if (!ready.empty() || deadline_.passed()) return ready;
      look_only_ = false;
    }
  }

  // An event that was set and cleared again was set.
  static bool WasTold(const std::shared_ptr<FdRelay>& relay, const struct pollfd& polled) {
    return relay != nullptr && polled.revents != 0;
  }

  static absl::StatusOr<int> DescriptorOf(const Waitable& one, std::shared_ptr<FdRelay>& relay) {
    if (one.is_fd_) return one.fd_;
    if (one.hook_.ops->fd != nullptr) {
      const int fd = one.hook_.ops->fd(one.hook_.object);
      if (fd >= 0) return fd;
    }
    SHOAL_ASSIGN_OR_RETURN(relay, one.relay_.Get(one.hook_));
    relay->Consumed();  // what it was told of in an earlier call is over
    return relay->fd();
  }

  absl::Status Sleep(std::vector<struct pollfd>& polled) const {
    for (;;) {
      struct timespec left = {};
      const bool for_ever = deadline_.infinite() && !look_only_;
      if (!for_ever && !look_only_) left = absl::ToTimespec(std::max(deadline_.Remaining(), absl::ZeroDuration()));
      if (ppoll(polled.data(), polled.size(), for_ever ? nullptr : &left, nullptr) >= 0) return absl::OkStatus();
      if (errno != EINTR) return sync_internal::ErrnoStatus(errno, "cannot wait for descriptors");
    }
  }

  const std::span<const Waitable> any_of_;
  const Deadline deadline_;
  bool look_only_ = false;
  FutexWord nothing_{0};
};

absl::StatusOr<std::vector<size_t>> Wait(std::span<const Waitable> any_of, absl::Duration timeout) {
  return Waiter(any_of, Deadline::After(timeout)).Run();
}

}  // namespace shoal
