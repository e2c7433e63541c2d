#ifndef SHOAL_TESTS_KILL_ALL_OPERATIONS_H_
#define SHOAL_TESTS_KILL_ALL_OPERATIONS_H_

#include <span>
#include <string_view>
#include <vector>

#include "shoal/tests/kill/driver.h"

namespace shoal::tests {

// The operations of one part of the library, and beside them some that are broken on purpose, which the driver must find out.
struct OperationGroup {
  using Make = std::vector<Operation> (*)();

  std::string_view name;
  Make operations;
  Make broken = nullptr;  // none: what would break this group is shown elsewhere
};

// Every operation that is killed at every instruction: one row for each part, in the order of the packages.
std::span<const OperationGroup> AllOperations();

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_KILL_ALL_OPERATIONS_H_
