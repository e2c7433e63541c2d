// A function that goes wrong at one input: that line carries the reason, all others are right.

#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shoal/tests/cli/program.h"

namespace shoal::cli_tests {
namespace {

class HazardsTest : public ProgramTest {
 protected:
  // Runs the function over 0 … 39 and returns line 13, the only one that may be wrong.
  static std::string LineOf13(const std::string& function, const std::vector<std::string>& options = {}) {
    std::string input;
    for (int i = 0; i < 40; ++i) input += std::to_string(i) + "\n";
    std::vector<std::string> arguments = {kShoal, "map", kHazards, function, "--workers", "2"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const Ended ended = RunProgram(arguments, input);
    EXPECT_EQ(ended.code, 1);
    std::istringstream lines(ended.out);
    std::string line;
    std::string of_13;
    for (int i = 0; i < 40; ++i) {
      std::getline(lines, line);
      if (i == 13) {
        of_13 = line;
      } else {
        EXPECT_EQ(line, std::to_string(i));
      }
    }
    EXPECT_FALSE(std::getline(lines, line));
    return of_13;
  }

  static void ExpectMatch(const std::string& line, const std::string& pattern) {
    EXPECT_THAT(line, testing::MatchesRegex(R"(\{"error": ")" + pattern + R"(", "index": 13\})"));
  }
};

TEST_F(HazardsTest, AnExceptionIsTypeAndWhat) {
  EXPECT_EQ(LineOf13("throw_error"),
            R"({"error": "throw_error threw std::runtime_error: 13 brings \"bad luck\"", "index": 13})");
}

TEST_F(HazardsTest, WhatIsThrownAndNoExceptionIsItsType) {
  EXPECT_EQ(LineOf13("throw_number"), R"({"error": "throw_number threw int", "index": 13})");
}

TEST_F(HazardsTest, AStatusIsItsCodeAndMessage) {
  EXPECT_EQ(LineOf13("return_status"), R"({"error": "NOT_FOUND: there is no 13th floor", "index": 13})");
}

TEST_F(HazardsTest, AnAbortIsItsSignalAfterTheRetry) {
  ExpectMatch(LineOf13("abort"), R"(worker [0-9]+ was killed by SIGABRT \(Aborted\) while it ran abort \(attempt 2\))");
}

TEST_F(HazardsTest, ASegfaultIsItsSignal) {
  ExpectMatch(LineOf13("segfault", {"--retries", "0"}),
              R"(worker [0-9]+ was killed by SIGSEGV \(Segmentation fault\) while it ran segfault)");
}

TEST_F(HazardsTest, AnExitIsItsCode) {
  ExpectMatch(LineOf13("exit", {"--retries", "3"}), R"(worker [0-9]+ exited with code 3 while it ran exit \(attempt 4\))");
}

TEST_F(HazardsTest, WhatNeverReturnsMeetsItsDeadline) {
  ExpectMatch(LineOf13("loop_for_ever", {"--timeout", "0.2"}),
              R"(loop_for_ever did not return within its deadline of 200ms; worker [0-9]+ was killed)");
}

TEST_F(HazardsTest, ChunksDoNotShareAFate) {
  ExpectMatch(LineOf13("abort", {"--chunk", "10"}), R"(worker [0-9]+ was killed by SIGABRT.*)");
}

}  // namespace
}  // namespace shoal::cli_tests
