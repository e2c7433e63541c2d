#include "shoal/sync/lock.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <type_traits>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "shoal/sync/guard.h"
#include "shoal/sync/rlock.h"
#include "shoal/sync/status.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal {
namespace {

using tests::Await;
using tests::Party;
using tests::Shared;
using tests::World;

static_assert(std::is_nothrow_move_constructible_v<Guard>);
static_assert(std::is_trivially_destructible_v<Lock>, "shared memory is not destroyed");

template <class L>
struct Counted {
  L lock;
  int64_t value = 0;  // guarded by lock
  std::atomic<int> step{0};
};

class LockTest : public ::testing::TestWithParam<World> {};
INSTANTIATE_TEST_SUITE_P(Worlds, LockTest, ::testing::ValuesIn(tests::kAllWorlds), tests::WorldName);

// Mutual exclusion: additions that are not atomic by themselves are not lost.
TEST_P(LockTest, OneHolderAtATime) {
  Shared<Counted<Lock>> shared(GetParam());
  constexpr int kRounds = 20000;
  shared.Run(4, [](Counted<Lock>& counted, int) {
    for (int i = 0; i < kRounds; ++i) {
      absl::StatusOr<Guard> guard = counted.lock.Acquire();
      ASSERT_TRUE(guard.ok()) << guard.status();
      ++counted.value;
    }
  });
  EXPECT_EQ(shared->value, 4 * kRounds);
  EXPECT_FALSE(shared->lock.locked());
}

// Mutual exclusion with re-acquisition: only the last level releases.
TEST_P(LockTest, RLockHasOneHolderAtAnyDepth) {
  Shared<Counted<RLock>> shared(GetParam());
  constexpr int kRounds = 5000;
  shared.Run(3, [](Counted<RLock>& counted, int) {
    for (int i = 0; i < kRounds; ++i) {
      absl::StatusOr<Guard> outer = counted.lock.Acquire();
      ASSERT_TRUE(outer.ok()) << outer.status();
      {
        absl::StatusOr<Guard> inner = counted.lock.Acquire();
        ASSERT_TRUE(inner.ok()) << inner.status();
        ++counted.value;
      }
      ++counted.value;
    }
  });
  EXPECT_EQ(shared->value, 2 * 3 * kRounds);
  EXPECT_FALSE(shared->lock.locked());
}

TEST_P(LockTest, TimesOutWhileHeldElsewhereAndChangesNothing) {
  Shared<Counted<Lock>> shared(GetParam());
  absl::StatusOr<Guard> guard = shared->lock.Acquire();
  ASSERT_TRUE(guard.ok());
  shared.Run(2, [](Counted<Lock>& counted, int) {
    EXPECT_TRUE(counted.lock.locked());
    EXPECT_FALSE(counted.lock.TryAcquire().has_value());
    for (const absl::Duration timeout : {absl::ZeroDuration(), absl::Seconds(-1), absl::Milliseconds(5)}) {
      const absl::Status status = counted.lock.Acquire(timeout).status();
      EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
      EXPECT_TRUE(MadeByShoal(status));
    }
  });
  EXPECT_TRUE(guard->Release().ok());
  EXPECT_TRUE(shared->lock.TryAcquire().has_value());
}

// A sleeper gets the lock when it is released, however many sleep.
TEST_P(LockTest, SleepersGetItOneByOne) {
  Shared<Counted<Lock>> shared(GetParam());
  absl::StatusOr<Guard> guard = shared->lock.Acquire();
  ASSERT_TRUE(guard.ok());
  std::vector<Party> parties;
  for (int i = 0; i < 3; ++i) {
    parties.push_back(shared.Start(i, [](Counted<Lock>& counted, int) {
      absl::StatusOr<Guard> guard = counted.lock.Acquire();
      ASSERT_TRUE(guard.ok());
      ++counted.value;
    }));
  }
  for (Party& party : parties) party.AwaitAsleep();
  ASSERT_TRUE(guard->Release().ok());
  for (Party& party : parties) party.Join();
  EXPECT_EQ(shared->value, 3);
}

TEST(LockMisuseTest, AcquiringWhatOneHoldsIsRefused) {
  Lock lock;
  absl::StatusOr<Guard> guard = lock.Acquire();
  ASSERT_TRUE(guard.ok());
  const absl::Status status = lock.Acquire().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_TRUE(MadeByShoal(status));
  EXPECT_FALSE(lock.TryAcquire().has_value());
  EXPECT_TRUE(guard->Release().ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(guard->Release()));
  EXPECT_TRUE(lock.TryAcquire().has_value());
}

TEST(LockMisuseTest, AGuardIsReleasedByItsThreadOnly) {
  Lock lock;
  absl::StatusOr<Guard> guard = lock.Acquire();
  ASSERT_TRUE(guard.ok());
  std::thread([&] { EXPECT_TRUE(absl::IsFailedPrecondition(guard->Release())); }).join();
  EXPECT_TRUE(guard->held());
  EXPECT_TRUE(guard->Release().ok());
}

TEST(LockMisuseDeathTest, AGuardDestroyedByAnotherThreadEndsTheProcess) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(
      {
        Lock lock;
        auto guard = std::make_unique<Guard>(*lock.TryAcquire());
        std::thread([&] { guard.reset(); }).join();
      },
      "a guard is destroyed by the thread that acquired it");
}

TEST(LockMisuseTest, MoreThanTheKernelRecoversIsRefused) {
  std::vector<Lock> locks(993);
  std::vector<Guard> guards;
  for (int i = 0; i < 992; ++i) {
    absl::StatusOr<Guard> guard = locks[i].Acquire();
    ASSERT_TRUE(guard.ok()) << i << guard.status();
    guards.push_back(*std::move(guard));
  }
  EXPECT_TRUE(absl::IsResourceExhausted(locks[992].Acquire().status()));
  guards.erase(guards.begin() + 500);
  EXPECT_TRUE(locks[992].Acquire().ok());
}

// In a forked child the parent's guards release nothing and say so; its locks are somebody else's.
TEST(LockForkTest, TheParentsGuardIsDeadInTheChild) {
  Shared<Counted<RLock>> shared(World::kProcesses);
  absl::StatusOr<Guard> guard = shared->lock.Acquire();
  ASSERT_TRUE(guard.ok());
  Party child = shared.Start(0, [&guard](Counted<RLock>& counted, int) {
    EXPECT_TRUE(absl::IsFailedPrecondition(guard->Release()));
    EXPECT_TRUE(absl::IsDeadlineExceeded(counted.lock.Acquire(absl::ZeroDuration()).status()));
    { Guard dropped = *std::move(guard); }
    EXPECT_TRUE(counted.lock.locked());
  });
  child.Join();
  EXPECT_TRUE(guard->held());
  EXPECT_TRUE(guard->Release().ok());
  EXPECT_FALSE(shared->lock.locked());
}

// Two processes in two pid namespaces may have the same thread id. A lock first used in another namespace refuses.
TEST(LockMisuseTest, AnotherPidNamespaceIsRefused) {
  alignas(Lock) unsigned char bytes[sizeof(Lock)] = {};
  Lock& lock = *reinterpret_cast<Lock*>(bytes);
  ASSERT_TRUE(lock.Acquire().ok());
  uint32_t other;
  memcpy(&other, bytes + 8, sizeof(other));
  ASSERT_NE(other, 0u) << "/proc is not mounted";
  ++other;
  memcpy(bytes + 8, &other, sizeof(other));
  EXPECT_TRUE(absl::IsFailedPrecondition(lock.Acquire().status()));
}

TEST(LockMisuseTest, BytesThatAreNoLockAreDataLoss) {
  alignas(Lock) unsigned char bytes[sizeof(Lock)] = {};
  const uint32_t owner = 1;  // init: alive
  const uint32_t beacon = 7;
  memcpy(bytes, &owner, sizeof(owner));
  memcpy(bytes + 4, &beacon, sizeof(beacon));
  const absl::Status status = reinterpret_cast<Lock*>(bytes)->Acquire(absl::Seconds(100)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
}

// A peer that scribbles over the links of a held lock does not make its holder write anywhere else.
TEST(LockMisuseTest, ScribbledLinksAreNotFollowed) {
  alignas(Lock) unsigned char bytes[sizeof(Lock)] = {};
  Lock& lock = *reinterpret_cast<Lock*>(bytes);
  Lock other;
  absl::StatusOr<Guard> below = other.Acquire();
  absl::StatusOr<Guard> guard = lock.Acquire();
  ASSERT_TRUE(guard.ok());
  const uintptr_t wild = 0x4141414141414141;
  memcpy(bytes + 24, &wild, sizeof(wild));
  memcpy(bytes + 32, &wild, sizeof(wild));
  EXPECT_EQ(guard->Release().code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(lock.locked());
  EXPECT_TRUE(below->Release().ok());
  EXPECT_TRUE(lock.Acquire().ok());
}

// The same when it does not go first: both its neighbours are ours, and stay whole.
TEST(LockMisuseTest, ScribbledLinksAreNotFollowedOutOfTurn) {
  alignas(Lock) unsigned char bytes[sizeof(Lock)] = {};
  Lock& lock = *reinterpret_cast<Lock*>(bytes);
  Lock first;
  Lock last;
  absl::StatusOr<Guard> below = first.Acquire();
  absl::StatusOr<Guard> guard = lock.Acquire();
  absl::StatusOr<Guard> above = last.Acquire();
  ASSERT_TRUE(guard.ok());
  const uintptr_t wild = 0x4141414141414141;
  memcpy(bytes + 24, &wild, sizeof(wild));
  EXPECT_EQ(guard->Release().code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(lock.locked());
  EXPECT_TRUE(above->Release().ok());
  EXPECT_TRUE(below->Release().ok());
  EXPECT_TRUE(lock.Acquire().ok());
}

// A depth of nothing before the first acquisition, as in memory that was something else: released means released.
TEST(LockMisuseTest, ADepthThatWasThereBeforeDoesNotCount) {
  alignas(Lock) unsigned char bytes[sizeof(Lock)] = {};
  Lock& lock = *reinterpret_cast<Lock*>(bytes);
  for (int round = 0; round < 2; ++round) {  // the second is not the first to tell its namespace
    const uint32_t depth = 5;
    memcpy(bytes + 16, &depth, sizeof(depth));
    EXPECT_TRUE(lock.Acquire()->Release().ok());
    EXPECT_FALSE(lock.locked());
  }
}

// A peer that scribbles over the depth of a held RLock: released a level too early, and the last guard to go takes it from nobody.
TEST(LockMisuseTest, AScribbledDepthEndsNoProcess) {
  alignas(RLock) unsigned char bytes[sizeof(RLock)] = {};
  RLock& lock = *reinterpret_cast<RLock*>(bytes);
  absl::StatusOr<Guard> outer = lock.Acquire();
  absl::StatusOr<Guard> inner = lock.Acquire();
  memset(bytes + 16, 0, sizeof(uint32_t));
  EXPECT_TRUE(inner->Release().ok());
  std::atomic<int> step{0};
  std::thread other([&] {
    absl::StatusOr<Guard> guard = lock.Acquire();
    EXPECT_TRUE(guard.ok());
    step.store(1, std::memory_order_release);                          // EDGE test.step (release)
    Await([&] { return step.load(std::memory_order_acquire) == 2; });  // EDGE test.step (acquire)
  });
  Await([&] { return step.load(std::memory_order_acquire) == 1; });  // EDGE test.step (acquire)
  EXPECT_EQ(outer->Release().code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(lock.locked());
  step.store(2, std::memory_order_release);  // EDGE test.step (release)
  other.join();
  EXPECT_FALSE(lock.locked());
}

// The owner's death releases the lock; the next owner is told, the one after it is not.
TEST(LockDeathOfOwnerTest, NextOwnerIsTold) {
  Shared<Counted<Lock>> shared(World::kProcesses);
  Party owner = shared.Start(0, [](Counted<Lock>& counted, int) {
    absl::StatusOr<Guard> guard = counted.lock.Acquire();
    ASSERT_TRUE(guard.ok());
    counted.step.store(1, std::memory_order_release);  // EDGE test.step (release)
    for (;;) pause();
  });
  Await([&] { return shared->step.load(std::memory_order_acquire) == 1; });  // EDGE test.step (acquire)
  Party sleeper = shared.Start(1, [](Counted<Lock>& counted, int) {
    absl::StatusOr<Guard> guard = counted.lock.Acquire();
    ASSERT_TRUE(guard.ok());
    EXPECT_TRUE(guard->owner_died());
  });
  sleeper.AwaitAsleep();
  owner.Kill();
  sleeper.Join();
  absl::StatusOr<Guard> guard = shared->lock.Acquire();
  ASSERT_TRUE(guard.ok());
  EXPECT_FALSE(guard->owner_died());
}

// An RLock's owner dies three levels deep: the next owner starts at one.
TEST(LockDeathOfOwnerTest, RLockStartsAgainAtOneLevel) {
  Shared<Counted<RLock>> shared(World::kProcesses);
  Party owner = shared.Start(0, [](Counted<RLock>& counted, int) {
    absl::StatusOr<Guard> a = counted.lock.Acquire();
    absl::StatusOr<Guard> b = counted.lock.Acquire();
    absl::StatusOr<Guard> c = counted.lock.Acquire();
    _exit(0);
  });
  owner.Join();
  {
    absl::StatusOr<Guard> guard = shared->lock.Acquire();
    ASSERT_TRUE(guard.ok());
    EXPECT_TRUE(guard->owner_died());
  }
  EXPECT_FALSE(shared->lock.locked());
}

// The robust list is glibc's: a thread that dies with a pthread robust mutex between two of our locks loses none of the three.
TEST(LockDeathOfOwnerTest, PthreadRobustMutexAndLockAreBothRecovered) {
  struct Both {
    Lock below;
    pthread_mutex_t mutex;
    Lock above;
  };
  Shared<Both> shared(World::kProcesses);
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&shared->mutex, &attributes);
  Party owner = shared.Start(0, [](Both& both, int) {
    absl::StatusOr<Guard> below = both.below.Acquire();
    ASSERT_EQ(pthread_mutex_lock(&both.mutex), 0);
    absl::StatusOr<Guard> above = both.above.Acquire();
    ASSERT_TRUE(below.ok() && above.ok());
    raise(SIGKILL);
  });
  Await([&] { return tests::ProcessState(owner.tid()) == 'Z'; });
  owner.Kill();
  EXPECT_TRUE(shared->above.Acquire()->owner_died());
  EXPECT_EQ(pthread_mutex_lock(&shared->mutex), EOWNERDEAD);
  EXPECT_EQ(pthread_mutex_consistent(&shared->mutex), 0);
  EXPECT_EQ(pthread_mutex_unlock(&shared->mutex), 0);
  EXPECT_TRUE(shared->below.Acquire()->owner_died());
}

// Ours and glibc's come and go in any order, and the list stays whole.
TEST(LockInOneThreadTest, OrderOfReleaseIsFree) {
  Lock locks[3];
  pthread_mutex_t mutexes[2];
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  for (pthread_mutex_t& mutex : mutexes) pthread_mutex_init(&mutex, &attributes);
  absl::StatusOr<Guard> a = locks[0].Acquire();
  ASSERT_EQ(pthread_mutex_lock(&mutexes[0]), 0);
  absl::StatusOr<Guard> b = locks[1].Acquire();
  ASSERT_EQ(pthread_mutex_lock(&mutexes[1]), 0);
  absl::StatusOr<Guard> c = locks[2].Acquire();
  EXPECT_EQ(pthread_mutex_unlock(&mutexes[0]), 0);
  EXPECT_TRUE(b->Release().ok());
  EXPECT_TRUE(a->Release().ok());
  EXPECT_EQ(pthread_mutex_unlock(&mutexes[1]), 0);
  EXPECT_TRUE(c->Release().ok());
  for (Lock& lock : locks) EXPECT_TRUE(lock.Acquire().ok());
  for (pthread_mutex_t& mutex : mutexes) {
    EXPECT_EQ(pthread_mutex_lock(&mutex), 0);
    EXPECT_EQ(pthread_mutex_unlock(&mutex), 0);
  }
}

// What is in this thread's robust list, newest first, as the kernel walks it.
std::vector<const void*> ListedWords() {
  robust_list_head* head = nullptr;
  size_t size_bytes = 0;
  syscall(SYS_get_robust_list, 0, &head, &size_bytes);
  std::vector<const void*> words;
  for (const robust_list* entry = head->list.next; entry != &head->list; entry = entry->next) {
    words.push_back(reinterpret_cast<const char*>(entry) + head->futex_offset);
  }
  return words;
}

// However ours and glibc's come and go, alone or beside others, the kernel finds exactly those that are held, newest first.
TEST(LockInOneThreadTest, TheListHoldsExactlyWhatIsHeld) {
  constexpr int kOurs = 9;  // more than have a place without an allocation
  constexpr int kAll = kOurs + 3;
  Lock locks[kOurs];
  pthread_mutex_t mutexes[kAll - kOurs];
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  for (pthread_mutex_t& mutex : mutexes) pthread_mutex_init(&mutex, &attributes);

  std::mt19937 random(20);  // always the same
  std::optional<Guard> guards[kOurs];
  std::vector<const void*> held;  // newest first
  for (int step = 0; step < 20000; ++step) {
    // Mostly few are held: the first to come and the last to go have paths of their own.
    const int which = static_cast<int>(random() % (step % 1000 < 500 ? 3 : kAll)) * (step % 2000 < 1000 ? 4 : 1) % kAll;
    const void* const word = which < kOurs ? static_cast<const void*>(&locks[which]) : &mutexes[which - kOurs];
    const auto found = std::find(held.begin(), held.end(), word);
    const bool release = found != held.end();
    if (release) {
      held.erase(found);
    } else {
      held.insert(held.begin(), word);
    }
    if (which >= kOurs) {
      pthread_mutex_t* const mutex = &mutexes[which - kOurs];
      // Not pthread_mutex_lock: ThreadSanitizer would say that the order changes.
      ASSERT_EQ(release ? pthread_mutex_unlock(mutex) : pthread_mutex_trylock(mutex), 0);
    } else if (release) {
      const absl::Status status = guards[which]->Release();
      ASSERT_TRUE(status.ok()) << status << " in step " << step;
    } else {
      guards[which] = locks[which].TryAcquire();
      ASSERT_TRUE(guards[which].has_value());
    }
    ASSERT_EQ(ListedWords(), held) << "in step " << step;
  }
  for (pthread_mutex_t& mutex : mutexes) {
    if (std::find(held.begin(), held.end(), &mutex) != held.end()) pthread_mutex_unlock(&mutex);
  }
}

// Where a mutex of glibc's has lain, a lock of ours comes to lie: it is not taken for the neighbour that the mutex was.
TEST(LockInOneThreadTest, ALockMayLieWhereAMutexWas) {
  alignas(pthread_mutex_t) unsigned char bytes[std::max(sizeof(pthread_mutex_t), sizeof(Lock))];
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  for (const bool mutex_first : {true, false}) {
    auto* const mutex = new (bytes) pthread_mutex_t;
    pthread_mutex_init(mutex, &attributes);
    Lock beside;
    Lock between;
    std::optional<Guard> of_beside;
    if (mutex_first) {
      ASSERT_EQ(pthread_mutex_lock(mutex), 0);
      of_beside = beside.TryAcquire();
    } else {
      of_beside = beside.TryAcquire();
      ASSERT_EQ(pthread_mutex_lock(mutex), 0);
    }
    const std::optional<Guard> of_between = between.TryAcquire();
    ASSERT_EQ(pthread_mutex_unlock(mutex), 0);
    pthread_mutex_destroy(mutex);
    Lock& lock = *new (bytes) Lock;
    std::optional<Guard> guard = lock.TryAcquire();
    EXPECT_EQ(ListedWords(), (std::vector<const void*>{&lock, &between, &beside}));
    EXPECT_TRUE(of_beside->Release().ok());
    EXPECT_EQ(ListedWords(), (std::vector<const void*>{&lock, &between}));
    EXPECT_TRUE(guard->Release().ok());
    EXPECT_EQ(ListedWords(), (std::vector<const void*>{&between}));
  }
  EXPECT_TRUE(ListedWords().empty());
}

// A thread that is cancelled while it sleeps, or looks after the owner, is not stopped half-way.
TEST(LockInOneThreadTest, AnAcquisitionIsNoCancellationPoint) {
  Lock lock;
  absl::StatusOr<Guard> guard = lock.Acquire();
  ASSERT_TRUE(guard.ok());
  absl::Status status;
  std::thread sleeper([&] {
    ASSERT_EQ(pthread_cancel(pthread_self()), 0);
    status = lock.Acquire(absl::Milliseconds(1200)).status();  // one look
    ASSERT_EQ(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr), 0);
  });
  sleeper.join();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
}

}  // namespace
}  // namespace shoal
