#include "shoal/pool/worker_program.h"

#include <errno.h>
#include <unistd.h>

#include <cstddef>

#include "shoal/shm/memory_file.h"
#include "shoal/sync/status.h"

// Made by the build from the worker's binary (BUILD: worker_object).
extern "C" {
extern const std::byte shoal_worker_program_begin[] __attribute__((visibility("hidden")));
extern const std::byte shoal_worker_program_end[] __attribute__((visibility("hidden")));
}

namespace shoal::pool_internal {

absl::StatusOr<shm_internal::UniqueFd> OpenWorkerProgram() {
  SHOAL_ASSIGN_OR_RETURN(shm_internal::UniqueFd file, shm_internal::CreateMemoryFile("shoal-worker", 0));
  const std::byte* next = shoal_worker_program_begin;
  while (next != shoal_worker_program_end) {
    const ssize_t written = write(file.get(), next, static_cast<size_t>(shoal_worker_program_end - next));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return sync_internal::ErrnoStatus(errno, "no memory for the worker program");
    next += written;
  }
  return file;
}

}  // namespace shoal::pool_internal
