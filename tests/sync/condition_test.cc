#include "shoal/sync/condition.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <random>
#include <set>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "shoal/sync/guard.h"
#include "shoal/sync/lock.h"
#include "shoal/sync/notifications.h"
#include "shoal/sync/rlock.h"
#include "shoal/sync/status.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal {
namespace {

using tests::Await;
using tests::Party;
using tests::Shared;
using tests::World;

template <class L = Lock>
struct Room {
  L lock;
  Condition changed;
  Condition other;
  int64_t items = 0;    // guarded by lock
  int64_t waiting = 0;  // guarded by lock
  std::atomic<int> notified{0};
};

class ConditionTest : public ::testing::TestWithParam<World> {};
INSTANTIATE_TEST_SUITE_P(Worlds, ConditionTest, ::testing::ValuesIn(tests::kAllWorlds), tests::WorldName);

void WaitOnce(Room<>& room, int) {
  absl::StatusOr<Guard> guard = room.lock.Acquire();
  ASSERT_TRUE(guard.ok());
  ++room.waiting;
  ASSERT_TRUE(room.changed.Wait(*guard).ok());
  room.notified.fetch_add(1, std::memory_order_relaxed);  // relaxed: a count
}

// Waits until `count` parties have given the lock up in Wait.
template <class L>
void AwaitWaiting(Room<L>& room, int64_t count) {
  Await([&] {
    absl::StatusOr<Guard> guard = room.lock.Acquire();
    return guard.ok() && room.waiting == count;
  });
}

// A bounded number of items, many producers and consumers: nothing is lost, nobody sleeps for ever.
TEST_P(ConditionTest, ProducersAndConsumersFinish) {
  Shared<Room<>> shared(GetParam());
  constexpr int kItems = 2000;
  shared.Run(4, [](Room<>& room, int number) {
    for (int i = 0; i < kItems; ++i) {
      absl::StatusOr<Guard> guard = room.lock.Acquire();
      ASSERT_TRUE(guard.ok());
      if (number % 2 == 0) {
        ASSERT_TRUE(room.other.Wait(*guard, [&] { return room.items < 3; }).ok());
        ++room.items;
        ASSERT_TRUE(room.changed.Notify(*guard).ok());
      } else {
        ASSERT_TRUE(room.changed.Wait(*guard, [&] { return room.items > 0; }).ok());
        --room.items;
        ASSERT_TRUE(room.other.Notify(*guard).ok());
      }
    }
  });
  EXPECT_EQ(shared->items, 0);
}

// Notify(n) lets n of those go who wait now; nobody else, and nobody later.
TEST_P(ConditionTest, NotifiesAsManyAsAsked) {
  Shared<Room<>> shared(GetParam());
  {
    absl::StatusOr<Guard> guard = shared->lock.Acquire();
    ASSERT_TRUE(shared->changed.Notify(*guard, 5).ok());  // nobody waits: not remembered
  }
  std::vector<Party> parties;
  for (int i = 0; i < 4; ++i) parties.push_back(shared.Start(i, WaitOnce));
  AwaitWaiting(*shared, 4);
  const auto notified = [&] { return shared->notified.load(std::memory_order_relaxed); };  // relaxed: a count
  {
    absl::StatusOr<Guard> guard = shared->lock.Acquire();
    ASSERT_TRUE(shared->changed.Notify(*guard, 0).ok());
    ASSERT_TRUE(shared->changed.Notify(*guard, -3).ok());
    ASSERT_TRUE(shared->changed.Notify(*guard, 2).ok());
  }
  Await([&] { return notified() == 2; });
  // The two others have looked, found nothing and sleep again.
  Await([&] {
    int asleep = 0;
    for (Party& party : parties) asleep += tests::ProcessState(party.tid()) == 'S';
    return asleep == 2;
  });
  EXPECT_EQ(notified(), 2);
  {
    absl::StatusOr<Guard> guard = shared->lock.Acquire();
    ASSERT_TRUE(shared->changed.NotifyAll(*guard).ok());
  }
  for (Party& party : parties) party.Join();
  EXPECT_EQ(notified(), 4);
}

// A waiter that timed out is not counted: the next notification reaches one that waits.
TEST_P(ConditionTest, ATimedOutWaiterSwallowsNothing) {
  Shared<Room<>> shared(GetParam());
  shared.Run(2, [](Room<>& room, int) {
    absl::StatusOr<Guard> guard = room.lock.Acquire();
    ASSERT_TRUE(guard.ok());
    for (const absl::Duration timeout : {absl::ZeroDuration(), absl::Seconds(-1), absl::Milliseconds(5)}) {
      const absl::Status status = room.changed.Wait(*guard, timeout);
      EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
      EXPECT_TRUE(MadeByShoal(status));
      EXPECT_TRUE(guard->held());
    }
    EXPECT_TRUE(absl::IsDeadlineExceeded(room.changed.Wait(
        *guard, [] { return false; }, absl::Milliseconds(1))));
    EXPECT_TRUE(room.changed
                    .Wait(
                        *guard, [] { return true; }, absl::ZeroDuration())
                    .ok());
  });
  Party waiter = shared.Start(0, WaitOnce);
  AwaitWaiting(*shared, 1);
  {
    absl::StatusOr<Guard> guard = shared->lock.Acquire();
    ASSERT_TRUE(shared->changed.Notify(*guard).ok());
  }
  waiter.Join();
}

// An RLock is given up at all its levels and taken back at all of them.
TEST_P(ConditionTest, GivesUpAllLevelsOfAnRLock) {
  Shared<Room<RLock>> shared(GetParam());
  Party waiter = shared.Start(0, [](Room<RLock>& room, int) {
    absl::StatusOr<Guard> outer = room.lock.Acquire();
    {
      absl::StatusOr<Guard> inner = room.lock.Acquire();
      ASSERT_TRUE(inner.ok());
      ++room.waiting;
      ASSERT_TRUE(room.changed.Wait(*inner).ok());
    }
    EXPECT_TRUE(room.lock.locked());
    EXPECT_TRUE(outer->Release().ok());
    EXPECT_FALSE(room.lock.locked());
  });
  AwaitWaiting(*shared, 1);
  {
    absl::StatusOr<Guard> guard = shared->lock.Acquire();
    ASSERT_TRUE(shared->changed.Notify(*guard).ok());
  }
  waiter.Join();
}

TEST(ConditionMisuseTest, AGuardOfAnotherLockIsRefused) {
  Room<> room;
  Room<> elsewhere;
  absl::StatusOr<Guard> guard = room.lock.Acquire();
  ASSERT_TRUE(room.changed.Notify(*guard).ok());
  absl::StatusOr<Guard> wrong = elsewhere.lock.Acquire();
  EXPECT_TRUE(absl::IsFailedPrecondition(room.changed.Wait(*wrong)));
  EXPECT_TRUE(absl::IsFailedPrecondition(room.changed.Notify(*wrong)));
  ASSERT_TRUE(guard->Release().ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(room.changed.Wait(*guard)));
}

TEST(ConditionMisuseTest, BytesThatAreNoConditionAreDataLoss) {
  Lock lock;
  alignas(Condition) unsigned char bytes[sizeof(Condition)] = {};
  const uint32_t beacon = 7;
  memcpy(bytes + 4, &beacon, sizeof(beacon));
  absl::StatusOr<Guard> guard = lock.Acquire();
  const absl::Status status = reinterpret_cast<Condition*>(bytes)->Wait(*guard, absl::Seconds(100));
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_TRUE(guard->Release().ok());
}

// A waiter is killed in its sleep; neither is a notification swallowed nor does one block.
TEST(ConditionDeathTest, AKilledWaiterSwallowsNothing) {
  Shared<Room<>> shared(World::kProcesses);
  Party victim = shared.Start(0, WaitOnce);
  AwaitWaiting(*shared, 1);
  victim.AwaitAsleep();
  victim.Kill();
  Party survivor = shared.Start(1, WaitOnce);
  AwaitWaiting(*shared, 2);
  {
    absl::StatusOr<Guard> guard = shared->lock.Acquire();
    ASSERT_TRUE(shared->changed.Notify(*guard).ok());
  }
  survivor.Join();
}

// What the ledger must do, said differently: every notification goes to somebody who waited then, and no more go than were sent.
TEST(NotificationsTest, ExactAgainstAnOracle) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int run = 0; run < 2000; ++run) {
    sync_internal::Notifications ledger;
    std::set<uint64_t> waiting;  // not told to go yet
    int owed = 0;
    int closed_groups = 0;
    for (int step = 0; step < 40; ++step) {
      switch (random() % 4) {
        case 0:
          waiting.insert(ledger.Register());
          break;
        case 1: {
          if (owed == 0) closed_groups = 0;
          if (++closed_groups > 3) break;  // beyond kGroups it may notify too many
          const int n = 1 + static_cast<int>(random() % 3);
          const int useful = std::min<int>(n, static_cast<int>(waiting.size()) - owed);
          EXPECT_EQ(ledger.Notify(static_cast<uint32_t>(n)), static_cast<int>(waiting.size()) > owed);
          owed += std::max(useful, 0);
          break;
        }
        default: {
          if (waiting.empty()) break;
          auto it = waiting.begin();
          std::advance(it, static_cast<long>(random() % waiting.size()));
          if (ledger.Take(*it)) {
            --owed;
            ASSERT_GE(owed, 0) << "more went than were sent";
            waiting.erase(it);
          } else if (random() % 3 == 0) {
            ledger.Leave(*it);
            waiting.erase(it);
          }
        }
      }
    }
    // All who are owed can go: asked in any order, exactly as many go as are owed.
    std::vector<uint64_t> rest(waiting.begin(), waiting.end());
    std::shuffle(rest.begin(), rest.end(), random);
    int went = 0;
    for (const uint64_t ticket : rest) went += ledger.Take(ticket) ? 1 : 0;
    EXPECT_EQ(went, owed);
    EXPECT_EQ(ledger.waiting(), waiting.size() - static_cast<size_t>(owed));
  }
}

}  // namespace
}  // namespace shoal
