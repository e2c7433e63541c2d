#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/shared.h"

namespace shoal {
namespace {

using testing::HasSubstr;

struct Order {
  uint64_t number = 0;
  uint64_t count = 0;
  double price = 0;
};
struct OtherOrder {
  uint64_t number = 0;
  uint64_t count = 0;
  float price = 0;
};

TEST(NamesTest, WhatIsPublishedIsFoundAndHeldByItsName) {
  const Segment segment = Segment::Create({.limit_bytes = size_t{1} << 20}).value();
  EXPECT_TRUE(absl::IsNotFound(segment.Find<Mutex<Order>>("herring").status()));
  EXPECT_TRUE(absl::IsNotFound(segment.Unpublish("herring")));
  Shared<Mutex<Order>> order = segment.New<Mutex<Order>>(7u, 8u, 9.0).value();
  ASSERT_TRUE(segment.Publish("herring", order).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(segment.Publish("herring", order)));
  EXPECT_TRUE(*segment.Find<Mutex<Order>>("herring") == order);
  order.Reset();
  EXPECT_EQ(segment.Find<Mutex<Order>>("herring").value()->Lock().value()->number, 7u);
  EXPECT_TRUE(absl::IsNotFound(segment.Find<Mutex<Order>>("cod").status()));
  const size_t before = segment.used_bytes();
  ASSERT_TRUE(segment.Unpublish("herring").ok());
  EXPECT_LT(segment.used_bytes(), before);
  EXPECT_TRUE(absl::IsNotFound(segment.Find<Mutex<Order>>("herring").status()));
}

TEST(NamesTest, AnotherTypeIsRefusedFieldByField) {
  const Segment segment = Segment::Create({.limit_bytes = size_t{1} << 20}).value();
  ASSERT_TRUE(segment.Publish("order", segment.New<Mutex<Order>>().value()).ok());
  const absl::Status status = segment.Find<Mutex<OtherOrder>>("order").status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
#ifdef __clang__
  EXPECT_THAT(std::string(status.message()), HasSubstr("field 3: double at 16, here float at 16"));
#else
  EXPECT_THAT(std::string(status.message()), HasSubstr("field 3 'price': double at 16, here float at 16"));
#endif
}

TEST(NamesTest, MisuseIsAStatus) {
  const Segment segment = Segment::Create({.limit_bytes = size_t{1} << 20}).value();
  const Segment other = Segment::Create({.limit_bytes = size_t{1} << 20}).value();
  Shared<Mutex<Order>> order = segment.New<Mutex<Order>>().value();
  EXPECT_TRUE(absl::IsInvalidArgument(segment.Publish("", order)));
  EXPECT_TRUE(absl::IsInvalidArgument(segment.Publish(std::string(256, 'x'), order)));
  EXPECT_TRUE(segment.Publish(std::string(255, 'x'), order).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(other.Publish("order", order)));
  EXPECT_TRUE(absl::IsFailedPrecondition(segment.Publish("none", Shared<Mutex<Order>>())));
  auto guard = order->Lock().value();
  EXPECT_TRUE(absl::IsFailedPrecondition(segment.Publish("order", order)));
  EXPECT_TRUE(absl::IsFailedPrecondition(segment.Find<Mutex<Order>>("order").status()));
}

// Property: of all who publish one name at once, one does; and names do not get into each other's way.
TEST(NamesTest, ThreadsPublishAndFindAtOnce) {
  for (const int threads : {1, 4}) {
    const Segment segment = Segment::Create({.limit_bytes = size_t{4} << 20}).value();
    std::atomic<int> first{0};
    std::vector<std::thread> all;
    for (int i = 0; i < threads; ++i) {
      all.emplace_back([&, i] {
        Shared<Mutex<Order>> order = segment.New<Mutex<Order>>().value();
        for (int round = 0; round < 100; ++round) {
          if (segment.Publish("common" + std::to_string(round), order).ok()) ++first;
          const std::string own = std::to_string(i) + "." + std::to_string(round);
          EXPECT_TRUE(segment.Publish(own, order).ok());
          EXPECT_TRUE(*segment.Find<Mutex<Order>>(own) == order);
          if (round % 2 == 0) {
            EXPECT_TRUE(segment.Unpublish(own).ok());
          }
        }
      });
    }
    for (std::thread& thread : all) thread.join();
    EXPECT_EQ(first, 100);
    EXPECT_TRUE(segment.Find<Mutex<Order>>("0.1").ok());
    EXPECT_TRUE(absl::IsNotFound(segment.Find<Mutex<Order>>("0.2").status()));
  }
}

}  // namespace
}  // namespace shoal
