#include "shoal/sync/semaphore.h"

#include <atomic>
#include <cstring>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "shoal/sync/bounded_semaphore.h"
#include "shoal/sync/status.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal {
namespace {

using tests::Party;
using tests::Shared;
using tests::World;

template <class S>
struct Counted {
  explicit Counted(uint32_t initial) : semaphore(initial) {}
  S semaphore;
  std::atomic<int> inside{0};
  std::atomic<int> taken{0};
};

class SemaphoreTest : public ::testing::TestWithParam<World> {};
INSTANTIATE_TEST_SUITE_P(Worlds, SemaphoreTest, ::testing::ValuesIn(tests::kAllWorlds), tests::WorldName);

// Never more inside than there are permits, and none is lost.
template <class S>
void LimitsHowManyAreInside(World world) {
  Shared<Counted<S>> shared(world, 2);
  shared.Run(4, [](Counted<S>& counted, int) {
    for (int i = 0; i < 5000; ++i) {
      ASSERT_TRUE(counted.semaphore.Acquire().ok());
      // relaxed, both: a count, the semaphore orders nothing between those inside
      EXPECT_LE(counted.inside.fetch_add(1, std::memory_order_relaxed) + 1, 2);
      counted.inside.fetch_sub(1, std::memory_order_relaxed);
      ASSERT_TRUE(counted.semaphore.Release().ok());
    }
  });
  EXPECT_EQ(shared->semaphore.value(), 2u);
}
TEST_P(SemaphoreTest, LimitsHowManyAreInside) { LimitsHowManyAreInside<Semaphore>(GetParam()); }
TEST_P(SemaphoreTest, BoundedLimitsHowManyAreInside) { LimitsHowManyAreInside<BoundedSemaphore>(GetParam()); }

// One release of several permits wakes as many sleepers.
TEST_P(SemaphoreTest, ReleaseOfSeveralWakesSeveral) {
  Shared<Counted<Semaphore>> shared(GetParam(), 0);
  std::vector<Party> parties;
  for (int i = 0; i < 4; ++i) {
    parties.push_back(shared.Start(i, [](Counted<Semaphore>& counted, int) {
      EXPECT_TRUE(counted.semaphore.Acquire().ok());
      counted.taken.fetch_add(1, std::memory_order_relaxed);  // relaxed: read after the joins
    }));
  }
  for (Party& party : parties) party.AwaitAsleep();
  ASSERT_TRUE(shared->semaphore.Release(3).ok());
  tests::Await([&] { return shared->taken.load(std::memory_order_relaxed) == 3; });  // relaxed: a count
  EXPECT_EQ(shared->semaphore.value(), 0u);
  ASSERT_TRUE(shared->semaphore.Release().ok());
  for (Party& party : parties) party.Join();
}

TEST_P(SemaphoreTest, TimesOutAndChangesNothing) {
  Shared<Counted<Semaphore>> shared(GetParam(), 0);
  shared.Run(2, [](Counted<Semaphore>& counted, int) {
    EXPECT_FALSE(counted.semaphore.TryAcquire());
    for (const absl::Duration timeout : {absl::ZeroDuration(), absl::Seconds(-1), absl::Milliseconds(5)}) {
      const absl::Status status = counted.semaphore.Acquire(timeout);
      EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
      EXPECT_TRUE(MadeByShoal(status));
    }
  });
  ASSERT_TRUE(shared->semaphore.Release().ok());
  EXPECT_EQ(shared->semaphore.value(), 1u);
  EXPECT_TRUE(shared->semaphore.TryAcquire());
}

TEST(SemaphoreMisuseTest, OverReleaseIsRefusedAndChangesNothing) {
  Semaphore semaphore(Semaphore::kMaxValue - 1);
  EXPECT_TRUE(absl::IsFailedPrecondition(semaphore.Release(2)));
  EXPECT_TRUE(semaphore.Release().ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(semaphore.Release()));
  EXPECT_EQ(semaphore.value(), Semaphore::kMaxValue);

  BoundedSemaphore bounded(2);
  EXPECT_TRUE(absl::IsFailedPrecondition(bounded.Release()));
  ASSERT_TRUE(bounded.Acquire().ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(bounded.Release(2)));
  EXPECT_EQ(bounded.value(), 1u);
  EXPECT_TRUE(bounded.Release().ok());
  EXPECT_EQ(bounded.value(), 2u);
}

TEST(SemaphoreMisuseTest, ArgumentsOutOfRangeAreRefused) {
  Semaphore semaphore(3'000'000'000u);
  EXPECT_TRUE(absl::IsInvalidArgument(semaphore.Acquire()));
  EXPECT_TRUE(absl::IsInvalidArgument(semaphore.Release()));
  EXPECT_FALSE(semaphore.TryAcquire());
  BoundedSemaphore bounded(3'000'000'000u);
  EXPECT_TRUE(absl::IsInvalidArgument(bounded.Acquire()));
  EXPECT_TRUE(absl::IsInvalidArgument(bounded.Release()));
  Semaphore good(0);
  EXPECT_TRUE(absl::IsInvalidArgument(good.Release(0)));
}

TEST(SemaphoreMisuseTest, ABoundedSemaphoreOfZeroNeverHasAPermit) {
  BoundedSemaphore bounded(0);
  EXPECT_TRUE(absl::IsFailedPrecondition(bounded.Release()));
  EXPECT_FALSE(bounded.TryAcquire());
}

TEST(SemaphoreMisuseTest, BytesThatAreNoSemaphoreAreDataLoss) {
  alignas(Semaphore) unsigned char bytes[sizeof(Semaphore)] = {};
  const uint32_t beacon = 7;
  memcpy(bytes + 4, &beacon, sizeof(beacon));
  const absl::Status status = reinterpret_cast<Semaphore*>(bytes)->Acquire(absl::Seconds(100));
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
}

// A killed sleeper swallows no permit.
TEST(SemaphoreDeathTest, AKilledSleeperTakesNothing) {
  Shared<Counted<Semaphore>> shared(World::kProcesses, 0);
  const auto acquire = [](Counted<Semaphore>& counted, int) { EXPECT_TRUE(counted.semaphore.Acquire().ok()); };
  for (int round = 0; round < 20; ++round) {
    Party victim = shared.Start(0, acquire);
    Party survivor = shared.Start(1, acquire);
    victim.AwaitAsleep();
    survivor.AwaitAsleep();
    victim.Kill();
    ASSERT_TRUE(shared->semaphore.Release().ok());
    survivor.Join();
    EXPECT_EQ(shared->semaphore.value(), 0u);
  }
}

}  // namespace
}  // namespace shoal
