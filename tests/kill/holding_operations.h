#ifndef SHOAL_TESTS_KILL_HOLDING_OPERATIONS_H_
#define SHOAL_TESTS_KILL_HOLDING_OPERATIONS_H_

#include <vector>

#include "shoal/tests/kill/driver.h"

namespace shoal::tests {

// Permits and borrows: taken, given back, waited for, held when their process dies, and taken back from the dead.
std::vector<Operation> HoldingOperations();

// The same with a protection left out on purpose.
std::vector<Operation> HoldingOperationsThatTear();

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_KILL_HOLDING_OPERATIONS_H_
