#include "shoal/bench/compare/future_pool.h"

#include <utility>

namespace shoal::bench {

FuturePool::FuturePool(int threads) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Work(); });
}

FuturePool::~FuturePool() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

std::future<uint64_t> FuturePool::Submit(Function function, uint64_t input) {
  std::packaged_task<uint64_t()> task([function, input] { return function(input); });
  std::future<uint64_t> result = task.get_future();
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(task));
  }
  changed_.notify_one();
  return result;
}

void FuturePool::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stop_ || !queue_.empty(); });
    if (queue_.empty()) return;
    std::packaged_task<uint64_t()> task = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    task();
    lock.lock();
  }
}

}  // namespace shoal::bench
