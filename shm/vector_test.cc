#include "shoal/shm/vector.h"

#include <array>
#include <cstring>
#include <iterator>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shoal/shm/container_world.h"
#include "shoal/shm/string.h"
#include "shoal/shm/type_layout.h"

namespace shoal {
namespace {

using shm_internal::ContainerWorld;
using shm_internal::JournalUsed;
using testing::ElementsAre;
using testing::HasSubstr;

struct Order {
  int64_t number = 0;
  String item;
  Vector<double> prices;
};
struct Node {
  int value = 0;
  Vector<Node> children;
};

static_assert(Guardable<Vector<int>> && Guardable<Node> && kContainsContainer<Order> && !Concurrent<Vector<int>>);
static_assert(!std::is_copy_constructible_v<Vector<int>> && !std::is_move_constructible_v<Vector<int>>);
static_assert(!std::is_assignable_v<Vector<int>&, Vector<int>> && sizeof(Vector<Order>) == 40);

std::vector<int> Contents(const Vector<int>& vector) { return {vector.begin(), vector.end()}; }

TEST(VectorTest, GrowsAndReads) {
  ContainerWorld<Vector<int>> world;
  ASSERT_TRUE(world
                  .Change([](Vector<int>& v) {
                    for (int i = 0; i < 1000; ++i) SHOAL_RETURN_IF_ERROR(v.PushBack(i));
                    return absl::OkStatus();
                  })
                  .ok());
  world.Look([](const Vector<int>& v) {
    ASSERT_EQ(v.size(), 1000u);
    EXPECT_GE(v.capacity(), 1000u);
    for (size_t i = 0; i < 1000; ++i) EXPECT_EQ(v[i], static_cast<int>(i));
    EXPECT_EQ(std::accumulate(v.begin(), v.end(), 0), 499'500);
    EXPECT_EQ(v.Checked()->size(), 1000u);
  });
  EXPECT_EQ(world.OwnedBlocks(), 1u);
  ASSERT_TRUE(world
                  .Change([](Vector<int>& v) {
                    SHOAL_RETURN_IF_ERROR(v.Clear());
                    return v.ShrinkToFit();
                  })
                  .ok());
  EXPECT_EQ(world.OwnedBlocks(), 0u);
}

TEST(VectorTest, EveryKindOfChange) {
  ContainerWorld<Vector<int>> world;
  ASSERT_TRUE(world
                  .Change([](Vector<int>& v) {
                    SHOAL_RETURN_IF_ERROR(v.Assign({1, 2, 3, 4}));
                    SHOAL_RETURN_IF_ERROR(v.Insert(0, 0));
                    SHOAL_RETURN_IF_ERROR(v.Insert(5, 5));
                    SHOAL_RETURN_IF_ERROR(v.Insert(3, 9));
                    EXPECT_THAT(Contents(v), ElementsAre(0, 1, 2, 9, 3, 4, 5));
                    SHOAL_RETURN_IF_ERROR(v.Erase(3));
                    SHOAL_RETURN_IF_ERROR(v.Erase(1, 2));
                    EXPECT_THAT(Contents(v), ElementsAre(0, 3, 4, 5));
                    SHOAL_RETURN_IF_ERROR(v.Erase(4, 0));
                    SHOAL_RETURN_IF_ERROR(v.PopBack());
                    SHOAL_RETURN_IF_ERROR(v.Set(0, 7));
                    **v.Edit(1) += 1;
                    const std::span<int> all = *v.EditAll();
                    for (int& value : all) value *= 10;
                    EXPECT_THAT(Contents(v), ElementsAre(70, 40, 40));
                    SHOAL_RETURN_IF_ERROR(v.Append(std::vector<int>{1, 2}));
                    SHOAL_RETURN_IF_ERROR(v.Resize(7));
                    EXPECT_THAT(Contents(v), ElementsAre(70, 40, 40, 1, 2, 0, 0));
                    SHOAL_RETURN_IF_ERROR(v.Resize(1));
                    SHOAL_RETURN_IF_ERROR(v.Reserve(100));
                    EXPECT_GE(v.capacity(), 100u);
                    *v.EmplaceBack(3).value() += 5;
                    return absl::OkStatus();
                  })
                  .ok());
  world.Look([](const Vector<int>& v) { EXPECT_THAT(Contents(v), ElementsAre(70, 8)); });
}

TEST(VectorTest, ARollbackTakesEveryChangeBack) {
  ContainerWorld<Vector<int>> world;
  ASSERT_TRUE(world.Change([](Vector<int>& v) { return v.Assign({1, 2, 3, 4}); }).ok());
  const auto changes = std::to_array<absl::Status (*)(Vector<int>&)>({
      [](Vector<int>& v) { return v.PushBack(5); },
      [](Vector<int>& v) { return v.Insert(0, 5); },
      [](Vector<int>& v) { return v.Erase(1); },
      [](Vector<int>& v) { return v.Set(2, 5); },
      [](Vector<int>& v) { return v.Assign({9}); },
      [](Vector<int>& v) {
        return v.Append(std::array{9, 9});
      },
      [](Vector<int>& v) { return v.Clear(); },
      [](Vector<int>& v) { return v.Resize(500); },
      [](Vector<int>& v) { return v.ShrinkToFit(); },
      [](Vector<int>& v) {
        const std::span<int> all = *v.EditAll();
        for (int& value : all) value = 9;
        return absl::OkStatus();
      },
      [](Vector<int>& v) {  // a place that is left, and taken again
        SHOAL_RETURN_IF_ERROR(v.Erase(1, 3));
        return v.Append(std::array{9, 9, 9});
      },
  });
  for (const auto& first : changes) {
    for (const auto& second : changes) {
      world.InVain([&](Vector<int>& v) {
        EXPECT_TRUE(first(v).ok());
        second(v).IgnoreError();  // may be out of range by now
      });
      world.Look([](const Vector<int>& v) { EXPECT_THAT(Contents(v), ElementsAre(1, 2, 3, 4)); });
      EXPECT_EQ(world.OwnedBlocks(), 1u);
    }
  }
}

TEST(VectorTest, ElementsOwnWhatTheyContain) {
  ContainerWorld<Vector<Order>> world;
  ASSERT_TRUE(world
                  .Change([](Vector<Order>& v) {
                    for (int i = 0; i < 20; ++i) {
                      SHOAL_RETURN_IF_ERROR(v.PushBack(i, "item " + std::to_string(i), std::array{0.5, 1.5}));
                    }
                    SHOAL_RETURN_IF_ERROR(v.Insert(3, 99, "inserted"));
                    SHOAL_RETURN_IF_ERROR(v.Set(0, 77, "set", std::array{2.5}));
                    SHOAL_ASSIGN_OR_RETURN(Order* const order, v.Edit(1));
                    order->number = -1;
                    return order->prices.PushBack(9.5);
                  })
                  .ok());
  EXPECT_EQ(world.OwnedBlocks(), 1u + 21 + 20);
  const auto look = [](const Vector<Order>& v) {
    ASSERT_EQ(v.size(), 21u);
    EXPECT_EQ(v[0].item, "set");
    EXPECT_EQ(v[1].number, -1);
    EXPECT_EQ(v[1].prices[2], 9.5);
    EXPECT_EQ(v[3].item, "inserted");
    EXPECT_TRUE(v[3].prices.empty());
    EXPECT_EQ(v[20].item, "item 19");
    EXPECT_EQ(v[20].prices[1], 1.5);
  };
  world.Look(look);
  world.InVain([](Vector<Order>& v) {
    EXPECT_TRUE((*v.Edit(4))->item.Assign("a longer text than there was").ok());
    EXPECT_TRUE(v.Erase(2, 10).ok());
    EXPECT_TRUE((*v.Edit(2))->prices.Clear().ok());
    EXPECT_TRUE(v.Reserve(1000).ok());
    EXPECT_TRUE((*v.Edit(3))->item.Append("!").ok());
    EXPECT_TRUE(v.Clear().ok());
  });
  world.Look(look);
  EXPECT_EQ(world.OwnedBlocks(), 1u + 21 + 20);
  ASSERT_TRUE(world.Change([](Vector<Order>& v) { return v.Erase(0, 20); }).ok());
  EXPECT_EQ(world.OwnedBlocks(), 3u);
}

TEST(VectorTest, NestsAsDeepAsOneLikes) {
  ContainerWorld<Vector<Vector<Vector<String>>>> world;
  ASSERT_TRUE(world
                  .Change([](auto& v) -> absl::Status {
                    SHOAL_RETURN_IF_ERROR(v.PushBack(std::vector<std::vector<std::string>>{{"a", "b"}, {}, {"c"}}));
                    return v.Append(std::vector<std::vector<std::vector<std::string>>>{{{"d"}}, {}});
                  })
                  .ok());
  world.Look([](const auto& v) {
    ASSERT_EQ(v.size(), 3u);
    EXPECT_EQ(v[0][2][0], "c");
    EXPECT_EQ(v[1][0][0], "d");
    EXPECT_TRUE(v[2].empty());
  });
  EXPECT_EQ(world.OwnedBlocks(), 10u);
  ASSERT_TRUE(world.Change([](auto& v) { return v.Erase(0); }).ok());
  EXPECT_EQ(world.OwnedBlocks(), 4u);
}

TEST(VectorTest, AStructMayContainAVectorOfItself) {
  ContainerWorld<Node> world;
  ASSERT_TRUE(world
                  .Change([](Node& root) -> absl::Status {
                    Node* node = &root;
                    for (int i = 0; i < 100; ++i) {
                      SHOAL_RETURN_IF_ERROR(node->children.PushBack(i));
                      SHOAL_ASSIGN_OR_RETURN(node, node->children.EmplaceBack(-i));
                    }
                    return absl::OkStatus();
                  })
                  .ok());
  world.Look([](const Node& root) {
    const Node* node = &root;
    for (int i = 0; i < 100; ++i) {
      ASSERT_EQ(node->children[0].value, i);
      node = &node->children[1];
    }
  });
  EXPECT_EQ(world.OwnedBlocks(), 100u);
  ASSERT_TRUE(world.Change([](Node& root) { return root.children.Clear(); }).ok());
  EXPECT_EQ(world.OwnedBlocks(), 1u);
}

TEST(VectorTest, ArgumentsMayLieInTheVector) {
  ContainerWorld<Vector<String>> world;
  ASSERT_TRUE(world
                  .Change([](Vector<String>& v) {
                    SHOAL_RETURN_IF_ERROR(v.Assign({"one", "two"}));
                    for (int i = 0; i < 9; ++i) SHOAL_RETURN_IF_ERROR(v.PushBack(v[0]));  // grows under its argument
                    SHOAL_RETURN_IF_ERROR(v.Insert(0, v[1]));
                    SHOAL_RETURN_IF_ERROR(v.Set(1, v[1]));
                    SHOAL_RETURN_IF_ERROR(v.Append(v));
                    return v.Assign(std::span<const String>(v).subspan(0, 2));
                  })
                  .ok());
  world.Look([](const Vector<String>& v) {
    ASSERT_EQ(v.size(), 2u);
    EXPECT_EQ(v[0], "two");
    EXPECT_EQ(v[1], "one");
  });
  EXPECT_EQ(world.OwnedBlocks(), 3u);
}

TEST(VectorTest, ArgumentsMayBePartsOfThePlainValueThatTheyReplace) {
  struct Pair {
    int64_t low = 0;
    int64_t high = 0;
  };
  ContainerWorld<Vector<Pair>> world;
  ASSERT_TRUE(world
                  .Change([](Vector<Pair>& v) {
                    SHOAL_RETURN_IF_ERROR(v.PushBack(1, 2));
                    SHOAL_RETURN_IF_ERROR(v.Set(0, v[0].high, v[0].low));
                    SHOAL_RETURN_IF_ERROR(v.Set(0, v[0]));
                    return v.Insert(0, v[0].high, v[0].low);
                  })
                  .ok());
  world.Look([](const Vector<Pair>& v) {
    ASSERT_EQ(v.size(), 2u);
    EXPECT_EQ(v[1].low, 2);
    EXPECT_EQ(v[1].high, 1);
    EXPECT_EQ(v[0].low, 1);
    EXPECT_EQ(v[0].high, 2);
  });
}

// As large as no stack has room for.
TEST(VectorTest, ElementsMayBeLarge) {
  using Large = std::array<int64_t, (size_t{16} << 20) / sizeof(int64_t)>;
  ContainerWorld<Vector<Large>> world(size_t{256} << 20);
  const auto large = std::make_unique<Large>();
  const auto fill = [&](int64_t number) -> const Large& {
    large->fill(number);
    return *large;
  };
  ASSERT_TRUE(world
                  .Change([&](Vector<Large>& v) {
                    SHOAL_RETURN_IF_ERROR(v.PushBack(fill(1)));
                    SHOAL_RETURN_IF_ERROR(v.Set(0, fill(2)));
                    return v.Insert(0, fill(3));
                  })
                  .ok());
  world.InVain([](Vector<Large>& v) { EXPECT_TRUE(v.Set(1).ok()); });
  world.Look([](const Vector<Large>& v) {
    ASSERT_EQ(v.size(), 2u);
    EXPECT_EQ(v[0].front(), 3);
    EXPECT_EQ(v[0].back(), 3);
    EXPECT_EQ(v[1].front(), 2);
    EXPECT_EQ(v[1].back(), 2);
  });
}

// 0, 1, ...: as many as it says.
struct Counting {
  struct Iterator {
    using iterator_category = std::forward_iterator_tag;
    using value_type = uint64_t;
    using difference_type = std::ptrdiff_t;
    uint64_t operator*() const { return at; }
    Iterator& operator++() {
      ++at;
      return *this;
    }
    Iterator operator++(int) { return {at++}; }
    friend bool operator==(Iterator, Iterator) = default;
    friend std::ptrdiff_t operator-(Iterator left, Iterator right) {
      return static_cast<std::ptrdiff_t>(left.at - right.at);
    }
    uint64_t at = 0;
  };
  Iterator begin() const { return {0}; }
  Iterator end() const { return {count}; }
  uint64_t count;
};

TEST(VectorTest, MoreThanAnySizeCanSayIsRefused) {
  ContainerWorld<Vector<uint64_t>> world;
  const Counting endless = {UINT64_MAX};
  for (const size_t before : {0, 1, 2}) {
    ASSERT_TRUE(world
                    .Change([&](Vector<uint64_t>& v) {
                      SHOAL_RETURN_IF_ERROR(v.Resize(before));
                      EXPECT_EQ(v.Append(endless).code(), absl::StatusCode::kResourceExhausted);
                      EXPECT_EQ(v.Append(Counting{UINT64_MAX - 1}).code(), absl::StatusCode::kResourceExhausted);
                      EXPECT_EQ(v.Assign(endless).code(), absl::StatusCode::kResourceExhausted);
                      EXPECT_EQ(v.Reserve(SIZE_MAX).code(), absl::StatusCode::kResourceExhausted);
                      EXPECT_EQ(v.Resize(SIZE_MAX).code(), absl::StatusCode::kResourceExhausted);
                      EXPECT_EQ(v.Erase(before, SIZE_MAX).code(), absl::StatusCode::kOutOfRange);
                      return absl::OkStatus();
                    })
                    .ok());
    world.Look([&](const Vector<uint64_t>& v) { EXPECT_EQ(v.size(), before); });
  }
  ContainerWorld<Vector<Vector<uint64_t>>> nested;
  ASSERT_TRUE(nested
                  .Change([&](Vector<Vector<uint64_t>>& v) {
                    EXPECT_EQ(v.PushBack(endless).code(), absl::StatusCode::kResourceExhausted);
                    return absl::OkStatus();
                  })
                  .ok());
}

TEST(VectorTest, SwapExchangesTwo) {
  struct Two {
    Vector<int> left;
    Vector<int> right;
  };
  ContainerWorld<Two> world;
  ASSERT_TRUE(world.Change([](Two& two) { return two.left.Assign({1, 2}); }).ok());
  const auto swap = [](Two& two) {
    SHOAL_RETURN_IF_ERROR(two.left.Swap(two.right));
    SHOAL_RETURN_IF_ERROR(two.right.Set(0, 5));
    return two.left.PushBack(3);
  };
  world.InVain([&](Two& two) { EXPECT_TRUE(swap(two).ok()); });
  world.Look([](const Two& two) {
    EXPECT_THAT(Contents(two.left), ElementsAre(1, 2));
    EXPECT_TRUE(two.right.empty());
  });
  ASSERT_TRUE(world.Change(swap).ok());
  world.Look([](const Two& two) {
    EXPECT_THAT(Contents(two.left), ElementsAre(3));
    EXPECT_THAT(Contents(two.right), ElementsAre(5, 2));
  });
}

TEST(VectorTest, SwapDoesNotMakeItOwnItself) {
  struct Node {
    int value = 0;
    Vector<Node> children;
  };
  ContainerWorld<Vector<Node>> world;
  ASSERT_TRUE(world
                  .Change([](Vector<Node>& all) -> absl::Status {
                    for (int i = 0; i < 3; ++i) {
                      SHOAL_ASSIGN_OR_RETURN(Node* const node, all.EmplaceBack(i));
                      SHOAL_RETURN_IF_ERROR(node->children.PushBack(10 + i));
                    }
                    Vector<Node>& part = (*all.Edit(2))->children;
                    EXPECT_EQ(all.Swap(part).code(), absl::StatusCode::kFailedPrecondition);
                    EXPECT_EQ(part.Swap(all).code(), absl::StatusCode::kFailedPrecondition);
                    EXPECT_TRUE(all.Swap(all).ok());
                    return part.Swap((*all.Edit(1))->children);  // neither is in the other
                  })
                  .ok());
  world.Look([](const Vector<Node>& all) {
    ASSERT_EQ(all.size(), 3u);
    EXPECT_EQ(all[1].children[0].value, 12);
    EXPECT_EQ(all[2].children[0].value, 11);
  });
  ASSERT_TRUE(world.Change([](Vector<Node>& all) { return all.Resize(0); }).ok());
  EXPECT_EQ(world.OwnedBlocks(), 1u);
}

// A section that fills a vector leaves nothing in its journal but the header and the blocks' names; and what it has allocated it
// changes without saving, the headers of containers in there included.
TEST(VectorTest, NothingIsSavedOfBlocksOfTheSameSection) {
  ContainerWorld<Vector<Vector<int>>> world;
  ASSERT_TRUE(world
                  .Change([](Vector<Vector<int>>& v) {
                    for (int i = 0; i < 100; ++i) SHOAL_RETURN_IF_ERROR(v.PushBack(std::array{i}));
                    return absl::OkStatus();
                  })
                  .ok());
  world.InVain([](Vector<Vector<int>>& v) {
    EXPECT_TRUE(v.Reserve(2000).ok());
    const size_t used = JournalUsed();
    for (size_t i = 0; i < 100; ++i) {
      EXPECT_TRUE(v.Edit(i).ok());
      EXPECT_TRUE((*v.Edit(i))->PushBack(7).ok());  // has room: only its header changes, which has moved
    }
    for (int i = 0; i < 1000; ++i) EXPECT_TRUE(v.PushBack().ok());
    EXPECT_TRUE(v.EditAll().ok());
    EXPECT_TRUE(v.Erase(0, 0).ok());
    EXPECT_EQ(JournalUsed(), used);
  });
  world.Look([](const Vector<Vector<int>>& v) {
    ASSERT_EQ(v.size(), 100u);
    for (int i = 0; i < 100; ++i) EXPECT_THAT(Contents(v[static_cast<size_t>(i)]), ElementsAre(i));
  });
}

TEST(VectorTest, WhatIsChangedOverAndOverIsSavedOnce) {
  ContainerWorld<Vector<int>> world;
  ASSERT_TRUE(world.Change([](Vector<int>& v) { return v.Resize(1000); }).ok());
  world.InVain([](Vector<int>& v) {
    EXPECT_TRUE(v.Set(5, 1).ok());
    const size_t used = JournalUsed();
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(v.Set(5, i).ok());
    EXPECT_EQ(JournalUsed(), used);
    EXPECT_TRUE(v.EditAll().ok());
    const size_t all_used = JournalUsed();
    EXPECT_GE(all_used, used + 1000 * sizeof(int));
    for (size_t i = 0; i < 100; ++i) EXPECT_TRUE(v.Set(i, 8).ok());
    EXPECT_TRUE(v.EditAll().ok());
    EXPECT_TRUE(v.Erase(3).ok());
    EXPECT_EQ(JournalUsed(), all_used);
  });
}

TEST(VectorTest, AFullSegmentLeavesItAsItWas) {
  ContainerWorld<Vector<String>> world;
  ASSERT_TRUE(world.Change([](Vector<String>& v) { return v.Assign({"one", "two", "three"}); }).ok());
  world.FillUp();
  ASSERT_TRUE(world
                  .Change([](Vector<String>& v) {
                    const std::string text(100, 'x');
                    EXPECT_EQ(v.Reserve(1000).code(), absl::StatusCode::kResourceExhausted);
                    EXPECT_EQ(v.PushBack(text).code(), absl::StatusCode::kResourceExhausted);
                    EXPECT_EQ(v.Insert(1, text).code(), absl::StatusCode::kResourceExhausted);
                    EXPECT_EQ(v.Set(1, text).code(), absl::StatusCode::kResourceExhausted);
                    EXPECT_EQ(v.Assign({"four"}).code(), absl::StatusCode::kResourceExhausted);
                    EXPECT_EQ(v.Append(std::array{text, text}).code(), absl::StatusCode::kResourceExhausted);
                    EXPECT_EQ((*v.Edit(0))->Assign(text).code(), absl::StatusCode::kResourceExhausted);
                    EXPECT_EQ(v.Resize(~size_t{0} / 64).code(), absl::StatusCode::kResourceExhausted);
                    return absl::OkStatus();
                  })
                  .ok());
  world.Relieve();
  EXPECT_EQ(world.OwnedBlocks(), 4u);
  world.Look([](const Vector<String>& v) {
    ASSERT_EQ(v.size(), 3u);
    EXPECT_EQ(v[0], "one");
    EXPECT_EQ(v[1], "two");
    EXPECT_EQ(v[2], "three");
  });
}

TEST(VectorTest, MisuseIsRefused) {
  Vector<int> local;
  EXPECT_THAT(local.PushBack(1).message(), HasSubstr("does not lie in a segment"));
  EXPECT_EQ(local.Checked()->size(), 0u);
  EXPECT_EQ(local.begin(), local.end());

  ContainerWorld<Vector<int>> world;
  ContainerWorld<Vector<int>> other;
  Vector<int>* outside = nullptr;
  EXPECT_TRUE(world
                  .Change([&](Vector<int>& v) {
                    outside = &v;
                    EXPECT_EQ(v.Edit(0).status().code(), absl::StatusCode::kOutOfRange);
                    EXPECT_EQ(v.Set(0, 1).code(), absl::StatusCode::kOutOfRange);
                    EXPECT_EQ(v.Insert(1, 1).code(), absl::StatusCode::kOutOfRange);
                    EXPECT_EQ(v.Erase(0).code(), absl::StatusCode::kOutOfRange);
                    EXPECT_EQ(v.Erase(0, ~size_t{0}).code(), absl::StatusCode::kOutOfRange);
                    EXPECT_EQ(v.PopBack().code(), absl::StatusCode::kOutOfRange);
                    EXPECT_EQ(v.Swap(local).code(), absl::StatusCode::kFailedPrecondition);
                    return v.Assign({1, 2});
                  })
                  .ok());
  EXPECT_THAT(outside->PushBack(1).message(), HasSubstr("no critical section"));
  EXPECT_THAT(outside->EditAll().status().message(), HasSubstr("no critical section"));
  EXPECT_TRUE(other
                  .Change([&](Vector<int>& v) {
                    EXPECT_THAT(outside->Set(0, 1).message(), HasSubstr("no critical section"));
                    EXPECT_EQ(v.Swap(*outside).code(), absl::StatusCode::kFailedPrecondition);
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_THAT(Contents(*outside), ElementsAre(1, 2));
  EXPECT_DEATH(static_cast<void>((*outside)[2]), "index 2 of a container of 2 elements");
}

// Every word of the header, replaced by every kind of nonsense.
TEST(VectorTest, ADamagedHeaderIsDataLoss) {
  ContainerWorld<Vector<String>> world;
  ASSERT_TRUE(world.Change([](Vector<String>& v) { return v.Assign({"one", "two"}); }).ok());
  uint64_t* words = nullptr;
  world.Look([&](const Vector<String>& v) { words = reinterpret_cast<uint64_t*>(const_cast<Vector<String>*>(&v)); });
  for (const size_t word : {0, 1, 2}) {
    const uint64_t right = words[word];
    for (const uint64_t wrong :
         {right + 4, ~right, right ^ uint64_t{1} << 63, right + (uint64_t{1} << 20), uint64_t{1} << 61}) {
      if (word == 1 && wrong <= words[2]) continue;
      if (word == 2 && wrong == right + 4) continue;  // there is memory behind it
      words[word] = wrong;
      EXPECT_TRUE(world
                      .Change([&](Vector<String>& v) {
                        for (const absl::Status& status :
                             {v.PushBack("x"), v.Set(0, "x"), v.Edit(0).status(), v.EditAll().status(), v.Clear(),
                              v.PopBack(), v.Erase(0), v.Reserve(9), v.Resize(3), v.Assign({"x"}), v.Checked().status()}) {
                          EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << word << " is " << wrong << ": " << status;
                        }
                        EXPECT_TRUE(v.empty());
                        EXPECT_EQ(v.data(), nullptr);
                        for (const String& text : v) ADD_FAILURE() << "it has " << &text;
                        return absl::OkStatus();
                      })
                      .ok());
      words[word] = right;
    }
  }
  world.Look([](const Vector<String>& v) { EXPECT_EQ(v[1], "two"); });
  EXPECT_EQ(world.OwnedBlocks(), 3u);
}

TEST(VectorTest, ItsLayoutSaysWhatIsInIt) {
  EXPECT_EQ(shm_internal::LayoutCode<Vector<int>>(), "Vector@40(i4)");
  EXPECT_EQ(shm_internal::LayoutCode<Order>(), "<88@0:i8,8:String@40,48:Vector@40(f8)>");
  EXPECT_EQ(shm_internal::LayoutCode<Node>(), "<48@0:i4,8:Vector@40(^1)>");
}

}  // namespace
}  // namespace shoal
