#ifndef SHOAL_BENCH_COMPARE_FORK_PIPE_POOL_H_
#define SHOAL_BENCH_COMPARE_FORK_PIPE_POOL_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/shm/unique_fd.h"

namespace shoal::bench {

// The pool that one writes by hand when a library seems too much: forked children, a pipe to each and one back, eight bytes
// per task and per result. Results come back in the order of the tasks, so nothing else needs to be sent.
//
// Thread safety: one thread at a time.
// Crash safety:  none; that is the point. A child that dies makes Map fail or wait for ever.
class ForkPipePool final {
 public:
  using Function = uint64_t (*)(uint64_t);

  struct Options {
    int workers = 2;
    size_t in_flight = 64;  // tasks that a worker has at a time
    // One system call moves as many tasks or results as there are. Without, a worker reads one, works, writes one: then its
    // result is there at once, also when the next task takes long. (The parent takes all results there are in either case.)
    bool coalesce = false;
  };

  static absl::StatusOr<ForkPipePool> Start(Function function, const Options& options);

  ForkPipePool(ForkPipePool&&) = default;
  ForkPipePool& operator=(ForkPipePool&&) = delete;
  ~ForkPipePool();

  absl::StatusOr<std::vector<uint64_t>> Map(std::span<const uint64_t> inputs);

  // One task by the first worker, and its result.
  absl::StatusOr<uint64_t> Apply(uint64_t input);

 private:
  struct Worker {
    pid_t pid = -1;
    shm_internal::UniqueFd tasks;
    shm_internal::UniqueFd results;
    std::vector<size_t> in_flight;  // a ring: which inputs it has, oldest at `oldest`
    size_t oldest = 0;
    size_t count = 0;
  };

  explicit ForkPipePool(const Options& options) : options_(options) {}
  absl::Status StartWorker(Function function);
  absl::Status Feed(Worker& worker, std::span<const uint64_t> inputs, size_t& next);
  absl::StatusOr<size_t> Collect(Worker& worker, std::span<uint64_t> outputs);
  absl::Status WaitForResults();
  void SetReading(int flags);

  Options options_;
  std::vector<Worker> workers_;
  std::vector<uint64_t> buffer_;
};

}  // namespace shoal::bench

#endif  // SHOAL_BENCH_COMPARE_FORK_PIPE_POOL_H_
