#ifndef SHOAL_CLI_JSON_RESULT_H_
#define SHOAL_CLI_JSON_RESULT_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "shoal/ipc/type_tree.h"

namespace shoal::cli_internal {

// From the bytes of a call's result to JSON: the forms of json_arguments.h, so that a result can be an argument again. Floating
// point numbers have as many digits as it takes to read the same number back; void is null.
//
// What JSON cannot hold is an error, and never quietly something else: a string that is not UTF-8, and numbers that are
// infinite or no number (NaN).
//
// Thread safety: pure function.
// Errors: OutOfRange: a value JSON cannot hold. DataLoss: the bytes are not of this type. `json` then holds something unspecified.

// Appends the result.
absl::Status DecodeResult(const ipc_internal::TypeTree& type, std::string_view bytes, std::string& json);

}  // namespace shoal::cli_internal

#endif  // SHOAL_CLI_JSON_RESULT_H_
