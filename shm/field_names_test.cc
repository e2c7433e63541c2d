#include "shoal/shm/field_names.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "shoal/shm/atomic.h"
#include "shoal/shm/shareable.h"
#include "shoal/shm/shareable_sync.h"
#include "shoal/sync/lock.h"

namespace shoal {

template <class T>
class Row {
  [[maybe_unused]] size_t offset_ = 0;
};
template <class T>
struct ShareableTraits<Row<T>> : SharedType<SharedKind::kContainer, T> {
  static constexpr std::string_view kName = "Row";
};

namespace shm_internal {
namespace {

struct Price {
  double amount;
  char currency[4];
};
struct Order {
  uint64_t number;
  std::array<Price, 2> limits;
  Row<Price> history;
  Lock lock;
};
struct Node {
  int32_t value;
  Row<Node> children;
};
struct Empty {};

TEST(FieldNamesTest, AreThoseOfTheStructsWhereTheCompilerTells) {
  const bool told = !FieldName<Price, 0>().empty();
  if (!told) {  // clang
    EXPECT_EQ(FieldNames<Price>(), "<,>");
    EXPECT_EQ(FieldNames<Order>(), "<,<,>,(<,>),>");
    return;
  }
  EXPECT_EQ((FieldName<Price, 1>()), "currency");
  EXPECT_EQ(FieldNames<Price>(), "<amount,currency>");
  EXPECT_EQ(FieldNames<Order>(), "<number,limits<amount,currency>,history(<amount,currency>),lock>");
}

TEST(FieldNamesTest, ATypeThatContainsItselfEnds) {
  const bool told = !FieldName<Node, 0>().empty();
  EXPECT_EQ(FieldNames<Node>(), told ? "<value,children()>" : "<,()>");
}

TEST(FieldNamesTest, WhatHasNoFieldsHasNoText) {
  EXPECT_EQ(FieldNames<int>(), "");
  EXPECT_EQ(FieldNames<Empty>(), "");
  EXPECT_EQ(FieldNames<Lock>(), "");
  EXPECT_EQ(FieldNames<Atomic<int>>(), "()");
  EXPECT_EQ(FieldNames<int[3]>(), "");
}

}  // namespace
}  // namespace shm_internal
}  // namespace shoal
