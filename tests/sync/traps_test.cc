// What a process does to itself, or lets be done, and our locks must survive: fork, clone, exec, the end of a thread, a list taken away,
// another pid namespace; and what must not be left behind in list_op_pending. README.md says which trap is whose.

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "shoal/sync/barrier.h"
#include "shoal/sync/bounded_semaphore.h"
#include "shoal/sync/condition.h"
#include "shoal/sync/event.h"
#include "shoal/sync/guard.h"
#include "shoal/sync/lock.h"
#include "shoal/sync/rlock.h"
#include "shoal/sync/robust_lock.h"
#include "shoal/sync/semaphore.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal {
namespace {

using tests::Await;
using tests::Party;
using tests::Shared;
using tests::World;

constexpr World kAll[] = {World::kThreads, World::kProcesses};

struct Room {
  Lock lock;
  RLock rlock;
  Condition changed;
  Event event;
  Semaphore semaphore{0};
  BoundedSemaphore bounded{1};
  Barrier barrier{2};
  std::atomic<int> step{0};
};

void Reach(Room& room, int step) { room.step.store(step, std::memory_order_release); }  // EDGE test.step (release)
void AwaitStep(Room& room, int step) {
  Await([&] { return room.step.load(std::memory_order_acquire) == step; });  // EDGE test.step (acquire)
}

robust_list_head& RobustList() {
  robust_list_head* head = nullptr;
  size_t size_bytes = 0;
  syscall(SYS_get_robust_list, 0, &head, &size_bytes);
  return *head;
}
const void* Pending() { return RobustList().list_op_pending; }

// ---- list_op_pending: when a call is over nothing of the object may be named there, for its memory may become other data ---------------

class PendingTest : public ::testing::TestWithParam<World> {};
INSTANTIATE_TEST_SUITE_P(Worlds, PendingTest, ::testing::ValuesIn(kAll), tests::WorldName);

TEST_P(PendingTest, NothingIsPendingAfterACallThatDidNotSleep) {
  Shared<Room> shared(GetParam());
  shared.Run(1, [](Room& room, int) {
    {
      absl::StatusOr<Guard> guard = room.lock.Acquire();
      EXPECT_EQ(Pending(), nullptr) << "acquire";
      absl::StatusOr<Guard> outer = room.rlock.Acquire();
      EXPECT_EQ(Pending(), nullptr) << "acquire beside another";
      absl::StatusOr<Guard> inner = room.rlock.Acquire();
      EXPECT_EQ(Pending(), nullptr) << "acquire again";
      EXPECT_FALSE(room.lock.Acquire().ok());
      EXPECT_EQ(Pending(), nullptr) << "acquire what one holds";
      EXPECT_TRUE(room.changed.Notify(*guard).ok());
      EXPECT_EQ(Pending(), nullptr) << "notify";
      EXPECT_FALSE(room.changed.Wait(*guard, absl::Milliseconds(1)).ok());
      EXPECT_EQ(Pending(), nullptr) << "wait, timed out";
    }
    EXPECT_EQ(Pending(), nullptr) << "release";
    EXPECT_TRUE(room.semaphore.Release(2).ok());
    EXPECT_EQ(Pending(), nullptr) << "release of permits";
    EXPECT_TRUE(room.semaphore.Acquire().ok() && room.semaphore.Acquire().ok());
    EXPECT_FALSE(room.semaphore.Acquire(absl::Milliseconds(1)).ok());
    EXPECT_EQ(Pending(), nullptr) << "acquire of a permit, timed out";
    EXPECT_FALSE(room.bounded.Release().ok());
    EXPECT_EQ(Pending(), nullptr) << "over-release";
    room.event.Set();
    room.event.Clear();
    EXPECT_FALSE(room.event.Wait(absl::Milliseconds(1)).ok());
    EXPECT_EQ(Pending(), nullptr) << "event";
    EXPECT_FALSE(room.barrier.Wait(absl::Milliseconds(1)).ok());
    EXPECT_EQ(Pending(), nullptr) << "barrier, timed out";
    room.barrier.Reset();
    EXPECT_EQ(Pending(), nullptr) << "reset";
    room.barrier.Abort();
    EXPECT_EQ(Pending(), nullptr) << "abort";
    EXPECT_FALSE(room.barrier.Wait().ok());
    EXPECT_EQ(Pending(), nullptr) << "barrier, broken";
  });
}

TEST_P(PendingTest, NothingIsPendingAfterASleepNorAfterAWake) {
  Shared<Room> shared(GetParam());
  const auto sleeper = [&](int number, void (*sleep)(Room&)) {
    return shared.Start(number, [sleep](Room& room, int) {
      sleep(room);
      EXPECT_EQ(Pending(), nullptr);
    });
  };
  {
    absl::StatusOr<Guard> guard = shared->lock.Acquire();
    Party party = sleeper(0, [](Room& room) { EXPECT_TRUE(room.lock.Acquire().ok()); });
    party.AwaitAsleep();
    EXPECT_TRUE(guard->Release().ok());
    EXPECT_EQ(Pending(), nullptr) << "release";
    party.Join();
  }
  {
    Party party = sleeper(1, [](Room& room) { EXPECT_TRUE(room.semaphore.Acquire().ok()); });
    party.AwaitAsleep();
    EXPECT_TRUE(shared->semaphore.Release().ok());
    EXPECT_EQ(Pending(), nullptr) << "release of permits";
    party.Join();
  }
  {
    Party party = sleeper(2, [](Room& room) {
      absl::StatusOr<Guard> guard = room.lock.Acquire();
      EXPECT_TRUE(room.changed.Wait(*guard).ok());
    });
    party.AwaitAsleep();
    absl::StatusOr<Guard> guard = shared->lock.Acquire();
    EXPECT_TRUE(shared->changed.Notify(*guard).ok());
    EXPECT_EQ(Pending(), nullptr) << "notify";
    EXPECT_TRUE(guard->Release().ok());
    party.Join();
  }
  {
    Party party = sleeper(3, [](Room& room) { EXPECT_TRUE(room.barrier.Wait().ok()); });
    party.AwaitAsleep();
    EXPECT_TRUE(shared->barrier.Wait().ok());
    EXPECT_EQ(Pending(), nullptr) << "barrier";
    party.Join();
  }
}

// A user's own code may lock pthread mutexes, which uses the one pending slot there is; and it may run for long.
TEST(PendingInUserCodeTest, NothingIsPendingInAnActionOrAPredicate) {
  Barrier alone(1);
  EXPECT_TRUE(alone.Wait([] { EXPECT_EQ(Pending(), nullptr); }).ok());
  EXPECT_THROW((void)alone.Wait([] { throw std::runtime_error("of the user's"); }), std::runtime_error);
  EXPECT_EQ(Pending(), nullptr);
  Room room;
  absl::StatusOr<Guard> guard = room.lock.Acquire();
  int looks = 0;
  const absl::Status status = room.changed.Wait(
      *guard,
      [&] {
        EXPECT_EQ(Pending(), nullptr);
        return ++looks == 2;
      },
      absl::Milliseconds(1));
  EXPECT_TRUE(status.ok()) << status;
}

// A signal may interrupt us, or glibc, between a lock word and its list: what is pending then must survive the handler, and a save and
// restore would not do, because one can die in the handler. So Set does not touch it, with sleepers or without.
TEST(PendingInSignalHandlerTest, EventSetLeavesAlonePendingOfOthers) {
  Shared<Room> shared(World::kProcesses);
  Party party = shared.Start(0, [](Room& room, int) { EXPECT_TRUE(room.event.Wait().ok()); });
  party.AwaitAsleep();
  Lock interrupted;
  auto* const pending = reinterpret_cast<robust_list*>(reinterpret_cast<char*>(&interrupted) + 32);
  RobustList().list_op_pending = pending;
  shared->event.Set();
  EXPECT_TRUE(shared->event.IsSet());
  EXPECT_EQ(Pending(), pending);
  RobustList().list_op_pending = nullptr;
  party.Join();
}

// ---- what counts as a death --------------------------------------------------------------------------------------------------------------

// The child's thread id is its own, and the kernel finds what the child holds.
TEST(ForkTest, AChildHoldsUnderItsOwnThreadId) {
  Shared<Room> shared(World::kProcesses);
  { absl::StatusOr<Guard> warm = shared->lock.Acquire(); }
  Party child = shared.Start(0, [](Room& room, int) {
    absl::StatusOr<Guard> guard = room.lock.Acquire();
    ASSERT_TRUE(guard.ok()) << guard.status();
    Reach(room, 1);
    for (;;) pause();
  });
  AwaitStep(*shared, 1);
  EXPECT_TRUE(absl::IsDeadlineExceeded(shared->lock.Acquire(absl::ZeroDuration()).status()));
  child.Kill();
  absl::StatusOr<Guard> guard = shared->lock.Acquire();
  ASSERT_TRUE(guard.ok()) << guard.status();
  EXPECT_TRUE(guard->owner_died());
}

// A parent that holds several forks: the child begins with none, and what the child then takes and leaves is not the parent's.
TEST(ForkTest, AChildBeginsWithNothingHeld) {
  Shared<Room> shared(World::kProcesses);
  std::vector<Lock> locks(10);
  std::vector<Guard> guards;
  for (Lock& lock : locks) guards.push_back(*lock.Acquire());
  Party child = shared.Start(0, [](Room& room, int) {
    absl::StatusOr<Guard> one = room.lock.Acquire();
    absl::StatusOr<Guard> other = room.rlock.Acquire();
    ASSERT_TRUE(one.ok() && other.ok());
    EXPECT_TRUE(one->Release().ok());
    EXPECT_TRUE(other->Release().ok());
    EXPECT_EQ(RobustList().list.next, &RobustList().list);
  });
  child.Join();
  for (Guard& guard : guards) EXPECT_TRUE(guard.Release().ok());
  EXPECT_EQ(RobustList().list.next, &RobustList().list);
}

// A bare clone runs no handler of glibc's: the kernel knows no list of the child's, and would recover nothing.
TEST(ForkTest, AChildOfABareCloneIsRefused) {
  Shared<Room> shared(World::kProcesses);
  { absl::StatusOr<Guard> warm = shared->lock.Acquire(); }
  const long pid = syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    const bool refused = absl::IsFailedPrecondition(shared->lock.Acquire().status()) &&
                         absl::IsFailedPrecondition(shared->semaphore.Acquire()) &&
                         absl::IsFailedPrecondition(shared->barrier.Wait().status());
    _exit(refused ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(static_cast<pid_t>(pid), &status, 0), pid);
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(shared->lock.locked());
}

// The program that comes after an exec knows nothing of the lock: the one before has died holding it.
TEST(ExecTest, ExecCountsAsDeath) {
  Shared<Room> shared(World::kProcesses);
  Party owner = shared.Start(0, [](Room& room, int) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    absl::StatusOr<Guard> guard = room.lock.Acquire();
    ASSERT_TRUE(guard.ok());
    Reach(room, 1);
    EXPECT_TRUE(room.event.Wait().ok());
    execl("/bin/sleep", "sleep", "1000", nullptr);
    _exit(1);
  });
  AwaitStep(*shared, 1);
  Party sleeper = shared.Start(1, [](Room& room, int) {
    absl::StatusOr<Guard> guard = room.lock.Acquire();
    ASSERT_TRUE(guard.ok());
    EXPECT_TRUE(guard->owner_died());
  });
  sleeper.AwaitAsleep();
  shared->event.Set();
  sleeper.Join();
  EXPECT_EQ(kill(owner.tid(), 0), 0) << "it lives, as another program";
  owner.Kill();
}

// Nobody releases it, and it is not a leak.
void KeepForEver(Guard guard) {
  static std::vector<Guard>& kept = *new std::vector<Guard>;
  kept.push_back(std::move(guard));
}

// A thread that ends holding a lock has died, as far as the lock is concerned.
TEST(ThreadTest, TheEndOfAThreadCountsAsDeath) {
  Room room;
  std::thread([&] { KeepForEver(*room.lock.Acquire()); }).join();
  absl::StatusOr<Guard> guard = room.lock.Acquire();
  ASSERT_TRUE(guard.ok());
  EXPECT_TRUE(guard->owner_died());
}

// As many as a thread may hold are as many as the kernel recovers.
TEST(ThreadTest, AllLocksOfADeadThreadAreRecovered) {
  struct Locks {
    Lock lock[992];
  };
  Shared<Locks> shared(World::kProcesses);
  Party owner = shared.Start(0, [](Locks& locks, int) {
    for (Lock& lock : locks.lock) KeepForEver(*lock.Acquire());
  });
  owner.Join();
  for (Lock& lock : shared->lock) {
    absl::StatusOr<Guard> guard = lock.Acquire(absl::ZeroDuration());
    ASSERT_TRUE(guard.ok()) << guard.status();
    EXPECT_TRUE(guard->owner_died());
  }
}

// ---- the backstop: the kernel was given no list to walk -------------------------------------------------------------------------------------

class TakenAwayListTest : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Corpse, TakenAwayListTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Reaped" : "Unreaped"; });

TEST_P(TakenAwayListTest, ASleeperLooksForItselfWhenTheListWasTakenAway) {
  Shared<Room> shared(World::kProcesses);
  const pid_t owner = fork();
  ASSERT_GE(owner, 0);
  if (owner == 0) {
    absl::StatusOr<Guard> guard = shared->lock.Acquire();
    static robust_list_head another = {};  // as a library does that thinks it is alone
    another.list.next = &another.list;
    another.futex_offset = -32;
    syscall(SYS_set_robust_list, &another, sizeof(another));
    Reach(*shared, guard.ok() ? 1 : 2);
    for (;;) pause();
  }
  AwaitStep(*shared, 1);
  Party sleeper = shared.Start(1, [](Room& room, int) {
    const uint64_t before = sync_internal::BackstopCount();
    absl::StatusOr<Guard> guard = room.lock.Acquire();
    ASSERT_TRUE(guard.ok()) << guard.status();
    EXPECT_TRUE(guard->owner_died());
    EXPECT_EQ(sync_internal::BackstopCount(), before + 1);
  });
  sleeper.AwaitAsleep();
  kill(owner, SIGKILL);
  if (GetParam()) waitpid(owner, nullptr, 0);
  sleeper.Join();
  if (!GetParam()) waitpid(owner, nullptr, 0);
  EXPECT_FALSE(shared->lock.locked());
}

// An owner that lives, however long it holds on, is never taken for dead.
TEST(BackstopTest, AnOwnerThatLivesIsLeftAlone) {
  Shared<Room> shared(World::kProcesses);
  absl::StatusOr<Guard> guard = shared->lock.Acquire();
  ASSERT_TRUE(guard.ok());
  Party sleeper = shared.Start(0, [](Room& room, int) {
    // Two looks.
    EXPECT_TRUE(absl::IsDeadlineExceeded(room.lock.Acquire(absl::Milliseconds(2100)).status()));
    EXPECT_EQ(sync_internal::BackstopCount(), 0u);
  });
  sleeper.Join();
  EXPECT_TRUE(guard->Release().ok());
}

// ---- pid namespaces ------------------------------------------------------------------------------------------------------------------------

// Its thread 1 and our thread 1 would take each other for themselves.
TEST(NamespaceTest, AProcessInAnotherPidNamespaceIsRefused) {
  Shared<Room> shared(World::kProcesses);
  { absl::StatusOr<Guard> first = shared->lock.Acquire(); }
  { absl::StatusOr<Guard> first = shared->rlock.Acquire(); }
  const pid_t outer = fork();
  ASSERT_GE(outer, 0);
  if (outer == 0) {
    if (unshare(CLONE_NEWPID) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0) _exit(77);
    const pid_t inner = fork();  // the first child is the one inside
    if (inner < 0) _exit(77);
    if (inner == 0) {
      const bool refused = absl::IsFailedPrecondition(shared->lock.Acquire().status()) &&
                           absl::IsFailedPrecondition(shared->rlock.Acquire().status());
      _exit(refused ? 0 : 1);
    }
    int status = -1;
    waitpid(inner, &status, 0);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 2);
  }
  int status = -1;
  ASSERT_EQ(waitpid(outer, &status, 0), outer);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "this process may make no pid namespace";
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_FALSE(shared->lock.locked());
}

// In a place without /proc, maybe of another pid namespace; 77: there is none to be had.
int WithoutProc(bool also_another_namespace, int (*body)(Room&), Room& room) {
  const pid_t outer = fork();
  if (outer == 0) {
    if (unshare(CLONE_NEWUSER | (also_another_namespace ? CLONE_NEWPID : 0)) != 0) _exit(77);
    char empty[] = "/dev/shm/emptyXXXXXX";
    if (mkdtemp(empty) == nullptr) _exit(77);
    const int here = open(empty, O_RDONLY | O_DIRECTORY);
    if (rmdir(empty) != 0 || fchdir(here) != 0 || chroot(".") != 0) _exit(77);
    const pid_t inner = fork();
    if (inner == 0) _exit(body(room));
    int status = -1;
    waitpid(inner, &status, 0);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 2);
  }
  int status = -1;
  waitpid(outer, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}

// Who cannot know its namespace still knows what it holds itself.
TEST(NamespaceTest, AThreadWithoutProcKnowsWhatItHolds) {
  Shared<Room> shared(World::kProcesses);
  { absl::StatusOr<Guard> first = shared->lock.Acquire(); }
  { absl::StatusOr<Guard> first = shared->rlock.Acquire(); }
  const int result = WithoutProc(
      false,
      [](Room& room) {
        absl::StatusOr<Guard> guard = room.lock.Acquire();
        absl::StatusOr<Guard> outer = room.rlock.Acquire();
        absl::StatusOr<Guard> inner = room.rlock.Acquire(absl::Seconds(5));
        return guard.ok() && absl::IsFailedPrecondition(room.lock.Acquire(absl::Seconds(5)).status()) && inner.ok() ? 0 : 1;
      },
      *shared);
  if (result == 77) GTEST_SKIP() << "this process may make no user namespace";
  EXPECT_EQ(result, 0);
}

// The owner's number names nobody there; that is no reason to take the owner for dead.
TEST(BackstopTest, NobodyIsDeclaredDeadFromAnUnknownNamespace) {
  Shared<Room> shared(World::kProcesses);
  absl::StatusOr<Guard> guard = shared->lock.Acquire();
  ASSERT_TRUE(guard.ok());
  const int result = WithoutProc(
      true,
      [](Room& room) {
        // One look.
        return absl::IsDeadlineExceeded(room.lock.Acquire(absl::Milliseconds(1200)).status()) ? 0 : 1;
      },
      *shared);
  if (result == 77) GTEST_SKIP() << "this process may make no namespaces";
  EXPECT_EQ(result, 0);
  EXPECT_TRUE(guard->Release().ok());
}

}  // namespace
}  // namespace shoal
