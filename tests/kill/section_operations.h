#ifndef SHOAL_TESTS_KILL_SECTION_OPERATIONS_H_
#define SHOAL_TESTS_KILL_SECTION_OPERATIONS_H_

#include <vector>

#include "shoal/tests/kill/driver.h"

namespace shoal::tests {

// Failure-atomic sections, with allocations, rollbacks, sleepers and rescuers that are killed too.
std::vector<Operation> SectionOperations();

// The same with a protection switched off: each must lose, tear or leak something.
std::vector<Operation> SectionOperationsThatTear();

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_KILL_SECTION_OPERATIONS_H_
