// A process without memory of its own: no exception comes out of a container's calls. They need none, or say so and have changed nothing.

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "shoal/shm/box.h"
#include "shoal/shm/container_world.h"
#include "shoal/shm/deque.h"
#include "shoal/shm/failing_allocations.h"
#include "shoal/shm/hash_map.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/shared.h"
#include "shoal/shm/string.h"
#include "shoal/shm/vector.h"
#include "shoal/sync/status.h"

namespace shoal {
namespace {

using shm_internal::ContainerWorld;
using shm_internal::WithAllocations;

const std::string kText(100, 'x');

template <class F>
auto WithoutMemory(F call) {
  return WithAllocations(0, call);
}

TEST(ContainerMemoryTest, GivingUpNeedsNone) {
  struct Row {
    HashMap<String, Vector<String>> lists;
    Deque<std::array<String, 20>> arrays;
    Box<Vector<String>> box;
  };
  ContainerWorld<Vector<Row>> world(size_t{16} << 20);
  ASSERT_TRUE(world
                  .Change([](Vector<Row>& v) -> absl::Status {
                    for (int i = 0; i < 5; ++i) {
                      SHOAL_ASSIGN_OR_RETURN(Row* const row, v.EmplaceBack());
                      for (int j = 0; j < 100; ++j) {
                        SHOAL_RETURN_IF_ERROR(row->lists.Set(kText + std::to_string(j), std::array{kText, kText}));
                        SHOAL_ASSIGN_OR_RETURN(auto* const texts, row->arrays.EmplaceBack());
                        for (String& text : *texts) SHOAL_RETURN_IF_ERROR(text.Assign(kText));
                      }
                      SHOAL_RETURN_IF_ERROR(row->box.Set(std::array{kText, kText, kText}));
                    }
                    return absl::OkStatus();
                  })
                  .ok());
  ASSERT_EQ(world.OwnedBlocks(), 1u + 5 * (1 + 100 * 4 + 1 + 100 * 20 + 5));
  world.InVain([](Vector<Row>& v) {
    Row* const first = *v.Edit(0);
    const std::string key = kText + "7";
    EXPECT_TRUE(WithoutMemory([&] { return first->lists.Erase(key); }).ok());
    EXPECT_TRUE(WithoutMemory([&] { return first->lists.Clear(); }).ok());
    EXPECT_TRUE(WithoutMemory([&] { return first->arrays.PopBack(); }).ok());
    EXPECT_TRUE(WithoutMemory([&] { return first->arrays.Set(0); }).ok());
    EXPECT_TRUE(WithoutMemory([&] { return first->arrays.Clear(); }).ok());
    EXPECT_TRUE(WithoutMemory([&] { return first->box.Clear(); }).ok());
    EXPECT_TRUE(WithoutMemory([&] { return v.Erase(1); }).ok());
    EXPECT_TRUE(WithoutMemory([&] { return v.Set(1); }).ok());
    EXPECT_TRUE(WithoutMemory([&] { return v.Clear(); }).ok());
  });
  EXPECT_EQ(world.OwnedBlocks(), 1u + 5 * (1 + 100 * 4 + 1 + 100 * 20 + 5));
  ASSERT_TRUE(world.Change([](Vector<Row>& v) { return WithoutMemory([&] { return v.Resize(0); }); }).ok());
  EXPECT_EQ(world.OwnedBlocks(), 1u);
}

// Each level of it leaves something to come back to.
TEST(ContainerMemoryTest, WhatIsNestedTooDeepIsRefusedAndStays) {
  struct Node {
    int value = 0;
    Vector<Node> children;
  };
  constexpr int kLevels = 100;
  ContainerWorld<Vector<Node>> world;
  ASSERT_TRUE(world
                  .Change([](Vector<Node>& v) -> absl::Status {
                    Vector<Node>* at = &v;
                    for (int i = 0; i < kLevels; ++i) {
                      SHOAL_RETURN_IF_ERROR(at->Resize(2));
                      SHOAL_ASSIGN_OR_RETURN(Node* const first, at->Edit(0));
                      at = &first->children;
                    }
                    return absl::OkStatus();
                  })
                  .ok());
  ASSERT_EQ(world.OwnedBlocks(), uint64_t{kLevels});
  const auto refused = [](absl::Status status) { EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status; };
  ASSERT_TRUE(world
                  .Change([&](Vector<Node>& v) {
                    refused(WithoutMemory([&] { return v.Clear(); }));
                    refused(WithoutMemory([&] { return v.Erase(0); }));
                    refused(WithoutMemory([&] { return v.Set(0); }));
                    refused(WithoutMemory([&] { return v.Assign(std::array{1}); }));
                    EXPECT_EQ(v.size(), 2u);
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_EQ(world.OwnedBlocks(), uint64_t{kLevels});
  ASSERT_TRUE(world.Change([](Vector<Node>& v) { return v.Erase(0); }).ok());
  EXPECT_EQ(world.OwnedBlocks(), 1u);
}

TEST(ContainerMemoryTest, ALargeElementIsRefusedAndTheOldOneStays) {
  using Large = std::array<int64_t, 1000>;
  ContainerWorld<Vector<Large>> world;
  ASSERT_TRUE(world.Change([](Vector<Large>& v) { return v.PushBack(Large{7}); }).ok());
  ASSERT_TRUE(world
                  .Change([](Vector<Large>& v) {
                    EXPECT_EQ(WithoutMemory([&] { return v.Set(0); }).code(), absl::StatusCode::kResourceExhausted);
                    EXPECT_EQ(WithoutMemory([&] { return v.Insert(0); }).code(), absl::StatusCode::kResourceExhausted);
                    EXPECT_TRUE(WithoutMemory([&] { return v.PushBack(v[0]); }).ok());
                    return absl::OkStatus();
                  })
                  .ok());
  world.Look([](const Vector<Large>& v) {
    ASSERT_EQ(v.size(), 2u);
    EXPECT_EQ(v[0][0], 7);
    EXPECT_EQ(v[1][0], 7);
  });
}

TEST(ContainerMemoryTest, TakingBlocksIsRefusedAndChangesNothing) {
  ContainerWorld<Vector<String>> world(size_t{16} << 20);
  size_t made = 0;
  size_t refused = 0;
  ASSERT_TRUE(world
                  .Change([&](Vector<String>& v) {
                    for (size_t bytes = 1; bytes < 4096; bytes += 7) {
                      const absl::Status pushed =
                          WithoutMemory([&] { return v.PushBack(std::string_view(kText.data(), bytes % 100)); });
                      ++(pushed.ok() ? made : refused);
                      if (!pushed.ok()) {
                        EXPECT_EQ(pushed.code(), absl::StatusCode::kResourceExhausted) << pushed;
                      }
                      EXPECT_EQ(v.size(), made);
                    }
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_NE(refused, 0u) << "it never needed any";
  ASSERT_TRUE(world.Change([](Vector<String>& v) { return v.PushBack(kText); }).ok());
  world.Look([&](const Vector<String>& v) { EXPECT_EQ(v.size(), made + 1); });
}

TEST(HandleMemoryTest, AnObjectThatCouldNotBeHeldIsNotMade) {
  const Segment segment = Segment::Create({.limit_bytes = size_t{1} << 20}).value();
  const auto keeper = segment.New<Mutex<int64_t>>().value();
  const size_t baseline = segment.used_bytes();
  Shared<Mutex<int64_t>> made;
  for (int64_t allowed = 0; !made; ++allowed) {
    ASSERT_LT(allowed, 100);
    EXPECT_EQ(segment.used_bytes(), baseline) << "with " << allowed - 1 << " allocations";
    shm_internal::AllowAllocations(allowed);
    try {
      if (auto object = segment.New<Mutex<int64_t>>(); object.ok()) made = *std::move(object);
    } catch (const std::bad_alloc&) {
    }
    shm_internal::AllowAllocations(shm_internal::kAllAllocations);
  }
  EXPECT_EQ(*made->Lock().value(), 0);
}

// Nothing of this process holds the object, only a stored handle; taking one more fails, at each allocation that it needs.
TEST(HandleMemoryTest, AHandleThatCouldNotBeTakenHoldsNothing) {
  struct Root {
    Shared<Mutex<int64_t>> stored;
  };
  const Segment segment = Segment::Create({.limit_bytes = size_t{1} << 20}).value();
  const auto root = segment.New<Mutex<Root>>().value();
  segment.New<Mutex<int64_t>>().value().Reset();  // the type is known
  const size_t baseline = segment.used_bytes();
  bool taken = false;
  for (int64_t allowed = 0; !taken; ++allowed) {
    ASSERT_LT(allowed, 100);
    root->Lock().value()->stored = segment.New<Mutex<int64_t>>().value();
    {
      auto guard = root->Lock().value();
      shm_internal::AllowAllocations(allowed);
      try {
        Shared<Mutex<int64_t>> mine;
        taken = mine.Assign(guard->stored).ok();
      } catch (const std::bad_alloc&) {
      }
      shm_internal::AllowAllocations(shm_internal::kAllAllocations);
    }
    root->Lock().value()->stored.Reset();
    EXPECT_EQ(segment.used_bytes(), baseline) << "with " << allowed << " allocations";
  }
}

}  // namespace
}  // namespace shoal
