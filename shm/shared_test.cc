#include "shoal/shm/shared.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "shoal/shm/lock_all.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/rw_lock.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/shareable_sync.h"
#include "shoal/shm/string.h"
#include "shoal/shm/vector.h"
#include "shoal/sync/condition.h"
#include "shoal/sync/guard.h"
#include "shoal/sync/lock.h"
#include "shoal/sync/status.h"

namespace shoal {
namespace {

struct Account {
  int64_t balance = 0;
  int64_t transfers = 0;
};
using SharedAccount = Shared<Mutex<Account>>;

struct Pair {
  SharedAccount left;
  SharedAccount right;
};

// Many handles, which name objects that have handles.
struct Many {
  std::array<Shared<Mutex<Pair>>, 200> pairs;
};

enum class Side : uint8_t { kBuy, kSell };
struct Point {
  double x;
  double y;
};
struct Entry {
  uint8_t number;
  String name;
  Vector<String> words;
  SharedAccount account;
};

// What contains itself, behind handles.
struct Link {
  int64_t value;
  Shared<Mutex<Link>> next;
};
struct Tree {
  Vector<Shared<RwLock<Tree>>> children;
  int64_t value;
};

Segment NewSegment() { return Segment::Create({.limit_bytes = size_t{4} << 20}).value(); }

// What is in use, when the thread has done once what each thread does once and the types are known.
size_t Baseline(const Segment& segment) {
  static_cast<void>(segment.New<Mutex<Account>>().value()->Lock().value());
  static_cast<void>(segment.New<Mutex<Pair>>().value());
  static_cast<void>(segment.New<Mutex<Many>>().value());
  return segment.used_bytes();
}

TEST(SharedTest, TheLastHandleGivesTheMemoryBack) {
  const Segment segment = NewSegment();
  const size_t baseline = Baseline(segment);
  auto account = segment.New<Mutex<Account>>(5, 6);
  ASSERT_TRUE(account.ok()) << account.status();
  EXPECT_EQ((*account)->Lock().value()->balance, 5);
  EXPECT_GT(segment.used_bytes(), baseline);
  SharedAccount another = *account;
  EXPECT_TRUE(another == *account);
  account->Reset();
  EXPECT_FALSE(*account);
  EXPECT_GT(segment.used_bytes(), baseline);
  SharedAccount moved = std::move(another);
  EXPECT_FALSE(another);  // NOLINT: what it is then is promised
  EXPECT_EQ(moved->Lock().value()->transfers, 6);
  moved = SharedAccount();
  EXPECT_EQ(segment.used_bytes(), baseline);
}

TEST(SharedTest, AHandleKeepsTheSegmentMapped) {
  SharedAccount account = NewSegment().New<Mutex<Account>>(7, 0).value();
  EXPECT_EQ(account->Lock().value()->balance, 7);
}

TEST(SharedTest, AStoredHandleKeepsItsObject) {
  const Segment segment = NewSegment();
  const size_t baseline = Baseline(segment);
  Shared<Mutex<Pair>> pair = segment.New<Mutex<Pair>>().value();
  const size_t with_pair = segment.used_bytes();
  {
    SharedAccount account = segment.New<Mutex<Account>>(1, 2).value();
    auto guard = pair->Lock().value();
    ASSERT_TRUE(guard->left.Assign(account).ok());
    guard->right = guard->left;
    EXPECT_TRUE(guard->right == account);
  }
  EXPECT_GT(segment.used_bytes(), with_pair);
  SharedAccount copy = pair->Lock().value()->left;
  EXPECT_EQ(copy->Lock().value()->balance, 1);
  copy.Reset();
  pair->Lock().value()->left.Reset();
  EXPECT_GT(segment.used_bytes(), with_pair);
  pair->Lock().value()->right.Reset();
  EXPECT_EQ(segment.used_bytes(), with_pair);
  pair.Reset();
  EXPECT_EQ(segment.used_bytes(), baseline);
}

TEST(SharedTest, ARolledBackSectionHasNeitherStoredNorDropped) {
  const Segment segment = NewSegment();
  const size_t baseline = Baseline(segment);
  Shared<Mutex<Pair>> pair = segment.New<Mutex<Pair>>().value();
  SharedAccount first = segment.New<Mutex<Account>>(1, 0).value();
  SharedAccount second = segment.New<Mutex<Account>>(2, 0).value();
  pair->Lock().value()->left = first;
  {
    auto guard = pair->Lock().value();
    guard->left = second;
    guard->right = second;
    guard->left.Reset();
    guard.Rollback();
    EXPECT_TRUE(guard->left == first);
    EXPECT_FALSE(guard->right);
  }
  const size_t before = segment.used_bytes();
  second.Reset();
  const size_t without_second = segment.used_bytes();
  EXPECT_LT(without_second, before);
  first.Reset();
  EXPECT_EQ(segment.used_bytes(), without_second);  // it is stored
  SharedAccount again = pair->Lock().value()->left;
  EXPECT_EQ(again->Lock().value()->balance, 1);
  again.Reset();
  pair.Reset();
  EXPECT_EQ(segment.used_bytes(), baseline);
}

TEST(SharedTest, AnObjectThatIsOnlyInARolledBackSectionIsDestroyed) {
  const Segment segment = NewSegment();
  Shared<Mutex<Pair>> pair = segment.New<Mutex<Pair>>().value();
  static_cast<void>(Baseline(segment));
  const size_t before = segment.used_bytes();
  {
    auto guard = pair->Lock().value();
    guard->left = segment.New<Mutex<Account>>(3, 0).value();  // made inside a section, beside it
    EXPECT_GT(segment.used_bytes(), before);
    guard.Rollback();
  }
  EXPECT_EQ(segment.used_bytes(), before);
}

TEST(SharedTest, WhatAnObjectAloneHeldGoesWithIt) {
  const Segment segment = NewSegment();
  const size_t baseline = Baseline(segment);
  Shared<Mutex<Many>> many = segment.New<Mutex<Many>>().value();
  for (int round = 0; round < 5; ++round) {
    auto guard = many->Lock().value();
    for (auto& pair : guard->pairs) {
      Shared<Mutex<Pair>> made = segment.New<Mutex<Pair>>().value();
      pair = made;
      // In the section that is open, another object may not be locked: it gets its account when it is made alone.
    }
  }
  Shared<Mutex<Pair>> one = many->Lock().value()->pairs[7];
  one->Lock().value()->left = segment.New<Mutex<Account>>(1, 1).value();
  SharedAccount account = one->Lock().value()->left;
  one.Reset();
  many.Reset();
  EXPECT_EQ(account->Lock().value()->balance, 1);
  account.Reset();
  EXPECT_EQ(segment.used_bytes(), baseline);
}

TEST(SharedTest, AnObjectIsMadeOfNumbersOfOtherTypes) {
  const Segment segment = NewSegment();
  const int one = 1;
  EXPECT_EQ(segment.New<Mutex<uint64_t>>(one).value()->With([](uint64_t& n) { return n; }).value(), 1u);
  EXPECT_EQ(segment.New<RwLock<double>>(one).value()->WithRead([](const double& n) { return n; }).value(), 1.0);
  EXPECT_EQ(segment.New<Mutex<Side>>(one).value()->With([](Side& side) { return side; }).value(), Side::kSell);
  const auto point = segment.New<Mutex<Point>>(one, 2).value()->With([](Point& p) { return p; });
  EXPECT_EQ(point->x, 1.0);
  EXPECT_EQ(point->y, 2.0);
  const auto both = segment.New<Mutex<std::array<Point, 2>>>(std::array<Point, 2>{{{1, 2}, {3, 4}}}).value();
  EXPECT_EQ(both->With([](std::array<Point, 2>& p) { return p[1].y; }).value(), 4.0);
  const auto numbers = segment.New<Mutex<int[3]>>(1, 2, 3).value();
  EXPECT_EQ(numbers->With([](int(&n)[3]) { return n[0] * 100 + n[1] * 10 + n[2]; }).value(), 123);
}

TEST(SharedTest, AnObjectIsMadeWithFullContainersAndGivesAllBack) {
  const Segment segment = NewSegment();
  static_cast<void>(Baseline(segment));
  const SharedAccount account = segment.New<Mutex<Account>>(5, 6).value();
  const std::vector<std::string> words = {"salted", "smoked"};
  static_cast<void>(segment.New<Mutex<Entry>>().value());
  const size_t with_type = segment.used_bytes();
  {
    const auto made = segment.New<Mutex<Entry>>(7, "herring", words, account);
    ASSERT_TRUE(made.ok()) << made.status();
    EXPECT_GT(segment.used_bytes(), with_type);
    ASSERT_TRUE((*made)
                    ->With([](Entry& entry) -> absl::Status {
                      EXPECT_EQ(entry.number, 7u);
                      EXPECT_EQ(entry.name, "herring");
                      EXPECT_EQ(entry.words.size(), 2u);
                      EXPECT_EQ(entry.words[1], "smoked");
                      SHOAL_RETURN_IF_ERROR(entry.name.Append("s"));
                      return entry.words.PushBack("fried");
                    })
                    .ok());
    EXPECT_EQ((*made)->With([](Entry& entry) { return std::string(entry.name.view()); }).value(), "herrings");
    const SharedAccount stored = (*made)->With([](Entry& entry) { return entry.account; }).value();
    EXPECT_TRUE(stored == account);
  }
  EXPECT_EQ(segment.used_bytes(), with_type);
  EXPECT_EQ(account->Lock().value()->balance, 5);
}

TEST(SharedTest, AnObjectWhoseContainersHaveNoRoomIsNotMade) {
  const Segment segment = NewSegment();
  static_cast<void>(Baseline(segment));
  static_cast<void>(segment.New<RwLock<Vector<String>>>().value());
  const size_t with_type = segment.used_bytes();
  const std::vector<std::string> too_much(100, std::string(size_t{64} << 10, 'a'));
  const auto made = segment.New<RwLock<Vector<String>>>(too_much);
  EXPECT_TRUE(absl::IsResourceExhausted(made.status())) << made.status();
  EXPECT_EQ(segment.used_bytes(), with_type);
}

TEST(SharedTest, AListIsWalkedAndGoesWithItsFirstLink) {
  const Segment segment = NewSegment();
  static_cast<void>(Baseline(segment));
  static_cast<void>(segment.New<Mutex<Link>>().value());
  const size_t with_type = segment.used_bytes();
  Shared<Mutex<Link>> first;
  for (int64_t value = 1; value <= 100; ++value) {
    const Shared<Mutex<Link>> link = segment.New<Mutex<Link>>().value();
    const absl::Status status = link->With([&](Link& made) {
      made.value = value;
      return made.next.Assign(first);
    });
    ASSERT_TRUE(status.ok()) << status;
    first = link;
  }
  int64_t sum = 0;
  for (Shared<Mutex<Link>> link = first; link;) {
    const auto next = link->With([&](const Link& seen) {
      sum += seen.value;
      return Shared<Mutex<Link>>(seen.next);
    });
    ASSERT_TRUE(next.ok()) << next.status();
    link = *next;
  }
  EXPECT_EQ(sum, 5050);
  EXPECT_GT(segment.used_bytes(), with_type);
  first.Reset();
  EXPECT_EQ(segment.used_bytes(), with_type);
}

int64_t SumOf(const Shared<RwLock<Tree>>& root) {
  const ReadGuard<Tree> tree = root->Read().value();
  int64_t sum = tree->value;
  for (const Shared<RwLock<Tree>>& child : tree->children) sum += SumOf(child);
  return sum;
}

TEST(SharedTest, ATreeIsWalkedAndGoesWithItsRoot) {
  const Segment segment = NewSegment();
  static_cast<void>(Baseline(segment));
  static_cast<void>(segment.New<RwLock<Tree>>().value());
  const size_t with_type = segment.used_bytes();
  Shared<RwLock<Tree>> root = segment.New<RwLock<Tree>>().value();
  ASSERT_TRUE(root->WithWrite([](Tree& tree) { tree.value = 1; }).ok());
  Shared<RwLock<Tree>> last = root;
  for (int64_t value = 2; value <= 13; ++value) {
    const Shared<RwLock<Tree>> child = segment.New<RwLock<Tree>>().value();
    ASSERT_TRUE(child->WithWrite([&](Tree& tree) { tree.value = value; }).ok());
    Shared<RwLock<Tree>>& parent = value % 3 == 0 ? root : last;
    ASSERT_TRUE(parent->WithWrite([&](Tree& tree) { return tree.children.PushBack(child); }).ok());
    last = child;
  }
  EXPECT_EQ(SumOf(root), 91);
  EXPECT_GT(segment.used_bytes(), with_type);
  last.Reset();
  root.Reset();
  EXPECT_EQ(segment.used_bytes(), with_type);
}

TEST(SharedTest, ItIsStoredOnlyInItsOwnSegmentAndInsideASection) {
  const Segment segment = NewSegment();
  const Segment other = NewSegment();
  Shared<Mutex<Pair>> pair = segment.New<Mutex<Pair>>().value();
  SharedAccount foreign = other.New<Mutex<Account>>().value();
  SharedAccount own = segment.New<Mutex<Account>>().value();
  auto guard = pair->Lock().value();
  EXPECT_TRUE(absl::IsFailedPrecondition(guard->left.Assign(foreign)));
  ASSERT_TRUE(guard->left.Assign(own).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(guard->left.Assign(foreign)));
  EXPECT_TRUE(guard->left == own);
  Pair& root = *guard;
  guard.Release();
  EXPECT_TRUE(absl::IsFailedPrecondition(root.left.Assign(own)));
  EXPECT_TRUE(root.left == own);
}

TEST(SharedTest, AnArrayOfConcurrentObjectsIsOne) {
  const Segment segment = NewSegment();
  auto all = segment.New<std::array<Mutex<Account>, 3>>();
  ASSERT_TRUE(all.ok()) << all.status();
  (**all)[2].Lock().value()->balance = 9;
  EXPECT_EQ((**all)[2].Lock().value()->balance, 9);
}

TEST(SharedTest, AFullSegmentIsAStatus) {
  const Segment segment = Segment::Create({.limit_bytes = size_t{256} << 10}).value();
  const size_t baseline = Baseline(segment);
  std::vector<SharedAccount> all;
  absl::Status status;
  while (status.ok()) {
    auto account = segment.New<Mutex<Account>>();
    status = account.status();
    if (account.ok()) all.push_back(*std::move(account));
  }
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_GT(all.size(), 500u);
  all.clear();
  EXPECT_EQ(segment.used_bytes(), baseline);
}

// The library's own short locks have room beside all that a thread may hold.
TEST(SharedTest, AThreadWithAllTheLocksThatItMayHaveDropsAndRollsBackAllTheSame) {
  struct Locks {
    Lock lock[1000];
  };
  const Segment segment = NewSegment();
  const auto locks = segment.New<Locks>().value();
  const auto pair = segment.New<Mutex<Pair>>().value();
  const size_t baseline = Baseline(segment);
  {
    SharedAccount account = segment.New<Mutex<Account>>().value();
    ASSERT_TRUE(pair->With([&](Pair& both) { return both.left.Assign(account); }).ok());
    std::vector<Guard> held;
    for (Lock& lock : locks->lock) {
      auto guard = lock.Acquire();
      if (!guard.ok()) break;
      held.push_back(*std::move(guard));
    }
    EXPECT_LT(held.size(), 1000u);
    held.pop_back();  // pair's stands for it
    EXPECT_EQ(pair->With([&](Pair& both) -> absl::Status {
                    SHOAL_RETURN_IF_ERROR(both.right.Assign(account));
                    return absl::AbortedError("in vain");
                  })
                  .code(),
              absl::StatusCode::kAborted);
    EXPECT_TRUE(pair->With([](Pair& both) { return both.left.Assign(SharedAccount()); }).ok());
    account.Reset();
    EXPECT_EQ(segment.used_bytes(), baseline);
  }
  EXPECT_EQ(segment.used_bytes(), baseline);
}

// What a section with a handle can run into: a segment without a byte for its journal.
class FullSegment {
 protected:
  FullSegment() {
    EXPECT_TRUE(pair_->With([&](Pair& pair) { pair.left = account_; }).ok());
    while (segment_.Allocate(size_t{1} << 14, 64).ok()) continue;
  }

  // More than the journal has room for.
  void StoreOften(Pair& pair) const {
    for (int i = 0; i < 2000; ++i) {
      pair.left = SharedAccount();
      pair.right = account_;
      pair.left = pair.right;
    }
  }
  // Of what was there, and can still be stored.
  void ExpectUnchanged() {
    const absl::Status looked = pair_->With([&](Pair& pair) {
      EXPECT_TRUE(pair.left == account_);
      EXPECT_FALSE(pair.right);
      pair.left = account_;
    });
    EXPECT_TRUE(looked.ok()) << looked;
  }

  // A death test's child has no use for its parent's handles.
  static void LetAGuardGo() {
    const FullSegment full;
    auto guard = full.pair_->Lock();
    full.StoreOften(**guard);
  }

  const Segment segment_ = NewSegment();
  const SharedAccount account_ = segment_.New<Mutex<Account>>().value();
  const Shared<Mutex<Pair>> pair_ = segment_.New<Mutex<Pair>>().value();
};

class FullSegmentTest : public testing::Test, protected FullSegment {};
using FullSegmentDeathTest = FullSegmentTest;

TEST_F(FullSegmentTest, ASectionThatCouldNotStoreAHandleSaysSoAndIsRolledBack) {
  const absl::Status stored = pair_->With([&](Pair& pair) { StoreOften(pair); });
  EXPECT_EQ(stored.code(), absl::StatusCode::kResourceExhausted) << stored;
  ExpectUnchanged();
  const absl::StatusOr<int> answered = pair_->With([&](Pair& pair) {
    StoreOften(pair);
    return 5;
  });
  EXPECT_EQ(answered.status().code(), absl::StatusCode::kResourceExhausted) << answered.status();
  ExpectUnchanged();
  const absl::Status by_all = WithAll([&](Pair& pair, Account&) { StoreOften(pair); }, *pair_, *account_);
  EXPECT_EQ(by_all.code(), absl::StatusCode::kResourceExhausted) << by_all;
  ExpectUnchanged();
  // What the function says comes first.
  EXPECT_TRUE(absl::IsCancelled(pair_->With([&](Pair& pair) {
    StoreOften(pair);
    return absl::CancelledError();
  })));
  ExpectUnchanged();
}

TEST_F(FullSegmentTest, AGuardTellsWhenItCommits) {
  auto guard = pair_->Lock();
  ASSERT_TRUE(guard.ok());
  StoreOften(**guard);
  EXPECT_TRUE((*guard)->left) << "it names what it named when there was no room any more";
  EXPECT_EQ(guard->Commit().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(guard->held());
  ExpectUnchanged();
  // Whoever takes it back himself may go on.
  guard = pair_->Lock();
  ASSERT_TRUE(guard.ok());
  StoreOften(**guard);
  guard->Rollback();
  (*guard)->left = account_;
  EXPECT_TRUE(guard->Commit().ok());
  ExpectUnchanged();
}

TEST_F(FullSegmentTest, ASectionThatCannotCommitIsNotGivenUpForASleep) {
  struct Object {
    Mutex<Pair>* pair;
    Condition changed;
  } object = {pair_.get(), {}};
  auto guard = pair_->Lock();
  ASSERT_TRUE(guard.ok());
  StoreOften(**guard);
  EXPECT_EQ(object.changed.Wait(*guard).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(guard->held());
  EXPECT_EQ(guard->Commit().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(FullSegmentDeathTest, AGuardThatHasNobodyToTellEndsTheProcess) {
  EXPECT_DEATH(LetAGuardGo(), "a handle could not be stored");
}

// Property: whatever threads copy, store and drop at once, an object is there while somebody holds it, and gone afterwards.
TEST(SharedTest, ThreadsCopyStoreAndDropAtOnce) {
  for (const int threads : {1, 4}) {
    const Segment segment = NewSegment();
    static_cast<void>(Baseline(segment));
    Shared<Mutex<Pair>> pair = segment.New<Mutex<Pair>>().value();
    const size_t with_pair = segment.used_bytes();
    std::vector<std::thread> all;
    for (int i = 0; i < threads; ++i) {
      all.emplace_back([&, i] {
        for (int64_t round = 0; round < 300; ++round) {
          SharedAccount mine = segment.New<Mutex<Account>>(round, round).value();
          {
            auto guard = pair->Lock().value();
            if ((round + i) % 3 == 0) guard->left = guard->right;
            guard->right = mine;
            if (round % 7 == 0) guard.Rollback();
          }
          const SharedAccount seen = pair->Lock().value()->left;
          if (!seen) continue;
          const Account account = *seen->Lock().value();
          if (account.balance != account.transfers) ADD_FAILURE() << account.balance << " " << account.transfers;
        }
      });
    }
    for (std::thread& thread : all) thread.join();
    {
      auto guard = pair->Lock().value();
      guard->left.Reset();
      guard->right.Reset();
    }
    EXPECT_EQ(segment.used_bytes(), with_pair);
  }
}

}  // namespace
}  // namespace shoal
