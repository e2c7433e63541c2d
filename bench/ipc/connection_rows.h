#ifndef SHOAL_BENCH_IPC_CONNECTION_ROWS_H_
#define SHOAL_BENCH_IPC_CONNECTION_ROWS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "shoal/bench/measure.h"

namespace shoal::bench {

// Connections between two processes, beside what the kernel offers and beside bare rings.
absl::StatusOr<std::vector<Row>> ConnectionRows(const Settings& settings);

}  // namespace shoal::bench

#endif  // SHOAL_BENCH_IPC_CONNECTION_ROWS_H_
