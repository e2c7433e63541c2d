// Killing, interrupting and leaving a run: what was done is printed, nothing is left behind. (That is checked by the fixture.)

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "shoal/tests/cli/program.h"

namespace shoal::cli_tests {
namespace {

constexpr int kExitInterrupted = 130;

class DeathTest : public ProgramTest {
 protected:
  // A line that hangs the first time it is run, and then makes the file.
  std::string HangingLine(const std::string& name) const { return "\"" + Path(name) + "\"\n"; }

  std::vector<std::string> Map(const std::vector<std::string>& options) const {
    std::vector<std::string> arguments = {kShoal, "map", kHazards, "hang_once"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    return arguments;
  }
};

std::string Repeat(const std::string& text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

TEST_F(DeathTest, AKilledWorkersTaskIsRunAgainAndTheOutputIsTheSame) {
  Program program(Map({"--workers", "2"}));
  program.Write(Repeat("\"\"\n", 50) + HangingLine("begun") + Repeat("\"\"\n", 50));
  program.CloseInput();
  ASSERT_EQ(kill(WaitForPid(Path("begun")), SIGKILL), 0);
  const Ended ended = program.Wait();
  EXPECT_EQ(ended.out, Repeat("0\n", 50) + "1\n" + Repeat("0\n", 50));
  EXPECT_EQ(ended.code, 0);
  EXPECT_EQ(ended.err, "");
}

TEST_F(DeathTest, WithoutRetriesExactlyThatLineSaysWhoDiedAndHow) {
  Program program(Map({"--workers", "2", "--retries", "0"}));
  program.Write(Repeat("\"\"\n", 50) + HangingLine("begun") + Repeat("\"\"\n", 50));
  program.CloseInput();
  const pid_t worker = WaitForPid(Path("begun"));
  ASSERT_EQ(kill(worker, SIGKILL), 0);
  const Ended ended = program.Wait();
  EXPECT_EQ(ended.out, Repeat("0\n", 50) + R"({"error": "worker )" + std::to_string(worker) +
                           R"( was killed by SIGKILL (Killed) while it ran hang_once", "index": 50})" + "\n" +
                           Repeat("0\n", 50));
  EXPECT_EQ(ended.code, 1);
}

// Property: whichever workers die and whenever, with enough retries the output is that of a run without deaths.
TEST_F(DeathTest, WorkersThatDieAllTheTimeChangeNothing) {
  constexpr int kCalls = 5'000;
  constexpr int kKills = 20;
  std::string input;
  for (int i = 0; i < kCalls; ++i) input += std::to_string(i == 13 ? 0 : i) + "\n";
  Program program({kShoal, "map", kHazards, "exit", "--workers", "2", "--retries", "1000"});
  for (int i = 0; i < kKills; ++i) {
    program.Write(input);
    std::vector<pid_t> workers;
    WaitUntil([&] { return !(workers = program.Workers()).empty(); });
    kill(workers.front(), SIGKILL);
    for (int line = 0; line < kCalls; ++line) ASSERT_EQ(program.ReadLine(), std::to_string(line == 13 ? 0 : line));
  }
  EXPECT_EQ(program.Wait().code, 0);
}

TEST_F(DeathTest, NoWorkerSurvivesTheProgram) {
  Program program(Map({"--workers", "3"}));
  program.Write(HangingLine("a") + HangingLine("b") + HangingLine("c"));
  for (const char* name : {"a", "b", "c"}) WaitForPid(Path(name));
  ASSERT_EQ(program.Workers().size(), 3u);
  program.Kill();
  EXPECT_EQ(program.Wait().code, -SIGKILL);
  WaitForOrphans();
}

TEST_F(DeathTest, CtrlCEndsTheRunWithWhatWasFinishedPrinted) {
  Program program(Map({"--workers", "2"}));
  program.Write(Repeat("\"\"\n", 5) + HangingLine("begun") + Repeat("\"\"\n", 5));
  for (int i = 0; i < 5; ++i) ASSERT_EQ(program.ReadLine(), "0");
  WaitForPid(Path("begun"));
  program.Signal(SIGINT);
  const Ended ended = program.Wait();
  EXPECT_EQ(ended.code, kExitInterrupted);
  EXPECT_EQ(ended.out, "");  // what came after the hanging call cannot be printed in order
  EXPECT_EQ(ended.err, "");
}

TEST_F(DeathTest, CtrlCEndsARunThatWaitsForInput) {
  Program program(Map({}));
  program.Write("\"\"\n");
  ASSERT_EQ(program.ReadLine(), "0");
  program.Signal(SIGINT);
  EXPECT_EQ(program.Wait().code, kExitInterrupted);
}

TEST_F(DeathTest, CtrlCEndsARunWhoseOutputNobodyReads) {
  Program program({kShoal, "map", kHazards, "zeros"});
  program.Write(Repeat("100000\n", 4));
  // The pipe is full when what it holds stays the same: at least all but one write of PIPE_BUF.
  WaitUntil([&] {
    int held = 0;
    ioctl(program.output(), FIONREAD, &held);
    return held > fcntl(program.output(), F_GETPIPE_SZ) - 4096;
  });
  program.Signal(SIGINT);
  EXPECT_EQ(program.Wait().code, kExitInterrupted);
}

TEST_F(DeathTest, CtrlCWhileAPlugInLoadsEndsItToo) {
  Program program(Map({}));
  program.Signal(SIGINT);  // at the very beginning: sooner or later than anything
  const int code = program.Wait().code;
  EXPECT_TRUE(code == kExitInterrupted || code == -SIGINT) << code;
  WaitForOrphans();
}

TEST_F(DeathTest, SigtermEndsTheRunInOrder) {
  Program program(Map({}));
  program.Write(HangingLine("begun"));
  WaitForPid(Path("begun"));
  kill(program.pid(), SIGTERM);
  EXPECT_EQ(program.Wait().code, 128 + SIGTERM);
}

TEST_F(DeathTest, AnInterruptThatWasIgnoredStaysIgnored) {
  Program program(Map({}), {.ignores_interrupt = true});
  program.Write("\"\"\n");
  ASSERT_EQ(program.ReadLine(), "0");
  program.Signal(SIGINT);
  program.Write("\"\"\n");
  ASSERT_EQ(program.ReadLine(), "0");
  EXPECT_EQ(program.Wait().code, 0);
}

TEST_F(DeathTest, AReaderThatLeavesEndsTheRunQuietly) {
  Program program(Map({"--workers", "2"}));
  program.Write("\"\"\n" + HangingLine("begun"));
  ASSERT_EQ(program.ReadLine(), "0");
  WaitForPid(Path("begun"));
  program.CloseOutput();  // while it has nothing to write
  const Ended ended = program.Wait();
  EXPECT_EQ(ended.code, 128 + SIGPIPE);
  EXPECT_EQ(ended.err, "");
}

TEST_F(DeathTest, HeadEndsAnEndlessRun) {
  const Ended ended = RunProgram({"sh", "-c", "yes 7 | " + std::string(kShoal) + " map " + kHazards + " exit | head -n 1"});
  EXPECT_EQ(ended.out, "7\n");
  EXPECT_EQ(ended.err, "");
  WaitForOrphans();  // the shell waits for head only
}

uint64_t PeakMemoryKilobytes(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6));
  }
  return 0;
}

TEST_F(DeathTest, EndlessInputWorksInConstantMemory) {
  constexpr int kSome = 30'000;
  constexpr int kMany = 300'000;
  constexpr uint64_t kNoise = 16 * 1024;
  Program yes({"yes", "7"}, {.in = STDIN_FILENO});
  Program program({kShoal, "map", kHazards, "exit", "--workers", "2"}, {.in = yes.output()});
  yes.CloseOutput();
  for (int i = 0; i < kSome; ++i) ASSERT_EQ(program.ReadLine(), "7");
  const uint64_t early = PeakMemoryKilobytes(program.pid());
  for (int i = kSome; i < kMany; ++i) ASSERT_EQ(program.ReadLine(), "7");
  const uint64_t late = PeakMemoryKilobytes(program.pid());
  EXPECT_GT(early, 0u);
  EXPECT_LT(late, early + kNoise);
  RecordProperty("peak_kilobytes", std::to_string(late));
  program.Signal(SIGINT);
  EXPECT_EQ(program.Wait().code, kExitInterrupted);
  EXPECT_EQ(yes.Wait().code, -SIGPIPE);
}

// Whether all threads of a process sleep.
bool IsAsleep(pid_t pid) {
  for (const auto& thread : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
    std::ifstream status(thread.path() / "status");
    std::string line;
    while (std::getline(status, line) && !line.starts_with("State:")) {
    }
    if (line.find("(sleeping)") == std::string::npos) return false;
  }
  return true;
}

// A call that hangs at the front holds back what is printed; what is read ahead of it must not grow without end.
TEST_F(DeathTest, ACallThatHangsBoundsWhatIsReadAhead) {
  Program program(Map({"--workers", "2"}));
  program.Write(HangingLine("begun"));
  WaitForPid(Path("begun"));
  fcntl(program.input(), F_SETFL, O_NONBLOCK);
  const std::string page = Repeat("\"\" \n", 1024);
  uint64_t written = 0;
  // The pipe is full and whoever should empty it sleeps: it has read all it will.
  WaitUntil([&] {
    const ssize_t size = write(program.input(), page.data(), page.size());
    written += size > 0 ? static_cast<uint64_t>(size) : 0;
    return size < 0 && IsAsleep(program.pid()) && write(program.input(), page.data(), page.size()) < 0;
  });
  EXPECT_LT(written, 1'000'000u);
  program.Signal(SIGINT);
  EXPECT_EQ(program.Wait().code, kExitInterrupted);
}

}  // namespace
}  // namespace shoal::cli_tests
