// Objects are destroyed by their layout, by whoever drops the last handle: everything that their containers own goes.

#include "shoal/shm/dispose.h"

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/box.h"
#include "shoal/shm/deque.h"
#include "shoal/shm/layout.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/shared.h"
#include "shoal/shm/string.h"
#include "shoal/shm/vector.h"
#include "shoal/sync/status.h"

namespace shoal {
namespace {

using Counter = Mutex<int64_t>;

struct Node {
  int64_t value = 0;
  String name;
  Vector<Node> children;
  Box<Node> twin;
  Deque<Box<int>> boxes;
  Shared<Counter> counter;
};

// Two levels of nodes below this one, each with something of everything.
absl::Status Fill(Node& node, const Shared<Counter>& counter, int depth) {
  SHOAL_RETURN_IF_ERROR(node.name.Assign("a node at depth " + std::to_string(depth)));
  for (int i = 0; i < 5; ++i) {
    SHOAL_RETURN_IF_ERROR(node.boxes.PushFront(i));
    SHOAL_RETURN_IF_ERROR(node.boxes.PushBack());
  }
  node.counter = counter;
  if (depth == 0) return absl::OkStatus();
  for (int i = 0; i < 3; ++i) {
    SHOAL_ASSIGN_OR_RETURN(Node* const child, node.children.EmplaceBack(i));
    SHOAL_RETURN_IF_ERROR(Fill(*child, counter, depth - 1));
  }
  SHOAL_RETURN_IF_ERROR(node.twin.Set(7));
  SHOAL_ASSIGN_OR_RETURN(Node* const twin, node.twin.Edit());
  return Fill(*twin, counter, depth - 1);
}

TEST(DisposeTest, WhateverAnObjectsContainersOwnGoesWithIt) {
  const Segment segment = Segment::Create({.limit_bytes = size_t{4} << 20}).value();
  Shared<Counter> counter = segment.New<Counter>(5).value();
  size_t baseline = 0;  // after the first round: the types, and the journals, which have grown
  for (int round = 0; round < 3; ++round) {
    Shared<Mutex<Node>> root = segment.New<Mutex<Node>>().value();
    ASSERT_TRUE(root->With([&](Node& node) { return Fill(node, counter, 3); }).ok());
    const size_t full = segment.used_bytes();
    ASSERT_TRUE(root->With([&](const Node& node) {
                      EXPECT_EQ(node.children[2].twin->children[1].name, "a node at depth 0");
                      EXPECT_EQ(*node.children[2].boxes[0], 4);
                      return absl::OkStatus();
                    })
                    .ok());
    root.Reset();
    if (round == 0) baseline = segment.used_bytes();
    EXPECT_EQ(segment.used_bytes(), baseline);
    EXPECT_GT(full, baseline + 85 * 100);
    EXPECT_EQ(*counter->Lock().value(), 5);  // it lives: this process holds it
  }
  counter.Reset();  // the nodes hold it no more
  EXPECT_LT(segment.used_bytes(), baseline);
}

struct Tree {
  int64_t value = 0;
  Box<std::array<Tree, 2>> branches;
};
absl::Status Grow(Tree& tree, int depth) {
  if (depth == 0) return absl::OkStatus();
  SHOAL_RETURN_IF_ERROR(tree.branches.Set());
  SHOAL_ASSIGN_OR_RETURN(auto* const branches, tree.branches.Edit());
  for (Tree& branch : *branches) SHOAL_RETURN_IF_ERROR(Grow(branch, depth - 1));
  return absl::OkStatus();
}
struct AroundNothing {
  Vector<int64_t> before;
  std::array<String, 0> nothing;
  Vector<std::array<int, 0>> nothings;
  Vector<int64_t> after;
};

// What `fill` puts into an object of T is given back with it.
template <class T, class Fill>
void ExpectNothingLeft(Fill fill) {
  const Segment segment = Segment::Create({.limit_bytes = size_t{8} << 20}).value();
  size_t baseline = 0;
  for (int round = 0; round < 3; ++round) {
    auto root = segment.New<Mutex<T>>().value();
    const absl::Status filled = root->With(fill);
    ASSERT_TRUE(filled.ok()) << filled;
    EXPECT_GT(segment.used_bytes(), baseline + 16'000);
    root.Reset();
    if (round == 0) baseline = segment.used_bytes();
    EXPECT_EQ(segment.used_bytes(), baseline);
  }
}

TEST(DisposeTest, ATypeThatContainsArraysOfItself) {
  ExpectNothingLeft<Tree>([](Tree& tree) { return Grow(tree, 8); });
}

TEST(DisposeTest, WhatLiesBesideAnArrayOfNothing) {
  ExpectNothingLeft<AroundNothing>([](AroundNothing& all) -> absl::Status {
    SHOAL_RETURN_IF_ERROR(all.before.Resize(1000));
    SHOAL_RETURN_IF_ERROR(all.nothings.Resize(1000));
    return all.after.Resize(1000);
  });
}

template <int depth>
struct Deep {
  Deep<depth - 1> inner;
};
template <>
struct Deep<0> {
  Vector<int> innermost;
};
// A class of a user's own.
class Hidden {
 public:
  Mutex<Vector<int>>& values() { return values_; }

 private:
  Mutex<Vector<int>> values_;
};

}  // namespace

template <>
struct ShareableTraits<Hidden> : SharedType<SharedKind::kConcurrent, Mutex<Vector<int>>> {
  static constexpr std::string_view kName = "Hidden";
};

namespace {

// Rather than made, and never given back.
TEST(DisposeTest, WhatCouldNotBeDestroyedIsNotMade) {
  const Segment segment = Segment::Create({.limit_bytes = size_t{4} << 20}).value();
  EXPECT_TRUE(segment.New<Mutex<Deep<50>>>().ok());
  EXPECT_TRUE(absl::IsInvalidArgument(segment.New<Mutex<Deep<70>>>().status()));
  const absl::Status hidden = segment.New<Hidden>().status();
  EXPECT_TRUE(absl::IsInvalidArgument(hidden)) << hidden;
  EXPECT_NE(hidden.message().find("Hidden"), absl::string_view::npos) << hidden;
}

TEST(DisposeTest, AnElementThatGoesDropsItsHandles) {
  const Segment segment = Segment::Create({.limit_bytes = size_t{4} << 20}).value();
  const auto root = segment.New<Mutex<Vector<Shared<Counter>>>>().value();
  ASSERT_TRUE(root->With([&](Vector<Shared<Counter>>& all) -> absl::Status {
                    for (int i = 0; i < 10; ++i) {
                      SHOAL_ASSIGN_OR_RETURN(Shared<Counter> counter, segment.New<Counter>(i));
                      SHOAL_RETURN_IF_ERROR(all.PushBack(counter));
                    }
                    return all.Insert(0, all[9]);
                  })
                  .ok());
  const size_t full = segment.used_bytes();
  EXPECT_EQ(root->With([](Vector<Shared<Counter>>& all) {
                  all.Clear().IgnoreError();
                  return absl::AbortedError("in vain");
                })
                .code(),
            absl::StatusCode::kAborted);
  EXPECT_EQ(segment.used_bytes(), full);
  Shared<Counter> nine;
  ASSERT_TRUE(root->With([&](Vector<Shared<Counter>>& all) -> absl::Status {
                    nine = all[0];
                    SHOAL_RETURN_IF_ERROR(all.Set(1, all[2]));
                    SHOAL_RETURN_IF_ERROR(all.Erase(3, 7));
                    return all.PopBack();
                  })
                  .ok());
  EXPECT_LE(segment.used_bytes() + 8 * sizeof(Counter), full);
  EXPECT_EQ(*nine->Lock().value(), 9);
  ASSERT_TRUE(root->With([&](const Vector<Shared<Counter>>& all) {
                    EXPECT_EQ(all.size(), 3u);
                    EXPECT_EQ(all[0].get(), nine.get());
                    EXPECT_EQ(all[1].get(), all[2].get());
                    return absl::OkStatus();
                  })
                  .ok());
}

// The doomed wait for somebody who can have the ledger; nobody looks for that again and again.
TEST(DisposeTest, WhoCannotHaveTheLedgerLeavesTheDoomedToOthers) {
  const Segment segment = Segment::Create({.limit_bytes = size_t{4} << 20}).value();
  const auto root = segment.New<Counter>(5).value();
  const auto attachment = shm_internal::Attachment::Of(root.get());
  shm_internal::Ledger& ledger = attachment->header().ledger;
  ledger.doomed = 16;
  ledger.lock.pid_namespace ^= 1;  // it is another's: refused
  shm_internal::DestroyDoomed(attachment);
  ledger.lock.pid_namespace ^= 1;
  ledger.doomed = 0;
}

// Of an object whose links are damaged as much is given back as can be; the object itself goes.
// What is doomed cannot be taken out of its list then: nobody tries for ever.
TEST(DisposeTest, WhoseJournalIsDamagedLeavesTheDoomedToOthers) {
  const Segment segment = Segment::Create({.limit_bytes = size_t{1} << 20}).value();
  Shared<Counter> counter = segment.New<Counter>(5).value();
  Shared<Counter> another = segment.New<Counter>(6).value();
  const std::shared_ptr<shm_internal::Attachment> attachment = shm_internal::Attachment::Of(counter.get());
  for (shm_internal::ThreadSlot& slot : attachment->threads()) {
    // relaxed: this thread's slot
    const uint64_t journal = slot.journal.load(std::memory_order_relaxed);
    if (journal == 0) continue;
    slot.journal.store(journal ^ uint64_t{1} << 50, std::memory_order_relaxed);  // relaxed: as above
    counter.Reset();
    EXPECT_NE(attachment->header().ledger.doomed.load(), 0u);
    slot.journal.store(journal, std::memory_order_relaxed);  // relaxed: as above
    break;
  }
  another.Reset();
  EXPECT_EQ(attachment->header().ledger.doomed.load(), 0u);
}

TEST(DisposeTest, ADamagedObjectGoesAllTheSame) {
  const Segment segment = Segment::Create({.limit_bytes = size_t{4} << 20}).value();
  const auto keeper = segment.New<Counter>(5).value();
  for (size_t word = 0; word < 3; ++word) {
    for (int bit = 0; bit < 64; ++bit) {
      auto root = segment.New<Mutex<Vector<Vector<int>>>>().value();
      uint64_t* words = nullptr;
      ASSERT_TRUE(root->With([&](Vector<Vector<int>>& all) -> absl::Status {
                        SHOAL_RETURN_IF_ERROR(all.PushBack(std::array{1, 2, 3}));
                        words = reinterpret_cast<uint64_t*>(const_cast<Vector<int>*>(&all[0]));
                        return absl::OkStatus();
                      })
                      .ok());
      words[word] ^= uint64_t{1} << bit;
      root.Reset();
      if (segment.used_bytes() > size_t{3} << 20) return;  // what was damaged stays: the segment is nearly full
    }
  }
  EXPECT_EQ(*keeper->Lock().value(), 5);
}

}  // namespace
}  // namespace shoal
