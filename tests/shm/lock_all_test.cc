// LockAll: one section over several objects. It commits and rolls back as one, waits in no circle, and is undone by whoever comes
// first when its owner dies.

#include "shoal/shm/lock_all.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/rw_lock.h"
#include "shoal/sync/condition.h"
#include "shoal/tests/worlds/segment_world.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal {
namespace {

using tests::Await;
using tests::Party;
using tests::SharedInSegment;
using tests::World;

struct Account {
  int64_t balance = 100;
  int64_t transfers = 0;
};

struct Bank {
  Mutex<Account> a;
  Mutex<Account> b;
  RwLock<Account> c;
  Condition changed;
  std::atomic<int> inside{0};
};

int64_t BalanceOf(Mutex<Account>& account) {
  return account.With([](Account& own) { return own.balance; }).value();
}

class LockAllTest : public ::testing::TestWithParam<World> {};
INSTANTIATE_TEST_SUITE_P(Worlds, LockAllTest, ::testing::ValuesIn(tests::kAllWorlds), tests::WorldName);

// Each party names the accounts in another order. Nobody waits in a circle, nothing is lost.
TEST_P(LockAllTest, TransfersInAllDirectionsFinish) {
  SharedInSegment<Bank> shared(GetParam());
  constexpr int kTransfers = 400;
  shared.Run(4, [](Bank& bank, int number) {
    const auto move = [](Account& from, Account& to) {
      --from.balance;
      ++to.balance;
      ++from.transfers;
    };
    for (int i = 0; i < kTransfers; ++i) {
      absl::Status status;
      if (number == 0) status = WithAll(move, bank.a, bank.b);
      if (number == 1) status = WithAll(move, bank.b, bank.a);
      if (number == 2) status = WithAll(move, bank.c, bank.a);
      if (number == 3) status = WithAll(move, bank.b, bank.c);
      ASSERT_TRUE(status.ok()) << status;
    }
  });
  auto guard = LockAll(shared->c, shared->b, shared->a);
  ASSERT_TRUE(guard.ok());
  auto& [c, b, a] = *guard;
  EXPECT_EQ(a.balance + b.balance + c.balance, 300);
  EXPECT_EQ(a.transfers + b.transfers + c.transfers, 4 * kTransfers);
}

TEST_P(LockAllTest, ItCommitsAndRollsBackAsOne) {
  SharedInSegment<Bank> shared(GetParam());
  {
    auto guard = LockAll(shared->b, shared->a);
    ASSERT_TRUE(guard.ok());
    EXPECT_FALSE(guard->recovered());
    guard->get<0>().balance = 1;
    guard->get<1>().balance = 2;
    guard->Rollback();
    EXPECT_EQ(guard->get<0>().balance, 100);
    EXPECT_EQ(guard->get<1>().balance, 100);
    guard->get<0>().balance = 3;
    guard->get<1>().balance = 4;
    EXPECT_TRUE(shared->a.locked());
    guard->Release();
    EXPECT_FALSE(guard->held());
  }
  EXPECT_EQ(BalanceOf(shared->b), 3);
  EXPECT_EQ(BalanceOf(shared->a), 4);
  const absl::Status status = WithAll(
      [](Account& a, Account& c) {
        a.balance = c.balance = 9;
        return absl::AbortedError("no");
      },
      shared->a, shared->c);
  EXPECT_TRUE(absl::IsAborted(status));
  EXPECT_THROW(
      {
        auto guard = LockAll(shared->a, shared->c);
        guard->get<0>().balance = 9;
        throw 5;
      },
      int);
  EXPECT_EQ(WithAll([](Account& a, Account& c) { return a.balance + c.balance; }, shared->a, shared->c).value(), 104);
}

TEST_P(LockAllTest, WhenTheTimeIsOverNothingIsLocked) {
  SharedInSegment<Bank> shared(GetParam());
  Party holder = shared.Start(1, [](Bank& bank, int) {
    auto guard = bank.b.Lock();
    bank.inside = 1;
    Await([&] { return bank.inside.load() == 2; });
  });
  Await([&] { return shared->inside.load() == 1; });
  EXPECT_TRUE(absl::IsDeadlineExceeded(LockAll(absl::Milliseconds(1), shared->a, shared->b, shared->c).status()));
  EXPECT_FALSE(shared->a.locked());
  EXPECT_TRUE(shared->c.TryRead().has_value());
  EXPECT_TRUE(shared->a.TryLock().has_value());
  shared->inside = 2;
  holder.Join();
  EXPECT_TRUE(LockAll(shared->a, shared->b, shared->c).ok());
}

TEST_P(LockAllTest, MisuseIsRefusedAndLocksNothing) {
  SharedInSegment<Bank> shared(GetParam());
  SharedInSegment<Bank> elsewhere(GetParam());
  EXPECT_TRUE(absl::IsFailedPrecondition(LockAll(shared->a, shared->b, shared->a).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(LockAll(shared->c, shared->c).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(LockAll(shared->a, elsewhere->b).status()));
  Mutex<Account> local;
  EXPECT_TRUE(absl::IsFailedPrecondition(LockAll(shared->a, local).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(LockAll(local).status()));
  EXPECT_FALSE(shared->a.locked());
  {
    auto one = shared->a.Lock();
    ASSERT_TRUE(one.ok());
    EXPECT_TRUE(absl::IsFailedPrecondition(LockAll(shared->b, shared->c).status()));
    EXPECT_FALSE(shared->b.locked());
  }
  {
    auto reads = shared->c.Read();
    ASSERT_TRUE(reads.ok());
    EXPECT_TRUE(absl::IsFailedPrecondition(LockAll(shared->a, shared->c).status()));
    EXPECT_FALSE(shared->a.locked());
  }
  auto all = LockAll(shared->a, shared->b);
  ASSERT_TRUE(all.ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(shared->c.Write().status()));
  EXPECT_TRUE(shared->c.Read().ok());
}

// A section of several locks cannot be given up for a sleep; but it can notify those who wait with one of them.
TEST(LockAllMisuseTest, AGuardThatHoldsNothingGivesNothing) {
  SharedInSegment<Bank> shared(World::kThreads);
  auto guard = LockAll(shared->a, shared->c);
  ASSERT_TRUE(guard.ok());
  guard->Release();
  EXPECT_DEATH(++guard->get<1>().balance, "a guard that is used");
}

TEST_P(LockAllTest, ItNotifiesButDoesNotWait) {
  SharedInSegment<Bank> shared(GetParam());
  Party waiter = shared.Start(1, [](Bank& bank, int) {
    auto guard = bank.b.Lock();
    ASSERT_TRUE(guard.ok());
    (*guard)->transfers = 1;
    ASSERT_TRUE(bank.changed.Wait(*guard, [&] { return (*guard)->balance == 0; }).ok());
  });
  Await([&] { return shared->b.With([](Account& own) { return own.transfers; }).value() == 1; });
  {
    auto guard = LockAll(shared->a, shared->b);
    ASSERT_TRUE(guard.ok());
    EXPECT_TRUE(absl::IsFailedPrecondition(shared->changed.Wait(*guard)));
    EXPECT_TRUE(absl::IsFailedPrecondition(shared->changed.Wait(*guard, [] { return true; })));
    EXPECT_TRUE(guard->held());
    guard->get<1>().balance = 0;
    ASSERT_TRUE(shared->changed.NotifyAll(*guard).ok());
  }
  waiter.Join();
  auto others = LockAll(shared->a, shared->c);
  ASSERT_TRUE(others.ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(shared->changed.Notify(*others)));
}

// Killed in the middle: whoever comes to any of its objects finds all of them as they were.
TEST(LockAllDeathTest, ADeadOwnersSectionIsUndoneAsOne) {
  for (const int first : {0, 1, 2}) {
    SharedInSegment<Bank> shared(World::kProcesses);
    Party owner = shared.Start(0, [](Bank& bank, int) {
      auto guard = LockAll(bank.a, bank.b, bank.c);
      auto& [a, b, c] = *guard;
      a.balance = b.balance = c.balance = 1;
      bank.inside = 1;
      for (;;) pause();
    });
    Await([&] { return shared->inside.load() == 1; });
    owner.Kill();
    // One of them alone first; with it everything is undone.
    if (first == 2) {
      auto guard = shared->c.Read();
      ASSERT_TRUE(guard.ok());
      EXPECT_TRUE(guard->recovered());
      EXPECT_EQ((*guard)->balance, 100);
    } else {
      auto guard = (first == 0 ? shared->a : shared->b).Lock();
      ASSERT_TRUE(guard.ok());
      EXPECT_TRUE(guard->recovered());
      EXPECT_EQ((*guard)->balance, 100);
      (*guard)->balance = 50;
    }
    auto guard = LockAll(shared->a, shared->b, shared->c);
    ASSERT_TRUE(guard.ok());
    EXPECT_TRUE(guard->recovered());  // the others' last holder died, too
    const int64_t sum = guard->get<0>().balance + guard->get<1>().balance + guard->get<2>().balance;
    EXPECT_EQ(sum, first == 2 ? 300 : 250);
  }
}

}  // namespace
}  // namespace shoal
