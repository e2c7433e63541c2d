// Maps and variants are destroyed by their layout, by whoever drops the last handle of the object around them.

#include <array>
#include <string>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "shoal/shm/box.h"
#include "shoal/shm/hash_map.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/shared.h"
#include "shoal/shm/string.h"
#include "shoal/shm/variant.h"
#include "shoal/shm/vector.h"
#include "shoal/sync/status.h"

namespace shoal {
namespace {

using Counter = Mutex<int64_t>;

struct Node {
  int64_t value = 0;
  HashMap<String, Node> children;
  HashMap<uint32_t, Shared<Counter>> counters;
  HashMap<int, int> numbers;
  HashMap<String, Vector<Variant>> rows;
};

absl::Status Fill(Node& node, const Shared<Counter>& counter, int depth) {
  for (int i = 0; i < 20; ++i) {
    SHOAL_RETURN_IF_ERROR(node.counters.Set(static_cast<uint32_t>(i), counter));
    SHOAL_RETURN_IF_ERROR(node.numbers.Set(i, i));
    SHOAL_ASSIGN_OR_RETURN(Vector<Variant>* const row, node.rows.Insert("row " + std::to_string(i)));
    SHOAL_RETURN_IF_ERROR(row->PushBack("a text"));
    SHOAL_RETURN_IF_ERROR(row->PushBack(i));
  }
  if (depth == 0) return absl::OkStatus();
  for (int i = 0; i < 6; ++i) {
    SHOAL_ASSIGN_OR_RETURN(Node* const child, node.children.Insert(std::to_string(i)));
    SHOAL_RETURN_IF_ERROR(Fill(*child, counter, depth - 1));
  }
  return absl::OkStatus();
}

TEST(HashMapDisposeTest, WhateverMapsOwnGoesWithTheirObject) {
  const Segment segment = Segment::Create({.limit_bytes = size_t{8} << 20}).value();
  Shared<Counter> counter = segment.New<Counter>(5).value();
  size_t baseline = 0;  // after the first round: the types, and the journals, which have grown
  for (int round = 0; round < 3; ++round) {
    Shared<Mutex<Node>> root = segment.New<Mutex<Node>>().value();
    ASSERT_TRUE(root->With([&](Node& node) { return Fill(node, counter, 2); }).ok());
    const size_t full = segment.used_bytes();
    ASSERT_TRUE(root->With([&](Node& node) -> absl::Status {
                      EXPECT_EQ((*node.children.Find("3")->children.Find("4")->rows.Find("row 7"))[1].AsInt().value(), 7);
                      // A handle is dropped, another copied.
                      EXPECT_TRUE(node.counters.Erase(3).value());
                      return node.counters.Set(4, *node.counters.Find(5));
                    })
                    .ok());
    root.Reset();
    if (round == 0) baseline = segment.used_bytes();
    EXPECT_EQ(segment.used_bytes(), baseline);
    EXPECT_GT(full, baseline + 43 * 1000);
    EXPECT_EQ(*counter->Lock().value(), 5);  // it lives: this process holds it
  }
  counter.Reset();  // the nodes hold it no more
  EXPECT_LT(segment.used_bytes(), baseline);
}

// Of a map whose header is damaged as much is given back as can be; the object itself goes.
TEST(HashMapDisposeTest, ADamagedMapGoesAllTheSame) {
  using Map = HashMap<String, Variant>;
  const Segment segment = Segment::Create({.limit_bytes = size_t{16} << 20}).value();
  for (size_t word = 0; word < 7; ++word) {
    for (int bit = 0; bit < 64; bit += 3) {
      auto root = segment.New<Mutex<Map>>().value();
      uint64_t* words = nullptr;
      ASSERT_TRUE(root->With([&](Map& map) -> absl::Status {
                        for (int i = 0; i < 20; ++i) SHOAL_RETURN_IF_ERROR(map.Set(std::to_string(i), "text"));
                        words = reinterpret_cast<uint64_t*>(&map);
                        return absl::OkStatus();
                      })
                      .ok());
      words[word] ^= uint64_t{1} << bit;
      root.Reset();
    }
  }
  const auto after = segment.New<Mutex<Map>>().value();
  EXPECT_TRUE(after->With([](Map& map) { return map.Set("fine", 1); }).ok());
}

}  // namespace
}  // namespace shoal
