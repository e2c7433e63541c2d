#ifndef SHOAL_TESTS_KILL_CONNECTION_OPERATIONS_H_
#define SHOAL_TESTS_KILL_CONNECTION_OPERATIONS_H_

#include <vector>

#include "shoal/tests/kill/driver.h"

namespace shoal::tests {

// Ends of pipes: messages sent and received, ends closed, taken over and sent, beside those who sleep at the other end.
std::vector<Operation> ConnectionOperations();

// One with a mistake that leaves a sleeper behind.
std::vector<Operation> ConnectionOperationsThatHang();

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_KILL_CONNECTION_OPERATIONS_H_
