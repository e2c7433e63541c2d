#ifndef SHOAL_SHM_INHERITANCE_H_
#define SHOAL_SHM_INHERITANCE_H_

#include <string>

#include "shoal/shm/unique_fd.h"

namespace shoal::shm_internal {

// How Segment::Default() comes from a process to the children that this library starts: as an inherited descriptor, and a variable
// of the environment that says which it is.

// The variable's name.
inline constexpr char kInheritanceVariable[] = "SHOAL_DEFAULT_SEGMENT";

// "NAME=VALUE" for a child of this process which gets the segment's descriptor `fd` as `fd_in_child`.
std::string InheritanceOf(int fd, int fd_in_child);

// The descriptor that this process has got so; not valid if there is none. A program that was started by another program, which
// only passed its own environment and descriptors on, has none: the variable names the process that has started the heir.
UniqueFd TakeInheritance();

// Keeps the descriptor from programs that this process starts otherwise.
void CloseInheritanceOnExec();

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_INHERITANCE_H_
