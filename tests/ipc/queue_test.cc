// Queue in all worlds: what is put is taken, once, in order; sleepers are woken; the end is an end.

#include "shoal/ipc/queue.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "shoal/shm/segment.h"
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

using tests::Party;
using tests::QueueOf;
using tests::QueueWorld;
using tests::World;

Job MakeJob(int producer, int number) {
  return {.producer = producer,
          .number = number,
          .check = static_cast<uint64_t>(producer) * 1'000'003 + static_cast<uint64_t>(number)};
}

class QueueWorlds : public testing::TestWithParam<World> {};
INSTANTIATE_TEST_SUITE_P(All, QueueWorlds, testing::ValuesIn(tests::kAllWorlds), tests::WorldName);

// Every message is taken by exactly one, whole, and of one producer each consumer sees what it sees in order; with room for one,
// for few, and for many.
TEST_P(QueueWorlds, WhatIsPutIsTakenOnceAndInOrder) {
  constexpr int kEach = 2000;
  for (const size_t capacity : {1, 2, 3, 100}) {
    auto world = QueueOf<Job>(GetParam(), {.capacity = capacity});
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
  auto world = QueueOf<int>(GetParam(), {.capacity = 2});
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
  auto world = QueueOf<int>(GetParam(), {.capacity = 1});
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
  auto world = QueueOf<int>(GetParam(), {.capacity = 8});
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
  auto world = QueueOf<std::string>(GetParam(), {.capacity = 1});
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

  auto full = QueueOf<std::string>(GetParam(), {.capacity = 1});
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
  auto world = QueueOf<std::vector<std::string>>(GetParam(), {.capacity = 4});
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
  auto world = QueueOf<int>(GetParam(), {.capacity = 10});
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
  auto world = QueueOf<Request>(GetParam(), {.capacity = 4});
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
  auto world = QueueOf<Job>(GetParam(), {.capacity = 2});
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
}  // namespace
}  // namespace shoal
