#ifndef SHOAL_IPC_FD_RELAY_H_
#define SHOAL_IPC_FD_RELAY_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>

#include "absl/status/statusor.h"
#include "shoal/ipc/wait_hook.h"
#include "shoal/shm/unique_fd.h"
#include "shoal/sync/futex.h"

namespace shoal::ipc_internal {

// A descriptor that can be read while an object is ready, for poll(2) and its kin. A thread of this process sleeps beside the object
// and writes the descriptor: no process that makes the object ready knows of it, so none can forget it.
//
// Thread safety:  all calls may run concurrently. Blocking: the destructor waits for the thread, which is never busy for long.
// Crash safety:   thread and descriptor are this process's own, and die with it. In a forked child there is neither.
class FdRelay final {
 public:
  // ResourceExhausted: no descriptor or thread is to be had. REQUIRES: the object outlives it.
  static absl::StatusOr<std::unique_ptr<FdRelay>> Start(WaitHook hook);
  ~FdRelay();
  FdRelay(const FdRelay&) = delete;
  FdRelay& operator=(const FdRelay&) = delete;

  int fd() const { return event_.get(); }
  bool Inherited() const;

  // Something was taken from the object, or nothing was found there: if it is not ready any more, nor is the descriptor.
  void Consumed();

  // For one who waits for what may come and go (WaitOps::was_ready): from now on the descriptor tells of all that comes, until
  // Leave. It may tell of what came before, if others have joined, too. False: it is telling others of something now.
  bool Join();
  void Leave();

 private:
  FdRelay(WaitHook hook, shm_internal::UniqueFd event) : hook_(hook), event_(std::move(event)) {}
  void Run();
  bool TellIfReady();
  void Tell();
  void StartAnew();

  const WaitHook hook_;
  const shm_internal::UniqueFd event_;
  std::mutex mutex_;                                      // held while readiness is compared with what the descriptor says
  sync_internal::FutexWord state_{0};                     // see fd_relay.cc
  int joined_ = 0;                                        // guarded by mutex_
  sync_internal::FutexExpectation since_ = {nullptr, 0};  // what came since then is told; guarded by mutex_
  std::thread thread_;
  uint32_t epoch_ = 0;
};

// A relay that somebody has joined, until this goes.
class JoinedRelay final {
 public:
  JoinedRelay() = default;
  explicit JoinedRelay(std::shared_ptr<FdRelay> joined) : relay_(std::move(joined)) {}
  JoinedRelay(JoinedRelay&&) = default;
  JoinedRelay& operator=(JoinedRelay&& other) noexcept {
    if (relay_ != nullptr) relay_->Leave();
    relay_ = std::move(other.relay_);
    return *this;
  }
  ~JoinedRelay() {
    if (relay_ != nullptr) relay_->Leave();
  }
  explicit operator bool() const { return relay_ != nullptr; }
  int fd() const { return relay_->fd(); }

 private:
  std::shared_ptr<FdRelay> relay_;  // null: none
};

// A relay that is made when it is first asked for, and kept. Copies share it.
//
// Thread safety:  all calls may run concurrently.
class KeptRelay final {
 public:
  KeptRelay() = default;
  KeptRelay(const KeptRelay& other) : relay_(other.Known()) {}
  KeptRelay& operator=(const KeptRelay& other);

  // In a forked child it is another one. Errors as Start.
  absl::StatusOr<std::shared_ptr<FdRelay>> Get(WaitHook hook);
  // Joins it, or another, which is kept from now on, if it is telling others of something. Errors as Start.
  absl::StatusOr<JoinedRelay> Join(WaitHook hook);
  // Whether there is one already.
  bool IsThere() const {
    const std::shared_ptr<FdRelay> relay = Known();
    return relay != nullptr && !relay->Inherited();
  }
  // FdRelay::Consumed, if there is one.
  void TellConsumed() const {
    if (const std::shared_ptr<FdRelay> relay = Known(); relay != nullptr && !relay->Inherited()) relay->Consumed();
  }

 private:
  std::shared_ptr<FdRelay> Known() const {
    const std::lock_guard lock(mutex_);
    return relay_;
  }

  mutable std::mutex mutex_;
  std::shared_ptr<FdRelay> relay_;  // guarded by mutex_
};

}  // namespace shoal::ipc_internal

#endif  // SHOAL_IPC_FD_RELAY_H_
