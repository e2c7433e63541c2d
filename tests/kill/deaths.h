#ifndef SHOAL_TESTS_KILL_DEATHS_H_
#define SHOAL_TESTS_KILL_DEATHS_H_

#include "shoal/tests/kill/driver.h"

namespace shoal::tests {

// Plays the operation in this process and its children, death by death: at all points, or at those that are chosen. The process
// should do nothing else.
Tally KillInThisProcess(const Operation& operation, const Points& points);

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_KILL_DEATHS_H_
