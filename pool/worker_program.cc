#include "shoal/pool/worker_program.h"

#include <cstddef>

#include "shoal/shm/memory_file.h"

// Made by the build from the worker's binary (BUILD: worker_object).
extern "C" {
extern const std::byte shoal_worker_program_begin[] __attribute__((visibility("hidden")));
extern const std::byte shoal_worker_program_end[] __attribute__((visibility("hidden")));
}

namespace shoal::pool_internal {

absl::StatusOr<shm_internal::UniqueFd> OpenWorkerProgram() {
  return shm_internal::CreateProgramFile("shoal-worker", {shoal_worker_program_begin, shoal_worker_program_end});
}

}  // namespace shoal::pool_internal
