// A short run of //tests/ipc:soak.

#include "shoal/tests/ipc/soak.h"

#include <stdio.h>
#include <stdlib.h>

#include <random>

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace shoal::tests {
namespace {

TEST(SoakTest, NothingIsLostAndNobodyIsWedged) {
  const char* const given = getenv("SHOAL_SOAK_SEED");
  const uint64_t seed = given != nullptr ? strtoull(given, nullptr, 10) : std::random_device()();
  printf("SHOAL_SOAK_SEED=%lu\n", seed);
  const SoakReport report = Soak(absl::Seconds(3), seed);
  printf("%s\n", report.InWords().c_str());
  EXPECT_TRUE(report.clean()) << report.InWords();
  EXPECT_GT(report.kills, 10);
  EXPECT_GT(report.delivered, 100);
}

}  // namespace
}  // namespace shoal::tests
