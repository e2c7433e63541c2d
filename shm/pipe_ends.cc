#include "shoal/shm/pipe_ends.h"

#include <atomic>

#include "shoal/shm/object.h"
#include "shoal/shm/thread_slot.h"

namespace shoal::shm_internal {

//  EDGE pipe.end: whoever changes who has an end, release → whoever looks, acquire. Publishes what the one before did with it.

void CloseTravellingEnd(const Attachment& attachment, uint64_t stored) {
  ObjectHeader* const object = ObjectAtOrNull(attachment, StoredEnd::Offset(stored));
  if (object == nullptr || !attachment.Contains(object + 1, sizeof(PipeEnds))) return;
  std::atomic<uint64_t>& end = reinterpret_cast<PipeEnds*>(ObjectOf(*object))->end[StoredEnd::Side(stored)];
  uint64_t seen = end.load(std::memory_order_relaxed);  // relaxed: the CAS decides
  if (EndWord::State(seen) != EndState::kTravelling) return;
  // pipe.end (acq_rel); on failure relaxed: somebody has done it
  end.compare_exchange_strong(seen, EndWord::With(seen, EndState::kClosed), std::memory_order_acq_rel,
                              std::memory_order_relaxed);
  // Who sleeps at the other end sleeps on `deaths`, too, and looks again.
  TellOfDeath(attachment.header());
}

}  // namespace shoal::shm_internal
