// Where futex_waitv is denied, as by the seccomp profiles of some container engines, nothing hangs and nothing falls back to less:
// whatever might have to sleep says Unimplemented. A program of its own, because the answer is found out once per process.

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "shoal/sync/barrier.h"
#include "shoal/sync/bounded_semaphore.h"
#include "shoal/sync/event.h"
#include "shoal/sync/guard.h"
#include "shoal/sync/lock.h"
#include "shoal/sync/rlock.h"
#include "shoal/sync/semaphore.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal {
namespace {

bool Deny(unsigned system_call, int error) {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, system_call, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

struct Room {
  Lock lock;
  RLock rlock;
  Event event;
  Semaphore semaphore{0};
  BoundedSemaphore bounded{1};
  Barrier barrier{2};
};

class SeccompTest : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Errors, SeccompTest, ::testing::Values(EPERM, ENOSYS),
                         [](const auto& info) { return info.param == EPERM ? "Denied" : "Missing"; });

// Without a timeout: a call that hangs ends the test.
TEST_P(SeccompTest, WhateverMightSleepSaysUnimplemented) {
  tests::Shared<Room> shared(tests::World::kProcesses);
  const int error = GetParam();
  shared.Run(1, [error](Room& room, int) {
    ASSERT_TRUE(Deny(SYS_futex_waitv, error));
    EXPECT_TRUE(absl::IsUnimplemented(room.lock.Acquire().status())) << room.lock.Acquire().status();
    EXPECT_FALSE(room.lock.TryAcquire().has_value());
    EXPECT_TRUE(absl::IsUnimplemented(room.rlock.Acquire().status()));
    EXPECT_TRUE(absl::IsUnimplemented(room.event.Wait()));
    EXPECT_TRUE(absl::IsUnimplemented(room.semaphore.Acquire()));
    EXPECT_TRUE(absl::IsUnimplemented(room.barrier.Wait().status()));
    // What cannot have to sleep goes on.
    EXPECT_TRUE(room.semaphore.Release().ok());
    EXPECT_TRUE(room.semaphore.Acquire().ok());
    EXPECT_TRUE(room.bounded.TryAcquire());
    room.event.Set();
    EXPECT_TRUE(room.event.Wait().ok());
    room.barrier.Abort();
    EXPECT_TRUE(room.barrier.broken());
  });
  EXPECT_FALSE(shared->lock.locked());
}

}  // namespace
}  // namespace shoal
