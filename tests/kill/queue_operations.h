#ifndef SHOAL_TESTS_KILL_QUEUE_OPERATIONS_H_
#define SHOAL_TESTS_KILL_QUEUE_OPERATIONS_H_

#include <vector>

#include "shoal/tests/kill/driver.h"

namespace shoal::tests {

// Queues of all kinds: who puts, takes, acknowledges, closes or joins, beside others who sleep on either side.
std::vector<Operation> QueueOperations();

// What loses messages, and must be found.
std::vector<Operation> QueueOperationsThatLose();

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_KILL_QUEUE_OPERATIONS_H_
