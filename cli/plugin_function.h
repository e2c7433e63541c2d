#ifndef SHOAL_CLI_PLUGIN_FUNCTION_H_
#define SHOAL_CLI_PLUGIN_FUNCTION_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "shoal/ipc/type_tree.h"
#include "shoal/pool/pool.h"

namespace shoal::cli_internal {

// A function of a pool's plug-ins, by its name, with its types as they can be read at run time.
struct PluginFunction {
  uint32_t index = 0;
  std::string name;
  ipc_internal::SignatureTree signature;
};

// Errors: NotFound, with the names there are.
absl::StatusOr<PluginFunction> FindFunction(const Pool& pool, const std::string& plugin, const std::string& name);

}  // namespace shoal::cli_internal

#endif  // SHOAL_CLI_PLUGIN_FUNCTION_H_
