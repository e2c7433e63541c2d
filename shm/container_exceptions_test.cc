// An exception of the user's, out of any call that changes a container, leaves the container as it was: the section may go on and
// commit, nothing that is in use is given back, and nothing stays taken.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "shoal/shm/box.h"
#include "shoal/shm/container_world.h"
#include "shoal/shm/deque.h"
#include "shoal/shm/hash_map.h"
#include "shoal/shm/shareable.h"
#include "shoal/shm/string.h"
#include "shoal/shm/vector.h"
#include "shoal/sync/status.h"

namespace shoal {

// Throws when a countdown has come to its end.
struct Fuse {
  static void Burn() {
    if (left >= 0 && left-- == 0) throw std::runtime_error("the fuse has burnt down");
  }
  static inline int left = -1;  // never
};

struct FussyKey {
  int64_t number = 0;
};
template <>
struct HashMapHash<FussyKey> {
  static uint64_t Hash(const FussyKey& key) {
    Fuse::Burn();
    return static_cast<uint64_t>(key.number);
  }
  static bool Equal(const FussyKey& left, const FussyKey& right) {
    Fuse::Burn();
    return left.number == right.number;
  }
};

// A plain value.
struct Fussy {
  Fussy() = default;
  Fussy(int64_t new_number) : number(new_number) { Fuse::Burn(); }
  int64_t number = 0;
};
template <>
struct ShareableTraits<Fussy> : SharedType<SharedKind::kValue> {
  static constexpr std::string_view kName = "Fussy";
};

namespace {

using shm_internal::ContainerWorld;

// Text, if it comes to that.
struct FussyText {
  std::string text;
  operator std::string_view() const {
    Fuse::Burn();
    return text;
  }
};

// Two owners, so that one is built when the other throws.
struct Row {
  String name;
  String note;
};

const std::string kLong(100, 'x');

// Lets each call in `change` throw at its first, second, ... chance, catches that inside the section, and commits. Each time the
// container must be what `Describe` said before, own as many blocks, and be of use.
template <class T, class Describe>
void EveryThrowLeavesItAsItWas(ContainerWorld<T>& world, Describe describe, auto... changes) {
  const auto check = [&](auto change) {
    std::string before;
    world.Look([&](const T& root) { before = describe(root); });
    const uint64_t blocks = world.OwnedBlocks();
    bool thrown = true;
    for (int chance = 0; thrown; ++chance) {
      ASSERT_LT(chance, 1000);
      const absl::Status status = world.Change([&](T& root) -> absl::Status {
        thrown = false;
        Fuse::left = chance;
        try {
          SHOAL_RETURN_IF_ERROR(change(root));
          Fuse::left = -1;
          return absl::AbortedError("as often as it could");
        } catch (const std::runtime_error&) {
          thrown = true;
        }
        EXPECT_EQ(describe(root), before) << "thrown at chance " << chance;
        return absl::OkStatus();
      });
      Fuse::left = -1;
      EXPECT_EQ(status.code(), thrown ? absl::StatusCode::kOk : absl::StatusCode::kAborted) << status;
      if (chance == 0) {
        EXPECT_TRUE(thrown) << "it has no chance to throw";
      }
      world.Look([&](const T& root) { EXPECT_EQ(describe(root), before) << "thrown at chance " << chance; });
      EXPECT_EQ(world.OwnedBlocks(), blocks) << "thrown at chance " << chance;
    }
    // What is taken now must not be what is still in use.
    ASSERT_TRUE(world.Change(change).ok());
    ASSERT_TRUE(world.Change(change).ok());
  };
  (check(changes), ...);
}

// What `Make` makes of 0, 1, ... (Views are not for clang 14.)
template <auto Make>
struct Made {
  struct Iterator {
    using iterator_category = std::forward_iterator_tag;
    using value_type = decltype(Make(0));
    using difference_type = std::ptrdiff_t;
    value_type operator*() const { return Make(at); }
    Iterator& operator++() {
      ++at;
      return *this;
    }
    Iterator operator++(int) { return {at++}; }
    friend bool operator==(Iterator, Iterator) = default;
    int at = 0;
  };
  Iterator begin() const { return {0}; }
  Iterator end() const { return {count}; }
  int count = 3;
};
FussyText MakeText(int i) {
  Fuse::Burn();
  return {kLong + std::to_string(i)};
}
std::pair<int, FussyText> MakePair(int i) { return {i % 7, MakeText(i)}; }

Made<&MakeText> ThreeRows() { return {}; }

template <class Sequence>
std::string DescribeStrings(const Sequence& all) {
  std::string text;
  for (const String& one : all) text += std::string(one) + ";";
  return text;
}
template <class Sequence>
std::string DescribeFussies(const Sequence& all) {
  std::string text;
  for (const Fussy& one : all) text += std::to_string(one.number) + ";";
  return text;
}
template <class Sequence>
std::string DescribeRows(const Sequence& all) {
  std::string text;
  for (const Row& one : all) text += std::string(one.name) + "," + std::string(one.note) + ";";
  return text;
}

TEST(ContainerExceptionsTest, AVectorOfContainers) {
  ContainerWorld<Vector<String>> world;
  ASSERT_TRUE(world
                  .Change([](Vector<String>& v) -> absl::Status {
                    SHOAL_RETURN_IF_ERROR(v.Assign({"one", "two", "three"}));
                    return v.ShrinkToFit();
                  })
                  .ok());
  using V = Vector<String>;
  const FussyText text{kLong};
  EveryThrowLeavesItAsItWas(
      world, &DescribeStrings<V>,  //
      [](V& v) -> absl::Status {   // has no room
        SHOAL_RETURN_IF_ERROR(v.ShrinkToFit());
        return v.Append(ThreeRows());
      },
      [](V& v) -> absl::Status {  // has
        SHOAL_RETURN_IF_ERROR(v.Reserve(v.size() + 3));
        return v.Append(ThreeRows());
      },
      [&](V& v) -> absl::Status {
        SHOAL_RETURN_IF_ERROR(v.ShrinkToFit());
        return v.PushBack(text);
      },
      [&](V& v) -> absl::Status {
        SHOAL_RETURN_IF_ERROR(v.ShrinkToFit());
        return v.Insert(1, text);
      },
      [&](V& v) { return v.Set(1, text); }, [](V& v) { return v.Assign(ThreeRows()); });
}

TEST(ContainerExceptionsTest, AVectorOfStructs) {
  using V = Vector<Row>;
  ContainerWorld<V> world;
  ASSERT_TRUE(world.Change([](V& v) { return v.PushBack("name", "note"); }).ok());
  const FussyText text{kLong};
  EveryThrowLeavesItAsItWas(
      world, &DescribeRows<V>,  //
      [&](V& v) { return v.PushBack(text, text); }, [&](V& v) { return v.Insert(0, text, text); },
      [&](V& v) { return v.Set(0, text, text); });
}

TEST(ContainerExceptionsTest, AVectorOfPlainValues) {
  using V = Vector<Fussy>;
  ContainerWorld<V> world;
  ASSERT_TRUE(world
                  .Change([](V& v) -> absl::Status {
                    SHOAL_RETURN_IF_ERROR(v.Append(std::array{1, 2, 3}));
                    return v.ShrinkToFit();
                  })
                  .ok());
  EveryThrowLeavesItAsItWas(
      world, &DescribeFussies<V>,  //
      [](V& v) -> absl::Status {
        SHOAL_RETURN_IF_ERROR(v.ShrinkToFit());
        return v.PushBack(4);
      },
      [](V& v) -> absl::Status {
        SHOAL_RETURN_IF_ERROR(v.Reserve(v.size() + 2));
        SHOAL_RETURN_IF_ERROR(v.Insert(0, 5));
        return v.Erase(0);
      },
      [](V& v) { return v.Set(1, 6); },
      [](V& v) {
        return v.Append(std::array{7, 8});
      },
      [](V& v) {
        return v.Assign(std::array{9, 10});
      });
}

TEST(ContainerExceptionsTest, AVectorIsBuiltInAVector) {
  using V = Vector<Vector<String>>;
  ContainerWorld<V> world;
  const auto describe = [](const V& v) {
    std::string text;
    for (const Vector<String>& one : v) text += DescribeStrings(one) + "/";
    return text;
  };
  EveryThrowLeavesItAsItWas(world, describe, [](V& v) { return v.PushBack(ThreeRows()); });
}

TEST(ContainerExceptionsTest, ADeque) {
  using D = Deque<String>;
  const FussyText text{kLong};
  for (const bool full : {true, false}) {
    const auto check = [&](auto change) {
      ContainerWorld<D> world;
      ASSERT_TRUE(world
                      .Change([&](D& d) -> absl::Status {
                        do {
                          SHOAL_RETURN_IF_ERROR(d.PushFront("one"));
                        } while (d.size() < 2 || d.size() != d.capacity());
                        return full ? absl::OkStatus() : d.PopFront();
                      })
                      .ok());
      EveryThrowLeavesItAsItWas(world, &DescribeStrings<D>, change);
    };
    check([&](D& d) { return d.PushBack(text); });
    check([&](D& d) { return d.PushFront(text); });
    check([&](D& d) { return d.Set(0, text); });
  }
}

TEST(ContainerExceptionsTest, ABox) {
  using B = Box<Row>;
  ContainerWorld<B> world;
  const auto describe = [](const B& box) {
    return box.empty() ? "" : std::string(box->name) + "," + std::string(box->note);
  };
  const FussyText text{kLong};
  const auto set = [&](B& box) { return box.Set(text, text); };
  EveryThrowLeavesItAsItWas(world, describe, set, set);
}

template <class Map>
std::string DescribeMap(const Map& map) {
  std::vector<std::string> all;
  for (const auto& [key, value] : map) all.push_back(std::to_string(key.number) + "=" + std::string(value) + ";");
  std::sort(all.begin(), all.end());
  std::string text;
  for (const std::string& one : all) text += one;
  return text;
}

TEST(ContainerExceptionsTest, AMapWhoseKeysAndValuesThrow) {
  using M = HashMap<FussyKey, String>;
  const FussyText text{kLong};
  for (int64_t size = 1; size <= 16; ++size) {  // full at some
    const auto check = [&](auto change) {
      ContainerWorld<M> world;
      ASSERT_TRUE(world
                      .Change([&](M& map) -> absl::Status {
                        for (int64_t i = 0; i < size; ++i) SHOAL_RETURN_IF_ERROR(map.Set({i}, "value"));
                        return absl::OkStatus();
                      })
                      .ok());
      EveryThrowLeavesItAsItWas(world, &DescribeMap<M>, change);
    };
    check([&](M& map) { return map.Set({size}, text); });
    check([&](M& map) { return map.Set({0}, text); });
    check([&](M& map) { return map.FindOrInsert({size}, text).status(); });
    check([](M& map) -> absl::Status {
      SHOAL_ASSIGN_OR_RETURN(String* const value, map.FindMut({0}));
      return value->Assign("value");
    });
    check([&](M& map) { return map.Erase({size - 1}).status(); });
    check([&](M& map) { return map.Reserve(map.size() * 2 + 20); });
  }
}

// What a key throws comes out of Find, too, also if nobody wants what it finds.
TEST(ContainerExceptionsTest, AMapWhoseKeysThrowWhenTheyAreLookedFor) {
  using M = HashMap<FussyKey, int64_t>;
  for (const int64_t size : {1, 4, 16, 40}) {  // less than a group, one, several
    ContainerWorld<M> world;
    ASSERT_TRUE(world
                    .Change([&](M& map) -> absl::Status {
                      for (int64_t i = 0; i < size; ++i) SHOAL_RETURN_IF_ERROR(map.Set({i}, i));
                      return absl::OkStatus();
                    })
                    .ok());
    world.Look([&](const M& map) {
      for (int64_t i = 0; i < size; ++i) {
        for (int chance = 0; chance < 2; ++chance) {  // the hash, the comparison
          Fuse::left = chance;
          EXPECT_THROW((void)map.Find({i}), std::runtime_error) << i << " of " << size << ", chance " << chance;
        }
        Fuse::left = 1000;
        EXPECT_EQ(*map.Find({i}), i);
        EXPECT_LT(Fuse::left, 1000 - 1) << "the key was hashed and compared";
        Fuse::left = -1;
      }
    });
  }
}

TEST(ContainerExceptionsTest, AMapOfPlainValues) {
  using M = HashMap<int64_t, Fussy>;
  ContainerWorld<M> world;
  ASSERT_TRUE(world.Change([](M& map) { return map.Set(1, 10); }).ok());
  const auto describe = [](const M& map) { return std::to_string(map.size()) + " " + std::to_string(map.Find(1)->number); };
  EveryThrowLeavesItAsItWas(world, describe, [](M& map) { return map.Set(1, 20); });
}

TEST(ContainerExceptionsTest, AMapIsBuiltInAVector) {
  using V = Vector<HashMap<int, String>>;
  ContainerWorld<V> world;
  const auto describe = [](const V& v) { return std::to_string(v.size()); };
  const Made<&MakePair> pairs = {.count = 9};
  EveryThrowLeavesItAsItWas(world, describe, [&](V& v) { return v.PushBack(pairs); });
}

}  // namespace
}  // namespace shoal
