// Two seconds of the bank; //tests/shm:bank runs it for as long as one likes.

#include "shoal/tests/shm/bank.h"

#include <stdlib.h>

#include <cstdio>
#include <random>

#include "gtest/gtest.h"

namespace shoal::tests {
namespace {

// The sum never changes, no account is lost, and the memory in use is that of a bank where nobody was killed.
TEST(BankTest, NothingIsLostWhoeverIsKilled) {
  const char* const given = getenv("SHOAL_BANK_SEED");
  const uint64_t seed = given != nullptr ? strtoull(given, nullptr, 10) : std::random_device()();
  printf("SHOAL_BANK_SEED=%lu\n", seed);
  const BankReport undisturbed = RunBank({.seed = seed, .seconds = 0, .sections_if_undisturbed = 500});
  EXPECT_EQ(undisturbed.wrong, "");
  EXPECT_EQ(undisturbed.kills, 0);
  const BankReport report = RunBank({.seed = seed, .seconds = 2});
  printf("%ld kills, %ld sections, %ld recoveries\n", report.kills, report.sections, report.recoveries);
  EXPECT_EQ(report.wrong, "");
  EXPECT_GT(report.kills, 0);
  EXPECT_GT(report.sections, 0);
  EXPECT_EQ(report.owned_blocks, undisturbed.owned_blocks);
  EXPECT_EQ(report.owned_bytes, undisturbed.owned_bytes);
}

}  // namespace
}  // namespace shoal::tests
