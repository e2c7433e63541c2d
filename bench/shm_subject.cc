#include "shoal/bench/shm_subject.h"

#include "shoal/bench/shm/hash_map_rows.h"
#include "shoal/bench/shm/heap_rows.h"
#include "shoal/bench/shm/holding_rows.h"
#include "shoal/bench/shm/rw_lock_rows.h"
#include "shoal/bench/shm/section_rows.h"
#include "shoal/bench/shm/vector_rows.h"
#include "shoal/sync/status.h"

namespace shoal::bench {
namespace {

// One for each part of the package.
constexpr absl::StatusOr<std::vector<Row>> (*kParts[])(const Settings&) = {
    HeapRows,
    SectionRows,
    RwLockRows,
    VectorRows,
    HashMapRows,
    HoldingRows,
};

}  // namespace

absl::StatusOr<std::vector<Row>> MeasureShm(const Settings& settings) {
  std::vector<Row> rows;
  for (const auto part : kParts) {
    SHOAL_ASSIGN_OR_RETURN(const std::vector<Row> measured, part(settings));
    rows.insert(rows.end(), measured.begin(), measured.end());
  }
  return rows;
}

}  // namespace shoal::bench
