#ifndef SHOAL_TESTS_KILL_NAMED_SEGMENT_OPERATIONS_H_
#define SHOAL_TESTS_KILL_NAMED_SEGMENT_OPERATIONS_H_

#include <vector>

#include "shoal/tests/kill/driver.h"

namespace shoal::tests {

// Names of segments that come and go while somebody else wants them.
std::vector<Operation> NamedSegmentOperations();

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_KILL_NAMED_SEGMENT_OPERATIONS_H_
