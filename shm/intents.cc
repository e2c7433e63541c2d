#include "shoal/shm/intents.h"

#include <atomic>
#include <cstdint>

namespace shoal::shm_internal {

void SetIntent(Intent& intent, Block block) {
  // relaxed, all: read only after this thread's death, in program order
  intent.offset.store(0, std::memory_order_relaxed);             // relaxed: as above
  std::atomic_signal_fence(std::memory_order_seq_cst);           // seq_cst: program order is what a death sees
  intent.tag.store(block.tag, std::memory_order_relaxed);        // relaxed: as above
  std::atomic_signal_fence(std::memory_order_seq_cst);           // seq_cst: program order
  intent.offset.store(block.offset, std::memory_order_relaxed);  // relaxed: as above
  std::atomic_signal_fence(std::memory_order_seq_cst);           // seq_cst: program order
}

void ClearIntent(Intent& intent) {
  std::atomic_signal_fence(std::memory_order_seq_cst);  // seq_cst: program order
  intent.offset.store(0, std::memory_order_relaxed);    // relaxed: read only after this thread's death
}

void FinishIntents(const Attachment& attachment, ThreadSlot& slot, HeapCache* cache) {
  const uint64_t journal =
      JournalPlace::Offset(slot.journal.load(std::memory_order_relaxed));  // relaxed: ours, or a dead thread's
  for (Intent* const intent : {&slot.leaving, &slot.growing}) {
    const Block block{.offset = intent->offset.load(std::memory_order_relaxed),  // relaxed: as above
                      .tag = intent->tag.load(std::memory_order_relaxed)};       // relaxed: as above
    if (block.offset == 0) continue;
    if (block.offset != journal) attachment.heap().Free(cache, block);
    ClearIntent(*intent);
  }
}

}  // namespace shoal::shm_internal
