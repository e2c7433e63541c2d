#ifndef SHOAL_BENCH_COMPARE_FORKED_PRIMES_H_
#define SHOAL_BENCH_COMPARE_FORKED_PRIMES_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"

namespace shoal::bench {

// Which of the numbers are prime, by `processes` forked children that take the next number from a shared counter and leave
// their answers in shared memory: the least that a hand-written version can do. A child that dies leaves wrong answers.
absl::StatusOr<std::vector<bool>> ForkedPrimes(std::span<const uint64_t> numbers, int processes);

}  // namespace shoal::bench

#endif  // SHOAL_BENCH_COMPARE_FORKED_PRIMES_H_
