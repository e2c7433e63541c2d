#ifndef SHOAL_POOL_POOL_H_
#define SHOAL_POOL_POOL_H_

#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/ipc/wire_type.h"
#include "shoal/pool/engine.h"
#include "shoal/pool/function.h"
#include "shoal/pool/pool_options.h"

namespace shoal {

// Worker processes that run the functions of plug-ins.
//
//   SHOAL_ASSIGN_OR_RETURN(Pool pool, Pool::Create({.workers = 2, .plugins = {"primes.so"}}));
//   SHOAL_ASSIGN_OR_RETURN(auto is_prime, pool.Get<bool(uint64_t)>("is_prime"));
//   SHOAL_ASSIGN_OR_RETURN(std::vector<bool> answers, is_prime.Map(numbers));
//
// Thread safety:   all calls, also on functions and futures, from any thread.
// Process safety:  belongs to the process that created it; in a fork of it every call is FailedPrecondition.
// Crash safety:    a worker may die at any instruction: the task it ran is run again (max_retries) or fails with how the worker
//                  ended, every other task is unaffected, the worker is replaced. If this process dies, its workers end at
//                  once, whatever they are doing. Every task ends exactly once; with retries it may *run* more than once.
// Blocking:        Create, until the first worker is ready; Join; the destructor, until all submitted tasks have ended.
// Errors:          InvalidArgument: options that make no sense. FailedPrecondition: a file that is no plug-in, one built for
//                  another ABI version, use after Close or Terminate. NotFound: no such file or function. Unavailable: the
//                  workers die while they load the plug-ins.
// Ownership:       move-only. Functions and futures may outlive it; what was submitted has ended by then.
class Pool final {
 public:
  static absl::StatusOr<Pool> Create(PoolOptions options);

  Pool(Pool&&) = default;
  Pool& operator=(Pool&& other) noexcept;
  ~Pool();

  // A function by its name, as a callable with the signature `Sig`, for example bool(uint64_t). FailedPrecondition if its
  // signature differs, NotFound if there is none.
  template <class Sig>
  absl::StatusOr<Function<Sig>> Get(std::string_view name) const {
    using Typed = Function<Sig>;
    absl::StatusOr<uint32_t> index = Find(name, Typed::SignatureCode());
    if (!index.ok()) return std::move(index).status();
    return Typed(engine_, *index);
  }

  // What the plug-ins offer.
  const std::vector<FunctionInfo>& functions() const { return engine_->functions(); }

  // No new tasks; those submitted are finished. Idempotent.
  absl::Status Close() { return engine_->Close(); }

  // Waits until all tasks and workers have ended. FailedPrecondition before Close or Terminate; DeadlineExceeded.
  absl::Status Join(absl::Duration timeout = absl::InfiniteDuration()) { return engine_->Join(timeout); }

  // Kills the workers; every task that has not ended ends as Cancelled. Returns when all is gone. Idempotent.
  absl::Status Terminate() { return engine_->Terminate(); }

  PoolStats stats() const { return engine_->Stats(); }

  // For programs that know the types of tasks only at run time.
  const std::shared_ptr<pool_internal::Engine>& engine() const { return engine_; }

 private:
  explicit Pool(std::shared_ptr<pool_internal::Engine> engine);
  absl::StatusOr<uint32_t> Find(std::string_view name, std::string_view wanted_signature) const;

  std::shared_ptr<pool_internal::Engine> engine_;
};

}  // namespace shoal

#endif  // SHOAL_POOL_POOL_H_
