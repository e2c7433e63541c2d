// ipc/fd_relay.cc: what the thread does, and what the descriptor says.
//
//  state       descriptor      the thread sleeps on             who may change it, to what
//   watching    not readable    the object, deaths, the state    the thread, when the object is ready → told; the destructor → over
//   told        readable        the state                        whoever has emptied the object → watching; the destructor → over
//   over        whatever        nothing, it ends                 nobody
//
//  State and descriptor change together, under the mutex, by somebody who has looked at the object there. So whoever takes the last
//  message and then says so leaves a descriptor that is not readable, unless another has come.
//
//  What may come and go, as an Event does, is compared with what it was when the first of those who have joined came: so the
//  thread need not have been beside it at the moment. It is looked at once more after the announcement, since that shows only
//  what comes later.
//
//  If another process dies …                    this one sees …
//   having made the object ready, no wake given  `deaths`, on which the thread sleeps too

#include "shoal/ipc/fd_relay.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

#include "shoal/shm/lingering.h"
#include "shoal/shm/quiet_thread.h"
#include "shoal/sync/cancellation.h"
#include "shoal/sync/process_epoch.h"
#include "shoal/sync/status.h"

namespace shoal::ipc_internal {
namespace {

using sync_internal::Deadline;
using sync_internal::FutexExpectation;

constexpr uint32_t kWatching = 0;
constexpr uint32_t kTold = 1;
constexpr uint32_t kOver = 2;

}  // namespace

absl::StatusOr<std::unique_ptr<FdRelay>> FdRelay::Start(WaitHook hook) {
  shm_internal::UniqueFd event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event.valid()) return sync_internal::ErrnoStatus(errno, "cannot make an eventfd");
  std::unique_ptr<FdRelay> relay(new FdRelay(hook, std::move(event)));
  relay->epoch_ = sync_internal::ProcessEpoch();
  SHOAL_ASSIGN_OR_RETURN(relay->thread_, shm_internal::QuietThread("shoal-relay", [self = relay.get()] { self->Run(); }));
  relay->TellIfReady();  // before the caller polls
  return relay;
}

FdRelay::~FdRelay() {
  if (!thread_.joinable()) return;
  if (Inherited()) {  // a forked child: the thread is the parent's
    new std::thread(std::move(thread_));
    return;
  }
  state_.store(kOver, std::memory_order_relaxed);  // relaxed: a cue
  const sync_internal::NoCancellation whole;       // a destructor is not unwound
  sync_internal::WakeAll(state_);
  thread_.join();
}

bool FdRelay::Inherited() const { return !sync_internal::InProcessOf(epoch_); }

bool FdRelay::TellIfReady() {
  const std::lock_guard lock(mutex_);
  if (state_.load(std::memory_order_relaxed) != kWatching) return true;  // relaxed: guarded by the mutex, but for the end
  const bool came = since_.word != nullptr && hook_.ops->was_ready(hook_.object, since_);
  if (!came && !hook_.ops->ready(hook_.object)) return false;
  Tell();
  return true;
}

// REQUIRES: the mutex is held.
void FdRelay::Tell() {
  uint32_t expected = kWatching;
  // relaxed: a cue
  if (!state_.compare_exchange_strong(expected, kTold, std::memory_order_relaxed)) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(event_.get(), &one, sizeof(one));
}

void FdRelay::Consumed() {
  const std::lock_guard lock(mutex_);
  if (state_.load(std::memory_order_relaxed) == kTold && !hook_.ops->ready(hook_.object)) StartAnew();  // relaxed: as above
}

// REQUIRES: the mutex is held.
void FdRelay::StartAnew() {
  uint64_t count;
  [[maybe_unused]] const ssize_t got = read(event_.get(), &count, sizeof(count));
  uint32_t expected = kTold;
  // relaxed: a cue
  if (state_.compare_exchange_strong(expected, kWatching, std::memory_order_relaxed)) sync_internal::WakeAll(state_);
}

bool FdRelay::Join() {
  const std::lock_guard lock(mutex_);
  const bool told = state_.load(std::memory_order_relaxed) == kTold;  // relaxed: as above
  if (told && joined_ != 0) return false;
  if (joined_++ != 0) return true;
  if (told) StartAnew();
  // Nobody is told of what came before. What has just come is told.
  if (hook_.ops->was_ready == nullptr ? hook_.ops->ready(hook_.object) : !hook_.ops->announce(hook_.object, &since_)) Tell();
  return true;
}

void FdRelay::Leave() {
  const std::lock_guard lock(mutex_);
  --joined_;
}

void FdRelay::Run() {
  const shm_internal::LetsNothingGo quiet;  // our end is waited for by whoever lets go of what we watch
  const sync_internal::FutexWord* const deaths = hook_.ops->deaths(hook_.object);
  for (;;) {
    const uint32_t state = state_.load(std::memory_order_relaxed);  // relaxed: a cue; the sleep compares it
    if (state == kOver) return;
    if (state == kTold) {
      sync_internal::SleepWhile({{&state_, kTold}}, Deadline::Infinite());
      continue;
    }
    // participants.deaths (acquire): before the look, so that no change since is slept through
    const uint32_t seen = deaths == nullptr ? 0 : deaths->load(std::memory_order_acquire);
    if (TellIfReady()) continue;
    FutexExpectation expectations[3] = {{}, {&state_, kWatching}, {deaths, seen}};
    if (!hook_.ops->announce(hook_.object, &expectations[0])) continue;
    if (hook_.ops->was_ready != nullptr && TellIfReady()) continue;
    sync_internal::SleepWhile(expectations, deaths == nullptr ? 2 : 3, Deadline::Infinite());
    if (hook_.ops->withdraw != nullptr) hook_.ops->withdraw(hook_.object);
  }
}

absl::StatusOr<JoinedRelay> KeptRelay::Join(WaitHook hook) {
  const std::lock_guard lock(mutex_);
  if (relay_ == nullptr || relay_->Inherited() || !relay_->Join()) {
    SHOAL_ASSIGN_OR_RETURN(relay_, FdRelay::Start(hook));
    relay_->Join();
  }
  return JoinedRelay(relay_);
}

KeptRelay& KeptRelay::operator=(const KeptRelay& other) {
  std::shared_ptr<FdRelay> relay = other.Known();
  const std::lock_guard lock(mutex_);
  relay_.swap(relay);
  return *this;
}

absl::StatusOr<std::shared_ptr<FdRelay>> KeptRelay::Get(WaitHook hook) {
  const std::lock_guard lock(mutex_);
  if (relay_ == nullptr || relay_->Inherited()) {
    SHOAL_ASSIGN_OR_RETURN(relay_, FdRelay::Start(hook));
  }
  return relay_;
}

}  // namespace shoal::ipc_internal
