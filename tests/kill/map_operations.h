#ifndef SHOAL_TESTS_KILL_MAP_OPERATIONS_H_
#define SHOAL_TESTS_KILL_MAP_OPERATIONS_H_

#include <vector>

#include "shoal/tests/kill/driver.h"

namespace shoal::tests {

// What changes a HashMap in a section, and sections with several changes.
std::vector<Operation> MapOperations();

// A map that is changed behind its own back: found out.
std::vector<Operation> MapOperationsThatTear();

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_KILL_MAP_OPERATIONS_H_
