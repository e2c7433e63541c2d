// LifoQueue, PriorityQueue and SimpleQueue in all worlds, and beside deaths.

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "shoal/ipc/joinable_queue.h"
#include "shoal/ipc/lifo_queue.h"
#include "shoal/ipc/priority_queue.h"
#include "shoal/ipc/simple_queue.h"
#include "shoal/ipc/wait.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/permit_pool.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/shared.h"
#include "shoal/tests/ipc/queue_world.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal {

struct Errand {
  int urgency = 0;
  std::string what;
  bool operator<(const Errand& other) const { return urgency < other.urgency; }
};

namespace {

using tests::HeapOf;
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
  EXPECT_TRUE(absl::IsInvalidArgument(SimpleQueue<int>::Create({.segment = &*segment, .acknowledge = true}).status()));
  LifoQueue<int> none;
  EXPECT_TRUE(absl::IsFailedPrecondition(none.Put(1)));
  auto text = PriorityQueue<std::string>::Create({.segment = &*segment, .capacity = 4, .max_message_bytes = 10});
  ASSERT_TRUE(text.ok());
  EXPECT_TRUE(absl::IsResourceExhausted(text->Put(std::string(11, 'x'))));
  EXPECT_TRUE(text->empty());
  struct Large {
    char bytes[11];
  };
  auto large = LifoQueue<Large>::Create({.segment = &*segment, .capacity = 4, .max_message_bytes = 10});
  ASSERT_TRUE(large.ok());
  EXPECT_TRUE(absl::IsResourceExhausted(large->Put({})));
  EXPECT_TRUE(large->empty());
  auto lifo = LifoQueue<int>::Create({.segment = &*segment});
  ASSERT_TRUE(lifo.ok() && lifo->PublishAs("lifo").ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(PriorityQueue<int>::Find(*segment, "lifo").status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(LifoQueue<std::string>::Find(*segment, "lifo").status()));
}

// Among a hundred, some whose bytes make no sense: each is told once, and all others come in order, also those that come later.
template <class Damage>
void DamagedItemsAreTakenOutAndTheRestInOrder(Damage damage) {
  for (int which = 0; which < 100; which += 7) {
    auto segment = Segment::Create({.limit_bytes = size_t{4} << 20}).value();
    auto queue = PriorityQueue<Errand>::Create({.segment = &segment, .capacity = 200}).value();
    std::multiset<int> expected;
    for (int i = 0; i < 100; ++i) {
      const int urgency = i * 7919 % 101;
      const bool damaged = i == which || i == (which + 31) % 100 || i == (which + 32) % 100;
      ASSERT_TRUE(queue.Put({.urgency = urgency, .what = damage.Text(damaged)}).ok());
      if (!damaged) expected.insert(urgency);
    }
    damage.Do(segment);
    for (int i = 0; i < 40; ++i) {
      ASSERT_TRUE(queue.Put({.urgency = i * 31 % 101, .what = "late"}).ok());
      expected.insert(i * 31 % 101);
    }
    int damaged = 0;
    while (!queue.empty()) {
      const auto got = queue.Get(absl::ZeroDuration());
      if (!got.ok()) {
        ASSERT_TRUE(absl::IsDataLoss(got.status())) << got.status();
        ++damaged;
        continue;
      }
      ASSERT_FALSE(expected.empty());
      ASSERT_EQ(got->urgency, *expected.begin());
      expected.erase(expected.begin());
    }
    EXPECT_EQ(damaged, 3);
    EXPECT_TRUE(expected.empty());
  }
}

struct DamagedBytes {
  static std::string Text(bool damaged) { return damaged ? "to be written over" : "well"; }
  static void Do(const Segment& segment) {
    const std::span<std::byte> all = HeapOf(segment);
    const std::string_view bytes(reinterpret_cast<const char*>(all.data()), all.size());
    // With the head of the text.
    for (size_t at = 0; (at = bytes.find("to be written over", at)) != bytes.npos; ++at)
      std::memset(all.data() + at - 1, 0xff, 5);
  }
};
struct DamagedHeader {
  static constexpr size_t kSize = 1234;
  static std::string Text(bool damaged) { return damaged ? std::string(kSize, 'x') : "well"; }
  static void Do(const Segment& segment) {
    const std::span<std::byte> all = HeapOf(segment);
    for (size_t at = 0; at + 8 <= all.size(); at += 8) {
      uint64_t word;
      std::memcpy(&word, all.data() + at, 8);
      // The string's own size, with what CBOR puts before it.
      if (word < kSize || word > kSize + 8) continue;
      word = uint64_t{1} << 60;
      std::memcpy(all.data() + at, &word, 8);
    }
  }
};

TEST(LockedQueueTest, DamagedItemsOfAPriorityQueueAreTakenOutAndTheRestComesInOrder) {
  DamagedItemsAreTakenOutAndTheRestInOrder(DamagedBytes());
  DamagedItemsAreTakenOutAndTheRestInOrder(DamagedHeader());
}

template <class Damage>
void ADamagedItemOfALifoQueueIsTakenOut(Damage damage) {
  auto segment = Segment::Create({.limit_bytes = size_t{4} << 20}).value();
  auto queue = LifoQueue<Errand>::Create({.segment = &segment}).value();
  for (const bool damaged : {false, true, false}) ASSERT_TRUE(queue.Put({.urgency = 1, .what = damage.Text(damaged)}).ok());
  damage.Do(segment);
  EXPECT_EQ(queue.Get().value().what, "well");
  EXPECT_TRUE(absl::IsDataLoss(queue.Get().status()));
  EXPECT_EQ(queue.Get().value().what, "well");
  EXPECT_TRUE(queue.empty());
}

TEST(LockedQueueTest, ADamagedItemOfALifoQueueIsTakenOut) {
  ADamagedItemOfALifoQueueIsTakenOut(DamagedBytes());
  ADamagedItemOfALifoQueueIsTakenOut(DamagedHeader());
}

// A plain value with a bool that is none.
struct Flagged {
  int64_t number = 0;
  bool flag = false;
  bool operator<(const Flagged& other) const { return number < other.number; }
};
template <class Q>
void ADamagedPlainItemIsTakenOut(std::vector<int64_t> rest) {
  constexpr int64_t kDamaged = 0x1234567812345678;
  auto segment = Segment::Create({.limit_bytes = size_t{4} << 20}).value();
  auto queue = Q::Create({.segment = &segment}).value();
  for (const int64_t number : {int64_t{5}, kDamaged, int64_t{3}, int64_t{4}})
    ASSERT_TRUE(queue.Put({.number = number}).ok());
  const std::span<std::byte> all = HeapOf(segment);
  for (size_t at = 0; at + 16 <= all.size(); at += 8) {
    int64_t word;
    std::memcpy(&word, all.data() + at, 8);
    if (word == kDamaged) all[at + offsetof(Flagged, flag)] = std::byte{7};
  }
  std::vector<int64_t> got;
  int damaged = 0;
  while (!queue.empty()) {
    const auto item = queue.Get();
    if (item.ok()) {
      got.push_back(item->number);
    } else {
      EXPECT_TRUE(absl::IsDataLoss(item.status()));
      ++damaged;
    }
  }
  EXPECT_EQ(got, rest);
  EXPECT_EQ(damaged, 1);
}

TEST(LockedQueueTest, ADamagedPlainItemIsTakenOut) {
  ADamagedPlainItemIsTakenOut<LifoQueue<Flagged>>({4, 3, 5});
  ADamagedPlainItemIsTakenOut<PriorityQueue<Flagged>>({3, 4, 5});
}

// And of a SimpleQueue.
TEST(LockedQueueTest, ADamagedMessageOfASimpleQueueIsTakenOut) {
  auto segment = Segment::Create({.limit_bytes = size_t{4} << 20}).value();
  auto queue = SimpleQueue<Errand>::Create({.segment = &segment}).value();
  for (const bool damaged : {false, true, false}) {
    ASSERT_TRUE(queue.Put({.urgency = 1, .what = DamagedBytes::Text(damaged)}).ok());
  }
  DamagedBytes::Do(segment);
  EXPECT_EQ(queue.Get().value().what, "well");
  EXPECT_TRUE(absl::IsDataLoss(queue.Get().status()));
  EXPECT_EQ(queue.Get().value().what, "well");
  EXPECT_TRUE(queue.empty());
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

// One sleeps beside two queues, with a descriptor among what it waits for and without, and takes what was put into either.
template <class Q>
void ExpectWaitedFor(World world) {
  auto first = WorldOf<Q>(world, 2);
  auto second = WorldOf<Q>(world, 2);
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  EXPECT_TRUE(Wait({*first, *second}, absl::ZeroDuration()).value().empty());
  for (const bool with_descriptor : {false, true}) {
    for (const size_t filled : {0, 1}) {
      Party sleeper(World::kThreads, [&] {
        std::vector<Waitable> any_of = {*first, *second};
        if (with_descriptor) any_of.push_back(ends[0]);
        EXPECT_EQ(Wait(any_of).value(), std::vector<size_t>{filled});
      });
      sleeper.AwaitAsleep();
      auto& into = filled == 0 ? first : second;
      Party putter = into.Start(1, [](Q& queue, int) { EXPECT_TRUE(queue.Put(7).ok()); });
      sleeper.Join();
      putter.Join();
      struct pollfd entry = {.fd = into->fd().value(), .events = POLLIN, .revents = 0};
      EXPECT_EQ(poll(&entry, 1, -1), 1);
      EXPECT_EQ(into->Get().value(), 7);
      EXPECT_TRUE(Wait({*first, *second, ends[0]}, absl::ZeroDuration()).value().empty());
      EXPECT_EQ(poll(&entry, 1, 0), 0) << "what was taken makes it readable no more";
    }
  }
  Party sleeper(World::kThreads, [&] { EXPECT_EQ(Wait({*second, *first}).value(), std::vector<size_t>{1}); });
  sleeper.AwaitAsleep();
  first->Close();
  sleeper.Join();
  close(ends[0]);
  close(ends[1]);
}
TEST_P(LockedQueueWorlds, ASimpleQueueIsWaitedFor) { ExpectWaitedFor<SimpleQueue<int>>(GetParam()); }
TEST_P(LockedQueueWorlds, ALifoQueueIsWaitedFor) { ExpectWaitedFor<LifoQueue<int>>(GetParam()); }
TEST_P(LockedQueueWorlds, APriorityQueueIsWaitedFor) { ExpectWaitedFor<PriorityQueue<int>>(GetParam()); }
TEST_P(LockedQueueWorlds, AJoinableQueueIsWaitedFor) { ExpectWaitedFor<JoinableQueue<int>>(GetParam()); }

// Also when the item that it spoke of was taken by somebody else.
template <class Q>
void ExpectItsDescriptorGoesQuiet() {
  auto world = WorldOf<Q>(World::kProcesses, 2);
  struct pollfd entry = {.fd = world->fd().value(), .events = POLLIN, .revents = 0};
  ASSERT_TRUE(world->Put(1).ok());
  EXPECT_EQ(poll(&entry, 1, -1), 1);
  Party taker = world.Start(1, [](Q& queue, int) { EXPECT_EQ(queue.Get().value(), 1); });
  taker.Join();
  EXPECT_FALSE(world->TryGet().has_value());
  EXPECT_EQ(poll(&entry, 1, 0), 0);
}
TEST(LockedQueueTest, ItsDescriptorGoesQuietWhenAnotherHasTakenTheItem) {
  ExpectItsDescriptorGoesQuiet<LifoQueue<int>>();
  ExpectItsDescriptorGoesQuiet<PriorityQueue<int>>();
  ExpectItsDescriptorGoesQuiet<JoinableQueue<int>>();
}

// A thread that has a section open can neither put nor take; but it sees how many there are, and closing wakes whoever sleeps.
template <class Q>
void ExpectUsableInASection(World in) {
  auto world = WorldOf<Q>(in, 2);
  auto full = WorldOf<Q>(in, 2);
  auto other = world.segment().template New<Mutex<int>>(1);
  ASSERT_TRUE(other.ok());
  ASSERT_TRUE(full->Put(1).ok() && full->Put(2).ok());
  Party getter = world.Start(1, [](Q& queue, int) { EXPECT_TRUE(absl::IsCancelled(queue.Get().status())); });
  Party putter = full.Start(1, [](Q& queue, int) { EXPECT_TRUE(absl::IsFailedPrecondition(queue.Put(3))); });
  getter.AwaitAsleep();
  putter.AwaitAsleep();
  {
    const auto section = (*other)->Lock().value();
    EXPECT_TRUE(world->empty() && !world->full());
    EXPECT_EQ(full->size(), 2u);
    EXPECT_TRUE(full->full() && !full->empty());
    EXPECT_TRUE(absl::IsFailedPrecondition(full->Get().status()));
    world->Close();
    full->Close();
  }
  getter.Join();
  putter.Join();
  EXPECT_TRUE(absl::IsFailedPrecondition(world->Put(1)));
  EXPECT_TRUE(full->TryGet().has_value() && full->TryGet().has_value());
  EXPECT_TRUE(absl::IsCancelled(full->Get().status()));
}
TEST_P(LockedQueueWorlds, InASectionItIsLookedAtAndClosed) {
  ExpectUsableInASection<LifoQueue<int>>(GetParam());
  ExpectUsableInASection<PriorityQueue<int>>(GetParam());
}

// Stops whoever compares, inside a call, until it may go on.
struct StopsInside {
  static inline std::atomic<bool> stop = false;
  static inline std::atomic<bool> stopped = false;
  bool operator()(int left, int right) const {
    while (stop) stopped = true;
    return left < right;
  }
};
TEST(LockedQueueTest, BesideOneWhoIsInsideItIsLookedAtAndClosed) {
  auto segment = Segment::Create().value();
  auto queue = PriorityQueue<int, StopsInside>::Create({.segment = &segment, .capacity = 2}).value();
  ASSERT_TRUE(queue.Put(1).ok());
  StopsInside::stop = true;
  Party inside(World::kThreads, [&] { EXPECT_TRUE(queue.Put(2).ok()); });
  tests::Await([] { return StopsInside::stopped.load(); });
  EXPECT_EQ(queue.size(), 1u);
  EXPECT_FALSE(queue.full());
  queue.Close();
  StopsInside::stop = false;
  inside.Join();
  EXPECT_EQ(queue.size(), 2u);
  EXPECT_TRUE(absl::IsFailedPrecondition(queue.Put(3)));
  EXPECT_EQ(queue.Get().value(), 1);
  EXPECT_EQ(queue.Get().value(), 2);
  EXPECT_TRUE(absl::IsCancelled(queue.Get().status()));
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

// The thread behind a descriptor takes the queue's lock now and then, also while the queue is let go of and waits for that thread's end. And
// this process has something without a handle, for which whoever gives up a lock looks.
TEST(LockedQueueTest, AQueueWithADescriptorIsLetGoOfBesideWhatLingers) {
  const Segment segment = Segment::Create().value();
  const auto permit = segment.New<PermitPool>(2u).value()->Acquire().value();
  for (int round = 0; round < 2000; ++round) {
    const auto queue = LifoQueue<int>::Create({.segment = &segment, .capacity = 1}).value();
    ASSERT_TRUE(queue.fd().ok());
  }
}

}  // namespace
}  // namespace shoal
