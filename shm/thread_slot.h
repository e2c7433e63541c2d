#ifndef SHOAL_SHM_THREAD_SLOT_H_
#define SHOAL_SHM_THREAD_SLOT_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/heap.h"
#include "shoal/shm/layout.h"
#include "shoal/sync/robust_list.h"

// A thread's slot in a segment: who may take it, and what its last thread may have left there. See thread_slot.cc.

namespace shoal::shm_internal {

// Takes a slot for this thread, and finishes what its last thread left half done. ResourceExhausted: all are in use.
absl::StatusOr<int> ClaimThreadSlot(sync_internal::Thread& self, Attachment& attachment);

// Gives it up. REQUIRES: no section is open in it; this thread has it.
void ReleaseThreadSlot(sync_internal::Thread& self, const Attachment& attachment, ThreadSlot& slot);

// Takes back what the dead threads of a dead process left: undoes or finishes their sections, whoever else may want their locks, and
// frees slots, journals and slabs. By several processes at once, and again after a death.
void ReapThreadSlots(sync_internal::Thread& self, Attachment& attachment, uint64_t process);

// What the threads of a dead process had open is undone or finished when this returns, by whomever. By several processes at once.
// Blocking: while another recoverer of the same section is at work.
void FinishSectionsOf(const Attachment& attachment, uint64_t process);

// Marks the life words of threads of a dead process that are gone, where the kernel has not: see the backstop in
// sync/robust_lock.cc.
void MarkGoneThreads(const Attachment& attachment, uint64_t process);

// Something that a sleeper may wait for is no more: wakes all who sleep on the segment's `deaths`.
void TellOfDeath(SegmentHeader& header);

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_THREAD_SLOT_H_
