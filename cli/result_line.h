#ifndef SHOAL_CLI_RESULT_LINE_H_
#define SHOAL_CLI_RESULT_LINE_H_

#include <string>

#include "absl/status/status.h"
#include "shoal/cli/call_window.h"
#include "shoal/ipc/type_tree.h"

namespace shoal::cli_internal {

// Appends the line that tells how a call ended: in order the bare result, or {"error": "…", "index": 7}; not in order
// {"index": 7, "result": …} or {"index": 7, "error": "…"}. Returns why the line has an error although the call ended well: its
// result is nothing that JSON can hold.
//
// Thread safety: pure function.
absl::Status AppendResultLine(const ipc_internal::TypeTree& type, const EndedCall& call, bool ordered, std::string& out);

}  // namespace shoal::cli_internal

#endif  // SHOAL_CLI_RESULT_LINE_H_
