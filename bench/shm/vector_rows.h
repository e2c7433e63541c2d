#ifndef SHOAL_BENCH_SHM_VECTOR_ROWS_H_
#define SHOAL_BENCH_SHM_VECTOR_ROWS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "shoal/bench/measure.h"

namespace shoal::bench {

// Vector beside Boost.Interprocess's vector.
absl::StatusOr<std::vector<Row>> VectorRows(const Settings& settings);

}  // namespace shoal::bench

#endif  // SHOAL_BENCH_SHM_VECTOR_ROWS_H_
