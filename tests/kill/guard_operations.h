#ifndef SHOAL_TESTS_KILL_GUARD_OPERATIONS_H_
#define SHOAL_TESTS_KILL_GUARD_OPERATIONS_H_

#include <vector>

#include "shoal/tests/kill/driver.h"

namespace shoal::tests {

// Sections among others who want the same: Mutex, RwLock, LockAll and Condition, with sleepers, thieves and rescuers that are
// killed too. (What a section itself does is in section_operations.)
std::vector<Operation> GuardOperations();

// With a protection switched off: sleepers whose list_op_pending is empty when they die.
std::vector<Operation> GuardOperationsThatHang();

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_KILL_GUARD_OPERATIONS_H_
