#ifndef SHOAL_BENCH_SHM_SUBJECT_H_
#define SHOAL_BENCH_SHM_SUBJECT_H_

#include <vector>

#include "absl/status/statusor.h"
#include "shoal/bench/measure.h"

namespace shoal::bench {

// The heap, sections and containers of shared memory, beside Boost.Interprocess and what has none of the safety.
absl::StatusOr<std::vector<Row>> MeasureShm(const Settings& settings);

}  // namespace shoal::bench

#endif  // SHOAL_BENCH_SHM_SUBJECT_H_
