#include "shoal/cli/functions_command.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "shoal/ipc/type_tree.h"
#include "shoal/pool/pool.h"
#include "shoal/pool/pool_options.h"
#include "shoal/sync/status.h"

namespace shoal::cli_internal {

absl::StatusOr<std::string> ListFunctions(const std::string& plugin) {
  SHOAL_ASSIGN_OR_RETURN(const Pool pool,
                         Pool::Create({.workers = 1, .plugins = {plugin}, .worker_output_to_stderr = true}));
  std::string list;
  for (const FunctionInfo& function : pool.functions()) {
    SHOAL_ASSIGN_OR_RETURN(const ipc_internal::SignatureTree signature,
                           ipc_internal::ParseSignatureCode(function.signature));
    absl::StrAppend(&list, signature.Describe(function.name), "\n");
    if (!function.help.empty()) absl::StrAppend(&list, "    ", absl::StrReplaceAll(function.help, {{"\n", "\n    "}}), "\n");
  }
  return list;
}

}  // namespace shoal::cli_internal
