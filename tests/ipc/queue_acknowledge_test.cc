// Queue with `acknowledge`, in all worlds: what is not done takes its place, and what is given back comes again in order.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "shoal/ipc/queue.h"
#include "shoal/shm/segment.h"
#include "shoal/tests/ipc/queue_world.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal {
namespace {

using tests::Party;
using tests::QueueOf;
using tests::World;

class QueueAcknowledgeWorlds : public testing::TestWithParam<World> {};
INSTANTIATE_TEST_SUITE_P(All, QueueAcknowledgeWorlds, testing::ValuesIn(tests::kAllWorlds), tests::WorldName);

TEST_P(QueueAcknowledgeWorlds, WhatIsNotDoneTakesItsPlace) {
  auto world = QueueOf<int>(GetParam(), {.capacity = 2, .acknowledge = true});
  EXPECT_TRUE(world->TryPut(1) && world->TryPut(2));
  EXPECT_FALSE(world->TryPut(3));
  EXPECT_EQ(*world->Get(), 1);
  EXPECT_FALSE(world->TryPut(3));
  EXPECT_TRUE(world->full());
  EXPECT_EQ(world->size(), 1u);
  Party putter = world.Start(0, [](Queue<int>& queue, int) { EXPECT_TRUE(queue.Put(3).ok()); });
  putter.AwaitAsleep();
  EXPECT_TRUE(world->Done().ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(world->Done()));
  putter.Join();
  EXPECT_EQ(*world->Get(), 2);
  EXPECT_EQ(*world->Get(), 3);
  EXPECT_TRUE(world->Done().ok() && world->Done().ok());
}

TEST_P(QueueAcknowledgeWorlds, WhatIsGivenBackComesAgainBeforeWhatIsNewer) {
  auto world = QueueOf<std::string>(GetParam(), {.capacity = 8, .acknowledge = true});
  for (const char* text : {"a", "b", "c"}) EXPECT_TRUE(world->Put(text).ok());
  {
    auto first = world->Receive();
    auto second = world->Receive();
    ASSERT_TRUE(first.ok() && second.ok());
    EXPECT_EQ(**second, "b");
  }
  Party other = world.Start(1, [](Queue<std::string>& queue, int) {
    for (const char* text : {"a", "b", "c"}) {
      auto again = queue.Receive();
      ASSERT_TRUE(again.ok()) << again.status();
      EXPECT_EQ(**again, text);
      EXPECT_EQ(again->redelivered(), **again != "c");
      EXPECT_TRUE(again->Done().ok());
    }
  });
  other.Join();
  EXPECT_TRUE(world->empty());
}

// Makes `queue`, of which nothing has been put, one of which so much has been put and taken.
template <class T>
void BeginAt(const Queue<T>& queue, const Segment& segment, uint64_t position, uint64_t order) {
  auto* const ring = reinterpret_cast<std::byte*>(queue.shared().get());
  const uint64_t block = *reinterpret_cast<const uint64_t*>(ring);
  auto* const entries = segment.At<uint64_t>(block);
  for (uint64_t i = 0; i < order; ++i) entries[i] = (position / order - 1) << 20;
  std::memcpy(ring + 64, &position, sizeof(position));
  std::memcpy(ring + 192, &position, sizeof(position));
}

TEST(QueueAcknowledgeTest, WhatIsGivenBackWhereThePositionsOfCellsWrapIsStillInOrder) {
  constexpr uint64_t kOrder = 16;  // places for a capacity of 8
  auto segment = Segment::Create().value();
  auto queue = Queue<int>::Create({.segment = &segment, .capacity = 8, .acknowledge = true}).value();
  BeginAt(queue, segment, (uint64_t{1} << 41) - kOrder, kOrder);
  for (int i = 0; i < 12; ++i) {
    ASSERT_TRUE(queue.Put(i).ok());
    ASSERT_EQ(queue.Get().value(), i);
    ASSERT_TRUE(queue.Done().ok());
  }
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(queue.Put(i, absl::ZeroDuration()).ok());
  EXPECT_TRUE(queue.full());
  EXPECT_EQ(queue.size(), 8u);
  {
    std::vector<Received<int>> all;
    for (int i = 0; i < 8; ++i) {
      all.push_back(queue.Receive(absl::ZeroDuration()).value());
      ASSERT_EQ(*all.back(), i);
    }
  }
  EXPECT_EQ(queue.size(), 8u);
  for (int i = 0; i < 8; ++i) {
    ASSERT_EQ(queue.Get(absl::ZeroDuration()).value(), i);
    ASSERT_TRUE(queue.Done().ok());
  }
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(queue.Put(i, absl::ZeroDuration()).ok());
    ASSERT_EQ(queue.Get(absl::ZeroDuration()).value(), i);
    ASSERT_TRUE(queue.Done().ok());
  }
}

}  // namespace
}  // namespace shoal
