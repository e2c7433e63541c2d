#ifndef SHOAL_BENCH_IPC_SUBJECT_H_
#define SHOAL_BENCH_IPC_SUBJECT_H_

#include <vector>

#include "absl/status/statusor.h"
#include "shoal/bench/measure.h"

namespace shoal::bench {

// Values between processes.
absl::StatusOr<std::vector<Row>> MeasureIpc(const Settings& settings);

}  // namespace shoal::bench

#endif  // SHOAL_BENCH_IPC_SUBJECT_H_
