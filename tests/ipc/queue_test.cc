// Queue in all worlds: what is put is taken, once, in order; sleepers are woken; the end is an end; what cannot be is a status.

#include "shoal/ipc/joinable_queue.h"
#include "shoal/ipc/queue.h"

#include <sched.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shoal/ipc/wait.h"
#include "shoal/shm/atomic.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/segment.h"
#include "shoal/sync/status.h"
#include "shoal/tests/ipc/queue_world.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal {

struct Job {
  int32_t producer = 0;
  int32_t number = 0;
  uint64_t check = 0;
};
struct Request {
  std::string what;
  std::vector<int> numbers;
  Queue<int> reply;
};

namespace {

using testing::HasSubstr;
using tests::Party;
using tests::QueueWorld;
using tests::World;

Job MakeJob(int producer, int number) {
  return {.producer = producer, .number = number, .check = static_cast<uint64_t>(producer) * 1'000'003 + static_cast<uint64_t>(number)};
}

template <class T>
QueueWorld<Queue<T>> WorldOf(World world, QueueOptions options) {
  return QueueWorld<Queue<T>>(world, [options](const Segment& segment) mutable {
    options.segment = &segment;
    return Queue<T>::Create(options);
  });
}

class QueueWorlds : public testing::TestWithParam<World> {};
INSTANTIATE_TEST_SUITE_P(All, QueueWorlds, testing::ValuesIn(tests::kAllWorlds), tests::WorldName);

// Every message is taken by exactly one, whole, and of one producer each consumer sees what it sees in order; with room for one,
// for few, and for many.
TEST_P(QueueWorlds, WhatIsPutIsTakenOnceAndInOrder) {
  constexpr int kEach = 2000;
  for (const size_t capacity : {1, 2, 3, 100}) {
    auto world = WorldOf<Job>(GetParam(), {.capacity = capacity});
    std::vector<Party> producers;
    for (int i = 0; i < 2; ++i) {
      producers.push_back(world.Start(i, [](Queue<Job>& queue, int number) {
        for (int k = 1; k <= kEach; ++k) ASSERT_TRUE(queue.Put(MakeJob(number, k)).ok());
      }));
    }
    std::vector<Party> consumers;
    for (int i = 0; i < 2; ++i) {
      consumers.push_back(world.Start(i, [&world](Queue<Job>& queue, int) {
        int last[2] = {};
        for (;;) {
          const auto job = queue.Get();
          if (!job.ok()) {
            EXPECT_TRUE(absl::IsCancelled(job.status())) << job.status();
            break;
          }
          EXPECT_EQ(job->check, MakeJob(job->producer, job->number).check);
          EXPECT_GT(job->number, last[job->producer]);
          last[job->producer] = job->number;
          ++world.counter(0);
          world.counter(1) += job->number;
        }
      }));
    }
    for (Party& producer : producers) producer.Join();
    world->Close();
    for (Party& consumer : consumers) consumer.Join();
    EXPECT_EQ(world.counter(0), 2 * kEach);
    EXPECT_EQ(world.counter(1), int64_t{kEach} * (kEach + 1));
    EXPECT_TRUE(world->empty());
  }
}

TEST_P(QueueWorlds, AFullQueueMakesPuttersSleepUntilThereIsRoom) {
  auto world = WorldOf<int>(GetParam(), {.capacity = 2});
  EXPECT_TRUE(world->Put(1).ok());
  EXPECT_FALSE(world->full());
  EXPECT_TRUE(world->Put(2).ok());
  EXPECT_TRUE(world->full());
  EXPECT_EQ(world->size(), 2u);
  EXPECT_FALSE(world->TryPut(3));
  EXPECT_TRUE(absl::IsDeadlineExceeded(world->Put(3, absl::Microseconds(200))));
  EXPECT_TRUE(absl::IsDeadlineExceeded(world->Put(3, -absl::Seconds(1))));
  std::vector<Party> putters;
  for (int i = 0; i < 3; ++i) {
    putters.push_back(world.Start(i, [](Queue<int>& queue, int number) { EXPECT_TRUE(queue.Put(10 + number).ok()); }));
    putters.back().AwaitAsleep();
  }
  EXPECT_EQ(*world->Get(), 1);
  EXPECT_EQ(*world->Get(), 2);
  std::set<int> rest;
  for (int i = 0; i < 3; ++i) rest.insert(*world->Get());
  EXPECT_EQ(rest, (std::set<int>{10, 11, 12}));
  for (Party& putter : putters) putter.Join();
  EXPECT_TRUE(world->empty());
}

// Somebody waits for a free cell, and behind him somebody for room only: room is for the latter.
TEST_P(QueueWorlds, RoomIsToldToWhoCanUseIt) {
  constexpr int kCells = 33;
  auto world = WorldOf<int>(GetParam(), {.capacity = 1});
  Party hoarder = world.Start(0, [&world](Queue<int>& queue, int) {
    std::vector<Loaned<int>> loans;
    for (int i = 0; i < kCells - 1; ++i) loans.push_back(queue.Loan(absl::ZeroDuration()).value());
    *loans[0] = 2;
    ++world.counter(0);
    tests::Await([&] { return world.counter(0) == 2; });
    EXPECT_TRUE(loans[0].Publish().ok());
    ++world.counter(0);
    tests::Await([&] { return world.counter(0) == 4; });
  });
  tests::Await([&] { return world.counter(0) == 1; });
  ASSERT_TRUE(world->Put(1).ok());
  Party claimer = world.Start(1, [](Queue<int>& queue, int) { EXPECT_TRUE(queue.Put(3).ok()); });
  claimer.AwaitAsleep();
  ++world.counter(0);
  hoarder.AwaitAsleep();
  {
    const auto held = world->Receive().value();
    EXPECT_EQ(*held, 1);
    tests::Await([&] { return world.counter(0) == 3; });
  }
  EXPECT_EQ(world->Get().value(), 2);
  claimer.Join();
  EXPECT_EQ(world->Get().value(), 3);
  ++world.counter(0);
  hoarder.Join();
}

TEST_P(QueueWorlds, AnEmptyQueueMakesGettersSleepUntilSomethingIsPut) {
  auto world = WorldOf<int>(GetParam(), {.capacity = 8});
  EXPECT_FALSE(world->TryGet().has_value());
  EXPECT_TRUE(absl::IsDeadlineExceeded(world->Get(absl::Microseconds(200)).status()));
  EXPECT_TRUE(absl::IsDeadlineExceeded(world->Get(-absl::Seconds(1)).status()));
  std::vector<Party> getters;
  for (int i = 0; i < 3; ++i) {
    getters.push_back(world.Start(i, [&world](Queue<int>& queue, int) {
      const auto value = queue.Get();
      ASSERT_TRUE(value.ok()) << value.status();
      world.counter(0) += *value;
    }));
    getters.back().AwaitAsleep();
  }
  EXPECT_EQ(*world->PutMany(std::vector<int>{1, 10, 100}), 3u);
  for (Party& getter : getters) getter.Join();
  EXPECT_EQ(world.counter(0), 111);
}

TEST_P(QueueWorlds, CloseWakesEverybodyAndWhatWasPutCanBeTaken) {
  auto world = WorldOf<std::string>(GetParam(), {.capacity = 1});
  Party getter = world.Start(0, [](Queue<std::string>& queue, int) {
    EXPECT_TRUE(queue.Get().ok());
    const auto none = queue.Get();
    EXPECT_TRUE(absl::IsCancelled(none.status())) << none.status();
    EXPECT_TRUE(MadeByShoal(none.status()));
  });
  getter.AwaitAsleep();
  EXPECT_TRUE(world->Put("first").ok());
  getter.AwaitAsleep();
  world->Close();
  getter.Join();

  auto full = WorldOf<std::string>(GetParam(), {.capacity = 1});
  EXPECT_TRUE(full->Put("kept").ok());
  Party putter = full.Start(0, [](Queue<std::string>& queue, int) {
    const absl::Status status = queue.Put("too late");
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  });
  putter.AwaitAsleep();
  full->Close();
  full->Close();
  putter.Join();
  EXPECT_TRUE(absl::IsFailedPrecondition(full->Put("again")));
  EXPECT_EQ(full->size(), 1u);
  EXPECT_EQ(*full->Get(), "kept");
  EXPECT_TRUE(absl::IsCancelled(full->Get().status()));
  EXPECT_TRUE(absl::IsCancelled(full->Get(absl::ZeroDuration()).status()));
  EXPECT_FALSE(full->TryGet().has_value());
}

// What a message is made of comes out as it went in, whether it fits a cell or not; and takes no memory afterwards.
TEST_P(QueueWorlds, LargeAndSmallMessages) {
  auto world = WorldOf<std::vector<std::string>>(GetParam(), {.capacity = 4});
  Party echo = world.Start(1, [](Queue<std::vector<std::string>>& queue, int) {
    for (;;) {
      auto value = queue.Get();
      if (!value.ok()) break;
      for (const std::string& text : *value) EXPECT_EQ(text, std::string(text.size(), 'x'));
    }
  });
  for (const size_t size : {0, 1, 100, 1000, 100'000, 1'000'000}) {
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(world->Put(std::vector<std::string>(3, std::string(size, 'x'))).ok());
    }
  }
  world->Close();
  echo.Join();
}

TEST_P(QueueWorlds, ManyAtOnce) {
  auto world = WorldOf<int>(GetParam(), {.capacity = 10});
  std::vector<int> numbers(1000);
  for (int i = 0; i < 1000; ++i) numbers[static_cast<size_t>(i)] = i;
  Party putter = world.Start(1, [&numbers](Queue<int>& queue, int) {
    EXPECT_EQ(*queue.PutMany(numbers), numbers.size());
    queue.Close();
  });
  std::vector<int> got;
  for (;;) {
    const auto some = world->GetMany(7);
    if (!some.ok()) break;
    EXPECT_LE(some->size(), 7u);
    got.insert(got.end(), some->begin(), some->end());
  }
  EXPECT_EQ(got, numbers);
  putter.Join();
  EXPECT_TRUE(absl::IsFailedPrecondition(world->PutMany(numbers).status()));
}

// A request with a queue in it for the answer.
TEST_P(QueueWorlds, AQueueTravelsInAMessage) {
  auto world = WorldOf<Request>(GetParam(), {.capacity = 4});
  Party server = world.Start(1, [](Queue<Request>& queue, int) {
    auto request = queue.Get();
    ASSERT_TRUE(request.ok()) << request.status();
    int sum = 0;
    for (const int number : request->numbers) sum += number;
    EXPECT_TRUE(request->reply.Put(sum).ok());
  });
  const auto reply = Queue<int>::Create({.segment = &world.segment(), .capacity = 1});
  ASSERT_TRUE(reply.ok()) << reply.status();
  Queue<int> mine = *reply;
  ASSERT_TRUE(world->Put({.what = "sum", .numbers = {1, 2, 3}, .reply = mine}).ok());
  const auto sum = mine.Get();
  ASSERT_TRUE(sum.ok()) << sum.status();
  EXPECT_EQ(*sum, 6);
  server.Join();
}

TEST_P(QueueWorlds, InPlace) {
  auto world = WorldOf<Job>(GetParam(), {.capacity = 2});
  Party reader = world.Start(1, [](Queue<Job>& queue, int) {
    for (int i = 0; i < 100; ++i) {
      auto received = queue.Receive();
      ASSERT_TRUE(received.ok()) << received.status();
      EXPECT_EQ((*received)->number, i);
      EXPECT_FALSE(received->redelivered());
      if (i % 2 == 0) {
        EXPECT_TRUE(received->Done().ok());
        EXPECT_TRUE(absl::IsFailedPrecondition(received->Done()));
      }
    }
  });
  for (int i = 0; i < 100; ++i) {
    auto loan = world->Loan();
    ASSERT_TRUE(loan.ok()) << loan.status();
    EXPECT_EQ((*loan)->number, 0);
    (*loan)->number = i;
    ASSERT_TRUE(loan->Publish().ok());
    EXPECT_TRUE(absl::IsFailedPrecondition(loan->Publish()));
  }
  reader.Join();
  { const auto given_up = world->Loan(); }
  EXPECT_TRUE(world->empty());
}

// ---- with acknowledge -----------------------------------------------------------------------------------------------------------

TEST_P(QueueWorlds, WhatIsNotDoneTakesItsPlace) {
  auto world = WorldOf<int>(GetParam(), {.capacity = 2, .acknowledge = true});
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

TEST_P(QueueWorlds, WhatIsGivenBackComesAgainBeforeWhatIsNewer) {
  auto world = WorldOf<std::string>(GetParam(), {.capacity = 8, .acknowledge = true});
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

// ---- waiting ---------------------------------------------------------------------------------------------------------------------

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

TEST(QueueTest, WhatIsGivenBackWhereThePositionsOfCellsWrapIsStillInOrder) {
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

TEST_P(QueueWorlds, WaitSaysWhichIsReadyAndTakesNothing) {
  auto world = WorldOf<int>(GetParam(), {.capacity = 4});
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
  auto world = WorldOf<int>(World::kProcesses, {.capacity = 4});
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
  auto world = WorldOf<int>(World::kProcesses, {.capacity = 4});
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

// ---- misuse ---------------------------------------------------------------------------------------------------------------------

TEST(QueueTest, ATimeoutSaysWhatWasWaitedFor) {
  auto segment = Segment::Create({.limit_bytes = size_t{4} << 20}).value();
  for (const bool acknowledge : {false, true}) {
    auto queue = Queue<int>::Create({.segment = &segment, .capacity = 1, .acknowledge = acknowledge}).value();
    EXPECT_EQ(queue.Get(absl::ZeroDuration()).status().message(), "nothing came into the queue in time");
    ASSERT_TRUE(queue.Put(1).ok());
    EXPECT_EQ(queue.Put(2, absl::ZeroDuration()).message(), "the queue had no room for this message in time");
  }
  auto tasks = JoinableQueue<int>::Create({.segment = &segment, .capacity = 1}).value();
  ASSERT_TRUE(tasks.Put(1).ok());
  EXPECT_EQ(tasks.Join(absl::ZeroDuration()).message(), "not all that was put into the queue was done in time");
}

TEST(QueueTest, WhatCannotBeIsAStatus) {
  auto segment = Segment::Create();
  ASSERT_TRUE(segment.ok());
  const auto none = Queue<int>::Create({.segment = &*segment, .capacity = 0});
  EXPECT_TRUE(absl::IsInvalidArgument(none.status()));
  EXPECT_TRUE(MadeByShoal(none.status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Queue<int>::Create({.segment = &*segment, .capacity = 2'000'000}).status()));
  EXPECT_TRUE(absl::IsResourceExhausted(
      Queue<std::array<char, 1000>>::Create({.segment = &*segment, .capacity = 1'000'000}).status()));

  Queue<int> empty;
  EXPECT_FALSE(empty);
  EXPECT_TRUE(absl::IsFailedPrecondition(empty.Put(1)));
  EXPECT_TRUE(absl::IsFailedPrecondition(empty.Get().status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(empty.PublishAs("x")));
  EXPECT_EQ(empty.size(), 0u);
  empty.Close();

  auto text = Queue<std::string>::Create({.segment = &*segment, .capacity = 4, .max_message_bytes = 100});
  ASSERT_TRUE(text.ok());
  EXPECT_TRUE(text->Put(std::string(100, 'x')).ok());
  const absl::Status large = text->Put(std::string(101, 'x'));
  EXPECT_TRUE(absl::IsResourceExhausted(large));
  EXPECT_THAT(large.message(), HasSubstr("101"));
  EXPECT_EQ(text->size(), 1u);
  EXPECT_TRUE(absl::IsFailedPrecondition(text->Done()));
}

TEST(QueueTest, AHandleOfAnotherSegmentIsRefusedAndNothingIsPut) {
  auto here = Segment::Create();
  auto there = Segment::Create();
  ASSERT_TRUE(here.ok() && there.ok());
  auto queue = Queue<Shared<Atomic<int>>>::Create({.segment = &*here, .capacity = 4});
  auto foreign = there->New<Atomic<int>>(1);
  auto own = here->New<Atomic<int>>(2);
  ASSERT_TRUE(queue.ok() && foreign.ok() && own.ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(queue->Put(*foreign)));
  EXPECT_TRUE(queue->empty());
  EXPECT_TRUE(queue->Put(*own).ok());
  EXPECT_EQ((*queue->Get())->load(), 2);
}

struct JobElsewhere {
  int32_t producer = 0;
  int64_t number = 0;
  uint64_t check = 0;
};

TEST(QueueTest, AnotherElementTypeIsRefusedFieldByField) {
  auto segment = Segment::Create();
  ASSERT_TRUE(segment.ok());
  auto queue = Queue<Job>::Create({.segment = &*segment});
  ASSERT_TRUE(queue.ok() && queue->PublishAs("jobs").ok());
  EXPECT_TRUE(Queue<Job>::Find(*segment, "jobs").ok());
  const auto other = Queue<JobElsewhere>::Find(*segment, "jobs");
  EXPECT_TRUE(absl::IsFailedPrecondition(other.status()));
  EXPECT_THAT(other.status().message(), HasSubstr("field 2"));
  EXPECT_TRUE(absl::IsFailedPrecondition(Queue<std::string>::Find(*segment, "jobs").status()));
  auto map = Queue<std::map<std::string, int>>::Create({.segment = &*segment});
  ASSERT_TRUE(map.ok() && segment->Publish("map", map->shared()).ok());
  const auto longs = Queue<std::map<std::string, int64_t>>::Find(*segment, "map");
  EXPECT_TRUE(absl::IsFailedPrecondition(longs.status()));
  EXPECT_TRUE(absl::IsNotFound(Queue<Job>::Find(*segment, "none").status()));
}

struct Board {
  Queue<int> numbers;
};

TEST(QueueTest, AHandleLiesInWhatAMutexGuards) {
  auto segment = Segment::Create();
  ASSERT_TRUE(segment.ok());
  auto board = segment->New<Mutex<Board>>();
  ASSERT_TRUE(board.ok()) << board.status();
  {
    auto queue = Queue<int>::Create({.segment = &*segment, .capacity = 4});
    ASSERT_TRUE(queue.ok());
    ASSERT_TRUE(queue->Put(7).ok());
    auto guard = (*board)->Lock();
    ASSERT_TRUE(guard.ok());
    (*guard)->numbers = *queue;
  }
  Queue<int> copy;
  {
    auto guard = (*board)->Lock();
    ASSERT_TRUE(guard.ok());
    EXPECT_TRUE(absl::IsFailedPrecondition((*guard)->numbers.Get(absl::ZeroDuration()).status()));
    copy = (*guard)->numbers;
  }
  EXPECT_EQ(*copy.Get(), 7);
}

// A queue takes its messages with it, and what they hold.
TEST(QueueTest, NothingIsLeftOfAQueueThatNobodyHolds) {
  auto segment = Segment::Create();
  ASSERT_TRUE(segment.ok());
  const auto once = [&] {
    auto queue = Queue<Request>::Create({.segment = &*segment, .capacity = 100});
    auto inner = Queue<int>::Create({.segment = &*segment, .capacity = 1});
    ASSERT_TRUE(queue.ok() && inner.ok());
    for (int i = 0; i < 90; ++i) {
      ASSERT_TRUE(queue->Put({.what = std::string(static_cast<size_t>(i) * 100, 'x'), .numbers = {}, .reply = *inner}).ok());
    }
  };
  once();
  const size_t before = segment->used_bytes();
  once();
  EXPECT_EQ(segment->used_bytes(), before);
}

TEST(QueueTest, APlainValueLargerThanACellIsBuiltInPlaceToo) {
  struct Frame {
    std::array<uint32_t, 100'000> pixels = {};
  };
  auto segment = Segment::Create();
  ASSERT_TRUE(segment.ok());
  auto queue = Queue<Frame>::Create({.segment = &*segment, .capacity = 4});
  ASSERT_TRUE(queue.ok());
  const size_t before = segment->used_bytes();
  for (int i = 0; i < 3; ++i) {
    auto loan = queue->Loan();
    ASSERT_TRUE(loan.ok()) << loan.status();
    (*loan)->pixels[99'999] = 7;
    ASSERT_TRUE(loan->Publish().ok());
    auto received = queue->Receive();
    ASSERT_TRUE(received.ok()) << received.status();
    EXPECT_EQ((*received)->pixels[99'999], 7u);
  }
  EXPECT_EQ(segment->used_bytes(), before);
}

}  // namespace
}  // namespace shoal
