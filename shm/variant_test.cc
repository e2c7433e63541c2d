#include "shoal/shm/variant.h"

#include <array>
#include <cmath>
#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shoal/shm/container_world.h"
#include "shoal/shm/hash_map.h"
#include "shoal/shm/string.h"
#include "shoal/shm/type_layout.h"
#include "shoal/shm/vector.h"

namespace shoal {
namespace {

using shm_internal::ContainerWorld;
using ::testing::HasSubstr;

using Row = Vector<Variant>;
using Rows = HashMap<String, Row>;

TEST(VariantTest, HoldsWhatWasSetLast) {
  ContainerWorld<Variant> world;
  const std::array<std::byte, 3> bytes = {std::byte{0}, std::byte{1}, std::byte{0}};
  ASSERT_TRUE(world
                  .Change([&](Variant& v) -> absl::Status {
                    EXPECT_TRUE(v.is_null());
                    SHOAL_RETURN_IF_ERROR(v.SetBool(true));
                    EXPECT_TRUE(v.AsBool().value());
                    SHOAL_RETURN_IF_ERROR(v.SetInt(std::numeric_limits<int64_t>::min()));
                    EXPECT_EQ(v.AsInt().value(), std::numeric_limits<int64_t>::min());
                    SHOAL_RETURN_IF_ERROR(v.SetString("herring"));
                    EXPECT_EQ(v.AsString().value(), "herring");
                    SHOAL_RETURN_IF_ERROR(v.SetString(v.AsString()->substr(3)));
                    EXPECT_EQ(v.AsString().value(), "ring");
                    SHOAL_RETURN_IF_ERROR(v.SetDouble(-0.5));
                    EXPECT_EQ(v.AsDouble().value(), -0.5);
                    SHOAL_RETURN_IF_ERROR(v.SetBytes(bytes));
                    EXPECT_EQ(v.AsBytes()->size(), 3u);
                    EXPECT_EQ((*v.AsBytes())[1], std::byte{1});
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_EQ(world.OwnedBlocks(), 1u);
  ASSERT_TRUE(world.Change([](Variant& v) { return v.SetNull(); }).ok());
  EXPECT_EQ(world.OwnedBlocks(), 0u);
}

TEST(VariantTest, AnotherKindIsNotConverted) {
  ContainerWorld<Variant> world;
  ASSERT_TRUE(world.Change([](Variant& v) { return v.SetInt(1); }).ok());
  world.Look([](const Variant& v) {
    EXPECT_EQ(v.kind(), VariantKind::kInt);
    for (const absl::Status& status :
         {v.AsBool().status(), v.AsDouble().status(), v.AsString().status(), v.AsBytes().status()}) {
      EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
      EXPECT_THAT(status.message(), HasSubstr("the variant is an int64, not "));
    }
  });
  ASSERT_TRUE(world.Change([](Variant& v) { return v.SetString("1"); }).ok());
  world.Look([](const Variant& v) { EXPECT_THAT(v.AsBytes().status().message(), HasSubstr("is a string, not bytes")); });
}

TEST(VariantTest, ARollbackBringsTheOldKindBack) {
  ContainerWorld<Variant> world;
  using Set = absl::Status (*)(Variant&);
  const Set sets[] = {[](Variant& v) { return v.SetNull(); },        [](Variant& v) { return v.SetBool(true); },
                      [](Variant& v) { return v.SetInt(5); },        [](Variant& v) { return v.SetDouble(5); },
                      [](Variant& v) { return v.SetString("old"); }, [](Variant& v) { return v.SetBytes({}); }};
  for (const Set first : sets) {
    ASSERT_TRUE(world.Change(first).ok());
    const uint64_t blocks = world.OwnedBlocks();
    ContainerWorld<Variant> same;
    ASSERT_TRUE(same.Change(first).ok());
    const Variant* expected = nullptr;
    same.Look([&](const Variant& v) { expected = &v; });
    for (const Set second : sets) {
      world.InVain([&](Variant& v) { EXPECT_TRUE(second(v).ok() && v.SetString("newer").ok() && second(v).ok()); });
      EXPECT_EQ(world.OwnedBlocks(), blocks);
      world.Look([&](const Variant& v) { EXPECT_TRUE(v == *expected); });
    }
  }
}

TEST(VariantTest, RowsOfThemInAMap) {
  ContainerWorld<Rows> world;
  ASSERT_TRUE(world
                  .Change([](Rows& rows) -> absl::Status {
                    for (int i = 0; i < 50; ++i) {
                      SHOAL_ASSIGN_OR_RETURN(Row * row, rows.Insert(std::to_string(i)));
                      SHOAL_RETURN_IF_ERROR(row->PushBack());
                      SHOAL_RETURN_IF_ERROR(row->PushBack(true));
                      SHOAL_RETURN_IF_ERROR(row->PushBack(i));
                      SHOAL_RETURN_IF_ERROR(row->PushBack(i / 2.0));
                      SHOAL_RETURN_IF_ERROR(row->PushBack("salted"));
                      SHOAL_RETURN_IF_ERROR(row->PushBack((*row)[4]));
                      SHOAL_ASSIGN_OR_RETURN(Variant * first, row->Edit(0));
                      SHOAL_RETURN_IF_ERROR(first->Set((*row)[4]));
                    }
                    return absl::OkStatus();
                  })
                  .ok());
  world.Look([](const Rows& rows) {
    for (int i = 0; i < 50; ++i) {
      const Row& row = *rows.Find(std::to_string(i));
      ASSERT_EQ(row.size(), 6u);
      EXPECT_EQ(row[0].AsString().value(), "salted");
      EXPECT_TRUE(row[1].AsBool().value());
      EXPECT_EQ(row[2].AsInt().value(), i);
      EXPECT_EQ(row[3].AsDouble().value(), i / 2.0);
      EXPECT_TRUE(row[0] == row[4] && row[4] == row[5]);
      EXPECT_FALSE(row[0] == row[1]);
    }
  });
  ASSERT_TRUE(world.Change([](Rows& rows) { return rows.Clear(); }).ok());
  EXPECT_EQ(world.OwnedBlocks(), 0u);
}

TEST(VariantTest, AFullSegmentLeavesItAsItWas) {
  ContainerWorld<Variant> world;
  ASSERT_TRUE(world.Change([](Variant& v) { return v.SetInt(7); }).ok());
  world.FillUp();
  ASSERT_TRUE(world
                  .Change([](Variant& v) {
                    EXPECT_EQ(v.SetString("text").code(), absl::StatusCode::kResourceExhausted);
                    EXPECT_EQ(v.SetBytes(std::array{std::byte{1}}).code(), absl::StatusCode::kResourceExhausted);
                    EXPECT_EQ(v.AsInt().value(), 7);
                    return v.SetInt(8);
                  })
                  .ok());
  world.Relieve();
  world.Look([](const Variant& v) { EXPECT_EQ(v.AsInt().value(), 8); });
}

TEST(VariantTest, MisuseAndDamageAreStatuses) {
  Variant local;
  EXPECT_THAT(local.SetInt(1).message(), HasSubstr("does not lie in a segment"));
  EXPECT_TRUE(local.is_null());
  ContainerWorld<Variant> world;
  ASSERT_TRUE(world.Change([](Variant& v) { return v.SetString("text"); }).ok());
  uint8_t* kind = nullptr;
  world.Look([&](const Variant& v) { kind = reinterpret_cast<uint8_t*>(const_cast<Variant*>(&v)); });
  *kind = 17;
  ASSERT_TRUE(world
                  .Change([](Variant& v) {
                    for (const absl::Status& status :
                         {v.AsInt().status(), v.AsString().status(), v.SetInt(1), v.SetString("x"), v.SetNull()}) {
                      EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
                    }
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_EQ(shm_internal::LayoutCode<Rows>(), "HashMap@56(String@40,Vector@40(Variant@56))");
}

}  // namespace
}  // namespace shoal
