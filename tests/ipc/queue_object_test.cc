// What a queue is as an object: what cannot be is a status, handles and types are compared, and nothing is left of it in the end.

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shoal/ipc/joinable_queue.h"
#include "shoal/ipc/queue.h"
#include "shoal/shm/atomic.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/segment.h"
#include "shoal/sync/status.h"

namespace shoal {

struct Request {
  std::string what;
  std::vector<int> numbers;
  Queue<int> reply;
};

namespace {

using testing::HasSubstr;

struct Job {
  int32_t producer = 0;
  int32_t number = 0;
  uint64_t check = 0;
};

TEST(QueueObjectTest, ATimeoutSaysWhatWasWaitedFor) {
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

TEST(QueueObjectTest, WhatCannotBeIsAStatus) {
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

TEST(QueueObjectTest, AHandleOfAnotherSegmentIsRefusedAndNothingIsPut) {
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

TEST(QueueObjectTest, AnotherElementTypeIsRefusedFieldByField) {
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

TEST(QueueObjectTest, AHandleLiesInWhatAMutexGuards) {
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
TEST(QueueObjectTest, NothingIsLeftOfAQueueThatNobodyHolds) {
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

TEST(QueueObjectTest, APlainValueLargerThanACellIsBuiltInPlaceToo) {
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
