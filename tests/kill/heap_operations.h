#ifndef SHOAL_TESTS_KILL_HEAP_OPERATIONS_H_
#define SHOAL_TESTS_KILL_HEAP_OPERATIONS_H_

#include <vector>

#include "shoal/tests/kill/driver.h"

namespace shoal::tests {

// Every mutating operation of a segment's heap, with a journal of one's allocations as its users keep one.
std::vector<Operation> HeapOperations();

// What must be found: an allocation that is recorded after it is made.
std::vector<Operation> HeapOperationsThatLeak();

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_KILL_HEAP_OPERATIONS_H_
