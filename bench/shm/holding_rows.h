#ifndef SHOAL_BENCH_SHM_HOLDING_ROWS_H_
#define SHOAL_BENCH_SHM_HOLDING_ROWS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "shoal/bench/measure.h"

namespace shoal::bench {

// Permits, and arrays that are lent from process to process.
absl::StatusOr<std::vector<Row>> HoldingRows(const Settings& settings);

}  // namespace shoal::bench

#endif  // SHOAL_BENCH_SHM_HOLDING_ROWS_H_
