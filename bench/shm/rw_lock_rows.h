#ifndef SHOAL_BENCH_SHM_RW_LOCK_ROWS_H_
#define SHOAL_BENCH_SHM_RW_LOCK_ROWS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "shoal/bench/measure.h"

namespace shoal::bench {

// Reading and writing what an RwLock owns, beside others' locks.
absl::StatusOr<std::vector<Row>> RwLockRows(const Settings& settings);

}  // namespace shoal::bench

#endif  // SHOAL_BENCH_SHM_RW_LOCK_ROWS_H_
