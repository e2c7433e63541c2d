#ifndef SHOAL_BENCH_COMPARE_FUTURE_POOL_H_
#define SHOAL_BENCH_COMPARE_FUTURE_POOL_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

namespace shoal::bench {

// The thread pool of the textbooks: a queue of std::packaged_task behind a mutex, a std::future for each. One process: a
// task that crashes takes everything with it.
//
// Thread safety: Submit from any thread.
class FuturePool final {
 public:
  using Function = uint64_t (*)(uint64_t);

  explicit FuturePool(int threads);
  FuturePool(const FuturePool&) = delete;
  FuturePool& operator=(const FuturePool&) = delete;
  ~FuturePool();

  std::future<uint64_t> Submit(Function function, uint64_t input);

 private:
  void Work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::packaged_task<uint64_t()>> queue_;  // guarded by mutex_
  bool stop_ = false;                                 // guarded by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace shoal::bench

#endif  // SHOAL_BENCH_COMPARE_FUTURE_POOL_H_
