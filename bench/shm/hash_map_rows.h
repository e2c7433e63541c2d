#ifndef SHOAL_BENCH_SHM_HASH_MAP_ROWS_H_
#define SHOAL_BENCH_SHM_HASH_MAP_ROWS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "shoal/bench/measure.h"

namespace shoal::bench {

// HashMap beside boost::unordered_map in Boost.Interprocess's memory, and beside absl::flat_hash_map in the process's own.
absl::StatusOr<std::vector<Row>> HashMapRows(const Settings& settings);

}  // namespace shoal::bench

#endif  // SHOAL_BENCH_SHM_HASH_MAP_ROWS_H_
