#ifndef SHOAL_TESTS_KILL_LISTENER_OPERATIONS_H_
#define SHOAL_TESTS_KILL_LISTENER_OPERATIONS_H_

#include <vector>

#include "shoal/tests/kill/driver.h"

namespace shoal::tests {

// Listeners that are made, accept and are closed, and clients that connect, beside those at the other side, and others who start there.
std::vector<Operation> ListenerOperations();

// A lock that a dead starter keeps, and a server that offers what is not its own.
std::vector<Operation> ListenerOperationsThatHang();

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_KILL_LISTENER_OPERATIONS_H_
