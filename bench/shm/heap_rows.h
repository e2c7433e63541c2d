#ifndef SHOAL_BENCH_SHM_HEAP_ROWS_H_
#define SHOAL_BENCH_SHM_HEAP_ROWS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "shoal/bench/measure.h"

namespace shoal::bench {

// A segment's heap beside Boost.Interprocess and malloc.
absl::StatusOr<std::vector<Row>> HeapRows(const Settings& settings);

}  // namespace shoal::bench

#endif  // SHOAL_BENCH_SHM_HEAP_ROWS_H_
