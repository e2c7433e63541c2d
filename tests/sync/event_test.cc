#include "shoal/sync/event.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "shoal/sync/status.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal {
namespace {

using tests::Party;
using tests::Shared;
using tests::World;

struct Flagged {
  Event event;
  Event back;
  int64_t value = 0;  // published by the event
};

class EventTest : public ::testing::TestWithParam<World> {};
INSTANTIATE_TEST_SUITE_P(Worlds, EventTest, ::testing::ValuesIn(tests::kAllWorlds), tests::WorldName);

TEST_P(EventTest, SetWakesAllWhoWait) {
  Shared<Flagged> shared(GetParam());
  std::vector<Party> parties;
  for (int i = 0; i < 4; ++i) {
    parties.push_back(shared.Start(i, [](Flagged& flagged, int) {
      EXPECT_TRUE(flagged.event.Wait().ok());
      EXPECT_EQ(flagged.value, 42);
    }));
  }
  for (Party& party : parties) party.AwaitAsleep();
  shared->value = 42;
  shared->event.Set();
  for (Party& party : parties) party.Join();
  EXPECT_TRUE(shared->event.IsSet());
}

// Whoever waited when the event was set returns OK, although it is cleared before anybody has run.
TEST_P(EventTest, SetThenClearAtOnceIsSeenByAllWhoWaited) {
  Shared<Flagged> shared(GetParam());
  for (int round = 0; round < 50; ++round) {
    std::vector<Party> parties;
    for (int i = 0; i < 2; ++i) {
      parties.push_back(shared.Start(i, [](Flagged& flagged, int) { EXPECT_TRUE(flagged.event.Wait().ok()); }));
    }
    for (Party& party : parties) party.AwaitAsleep();
    shared->event.Set();
    shared->event.Clear();
    for (Party& party : parties) party.Join();
    EXPECT_FALSE(shared->event.IsSet());
  }
}

// What one side did before Set the other sees after Wait, back and forth.
TEST_P(EventTest, HandsDataBackAndForth) {
  Shared<Flagged> shared(GetParam());
  constexpr int kRounds = 5000;
  shared.Run(2, [](Flagged& flagged, int number) {
    Event& own = number == 0 ? flagged.event : flagged.back;
    Event& other = number == 0 ? flagged.back : flagged.event;
    if (number == 1) other.Set();
    for (int i = 0; i < kRounds; ++i) {
      ASSERT_TRUE(own.Wait().ok());
      own.Clear();
      ASSERT_EQ(flagged.value, 2 * i + number);
      ++flagged.value;
      other.Set();
    }
  });
  EXPECT_EQ(shared->value, 2 * kRounds);
}

TEST_P(EventTest, TimesOutAndChangesNothing) {
  Shared<Flagged> shared(GetParam());
  shared.Run(2, [](Flagged& flagged, int) {
    for (const absl::Duration timeout : {absl::ZeroDuration(), absl::Seconds(-1), absl::Milliseconds(5)}) {
      const absl::Status status = flagged.event.Wait(timeout);
      EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
      EXPECT_TRUE(MadeByShoal(status));
    }
  });
  EXPECT_FALSE(shared->event.IsSet());
  shared->event.Set();
  shared->event.Set();
  EXPECT_TRUE(shared->event.Wait(absl::ZeroDuration()).ok());
  shared->event.Clear();
  shared->event.Clear();
  EXPECT_FALSE(shared->event.IsSet());
}

Event* signalled = nullptr;

// Set from a handler that interrupts this thread's own wait on the same event, or a Set or Clear of it.
TEST(EventSignalTest, SetIsAsyncSignalSafe) {
  Shared<Flagged> shared(World::kProcesses);
  Party sleeper = shared.Start(0, [](Flagged& flagged, int) {
    signalled = &flagged.event;
    struct sigaction action = {};
    action.sa_handler = [](int) {
      if (!signalled->IsSet()) signalled->Set();
    };
    sigaction(SIGUSR1, &action, nullptr);
    flagged.back.Set();
    EXPECT_TRUE(flagged.event.Wait().ok());
  });
  ASSERT_TRUE(shared->back.Wait().ok());
  sleeper.AwaitAsleep();
  kill(sleeper.tid(), SIGUSR1);
  sleeper.Join();
}

// A sleeper that is killed leaves an event that works.
TEST(EventDeathTest, AKilledSleeperIsNotMissed) {
  Shared<Flagged> shared(World::kProcesses);
  const auto wait = [](Flagged& flagged, int) { EXPECT_TRUE(flagged.event.Wait().ok()); };
  Party victim = shared.Start(0, wait);
  Party survivor = shared.Start(1, wait);
  victim.AwaitAsleep();
  survivor.AwaitAsleep();
  victim.Kill();
  shared->event.Set();
  survivor.Join();
}

}  // namespace
}  // namespace shoal
