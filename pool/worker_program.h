#ifndef SHOAL_POOL_WORKER_PROGRAM_H_
#define SHOAL_POOL_WORKER_PROGRAM_H_

#include "absl/status/statusor.h"
#include "shoal/shm/unique_fd.h"

namespace shoal::pool_internal {

// The worker program, as an executable memory file. Its bytes are part of every program that links the pool, so a user's
// binary can be copied anywhere and finds its worker without an installation. Start it as /proc/self/fd/N.
absl::StatusOr<shm_internal::UniqueFd> OpenWorkerProgram();

}  // namespace shoal::pool_internal

#endif  // SHOAL_POOL_WORKER_PROGRAM_H_
