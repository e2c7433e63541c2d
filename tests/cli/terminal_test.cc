// The progress bar: on a terminal, and nowhere else.

#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "shoal/shm/unique_fd.h"
#include "shoal/tests/cli/program.h"

namespace shoal::cli_tests {
namespace {

using shm_internal::UniqueFd;

class TerminalTest : public ProgramTest {
 protected:
  TerminalTest() {
    int master = -1;
    int slave = -1;
    const struct winsize size = {.ws_row = 24, .ws_col = 100, .ws_xpixel = 0, .ws_ypixel = 0};
    EXPECT_EQ(openpty(&master, &slave, nullptr, nullptr, &size), 0);
    master_ = UniqueFd(master);
    slave_ = UniqueFd(slave);
  }

  // What was shown since the last call, once `last` is among it.
  std::string ShownUntil(const std::string& last) {
    std::string shown;
    char block[4096];
    while (shown.find(last) == std::string::npos) {
      const ssize_t size = read(master_.get(), block, sizeof block);
      if (size <= 0) return shown + "(end)";
      shown.append(block, static_cast<size_t>(size));
    }
    return shown;
  }

  UniqueFd master_;
  UniqueFd slave_;
};

TEST_F(TerminalTest, ATerminalShowsCountRateTimeLeftAndFailures) {
  const UniqueFd in = FileWith("1\n13\n2\n\"x\"\n");
  Program program({kShoal, "map", kHazards, "throw_error"}, {.in = in.get(), .err = slave_.get()});
  const Ended ended = program.Wait();
  EXPECT_EQ(ended.code, 1);
  const std::string shown = ShownUntil("\n");
  EXPECT_NE(shown.find("\r\x1b[K100% [####################]  4 done, 2 failed, "), std::string::npos) << shown;
  EXPECT_NE(shown.find("/s, 0:00"), std::string::npos) << shown;
}

TEST_F(TerminalTest, TheBarMovesWhileTheRunDoes) {
  Program program({kShoal, "map", kHazards, "throw_error"}, {.err = slave_.get()});
  ShownUntil("0 done, 0 failed");
  program.Write("1\n");
  ShownUntil("1 done, 0 failed");
  program.Write("13\n");
  ShownUntil("2 done, 1 failed");
  EXPECT_EQ(program.Wait().code, 1);
}

TEST_F(TerminalTest, ResultsOnTheSameTerminalDoNotMixWithTheBar) {
  Program program({kShoal, "map", kHazards, "throw_error"}, {.out = slave_.get(), .err = slave_.get()});
  ShownUntil("0 done");
  program.Write("77777\n");
  const std::string shown = ShownUntil("77777\r\n");
  // The bar may be drawn again before this test has read what was before it.
  EXPECT_NE(shown.find("\r\x1b[K77777\r\n"), std::string::npos) << shown;
  program.Wait();
}

TEST_F(TerminalTest, WithoutATerminalNothingIsWrittenAtAll) {
  const Ended ended = RunProgram({kShoal, "map", kHazards, "throw_error"}, "1\n13\n2\n");
  EXPECT_EQ(ended.err, "");
}

}  // namespace
}  // namespace shoal::cli_tests
