// A short run of //tests/ipc:soak.

#include "shoal/tests/ipc/soak.h"

#include <stdio.h>
#include <stdlib.h>

#include <random>

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace shoal::tests {
namespace {

SoakReport ShortSoak(const SoakPlan& plan) {
  const char* const given = getenv("SHOAL_SOAK_SEED");
  const uint64_t seed = given != nullptr ? strtoull(given, nullptr, 10) : std::random_device()();
  printf("SHOAL_SOAK_SEED=%lu\n", seed);
  const SoakReport report = Soak(plan, absl::Seconds(1), seed);
  printf("%s\n", report.InWords().c_str());
  EXPECT_TRUE(report.clean()) << report.InWords();
  EXPECT_GT(report.delivered, 100);
  return report;
}

TEST(SoakTest, AQueueLosesNothingAndNobodyIsWedged) {
  EXPECT_GT(ShortSoak({.kind = SoakKind::kQueue}).kills, 5);
}
TEST(SoakTest, AJoinableQueueLosesNothingAndIsJoined) {
  EXPECT_GT(ShortSoak({.kind = SoakKind::kJoinable}).kills, 5);
}
TEST(SoakTest, ASimpleQueueLosesWhatTheDeadHadTaken) {
  EXPECT_GT(ShortSoak({.kind = SoakKind::kSimple}).kills, 5);
}
TEST(SoakTest, WhoIsStoppedHoldsUpNobody) {
  EXPECT_GT(ShortSoak({.kind = SoakKind::kQueue, .kills = false}).stops, 5);
}

}  // namespace
}  // namespace shoal::tests
