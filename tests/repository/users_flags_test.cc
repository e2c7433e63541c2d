// What users may compile with: everything public, instantiated, under the flags that this file's targets give.

#include <string>

#include "gtest/gtest.h"
#include "shoal/shoal.h"

namespace shoal {
namespace {

TEST(UsersFlagsTest, WhatIsPublicWorks) {
  const Segment segment = Segment::Create().value();
  const auto map = segment.New<RwLock<HashMap<String, int>>>().value();
  ASSERT_TRUE(map->WithWrite([](HashMap<String, int>& all) { return all.Set("herring", 5); }).ok());
  EXPECT_EQ(map->WithRead([](const HashMap<String, int>& all) { return *all.Find("herring"); }).value(), 5);
  const auto count = segment.New<Value<int>>(1).value();
  EXPECT_EQ(count->Update([](int& value) { return ++value; }).value(), 2);
  Queue<std::string> queue = Queue<std::string>::Create().value();
  ASSERT_TRUE(queue.Put("salted").ok());
  EXPECT_EQ(queue.Get().value(), "salted");
}

}  // namespace
}  // namespace shoal
