#include "shoal/sync/barrier.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <new>
#include <stdexcept>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "shoal/sync/status.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal {
namespace {

using tests::Await;
using tests::Party;
using tests::Shared;
using tests::World;

struct Phased {
  explicit Phased(int parties) : barrier(parties) {}
  Barrier barrier;
  std::atomic<int> arrived{0};
  std::atomic<int> actions{0};
  int64_t by_party[8] = {};  // each written by one party, read by all after the barrier
};

class BarrierTest : public ::testing::TestWithParam<World> {};
INSTANTIATE_TEST_SUITE_P(Worlds, BarrierTest, ::testing::ValuesIn(tests::kAllWorlds), tests::WorldName);

// Nobody goes on before all have come; everybody sees what everybody did; every index is given once.
TEST_P(BarrierTest, AllComeBeforeAnyGoesOn) {
  constexpr int kParties = 4;
  Shared<Phased> shared(GetParam(), kParties);
  shared.Run(kParties, [](Phased& phased, int number) {
    for (int round = 1; round <= 500; ++round) {
      phased.by_party[number] = round;
      const absl::StatusOr<int> index = phased.barrier.Wait();
      ASSERT_TRUE(index.ok()) << index.status();
      // relaxed: a sum, read after the second barrier
      phased.arrived.fetch_add(*index, std::memory_order_relaxed);
      for (int i = 0; i < kParties; ++i) ASSERT_EQ(phased.by_party[i], round);
      ASSERT_TRUE(phased.barrier.Wait().ok());
      ASSERT_EQ(phased.arrived.load(std::memory_order_relaxed), round * 6);  // relaxed: as above
      ASSERT_TRUE(phased.barrier.Wait().ok());
    }
  });
  EXPECT_EQ(shared->barrier.waiting(), 0);
}

// The action runs once per cycle, in the last party, before anybody goes on.
TEST_P(BarrierTest, TheLastRunsTheActionFirst) {
  constexpr int kParties = 3;
  Shared<Phased> shared(GetParam(), kParties);
  shared.Run(kParties, [](Phased& phased, int) {
    for (int round = 1; round <= 200; ++round) {
      const absl::StatusOr<int> index = phased.barrier.Wait([&] {
        phased.actions.fetch_add(1, std::memory_order_relaxed);  // relaxed: the barrier orders it
      });
      ASSERT_TRUE(index.ok()) << index.status();
      ASSERT_EQ(phased.actions.load(std::memory_order_relaxed), round);  // relaxed: as above
      ASSERT_TRUE(phased.barrier.Wait().ok());
    }
  });
}

TEST_P(BarrierTest, ATimeoutBreaksItForAll) {
  Shared<Phased> shared(GetParam(), 3);
  Party waiter = shared.Start(0, [](Phased& phased, int) { EXPECT_TRUE(absl::IsAborted(phased.barrier.Wait().status())); });
  Await([&] { return shared->barrier.waiting() == 1; });
  Party late = shared.Start(
      1, [](Phased& phased, int) { EXPECT_TRUE(absl::IsAborted(phased.barrier.Wait(absl::Milliseconds(5)).status())); });
  waiter.Join();
  late.Join();
  EXPECT_TRUE(shared->barrier.broken());
  const absl::Status status = shared->barrier.Wait().status();
  EXPECT_TRUE(absl::IsAborted(status));
  EXPECT_TRUE(MadeByShoal(status));
  shared->barrier.Reset();
  EXPECT_FALSE(shared->barrier.broken());
  shared.Run(3, [](Phased& phased, int) { EXPECT_TRUE(phased.barrier.Wait().ok()); });
}

TEST_P(BarrierTest, AbortAndResetSendThoseWhoWaitAway) {
  Shared<Phased> shared(GetParam(), 3);
  for (const bool abort : {true, false}) {
    std::vector<Party> parties;
    for (int i = 0; i < 2; ++i) {
      parties.push_back(
          shared.Start(i, [](Phased& phased, int) { EXPECT_TRUE(absl::IsAborted(phased.barrier.Wait().status())); }));
    }
    Await([&] { return shared->barrier.waiting() == 2; });
    if (abort) shared->barrier.Abort();
    shared->barrier.Reset();
    for (Party& party : parties) party.Join();
    EXPECT_FALSE(shared->barrier.broken());
    EXPECT_EQ(shared->barrier.waiting(), 0);
  }
}

TEST_P(BarrierTest, AnActionThatThrowsBreaksIt) {
  Shared<Phased> shared(GetParam(), 2);
  Party waiter =
      shared.Start(0, [](Phased& phased, int) { EXPECT_TRUE(absl::IsAborted(phased.barrier.Wait([] {}).status())); });
  Await([&] { return shared->barrier.waiting() == 1; });
  EXPECT_THROW((void)shared->barrier.Wait([] { throw std::runtime_error("no"); }), std::runtime_error);
  waiter.Join();
  EXPECT_TRUE(shared->barrier.broken());
}

TEST(BarrierInOneThreadTest, OnePartyNeverWaits) {
  Barrier barrier(1);
  for (int i = 0; i < 3; ++i) {
    const absl::StatusOr<int> index = barrier.Wait(absl::ZeroDuration());
    ASSERT_TRUE(index.ok());
    EXPECT_EQ(*index, 0);
  }
}

TEST(BarrierInOneThreadTest, NumbersOfPartiesOutOfRangeAreRefused) {
  for (const int parties : {0, -1, 128}) {
    Barrier barrier(parties);
    EXPECT_TRUE(absl::IsInvalidArgument(barrier.Wait().status()));
  }
}

TEST(BarrierInOneThreadTest, BytesThatAreNoBarrierAreDataLoss) {
  alignas(Barrier) unsigned char bytes[sizeof(Barrier)];
  auto* const barrier = new (bytes) Barrier(2);
  const uint32_t beacon = 7;
  memcpy(bytes + 8, &beacon, sizeof(beacon));
  const absl::Status status = barrier->Wait(absl::Seconds(100)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
}

// Somebody writes over the beacon while a party sleeps: the party would look again and again.
TEST(BarrierInOneThreadTest, ABeaconWrittenOverMeanwhileBreaksIt) {
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  sigaction(SIGUSR1, &action, nullptr);
  Shared<Phased> shared(World::kProcesses, 2);
  Party party = shared.Start(0, [](Phased& phased, int) { EXPECT_TRUE(absl::IsAborted(phased.barrier.Wait().status())); });
  Await([&] { return shared->barrier.waiting() == 1; });
  party.AwaitAsleep();
  const uint32_t beacon = 7;
  memcpy(reinterpret_cast<unsigned char*>(&shared->barrier) + 8, &beacon, sizeof(beacon));
  kill(party.tid(), SIGUSR1);
  party.Join();
  EXPECT_TRUE(shared->barrier.broken());
}

TEST(BarrierInOneThreadTest, PollingAloneBreaksIt) {
  Barrier barrier(2);
  EXPECT_TRUE(absl::IsAborted(barrier.Wait(absl::Seconds(-1)).status()));
  EXPECT_TRUE(barrier.broken());
}

// A waiting party is killed: the others get Aborted at once.
TEST(BarrierDeathTest, AKilledPartyBreaksItForThoseWhoSleep) {
  Shared<Phased> shared(World::kProcesses, 4);
  const auto wait = [](Phased& phased, int) { EXPECT_TRUE(absl::IsAborted(phased.barrier.Wait().status())); };
  Party victim = shared.Start(0, wait);
  Party first = shared.Start(1, wait);
  Party second = shared.Start(2, wait);
  Await([&] { return shared->barrier.waiting() == 3; });
  victim.AwaitAsleep();
  victim.Kill();
  first.Join();
  second.Join();
}

// It was the only one, so the kernel had nobody to wake: whoever comes next finds out.
TEST(BarrierDeathTest, AKilledPartyBreaksItForWhoeverComesNext) {
  Shared<Phased> shared(World::kProcesses, 2);
  Party victim = shared.Start(0, [](Phased& phased, int) { (void)phased.barrier.Wait(); });
  Await([&] { return shared->barrier.waiting() == 1; });
  victim.Kill();
  EXPECT_TRUE(absl::IsAborted(shared->barrier.Wait().status()));
  shared->barrier.Reset();
  shared.Run(2, [](Phased& phased, int) { EXPECT_TRUE(phased.barrier.Wait().ok()); });
}

// The last party is killed in its action, in the user's code, where nothing is pending.
TEST(BarrierDeathTest, APartyKilledInItsActionBreaksIt) {
  Shared<Phased> shared(World::kProcesses, 3);
  const auto wait = [](Phased& phased, int) { EXPECT_TRUE(absl::IsAborted(phased.barrier.Wait([] {}).status())); };
  Party first = shared.Start(0, wait);
  Party second = shared.Start(1, wait);
  Await([&] { return shared->barrier.waiting() == 2; });
  Party runner = shared.Start(2, [](Phased& phased, int) {
    (void)phased.barrier.Wait([&] {
      phased.actions.store(1, std::memory_order_release);  // EDGE test.action (release)
      for (;;) pause();
    });
  });
  Await([&] { return shared->actions.load(std::memory_order_acquire) == 1; });  // EDGE test.action (acquire)
  first.AwaitAsleep();
  second.AwaitAsleep();
  runner.Kill();
  first.Join();
  second.Join();
  EXPECT_TRUE(shared->barrier.broken());
}

}  // namespace
}  // namespace shoal
