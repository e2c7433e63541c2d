#ifndef SHOAL_CLI_MAP_COMMAND_H_
#define SHOAL_CLI_MAP_COMMAND_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace shoal::cli_internal {

struct MapArguments {
  std::string plugin;
  std::string function;
  std::vector<std::string> files;  // none: standard input
  int workers = 0;                 // 0: one per CPU
  bool ordered = true;
  int retries = 1;
  absl::Duration timeout = absl::InfiniteDuration();
  size_t chunk = 1;
};

// `shoal map`: one call per line of the input, one line per result. Returns the exit code: 0, 1: calls failed, 128 + n: ended by
// signal n. REQUIRES: the process has no other threads.
// Errors: why nothing could be done, or not all of the input be read: for standard error, and exit code 2.
absl::StatusOr<int> Map(const MapArguments& arguments);

}  // namespace shoal::cli_internal

#endif  // SHOAL_CLI_MAP_COMMAND_H_
