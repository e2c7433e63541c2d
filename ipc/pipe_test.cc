#include "shoal/ipc/pipe.h"

#include <poll.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shoal/ipc/connection.h"
#include "shoal/ipc/pipe_core.h"
#include "shoal/ipc/pipe_options.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/pipe_ends.h"
#include "shoal/shm/segment.h"

namespace shoal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr absl::Duration kAtOnce = absl::ZeroDuration();

// An end is one's at a time.
static_assert(std::is_nothrow_move_constructible_v<Connection<int>> && !std::is_copy_constructible_v<Connection<int>> &&
              !std::is_copy_assignable_v<Connection<int>>);

struct Point {
  double x = 0;
  double y = 0;
  friend bool operator==(const Point&, const Point&) = default;
};
struct Order {
  std::string item;
  std::vector<Point> places;
  std::map<std::string, int> counts;
  std::optional<double> price;
};
struct Large {
  std::array<uint64_t, 5000> numbers;
};

class PipeTest : public testing::Test {
 protected:
  PipeOptions Small(uint32_t capacity = 2) { return {.segment = &segment_, .capacity = capacity}; }

  Segment segment_ = Segment::Create({.limit_bytes = size_t{64} << 20}).value();
};

TEST_F(PipeTest, WhatIsSentIsReceivedInOrderInBothDirections) {
  auto [first, second] = Pipe<int, std::string>({.segment = &segment_}).value();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(first.Send(i).ok());
  ASSERT_TRUE(second.Send("hello").ok());
  for (int i = 0; i < 10; ++i) EXPECT_EQ(second.Recv().value(), i);
  EXPECT_EQ(first.Recv().value(), "hello");
}

TEST_F(PipeTest, ThePipeIsInTheDefaultSegmentIfNothingIsSaid) {
  auto [first, second] = Pipe<int>().value();
  ASSERT_TRUE(first.Send(1).ok());
  EXPECT_EQ(second.Recv().value(), 1);
}

TEST_F(PipeTest, ItGoesRoundManyTimes) {
  for (const uint32_t capacity : {1u, 2u, 3u, 8u}) {
    auto [first, second] = Pipe<uint64_t>(Small(capacity)).value();
    for (uint64_t i = 0; i < 1000; ++i) {
      ASSERT_TRUE(first.Send(i).ok());
      if (i % 2 == 0 && capacity > 1) continue;
      if (capacity > 1) {
        EXPECT_EQ(second.Recv().value(), i - 1);
      }
      EXPECT_EQ(second.Recv().value(), i);
    }
  }
}

TEST_F(PipeTest, ValuesOfEveryKindTravel) {
  auto [first, second] = Pipe<Order>(Small()).value();
  const Order order = {"tea", {{1, 2}, {3, 4}}, {{"a", 1}, {"b", 2}}, 2.5};
  ASSERT_TRUE(first.Send(order).ok());
  const Order got = second.Recv().value();
  EXPECT_EQ(got.item, "tea");
  EXPECT_THAT(got.places, ElementsAre(Point{1, 2}, Point{3, 4}));
  EXPECT_EQ(got.counts, order.counts);
  EXPECT_EQ(got.price, 2.5);
}

TEST_F(PipeTest, LargeAndEmptyMessagesAreWhole) {
  size_t used[2];  // the first round leaves the records of types, and this thread's journal
  for (size_t& after : used) {
    {
      auto [first, second] = Pipe<std::string>(Small()).value();
      for (const size_t size : {size_t{0}, size_t{1}, size_t{104}, size_t{105}, size_t{5000}, size_t{20} << 20}) {
        const std::string text(size, static_cast<char>('a' + size % 26));
        ASSERT_TRUE(first.Send(text).ok()) << size;
        EXPECT_EQ(second.Recv().value(), text);
      }
      auto [third, fourth] = Pipe<Large>(Small()).value();
      auto large = std::make_unique<Large>();
      for (size_t i = 0; i < large->numbers.size(); ++i) large->numbers[i] = i;
      ASSERT_TRUE(third.Send(*large).ok());
      EXPECT_EQ(fourth.Recv().value().numbers, large->numbers);
      // Some that nobody takes.
      ASSERT_TRUE(first.Send(std::string(100'000, 'x')).ok());
      ASSERT_TRUE(third.Send(*large).ok());
    }
    segment_.Reap();
    after = segment_.used_bytes();
  }
  EXPECT_EQ(used[0], used[1]);
}

TEST_F(PipeTest, WhatIsTooLargeIsRefusedAndNothingIsSent) {
  auto [first, second] = Pipe<std::string>({.segment = &segment_, .max_message_bytes = 100}).value();
  EXPECT_EQ(first.Send(std::string(101, 'x')).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(second.Poll().value());
  ASSERT_TRUE(first.Send(std::string(100, 'x')).ok());
  EXPECT_EQ(second.Recv().value().size(), 100u);
  auto [third, fourth] = Pipe<std::string>(Small()).value();
  EXPECT_EQ(third.Send(std::string(size_t{65} << 20, 'x')).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(fourth.Poll().value());
  ASSERT_TRUE(third.Send("x").ok());
  EXPECT_EQ(fourth.Recv().value(), "x");
}

TEST_F(PipeTest, AFullPipeAndAnEmptyOneTimeOut) {
  auto [first, second] = Pipe<int>(Small(2)).value();
  EXPECT_EQ(second.Recv(kAtOnce).status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(second.Recv(-absl::Seconds(1)).status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(second.Recv(absl::Milliseconds(2)).status().code(), absl::StatusCode::kDeadlineExceeded);
  ASSERT_TRUE(first.Send(1, kAtOnce).ok());
  ASSERT_TRUE(first.Send(2, kAtOnce).ok());
  EXPECT_EQ(first.Send(3, kAtOnce).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(first.Send(3, absl::Milliseconds(2)).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(second.Recv().value(), 1);
  ASSERT_TRUE(first.Send(3, kAtOnce).ok());
  EXPECT_EQ(second.Recv(kAtOnce).value(), 2);
  EXPECT_EQ(second.Recv(kAtOnce).value(), 3);
  EXPECT_EQ(second.Recv(kAtOnce).status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(PipeTest, PollTakesNothingAndIsTrueForDataAndForTheEnd) {
  auto [first, second] = Pipe<int>(Small()).value();
  EXPECT_FALSE(second.Poll().value());
  EXPECT_FALSE(second.Poll(absl::Milliseconds(2)).value());
  ASSERT_TRUE(first.Send(7).ok());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(second.Poll().value());
  EXPECT_TRUE(second.Poll(absl::InfiniteDuration()).value());
  first.Close();
  EXPECT_TRUE(second.Poll().value());
  EXPECT_EQ(second.Recv().value(), 7);
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(second.Poll().value());
  EXPECT_EQ(second.Recv().status().code(), absl::StatusCode::kCancelled);
}

TEST_F(PipeTest, AClosedPipeIsDrainedAndThenCancelled) {
  auto [first, second] = Pipe<int>(Small()).value();
  ASSERT_TRUE(first.Send(1).ok());
  ASSERT_TRUE(first.Send(2).ok());
  ASSERT_TRUE(second.Send(3).ok());
  first.Close();
  first.Close();
  EXPECT_TRUE(first.closed());
  EXPECT_FALSE(second.closed());
  EXPECT_EQ(second.Recv().value(), 1);
  EXPECT_EQ(second.Recv().value(), 2);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(second.Recv().status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(second.Send(4).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(first.Send(4).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(first.Recv().status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(first.Poll().status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(first.fd().status().code(), absl::StatusCode::kFailedPrecondition);
}

// A thread of a dying process may still be at work: what it sends after the end has been told comes too late.
TEST_F(PipeTest, AfterTheEndThereIsNothing) {
  auto [first, second] = Pipe<int>(Small(2)).value();
  auto ticket = first.HandOver().value();
  const size_t at = shm_internal::StoredEnd::Offset(shm_internal::TicketNumber::Name(ticket.number())) + 64;
  const auto* const core = shm_internal::ObjectIn<ipc_internal::PipeCore>(segment_, at);
  first = Connection<int>::Take(segment_, ticket.number()).value();
  first.Close();
  EXPECT_EQ(second.Recv().status().code(), absl::StatusCode::kCancelled);
  shm_internal::ObjectIn<std::atomic<uint32_t>>(segment_, core->cells[0].block)->store(ipc_internal::PipeCell::Full(0));
  EXPECT_EQ(second.Recv().status().code(), absl::StatusCode::kCancelled);
}

TEST_F(PipeTest, DestroyingAnEndClosesIt) {
  auto [first, second] = Pipe<int>(Small()).value();
  {
    const Connection<int> gone = std::move(first);
    EXPECT_FALSE(gone.closed());
  }
  EXPECT_EQ(second.Recv().status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(first.Send(1).code(), absl::StatusCode::kFailedPrecondition);  // moved away
  EXPECT_EQ(Connection<int>().Recv().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(PipeTest, ASimplexPipeHasOneDirection) {
  auto [reader, writer] = Pipe<int>({.segment = &segment_, .duplex = false}).value();
  EXPECT_TRUE(reader.readable() && !reader.writable() && writer.writable() && !writer.readable());
  ASSERT_TRUE(writer.Send(1).ok());
  EXPECT_EQ(reader.Recv().value(), 1);
  EXPECT_EQ(reader.Send(1).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(writer.Recv().status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(writer.Poll().status().code(), absl::StatusCode::kFailedPrecondition);
  reader.Close();
  EXPECT_EQ(writer.Send(1).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(PipeTest, BadOptionsAreRefused) {
  EXPECT_EQ(Pipe<int>(Small(0)).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Pipe<int>(Small((1u << 20) + 1)).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Pipe<Large>({.segment = &segment_, .inline_bytes = UINT32_MAX}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(PipeTest, AMessageIsWrittenAndReadInPlace) {
  auto [first, second] = Pipe<Point>(Small(2)).value();
  {
    auto loan = first.Loan().value();
    EXPECT_EQ(*loan, Point{});
    loan->x = 1;
    loan->y = 2;
    EXPECT_FALSE(second.Poll().value());
    EXPECT_EQ(first.Send({5, 6}).code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(first.Loan().status().code(), absl::StatusCode::kFailedPrecondition);
    ASSERT_TRUE(loan.Publish().ok());
    EXPECT_EQ(loan.Publish().code(), absl::StatusCode::kFailedPrecondition);
  }
  { auto forgotten = first.Loan().value(); }
  ASSERT_TRUE(first.Send({3, 4}).ok());
  auto one = second.RecvInPlace().value();
  EXPECT_EQ(*one, (Point{1, 2}));
  auto two = second.RecvInPlace().value();
  EXPECT_EQ(two->y, 4);
  EXPECT_EQ(first.Send({7, 8}, kAtOnce).code(), absl::StatusCode::kDeadlineExceeded);
  { const auto gone = std::move(two); }
  EXPECT_EQ(first.Send({7, 8}, kAtOnce).code(), absl::StatusCode::kDeadlineExceeded);  // the places are in order
  { const auto gone = std::move(one); }
  ASSERT_TRUE(first.Send({7, 8}, kAtOnce).ok());
  ASSERT_TRUE(first.Send({9, 10}, kAtOnce).ok());
  EXPECT_EQ(second.Recv().value(), (Point{7, 8}));
  EXPECT_EQ(second.Recv().value(), (Point{9, 10}));
}

TEST_F(PipeTest, LargeMessagesToo) {
  auto [first, second] = Pipe<Large>(Small(2)).value();
  const size_t before = segment_.used_bytes();
  for (int i = 0; i < 5; ++i) {
    auto loan = first.Loan().value();
    loan->numbers[4999] = 12;
    ASSERT_TRUE(loan.Publish().ok());
    auto got = second.RecvInPlace().value();
    EXPECT_EQ(got->numbers[4999], 12u);
    EXPECT_EQ(got->numbers[0], 0u);
    auto forgotten = first.Loan().value();
  }
  EXPECT_EQ(segment_.used_bytes(), before);
}

TEST_F(PipeTest, WhatIsInPlaceOutlivesItsConnection) {
  std::optional<ReceivedMessage<Point>> received;
  std::optional<LoanedMessage<Point>> loan;
  {
    auto [first, second] = Pipe<Point>(Small(2)).value();
    ASSERT_TRUE(first.Send({1, 2}).ok());
    received.emplace(second.RecvInPlace().value());
    loan.emplace(first.Loan().value());
  }
  EXPECT_EQ((*received)->x, 1);
  EXPECT_EQ(loan->Publish().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(PipeTest, HandlesTravelAndCount) {
  auto [first, second] = Pipe<Shared<Mutex<int>>>(Small()).value();
  auto number = segment_.New<Mutex<int>>(5).value();
  ASSERT_TRUE(first.Send(number).ok());
  number.Reset();
  Shared<Mutex<int>> got = second.Recv().value();
  EXPECT_EQ(**got->Lock(), 5);
  const Segment other = Segment::Create().value();
  auto foreign = other.New<Mutex<int>>(6).value();
  EXPECT_EQ(first.Send(foreign).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE(second.Poll().value());
}

TEST_F(PipeTest, AnEndTravels) {
  auto [first, second] = Pipe<Connection<int, std::string>>(Small()).value();
  auto [near, far] = Pipe<int, std::string>(Small()).value();
  ASSERT_TRUE(far.Send("before").ok());
  ASSERT_TRUE(near.Send(1).ok());
  ASSERT_TRUE(first.Send(std::move(near)).ok());
  EXPECT_TRUE(near.closed());
  EXPECT_EQ(near.Send(2).code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(far.Send("meanwhile").ok());
  auto moved = second.Recv().value();
  EXPECT_EQ(moved.Recv().value(), "before");
  EXPECT_EQ(moved.Recv().value(), "meanwhile");
  ASSERT_TRUE(moved.Send(2).ok());
  EXPECT_EQ(far.Recv().value(), 1);
  EXPECT_EQ(far.Recv().value(), 2);
  moved.Close();
  EXPECT_EQ(far.Recv().status().code(), absl::StatusCode::kCancelled);
}

struct Job {
  std::string name;
  Connection<int> first;
  std::vector<Connection<int>> others;
};

TEST_F(PipeTest, EndsTravelInsideOfOtherValues) {
  auto [first, second] = Pipe<Job>(Small()).value();
  auto [a, b] = Pipe<int>(Small()).value();
  auto [c, d] = Pipe<int>(Small()).value();
  Job job = {.name = "two", .first = std::move(a), .others = {}};
  job.others.push_back(std::move(c));
  ASSERT_TRUE(first.Send(std::move(job)).ok());
  Job got = second.Recv().value();
  ASSERT_TRUE(got.first.Send(1).ok());
  ASSERT_TRUE(got.others.at(0).Send(2).ok());
  EXPECT_EQ(b.Recv().value(), 1);
  EXPECT_EQ(d.Recv().value(), 2);
  // And in a vector of nothing else.
  auto [third, fourth] = Pipe<std::vector<Connection<int>>>(Small()).value();
  std::vector<Connection<int>> ends;
  ends.push_back(std::move(got.first));
  ends.push_back(std::move(got.others[0]));
  ASSERT_TRUE(third.Send(std::move(ends)).ok());
  ASSERT_TRUE(fourth.Recv().value().at(1).Send(3).ok());
  EXPECT_EQ(d.Recv().value(), 3);
}

TEST_F(PipeTest, AnEndThatCannotBeSentStays) {
  auto [first, second] = Pipe<Connection<int>>(Small(1)).value();
  auto [near, far] = Pipe<int>(Small()).value();
  ASSERT_TRUE(first.Send(Connection<int>()).ok());
  EXPECT_EQ(first.Send(std::move(near), kAtOnce).code(), absl::StatusCode::kDeadlineExceeded);
  ASSERT_TRUE(near.Send(1).ok());
  EXPECT_EQ(far.Recv().value(), 1);
  EXPECT_TRUE(second.Recv().value().closed());
  // Nor one of another segment, nor one that is in use.
  const Segment other = Segment::Create().value();
  auto [foreign, peer] = Pipe<int>({.segment = &other}).value();
  EXPECT_EQ(first.Send(std::move(foreign)).code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(foreign.Send(1).ok());
  {
    const auto loan = near.Loan().value();
    EXPECT_EQ(first.Send(std::move(near)).code(), absl::StatusCode::kFailedPrecondition);
  }
  ASSERT_TRUE(far.Send(3).ok());
  {
    const auto lent = near.RecvInPlace().value();
    EXPECT_EQ(first.Send(std::move(near)).code(), absl::StatusCode::kFailedPrecondition);
  }
  // One that goes with another that cannot.
  auto [jobs, worker] = Pipe<Job>(Small()).value();
  Job job = {.name = "one and one", .first = std::move(near), .others = {}};
  job.others.push_back(std::move(foreign));
  EXPECT_EQ(jobs.Send(std::move(job)).code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(job.first.Send(4).ok());
  EXPECT_EQ(far.Recv().value(), 4);
  EXPECT_FALSE(worker.Poll().value());
  ASSERT_TRUE(first.Send(std::move(job.first)).ok());
  ASSERT_TRUE(second.Recv().value().Send(5).ok());
  EXPECT_EQ(far.Recv().value(), 5);
}

// A receiver whose journal cannot grow, for there is no memory, gets nothing; and everything when there is some again.
TEST_F(PipeTest, AMessageWithManyEndsThatCannotBeReceivedYetStaysWhole) {
  constexpr size_t kEnds = 1000;
  auto [first, second] = Pipe<std::vector<Connection<int>>>(Small()).value();
  std::vector<Connection<int>> away;
  std::vector<Connection<int>> here;
  for (size_t i = 0; i < kEnds; ++i) {
    auto [near, far] = Pipe<int>(Small(1)).value();
    ASSERT_TRUE(far.Send(static_cast<int>(i)).ok());
    away.push_back(std::move(near));
    here.push_back(std::move(far));
  }
  ASSERT_TRUE(first.Send(std::move(away)).ok());
  std::vector<Connection<int>> got;
  // Another thread, whose journal is as small as it was when it was made.
  std::thread([&, &receiver = second] {
    auto filling = std::make_optional(Pipe<std::string>(Small(1024)).value());
    for (size_t bytes = size_t{64} << 20; bytes >= 256; bytes /= 2) {
      while (filling->first.Send(std::string(bytes, 'x'), kAtOnce).ok()) continue;
    }
    for (int i = 0; i < 2; ++i) EXPECT_EQ(receiver.Recv().status().code(), absl::StatusCode::kResourceExhausted);
    // Nobody was told of a closing, and nothing was given up.
    for (Connection<int>& end : here) EXPECT_EQ(end.Recv(kAtOnce).status().code(), absl::StatusCode::kDeadlineExceeded);
    filling.reset();
    auto now = receiver.Recv();
    ASSERT_TRUE(now.ok()) << now.status();
    got = *std::move(now);
  }).join();
  ASSERT_EQ(got.size(), kEnds);
  for (size_t i = 0; i < kEnds; ++i) {
    EXPECT_EQ(got[i].Recv(kAtOnce).value(), static_cast<int>(i));
    ASSERT_TRUE(got[i].Send(1).ok());
    EXPECT_EQ(here[i].Recv(kAtOnce).value(), 1);
  }
}

// As a close that was taken back could leave it, or whoever writes over shared memory.
TEST_F(PipeTest, AMarkOfACloseThatNeverWasKeepsNobodyAwake) {
  for (const bool sends : {false, true}) {
    auto [first, second] = Pipe<int>(Small(1)).value();
    if (sends) {
      ASSERT_TRUE(first.Send(1).ok());
    }
    auto ticket = first.HandOver().value();
    const size_t at = shm_internal::StoredEnd::Offset(shm_internal::TicketNumber::Name(ticket.number())) + 64;
    const auto* const core = shm_internal::ObjectIn<ipc_internal::PipeCore>(segment_, at);
    auto& cell = *shm_internal::ObjectIn<std::atomic<uint32_t>>(segment_, core->cells[0].block);
    first = Connection<int>::Take(segment_, ticket.number()).value();
    cell.fetch_or(ipc_internal::PipeCell::kEnded);
    const uint32_t asleep =
        ipc_internal::PipeCell::kWaiters | (sends ? ipc_internal::PipeCell::Full(0) : ipc_internal::PipeCell::Empty(0));
    std::thread sleeper([&, &here = first, &there = second] {
      if (sends) {
        EXPECT_TRUE(here.Send(2).ok());
      } else {
        EXPECT_EQ(there.Recv().value(), 1);
      }
    });
    while (cell.load() != asleep) std::this_thread::yield();
    if (sends) {
      EXPECT_EQ(second.Recv().value(), 1);
    } else {
      ASSERT_TRUE(first.Send(1).ok());
    }
    sleeper.join();
  }
}

TEST_F(PipeTest, AMessageThatIsDestroyedClosesTheEndsInIt) {
  auto [near, far] = Pipe<int>(Small()).value();
  {
    auto [first, second] = Pipe<Connection<int>>(Small()).value();
    ASSERT_TRUE(near.Send(1).ok());
    ASSERT_TRUE(first.Send(std::move(near)).ok());
  }
  EXPECT_EQ(far.Recv().value(), 1);
  EXPECT_EQ(far.Recv().status().code(), absl::StatusCode::kCancelled);
}

TEST_F(PipeTest, ATicketGivesAnEndAway) {
  auto [near, far] = Pipe<int>(Small()).value();
  auto ticket = far.HandOver().value();
  EXPECT_TRUE(far.closed());
  ASSERT_TRUE(near.Send(1).ok());
  EXPECT_EQ((Connection<std::string>::Take(segment_, ticket.number()).status().code()), absl::StatusCode::kFailedPrecondition);
  auto taken = Connection<int>::Take(segment_, ticket.number()).value();
  EXPECT_EQ(Connection<int>::Take(segment_, ticket.number()).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(taken.Recv().value(), 1);
  EXPECT_FALSE(Connection<int>::Take(segment_, 12345).ok());
  EXPECT_FALSE(Connection<int>::Take(segment_, 0).ok());
  {
    auto unused = taken.HandOver().value();
  }
  EXPECT_EQ(near.Recv().status().code(), absl::StatusCode::kCancelled);
}

// Whoever comes late finds another pipe in the same place, or the same end on its way to somebody else.
TEST_F(PipeTest, ATicketNamesOneHandingOver) {
  std::set<uint64_t> places;
  std::set<uint64_t> numbers;
  for (int i = 0; i < 20; ++i) {
    auto [near, far] = Pipe<int>(Small()).value();
    uint64_t late = 0;
    for (int j = 0; j < 3; ++j) {
      auto ticket = far.HandOver().value();
      places.insert(shm_internal::TicketNumber::Name(ticket.number()));
      EXPECT_TRUE(numbers.insert(ticket.number()).second);
      for (const uint64_t other : numbers) {
        if (other == ticket.number()) continue;
        EXPECT_EQ(Connection<int>::Take(segment_, other).status().code(), absl::StatusCode::kFailedPrecondition);
      }
      far = Connection<int>::Take(segment_, ticket.number()).value();
      late = ticket.number();
    }
    far.Close();
    near.Close();
    EXPECT_EQ(Connection<int>::Take(segment_, late).status().code(), absl::StatusCode::kFailedPrecondition);
  }
  EXPECT_LT(places.size(), numbers.size() / 3) << "a place is used again";
}

TEST_F(PipeTest, APipeOfOtherTypesIsNotTaken) {
  auto [near, far] = Pipe<Order, int>(Small()).value();
  auto ticket = far.HandOver().value();
  const absl::Status wrong = Connection<Order, int>::Take(segment_, ticket.number()).status();
  EXPECT_EQ(wrong.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE((Connection<int, Order>::Take(segment_, ticket.number())).ok());
}

TEST_F(PipeTest, TheDescriptorCanBeReadWhilePollIsTrue) {
  auto [first, second] = Pipe<int>(Small(4)).value();
  const int fd = second.fd().value();
  EXPECT_EQ(second.fd().value(), fd);
  struct pollfd entry = {.fd = fd, .events = POLLIN, .revents = 0};
  EXPECT_EQ(poll(&entry, 1, 0), 0);
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(first.Send(1).ok());
    ASSERT_TRUE(first.Send(2).ok());
    EXPECT_EQ(poll(&entry, 1, -1), 1);
    EXPECT_EQ(second.Recv().value(), 1);
    EXPECT_EQ(poll(&entry, 1, 0), 1);
    EXPECT_EQ(second.Recv().value(), 2);
    EXPECT_EQ(poll(&entry, 1, 0), 0);
  }
  first.Close();
  EXPECT_EQ(poll(&entry, 1, -1), 1);
}

}  // namespace
}  // namespace shoal
