// A message is received into a value that is there: what that keeps, and what becomes of it if there is no message.

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "shoal/ipc/connection.h"
#include "shoal/ipc/pipe.h"
#include "shoal/shm/segment.h"

namespace shoal {
namespace {

class ReceiveIntoTest : public testing::Test {
 protected:
  const Segment segment_ = Segment::Create({.limit_bytes = size_t{16} << 20}).value();
};

TEST_F(ReceiveIntoTest, ATextKeepsItsMemory) {
  auto [near, far] = Pipe<std::string>({.segment = &segment_, .capacity = 4}).value();
  std::string text(1 << 20, 'x');
  const char* const memory = text.data();
  for (const size_t bytes : {size_t{1} << 20, size_t{0}, size_t{5}, size_t{100'000}}) {
    ASSERT_TRUE(near.Send(std::string(bytes, 'y')).ok());
    ASSERT_TRUE(far.RecvInto(text).ok());
    EXPECT_EQ(text, std::string(bytes, 'y'));
    EXPECT_EQ(text.data(), memory) << bytes;
  }
}

TEST_F(ReceiveIntoTest, AVectorKeepsItsMemoryAndGrows) {
  auto [near, far] = Pipe<std::vector<int64_t>>({.segment = &segment_, .capacity = 4}).value();
  std::vector<int64_t> numbers(1000);
  const int64_t* const memory = numbers.data();
  const std::vector<int64_t> few = {1, 2, 3};
  ASSERT_TRUE(near.Send(few).ok());
  ASSERT_TRUE(far.RecvInto(numbers).ok());
  EXPECT_EQ(numbers, few);
  EXPECT_EQ(numbers.data(), memory);
  const std::vector<int64_t> many(2000, 7);
  ASSERT_TRUE(near.Send(many).ok());
  ASSERT_TRUE(far.RecvInto(numbers).ok());
  EXPECT_EQ(numbers, many);
}

TEST_F(ReceiveIntoTest, WhatIsEncodedReplacesWhatWasThere) {
  using Counts = std::map<std::string, int>;
  auto [near, far] = Pipe<Counts>({.segment = &segment_}).value();
  Counts counts = {{"cod", 1}, {"herring", 2}};
  ASSERT_TRUE(near.Send({{"shark", 3}}).ok());
  ASSERT_TRUE(far.RecvInto(counts).ok());
  EXPECT_EQ(counts, (Counts{{"shark", 3}}));
}

TEST_F(ReceiveIntoTest, APlainValueToo) {
  auto [near, far] = Pipe<int>({.segment = &segment_}).value();
  int number;  // is not looked at
  EXPECT_TRUE(absl::IsDeadlineExceeded(far.RecvInto(number, absl::ZeroDuration())));
  ASSERT_TRUE(near.Send(2).ok());
  ASSERT_TRUE(far.RecvInto(number).ok());
  EXPECT_EQ(number, 2);
}

TEST_F(ReceiveIntoTest, NoMessageLeavesTheValue) {
  auto [near, far] = Pipe<std::string>({.segment = &segment_}).value();
  std::string text = "as it was, and long enough to have memory of its own";
  const char* const memory = text.data();
  EXPECT_TRUE(absl::IsDeadlineExceeded(far.RecvInto(text, absl::ZeroDuration())));
  near.Close();
  EXPECT_TRUE(absl::IsCancelled(far.RecvInto(text)));
  EXPECT_TRUE(absl::IsFailedPrecondition(Connection<std::string>().RecvInto(text)));
  EXPECT_EQ(text, "as it was, and long enough to have memory of its own");
  EXPECT_EQ(text.data(), memory);
}

struct Reply {
  std::string text;
  Connection<Reply> end;
};

// What it is received into may have the very end that it comes from.
TEST_F(ReceiveIntoTest, AMessageTakesThePlaceOfItsOwnEnd) {
  auto [near, far] = Pipe<Reply>({.segment = &segment_}).value();
  auto [next, of_next] = Pipe<Reply>({.segment = &segment_}).value();
  Reply reply = {.text = "first", .end = std::move(far)};
  ASSERT_TRUE(near.Send({.text = "second", .end = std::move(next)}).ok());
  ASSERT_TRUE(reply.end.RecvInto(reply).ok());
  EXPECT_EQ(reply.text, "second");
  ASSERT_TRUE(of_next.Send({.text = "third", .end = {}}).ok());
  EXPECT_EQ(reply.end.Recv().value().text, "third");
  EXPECT_TRUE(absl::IsFailedPrecondition(near.Send({.text = "to nobody", .end = {}})));
}

// The end that was there is closed, as if it had been assigned to.
TEST_F(ReceiveIntoTest, AnEndTakesThePlaceOfAnother) {
  auto [near, far] = Pipe<Connection<int>>({.segment = &segment_}).value();
  auto [first, of_first] = Pipe<int>({.segment = &segment_}).value();
  auto [second, of_second] = Pipe<int>({.segment = &segment_}).value();
  ASSERT_TRUE(near.Send(std::move(second)).ok());
  ASSERT_TRUE(far.RecvInto(first).ok());
  EXPECT_TRUE(absl::IsCancelled(of_first.Recv().status()));
  ASSERT_TRUE(first.Send(5).ok());
  EXPECT_EQ(of_second.Recv().value(), 5);
}

}  // namespace
}  // namespace shoal
