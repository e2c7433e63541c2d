// Wait and descriptors of queues: they say which is ready, take nothing, and come to rest.

#include <sched.h>
#include <sys/types.h>

#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "shoal/ipc/queue.h"
#include "shoal/ipc/wait.h"
#include "shoal/tests/ipc/queue_world.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal {
namespace {

using tests::Party;
using tests::QueueOf;
using tests::World;

class QueueWaitWorlds : public testing::TestWithParam<World> {};
INSTANTIATE_TEST_SUITE_P(All, QueueWaitWorlds, testing::ValuesIn(tests::kAllWorlds), tests::WorldName);

TEST_P(QueueWaitWorlds, WaitSaysWhichIsReadyAndTakesNothing) {
  auto world = QueueOf<int>(GetParam(), {.capacity = 4});
  auto other = Queue<int>::Create({.segment = &world.segment(), .capacity = 4});
  ASSERT_TRUE(other.ok());
  EXPECT_TRUE(Wait({*other, *world}, absl::ZeroDuration())->empty());
  Party putter = world.Start(1, [&world](Queue<int>& queue, int) {
    tests::Await([&] { return world.counter(0) == 1; });
    EXPECT_TRUE(queue.Put(1).ok());
  });
  // A getter sleeps beside, in another process: who only waits must not swallow its wake.
  Party getter = world.Start(0, [](Queue<int>& queue, int) { EXPECT_TRUE(queue.Get().ok()); });
  getter.AwaitAsleep();
  world.counter(0) = 1;
  putter.Join();
  getter.Join();
  EXPECT_TRUE(world->Put(2).ok());
  const auto ready = Wait({*other, *world});
  ASSERT_TRUE(ready.ok()) << ready.status();
  EXPECT_EQ(*ready, std::vector<size_t>{1});
  EXPECT_EQ(world->size(), 1u);
  const auto fd = world->fd();
  ASSERT_TRUE(fd.ok()) << fd.status();
  EXPECT_EQ(*Wait({*fd, *other}), std::vector<size_t>{0});
  EXPECT_EQ(*world->Get(), 2);
  EXPECT_TRUE(Wait({*fd, *other}, absl::ZeroDuration())->empty());
  world->Close();
  EXPECT_EQ(*Wait({*other, *world}), std::vector<size_t>{1});
}

// How often the thread has gone to sleep so far.
int64_t SleepsOf(pid_t tid) {
  std::ifstream status("/proc/" + std::to_string(tid) + "/status");
  for (std::string word; status >> word;) {
    int64_t count = 0;
    if (word == "voluntary_ctxt_switches:" && status >> count) return count;
  }
  return -1;
}

// What wakes all who wait, and brings nothing, is over at once: they do not wake each other again and again.
TEST(QueueWaitTest, TwoWhoWaitForNothingComeToRest) {
  auto world = QueueOf<int>(World::kProcesses, {.capacity = 4});
  const auto wait = [](Queue<int>& queue, int) { EXPECT_EQ(Wait({queue})->size(), 1u); };
  Party first = world.Start(0, wait);
  Party second = world.Start(1, wait);
  first.AwaitAsleep();
  second.AwaitAsleep();
  const auto sleeps = [&] { return SleepsOf(first.tid()) + SleepsOf(second.tid()); };
  const int64_t before = sleeps();
  constexpr int kNewcomers = 100;  // a participant comes and goes: everybody looks, a few times
  for (int i = 0; i < kNewcomers; ++i) world.Start(2, [](Queue<int>&, int) {}).Join();
  tests::Await([&] {
    const int64_t now = sleeps();
    for (int i = 0; i < 2000; ++i) sched_yield();
    return sleeps() == now;
  });
  EXPECT_LE(sleeps() - before, kNewcomers * 2 * 8);
  EXPECT_TRUE(world->Put(1).ok());
  first.Join();
  second.Join();
}

// Another process takes what the descriptor told of: whoever looks and finds nothing is not told again.
TEST(QueueWaitTest, ADescriptorIsQuietAfterALookInVain) {
  auto world = QueueOf<int>(World::kProcesses, {.capacity = 4});
  const auto fd = world->fd();
  ASSERT_TRUE(fd.ok()) << fd.status();
  EXPECT_TRUE(world->Put(1).ok());
  EXPECT_EQ(*Wait({*fd}), std::vector<size_t>{0});
  Party other = world.Start(1, [](Queue<int>& queue, int) { EXPECT_EQ(*queue.Get(), 1); });
  other.Join();
  EXPECT_FALSE(world->TryGet().has_value());
  EXPECT_TRUE(Wait({*fd}, absl::ZeroDuration())->empty());
  EXPECT_TRUE(world->Put(2).ok());
  EXPECT_EQ(*Wait({*fd}), std::vector<size_t>{0});
}
}  // namespace
}  // namespace shoal
