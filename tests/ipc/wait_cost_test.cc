// Wait costs one system call when it must sleep: counted by a tracer.

#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shoal/ipc/connection.h"
#include "shoal/ipc/pipe.h"
#include "shoal/ipc/queue.h"
#include "shoal/ipc/wait.h"
#include "shoal/shm/segment.h"
#include "shoal/sync/event.h"

namespace shoal {
namespace {

using testing::ElementsAre;

constexpr uint64_t kFutexWaitv = 449;  // newer than this C library
constexpr int kSyscallStop = SIGTRAP | 0x80;

// Marks a place for the tracer, without a system call.
void Mark() { asm volatile("int3"); }

int AwaitStop(pid_t traced) {
  int status = 0;
  EXPECT_EQ(waitpid(traced, &status, 0), traced);
  EXPECT_TRUE(WIFSTOPPED(status)) << "it ended: " << status;
  return WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
}

// The system calls that a child makes between its two marks, as it runs `body`. `wake` is called at the first of them: before it sleeps.
std::vector<uint64_t> SystemCalls(const std::function<void()>& body, const std::function<void()>& wake) {
  const pid_t child = fork();
  if (child == 0) {
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    body();
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  EXPECT_EQ(AwaitStop(child), SIGTRAP);
  ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
  std::vector<uint64_t> calls;
  bool inside = false;  // a call stops at its entry and at its exit
  for (;;) {
    ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
    const int signal = AwaitStop(child);
    if (signal != kSyscallStop) {
      EXPECT_EQ(signal, SIGTRAP);
      break;
    }
    inside = !inside;
    if (!inside) continue;
    struct __ptrace_syscall_info info = {};
    EXPECT_GT(ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof(info), &info), 0);
    calls.push_back(info.entry.nr);
    if (calls.size() == 1) wake();
  }
  ptrace(PTRACE_CONT, child, nullptr, nullptr);
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  return calls;
}

class WaitCostTest : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(WithADescriptor, WaitCostTest, testing::Bool(), testing::PrintToStringParamName());

TEST_P(WaitCostTest, ASleepIsOneSystemCall) {
  const Segment segment = Segment::Create({.limit_bytes = size_t{16} << 20}).value();
  auto [near, far] = Pipe<int>({.segment = &segment}).value();
  const auto queue = Queue<int>::Create({.segment = &segment}).value();
  ASSERT_TRUE(queue.PublishAs("queue").ok());
  const auto ticket = far.HandOver().value();
  Event event;
  int fds[2];
  ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
  const auto body = [&, name = ticket.number()] {
    auto end = Connection<int>::Take(segment, name).value();
    const auto own_queue = Queue<int>::Find(segment, "queue").value();
    std::vector<Waitable> any_of = {event, own_queue, end};
    if (GetParam()) any_of.push_back(fds[0]);
    // Once before: the threads that it needs, and memory, are there then.
    ASSERT_THAT(Wait(any_of, absl::Milliseconds(1)).value(), ElementsAre());
    Mark();
    const auto ready = Wait(any_of);
    Mark();
    EXPECT_THAT(ready.value(), ElementsAre(2));
  };
  const std::vector<uint64_t> calls = SystemCalls(body, [&sender = near] { EXPECT_TRUE(sender.Send(7).ok()); });
  EXPECT_THAT(calls, ElementsAre(GetParam() ? uint64_t{SYS_ppoll} : kFutexWaitv));
  close(fds[0]);
  close(fds[1]);
}

}  // namespace
}  // namespace shoal
