#include "shoal/bench/measure.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "shoal/sync/status.h"

namespace shoal::bench {
namespace {

struct Contestant {
  absl::string_view name;
  const Round* round;
  std::vector<double> seconds;
};

absl::StatusOr<double> RunSlice(const Work& work, const Contestant& contestant) {
  absl::StatusOr<double> seconds = (*contestant.round)();
  if (seconds.ok()) return seconds;
  return absl::Status(seconds.status().code(),
                      absl::StrCat(work.name, ", ", contestant.name, ": ", seconds.status().message()));
}

absl::Status RunRound(const Work& work, std::vector<Contestant>& contestants, bool counts) {
  std::vector<std::vector<double>> slices(contestants.size());
  for (int slice = 0; slice < work.slices; ++slice) {
    for (size_t i = 0; i < contestants.size(); ++i) {
      SHOAL_ASSIGN_OR_RETURN(const double seconds, RunSlice(work, contestants[i]));
      slices[i].push_back(seconds);
    }
  }
  if (!counts) return absl::OkStatus();
  for (size_t i = 0; i < contestants.size(); ++i) contestants[i].seconds.push_back(Median(std::move(slices[i])));
  return absl::OkStatus();
}

Row Compare(const Work& work, const Contestant& ours, const Contestant& theirs, std::optional<double> target) {
  std::vector<double> ratios;
  for (size_t i = 0; i < ours.seconds.size(); ++i) {
    const double times = ours.seconds[i] / theirs.seconds[i];
    ratios.push_back(work.quantity == Quantity::kTime ? times : 1 / times);
  }
  const auto [least, largest] = std::minmax_element(ratios.begin(), ratios.end());
  return {.work = work.name,
          .peer = std::string(theirs.name),
          .quantity = work.quantity,
          .our_seconds = Median(ours.seconds),
          .peer_seconds = Median(theirs.seconds),
          .ratio = Median(ratios),
          .least_ratio = *least,
          .largest_ratio = *largest,
          .target = target};
}

}  // namespace

absl::StatusOr<std::vector<Row>> Measure(const Work& work, const Settings& settings) {
  if (work.name.find(settings.only) == std::string::npos) return std::vector<Row>();
  std::vector<Contestant> contestants = {{.name = "shoal", .round = &work.ours, .seconds = {}}};
  for (const Peer& peer : work.peers) contestants.push_back({.name = peer.name, .round = &peer.round, .seconds = {}});

  const int rounds = settings.quick ? 1 : settings.rounds;
  // The first round finds caches cold, and pages not yet there: it does not count.
  for (int round = settings.quick ? 0 : -1; round < rounds; ++round) {
    SHOAL_RETURN_IF_ERROR(RunRound(work, contestants, /*counts=*/round >= 0));
  }

  std::vector<Row> rows;
  for (size_t i = 0; i < work.peers.size(); ++i) {
    rows.push_back(Compare(work, contestants[0], contestants[i + 1], work.peers[i].target));
  }
  return rows;
}

std::string Verdict(const Row& row) {
  if (!row.target.has_value()) return "figure only";
  const bool meets = row.quantity == Quantity::kRate ? row.ratio >= *row.target : row.ratio <= *row.target;
  const bool in_spread = row.least_ratio <= *row.target && *row.target <= row.largest_ratio;
  return absl::StrCat(meets ? "meets" : "falls short", in_spread ? " *" : "");
}

double MedianSeconds(size_t items, const std::function<void(size_t)>& call) {
  std::vector<double> seconds;
  seconds.reserve(items);
  for (size_t i = 0; i < items; ++i) seconds.push_back(SecondsPerItem(1, [&] { call(i); }));
  return Median(std::move(seconds));
}

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace shoal::bench
