// ipc/wait.cc: waiting for several objects at once.
//
// Each object has one word that changes, or one bit that somebody clears, when it may have become ready; and its segment counts deaths.
// A waiter reads the deaths, looks at all objects, says at each that somebody is about to sleep, which looks once more, and sleeps
// comparing all of these words in one system call. Nothing that happened since the looks is slept through. It takes nothing; a wake that
// an object gives to one of many is passed on.
//
// What may come and go, as an Event does, is compared with what it was when the call announced itself first: it is ready if
// anything came since, however often the call has woken and looked, and whichever thread slept beside it.
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

using ipc_internal::JoinedRelay;
using ipc_internal::WaitHook;
using ipc_internal::WaitOps;
using sync_internal::Deadline;
using sync_internal::FutexExpectation;
using sync_internal::FutexWord;
using sync_internal::MakeStatus;

namespace {

constexpr size_t kMostObjects = 120;

}  // namespace

WaitHook ipc_internal::HookOf(const Event& event) {
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
  return {.object = &event, .ops = &kOps};
}

void Waitable::Use() {
  const WaitHook& hook = hook_;
  if (hook.ops == nullptr || hook.ops->use == nullptr) return;
  hook.ops->use(hook.object);
  held_ = std::shared_ptr<const void>(hook.object, hook.ops->leave);
}

bool Waitable::CanBeWaitedFor() const {
  if (is_fd_) return true;
  if (hook_.ops == nullptr || (is_held_ != nullptr && !is_held_(held_.get()))) return false;
  return hook_.ops->usable == nullptr || hook_.ops->usable(hook_.object);
}

// One call.
class Waiter final {
 public:
  Waiter(std::span<const Waitable> any_of, Deadline deadline) : any_of_(any_of), deadline_(deadline), seen_(any_of.size()) {}

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
      if (!one.CanBeWaitedFor()) {
        return MakeStatus(absl::StatusCode::kFailedPrecondition,
                          "one of the objects to wait for is closed, cannot be read, was moved or given away, or is the parent's");
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

  // What the call has seen of an object that may come and go.
  struct Seen {
    FutexExpectation first = {nullptr, 0};  // as of the first announcement; null: there was none
    bool came = false;
  };

  bool IsReady(size_t i) const {
    const WaitHook& hook = any_of_[i].hook_;
    const Seen& seen = seen_[i];
    return hook.ops->ready(hook.object) || seen.came || (seen.first.word != nullptr && hook.ops->was_ready(hook.object, seen.first));
  }

  // Says that somebody is about to sleep. False: look again.
  bool Announce(size_t i, FutexExpectation& sleep_on) {
    const WaitHook& hook = any_of_[i].hook_;
    const bool quiet = hook.ops->announce(hook.object, &sleep_on);
    if (hook.ops->was_ready == nullptr) return quiet;
    Seen& seen = seen_[i];
    seen.came = seen.came || !quiet;
    if (quiet && seen.first.word == nullptr) seen.first = sleep_on;
    // What came since the last look and before this announcement would be slept through.
    return quiet && !hook.ops->was_ready(hook.object, seen.first);
  }

  // ---- words only ---------------------------------------------------------------------------------------------------------------

  absl::StatusOr<std::vector<size_t>> WaitForWords() {
    std::vector<FutexExpectation> sleep_on;
    std::vector<size_t> ready;
    for (;;) {
      sleep_on.clear();
      SHOAL_RETURN_IF_ERROR(ReadDeaths(sleep_on));
      for (size_t i = 0; i < any_of_.size(); ++i) {
        if (IsReady(i)) ready.push_back(i);
      }
      if (!ready.empty() || deadline_.passed()) return ready;
      size_t announced = 0;
      for (FutexExpectation expectation; announced < any_of_.size() && Announce(announced, expectation); ++announced) {
        sleep_on.push_back(expectation);
      }
      if (announced == any_of_.size()) {
        if (sleep_on.empty()) sleep_on.push_back({&nothing_, 0});
        sync_internal::SleepWhile(sleep_on.data(), static_cast<int>(sleep_on.size()), deadline_);
        for (size_t i = 0; i < any_of_.size(); ++i) {
          if (IsReady(i)) ready.push_back(i);
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
    polled_.reserve(any_of_.size());
    for (const Waitable& one : any_of_) polled_.push_back({.fd = one.is_fd_ ? one.fd_ : -1, .events = POLLIN, .revents = 0});
    relays_.resize(any_of_.size());
    // For a look nobody else is needed; nor is a thread started while there is something to return.
    if (deadline_.poll_once() || AnyIsReady() || !AllRelaysAreThere()) {
      SHOAL_RETURN_IF_ERROR(Sleep(/*look_only=*/true));
      SHOAL_ASSIGN_OR_RETURN(std::vector<size_t> ready, Collect());
      if (!ready.empty() || deadline_.passed()) return ready;
    }
    for (size_t i = 0; i < any_of_.size(); ++i) {
      FutexExpectation ignored;
      if (!any_of_[i].is_fd_ && any_of_[i].hook_.ops->was_ready != nullptr) Announce(i, ignored);
    }
    for (size_t i = 0; i < any_of_.size(); ++i) SHOAL_RETURN_IF_ERROR(FindDescriptor(i));
    for (;;) {
      // Those that are ready now may not have been told of yet.
      SHOAL_RETURN_IF_ERROR(Sleep(/*look_only=*/deadline_.passed() || AnyIsReady()));
      SHOAL_ASSIGN_OR_RETURN(std::vector<size_t> ready, Collect());
      if (!ready.empty() || deadline_.passed()) return ready;
      for (size_t i = 0; i < any_of_.size(); ++i) SHOAL_RETURN_IF_ERROR(Quieten(i));
    }
  }

  bool AnyIsReady() const {
    for (size_t i = 0; i < any_of_.size(); ++i) {
      if (!any_of_[i].is_fd_ && IsReady(i)) return true;
    }
    return false;
  }

  // The places of all that are ready, after a Sleep.
  absl::StatusOr<std::vector<size_t>> Collect() const {
    std::vector<size_t> ready;
    for (size_t i = 0; i < any_of_.size(); ++i) {
      if (polled_[i].revents & POLLNVAL) return NotOpen(polled_[i].fd);
      if (any_of_[i].is_fd_ ? polled_[i].revents != 0 : IsReady(i)) ready.push_back(i);
    }
    return ready;
  }

  // A descriptor could be read for nothing: somebody else has taken what there was, or others are told of what came before this
  // call.
  absl::Status Quieten(size_t i) {
    const Waitable& one = any_of_[i];
    if (one.is_fd_ || polled_[i].revents == 0 || IsReady(i)) return absl::OkStatus();
    if (relays_[i]) {
      relays_[i] = JoinedRelay();
      return FindDescriptor(i);
    }
    if (one.hook_.ops->consumed != nullptr) one.hook_.ops->consumed(one.hook_.object);
    return absl::OkStatus();
  }

  bool AllRelaysAreThere() const {
    return std::all_of(any_of_.begin(), any_of_.end(),
                       [](const Waitable& one) { return one.is_fd_ || one.hook_.ops->fd != nullptr || one.relay_.IsThere(); });
  }

  absl::Status FindDescriptor(size_t i) {
    const Waitable& one = any_of_[i];
    if (one.is_fd_) return absl::OkStatus();
    if (one.hook_.ops->fd != nullptr) {
      polled_[i].fd = one.hook_.ops->fd(one.hook_.object);
      if (polled_[i].fd >= 0) return absl::OkStatus();
    }
    SHOAL_ASSIGN_OR_RETURN(relays_[i], one.relay_.Join(one.hook_));
    polled_[i].fd = relays_[i].fd();
    return absl::OkStatus();
  }

  absl::Status Sleep(bool look_only) {
    for (;;) {
      struct timespec left = {};
      const bool for_ever = deadline_.infinite() && !look_only;
      if (!for_ever && !look_only) left = absl::ToTimespec(std::max(deadline_.Remaining(), absl::ZeroDuration()));
      if (ppoll(polled_.data(), polled_.size(), for_ever ? nullptr : &left, nullptr) >= 0) return absl::OkStatus();
      if (errno != EINTR) return sync_internal::ErrnoStatus(errno, "cannot wait for descriptors");
    }
  }

  const std::span<const Waitable> any_of_;
  const Deadline deadline_;
  std::vector<Seen> seen_;
  FutexWord nothing_{0};
  // With descriptors:
  std::vector<struct pollfd> polled_;
  std::vector<JoinedRelay> relays_;  // of those that have no descriptor of their own
};

absl::StatusOr<std::vector<size_t>> Wait(std::span<const Waitable> any_of, absl::Duration timeout) {
  return Waiter(any_of, Deadline::After(timeout)).Run();
}

}  // namespace shoal
