#include "shoal/bench/ipc/percentiles.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "shoal/sync/status.h"

namespace shoal::bench {
namespace {

constexpr std::array<double, 3> kPercents = {50, 99, 99.9};

// The rounds of one contestant. Whichever work comes first to a round has it run; the others read what it gave.
class Rounds {
 public:
  explicit Rounds(std::function<absl::StatusOr<Percentiles>()> run) : shared_(std::make_shared<Shared>()) {
    shared_->run = std::move(run);
  }
  Round Of(size_t which) const {
    return [shared = shared_, which, round = size_t{0}]() mutable -> absl::StatusOr<double> {
      if (round == shared->done.size()) {
        SHOAL_ASSIGN_OR_RETURN(const Percentiles percentiles, shared->run());
        shared->done.push_back(percentiles);
      }
      return shared->done[round++][which];
    };
  }

 private:
  struct Shared {
    std::function<absl::StatusOr<Percentiles>()> run;
    std::vector<Percentiles> done;
  };
  std::shared_ptr<Shared> shared_;
};

}  // namespace

Percentiles PercentilesOf(std::vector<double>& seconds) {
  std::sort(seconds.begin(), seconds.end());
  Percentiles result = {};
  for (size_t i = 0; i < result.size(); ++i) {
    result[i] = seconds[static_cast<size_t>(static_cast<double>(seconds.size() - 1) * kPercents[i] / 100)];
  }
  return result;
}

std::function<absl::StatusOr<Percentiles>()> PythonRoundTrips(CPython& python, absl::string_view through, size_t bytes,
                                                              size_t trips) {
  return [&python, request = absl::StrCat(through, "_round_trips ", bytes, " 1"), trips]() -> absl::StatusOr<Percentiles> {
    SHOAL_ASSIGN_OR_RETURN(const std::vector<double> seconds, python.MeasureAll(request, trips));
    Percentiles result = {};
    if (seconds.size() != result.size())
      return absl::InternalError(absl::StrCat(request, " gave ", seconds.size(), " numbers"));
    std::copy(seconds.begin(), seconds.end(), result.begin());
    return result;
  };
}

std::string SizeName(size_t bytes) {
  return bytes < 1024        ? absl::StrCat(bytes, " B")
         : bytes < (1 << 20) ? absl::StrCat(bytes >> 10, " KiB")
                             : absl::StrCat(bytes >> 20, " MiB");
}

void AddLatencies(std::vector<Work>& works, const std::string& name, std::function<absl::StatusOr<Percentiles>()> ours,
                  std::vector<LatencyPeer> peers) {
  const Rounds our_rounds(std::move(ours));
  std::vector<Rounds> peer_rounds;
  for (LatencyPeer& peer : peers) peer_rounds.emplace_back(std::move(peer.round));
  for (size_t which = 0; which < kPercents.size(); ++which) {
    Work work = {
        .name = absl::StrCat(name, ", p", kPercents[which]), .quantity = Quantity::kTime, .ours = our_rounds.Of(which)};
    for (size_t i = 0; i < peers.size(); ++i) {
      work.peers.push_back({peers[i].name, which == 0 ? peers[i].target : std::nullopt, peer_rounds[i].Of(which)});
    }
    works.push_back(std::move(work));
  }
}

absl::StatusOr<std::vector<Row>> MeasureAll(const std::vector<Work>& works, const Settings& settings) {
  std::vector<Row> rows;
  for (const Work& work : works) {
    SHOAL_ASSIGN_OR_RETURN(const std::vector<Row> measured, Measure(work, settings));
    rows.insert(rows.end(), measured.begin(), measured.end());
  }
  return rows;
}

}  // namespace shoal::bench
