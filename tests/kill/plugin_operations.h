#ifndef SHOAL_TESTS_KILL_PLUGIN_OPERATIONS_H_
#define SHOAL_TESTS_KILL_PLUGIN_OPERATIONS_H_

#include <vector>

#include "shoal/tests/kill/driver.h"

namespace shoal::tests {

// Sections that a program opens and a plug-in, with a copy of the library of its own, works in; and the other way round.
std::vector<Operation> PluginOperations();

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_KILL_PLUGIN_OPERATIONS_H_
