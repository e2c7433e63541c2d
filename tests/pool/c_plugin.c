/* A plug-in in plain C: adds 1 to a number. It can be written without this library's C++ headers. */
#include <string.h>

#include "shoal/plugins/abi.h"

static void Increment(const shoal_function* self, const void* arguments, size_t size, const shoal_reply* reply) {
  uint64_t n;
  (void)self;
  if (size != sizeof n) {
    reply->failure(reply->context, SHOAL_FAILURE_ARGUMENTS, 0, "", "one uint64 is wanted");
    return;
  }
  memcpy(&n, arguments, sizeof n);
  n += 1;
  reply->value(reply->context, &n, sizeof n);
}

static void Silent(const shoal_function* self, const void* arguments, size_t size, const shoal_reply* reply) {
  (void)self, (void)arguments, (void)size, (void)reply;
}

const shoal_plugin* shoal_plugin_entry(const shoal_host* host);
const shoal_plugin* shoal_plugin_entry(const shoal_host* host) {
  static const shoal_function increment = {sizeof(shoal_function), "increment", "(u8)->u8", "n + 1", NULL, Increment};
  static const shoal_function silent = {sizeof(shoal_function), "silent", "()->u8", "forgets to reply", NULL, Silent};
  static const shoal_function* const functions[] = {&increment, &silent};
  static const shoal_plugin plugin = {SHOAL_ABI_VERSION, 2, sizeof(shoal_plugin), functions, NULL};
  (void)host;
  return &plugin;
}
