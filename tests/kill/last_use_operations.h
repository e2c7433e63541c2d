#ifndef SHOAL_TESTS_KILL_LAST_USE_OPERATIONS_H_
#define SHOAL_TESTS_KILL_LAST_USE_OPERATIONS_H_

#include <vector>

#include "shoal/tests/kill/driver.h"

namespace shoal::tests {

// An object without handles is kept by a guard, a reader, a borrow or a permit of it, and goes with that; or stays behind with its user.
std::vector<Operation> LastUseOperations();

// What must be found: an object that is destroyed while it is used.
std::vector<Operation> LastUseOperationsThatTear();

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_KILL_LAST_USE_OPERATIONS_H_
