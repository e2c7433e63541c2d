#ifndef SHOAL_CLI_FUNCTIONS_COMMAND_H_
#define SHOAL_CLI_FUNCTIONS_COMMAND_H_

#include <string>

#include "absl/status/statusor.h"

namespace shoal::cli_internal {

// `shoal functions`: what a plug-in offers, for people. The plug-in is loaded by a worker, never by this process.
// Errors: why it cannot be used.
absl::StatusOr<std::string> ListFunctions(const std::string& plugin);

}  // namespace shoal::cli_internal

#endif  // SHOAL_CLI_FUNCTIONS_COMMAND_H_
