#include "shoal/cli/plugin_function.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "shoal/pool/pool_options.h"
#include "shoal/sync/status.h"

namespace shoal::cli_internal {

absl::StatusOr<PluginFunction> FindFunction(const Pool& pool, const std::string& plugin, const std::string& name) {
  std::vector<std::string> names;
  for (const FunctionInfo& function : pool.functions()) {
    if (function.name == name) {
      SHOAL_ASSIGN_OR_RETURN(ipc_internal::SignatureTree signature, ipc_internal::ParseSignatureCode(function.signature));
      return PluginFunction{.index = static_cast<uint32_t>(names.size()), .name = name, .signature = std::move(signature)};
    }
    names.push_back(function.name);
  }
  return sync_internal::MakeStatus(
      absl::StatusCode::kNotFound,
      absl::StrCat(plugin, " has no function \"", name, "\"; it has ", names.empty() ? "none" : absl::StrJoin(names, ", ")));
}

}  // namespace shoal::cli_internal
