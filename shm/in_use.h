#ifndef SHOAL_SHM_IN_USE_H_
#define SHOAL_SHM_IN_USE_H_

#include <cstddef>

#include "shoal/shm/attachment.h"
#include "shoal/shm/layout_tree.h"

namespace shoal::shm_internal {

// Whether somebody who lives uses the object at `object`, which nobody holds any more: has it locked, reads it, has borrowed of it, or
// has permits of it. What a dead owner of a lock in it had open is undone, or finished, when this returns false.
// Who gives such a thing back looks for the doomed after that (AnyDoomed), and one of the two sees the other.
//
// Blocking: while another recoverer of the same section is at work.
bool IsInUse(Attachment& attachment, const Layout& layout, std::byte* object);

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_IN_USE_H_
