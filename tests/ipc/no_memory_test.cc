// A process without memory of its own: no exception comes out of a call, and nothing that was sent or put is lost by one that failed.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shoal/ipc/joinable_queue.h"
#include "shoal/ipc/lifo_queue.h"
#include "shoal/ipc/pipe.h"
#include "shoal/ipc/priority_queue.h"
#include "shoal/ipc/queue.h"
#include "shoal/shm/atomic.h"
#include "shoal/shm/failing_allocations.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/shared.h"

namespace shoal {
namespace {

using testing::ElementsAre;
using Lines = std::vector<std::string>;
struct Order {
  std::string name;
  std::map<int, Lines> items;
  std::optional<std::string> note;
  friend bool operator==(const Order& a, const Order& b) {
    return a.name == b.name && a.items == b.items && a.note == b.note;
  }
};

constexpr absl::Duration kAtOnce = absl::ZeroDuration();
const std::string kLong(3000, 'x');  // in a block
const std::string kShort(80, 'x');   // in the cell

absl::Status StatusOf(absl::Status status) { return status; }
template <class T>
absl::Status StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

// Calls with no memory, with memory for one allocation, for two, until it can be done; what is returned then.
template <class F>
auto WithMoreAndMoreMemory(F call) {
  for (int64_t allowed = 0;; ++allowed) {
    auto result = shm_internal::WithAllocations(allowed, call);
    const absl::Status status = StatusOf(result);
    if (status.ok() || allowed == 1000) return result;
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status << ", with " << allowed << " allocations";
  }
}

class NoMemoryTest : public testing::Test {
 protected:
  Segment segment_ = Segment::Create({.limit_bytes = size_t{8} << 20}).value();

  template <class T>
  void GoesThroughAQueue(const T& value) {
    for (const bool acknowledge : {false, true}) {
      auto queue = Queue<T>::Create({.segment = &segment_, .capacity = 3, .acknowledge = acknowledge}).value();
      const auto done = [&](int count) {
        for (int i = 0; acknowledge && i < count; ++i) ASSERT_TRUE(queue.Done().ok());
      };
      for (int i = 0; i < 20; ++i) {
        ASSERT_TRUE(WithMoreAndMoreMemory([&] { return queue.Put(value, kAtOnce); }).ok());
        ASSERT_EQ(queue.size(), 1u);
        auto got = WithMoreAndMoreMemory([&] { return queue.Get(kAtOnce); });
        ASSERT_TRUE(got.ok()) << got.status();
        ASSERT_EQ(*got, value);
        done(1);
        ASSERT_EQ(queue.size(), 0u);
        ASSERT_EQ(WithMoreAndMoreMemory([&] { return queue.PutMany(std::span(&value, 1), kAtOnce); }).value(), 1u);
        auto received = WithMoreAndMoreMemory([&] { return queue.Receive(kAtOnce); });
        ASSERT_TRUE(received.ok()) << received.status();
        ASSERT_EQ(**received, value);
        ASSERT_TRUE(received->Done().ok());
        ASSERT_EQ(queue.size(), 0u);
      }
    }
  }

  template <class T>
  void ComesOutOfGetMany(const T& value) {
    for (const bool acknowledge : {false, true}) {
      auto queue = Queue<T>::Create({.segment = &segment_, .capacity = 3, .acknowledge = acknowledge}).value();
      int fewer = 0;
      for (int64_t allowed = 0; allowed < 60; ++allowed) {
        for (int i = 0; i < 3; ++i) ASSERT_TRUE(queue.Put(value, kAtOnce).ok());
        auto some = shm_internal::WithAllocations(allowed, [&] { return queue.GetMany(3, kAtOnce); });
        if (!some.ok()) {
          EXPECT_EQ(some.status().code(), absl::StatusCode::kResourceExhausted) << some.status();
          some.emplace();
        }
        fewer += some->size() == 1 || some->size() == 2;
        if (some->size() < 3) {
          const auto others = queue.GetMany(3, kAtOnce);
          ASSERT_TRUE(others.ok()) << others.status();
          some->insert(some->end(), others->begin(), others->end());
        }
        EXPECT_THAT(*some, ElementsAre(value, value, value));
        for (int i = 0; acknowledge && i < 3; ++i) ASSERT_TRUE(queue.Done().ok());
      }
      EXPECT_GT(fewer, 0) << "there was always memory for all or none";
    }
  }

  template <class T>
  void GoesThroughAPipe(const T& value) {
    auto [near, far] = Pipe<T>({.segment = &segment_, .capacity = 1}).value();
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(WithMoreAndMoreMemory([&, &end = near] { return end.Send(value, kAtOnce); }).ok());
      const auto got = WithMoreAndMoreMemory([&, &end = far] { return end.Recv(kAtOnce); });
      ASSERT_TRUE(got.ok()) << got.status();
      ASSERT_EQ(*got, value);
    }
  }

  template <class Q, class T>
  void GoesThroughALockedQueue(const T& value) {
    auto queue = WithMoreAndMoreMemory([&] { return Q::Create({.segment = &segment_, .capacity = 3}); }).value();
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(WithMoreAndMoreMemory([&] { return queue.Put(value, kAtOnce); }).ok());
      ASSERT_EQ(queue.size(), 1u);
      const auto got = WithMoreAndMoreMemory([&] { return queue.Get(kAtOnce); });
      ASSERT_TRUE(got.ok()) << got.status();
      ASSERT_EQ(*got, value);
      ASSERT_EQ(queue.size(), 0u);
    }
  }

  template <class T>
  void GoesThrough(const T& value) {
    GoesThroughAQueue(value);
    GoesThroughALockedQueue<LifoQueue<T>>(value);
    if constexpr (requires { value < value; }) GoesThroughALockedQueue<PriorityQueue<T>>(value);
    ComesOutOfGetMany(value);
    GoesThroughAPipe(value);
  }
};

TEST_F(NoMemoryTest, Texts) {
  GoesThrough(kShort);
  GoesThrough(kLong);
}
TEST_F(NoMemoryTest, Numbers) {
  GoesThrough(std::vector<int>(20, 7));
  GoesThrough(std::vector<int>(2000, 7));
}
TEST_F(NoMemoryTest, WhatIsEncoded) {
  GoesThrough(Lines{kShort, ""});
  GoesThrough(Lines{kLong, kLong, "end"});
  GoesThrough(Order{.name = kShort, .items = {{1, {kLong, kShort}}, {2, {}}}, .note = kLong});
}

TEST_F(NoMemoryTest, Handles) {
  using Counter = Shared<Atomic<int64_t>>;
  const auto counter = segment_.New<Atomic<int64_t>>(int64_t{42}).value();
  auto queue = Queue<std::vector<Counter>>::Create({.segment = &segment_, .capacity = 1}).value();
  for (int i = 0; i < 5; ++i) {
    const std::vector<Counter> value = {counter, counter};
    ASSERT_TRUE(WithMoreAndMoreMemory([&] { return queue.Put(value, kAtOnce); }).ok());
    const auto got = WithMoreAndMoreMemory([&] { return queue.Get(kAtOnce); });
    ASSERT_TRUE(got.ok()) << got.status();
    ASSERT_EQ(got->size(), 2u);
    EXPECT_EQ((*got)[1]->load(), 42);
  }
}

TEST_F(NoMemoryTest, EndsOfPipes) {
  using Ends = std::vector<Connection<int>>;
  auto queue = Queue<Ends>::Create({.segment = &segment_, .capacity = 1}).value();
  auto [first, second] = Pipe<Ends>({.segment = &segment_, .capacity = 1}).value();
  auto [near, far] = Pipe<int>({.segment = &segment_}).value();
  Ends ends;
  ends.push_back(std::move(far));
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(WithMoreAndMoreMemory([&] { return queue.Put(std::move(ends), kAtOnce); }).ok());
    auto got = WithMoreAndMoreMemory([&] { return queue.Get(kAtOnce); });
    ASSERT_TRUE(got.ok()) << got.status();
    ASSERT_TRUE(WithMoreAndMoreMemory([&, &end = first] { return end.Send(*std::move(got), kAtOnce); }).ok());
    auto again = WithMoreAndMoreMemory([&, &end = second] { return end.Recv(kAtOnce); });
    ASSERT_TRUE(again.ok()) << again.status();
    ends = *std::move(again);
    ASSERT_TRUE(near.Send(i, kAtOnce).ok());
    EXPECT_EQ(ends.at(0).Recv(kAtOnce).value(), i);
  }
}

TEST_F(NoMemoryTest, InPlace) {
  struct Large {
    char text[5000];
  };
  auto queue = Queue<Large>::Create({.segment = &segment_, .capacity = 1}).value();
  auto [near, far] = Pipe<Large>({.segment = &segment_, .capacity = 1}).value();
  for (int i = 0; i < 5; ++i) {
    auto loaned = WithMoreAndMoreMemory([&] { return queue.Loan(kAtOnce); });
    ASSERT_TRUE(loaned.ok()) << loaned.status();
    ASSERT_TRUE(WithMoreAndMoreMemory([&] { return loaned->Publish(kAtOnce); }).ok());
    ASSERT_TRUE(WithMoreAndMoreMemory([&] { return queue.Receive(kAtOnce); }).ok());
    auto lent = WithMoreAndMoreMemory([&, &end = near] { return end.Loan(kAtOnce); });
    ASSERT_TRUE(lent.ok()) << lent.status();
    ASSERT_TRUE(WithMoreAndMoreMemory([&] { return lent->Publish(); }).ok());
    ASSERT_TRUE(WithMoreAndMoreMemory([&, &end = far] { return end.RecvInPlace(kAtOnce); }).ok());
  }
}

// A task that was received, and not done, is owed: also if there is no memory to note by whom.
TEST_F(NoMemoryTest, WhatWasDroppedIsStillToBeDone) {
  auto queue = JoinableQueue<std::string>::Create({.segment = &segment_, .capacity = 200}).value();
  constexpr int kTasks = 100;
  for (int i = 0; i < kTasks; ++i) ASSERT_TRUE(queue.Put(kShort, kAtOnce).ok());
  for (int i = 0; i < kTasks; ++i) {
    auto received = queue.Receive(kAtOnce);
    ASSERT_TRUE(received.ok()) << received.status();
    shm_internal::AllowAllocations(0);
    { const auto dropped = *std::move(received); }
    shm_internal::AllowAllocations(shm_internal::kAllAllocations);
  }
  for (int i = 0; i < kTasks; ++i) {
    EXPECT_TRUE(absl::IsDeadlineExceeded(queue.Join(kAtOnce)));
    ASSERT_TRUE(queue.TaskDone().ok());
  }
  EXPECT_TRUE(queue.Join(kAtOnce).ok());
}

TEST_F(NoMemoryTest, WhatFailsSaysWhyAllTheSame) {
  auto queue = Queue<std::string>::Create({.segment = &segment_, .capacity = 1}).value();
  auto empty = Queue<std::string>::Create({.segment = &segment_, .capacity = 1}).value();
  ASSERT_TRUE(empty.empty());
  auto [near, far] = Pipe<std::string>({.segment = &segment_, .capacity = 1}).value();
  queue.Close();
  far.Close();
  shm_internal::AllowAllocations(0);
  const absl::Status all[] = {queue.Put("x"),  queue.Get().status(),   near.Send("x"),           near.Send("x"),
                              near.Recv().status(), near.Recv().status(), empty.Get(kAtOnce).status()};
  shm_internal::AllowAllocations(shm_internal::kAllAllocations);
  EXPECT_TRUE(absl::IsFailedPrecondition(all[0])) << all[0];
  EXPECT_TRUE(absl::IsCancelled(all[1])) << all[1];
  for (const int i : {2, 3}) EXPECT_TRUE(absl::IsFailedPrecondition(all[i])) << all[i];  // the turn to send is free again
  for (const int i : {4, 5}) EXPECT_TRUE(absl::IsCancelled(all[i])) << all[i];
  EXPECT_TRUE(absl::IsDeadlineExceeded(all[6])) << all[6];
}

thread_local int constructions = 0;

// An allocator whose user has other things to complain of.
struct Refused : std::runtime_error {
  Refused() : runtime_error("not now") {}
};
template <class T>
struct Moody {
  using value_type = T;
  Moody() = default;
  template <class U>
  Moody(const Moody<U>&) {}
  T* allocate(size_t count) {
    if (--constructions == 0) throw Refused();
    return std::allocator<T>().allocate(count);
  }
  void deallocate(T* at, size_t count) { std::allocator<T>().deallocate(at, count); }
  friend bool operator==(const Moody&, const Moody&) { return true; }
};

TEST_F(NoMemoryTest, AValuesOwnExceptionComesOutOfGetManyIfItIsTheFirst) {
  using Numbers = std::vector<int, Moody<int>>;
  auto queue = Queue<Numbers>::Create({.segment = &segment_, .capacity = 3}).value();
  const auto put_three = [&] {
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(queue.Put(Numbers(10, i), kAtOnce).ok());
  };
  put_three();
  constructions = 1;
  EXPECT_THROW(static_cast<void>(queue.GetMany(3, kAtOnce)), Refused);
  constructions = 2;
  const auto some = queue.GetMany(3, kAtOnce);
  EXPECT_THAT(some.value(), ElementsAre(Numbers(10, 0)));
  EXPECT_THAT(queue.GetMany(3, kAtOnce).value(), ElementsAre(Numbers(10, 1), Numbers(10, 2)));
}

}  // namespace
}  // namespace shoal
