#include "shoal/shm/lingering.h"

#include "shoal/shm/dispose.h"
#include "shoal/shm/holds.h"
#include "shoal/shm/membership.h"

namespace shoal::shm_internal {

void LetGoOfLingering(const std::shared_ptr<Attachment>& attachment) {
  Holds* const holds = HoldsOrNull(*attachment);
  if (holds == nullptr) {
    attachment->lingers().store(0, std::memory_order_relaxed);  // relaxed: what lingered was the parent's
  } else if (holds->DropUnused(*attachment)) {
    DestroyDoomed(attachment);
  }
}

}  // namespace shoal::shm_internal
