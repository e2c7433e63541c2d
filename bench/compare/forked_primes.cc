#include "shoal/bench/compare/forked_primes.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <cstddef>
#include <new>

#include "shoal/sync/status.h"

namespace shoal::bench {
namespace {

constexpr size_t kMostNumbers = 64;

struct Shared {
  std::atomic<size_t> next{0};
  bool prime[kMostNumbers] = {};
};

// As in examples/primes.
bool IsPrime(uint64_t n) {
  if (n < 2) return false;
  if (n % 2 == 0) return n == 2;
  const auto root = static_cast<uint64_t>(std::sqrt(static_cast<double>(n)));
  for (uint64_t divisor = 3; divisor <= root; divisor += 2) {
    if (n % divisor == 0) return false;
  }
  return true;
}

[[noreturn]] void Work(Shared& shared, std::span<const uint64_t> numbers) {
  for (;;) {
    // relaxed: every number is taken once; the answers are published by the end of this process
    const size_t i = shared.next.fetch_add(1, std::memory_order_relaxed);
    if (i >= numbers.size()) _exit(0);
    shared.prime[i] = IsPrime(numbers[i]);
  }
}

}  // namespace

absl::StatusOr<std::vector<bool>> ForkedPrimes(std::span<const uint64_t> numbers, int processes) {
  if (numbers.size() > kMostNumbers) {
    return sync_internal::MakeStatus(absl::StatusCode::kInvalidArgument, "too many numbers for this comparison");
  }
  void* const memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return sync_internal::ErrnoStatus(errno, "mmap");
  Shared& shared = *new (memory) Shared;
  std::vector<pid_t> children;
  for (int i = 0; i < processes; ++i) {
    const pid_t child = fork();
    if (child == 0) Work(shared, numbers);
    if (child > 0) children.push_back(child);
  }
  for (const pid_t child : children) waitpid(child, nullptr, 0);
  const std::vector<bool> answers(shared.prime, shared.prime + numbers.size());
  munmap(memory, sizeof(Shared));
  return answers;
}

}  // namespace shoal::bench
