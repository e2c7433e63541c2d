#include <cstdint>

#include "shoal/plugins/plugin.h"

namespace {

uint64_t Noop(uint64_t value) { return value; }

}  // namespace

SHOAL_PLUGIN(catalog) { catalog.Add("noop", Noop, "Its argument."); }
