// Values of every kind go through a cell, whole; and nothing stays behind.

#include "shoal/ipc/payload.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "shoal/shm/atomic.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/type_layout.h"

namespace shoal {

struct Sample {
  int32_t number = 0;
  bool flag = false;
  double values[3] = {};
  bool operator==(const Sample&) const = default;
};
struct Large {
  std::array<uint64_t, 1000> numbers = {};
  bool operator==(const Large&) const = default;
};
struct Mixed {
  int32_t number = 0;
  std::string text;
  std::vector<std::string> list;
  std::optional<double> perhaps;
  bool operator==(const Mixed&) const = default;
};
struct WithHandle {
  std::string what;
  Shared<Atomic<int>> counter;
  std::vector<Shared<Atomic<int>>> more;
};

namespace ipc_internal {
namespace {

constexpr size_t kRoom = 64;
constexpr uint64_t kMost = uint64_t{1} << 40;

class PayloadTest : public testing::Test {
 protected:
  PayloadTest() : segment_(Segment::Create().value()) {
    const size_t offset = *segment_.Allocate(sizeof(shm_internal::Cell) + kRoom, 64);
    // A section covers only what lies in the heap, and so do raw allocations.
    cell_ = {.cell = shm_internal::ObjectIn<shm_internal::Cell>(segment_, offset),
             .room = segment_.BytesAt(offset + sizeof(shm_internal::Cell), kRoom)};
    attachment_ = shm_internal::Attachment::Of(cell_.cell);
    EXPECT_TRUE(PutMessage(attachment_, cell_, std::string(1000, 'x'), kMost).ok());  // warm
    EXPECT_TRUE(DropMessage(attachment_, *cell_.cell).ok());
    before_ = segment_.used_bytes();
  }

  template <class T>
  T RoundTrip(const T& value) {
    EXPECT_TRUE(PutMessage(attachment_, cell_, value, kMost).ok());
    std::optional<T> out;
    const absl::Status taken = TakeMessage(attachment_, cell_, 7, out);
    EXPECT_TRUE(taken.ok()) << taken;
    EXPECT_EQ(cell_.cell->content.block, 0u);
    return out.has_value() ? *std::move(out) : T{};
  }

  Segment segment_;
  MessageCell cell_;
  SegmentRef attachment_;
  size_t before_ = 0;
};

TEST_F(PayloadTest, ValuesComeOutAsTheyWentIn) {
  EXPECT_EQ(RoundTrip(7), 7);
  EXPECT_EQ(RoundTrip(Sample{.number = 3, .flag = true, .values = {1, 2, 3}}),
            (Sample{.number = 3, .flag = true, .values = {1, 2, 3}}));
  Large large;
  large.numbers[999] = 5;
  EXPECT_EQ(RoundTrip(large), large);
  for (const size_t size : {0, 1, 63, 64, 65, 100'000, 5'000'000}) {
    EXPECT_EQ(RoundTrip(std::string(size, 'a')), std::string(size, 'a'));
    EXPECT_EQ(RoundTrip(std::vector<int>(size, 4)), std::vector<int>(size, 4));
    const Mixed mixed = {.number = 1, .text = std::string(size, 'b'), .list = {"x", "yy"}, .perhaps = 0.5};
    EXPECT_EQ(RoundTrip(mixed), mixed);
  }
  const std::map<std::string, std::vector<double>> map = {{"one", {1}}, {"two", {1, 2}}};
  EXPECT_EQ(RoundTrip(map), map);
  EXPECT_EQ(segment_.used_bytes(), before_);
}

TEST_F(PayloadTest, VariantsSetsAndTimesComeOutAsTheyWentIn) {
  using Choice = std::variant<std::monostate, int, std::string>;
  EXPECT_EQ(RoundTrip(Choice(5)), Choice(5));
  const std::vector<Choice> choices = {5, std::string(1000, 'x'), {}};
  EXPECT_EQ(RoundTrip(choices), choices);
  EXPECT_EQ(RoundTrip(std::set<int>{1, 2}), (std::set<int>{1, 2}));
  EXPECT_EQ(RoundTrip(std::deque<int>(1000, 3)), std::deque<int>(1000, 3));  // as the bytes of its elements
  EXPECT_EQ(RoundTrip(std::chrono::seconds(7)), std::chrono::seconds(7));
  EXPECT_EQ(segment_.used_bytes(), before_);
}

TEST_F(PayloadTest, AVariantWithoutAValueIsRefused) {
  struct Throws {
    operator int() const { throw 1; }
  };
  std::vector<std::variant<std::string, std::deque<int>>> values(2);
  const std::array<Throws, 1> source;
  try {
    values[1].emplace<std::deque<int>>(source.begin(), source.end());
  } catch (int) {
  }
  ASSERT_TRUE(values[1].valueless_by_exception());
  const absl::Status refused = PutMessage(attachment_, cell_, values, kMost);
  EXPECT_TRUE(absl::IsInvalidArgument(refused)) << refused;
  EXPECT_NE(std::string(refused.message()).find("valueless_by_exception"), std::string::npos) << refused;
  EXPECT_EQ(segment_.used_bytes(), before_);
}

TEST_F(PayloadTest, AHandleInAVariantCounts) {
  auto counter = segment_.New<Atomic<int>>(5);
  ASSERT_TRUE(counter.ok());
  using Choice = std::variant<std::string, Shared<Atomic<int>>>;
  ASSERT_TRUE(PutMessage(attachment_, cell_, Choice(*counter), kMost).ok());
  counter->Reset();
  std::optional<Choice> out;
  ASSERT_TRUE(TakeMessage(attachment_, cell_, 7, out).ok());
  ASSERT_EQ(out->index(), 1u);
  EXPECT_EQ(std::get<1>(*out)->load(), 5);
}

TEST_F(PayloadTest, AHandleInAMessageCounts) {
  auto counter = segment_.New<Atomic<int>>(5);
  auto other = segment_.New<Atomic<int>>(6);
  ASSERT_TRUE(counter.ok() && other.ok());
  {
    ASSERT_TRUE(PutMessage(attachment_, cell_, WithHandle{"first", *counter, {*other, {}}}, kMost).ok());
    counter->Reset();
    other->Reset();
    std::optional<WithHandle> out;
    ASSERT_TRUE(TakeMessage(attachment_, cell_, 7, out).ok());
    EXPECT_EQ(cell_.cell->word, 7u);
    ASSERT_TRUE(out->counter && out->more.size() == 2 && out->more[0]);
    EXPECT_EQ(out->counter->load(), 5);
    EXPECT_EQ(out->more[0]->load(), 6);
    EXPECT_FALSE(out->more[1]);
    // Given up without having been taken.
    ASSERT_TRUE(PutMessage(attachment_, cell_, *out, kMost).ok());
    ASSERT_TRUE(DropMessage(attachment_, *cell_.cell).ok());
  }
  segment_.Reap();
  const size_t after = segment_.used_bytes();
  auto again = segment_.New<Atomic<int>>(5);
  ASSERT_TRUE(again.ok());
  EXPECT_GT(segment_.used_bytes(), after);
  again->Reset();
  EXPECT_EQ(segment_.used_bytes(), after);
}

TEST_F(PayloadTest, WhatCannotBeSentLeavesTheCellEmpty) {
  EXPECT_TRUE(absl::IsResourceExhausted(PutMessage(attachment_, cell_, std::string(1000, 'x'), 999)));
  EXPECT_TRUE(absl::IsResourceExhausted(PutMessage(attachment_, cell_, std::string(size_t{1} << 30, 'x'), kMost)));
  auto elsewhere = Segment::Create();
  ASSERT_TRUE(elsewhere.ok());
  auto foreign = elsewhere->New<Atomic<int>>(1);
  ASSERT_TRUE(foreign.ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(PutMessage(attachment_, cell_, *foreign, kMost)));
  EXPECT_EQ(cell_.cell->content.block, 0u);
  EXPECT_EQ(segment_.used_bytes(), before_);
}

TEST_F(PayloadTest, BytesThatMakeNoSenseAreAStatus) {
  std::optional<bool> flag;
  cell_.room[0] = std::byte{2};
  EXPECT_TRUE(absl::IsDataLoss(TakeMessage(attachment_, cell_, 7, flag)));
  std::optional<Mixed> mixed;
  cell_.cell->content.size = 1000;
  EXPECT_TRUE(absl::IsDataLoss(TakeMessage(attachment_, cell_, 7, mixed)));
  cell_.cell->content = {.block = 12345, .size = 100};
  EXPECT_TRUE(absl::IsDataLoss(TakeMessage(attachment_, cell_, 7, mixed)));
  EXPECT_EQ(cell_.cell->content.block, 0u);
}

TEST_F(PayloadTest, LayoutCodesOfMessages) {
  EXPECT_EQ(shm_internal::LayoutCode<SentAs<int>>(), "i4");
  EXPECT_EQ(shm_internal::LayoutCode<SentAs<std::string>>(), "text@1");
  EXPECT_EQ(shm_internal::LayoutCode<SentAs<Mixed>>(), "fields@1(i4,text@1,list@1(text@1),optional@1(f8))");
  EXPECT_EQ((shm_internal::LayoutCode<SentAs<std::variant<std::monostate, int, std::string>>>()),
            "variant@1(<1@>,i4,text@1)");
  EXPECT_EQ((shm_internal::LayoutCode<SentAs<std::pair<std::set<int>, std::chrono::seconds>>>()),
            "tuple@1(set@1(i4),seconds@1(i8))");
  EXPECT_NE((shm_internal::LayoutCode<SentAs<std::array<std::string, 2>>>()),
            (shm_internal::LayoutCode<SentAs<std::array<std::string, 3>>>()));
}

}  // namespace
}  // namespace ipc_internal
}  // namespace shoal
