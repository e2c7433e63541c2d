// A plug-in that works in the segment of its process tree.

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/plugins/plugin.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/segment.h"
#include "shoal/sync/status.h"

namespace {

absl::Status AddOneAt(uint64_t offset) {
  auto* const mutex = shoal::Segment::Default().At<shoal::Mutex<uint64_t>>(offset);
  if (mutex == nullptr) return absl::NotFoundError("nothing lies there");
  SHOAL_ASSIGN_OR_RETURN(const auto guard, mutex->Lock());
  ++*guard;
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> MakeWith(uint64_t value) {
  SHOAL_ASSIGN_OR_RETURN(const size_t offset, shoal::Segment::Default().Allocate(sizeof(value), alignof(uint64_t)));
  *shoal::Segment::Default().At<uint64_t>(offset) = value;
  return offset;
}

}  // namespace

SHOAL_PLUGIN(catalog) {
  catalog.Add("add_one_at", AddOneAt);
  catalog.Add("make_with", MakeWith);
}
