#include "shoal/process/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "shoal/process/cpu_count.h"
#include "shoal/shm/unique_fd.h"

namespace shoal {
namespace {

using shm_internal::UniqueFd;

absl::StatusOr<Process> Shell(const std::string& script, ProcessOptions options = {}) {
  options.program = "/bin/sh";
  options.arguments = {"-c", script};
  return Process::Start(options);
}

int OpenDescriptors() {
  int count = 0;
  DIR* const folder = opendir("/proc/self/fd");
  while (readdir(folder) != nullptr) ++count;
  closedir(folder);
  return count;
}

TEST(ProcessTest, ExitCodesAndSignalsAreTold) {
  auto three = Shell("exit 3");
  ASSERT_TRUE(three.ok()) << three.status();
  ASSERT_TRUE(three->Join().ok());
  EXPECT_EQ(three->exit_code(), 3);
  EXPECT_FALSE(three->alive());
  EXPECT_EQ(three->exit_status()->Describe(), "exited with code 3");

  auto killed = Shell("kill -SEGV $$");
  ASSERT_TRUE(killed.ok());
  ASSERT_TRUE(killed->Join().ok());
  EXPECT_EQ(killed->exit_code(), -SIGSEGV);
  EXPECT_EQ(killed->exit_status()->Describe(), "was killed by SIGSEGV (Segmentation fault)");
}

TEST(ProcessTest, ARunningChildIsAliveAndJoinTimesOutWithoutEndingIt) {
  auto child = Shell("exec sleep 1000");
  ASSERT_TRUE(child.ok());
  EXPECT_TRUE(child->alive());
  EXPECT_EQ(child->exit_code(), std::nullopt);
  EXPECT_EQ(child->Join(absl::ZeroDuration()).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(child->Join(absl::Milliseconds(1)).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(child->alive());
  EXPECT_TRUE(child->Terminate().ok());
  ASSERT_TRUE(child->Join().ok());
  EXPECT_EQ(child->exit_code(), -SIGTERM);
  EXPECT_TRUE(child->Kill().ok()) << "a child that has ended is left alone";
}

TEST(ProcessTest, ThePidfdBecomesReadableAtTheEnd) {
  auto child = Shell("exit 0");
  ASSERT_TRUE(child.ok());
  struct pollfd ended = {.fd = child->sentinel(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(poll(&ended, 1, -1), 1);
  EXPECT_EQ(child->exit_code(), 0);
}

TEST(ProcessTest, TheDestructorLeavesNoProcessNoZombieAndNoDescriptor) {
  const int before = OpenDescriptors();
  pid_t pid = 0;
  {
    auto child = Shell("exec sleep 1000");
    ASSERT_TRUE(child.ok());
    pid = child->pid();
    Process moved = std::move(*child);
    EXPECT_EQ(moved.pid(), pid);
    EXPECT_EQ(child->Join().code(), absl::StatusCode::kFailedPrecondition);
  }
  EXPECT_EQ(kill(pid, 0), -1);
  EXPECT_EQ(errno, ESRCH);
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST(ProcessTest, TheChildGetsTheDescriptorsItShouldAndNoOthers) {
  int pipes[2];
  ASSERT_EQ(pipe2(pipes, 0), 0);
  const UniqueFd in(pipes[0]);
  UniqueFd out(pipes[1]);
  const UniqueFd careless(fcntl(out.get(), F_DUPFD, 50));  // not close-on-exec: must not leak all the same
  ASSERT_EQ(careless.get(), 50);
  // The write end becomes number 3, the read end number 4.
  auto child =
      Shell("for f in 0 1 2 3 4 50; do [ -e /proc/$$/fd/$f ] && printf '%s ' $f >&3; done; readlink /proc/$$/fd/0 >&3",
            {.inherited_descriptors = {out.get(), in.get()}});
  ASSERT_TRUE(child.ok()) << child.status();
  ASSERT_TRUE(child->Join().ok());
  std::string listed(64, ' ');
  listed.resize(static_cast<size_t>(std::max<ssize_t>(0, read(in.get(), listed.data(), listed.size()))));
  EXPECT_EQ(listed, "0 1 2 3 4 /dev/null\n");
}

TEST(ProcessTest, AProgramThatDoesNotExistIsNotFoundAndNothingLeaks) {
  const int before = OpenDescriptors();
  EXPECT_EQ(Process::Start({.program = "/nonexistent/program"}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Process::Start({.program = "/etc/passwd"}).status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST(ProcessTest, ThreadsThatJoinTogetherAllSeeTheSameEnd) {
  auto child = Shell("exec sleep 1000");
  ASSERT_TRUE(child.ok());
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      EXPECT_TRUE(child->Join().ok());
      EXPECT_EQ(child->exit_code(), -SIGKILL);
    });
  }
  ASSERT_TRUE(child->Kill().ok());
  for (std::thread& thread : threads) thread.join();
}

TEST(ProcessTest, WhenTheProgramForgetsItsChildrenTheEndIsStillSeen) {
  struct sigaction forget {};
  forget.sa_handler = SIG_IGN;
  struct sigaction before;
  ASSERT_EQ(sigaction(SIGCHLD, &forget, &before), 0);
  auto child = Shell("read wait; exit 3");
  ASSERT_EQ(sigaction(SIGCHLD, &before, nullptr), 0);
  if (child.ok()) {  // or it was gone before it could be watched
    ASSERT_TRUE(child->Join().ok());
    EXPECT_TRUE(child->exit_code().has_value());
  }
}

TEST(CpuCountTest, ThereIsAtLeastOneAndAtMostWhatTheSystemHas) {
  EXPECT_GE(CpuCount(), 1);
  EXPECT_LE(CpuCount(), sysconf(_SC_NPROCESSORS_CONF));
}

TEST(CpuCountTest, AQuotaIsRoundedUpToWholeCpus) {
  EXPECT_EQ(process_internal::CpusOfQuota("max 100000"), 0);
  EXPECT_EQ(process_internal::CpusOfQuota("150000 100000"), 2);
  EXPECT_EQ(process_internal::CpusOfQuota("100000 100000"), 1);
  EXPECT_EQ(process_internal::CpusOfQuota("1000 100000"), 1);
  EXPECT_EQ(process_internal::CpusOfQuota(""), 0);
  EXPECT_EQ(process_internal::CpusOfQuota("-5 0"), 0);
}

}  // namespace
}  // namespace shoal
