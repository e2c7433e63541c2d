#include "shoal/shm/hash_map.h"

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shoal/shm/container_world.h"
#include "shoal/shm/hash_map_core.h"
#include "shoal/shm/hash_map_key.h"
#include "shoal/shm/string.h"
#include "shoal/shm/type_layout.h"
#include "shoal/shm/vector.h"

namespace shoal {

struct Money {  // has one value in two forms
  int64_t dollars = 0;
  int64_t cents = 0;
};
template <>
struct HashMapHash<Money> {
  static uint64_t Hash(const Money& money) { return static_cast<uint64_t>(money.dollars * 100 + money.cents); }
  static bool Equal(const Money& left, const Money& right) { return Hash(left) == Hash(right); }
};

namespace {

using shm_internal::ContainerWorld;
using shm_internal::JournalUsed;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

using Numbers = HashMap<int, int>;
using Words = HashMap<String, String>;
using Lists = HashMap<String, Vector<int>>;

template <class K, class V>
auto Contents(const HashMap<K, V>& map) {
  using Key = std::conditional_t<std::is_same_v<K, String>, std::string, K>;
  using Value = std::conditional_t<std::is_same_v<V, String>, std::string, V>;
  std::map<Key, Value> found;
  for (const auto& [key, value] : map) EXPECT_TRUE(found.emplace(key, value).second);
  EXPECT_EQ(found.size(), map.size());
  return found;
}

TEST(HashMapTest, FindsWhatWasPutIn) {
  ContainerWorld<Numbers> world;
  ASSERT_TRUE(world
                  .Change([](Numbers& map) -> absl::Status {
                    EXPECT_TRUE(map.empty());
                    EXPECT_EQ(map.Find(1), nullptr);
                    SHOAL_ASSIGN_OR_RETURN(int* value, map.Insert(1, 10));
                    ++*value;
                    EXPECT_EQ(map.Insert(1, 20).status().code(), absl::StatusCode::kAlreadyExists);
                    EXPECT_TRUE(map.InsertOrAssign(2, 20).value());
                    EXPECT_FALSE(map.InsertOrAssign(2, 21).value());
                    EXPECT_EQ(map.FindMut(3).status().code(), absl::StatusCode::kNotFound);
                    EXPECT_EQ(**map.FindOrInsert(3), 0);
                    ++**map.FindOrInsert(3);
                    ++**map.FindMut(3);
                    return map.Set(4, 40);
                  })
                  .ok());
  world.Look([](const Numbers& map) {
    EXPECT_EQ(map.size(), 4u);
    EXPECT_EQ(*map.Find(1), 11);
    EXPECT_TRUE(map.Contains(4));
    EXPECT_FALSE(map.Contains(5));
    EXPECT_THAT(Contents(map), UnorderedElementsAre(Pair(1, 11), Pair(2, 21), Pair(3, 2), Pair(4, 40)));
  });
}

TEST(HashMapTest, ErasesOneOrAllAndGivesTheMemoryBack) {
  ContainerWorld<Words> world;
  ASSERT_TRUE(world
                  .Change([](Words& map) -> absl::Status {
                    SHOAL_RETURN_IF_ERROR(map.Set("one", "eins"));
                    SHOAL_RETURN_IF_ERROR(map.Set("two", "zwei"));
                    return map.Set("three", "drei");
                  })
                  .ok());
  EXPECT_EQ(world.OwnedBlocks(), 7u);
  ASSERT_TRUE(world
                  .Change([](Words& map) -> absl::Status {
                    EXPECT_TRUE(map.Erase("two").value());
                    EXPECT_FALSE(map.Erase("two").value());
                    EXPECT_THAT(Contents(map), UnorderedElementsAre(Pair("one", "eins"), Pair("three", "drei")));
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_EQ(world.OwnedBlocks(), 5u);
  ASSERT_TRUE(world.Change([](Words& map) { return map.Clear(); }).ok());
  EXPECT_EQ(world.OwnedBlocks(), 0u);
  world.Look([](const Words& map) { EXPECT_THAT(Contents(map), IsEmpty()); });
}

TEST(HashMapTest, GrowsThroughAllSizesAndShrinksAgain) {
  ContainerWorld<Numbers> world(size_t{16} << 20);
  constexpr int kMany = 20'000;
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(world
                    .Change([](Numbers& map) -> absl::Status {
                      for (int i = 0; i < kMany; ++i) {
                        SHOAL_RETURN_IF_ERROR(map.Insert(i, -i).status());
                        if (i < 200 || i % 1000 == 0) {
                          for (int j = 0; j <= i; ++j) EXPECT_EQ(*map.Find(j), -j);
                          EXPECT_EQ(map.Find(i + 1), nullptr);
                        }
                      }
                      return absl::OkStatus();
                    })
                    .ok());
    EXPECT_EQ(world.OwnedBlocks(), 1u);
    ASSERT_TRUE(world
                    .Change([](Numbers& map) -> absl::Status {
                      EXPECT_EQ(Contents(map).size(), size_t{kMany});
                      for (int i = 0; i < kMany; ++i) EXPECT_TRUE(map.Erase(i).value());
                      EXPECT_TRUE(map.empty());
                      EXPECT_EQ(map.begin(), map.end());
                      return absl::OkStatus();
                    })
                    .ok());
  }
}

// Elements come and go, and the table stays as it is.
TEST(HashMapTest, ErasedSlotsAreUsedAgain) {
  ContainerWorld<Numbers> world;
  ASSERT_TRUE(world
                  .Change([](Numbers& map) -> absl::Status {
                    SHOAL_RETURN_IF_ERROR(map.Reserve(100));
                    const size_t capacity = map.capacity();
                    for (int i = 0; i < 100; ++i) SHOAL_RETURN_IF_ERROR(map.Set(i, i));
                    for (int i = 100; i < 20'000; ++i) {
                      EXPECT_TRUE(map.Erase(i - 100).value());
                      SHOAL_RETURN_IF_ERROR(map.Set(i, i));
                    }
                    EXPECT_LE(map.capacity(), 2 * capacity);
                    for (int i = 19'900; i < 20'000; ++i) EXPECT_EQ(*map.Find(i), i);
                    return absl::OkStatus();
                  })
                  .ok());
}

TEST(HashMapTest, ARollbackBringsEverythingBack) {
  ContainerWorld<Words> world;
  ASSERT_TRUE(world
                  .Change([](Words& map) -> absl::Status {
                    for (int i = 0; i < 40; ++i) SHOAL_RETURN_IF_ERROR(map.Set(std::to_string(i), "old"));
                    return absl::OkStatus();
                  })
                  .ok());
  const uint64_t blocks = world.OwnedBlocks();
  std::map<std::string, std::string> before;
  world.Look([&](const Words& map) { before = Contents(map); });
  using Body = void (*)(Words&);
  const Body bodies[] = {
      [](Words& map) { ASSERT_TRUE(map.Set("new", "new").ok()); },
      [](Words& map) { ASSERT_TRUE(map.Set("7", "new").ok()); },
      [](Words& map) { ASSERT_TRUE((*map.FindMut("7"))->Append("er").ok()); },
      [](Words& map) { ASSERT_TRUE(map.Erase("7").value()); },
      [](Words& map) {  // a slot is emptied and filled again
        for (int i = 0; i < 40; ++i) ASSERT_TRUE(map.Erase(std::to_string(i)).value());
        for (int i = 0; i < 40; ++i) ASSERT_TRUE(map.Set("x" + std::to_string(i), "new").ok());
      },
      [](Words& map) {  // and the table is replaced after that
        for (int i = 0; i < 20; ++i) ASSERT_TRUE(map.Erase(std::to_string(i)).value());
        for (int i = 0; i < 400; ++i) ASSERT_TRUE(map.Set("x" + std::to_string(i), "new").ok());
        for (int i = 0; i < 400; i += 3) ASSERT_TRUE(map.Erase("x" + std::to_string(i)).value());
      },
      [](Words& map) { ASSERT_TRUE(map.Clear().ok()); },
      [](Words& map) {
        ASSERT_TRUE(map.Clear().ok());
        ASSERT_TRUE(map.Set("7", "new").ok());
      },
      [](Words& map) { ASSERT_TRUE(map.Reserve(1000).ok()); },
      [](Words& map) {
        const auto all = map.EditAll();
        for (auto [key, value] : *all) ASSERT_TRUE(value.Assign("new").ok());
      },
  };
  for (const Body body : bodies) {
    world.InVain(body);
    EXPECT_EQ(world.OwnedBlocks(), blocks);
    world.Look([&](const Words& map) {
      EXPECT_EQ(Contents(map), before);
      for (int i = 0; i < 40; ++i) EXPECT_EQ(*map.Find(std::to_string(i)), "old");
    });
  }
}

// What the journal takes: 16 bytes for a control byte and, once in a section, the header.
TEST(HashMapTest, LogsOneControlByteForAnInsertAndNothingInNewTables) {
  ContainerWorld<Numbers> world;
  ASSERT_TRUE(world
                  .Change([](Numbers& map) -> absl::Status {
                    SHOAL_RETURN_IF_ERROR(map.Reserve(100));
                    const size_t used = JournalUsed();
                    for (int i = 0; i < 50; ++i) SHOAL_RETURN_IF_ERROR(map.Set(i, i));
                    for (int i = 0; i < 50; ++i) SHOAL_RETURN_IF_ERROR(map.Set(i, -i));
                    for (int i = 0; i < 10; ++i) EXPECT_TRUE(map.Erase(i).value());
                    EXPECT_TRUE(map.EditAll().ok());
                    EXPECT_EQ(JournalUsed(), used);
                    return absl::OkStatus();
                  })
                  .ok());
  ASSERT_TRUE(world
                  .Change([](Numbers& map) -> absl::Status {
                    const size_t begin = JournalUsed();
                    SHOAL_RETURN_IF_ERROR(map.Set(50, 1));
                    EXPECT_EQ(JournalUsed(), begin + 64 + 16);
                    SHOAL_RETURN_IF_ERROR(map.Set(51, 1));
                    EXPECT_EQ(JournalUsed(), begin + 64 + 32);
                    ++**map.FindMut(20);
                    ++**map.FindMut(20);
                    EXPECT_EQ(JournalUsed(), begin + 64 + 48);
                    EXPECT_TRUE(map.Erase(21).value());
                    EXPECT_EQ(JournalUsed(), begin + 64 + 64);
                    SHOAL_RETURN_IF_ERROR(map.Set(52, 1));  // the slot, too: it may be the one of 21
                    EXPECT_EQ(JournalUsed(), begin + 64 + 64 + 32);
                    return absl::OkStatus();
                  })
                  .ok());
}

TEST(HashMapTest, KeysAreComparedFieldByField) {
  enum class Side : uint8_t { kLeft, kRight };
  struct Place {
    char row;  // padding behind it
    int seat;
    Side side;
    bool taken;
    std::array<uint16_t, 2> numbers;
  };
  using Places = HashMap<Place, int>;
  ContainerWorld<Places> world;
  Place key;
  std::memset(&key, 0xff, sizeof(key));
  key = {.row = 'a', .seat = 3, .side = Side::kRight, .taken = false, .numbers = {1, 2}};
  Place same;
  std::memset(&same, 0, sizeof(same));
  same.row = 'a';
  same.seat = 3;
  same.side = Side::kRight;
  same.taken = false;
  same.numbers = {1, 2};
  Place other = same;
  other.numbers[1] = 3;
  ASSERT_TRUE(world.Change([&](Places& map) { return map.Set(key, 7); }).ok());
  world.Look([&](const Places& map) {
    ASSERT_NE(map.Find(same), nullptr);
    EXPECT_EQ(*map.Find(same), 7);
    EXPECT_EQ(map.Find(other), nullptr);
  });

  using Prices = HashMap<Money, int>;
  ContainerWorld<Prices> prices;
  ASSERT_TRUE(prices.Change([](Prices& map) { return map.Set(Money{1, 50}, 7); }).ok());
  prices.Look([](const Prices& map) { EXPECT_TRUE(map.Contains(Money{0, 150})); });

  using Flags = HashMap<bool, Side>;
  ContainerWorld<Flags> flags;
  ASSERT_TRUE(flags.Change([](Flags& map) { return map.Set(true, Side::kRight); }).ok());
  flags.Look([](const Flags& map) {
    EXPECT_EQ(*map.Find(true), Side::kRight);
    EXPECT_FALSE(map.Contains(false));
  });
}

// A program of another build must find the same keys for ever: these numbers are a part of the format.
TEST(HashMapTest, TheHashIsAlwaysTheSame) {
  using shm_internal::MapKey;
  struct Pair {
    int8_t left;
    uint64_t right;
  };
  EXPECT_EQ(MapKey<int>::Hash(-1), MapKey<uint32_t>::Hash(0xffffffff));
  EXPECT_EQ(MapKey<int>::Hash(1), 0x400c6c778bbb447u);
  EXPECT_EQ(MapKey<String>::Hash(""), 0x2163e263b8fde2f1u);
  EXPECT_EQ(MapKey<String>::Hash("herring, salted"), 0x70585d26271aaa01u);
  EXPECT_EQ(MapKey<Pair>::Hash({-1, 2}), 0xd1a55c11797e4b59u);
}

TEST(HashMapTest, ContainersAreValues) {
  ContainerWorld<Lists> world;
  ASSERT_TRUE(world
                  .Change([](Lists& map) -> absl::Status {
                    SHOAL_RETURN_IF_ERROR(map.Set("a", std::array{1, 2}));
                    SHOAL_ASSIGN_OR_RETURN(Vector<int> * list, map.FindOrInsert("b"));
                    SHOAL_RETURN_IF_ERROR(list->PushBack(3));
                    for (int i = 0; i < 100; ++i) {  // they move with the table
                      SHOAL_ASSIGN_OR_RETURN(list, map.Insert(std::to_string(i)));
                      SHOAL_RETURN_IF_ERROR(list->Assign({i, i}));
                    }
                    return map.Set("a", *map.Find("b"));  // a value of its own as argument
                  })
                  .ok());
  world.Look([](const Lists& map) {
    EXPECT_THAT(std::vector<int>(map.Find("a")->begin(), map.Find("a")->end()), ::testing::ElementsAre(3));
    for (int i = 0; i < 100; ++i) EXPECT_EQ((*map.Find(std::to_string(i)))[1], i);
  });
  EXPECT_EQ(world.OwnedBlocks(), 1u + 2 * 102);
  ASSERT_TRUE(world.Change([](Lists& map) { return map.Clear(); }).ok());
  EXPECT_EQ(world.OwnedBlocks(), 0u);

  using Nested = Vector<HashMap<int, HashMap<String, int>>>;
  ContainerWorld<Nested> nested;
  ASSERT_TRUE(nested
                  .Change([](Nested& all) -> absl::Status {
                    for (int i = 0; i < 20; ++i) {
                      SHOAL_ASSIGN_OR_RETURN(auto* map, all.EmplaceBack());
                      SHOAL_ASSIGN_OR_RETURN(auto* inner, map->Insert(i));
                      SHOAL_RETURN_IF_ERROR(inner->Set(std::to_string(i), i));
                    }
                    SHOAL_RETURN_IF_ERROR(all.Set(0, all[7]));  // a copy, through and through
                    SHOAL_ASSIGN_OR_RETURN(auto* first, all.Edit(0));
                    SHOAL_ASSIGN_OR_RETURN(auto* second, all.Edit(1));
                    return first->Swap(*second);
                  })
                  .ok());
  nested.Look([](const Nested& all) {
    EXPECT_EQ(*all[1].Find(7)->Find("7"), 7);
    EXPECT_EQ(*all[0].Find(1)->Find("1"), 1);
    for (int i = 2; i < 20; ++i) EXPECT_EQ(*all[i].Find(i)->Find(std::to_string(i)), i);
  });
  ASSERT_TRUE(nested.Change([](Nested& all) { return all.Resize(0); }).ok());
  ASSERT_TRUE(nested.Change([](Nested& all) { return all.ShrinkToFit(); }).ok());
  EXPECT_EQ(nested.OwnedBlocks(), 0u);
}

TEST(HashMapTest, SwapDoesNotMakeItOwnItself) {
  struct Node {
    int value = 0;
    HashMap<int, Node> children;
  };
  ContainerWorld<HashMap<int, Node>> world;
  ASSERT_TRUE(world
                  .Change([](HashMap<int, Node>& all) -> absl::Status {
                    for (int i = 0; i < 30; ++i) {
                      SHOAL_ASSIGN_OR_RETURN(Node* const node, all.Insert(i, i));
                      SHOAL_RETURN_IF_ERROR(node->children.Set(1, 10 * i));
                    }
                    for (int i = 0; i < 30; ++i) {
                      HashMap<int, Node>& part = (*all.FindMut(i))->children;
                      EXPECT_EQ(all.Swap(part).code(), absl::StatusCode::kFailedPrecondition);
                      EXPECT_EQ(part.Swap(all).code(), absl::StatusCode::kFailedPrecondition);
                    }
                    return (*all.FindMut(3))->children.Swap((*all.FindMut(4))->children);  // neither is in the other
                  })
                  .ok());
  world.Look([](const HashMap<int, Node>& all) {
    EXPECT_EQ(all.size(), 30u);
    EXPECT_EQ(all.Find(3)->children.Find(1)->value, 40);
    EXPECT_EQ(all.Find(4)->children.Find(1)->value, 30);
  });
  ASSERT_TRUE(world.Change([](HashMap<int, Node>& all) { return all.Clear(); }).ok());
  EXPECT_EQ(world.OwnedBlocks(), 0u);
}

TEST(HashMapTest, ArgumentsMayLieInTheMap) {
  struct Two {
    int64_t low = 0;
    int64_t high = 0;
  };
  ContainerWorld<HashMap<int, Two>> world;
  ASSERT_TRUE(world
                  .Change([](HashMap<int, Two>& map) {
                    SHOAL_RETURN_IF_ERROR(map.Set(0, 1, 2));
                    const Two& first = *map.Find(0);
                    SHOAL_RETURN_IF_ERROR(map.Set(0, first.high, first.low));
                    EXPECT_FALSE(map.InsertOrAssign(0, first.high, first.low).value());
                    SHOAL_RETURN_IF_ERROR(map.Set(0, first));
                    for (int i = 1; i < 20; ++i) SHOAL_RETURN_IF_ERROR(map.Set(i, map.Find(0)->high, map.Find(0)->low));
                    return absl::OkStatus();
                  })
                  .ok());
  world.Look([](const HashMap<int, Two>& map) {
    EXPECT_EQ(map.Find(0)->low, 1);
    EXPECT_EQ(map.Find(0)->high, 2);
    for (int i = 1; i < 20; ++i) {
      EXPECT_EQ(map.Find(i)->low, 2);
      EXPECT_EQ(map.Find(i)->high, 1);
    }
  });
  ContainerWorld<Words> words;
  ASSERT_TRUE(words
                  .Change([](Words& map) -> absl::Status {
                    SHOAL_RETURN_IF_ERROR(map.Set("key", "value"));
                    SHOAL_RETURN_IF_ERROR(map.Set("key", map.Find("key")->view().substr(2)));
                    return map.Erase((*map.begin()).key).status();
                  })
                  .ok());
  EXPECT_EQ(words.OwnedBlocks(), 1u);
}

TEST(HashMapTest, ValuesMayBeLargeAndTooManyAreRefused) {
  using Large = std::array<int64_t, (size_t{16} << 20) / sizeof(int64_t)>;
  ContainerWorld<HashMap<int, Large>> world(size_t{256} << 20);
  const auto large = std::make_unique<Large>();
  large->fill(5);
  ASSERT_TRUE(world
                  .Change([&](HashMap<int, Large>& map) {
                    SHOAL_RETURN_IF_ERROR(map.Set(1));
                    for (const size_t count : {SIZE_MAX, SIZE_MAX / 2, SIZE_MAX / 8, size_t{1} << 40, size_t{1} << 30}) {
                      EXPECT_EQ(map.Reserve(count).code(), absl::StatusCode::kResourceExhausted);
                    }
                    return map.Set(1, *large);
                  })
                  .ok());
  world.Look([](const HashMap<int, Large>& map) { EXPECT_EQ(map.Find(1)->back(), 5); });
  world.InVain([](HashMap<int, Large>& map) { EXPECT_TRUE(map.Set(1).ok()); });
  world.Look([](const HashMap<int, Large>& map) { EXPECT_EQ(map.Find(1)->back(), 5); });
}

TEST(HashMapTest, AFullSegmentLeavesItAsItWas) {
  ContainerWorld<Lists> world;
  ASSERT_TRUE(world
                  .Change([](Lists& map) -> absl::Status {
                    for (int i = 0; i < 4; ++i) SHOAL_RETURN_IF_ERROR(map.Set(std::to_string(i), std::array{i}));
                    return absl::OkStatus();
                  })
                  .ok());
  const uint64_t blocks = world.OwnedBlocks();
  world.FillUp();
  const auto full = absl::StatusCode::kResourceExhausted;
  ASSERT_TRUE(world
                  .Change([&](Lists& map) {
                    EXPECT_EQ(map.Insert("4").status().code(), full);
                    EXPECT_EQ(map.FindOrInsert("4").status().code(), full);
                    EXPECT_EQ(map.Set("4", std::array{4}).code(), full);
                    EXPECT_EQ(map.Set("3", std::array{4}).code(), full);
                    EXPECT_EQ(map.Reserve(100).code(), full);
                    EXPECT_EQ(map.Reserve(~size_t{0}).code(), full);
                    EXPECT_TRUE(map.Erase("0").value());  // a slot, but nothing for a key or a value
                    EXPECT_EQ(map.Insert("5", std::array{4}).status().code(), full);
                    return absl::OkStatus();
                  })
                  .ok());
  world.Relieve();
  EXPECT_EQ(world.OwnedBlocks(), blocks - 2);
  world.Look([](const Lists& map) {
    EXPECT_EQ(map.size(), 3u);
    for (int i = 1; i < 4; ++i) EXPECT_EQ((*map.Find(std::to_string(i)))[0], i);
  });
}

TEST(HashMapTest, MisuseIsRefused) {
  Numbers local;
  EXPECT_THAT(local.Insert(1).status().message(), HasSubstr("does not lie in a segment"));
  EXPECT_EQ(local.Find(1), nullptr);
  EXPECT_EQ(local.begin(), local.end());
  ContainerWorld<Numbers> world;
  Numbers* outside = nullptr;
  ASSERT_TRUE(world
                  .Change([&](Numbers& map) {
                    outside = &map;
                    EXPECT_EQ(map.Swap(local).code(), absl::StatusCode::kFailedPrecondition);
                    return map.Set(1, 10);
                  })
                  .ok());
  for (const absl::Status& status :
       {outside->Insert(2).status(), outside->Set(1, 2), outside->FindMut(1).status(), outside->FindOrInsert(1).status(),
        outside->EditAll().status(), outside->Erase(1).status(), outside->Clear(), outside->Reserve(9)}) {
    EXPECT_THAT(status.message(), HasSubstr("no critical section"));
  }
  EXPECT_EQ(*outside->Find(1), 10);
}

// Every word of the header, replaced by every kind of nonsense: a status or an answer, and never another's memory.
TEST(HashMapTest, ADamagedHeaderIsDataLoss) {
  ContainerWorld<Words> world;
  ASSERT_TRUE(world
                  .Change([](Words& map) -> absl::Status {
                    for (int i = 0; i < 20; ++i) SHOAL_RETURN_IF_ERROR(map.Set(std::to_string(i), "value"));
                    return absl::OkStatus();
                  })
                  .ok());
  uint64_t* words = nullptr;
  world.Look([&](const Words& map) { words = reinterpret_cast<uint64_t*>(const_cast<Words*>(&map)); });
  for (const size_t word : {0, 1, 2}) {
    const uint64_t right = words[word];
    for (const uint64_t wrong :
         {right + 8, ~right, right ^ uint64_t{1} << 63, right * 4, right + (uint64_t{1} << 20), uint64_t{1} << 40}) {
      if (word == 1 && wrong <= words[2]) continue;
      words[word] = wrong;
      EXPECT_TRUE(world
                      .Change([&](Words& map) {
                        static_cast<void>(map.Find("21"));
                        for (const auto& [key, value] : map) static_cast<void>(key.Checked());
                        for (const absl::Status& status :
                             {map.Insert("x").status(), map.Set("3", "x"), map.FindMut("3").status(),
                              map.FindOrInsert("3").status(), map.EditAll().status(), map.Erase("3").status(), map.Clear(),
                              map.Reserve(100)}) {
                          EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << word << " is " << wrong << ": " << status;
                        }
                        return absl::OkStatus();
                      })
                      .ok());
      words[word] = right;
    }
  }
  world.Look([](const Words& map) { EXPECT_EQ(Contents(map).size(), 20u); });
}

// No control byte says "empty", so that no search would end; and a map whose count of elements is wrong.
TEST(HashMapTest, DamagedControlBytesEndNoSearchBadly) {
  ContainerWorld<Numbers> world;
  ASSERT_TRUE(world
                  .Change([](Numbers& map) -> absl::Status {
                    for (int i = 0; i < 100; ++i) SHOAL_RETURN_IF_ERROR(map.Set(i, i));
                    return absl::OkStatus();
                  })
                  .ok());
  for (const int control : {0xfe, 0xff, 0x80, 0x00, 0x11}) {
    EXPECT_EQ(world
                  .Change([&](Numbers& map) -> absl::Status {
                    const auto all = map.EditAll();  // saves the table
                    for (auto [key, value] : *all) value = 7;
                    const auto untyped =
                        shm_internal::UntypedHashMap::Read(shm_internal::ThisThreadSections().open->attachment(),
                                                           reinterpret_cast<const shm_internal::HashMapCore&>(map));
                    EXPECT_TRUE(untyped.ok()) << untyped.status();
                    for (size_t i = 0; i < untyped->table.capacity; ++i) {
                      *reinterpret_cast<uint8_t*>(untyped->table.Control(untyped->shape, i)) = static_cast<uint8_t>(control);
                    }
                    for (int i = 0; i < 300; ++i) {
                      static_cast<void>(map.Find(i));
                      static_cast<void>(map.Insert(i, i).status());
                      static_cast<void>(map.Erase(i).status());
                    }
                    static_cast<void>(map.Reserve(10'000));
                    size_t seen = 0;
                    for (const auto& element : map) seen += element.value != 0 || element.value == 0;
                    EXPECT_LE(seen, untyped->table.capacity * 8);
                    return absl::AbortedError("");
                  })
                  .code(),
              absl::StatusCode::kAborted);
  }
  world.Look([](const Numbers& map) { EXPECT_EQ(*map.Find(99), 99); });
}

TEST(HashMapTest, ItsLayoutSaysWhatIsInIt) {
  EXPECT_EQ(shm_internal::LayoutCode<Lists>(), "HashMap@56(String@40,Vector@40(i4))");
  static_assert(SharedValue<int> && !SharedValue<Numbers> && Guardable<Lists> && !Concurrent<Numbers>);
}

}  // namespace
}  // namespace shoal
