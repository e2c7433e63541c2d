#ifndef SHOAL_TESTS_KILL_SYNC_OPERATIONS_H_
#define SHOAL_TESTS_KILL_SYNC_OPERATIONS_H_

#include <vector>

#include "shoal/tests/kill/driver.h"

namespace shoal::tests {

// Every mutating operation of //sync, alone and with sleepers.
std::vector<Operation> SyncOperations();

// What must be found: glibc's robust mutex, and ours with a protection switched off.
std::vector<Operation> SyncOperationsThatHang();

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_KILL_SYNC_OPERATIONS_H_
