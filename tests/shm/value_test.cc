#include "shoal/shm/value.h"

#include <array>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "shoal/shm/mutex.h"
#include "shoal/tests/worlds/segment_world.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal {
namespace {

using tests::SharedInSegment;
using tests::World;

class ValueTest : public ::testing::TestWithParam<World> {};
INSTANTIATE_TEST_SUITE_P(Worlds, ValueTest, ::testing::ValuesIn(tests::kAllWorlds), tests::WorldName);

TEST_P(ValueTest, NoUpdateIsLost) {
  SharedInSegment<Value<int64_t>> total(GetParam(), 5);
  total.Run(4, [](Value<int64_t>& value, int) {
    for (int i = 0; i < 1000; ++i) ASSERT_TRUE(value.Update([](int64_t& n) { ++n; }).ok());
  });
  EXPECT_EQ(total->Get().value(), 4005);
}

TEST_P(ValueTest, IsSetAndGotAsAWhole) {
  using Pair = std::array<int64_t, 2>;
  SharedInSegment<Value<Pair>> pair(GetParam());
  pair.Run(4, [](Value<Pair>& value, int number) {
    for (int64_t i = 0; i < 500; ++i) {
      if (number % 2 == 0) {
        ASSERT_TRUE(value.Set({i, -i}).ok());
      } else {
        const absl::StatusOr<Pair> seen = value.Get();
        ASSERT_TRUE(seen.ok());
        EXPECT_EQ((*seen)[0], -(*seen)[1]);
      }
    }
  });
}

TEST_P(ValueTest, AnUpdateThatFailsHasNotHappened) {
  SharedInSegment<Value<int64_t>> value(GetParam(), 5);
  const absl::Status status = value->Update([](int64_t& n) {
    n = 7;
    return absl::AbortedError("no");
  });
  EXPECT_TRUE(absl::IsAborted(status));
  EXPECT_THROW(value->Update([](int64_t& n) { n = 7, throw 5; }).IgnoreError(), int);
  EXPECT_EQ(value->Get().value(), 5);
  EXPECT_EQ(value->Update([](int64_t& n) { return n += 1; }).value(), 6);
}

TEST(ValueMisuseTest, LiesAtItsAddressAndIsDescribed) {
  SharedInSegment<Value<int64_t>> value(World::kThreads, 5);
  EXPECT_EQ(reinterpret_cast<const int64_t&>(*value), 5);
  static_assert(Concurrent<Value<int64_t>>);
  static_assert(!SharedValue<Value<int64_t>>);
}

TEST(ValueMisuseTest, OutsideOfASegmentItRefuses) {
  Value<int64_t> local;
  EXPECT_TRUE(absl::IsFailedPrecondition(local.Get().status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(local.Set(1)));
}

}  // namespace
}  // namespace shoal
