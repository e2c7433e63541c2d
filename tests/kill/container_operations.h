#ifndef SHOAL_TESTS_KILL_CONTAINER_OPERATIONS_H_
#define SHOAL_TESTS_KILL_CONTAINER_OPERATIONS_H_

#include <vector>

#include "shoal/tests/kill/driver.h"

namespace shoal::tests {

// Vector, String, Box and Deque: every kind of change, several in one section, by threads that are killed, and so are their
// rescuers. All of a section is there or nothing of it, and no block is lost.
std::vector<Operation> ContainerOperations();

// The same with a protection switched off: each must lose, tear or leak something.
std::vector<Operation> ContainerOperationsThatTear();

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_KILL_CONTAINER_OPERATIONS_H_
