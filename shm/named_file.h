#ifndef SHOAL_SHM_NAMED_FILE_H_
#define SHOAL_SHM_NAMED_FILE_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/shm/unique_fd.h"

namespace shoal::shm_internal {

// Memory files with names: files in /dev/shm called "shoal." and the name, so that they never meet another library's.
//
// A file gets its name last, when it is complete: until then nobody can find it, and it is gone with its last descriptor. So a
// creator that dies half-way leaves nothing, and neither blocks an opener nor a second creator.
//
// Errors of all: InvalidArgument: a name is 1 to 249 bytes, without '/' and NUL, and not "." or "..".

// Whether a file can have this name.
absl::Status CheckName(std::string_view name);

// A file without a name, readable and writable by its owner. It has no bytes. Close on exec.
// Errors: Unimplemented: /dev/shm cannot hold such files; ResourceExhausted.
absl::StatusOr<UniqueFd> CreateNamelessFile();

// Gives it its name. AlreadyExists: another has it.
absl::Status GiveName(const UniqueFd& file, std::string_view name);

// NotFound; PermissionDenied: it belongs to another user; DataLoss: something else than a file has the name.
absl::StatusOr<UniqueFd> OpenNamedFile(std::string_view name);

// Takes the name away; whoever has the file keeps it. NotFound.
absl::Status RemoveName(std::string_view name);

// All names there are, whatever stands behind them, in no order.
absl::StatusOr<std::vector<std::string>> ListNames();

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_NAMED_FILE_H_
