/* A plug-in of another version of the interface, written in C. */
#include "shoal/plugins/abi.h"

const shoal_plugin* shoal_plugin_entry(const shoal_host* host);
const shoal_plugin* shoal_plugin_entry(const shoal_host* host) {
  static shoal_plugin plugin = {.abi_version = SHOAL_ABI_VERSION + 41, .struct_size = sizeof(shoal_plugin)};
  (void)host;
  return &plugin;
}
