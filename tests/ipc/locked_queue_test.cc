// LifoQueue, PriorityQueue and SimpleQueue in all worlds, and beside deaths.

#include <unistd.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "shoal/ipc/lifo_queue.h"
#include "shoal/ipc/priority_queue.h"
#include "shoal/ipc/simple_queue.h"
#include "shoal/shm/segment.h"
#include "shoal/tests/ipc/queue_world.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal {

struct Errand {
  int urgency = 0;
  std::string what;
  bool operator<(const Errand& other) const { return urgency < other.urgency; }
};

namespace {

using tests::Party;
using tests::QueueWorld;
using tests::World;

template <class Q>
QueueWorld<Q> WorldOf(World world, size_t capacity) {
  return QueueWorld<Q>(world, [capacity](const Segment& segment) {
    return Q::Create({.segment = &segment, .capacity = capacity});
  });
}

class LockedQueueWorlds : public testing::TestWithParam<World> {};
INSTANTIATE_TEST_SUITE_P(All, LockedQueueWorlds, testing::ValuesIn(tests::kAllWorlds), tests::WorldName);

TEST_P(LockedQueueWorlds, TheLastToComeGoesFirst) {
  auto numbers = WorldOf<LifoQueue<int>>(GetParam(), 3);
  auto texts = WorldOf<LifoQueue<std::string>>(GetParam(), 3);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(numbers->Put(i).ok());
    ASSERT_TRUE(texts->Put(std::to_string(i)).ok());
  }
  EXPECT_TRUE(numbers->full() && texts->full());
  EXPECT_FALSE(numbers->TryPut(3));
  EXPECT_TRUE(absl::IsDeadlineExceeded(texts->Put("3", absl::Microseconds(100))));
  Party party = numbers.Start(1, [](LifoQueue<int>& queue, int) {
    for (int i = 2; i >= 0; --i) EXPECT_EQ(*queue.Get(), i);
  });
  party.Join();
  Party other = texts.Start(1, [](LifoQueue<std::string>& queue, int) {
    for (int i = 2; i >= 0; --i) EXPECT_EQ(*queue.Get(), std::to_string(i));
  });
  other.Join();
  EXPECT_TRUE(numbers->empty());
  EXPECT_TRUE(absl::IsDeadlineExceeded(numbers->Get(absl::Microseconds(100)).status()));
  EXPECT_FALSE(texts->TryGet().has_value());
}

TEST_P(LockedQueueWorlds, TheSmallestGoesFirstAndOfEqualsTheFirst) {
  auto numbers = WorldOf<PriorityQueue<int>>(GetParam(), 1000);
  auto errands = WorldOf<PriorityQueue<Errand>>(GetParam(), 1000);
  std::multimap<int, std::string> expected;
  for (int i = 0; i < 300; ++i) {
    const int urgency = i * 7919 % 31;
    ASSERT_TRUE(numbers->Put(urgency).ok());
    ASSERT_TRUE(errands->Put({.urgency = urgency, .what = std::to_string(i)}).ok());
    expected.emplace(urgency, std::to_string(i));
  }
  Party party = errands.Start(1, [&expected](PriorityQueue<Errand>& queue, int) {
    for (const auto& [urgency, what] : expected) {
      const auto errand = queue.Get();
      ASSERT_TRUE(errand.ok()) << errand.status();
      EXPECT_EQ(errand->urgency, urgency);
      EXPECT_EQ(errand->what, what);
    }
  });
  for (const auto& [urgency, what] : expected) EXPECT_EQ(*numbers->Get(), urgency);
  party.Join();
  EXPECT_TRUE(errands->empty());
}

template <class Q>
void SleepersAreWoken(World in) {
  auto world = WorldOf<Q>(in, 1);
  std::vector<Party> getters;
  for (int i = 0; i < 2; ++i) {
    getters.push_back(world.Start(i, [](Q& queue, int) { EXPECT_EQ(*queue.Get(), 1); }));
    getters.back().AwaitAsleep();
  }
  EXPECT_TRUE(world->Put(1).ok());
  EXPECT_TRUE(world->Put(1).ok());
  for (Party& getter : getters) getter.Join();
  EXPECT_TRUE(world->Put(2).ok());
  Party putter = world.Start(0, [](Q& queue, int) {
    EXPECT_TRUE(queue.Put(3).ok());
    EXPECT_TRUE(absl::IsFailedPrecondition(queue.Put(4)));
  });
  putter.AwaitAsleep();
  EXPECT_EQ(*world->Get(), 2);
  tests::Await([&] { return world->full(); });
  world->Close();
  putter.Join();
  EXPECT_EQ(*world->Get(), 3);
  EXPECT_TRUE(absl::IsCancelled(world->Get().status()));
}

TEST_P(LockedQueueWorlds, SleepersAreWokenAndCloseIsTheEnd) {
  SleepersAreWoken<LifoQueue<int>>(GetParam());
  SleepersAreWoken<PriorityQueue<int>>(GetParam());
}

// Producers and consumers, some of whom are killed anywhere: whatever is taken was put, and nobody hangs.
template <class Q>
void SurvivesDeaths() {
  auto world = WorldOf<Q>(World::kProcesses, 4);
  for (int round = 0; round < 30; ++round) {
    std::vector<Party> parties;
    for (int i = 0; i < 2; ++i) {
      parties.push_back(world.Start(i, [](Q& queue, int) {
        for (;;) queue.Put(1).IgnoreError();
      }));
      parties.push_back(world.Start(i, [&world](Q& queue, int) {
        for (;;) {
          EXPECT_EQ(*queue.Get(), 1);
          ++world.counter(0);
        }
      }));
    }
    const int64_t before = world.counter(0);
    tests::Await([&] { return world.counter(0) > before + 20; });
    for (Party& party : parties) party.Kill();
  }
  while (world->TryGet().has_value()) {
  }
  EXPECT_TRUE(world->Put(2).ok());
  EXPECT_EQ(*world->Get(), 2);
}

TEST(LockedQueueDeathTest, KilledAnywhere) {
  SurvivesDeaths<LifoQueue<int>>();
  SurvivesDeaths<PriorityQueue<int>>();
}

TEST(LockedQueueTest, WhatCannotBeIsAStatus) {
  auto segment = Segment::Create();
  ASSERT_TRUE(segment.ok());
  EXPECT_TRUE(absl::IsInvalidArgument(LifoQueue<int>::Create({.segment = &*segment, .capacity = 0}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(PriorityQueue<int>::Create({.segment = &*segment, .acknowledge = true}).status()));
  LifoQueue<int> none;
  EXPECT_TRUE(absl::IsFailedPrecondition(none.Put(1)));
  auto text = PriorityQueue<std::string>::Create({.segment = &*segment, .capacity = 4, .max_message_bytes = 10});
  ASSERT_TRUE(text.ok());
  EXPECT_TRUE(absl::IsResourceExhausted(text->Put(std::string(11, 'x'))));
  EXPECT_TRUE(text->empty());
  auto lifo = LifoQueue<int>::Create({.segment = &*segment});
  ASSERT_TRUE(lifo.ok() && lifo->PublishAs("lifo").ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(PriorityQueue<int>::Find(*segment, "lifo").status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(LifoQueue<std::string>::Find(*segment, "lifo").status()));
}

TEST(LockedQueueTest, NothingIsLeftOfOneThatNobodyHolds) {
  auto segment = Segment::Create();
  ASSERT_TRUE(segment.ok());
  const auto once = [&] {
    auto lifo = LifoQueue<std::string>::Create({.segment = &*segment, .capacity = 100});
    auto sorted = PriorityQueue<std::string>::Create({.segment = &*segment, .capacity = 100});
    ASSERT_TRUE(lifo.ok() && sorted.ok());
    for (size_t i = 0; i < 90; ++i) {
      ASSERT_TRUE(lifo->Put(std::string(i * 100, 'x')).ok());
      ASSERT_TRUE(sorted->Put(std::string(i * 100, 'x')).ok());
    }
  };
  once();
  const size_t before = segment->used_bytes();
  once();
  EXPECT_EQ(segment->used_bytes(), before);
}

TEST_P(LockedQueueWorlds, ASimpleQueue) {
  auto world = WorldOf<SimpleQueue<std::string>>(GetParam(), 2);
  EXPECT_TRUE(world->empty());
  Party party = world.Start(1, [](SimpleQueue<std::string>& queue, int) {
    EXPECT_EQ(*queue.Get(), "a");
    EXPECT_EQ(*queue.Get(), "b");
    EXPECT_TRUE(absl::IsCancelled(queue.Get().status()));
  });
  EXPECT_TRUE(world->Put("a").ok() && world->Put("b").ok());
  world->Close();
  party.Join();
}

}  // namespace
}  // namespace shoal
