#ifndef SHOAL_BENCH_SHM_SECTION_ROWS_H_
#define SHOAL_BENCH_SHM_SECTION_ROWS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "shoal/bench/measure.h"

namespace shoal::bench {

// A section of a Mutex<T> beside a Lock alone.
absl::StatusOr<std::vector<Row>> SectionRows(const Settings& settings);

}  // namespace shoal::bench

#endif  // SHOAL_BENCH_SHM_SECTION_ROWS_H_
