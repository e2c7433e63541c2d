#ifndef SHOAL_BENCH_IPC_QUEUE_ROWS_H_
#define SHOAL_BENCH_IPC_QUEUE_ROWS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "shoal/bench/measure.h"

namespace shoal::bench {

// Queues between processes, beside those of Boost, POSIX, the kernel, and a bare ring.
absl::StatusOr<std::vector<Row>> QueueRows(const Settings& settings);

}  // namespace shoal::bench

#endif  // SHOAL_BENCH_IPC_QUEUE_ROWS_H_
