// A sample of the deaths of //tests:kill_every_instruction, with a seed to repeat it by; and proof that the driver finds what it
// is made to find.

#include <stdio.h>
#include <stdlib.h>

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "shoal/tests/kill/all_operations.h"
#include "shoal/tests/kill/driver.h"

namespace shoal::tests {
namespace {

constexpr int kJobs = 2;
// The more operations there are, the fewer points of each are taken, so that the test takes as long as it did; the seed is another
// each time.
constexpr size_t kPointsInAll = 1500;
constexpr size_t kPointsAtLeast = 3;
constexpr size_t kPointsAtMost = 30;

TEST(KillTest, ASampleOfDeathsLeavesNobodyBehind) {
  const char* const given = getenv("SHOAL_KILL_SEED");
  const uint64_t seed = given != nullptr ? strtoull(given, nullptr, 10) : std::random_device()();
  printf("SHOAL_KILL_SEED=%lu\n", seed);
  std::vector<Operation> operations;
  for (const OperationGroup& group : AllOperations()) {
    for (Operation& operation : group.operations()) operations.push_back(std::move(operation));
  }
  const auto sample = static_cast<int64_t>(std::clamp(kPointsInAll / operations.size(), kPointsAtLeast, kPointsAtMost));
  const std::vector<Tally> tallies = KillSideBySide(operations, {.sample = sample, .seed = seed}, kJobs);
  for (const Tally& tally : tallies) {
    EXPECT_TRUE(tally.clean()) << tally.name << ", seed " << seed;
    EXPECT_GT(tally.points, 0) << tally.name;
  }
  fputs(Table(tallies).c_str(), stdout);
}

// glibc's robust mutex loses a sleeper when its unlocker dies beside a thief, and so do ours without their list_op_pending; a
// section that does not save what it changes, or a block that is recorded after it is taken, is found out.
TEST(KillTest, WhatIsBrokenIsFound) {
  std::vector<Operation> operations;
  for (const OperationGroup& group : AllOperations()) {
    if (group.broken == nullptr) continue;
    for (Operation& operation : group.broken()) operations.push_back(std::move(operation));
  }
  const std::vector<Tally> tallies = KillSideBySide(operations, {.sample = 1000, .seed = 1, .until_found = true}, kJobs);
  for (const Tally& tally : tallies) EXPECT_FALSE(tally.clean()) << tally.name;
  fputs(Table(tallies).c_str(), stdout);
}

}  // namespace
}  // namespace shoal::tests
