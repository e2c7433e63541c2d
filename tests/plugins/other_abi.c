/* A plug-in in plain C that was built for another version of the plug-in interface. */

#include "shoal/plugins/abi.h"

static const shoal_plugin kPlugin = {
    .abi_version = SHOAL_ABI_VERSION + 1,
    .function_count = 1,
    .struct_size = sizeof(shoal_plugin),
    /* What lies here in that version nobody knows: whoever looks ends badly. */
    .functions = (const shoal_function* const*)8,
    .error = (const char*)8,
};

const shoal_plugin* shoal_plugin_entry(const shoal_host* host) {
  (void)host;
  return &kPlugin;
}
