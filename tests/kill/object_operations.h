#ifndef SHOAL_TESTS_KILL_OBJECT_OPERATIONS_H_
#define SHOAL_TESTS_KILL_OBJECT_OPERATIONS_H_

#include <vector>

#include "shoal/tests/kill/driver.h"

namespace shoal::tests {

// Making objects, storing, copying and dropping handles to them, in sections and outside, destroying them, and reaping the dead.
std::vector<Operation> ObjectOperations();

// What must be found: a handle that is stored and not counted, a count that is changed without a record.
std::vector<Operation> ObjectOperationsThatLeak();

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_KILL_OBJECT_OPERATIONS_H_
