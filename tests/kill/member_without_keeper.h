#ifndef SHOAL_TESTS_KILL_MEMBER_WITHOUT_KEEPER_H_
#define SHOAL_TESTS_KILL_MEMBER_WITHOUT_KEEPER_H_

#include "shoal/shm/attachment.h"

namespace shoal::tests {

// Makes this process a participant without a keeper thread: this thread owns its life word. So it does only what a test tells it to,
// instruction by instruction; and it reaps nobody unless it is told to.
void JoinWithoutKeeper(shm_internal::Attachment& attachment);

// The same, unless this process is one already; and the keepers of those who are there watch it, as they do others.
void JoinWatchedWithoutKeeper(shm_internal::Attachment& attachment);

// Ends that. REQUIRES: by the same thread, before the segment is unmapped.
void LeaveWithoutKeeper(shm_internal::Attachment& attachment);

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_KILL_MEMBER_WITHOUT_KEEPER_H_
