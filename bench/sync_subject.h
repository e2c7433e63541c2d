#ifndef SHOAL_BENCH_SYNC_SUBJECT_H_
#define SHOAL_BENCH_SYNC_SUBJECT_H_

#include <vector>

#include "absl/status/statusor.h"
#include "shoal/bench/measure.h"

namespace shoal::bench {

// Lock, Semaphore, Event and Barrier, beside pthread, POSIX and Boost.Interprocess.
absl::StatusOr<std::vector<Row>> MeasureSync(const Settings& settings);

}  // namespace shoal::bench

#endif  // SHOAL_BENCH_SYNC_SUBJECT_H_
