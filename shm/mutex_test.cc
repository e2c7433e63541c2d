#include "shoal/shm/mutex.h"

#include <memory>
#include <new>

#include "gtest/gtest.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/layout.h"
#include "shoal/shm/segment.h"

namespace shoal {

struct LargeRoot {
  char bytes[size_t{300} << 10];
};
template <>
constexpr bool kMayBeLargeRoot<LargeRoot> = true;

namespace {

struct Pair {
  int64_t left = 0;
  int64_t right = 0;
};

class MutexTest : public testing::Test {
 protected:
  void SetUp() override {
    auto segment = Segment::Create({.limit_bytes = size_t{1} << 22});
    ASSERT_TRUE(segment.ok()) << segment.status();
    segment_ = std::make_unique<Segment>(*std::move(segment));
    mutex_ = new (segment_->At<Mutex<Pair>>(segment_->Allocate(sizeof(Mutex<Pair>), 64).value())) Mutex<Pair>;
  }
  std::unique_ptr<Segment> segment_;
  Mutex<Pair>* mutex_ = nullptr;
};

TEST_F(MutexTest, WhatASectionChangedIsThereForTheNext) {
  {
    auto guard = mutex_->Lock();
    ASSERT_TRUE(guard.ok()) << guard.status();
    (*guard)->left = 1;
    EXPECT_TRUE(mutex_->locked());
  }
  EXPECT_FALSE(mutex_->locked());
  auto guard = mutex_->Lock();
  ASSERT_TRUE(guard.ok());
  EXPECT_EQ((*guard)->left, 1);
  EXPECT_FALSE(guard->recovered());
}

TEST_F(MutexTest, ARollbackBringsTheLastCommitBackAndKeepsTheLock) {
  auto guard = mutex_->Lock();
  ASSERT_TRUE(guard.ok());
  (*guard)->left = 1;
  guard->Rollback();
  EXPECT_EQ((*guard)->left, 0);
  EXPECT_TRUE(mutex_->locked());
  (*guard)->right = 2;
  guard->Release();
  EXPECT_EQ(mutex_->With([](Pair& pair) { return pair.right; }).value(), 2);
}

TEST_F(MutexTest, AGuardThatHoldsNothingGivesNothing) {
  auto released = mutex_->Lock();
  ASSERT_TRUE(released.ok());
  released->Release();
  EXPECT_DEATH((*released)->left = 1, "a guard that is used");
  auto guard = mutex_->Lock();
  ASSERT_TRUE(guard.ok());
  MutexGuard<Pair> taken = *std::move(guard);
  EXPECT_DEATH((**guard).left = 1, "a guard that is used");  // NOLINT: what it is then is promised
  taken->left = 1;
}

// What it needs to go on it has had: it is not given up in between, where somebody else could take it.
TEST(MutexRollbackTest, ALargeObjectKeepsItsJournalThroughARollback) {
  Segment segment = Segment::Create({.limit_bytes = size_t{1} << 24}).value();
  const uint64_t place = segment.Allocate(sizeof(Mutex<LargeRoot>), 64).value();
  auto* const mutex = new (segment.At<Mutex<LargeRoot>>(place)) Mutex<LargeRoot>;
  using shm_internal::JournalPlace;
  const auto journal = [attachment = shm_internal::Attachment::Of(mutex)] {
    for (shm_internal::ThreadSlot& slot : attachment->threads()) {
      if (slot.journal.load() != 0) return slot.journal.load();
    }
    return uint64_t{0};
  };
  auto guard = mutex->Lock();
  ASSERT_TRUE(guard.ok()) << guard.status();
  const uint64_t before = journal();
  EXPECT_GT(JournalPlace::Bytes(before), sizeof(LargeRoot));
  (*guard)->bytes[7] = 1;
  guard->Rollback();
  EXPECT_EQ(journal(), before);
  EXPECT_EQ((*guard)->bytes[7], 0);
  guard->Release();
  EXPECT_LT(JournalPlace::Bytes(journal()), sizeof(LargeRoot)) << "nothing large is kept when it is over";
}

TEST_F(MutexTest, AnExceptionOrABadStatusRollsBack) {
  EXPECT_THROW(
      {
        auto guard = mutex_->Lock();
        (*guard)->left = 1;
        throw 5;
      },
      int);
  EXPECT_EQ(mutex_->With([](Pair& pair) { return pair.left; }).value(), 0);
  const absl::Status status = mutex_->With([](Pair& pair) {
    pair.left = 7;
    return absl::AbortedError("no");
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(mutex_->With([](Pair& pair) { return pair.left; }).value(), 0);
  EXPECT_FALSE(mutex_->locked());
}

TEST_F(MutexTest, ASecondSectionInAThreadIsRefused) {
  auto guard = mutex_->Lock();
  ASSERT_TRUE(guard.ok());
  EXPECT_EQ(mutex_->Lock().status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE(mutex_->TryLock().has_value());
}

// Code that knows the layout and not the type finds the object where the mutex is.
TEST_F(MutexTest, TheObjectLiesAtItsAddress) {
  auto guard = mutex_->Lock();
  ASSERT_TRUE(guard.ok());
  EXPECT_EQ(static_cast<void*>(&**guard), static_cast<void*>(mutex_));
}

TEST_F(MutexTest, OutsideOfASegmentItRefuses) {
  Mutex<Pair> local;
  EXPECT_EQ(local.Lock().status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace shoal
