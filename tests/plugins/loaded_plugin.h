#ifndef SHOAL_TESTS_PLUGINS_LOADED_PLUGIN_H_
#define SHOAL_TESTS_PLUGINS_LOADED_PLUGIN_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "shoal/ipc/codec.h"
#include "shoal/plugins/abi.h"
#include "shoal/plugins/loader.h"
#include "shoal/sync/check.h"

namespace shoal::tests {

// A plug-in in this very process, whose functions take addresses and return nothing or a status.
class LoadedPlugin final {
 public:
  explicit LoadedPlugin(const std::string& path) {
    auto functions = plugins_internal::LoadPlugin(path);
    SHOAL_CHECK(functions.ok(), "the test's plug-in can be loaded");
    functions_ = *std::move(functions);
  }

  template <class... Addresses>
  absl::Status Call(std::string_view name, const Addresses*... addresses) const {
    std::string arguments;
    ipc_internal::EncodeMessage(arguments, reinterpret_cast<uint64_t>(addresses)...);
    return Call(Find(name), arguments);
  }

  // For whoever cannot allocate on the way: under the kill driver every instruction counts.
  const shoal_function& Find(std::string_view name) const {
    for (const shoal_function* function : functions_) {
      if (function->name == name) return *function;
    }
    SHOAL_CHECK(false, "the plug-in has that function");
    __builtin_unreachable();
  }

  static absl::Status Call(const shoal_function& function, std::string_view arguments) {
    absl::Status outcome = absl::UnknownError("no outcome");
    const shoal_reply reply = {
        .struct_size = sizeof reply,
        .context = &outcome,
        .value = [](void* context, const void*, size_t) { *static_cast<absl::Status*>(context) = absl::OkStatus(); },
        .failure = [](void* context, int, int code, const char*, const char* message) {
          *static_cast<absl::Status*>(context) = absl::Status(static_cast<absl::StatusCode>(code), message);
        }};
    function.call(&function, arguments.data(), arguments.size(), &reply);
    return outcome;
  }

 private:
  std::vector<const shoal_function*> functions_;
};

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_PLUGINS_LOADED_PLUGIN_H_
