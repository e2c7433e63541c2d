// A vector of structs with containers against a model of it: random changes, in sections that commit or are rolled back, in a
// segment that is full most of the time. A change that fails must have changed nothing.

#include <stdlib.h>

#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "shoal/shm/container_world.h"
#include "shoal/shm/string.h"
#include "shoal/shm/vector.h"

namespace shoal {
namespace {

using shm_internal::ContainerWorld;

struct Item {
  int number = 0;
  String name;
  Vector<int> parts;
};
struct ItemModel {
  int number = 0;
  std::string name;
  std::vector<int> parts;
};
using Model = std::vector<ItemModel>;

void ExpectEqual(const Vector<Item>& vector, const Model& model) {
  ASSERT_EQ(vector.size(), model.size());
  for (size_t i = 0; i < model.size(); ++i) {
    ASSERT_EQ(vector[i].number, model[i].number);
    ASSERT_EQ(vector[i].name, model[i].name);
    ASSERT_EQ(std::vector<int>(vector[i].parts.begin(), vector[i].parts.end()), model[i].parts);
  }
}

class Changes {
 public:
  explicit Changes(uint64_t seed) : random_(seed) {}

  size_t Below(size_t limit) { return std::uniform_int_distribution<size_t>(0, limit - 1)(random_); }

  // One random change of both; of the model, only if that of the vector was done.
  void One(Vector<Item>& vector, Model& model) {
    const size_t size = model.size();
    const ItemModel item = {static_cast<int>(Below(1000)), std::string(Below(40), static_cast<char>('a' + Below(26))),
                            std::vector<int>(Below(20), static_cast<int>(Below(9)))};
    const size_t at = size == 0 ? 0 : Below(size);
    const size_t kind = Below(size == 0 ? 3 : size > 40 ? 14 : 12);
    switch (kind) {
      case 0:
        if (Done(vector.PushBack(item.number, item.name, item.parts))) model.push_back(item);
        return;
      case 1:
        if (Done(vector.Insert(at, item.number, item.name, item.parts))) Insert(model, at, item);
        return;
      case 2:
        if (Done(vector.Resize(size + 3))) model.resize(size + 3);
        return;
      case 3:
        if (Done(vector.Set(at, item.number, item.name, item.parts))) model[at] = item;
        return;
      case 4:
        if (Done(vector.Erase(at))) Erase(model, at, 1);
        return;
      case 5:
        if (Done(vector.PopBack())) model.pop_back();
        return;
      case 6:
        if (absl::StatusOr<Item*> edited = vector.Edit(at); Done(edited.status())) {
          if (Done((*edited)->name.Assign(item.name))) model[at].name = item.name;
          if (Done((*edited)->parts.Append(item.parts))) {
            model[at].parts.insert(model[at].parts.end(), item.parts.begin(), item.parts.end());
          }
        }
        return;
      case 7:
        if (absl::StatusOr<Item*> edited = vector.Edit(at); Done(edited.status())) {
          if (Done((*edited)->name.Append(item.name.substr(0, 3)))) model[at].name += item.name.substr(0, 3);
          if (!model[at].parts.empty() && Done((*edited)->parts.Erase(0))) Erase(model[at].parts, 0, 1);
          if (Done((*edited)->parts.Insert(0, 5))) model[at].parts.insert(model[at].parts.begin(), 5);
        }
        return;
      case 8:
        if (absl::StatusOr<std::span<Item>> all = vector.EditAll(); Done(all.status())) {
          for (Item& each : *all) ++each.number;
          for (ItemModel& each : model) ++each.number;
        }
        return;
      case 9:
        if (absl::StatusOr<Item*> edited = vector.Edit(at); Done(edited.status())) {
          const size_t other = Below(size);
          if (absl::StatusOr<Item*> second = vector.Edit(other); Done(second.status())) {
            if (Done((*edited)->parts.Swap((*second)->parts))) std::swap(model[at].parts, model[other].parts);
          }
        }
        return;
      case 10:
        Done(vector.ShrinkToFit());
        return;
      case 11:
        Done(vector.Reserve(size + 5));
        return;
      default:
        if (Done(vector.Erase(at / 2, size / 2))) Erase(model, at / 2, size / 2);
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
  template <class V, class T>
  static void Insert(V& model, size_t at, const T& value) {
    model.insert(model.begin() + static_cast<ptrdiff_t>(at), value);
  }
  template <class V>
  static void Erase(V& model, size_t at, size_t count) {
    const auto first = model.begin() + static_cast<ptrdiff_t>(at);
    model.erase(first, first + static_cast<ptrdiff_t>(count));
  }

  std::mt19937_64 random_;
  int refused_ = 0;
};

TEST(VectorRandomTest, BehavesAsItsModelAlsoWhenMemoryRunsOut) {
  const char* const given = getenv("SHOAL_VECTOR_SEED");
  const uint64_t seed = given != nullptr ? strtoull(given, nullptr, 10) : std::random_device()();
  printf("SHOAL_VECTOR_SEED=%lu\n", seed);
  ContainerWorld<Vector<Item>> world(size_t{10} << 14);
  Changes changes(seed);
  Model committed;
  int vain = 0;
  for (int section = 0; section < 2000 && !testing::Test::HasFailure(); ++section) {
    Model model = committed;
    const bool commits = changes.Below(3) != 0;
    const bool full = changes.Below(2) == 0;
    if (full) world.FillUp();
    const absl::Status status = world.Change([&](Vector<Item>& vector) {
      ExpectEqual(vector, model);
      for (size_t i = changes.Below(8) + 1; i != 0; --i) {
        changes.One(vector, model);
        ExpectEqual(vector, model);
      }
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
                  .Change([](Vector<Item>& vector) {
                    SHOAL_RETURN_IF_ERROR(vector.Clear());
                    return vector.ShrinkToFit();
                  })
                  .ok());
  EXPECT_EQ(world.OwnedBlocks(), 0u);
}

}  // namespace
}  // namespace shoal
