#ifndef SHOAL_BENCH_POOL_SUBJECT_H_
#define SHOAL_BENCH_POOL_SUBJECT_H_

#include <vector>

#include "absl/status/statusor.h"
#include "shoal/bench/measure.h"

namespace shoal::bench {

// The pool, beside CPython's Pool, pools of forked processes and pipes, and std::future in one process.
absl::StatusOr<std::vector<Row>> MeasurePool(const Settings& settings);

}  // namespace shoal::bench

#endif  // SHOAL_BENCH_POOL_SUBJECT_H_
