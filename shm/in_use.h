#ifndef SHOAL_SHM_IN_USE_H_
#define SHOAL_SHM_IN_USE_H_

#include <cstddef>

#include "shoal/shm/attachment.h"
#include "shoal/shm/layout_tree.h"
#include "shoal/shm/participants.h"

// Who uses an object outside of calls: has a lock in it, reads it, has borrowed of it, or has permits of it. Seen by its layout.

namespace shoal::shm_internal {

// Whether an object of this type can be used so.
bool MayBeUsed(const Layout& layout);

// Whether a thread of this process, or this process as the participant `self`, uses the object. What has been given back before is seen
// to be back if `lingers` was set before (EDGE holds.lingering, in holds.cc).
bool IsUsedHere(const Attachment& attachment, ParticipantId self, const Layout& layout, std::byte* object);

// Of an object that nobody holds any more: undoes, or finishes, what dead owners of its locks had open. False: a lock has an owner that
// lives, though nobody may; or the memory for it is lacking.
// Blocking: while another recoverer of the same section is at work.
bool FinishDeadSections(Attachment& attachment, const Layout& layout, std::byte* object);

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_IN_USE_H_
