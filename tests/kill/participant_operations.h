#ifndef SHOAL_TESTS_KILL_PARTICIPANT_OPERATIONS_H_
#define SHOAL_TESTS_KILL_PARTICIPANT_OPERATIONS_H_

#include <vector>

#include "shoal/tests/kill/driver.h"

namespace shoal::tests {

// Whoever finds that a process has gone of which the kernel told nobody, marks its words and takes back what it held.
std::vector<Operation> ParticipantOperations();

// One that gives a dead one's slot back first.
std::vector<Operation> ParticipantOperationsThatLeak();

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_KILL_PARTICIPANT_OPERATIONS_H_
