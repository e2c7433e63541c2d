#ifndef SHOAL_SHM_INTENTS_H_
#define SHOAL_SHM_INTENTS_H_

#include "shoal/shm/attachment.h"
#include "shoal/shm/heap.h"
#include "shoal/shm/layout.h"

// The blocks that a thread is about to take or to give back for itself, outside of what its section records: the places of its
// journal. A thread that dies in between leaves them named in its slot.

namespace shoal::shm_internal {

// A block that is about to be taken, or given back, outside any section.
void SetIntent(Intent& intent, Block block);
void ClearIntent(Intent& intent);

// Gives back those of the slot's two intended blocks that are not its journal, and forgets both. By the thread itself, by whoever
// undoes its section, or by the next one to have the slot; again after a death, but not by two at once.
void FinishIntents(const Attachment& attachment, ThreadSlot& slot, HeapCache* cache);

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_INTENTS_H_
