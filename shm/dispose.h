#ifndef SHOAL_SHM_DISPOSE_H_
#define SHOAL_SHM_DISPOSE_H_

#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/section.h"

// The end of objects that nobody holds any more: by their layout, so that a process that has never heard of their type can do it.

namespace shoal::shm_internal {

// Destroys the objects in the segment's list of the doomed, and those that nobody holds after that, unless somebody else is at it.
//
// Crash safety:  in steps, each a section without locks; what a dead thread has left of an object the next caller destroys.
// Blocking:      while another recovers what a dead owner of a lock in one of them had open. It stops where memory for a journal is
//                lacking; the rest waits for the next call.
void DestroyDoomed(const std::shared_ptr<Attachment>& attachment);

// DestroyDoomed, for a section that has dropped references (Section::After).
void DestroyDoomedAfter(Section& closed);

// Whether DestroyDoomed finds all that an object of the type with this code owns. InvalidArgument: the type is nested too deeply, or a
// class in it that is neither a plain struct nor one of ours owns shared memory where nobody finds it.
absl::Status CheckCanBeDestroyed(std::string_view code);

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_DISPOSE_H_
