// What the death of a process does to a queue, and to those who use it: nothing is lost but what the dead had not put, or had already
// taken; nobody sleeps beside it.

#include <signal.h>
#include <unistd.h>

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shoal/ipc/joinable_queue.h"
#include "shoal/ipc/queue.h"
#include "shoal/shm/segment.h"
#include "shoal/tests/ipc/queue_world.h"
#include "shoal/tests/shm/object_world.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal {
namespace {

using testing::HasSubstr;
using tests::Cue;
using tests::Party;
using tests::QueueWorld;
using tests::World;

template <class Q>
QueueWorld<Q> WorldOf(QueueOptions options) {
  return QueueWorld<Q>(World::kProcesses, [options](const Segment& segment) mutable {
    options.segment = &segment;
    return Q::Create(options);
  });
}

// Does something, says so, and is there until it is killed.
template <class Q>
Party Holder(const QueueWorld<Q>& world, const Cue& cue, std::function<void(Q&)> body) {
  Party holder = world.Start(0, [&cue, body = std::move(body)](Q& queue, int) {
    body(queue);
    cue.Give();
    for (;;) pause();
  });
  cue.Await();
  return holder;
}

TEST(QueueDeathTest, WhatADeadConsumerHadNotDoneComesAgainBeforeWhatIsNewer) {
  auto world = WorldOf<Queue<std::string>>({.capacity = 8, .acknowledge = true});
  for (const char* text : {"a", "b", "c"}) ASSERT_TRUE(world->Put(std::string(1000, text[0])).ok());
  Cue cue;
  Party holder = Holder<Queue<std::string>>(world, cue, [](Queue<std::string>& queue) {
    EXPECT_TRUE(queue.Get().ok() && queue.Get().ok());
  });
  holder.Kill();
  world.segment().Reap();  // or whenever a keeper has noticed
  for (const char* text : {"a", "b", "c"}) {
    auto again = world->Receive();
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ((**again)[0], text[0]);
    EXPECT_EQ(again->redelivered(), text[0] != 'c');
    EXPECT_TRUE(again->Done().ok());
  }
}

TEST(QueueDeathTest, AGetterThatSleepsIsWokenByTheDeathOfOneThatHadNotDone) {
  auto world = WorldOf<Queue<int>>({.capacity = 2, .acknowledge = true});
  ASSERT_TRUE(world->Put(7).ok());
  Cue cue;
  Party holder = Holder<Queue<int>>(world, cue, [](Queue<int>& queue) { EXPECT_EQ(*queue.Get(), 7); });
  Party getter = world.Start(1, [](Queue<int>& queue, int) {
    const auto again = queue.Get();
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(*again, 7);
    EXPECT_TRUE(queue.Done().ok());
  });
  getter.AwaitAsleep();
  holder.Kill();
  getter.Join();
  EXPECT_TRUE(world->empty());
}

// Closed, and nothing to take; but one that a process has taken may come back. Who has none itself waits for it.
TEST(QueueDeathTest, TheEndComesAfterWhatMayComeBack) {
  auto world = WorldOf<Queue<int>>({.capacity = 2, .acknowledge = true});
  ASSERT_TRUE(world->Put(7).ok());
  Cue cue;
  Party holder = Holder<Queue<int>>(world, cue, [](Queue<int>& queue) {
    EXPECT_EQ(*queue.Get(), 7);
    queue.Close();
    EXPECT_TRUE(absl::IsCancelled(queue.Get().status()));
  });
  Party getter = world.Start(1, [](Queue<int>& queue, int) {
    EXPECT_EQ(*queue.Get(), 7);
    EXPECT_TRUE(queue.Done().ok());
    EXPECT_TRUE(absl::IsCancelled(queue.Get().status()));
  });
  getter.AwaitAsleep();
  holder.Kill();
  getter.Join();
  EXPECT_TRUE(absl::IsCancelled(world->Get().status()));
}

TEST(QueueDeathTest, ALoanThatWasNeverPublishedIsNotMissed) {
  auto world = WorldOf<Queue<int>>({.capacity = 1, .acknowledge = true});
  Cue cue;
  Party holder = Holder<Queue<int>>(world, cue, [](Queue<int>& queue) {
    auto* const loan = new auto(queue.Loan());
    EXPECT_TRUE(loan->ok());
  });
  EXPECT_FALSE(world->TryPut(1));  // its place is taken
  Party putter = world.Start(1, [](Queue<int>& queue, int) { EXPECT_TRUE(queue.Put(2).ok()); });
  putter.AwaitAsleep();
  holder.Kill();
  putter.Join();
  EXPECT_EQ(*world->Get(), 2);
}

TEST(QueueDeathTest, AMessageReadInPlaceByADeadProcessIsDeliveredAgain) {
  auto world = WorldOf<Queue<int>>({.capacity = 4});
  ASSERT_TRUE(world->Put(1).ok() && world->Put(2).ok());
  Cue cue;
  Party holder = Holder<Queue<int>>(world, cue, [](Queue<int>& queue) {
    auto* const received = new auto(queue.Receive());
    EXPECT_TRUE(received->ok());
  });
  holder.Kill();
  world.segment().Reap();  // or whenever a keeper has noticed
  auto again = world->Receive();
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(**again, 1);
  EXPECT_TRUE(again->redelivered());
  EXPECT_EQ(*world->Get(), 2);
}

// More of them than there are spare cells: their cells come back.
TEST(QueueDeathTest, TheCellsOfTheDeadAreUsedAgain) {
  auto world = WorldOf<Queue<std::string>>({.capacity = 2});
  const size_t before = world.segment().used_bytes();
  for (int i = 0; i < 40; ++i) {
    Cue cue;
    Party holder = Holder<Queue<std::string>>(world, cue, [](Queue<std::string>& queue) {
      ASSERT_TRUE(queue.Put(std::string(3000, 'x')).ok());
      ASSERT_TRUE(queue.Get().ok());
      auto* const received = new auto(queue.Receive(absl::ZeroDuration()));
      EXPECT_FALSE(received->ok());
    });
    holder.Kill();
  }
  EXPECT_TRUE(world->Put("x").ok() && world->Put("y").ok());
  EXPECT_EQ(*world->Get(), "x");
  EXPECT_EQ(*world->Get(), "y");
  world.segment().Reap();
  EXPECT_LE(world.segment().used_bytes(), before + (size_t{256} << 10));
}

// ---- JoinableQueue ---------------------------------------------------------------------------------------------------------------

TEST(JoinableQueueTest, JoinWaitsUntilAllIsDone) {
  for (const World in : tests::kAllWorlds) {
    QueueWorld<JoinableQueue<int>> world(in, [](const Segment& segment) {
      return JoinableQueue<int>::Create({.segment = &segment, .capacity = 4});
    });
    EXPECT_TRUE(world->Join().ok());
    EXPECT_TRUE(absl::IsFailedPrecondition(world->TaskDone()));
    ASSERT_TRUE(world->Put(1).ok() && world->Put(2).ok());
    EXPECT_TRUE(absl::IsDeadlineExceeded(world->Join(absl::ZeroDuration())));
    EXPECT_TRUE(absl::IsDeadlineExceeded(world->Join(absl::Microseconds(100))));
    EXPECT_EQ(*world->Get(), 1);
    EXPECT_EQ(*world->Get(), 2);
    Party joiner = world.Start(1, [](JoinableQueue<int>& queue, int) { EXPECT_TRUE(queue.Join().ok()); });
    joiner.AwaitAsleep();
    EXPECT_TRUE(world->TaskDone().ok());
    joiner.AwaitAsleep();
    // Another may say so, too.
    Party other = world.Start(2, [](JoinableQueue<int>& queue, int) { EXPECT_TRUE(queue.TaskDone().ok()); });
    other.Join();
    joiner.Join();
    EXPECT_TRUE(absl::IsFailedPrecondition(world->TaskDone()));
  }
}

// Each task puts the next before it is done: there is never nothing to do until the last one is.
TEST(JoinableQueueTest, JoinDoesNotPassBetweenATaskAndTheNext) {
  auto world = WorldOf<JoinableQueue<int>>({.capacity = 64});
  constexpr int kChains = 30;
  constexpr int kLength = 40;
  Party worker = world.Start(1, [&world](JoinableQueue<int>& queue, int) {
    for (int left = kChains * kLength; left > 0; --left) {
      const auto task = queue.Get();
      ASSERT_TRUE(task.ok()) << task.status();
      if (*task > 1) {
        ASSERT_TRUE(queue.Put(*task - 1).ok());
      }
      world.counter(0) += 1;
      ASSERT_TRUE(queue.TaskDone().ok());
    }
  });
  for (int chain = 1; chain <= kChains; ++chain) {
    ASSERT_TRUE(world->Put(kLength).ok());
    ASSERT_TRUE(world->Join().ok());
    ASSERT_EQ(world.counter(0), chain * kLength);
  }
  worker.Join();
}

TEST(JoinableQueueTest, ADeadConsumersTasksCountAsDoneAndJoinSaysSo) {
  auto world = WorldOf<JoinableQueue<int>>({.capacity = 4});
  ASSERT_TRUE(world->Put(1).ok() && world->Put(2).ok());
  Cue cue;
  Party holder = Holder<JoinableQueue<int>>(world, cue, [](JoinableQueue<int>& queue) {
    EXPECT_TRUE(queue.Get().ok() && queue.Get().ok());
  });
  Party joiner = world.Start(1, [](JoinableQueue<int>& queue, int) {
    const absl::Status status = queue.Join();
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    EXPECT_TRUE(queue.Join().ok());
  });
  joiner.AwaitAsleep();
  holder.Kill();
  joiner.Join();
  EXPECT_TRUE(world->Put(3).ok());
}

// Each of those who waited for the tasks that are lost learns of it, in whatever order they wake; who comes later does not.
TEST(JoinableQueueTest, EverybodyWhoWaitsInJoinIsToldOfADeadConsumersTasks) {
  constexpr int kRounds = 20;
  auto world = WorldOf<JoinableQueue<int>>({.capacity = 4});
  for (int round = 0; round < kRounds; ++round) {
    ASSERT_TRUE(world->Put(1).ok() && world->Put(2).ok());
    Cue cue;
    Party holder = Holder<JoinableQueue<int>>(world, cue, [](JoinableQueue<int>& queue) {
      EXPECT_TRUE(queue.Get().ok() && queue.Get().ok());
    });
    std::vector<Party> joiners;
    for (int i = 1; i <= 3; ++i) {
      joiners.push_back(world.Start(i, [&world](JoinableQueue<int>& queue, int) {
        ASSERT_EQ(queue.capacity(), 4u);  // it has been opened: the next sleep is in Join
        ASSERT_EQ(queue.capacity(), 4u);  // it has been opened: the next sleep is in Join
        ++world.counter(0);
        const absl::Status status = queue.Join();
        EXPECT_TRUE(absl::IsUnavailable(status)) << status;
        EXPECT_THAT(status.message(), HasSubstr("2 are lost"));
        EXPECT_TRUE(queue.Join().ok());
      }));
    }
    tests::Await([&] { return world.counter(0) == 3 * (round + 1); });
    for (const Party& joiner : joiners) joiner.AwaitAsleep();
    holder.Kill();
    for (Party& joiner : joiners) joiner.Join();
    EXPECT_TRUE(world->Join().ok());
  }
}

TEST(JoinableQueueTest, WhatWasLostWhenNobodyWaitedIsToldOnce) {
  auto world = WorldOf<JoinableQueue<int>>({.capacity = 4});
  ASSERT_TRUE(world->Put(1).ok());
  Cue cue;
  Party holder =
      Holder<JoinableQueue<int>>(world, cue, [](JoinableQueue<int>& queue) { EXPECT_TRUE(queue.Get().ok()); });
  EXPECT_TRUE(absl::IsDeadlineExceeded(world->Join(absl::ZeroDuration())));
  holder.Kill();
  world.segment().Reap();
  EXPECT_TRUE(absl::IsUnavailable(world->Join()));
  EXPECT_TRUE(world->Join().ok());
}

TEST(JoinableQueueTest, OrTheyAreDeliveredAgainAndJoinWaits) {
  auto world = WorldOf<JoinableQueue<std::string>>({.capacity = 4, .acknowledge = true});
  ASSERT_TRUE(world->Put("task").ok());
  Cue cue;
  Party holder = Holder<JoinableQueue<std::string>>(world, cue, [](JoinableQueue<std::string>& queue) {
    EXPECT_TRUE(queue.Get().ok());
  });
  Party joiner = world.Start(1, [](JoinableQueue<std::string>& queue, int) { EXPECT_TRUE(queue.Join().ok()); });
  joiner.AwaitAsleep();
  holder.Kill();
  EXPECT_EQ(*world->Get(), "task");
  EXPECT_TRUE(absl::IsDeadlineExceeded(world->Join(absl::ZeroDuration())));
  EXPECT_TRUE(world->TaskDone().ok());
  joiner.Join();
}

TEST(JoinableQueueTest, IsNoQueue) {
  auto world = WorldOf<JoinableQueue<int>>({.capacity = 4});
  EXPECT_TRUE(absl::IsFailedPrecondition(Queue<int>::Find(world.segment(), "queue").status()));
}

}  // namespace
}  // namespace shoal
