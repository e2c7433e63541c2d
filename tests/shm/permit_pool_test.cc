// Permits that come back: from who gives them back, and from processes that end in whatever way.

#include "shoal/shm/permit_pool.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/robust_list.h"
#include "shoal/sync/robust_lock.h"
#include "shoal/sync/status.h"
#include "shoal/tests/shm/object_world.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal {
namespace {

using tests::Await;
using tests::Cue;
using tests::InSegment;
using tests::Party;
using tests::World;

// What the parties share.
struct Room {
  explicit Room(uint32_t permits) : pool(permits) {}
  PermitPool pool;
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
};

InSegment<Room> RoomOf(World world, uint32_t permits) {
  return InSegment<Room>(world, size_t{1} << 20, [&](Room* where, auto&) {
    new (where) Room(permits);
    return absl::OkStatus();
  });
}

void Enter(Room& room, int count) {
  const int now = room.inside += count;
  for (int most = room.most; most < now && !room.most.compare_exchange_weak(most, now);) {
  }
}

class PermitPoolWorlds : public testing::TestWithParam<World> {};
INSTANTIATE_TEST_SUITE_P(All, PermitPoolWorlds, testing::ValuesIn(tests::kAllWorlds), tests::WorldName);

// Whatever the parties do, no more are inside than there are permits, all get theirs, and all come back.
TEST_P(PermitPoolWorlds, NeverMoreThanThereAre) {
  const auto room = RoomOf(GetParam(), 3);
  room.Run(5, [](Room& mine, int number) {
    for (int i = 0; i < 200; ++i) {
      const uint32_t count = number == 4 ? 2 : 1;
      auto permit = mine.pool.Acquire(count);
      ASSERT_TRUE(permit.ok()) << permit.status();
      EXPECT_EQ(permit->count(), count);
      Enter(mine, static_cast<int>(count));
      mine.inside -= static_cast<int>(count);
    }
  });
  EXPECT_LE(room->most, 3);
  EXPECT_EQ(room->inside, 0);
  EXPECT_EQ(room->pool.available(), 3u);
}

// A sleeper is woken for a permit, and cannot look for it in time, because somebody is held up inside a call: the next one is woken.
TEST(PermitPoolTest, WhoGivesUpPassesTheWakeOn) {
  const auto room = RoomOf(World::kThreads, 1);
  auto mine = room->pool.Acquire();
  ASSERT_TRUE(mine.ok()) << mine.status();
  Party hasty(World::kThreads, [&] {
    EXPECT_TRUE(absl::IsDeadlineExceeded(room->pool.Acquire(1, absl::Milliseconds(300)).status()));
  });
  hasty.AwaitAsleep();
  Party patient(World::kThreads, [&] { EXPECT_TRUE(room->pool.Acquire().ok()); });
  patient.AwaitAsleep();
  // The pool begins with the lock of its calls.
  auto& lock = reinterpret_cast<sync_internal::RobustWord&>(room->pool);
  sync_internal::Thread& self = sync_internal::ThisThread();
  bool owner_died = false;
  ASSERT_TRUE(sync_internal::Acquire(self, lock, sync_internal::Deadline::Infinite(), &owner_died).ok());
  EXPECT_TRUE(mine->Release().ok());
  hasty.Join();
  sync_internal::Release(self, lock);
  patient.Join();
}

TEST_P(PermitPoolWorlds, ASleeperIsWokenByWhoGivesBack) {
  const auto room = RoomOf(GetParam(), 1);
  auto mine = room->pool.Acquire();
  ASSERT_TRUE(mine.ok()) << mine.status();
  std::vector<Party> parties;
  for (int i = 0; i < 3; ++i) {
    parties.push_back(room.Start(i, [](Room& own, int) { EXPECT_TRUE(own.pool.Acquire().ok()); }));
    parties.back().AwaitAsleep();
  }
  EXPECT_TRUE(mine->Release().ok());
  for (Party& party : parties) party.Join();
  EXPECT_EQ(room->pool.available(), 1u);
}

// One that wants several must not swallow the wake of one that wants what there is.
TEST_P(PermitPoolWorlds, WhoWantsSeveralStandsInNobodysWay) {
  const auto room = RoomOf(GetParam(), 2);
  auto first = room->pool.Acquire();
  auto second = room->pool.Acquire();
  ASSERT_TRUE(first.ok() && second.ok());
  Party several = room.Start(0, [](Room& own, int) { EXPECT_TRUE(own.pool.Acquire(2).ok()); });
  several.AwaitAsleep();
  Party one = room.Start(1, [](Room& own, int) { EXPECT_TRUE(own.pool.Acquire(1).ok()); });
  one.AwaitAsleep();
  EXPECT_TRUE(first->Release().ok());
  one.Join();
  EXPECT_TRUE(second->Release().ok());
  several.Join();
  EXPECT_EQ(room->pool.available(), 2u);
}

TEST_P(PermitPoolWorlds, ATimeoutTakesNothing) {
  const auto room = RoomOf(GetParam(), 2);
  auto mine = room->pool.Acquire(2);
  ASSERT_TRUE(mine.ok());
  room.Run(2, [](Room& own, int) {
    EXPECT_TRUE(absl::IsDeadlineExceeded(own.pool.Acquire(absl::ZeroDuration()).status()));
    EXPECT_TRUE(absl::IsDeadlineExceeded(own.pool.Acquire(-absl::Seconds(1)).status()));
    EXPECT_TRUE(absl::IsDeadlineExceeded(own.pool.Acquire(2, absl::Microseconds(300)).status()));
    EXPECT_FALSE(own.pool.TryAcquire().has_value());
  });
  EXPECT_EQ(room->pool.available(), 0u);
  mine->Release().IgnoreError();
  EXPECT_EQ(room->pool.available(), 2u);
}

// ---- deaths -------------------------------------------------------------------------------------------------------------------

// Holds what it got until it is killed.
Party Holder(const InSegment<Room>& room, uint32_t count, const Cue& cue) {
  Party holder = room.Start(0, [count, &cue](Room& own, int) {
    auto permit = own.pool.Acquire(count);
    EXPECT_TRUE(permit.ok()) << permit.status();
    cue.Give();
    for (;;) pause();
  });
  cue.Await();
  return holder;
}

TEST(PermitPoolDeathTest, TheDeathOfAHolderOutsideAnyCallWakesWhoSleeps) {
  const auto room = RoomOf(World::kProcesses, 2);
  Cue cue;
  Party holder = Holder(room, 2, cue);
  std::vector<Party> sleepers;
  for (int i = 0; i < 3; ++i) {
    sleepers.push_back(room.Start(i, [](Room& own, int) { EXPECT_TRUE(own.pool.Acquire().ok()); }));
    sleepers.back().AwaitAsleep();
  }
  holder.Kill();
  for (Party& sleeper : sleepers) sleeper.Join();
  EXPECT_EQ(room->pool.available(), 2u);
}

TEST(PermitPoolDeathTest, TwoKilledAtOnce) {
  const auto room = RoomOf(World::kProcesses, 3);
  Cue cue;
  Party first = Holder(room, 1, cue);
  Party second = Holder(room, 2, cue);
  Party sleeper = room.Start(0, [](Room& own, int) { EXPECT_TRUE(own.pool.Acquire(3).ok()); });
  sleeper.AwaitAsleep();
  kill(first.tid(), SIGKILL);
  second.Kill();
  first.Kill();
  sleeper.Join();
  EXPECT_EQ(room->pool.available(), 3u);
}

// The keepers are told of all deaths, but this process need not have one, or be quick: whoever looks takes back.
TEST(PermitPoolDeathTest, WhoComesLaterTakesBackWhatTheDeadHad) {
  const auto room = RoomOf(World::kProcesses, 1);
  Cue cue;
  Party holder = Holder(room, 1, cue);
  EXPECT_EQ(room->pool.available(), 0u);
  holder.Kill();
  EXPECT_EQ(room->pool.available(), 1u);
  EXPECT_TRUE(room->pool.TryAcquire().has_value());
  // The next ones get its slot, and not its permits.
  for (int i = 0; i < 3; ++i) {
    Party next = Holder(room, 1, cue);
    EXPECT_FALSE(room->pool.TryAcquire().has_value());
    next.Kill();
  }
  EXPECT_TRUE(room->pool.TryAcquire().has_value());
}

TEST(PermitPoolDeathTest, ExecIsADeath) {
  const auto room = RoomOf(World::kProcesses, 1);
  Cue cue;
  Cue go;
  Party holder = room.Start(0, [&](Room& own, int) {
    auto permit = own.pool.Acquire();
    EXPECT_TRUE(permit.ok()) << permit.status();
    cue.Give();
    go.Await();
    execl("/bin/sleep", "sleep", "1000", nullptr);
  });
  cue.Await();
  Party sleeper = room.Start(1, [](Room& own, int) { EXPECT_TRUE(own.pool.Acquire().ok()); });
  sleeper.AwaitAsleep();
  go.Give();
  sleeper.Join();
  EXPECT_EQ(kill(holder.tid(), 0), 0);
  holder.Kill();
}

TEST(PermitPoolDeathTest, AStoppedHolderIsNotDead) {
  const auto room = RoomOf(World::kProcesses, 1);
  Cue cue;
  Party holder = Holder(room, 1, cue);
  kill(holder.tid(), SIGSTOP);
  Await([&] { return tests::ProcessState(holder.tid()) == 'T'; });
  EXPECT_EQ(room->pool.available(), 0u);
  EXPECT_TRUE(absl::IsDeadlineExceeded(room->pool.Acquire(absl::Milliseconds(5)).status()));
  Party sleeper = room.Start(0, [](Room& own, int) { EXPECT_TRUE(own.pool.Acquire().ok()); });
  sleeper.AwaitAsleep();
  holder.Kill();
  sleeper.Join();
}

// A sleeper that dies, and one that was to be woken in its place.
TEST(PermitPoolDeathTest, TheDeathOfASleeperHarmsNobody) {
  const auto room = RoomOf(World::kProcesses, 1);
  auto mine = room->pool.Acquire();
  ASSERT_TRUE(mine.ok());
  Party first = room.Start(0, [](Room& own, int) { EXPECT_TRUE(own.pool.Acquire().ok()); });
  first.AwaitAsleep();
  Party second = room.Start(1, [](Room& own, int) { EXPECT_TRUE(own.pool.Acquire().ok()); });
  second.AwaitAsleep();
  kill(first.tid(), SIGSTOP);
  Await([&] { return tests::ProcessState(first.tid()) == 'T'; });
  EXPECT_TRUE(mine->Release().ok());  // wakes the first, which cannot go on
  first.Kill();
  second.Join();
}

TEST(PermitPoolDeathTest, TheParentsPermitIsDeadInAForkedChild) {
  const auto room = RoomOf(World::kProcesses, 2);
  std::optional<Permit> mine = room->pool.TryAcquire();
  ASSERT_TRUE(mine.has_value());
  Party child = room.Start(0, [&mine](Room& own, int) {
    EXPECT_FALSE(mine->held());
    EXPECT_EQ(mine->count(), 0u);
    EXPECT_EQ(mine->Release().code(), absl::StatusCode::kFailedPrecondition);
    mine.reset();
    EXPECT_EQ(own.pool.available(), 1u);
    EXPECT_TRUE(own.pool.Acquire().ok());  // one of its own
  });
  child.Join();
  EXPECT_TRUE(mine->held());
  EXPECT_EQ(room->pool.available(), 1u);
}

// ---- misuse -------------------------------------------------------------------------------------------------------------------

TEST(PermitPoolTest, MisuseIsAStatus) {
  const auto room = RoomOf(World::kThreads, 2);
  auto permit = room->pool.Acquire();
  ASSERT_TRUE(permit.ok());
  Permit moved = *std::move(permit);
  EXPECT_EQ(permit->Release().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE(permit->held());
  EXPECT_TRUE(moved.held());
  EXPECT_TRUE(moved.Release().ok());
  const absl::Status again = moved.Release();
  EXPECT_EQ(again.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(MadeByShoal(again));
  EXPECT_EQ(room->pool.available(), 2u);
  EXPECT_EQ(room->pool.Acquire(0).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(room->pool.Acquire(3).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(room->pool.total(), 2u);
}

TEST(PermitPoolTest, AssigningGivesBackWhatWasHeld) {
  const auto room = RoomOf(World::kThreads, 3);
  auto one = room->pool.Acquire(1);
  auto two = room->pool.Acquire(2);
  ASSERT_TRUE(one.ok() && two.ok());
  *one = *std::move(two);
  EXPECT_EQ(one->count(), 2u);
  EXPECT_EQ(room->pool.available(), 1u);
}

TEST(PermitPoolTest, APoolThatCannotBeSaysSoInEveryCall) {
  for (const uint32_t permits : {0u, PermitPool::kMaxPermits + 1, ~0u}) {
    const auto room = RoomOf(World::kThreads, permits);
    EXPECT_EQ(room->pool.Acquire().status().code(), absl::StatusCode::kInvalidArgument) << permits;
    EXPECT_FALSE(room->pool.TryAcquire().has_value());
    EXPECT_EQ(room->pool.available(), 0u);
  }
  const auto most = RoomOf(World::kThreads, PermitPool::kMaxPermits);
  auto all = most->pool.Acquire(PermitPool::kMaxPermits);
  EXPECT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(most->pool.available(), 0u);
}

TEST(PermitPoolTest, OutsideOfASegmentThereIsNobodyToTellOfADeath) {
  PermitPool pool(1);
  EXPECT_EQ(pool.Acquire().status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(pool.available(), 1u);
}

TEST(PermitPoolTest, APermitKeepsItsSegmentMapped) {
  auto room = RoomOf(World::kThreads, 1);
  auto permit = room->pool.Acquire();
  ASSERT_TRUE(permit.ok());
  room.Forget();
  EXPECT_EQ(room->pool.available(), 0u);
  EXPECT_TRUE(permit->Release().ok());
}

TEST(PermitPoolTest, CountersThatMakeNoSenseAreDataLoss) {
  const auto room = RoomOf(World::kThreads, 2);
  auto permit = room->pool.Acquire();
  ASSERT_TRUE(permit.ok());
  std::byte* const bytes = reinterpret_cast<std::byte*>(&room->pool);
  for (size_t i = 64; i < sizeof(PermitPool); ++i) bytes[i] ^= std::byte{0x55};
  EXPECT_EQ(permit->Release().code(), absl::StatusCode::kDataLoss);
  auto next = room->pool.Acquire(absl::ZeroDuration());  // or a correct answer: that of a pool that the dead have left
  EXPECT_TRUE(next.ok() || absl::IsDataLoss(next.status())) << next.status();
}

}  // namespace
}  // namespace shoal
