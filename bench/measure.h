#ifndef SHOAL_BENCH_MEASURE_H_
#define SHOAL_BENCH_MEASURE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "shoal/sync/deadline.h"

// Work that is measured beside peers.
//
// Absolute times mean little on a machine that is shared with others, so the result is a ratio, and rounds alternate (ours,
// peer, ours, peer …): what slows one down slows down the other. Of the ratios of the rounds the median counts, and the
// smallest and the largest are its spread.

namespace shoal::bench {

struct Settings {
  int rounds = 7;
  std::string only;    // works whose name contains it; empty: all
  bool quick = false;  // few items and one round without a warm-up: shows that everything runs, not how fast

  // How many items of a work to measure. So many that a round takes a tenth of a second or so.
  size_t Items(size_t items) const { return quick ? items / 100 + 1 : items; }
};

// One round of one contestant: seconds per item, smaller is better.
using Round = std::function<absl::StatusOr<double>()>;

enum class Quantity {
  kRate,  // items per second; the ratio is ours to the peer's, more is better
  kTime,  // time for one item; the ratio is ours to the peer's, less is better
};

struct Peer {
  std::string name;
  std::optional<double> target;  // for the ratio; nothing: a figure only
  Round round;
};

struct Work {
  std::string name;
  Quantity quantity = Quantity::kRate;
  // For what takes a millisecond only: a round is the median of so many goes, which alternate with those of the peers.
  int slices = 1;
  Round ours;
  std::vector<Peer> peers;
};

// One line of the report.
struct Row {
  std::string work;
  std::string peer;
  Quantity quantity = Quantity::kRate;
  double our_seconds = 0;  // medians
  double peer_seconds = 0;
  double ratio = 0;  // median of the rounds' ratios
  double least_ratio = 0;
  double largest_ratio = 0;
  std::optional<double> target;
};

// A row for each of the peers; none if the settings leave this work out. The first round that fails ends it.
absl::StatusOr<std::vector<Row>> Measure(const Work& work, const Settings& settings);

// "meets", "falls short", "figure only"; with a mark where the target lies inside the spread, so that the next run may say
// otherwise.
std::string Verdict(const Row& row);

// Seconds per item of `items` items, for the whole of `body`.
template <class Body>
double SecondsPerItem(size_t items, Body body) {
  const int64_t begin = sync_internal::Deadline::Now();
  body();
  return static_cast<double>(sync_internal::Deadline::Now() - begin) * 1e-9 / static_cast<double>(items);
}

// The median time of one of `items` calls, in seconds.
double MedianSeconds(size_t items, const std::function<void(size_t)>& call);

// REQUIRES: not empty.
double Median(std::vector<double> values);

}  // namespace shoal::bench

#endif  // SHOAL_BENCH_MEASURE_H_
