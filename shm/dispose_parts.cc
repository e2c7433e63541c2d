#include "shoal/shm/dispose_parts.h"

#include <cstdint>
#include <cstring>

#include "shoal/shm/stored_word.h"
#include "shoal/sync/status.h"

namespace shoal::shm_internal {

absl::Status DamagedContainer() {
  return sync_internal::MakeStatus(absl::StatusCode::kDataLoss, "an object to be destroyed is damaged");
}

absl::Status InnerPart(Section&, const Layout& layout, const Place& place, Places& places) {
  if (!layout.parts.empty()) places.Add(layout.parts[0], place.at, 1);
  return absl::OkStatus();
}

absl::Status HandlePart(Section& section, const Layout& layout, const Place& place, Places&) {
  uint64_t word;
  if (layout.number != sizeof(word)) return DamagedContainer();
  std::memcpy(&word, place.at, sizeof(word));
  if (!StoredWord::Is(word)) return absl::OkStatus();
  SHOAL_RETURN_IF_ERROR(section.Save(place.at, sizeof(word)));
  // One that names nothing is forgotten all the same.
  const absl::Status dropped = section.Drop(StoredWord::Offset(word), nullptr);
  if (!dropped.ok() && !absl::IsDataLoss(dropped)) return dropped;
  std::memset(place.at, 0, sizeof(word));
  return absl::OkStatus();
}

}  // namespace shoal::shm_internal
