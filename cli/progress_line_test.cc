#include "shoal/cli/progress_line.h"

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace shoal::cli_internal {
namespace {

TEST(ProgressLineTest, WithAKnownEndItShowsTheShareAndTheTimeLeft) {
  EXPECT_EQ(ProgressLine({.calls = 1234, .failed = 2, .input_bytes = 250}, 1000, absl::Seconds(4), 79),
            " 25% [#####...............]  1,234 done, 2 failed, 308/s, 0:12 left");
}

TEST(ProgressLineTest, WithoutItShowsTheTimeSoFar) {
  EXPECT_EQ(ProgressLine({.calls = 12, .failed = 0, .input_bytes = 250}, std::nullopt, absl::Seconds(3661), 79),
            "12 done, 0 failed, 0.0/s, 1:01:01");
}

TEST(ProgressLineTest, TheEndIsTheEnd) {
  EXPECT_EQ(ProgressLine({.calls = 2'000'000, .failed = 0, .input_bytes = 10}, 10, absl::Seconds(2), 79),
            "100% [####################]  2,000,000 done, 0 failed, 1,000,000/s, 0:02");
  EXPECT_EQ(ProgressLine({}, 0, absl::Seconds(0), 79), "100% [####################]  0 done, 0 failed, 0.0/s, 0:00");
}

TEST(ProgressLineTest, ItIsNeverWiderThanTheTerminal) {
  EXPECT_EQ(ProgressLine({}, 100, absl::Seconds(1), 10), "  0% [....");
}

}  // namespace
}  // namespace shoal::cli_internal
