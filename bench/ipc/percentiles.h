#ifndef SHOAL_BENCH_IPC_PERCENTILES_H_
#define SHOAL_BENCH_IPC_PERCENTILES_H_

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "shoal/bench/compare/cpython.h"
#include "shoal/bench/measure.h"

namespace shoal::bench {

// Of the times of many round trips: the one that half of them, 99 % and 99.9 % do not exceed. In seconds.
using Percentiles = std::array<double, 3>;

// Reorders `seconds`. REQUIRES: not empty.
Percentiles PercentilesOf(std::vector<double>& seconds);

struct LatencyPeer {
  std::string name;
  std::optional<double> target;  // for the ratio of the medians
  std::function<absl::StatusOr<Percentiles>()> round;
};

// Of round trips by cpython_ipc.py: through its "queue" or its "pipe".
std::function<absl::StatusOr<Percentiles>()> PythonRoundTrips(CPython& python, absl::string_view through, size_t bytes,
                                                              size_t trips);

// "64 B", "16 KiB".
std::string SizeName(size_t bytes);

// Adds a work for each percentile. The three have their figures from the same rounds: what takes them all is run once.
void AddLatencies(std::vector<Work>& works, const std::string& name, std::function<absl::StatusOr<Percentiles>()> ours,
                  std::vector<LatencyPeer> peers);

// The rows of all.
absl::StatusOr<std::vector<Row>> MeasureAll(const std::vector<Work>& works, const Settings& settings);

}  // namespace shoal::bench

#endif  // SHOAL_BENCH_IPC_PERCENTILES_H_
