// A sample of the deaths of //tests:kill_every_instruction, with a seed to repeat it by; and proof that the driver finds what it
// is made to find.

#include <stdlib.h>

#include <random>

#include "gtest/gtest.h"
#include "shoal/tests/kill/driver.h"
#include "shoal/tests/kill/heap_operations.h"
#include "shoal/tests/kill/section_operations.h"
#include "shoal/tests/kill/sync_operations.h"

namespace shoal::tests {
namespace {

TEST(KillTest, ASampleOfDeathsLeavesNobodyBehind) {
  const char* const given = getenv("SHOAL_KILL_SEED");
  const uint64_t seed = given != nullptr ? strtoull(given, nullptr, 10) : std::random_device()();
  printf("SHOAL_KILL_SEED=%lu\n", seed);
  std::vector<Tally> tallies;
  for (const std::vector<Operation>& operations : {SyncOperations(), HeapOperations(), SectionOperations()}) {
    for (const Operation& operation : operations) {
      tallies.push_back(KillAtEveryInstruction(operation, {.sample = 4, .seed = seed}));
      EXPECT_TRUE(tallies.back().clean()) << operation.name << ", seed " << seed;
    }
  }
  fputs(Table(tallies).c_str(), stdout);
}

// glibc's robust mutex loses a sleeper when its unlocker dies beside a thief; and so do ours without their list_op_pending.
TEST(KillTest, WhatHangsIsFound) {
  std::vector<Tally> tallies;
  for (const Operation& operation : SyncOperationsThatHang()) {
    tallies.push_back(KillAtEveryInstruction(operation, {}));
    EXPECT_GT(tallies.back().hangs, 0) << operation.name;
  }
  fputs(Table(tallies).c_str(), stdout);
}

// A section that does not save what it changes, or does not record what it takes, is found out.
TEST(KillTest, WhatTearsIsFound) {
  std::vector<Tally> tallies;
  for (const Operation& operation : SectionOperationsThatTear()) {
    tallies.push_back(KillAtEveryInstruction(operation, {.sample = 120, .seed = 1}));
    EXPECT_FALSE(tallies.back().clean()) << operation.name;
  }
  fputs(Table(tallies).c_str(), stdout);
}

// An allocation that is recorded after it is made is lost when its maker dies in between.
TEST(KillTest, WhatLeaksIsFound) {
  for (const Operation& operation : HeapOperationsThatLeak()) {
    EXPECT_GT(KillAtEveryInstruction(operation, {}).leaked, 0) << operation.name;
  }
}

}  // namespace
}  // namespace shoal::tests
