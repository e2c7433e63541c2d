#include "shoal/bench/ipc_subject.h"

#include "shoal/bench/ipc/connection_rows.h"
#include "shoal/bench/ipc/queue_rows.h"
#include "shoal/sync/status.h"

namespace shoal::bench {
namespace {

// One for each part of the package.
constexpr absl::StatusOr<std::vector<Row>> (*kParts[])(const Settings&) = {
    QueueRows,
    ConnectionRows,
};

}  // namespace

absl::StatusOr<std::vector<Row>> MeasureIpc(const Settings& settings) {
  std::vector<Row> rows;
  for (const auto part : kParts) {
    SHOAL_ASSIGN_OR_RETURN(const std::vector<Row> measured, part(settings));
    rows.insert(rows.end(), measured.begin(), measured.end());
  }
  return rows;
}

}  // namespace shoal::bench
