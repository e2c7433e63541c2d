/* The boundary is C: this file must compile with a C compiler. */
#include "shoal/plugins/abi.h"

_Static_assert(offsetof(shoal_plugin, abi_version) == 0, "the version says whether the rest can be read");
_Static_assert(sizeof(shoal_reply) == 32, "grows at the end only, with a new size that readers check");
_Static_assert(sizeof(shoal_function) == 48, "grows at the end only, with a new size that readers check");
_Static_assert(sizeof(shoal_plugin) == 32, "grows at the end only, with a new size that readers check");

int main(void) { return SHOAL_ABI_VERSION == 1u ? 0 : 1; }
