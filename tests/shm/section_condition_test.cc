// Condition with the guards of critical sections: Wait commits, nothing is lost, and what a dead waiter had taken is taken by another.

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "shoal/shm/mutex.h"
#include "shoal/sync/condition.h"
#include "shoal/tests/worlds/segment_world.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal {
namespace {

using tests::Await;
using tests::Party;
using tests::SharedInSegment;
using tests::World;

struct Work {
  int64_t items = 0;
  int64_t taken = 0;
  int64_t waiting = 0;
};

struct Room {
  Mutex<Work> work;
  Condition changed;
  Condition other;
  Mutex<Work> elsewhere;
  std::atomic<int> inside{0};  // who holds an item in an open section, by TID
};

class SectionConditionTest : public ::testing::TestWithParam<World> {};
INSTANTIATE_TEST_SUITE_P(Worlds, SectionConditionTest, ::testing::ValuesIn(tests::kAllWorlds), tests::WorldName);

int64_t Read(Room& room, int64_t Work::*field) {
  return room.work.With([field](Work& work) { return work.*field; }).value();
}

// A bounded number of items, many producers and consumers: nothing is lost, nobody sleeps for ever.
TEST_P(SectionConditionTest, ProducersAndConsumersFinish) {
  SharedInSegment<Room> shared(GetParam());
  constexpr int kItems = 1000;
  shared.Run(4, [](Room& room, int number) {
    for (int i = 0; i < kItems; ++i) {
      auto guard = room.work.Lock();
      ASSERT_TRUE(guard.ok());
      if (number % 2 == 0) {
        ASSERT_TRUE(room.other.Wait(*guard, [&] { return (*guard)->items < 3; }).ok());
        ++(*guard)->items;
        ASSERT_TRUE(room.changed.Notify(*guard).ok());
      } else {
        ASSERT_TRUE(room.changed.Wait(*guard, [&] { return (*guard)->items > 0; }).ok());
        --(*guard)->items;
        ++(*guard)->taken;
        ASSERT_TRUE(room.other.NotifyAll(*guard).ok());
      }
    }
  });
  EXPECT_EQ(Read(*shared, &Work::items), 0);
  EXPECT_EQ(Read(*shared, &Work::taken), 2 * kItems);
}

// What was changed before the sleep is there for the others; what is changed after it can be taken back, and nothing else.
TEST_P(SectionConditionTest, WaitCommitsAndOpensANewSection) {
  SharedInSegment<Room> shared(GetParam());
  Party waiter = shared.Start(1, [](Room& room, int) {
    auto guard = room.work.Lock();
    ASSERT_TRUE(guard.ok());
    (*guard)->waiting = 1;
    ASSERT_TRUE(room.changed.Wait(*guard).ok());
    EXPECT_EQ((*guard)->items, 5);
    (*guard)->items = 6;
    guard->Rollback();
    EXPECT_EQ((*guard)->items, 5);
    EXPECT_EQ((*guard)->waiting, 1);
    (*guard)->items = 7;
  });
  Await([&] { return Read(*shared, &Work::waiting) == 1; });
  {
    auto guard = shared->work.Lock();
    ASSERT_TRUE(guard.ok());
    (*guard)->items = 5;
    ASSERT_TRUE(shared->changed.Notify(*guard).ok());
  }
  waiter.Join();
  EXPECT_EQ(Read(*shared, &Work::items), 7);
}

TEST_P(SectionConditionTest, ATimeoutKeepsTheLockWithANewSection) {
  SharedInSegment<Room> shared(GetParam());
  shared.Run(2, [](Room& room, int) {
    auto guard = room.work.Lock();
    ASSERT_TRUE(guard.ok());
    ++(*guard)->items;
    // Zero: it looks, and neither sleeps nor commits.
    EXPECT_TRUE(absl::IsDeadlineExceeded(room.changed.Wait(*guard, absl::ZeroDuration())));
    guard->Rollback();
    ++(*guard)->items;
    EXPECT_TRUE(absl::IsDeadlineExceeded(room.changed.Wait(*guard, [] { return false; }, absl::Milliseconds(2))));
    ASSERT_TRUE(guard->held());
    EXPECT_TRUE(room.work.locked());
    ++(*guard)->items;
    guard->Rollback();
  });
  EXPECT_EQ(Read(*shared, &Work::items), 2);
}

TEST_P(SectionConditionTest, ARolledBackSectionNotifiesAllTheSame) {
  SharedInSegment<Room> shared(GetParam());
  Party waiter = shared.Start(1, [](Room& room, int) {
    auto guard = room.work.Lock();
    ASSERT_TRUE(guard.ok());
    (*guard)->waiting = 1;
    ASSERT_TRUE(room.changed.Wait(*guard).ok());
    EXPECT_EQ((*guard)->items, 0);
  });
  Await([&] { return Read(*shared, &Work::waiting) == 1; });
  {
    auto guard = shared->work.Lock();
    (*guard)->items = 1;
    ASSERT_TRUE(shared->changed.NotifyAll(*guard).ok());
    guard->Rollback();
  }
  waiter.Join();
}

TEST_P(SectionConditionTest, MisuseIsRefused) {
  SharedInSegment<Room> shared(GetParam());
  auto guard = shared->work.Lock();
  ASSERT_TRUE(guard.ok());
  ASSERT_TRUE(shared->changed.Notify(*guard).ok());
  guard->Release();
  EXPECT_EQ(shared->changed.Notify(*guard).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(shared->changed.Wait(*guard).code(), absl::StatusCode::kFailedPrecondition);
  auto other = shared->elsewhere.Lock();
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(shared->changed.Wait(*other).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(shared->changed.NotifyAll(*other).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(other->held());
}

TEST_P(SectionConditionTest, AnExceptionFromThePredicateRollsBack) {
  SharedInSegment<Room> shared(GetParam());
  EXPECT_THROW(
      {
        auto guard = shared->work.Lock();
        (*guard)->items = 1;
        shared->changed.Wait(*guard, []() -> bool { throw 5; }).IgnoreError();
      },
      int);
  EXPECT_FALSE(shared->work.locked());
  EXPECT_EQ(Read(*shared, &Work::items), 0);
}

// One item and one notification for two who wait. Whoever gets it is killed with the item in hand: the item comes back, and the other
// one gets it. (F3 of the sequences that break simpler conditions.)
TEST(SectionConditionDeathTest, WhatADeadWaiterHadTakenIsTakenByAnother) {
  SharedInSegment<Room> shared(World::kProcesses);
  std::vector<Party> waiters;
  for (int i = 0; i < 2; ++i) {
    waiters.push_back(shared.Start(i, [](Room& room, int) {
      auto guard = room.work.Lock();
      ASSERT_TRUE(guard.ok());
      ++(*guard)->waiting;
      ASSERT_TRUE(room.changed.Wait(*guard, [&] { return (*guard)->items > 0; }).ok());
      --(*guard)->items;
      if (room.inside.exchange(getpid()) == 0) {
        for (;;) pause();  // in the open section, until it is killed
      }
      EXPECT_TRUE(guard->recovered());
      ++(*guard)->taken;
    }));
  }
  Await([&] { return Read(*shared, &Work::waiting) == 2; });
  {
    auto guard = shared->work.Lock();
    ASSERT_TRUE(guard.ok());
    ++(*guard)->items;
    ASSERT_TRUE(shared->changed.Notify(*guard).ok());
  }
  Await([&] { return shared->inside.load() != 0; });
  const size_t dead = waiters[0].tid() == shared->inside.load() ? 0 : 1;
  waiters[dead].Kill();
  waiters[1 - dead].Join();
  EXPECT_EQ(Read(*shared, &Work::items), 0);
  EXPECT_EQ(Read(*shared, &Work::taken), 1);
}

}  // namespace
}  // namespace shoal
