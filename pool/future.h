#ifndef SHOAL_POOL_FUTURE_H_
#define SHOAL_POOL_FUTURE_H_

#include <coroutine>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/ipc/codec.h"
#include "shoal/pool/engine.h"
#include "shoal/pool/job.h"
#include "shoal/sync/status.h"

namespace shoal {
namespace pool_internal {

// How one call ended: a value or a status; for functions that return nothing, a status alone.
template <class R>
struct OutcomeOf {
  using Type = absl::StatusOr<R>;
};
template <>
struct OutcomeOf<void> {
  using Type = absl::Status;
};
template <class R>
using Outcome = typename OutcomeOf<R>::Type;

template <class R>
Outcome<R> DecodeOutcome(const TaskOutcome& outcome) {
  if (!outcome.status.ok()) return outcome.status;
  if constexpr (std::is_void_v<R>) {
    return absl::OkStatus();
  } else {
    R value{};
    if (!ipc_internal::DecodeMessage(outcome.bytes, value)) {
      return sync_internal::MakeStatus(absl::StatusCode::kDataLoss,
                                       "the bytes of a result do not have the type of its signature");
    }
    return value;
  }
}

// Runs a callback of the user's so that what it throws stays its own business: it is reported and goes no further.
void RunContained(const std::function<void()>& callback);

// One call: its arguments, then its outcome. `Arguments` is a tuple of what is encoded.
template <class R>
class CallState : public Job {
 public:
  CallState(const JobOptions& options, std::string arguments) : Job(options), arguments_(std::move(arguments)) {}

  void Encode(size_t, std::string& out) override { out += arguments_; }
  void Finish(size_t, const TaskOutcome& outcome) override {
    outcome_.emplace(DecodeOutcome<R>(outcome));
    arguments_ = {};
  }
  bool WantsAfterFinish() const override { return !callbacks_.empty(); }
  void AfterFinish() override {
    for (const auto& callback : std::exchange(callbacks_, {})) RunContained([&] { callback(*outcome_); });
  }

  // Under the engine's lock, like all of the above but AfterFinish:
  bool done() const { return outcome_.has_value(); }
  void AddCallback(std::function<void(const Outcome<R>&)> callback) { callbacks_.push_back(std::move(callback)); }

  // REQUIRES: done() has been true. It never changes again.
  const Outcome<R>& outcome() const { return *outcome_; }

 private:
  std::string arguments_;
  std::optional<Outcome<R>> outcome_;
  std::vector<std::function<void(const Outcome<R>&)>> callbacks_;
};

}  // namespace pool_internal

// The result of a submitted call, now or later. Copyable: all copies are the same call.
//
// Thread safety:   all calls from any thread.
// Blocking:        Get, until the call has ended or the timeout passes; whoever waits also looks after the pool's workers.
// Errors:          Get: what the function returned or threw (no payload shoal.dev/origin), Unavailable: its worker died, after
//                  the last retry; DeadlineExceeded: it overran task_timeout, or the timeout of Get passed (then it is not done);
//                  Cancelled.
// Ownership:       may outlive the pool.
template <class R>
class [[nodiscard]] Future {
 public:
  using Outcome = pool_internal::Outcome<R>;

  // The result; the same at every call.
  Outcome Get(absl::Duration timeout = absl::InfiniteDuration()) const {
    if (!engine_->Await([this] { return state_->done(); }, timeout)) {
      SHOAL_RETURN_IF_ERROR(engine_->CheckProcess());
      return sync_internal::MakeStatus(absl::StatusCode::kDeadlineExceeded, "the call has not ended within the timeout");
    }
    return state_->outcome();
  }

  bool done() const {
    bool is_done = false;
    engine_->Locked([&] { is_done = state_->done(); });
    return is_done;
  }

  // Takes the call back if no worker has it yet; it then ends as Cancelled. False: too late.
  bool Cancel() { return engine_->Cancel(*state_); }

  // Calls `callback` with the result, once: now if the call has ended, else on the pool's thread for callbacks, which all of
  // them share. It may use the pool, and wait. What it throws is reported on standard error and goes no further.
  void OnDone(std::function<void(const Outcome&)> callback) {
    bool now = false;
    engine_->Locked([&] {
      now = state_->done();
      if (!now) state_->AddCallback(callback);
    });
    if (now) pool_internal::RunContained([&] { callback(state_->outcome()); });
  }

  // co_await future: resumes where OnDone would call back.
  auto operator co_await() const {
    struct Awaiter {
      Future future;
      bool await_ready() const { return future.done(); }
      void await_suspend(std::coroutine_handle<> coroutine) {
        future.OnDone([coroutine](const Outcome&) { coroutine.resume(); });
      }
      Outcome await_resume() const { return future.state_->outcome(); }
    };
    return Awaiter{*this};
  }

 private:
  template <class Sig>
  friend class Function;
  Future(std::shared_ptr<pool_internal::Engine> engine, std::shared_ptr<pool_internal::CallState<R>> state)
      : engine_(std::move(engine)), state_(std::move(state)) {}

  std::shared_ptr<pool_internal::Engine> engine_;
  std::shared_ptr<pool_internal::CallState<R>> state_;
};

}  // namespace shoal

#endif  // SHOAL_POOL_FUTURE_H_
