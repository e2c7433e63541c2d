// A sample of the deaths of //tests:kill_every_instruction, with a seed to repeat it by; and proof that the driver finds what it
// is made to find.

#include <stdlib.h>

#include <random>

#include "gtest/gtest.h"
#include "shoal/tests/kill/all_operations.h"
#include "shoal/tests/kill/driver.h"

namespace shoal::tests {
namespace {

TEST(KillTest, ASampleOfDeathsLeavesNobodyBehind) {
  const char* const given = getenv("SHOAL_KILL_SEED");
  const uint64_t seed = given != nullptr ? strtoull(given, nullptr, 10) : std::random_device()();
  printf("SHOAL_KILL_SEED=%lu\n", seed);
  std::vector<Tally> tallies;
  for (const OperationGroup& group : AllOperations()) {
    for (const Operation& operation : group.operations()) {
      tallies.push_back(KillAtEveryInstruction(operation, {.sample = 4, .seed = seed}));
      EXPECT_TRUE(tallies.back().clean()) << operation.name << ", seed " << seed;
    }
  }
  fputs(Table(tallies).c_str(), stdout);
}

// glibc's robust mutex loses a sleeper when its unlocker dies beside a thief, and so do ours without their list_op_pending; a
// section that does not save what it changes, or a block that is recorded after it is taken, is found out.
TEST(KillTest, WhatIsBrokenIsFound) {
  std::vector<Tally> tallies;
  for (const OperationGroup& group : AllOperations()) {
    if (group.broken == nullptr) continue;
    for (const Operation& operation : group.broken()) {
      tallies.push_back(KillAtEveryInstruction(operation, {.sample = 120, .seed = 1}));
      EXPECT_FALSE(tallies.back().clean()) << operation.name;
    }
  }
  fputs(Table(tallies).c_str(), stdout);
}

}  // namespace
}  // namespace shoal::tests
