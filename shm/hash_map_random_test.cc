// A map of strings to lists against a model of it: random changes, in sections that commit or are rolled back, in a segment that is
// full half of the time. A change that fails must have changed nothing.

#include <stdlib.h>

#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "gtest/gtest.h"
#include "shoal/shm/container_world.h"
#include "shoal/shm/hash_map.h"
#include "shoal/shm/string.h"
#include "shoal/shm/vector.h"

namespace shoal {
namespace {

using shm_internal::ContainerWorld;

struct Item {
  int number = 0;
  Vector<int> parts;
};
struct ItemModel {
  int number = 0;
  std::vector<int> parts;
};
using Map = HashMap<String, Item>;
using Numbers = HashMap<uint32_t, uint64_t>;
struct Maps {
  Map items;
  Numbers numbers;
};
struct Model {
  std::unordered_map<std::string, ItemModel> items;
  std::unordered_map<uint32_t, uint64_t> numbers;
};

void ExpectEqual(const Maps& maps, const Model& model) {
  ASSERT_EQ(maps.items.size(), model.items.size());
  for (const auto& [key, item] : model.items) {
    const Item* const found = maps.items.Find(key);
    ASSERT_NE(found, nullptr) << key;
    ASSERT_EQ(found->number, item.number);
    ASSERT_EQ(std::vector<int>(found->parts.begin(), found->parts.end()), item.parts);
  }
  size_t seen = 0;
  for (const auto& [key, item] : maps.items) seen += model.items.count(std::string(key));
  ASSERT_EQ(seen, model.items.size());
  seen = 0;
  for (const auto& [key, value] : maps.numbers) {
    const auto found = model.numbers.find(key);
    ASSERT_TRUE(found != model.numbers.end() && found->second == value);
    ASSERT_EQ(maps.numbers.Find(key), &value);
    ++seen;
  }
  ASSERT_EQ(seen, model.numbers.size());
  ASSERT_EQ(maps.numbers.size(), model.numbers.size());
}

class Changes {
 public:
  explicit Changes(uint64_t seed) : random_(seed) {}

  size_t Below(size_t limit) { return std::uniform_int_distribution<size_t>(0, limit - 1)(random_); }

  // One random change of both; of the model, only if that of the maps was done.
  void One(Maps& maps, Model& model) {
    const std::string key = std::to_string(Below(60)) + std::string(Below(2) * 20, 'k');
    const auto number = static_cast<uint32_t>(Below(300));
    const ItemModel item = {static_cast<int>(Below(1000)), std::vector<int>(Below(20), static_cast<int>(Below(9)))};
    const bool there = model.items.count(key) != 0;
    switch (Below(20)) {
      case 0:
      case 1:
      case 2: {
        const absl::Status status = maps.items.Insert(key, item.number, item.parts).status();
        EXPECT_EQ(absl::IsAlreadyExists(status), there);
        if (!there && Done(status)) model.items.emplace(key, item);
        return;
      }
      case 3:
      case 4: {
        const absl::StatusOr<bool> inserted = maps.items.InsertOrAssign(key, item.number, item.parts);
        if (!Done(inserted.status())) return;
        EXPECT_NE(*inserted, there);
        model.items[key] = item;
        return;
      }
      case 5:
      case 6: {
        const absl::StatusOr<bool> erased = maps.items.Erase(key);
        if (!Done(erased.status())) return;
        EXPECT_EQ(*erased, there);
        model.items.erase(key);
        return;
      }
      case 7: {
        const absl::StatusOr<Item*> found = maps.items.FindMut(key);
        EXPECT_EQ(absl::IsNotFound(found.status()), !there);
        if (!there || !Done(found.status())) return;
        ++(*found)->number;
        ++model.items[key].number;
        if (Done((*found)->parts.Append(item.parts))) {
          model.items[key].parts.insert(model.items[key].parts.end(), item.parts.begin(), item.parts.end());
        }
        return;
      }
      case 8: {
        const absl::StatusOr<Item*> found = maps.items.FindOrInsert(key);
        if (!Done(found.status())) return;
        model.items[key].number += 5;
        (*found)->number += 5;
        return;
      }
      case 9:
        if (auto all = maps.items.EditAll(); Done(all.status())) {
          for (auto [at, value] : *all) ++value.number;
          for (auto& [at, value] : model.items) ++value.number;
        }
        return;
      case 10:
        if (Below(6) == 0 && Done(maps.items.Clear())) model.items.clear();
        return;
      case 11:
        if (Below(6) == 0 && Done(maps.numbers.Clear())) model.numbers.clear();
        return;
      case 12:
        Done(maps.items.Reserve(Below(100)));
        return;
      case 13:
      case 14:
      case 15:
        if (Done(maps.numbers.Erase(number).status())) model.numbers.erase(number);
        return;
      default:
        if (Done(maps.numbers.Set(number, number * 3 + Below(2)))) model.numbers[number] = *maps.numbers.Find(number);
        return;
    }
  }

  int refused() const { return refused_; }

 private:
  bool Done(const absl::Status& status) {
    if (status.ok()) return true;
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
    ++refused_;
    return false;
  }

  std::mt19937_64 random_;
  int refused_ = 0;
};

TEST(HashMapRandomTest, BehavesAsItsModelAlsoWhenMemoryRunsOut) {
  const char* const given = getenv("SHOAL_HASH_MAP_SEED");
  const uint64_t seed = given != nullptr ? strtoull(given, nullptr, 10) : std::random_device()();
  printf("SHOAL_HASH_MAP_SEED=%lu\n", seed);
  ContainerWorld<Maps> world(size_t{20} << 14);
  Changes changes(seed);
  Model committed;
  int vain = 0;
  for (int section = 0; section < 2000 && !testing::Test::HasFailure(); ++section) {
    Model model = committed;
    const bool commits = changes.Below(3) != 0;
    const bool full = changes.Below(2) == 0;
    if (full) world.FillUp();
    const absl::Status status = world.Change([&](Maps& maps) {
      ExpectEqual(maps, model);
      for (size_t i = changes.Below(20) + 1; i != 0; --i) changes.One(maps, model);
      ExpectEqual(maps, model);
      return commits ? absl::OkStatus() : absl::AbortedError("in vain");
    });
    if (full) world.Relieve();
    EXPECT_EQ(status.ok(), commits) << status;
    if (commits) committed = model;
    vain += !commits;
  }
  EXPECT_GT(changes.refused(), 100);
  EXPECT_GT(vain, 100);
  ASSERT_TRUE(world
                  .Change([](Maps& maps) {
                    SHOAL_RETURN_IF_ERROR(maps.items.Clear());
                    return maps.numbers.Clear();
                  })
                  .ok());
  EXPECT_EQ(world.OwnedBlocks(), 0u);
}

}  // namespace
}  // namespace shoal
