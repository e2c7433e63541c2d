#ifndef SHOAL_PLUGINS_LOADER_H_
#define SHOAL_PLUGINS_LOADER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "shoal/plugins/abi.h"

namespace shoal::plugins_internal {

// Loads a plug-in into this process, for good: its code may have threads and exit handlers. (The one place that names dlopen.)
//
// Thread safety: may be called from any thread. Crash safety: loading runs the plug-in's code; a process that cannot risk that
// lets a worker do it. Errors: NotFound: no such file. FailedPrecondition: not a plug-in, built for another ABI version, or its
// catalogue could not be made; the message is one sentence for the user.
absl::StatusOr<std::vector<const shoal_function*>> LoadPlugin(const std::string& path);

}  // namespace shoal::plugins_internal

#endif  // SHOAL_PLUGINS_LOADER_H_
