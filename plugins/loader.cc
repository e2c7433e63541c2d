#include "shoal/plugins/loader.h"

#include <dlfcn.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "shoal/ipc/type_tree.h"
#include "shoal/plugins/build_signature.h"
#include "shoal/sync/robust_list.h"
#include "shoal/sync/status.h"

namespace shoal::plugins_internal {
namespace {

using sync_internal::ErrnoStatus;
using sync_internal::MakeStatus;

absl::Status NoPlugin(const std::string& path, absl::string_view why) {
  return MakeStatus(absl::StatusCode::kFailedPrecondition, absl::StrCat(path, " is not a shoal plug-in: ", why));
}

// dlopen's messages begin with the path, which ours have already.
std::string LoaderError(const std::string& path) {
  const char* const error = dlerror();
  absl::string_view text = error == nullptr ? "the dynamic loader does not say why" : error;
  absl::ConsumePrefix(&text, absl::StrCat(path, ": "));
  return std::string(text);
}

// A function's fields come from foreign memory: every one is looked at before it is used.
absl::Status CheckFunction(const std::string& path, const shoal_function* function) {
  if (function == nullptr || function->struct_size < offsetof(shoal_function, call) + sizeof(function->call) ||
      function->name == nullptr || function->signature == nullptr || function->help == nullptr ||
      function->call == nullptr) {
    return NoPlugin(path, "an entry of its catalogue is incomplete");
  }
  if (!ipc_internal::ParseSignatureCode(function->signature).ok()) {
    return NoPlugin(path, absl::StrCat("the signature of \"", function->name, "\" is not readable: ", function->signature));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<const shoal_function*>> LoadPlugin(const std::string& path) {
  struct stat found;
  if (stat(path.c_str(), &found) != 0) return ErrnoStatus(errno, absl::StrCat("cannot load plug-in ", path));
  if (!S_ISREG(found.st_mode)) return NoPlugin(path, "it is not a regular file");

  // A path without a slash would be searched for in the system's library folders.
  const std::string exact = absl::StrContains(path, '/') ? path : absl::StrCat("./", path);
  void* const library = dlopen(exact.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return NoPlugin(path, LoaderError(exact));

  const auto entry = reinterpret_cast<shoal_plugin_entry_function>(dlsym(library, SHOAL_PLUGIN_ENTRY_SYMBOL));
  if (entry == nullptr) return NoPlugin(path, "it is a shared library without a SHOAL_PLUGIN block");

  static const shoal_host host = {.abi_version = SHOAL_ABI_VERSION,
                           .reserved = 0,
                           .struct_size = sizeof(shoal_host),
                           .process_table = sync_internal::TableToGive(),
                           .build_signature = BuildSignature()};
  const shoal_plugin* const plugin = entry(&host);
  if (plugin == nullptr) return NoPlugin(path, "its entry function returned nothing");
  if (plugin->abi_version != SHOAL_ABI_VERSION) {
    return MakeStatus(absl::StatusCode::kFailedPrecondition,
                      absl::StrCat(path, " was built for version ", plugin->abi_version,
                                   " of the plug-in interface, this program has version ", SHOAL_ABI_VERSION,
                                   ": build it again with this program's headers"));
  }
  if (plugin->struct_size < offsetof(shoal_plugin, error) + sizeof(plugin->error)) {
    return NoPlugin(path, "its description is incomplete");
  }
  if (plugin->error != nullptr) {
    return MakeStatus(absl::StatusCode::kFailedPrecondition, absl::StrCat("plug-in ", path, ": ", plugin->error));
  }
  std::vector<const shoal_function*> functions;
  for (uint32_t i = 0; i < plugin->function_count; ++i) {
    SHOAL_RETURN_IF_ERROR(CheckFunction(path, plugin->functions[i]));
    functions.push_back(plugin->functions[i]);
  }
  return functions;
}

}  // namespace shoal::plugins_internal
