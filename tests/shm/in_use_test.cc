// What is locked, read, borrowed or permitted outlives the last handle to the object that it is of.

#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "shoal/shm/array.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/journal.h"
#include "shoal/shm/layout.h"
#include "shoal/shm/lingering.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/permit_pool.h"
#include "shoal/shm/rw_lock.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/shareable_sync.h"
#include "shoal/shm/shared.h"
#include "shoal/shm/value.h"
#include "shoal/sync/condition.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/lock.h"
#include "shoal/sync/rlock.h"
#include "shoal/sync/robust_list.h"
#include "shoal/sync/robust_lock.h"
#include "shoal/tests/shm/object_world.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal {
namespace {

struct Wide {
  std::array<int64_t, 64> numbers;
};

Segment NewSegment() { return Segment::Create({.limit_bytes = size_t{4} << 20}).value(); }

// Makes an object, takes something of it and forgets the handle; no other object comes to lie there before that is given back, and then
// nothing is left. The locks of sync know nothing of segments: after these somebody must look.
enum class Then { kNothing, kReap };
template <class T, class Take, class... Arguments>
void ExpectKept(Then then, Take take, const Arguments&... arguments) {
  const Segment segment = NewSegment();
  size_t baseline = 0;
  for (int round = 0; round < 3; ++round) {
    {
      Shared<T> object = segment.New<T>(arguments...).value();
      const T* const where = object.get();
      auto taken = take(*object);
      ASSERT_TRUE(taken.ok()) << taken.status();
      object.Reset();
      const size_t used = segment.used_bytes();
      const Shared<T> next = segment.New<T>(arguments...).value();
      EXPECT_NE(next.get(), where);
      EXPECT_GT(segment.used_bytes(), used);
    }
    if (then == Then::kReap || round == 0) static_cast<void>(segment.Reap());
    if (round == 0) baseline = segment.used_bytes();
    EXPECT_EQ(segment.used_bytes(), baseline);
  }
}

TEST(InUseTest, WhatIsLockedReadBorrowedOrPermittedIsKept) {
  ExpectKept<Mutex<Wide>>(Then::kNothing, [](auto& mutex) { return mutex.Lock(); });
  ExpectKept<RwLock<Wide>>(Then::kNothing, [](auto& lock) { return lock.Write(); });
  ExpectKept<RwLock<Wide>>(Then::kNothing, [](auto& lock) { return lock.Read(); });
  ExpectKept<Array<int64_t>>(Then::kNothing, [](auto& array) { return array.BorrowMut(3, 7); }, size_t{100});
  ExpectKept<Array<int64_t>>(Then::kNothing, [](auto& array) { return array.Borrow(3, 7); }, size_t{100});
  ExpectKept<PermitPool>(Then::kNothing, [](auto& pool) { return pool.Acquire(2); }, 5u);
  ExpectKept<Lock>(Then::kReap, [](auto& lock) { return lock.Acquire(); });
  ExpectKept<RLock>(Then::kReap, [](auto& lock) { return lock.Acquire(); });
}

TEST(InUseTest, APartOfAnObjectIsUsedToo) {
  struct Parts {
    std::array<Mutex<int64_t>, 3> counters;
    Lock lock;
  };
  ExpectKept<Parts>(Then::kNothing, [](auto& parts) { return parts.counters[2].Lock(); });
  ExpectKept<Parts>(Then::kReap, [](auto& parts) { return parts.lock.Acquire(); });
}

// The last handle goes inside of the object's own section.
TEST(InUseTest, AnObjectOutlivesItsOwnSection) {
  const Segment segment = NewSegment();
  const auto keeper = segment.New<Mutex<Wide>>().value();
  for (const bool commit : {true, false}) {
    auto mutex = segment.New<Mutex<Wide>>().value();
    std::vector<Shared<Mutex<Wide>>> others;
    size_t inside = 0;
    const absl::Status status = mutex->With([&](Wide& wide) {
      mutex.Reset();
      for (int i = 0; i < 10; ++i) others.push_back(segment.New<Mutex<Wide>>().value());
      wide.numbers.fill(-1);
      inside = segment.used_bytes();
      return commit ? absl::OkStatus() : absl::AbortedError("in vain");
    });
    EXPECT_EQ(status.ok(), commit);
    EXPECT_LT(segment.used_bytes(), inside);
    for (const auto& other : others) EXPECT_EQ(other->Lock().value()->numbers[5], 0);
  }
  auto value = segment.New<Value<Wide>>().value();
  size_t inside = 0;
  EXPECT_TRUE(value
                  ->Update([&](Wide&) {
                    value.Reset();
                    inside = segment.used_bytes();
                  })
                  .ok());
  EXPECT_LT(segment.used_bytes(), inside);
}

// Whoever gives back a borrow or a permit touches the object after others can see it.
TEST(InUseTest, WhoIsGivingBackKeepsTheObject) {
  const Segment segment = NewSegment();
  const auto keeper = segment.New<PermitPool>(1u).value();
  const auto attachment = shm_internal::Attachment::Of(keeper.get());
  const size_t baseline = segment.used_bytes();
  auto permit = segment.New<PermitPool>(5u).value()->Acquire().value();
  {
    const shm_internal::GivingBack another(attachment, keeper.get());
    ASSERT_TRUE(permit.Release().ok());
    EXPECT_GT(segment.used_bytes(), baseline);
  }
  EXPECT_EQ(segment.used_bytes(), baseline);
}

// What a thread of the parent was about at the fork is nothing that the child waits for.
TEST(InUseTest, AForkedChildBeginsAnew) {
  const Segment segment = NewSegment();
  const auto keeper = segment.New<Mutex<Wide>>().value();
  const auto attachment = shm_internal::Attachment::Of(keeper.get());
  const shm_internal::GivingBack parents(attachment, keeper.get());
  tests::Party child(tests::World::kProcesses, [&] {
    const auto own = segment.New<Mutex<Wide>>().value();
    const size_t baseline = segment.used_bytes();
    segment.New<Mutex<Wide>>().value().Reset();
    EXPECT_EQ(segment.used_bytes(), baseline);
  });
  child.Join();
}

// Who gives something back looks at that object, and not at all that linger.
TEST(InUseTest, EachObjectGoesWithItsOwnLastUse) {
  const Segment segment = NewSegment();
  const auto keeper = segment.New<Mutex<Wide>>().value();
  segment.New<PermitPool>(2u).value().Reset();
  segment.New<RwLock<Wide>>().value().Reset();
  const size_t baseline = segment.used_bytes();
  auto permit = segment.New<PermitPool>(2u).value()->Acquire().value();
  const size_t with_pool = segment.used_bytes();
  auto reader = segment.New<RwLock<Wide>>().value()->Read().value();
  const size_t with_both = segment.used_bytes();
  auto guard = segment.New<Mutex<Wide>>().value()->Lock().value();
  EXPECT_GT(segment.used_bytes(), with_both);
  guard.Release();
  EXPECT_EQ(segment.used_bytes(), with_both);
  { const auto gone = std::move(reader); }
  EXPECT_EQ(segment.used_bytes(), with_pool);
  ASSERT_TRUE(permit.Release().ok());
  EXPECT_EQ(segment.used_bytes(), baseline);
}

// It comes back to the lock.
TEST(InUseTest, AGuardThatSleepsInAConditionKeepsTheObject) {
  const Segment segment = NewSegment();
  const auto keeper = segment.New<Mutex<Wide>>().value();
  const auto condition = segment.New<Condition>().value();
  const size_t baseline = segment.used_bytes();
  Mutex<Wide>* mutex = nullptr;
  tests::Party sleeper(tests::World::kThreads, [&] {
    auto guard = [&] {
      const auto handle = segment.New<Mutex<Wide>>().value();
      mutex = handle.get();
      return handle->Lock().value();
    }();
    EXPECT_TRUE(condition->Wait(guard, [&] { return guard->numbers[5] == 7; }).ok());
  });
  sleeper.AwaitAsleep();
  const size_t used = segment.used_bytes();
  EXPECT_GT(used, baseline);
  segment.New<Mutex<Wide>>().value()->Lock().value().Release();  // lets go of what nobody uses
  EXPECT_EQ(segment.used_bytes(), used);
  {
    auto guard = mutex->Lock().value();  // without a handle, as nobody should
    guard->numbers[5] = 7;
    EXPECT_TRUE(condition->NotifyAll(guard).ok());
  }
  sleeper.Join();
  EXPECT_EQ(segment.used_bytes(), baseline);
}

// A handle may be taken again, from where another is stored.
TEST(InUseTest, WhatIsHeldAgainIsHeld) {
  struct Root {
    Shared<PermitPool> stored;
  };
  const Segment segment = NewSegment();
  const auto root = segment.New<Mutex<Root>>().value();
  const auto keeper = segment.New<PermitPool>(1u).value();
  const size_t baseline = segment.used_bytes();
  auto pool = segment.New<PermitPool>(2u).value();
  const size_t used = segment.used_bytes();
  root->Lock().value()->stored = pool;
  for (const bool again : {false, true}) {
    auto permit = pool->Acquire().value();
    pool.Reset();
    if (again) pool = root->Lock().value()->stored;
    ASSERT_TRUE(permit.Release().ok());
    if (!again) pool = root->Lock().value()->stored;
  }
  root->Lock().value()->stored.Reset();
  EXPECT_EQ(segment.used_bytes(), used);
  EXPECT_EQ(pool->available(), 2u);
  pool.Reset();
  EXPECT_EQ(segment.used_bytes(), baseline);
}

// In a thread that ends with it in its hands.
void LockForEver(Shared<Mutex<Wide>>& mutex) {
  std::thread([&] {
    static auto& kept = *new std::vector<MutexGuard<Wide>>;  // nobody releases them
    kept.push_back(mutex->Lock().value());
    kept.back()->numbers.fill(-1);
    mutex.Reset();
  }).join();
}

// Its section is undone before the object goes, and not after that.
TEST(InUseTest, WhatADeadThreadHadOpenIsUndoneBeforeTheObjectGoes) {
  const Segment segment = NewSegment();
  const auto keeper = segment.New<Mutex<Wide>>().value();
  const auto attachment = shm_internal::Attachment::Of(keeper.get());
  auto mutex = segment.New<Mutex<Wide>>().value();
  LockForEver(mutex);
  EXPECT_EQ(segment.Reap(), 0);
  for (const shm_internal::ThreadSlot& slot : attachment->threads()) EXPECT_FALSE(shm_internal::Head::IsOpen(slot.head));
  const auto next = segment.New<Mutex<Wide>>().value();
  EXPECT_EQ(next->Lock().value()->numbers[5], 0);
}

// Who destroys has been at it already, and is held up by something else.
TEST(InUseTest, WhatIsGivenBackMeanwhileIsDestroyedByWhoIsAtIt) {
  const Segment segment = NewSegment();
  const auto keeper = segment.New<Mutex<Wide>>().value();
  const auto attachment = shm_internal::Attachment::Of(keeper.get());
  auto first = segment.New<Mutex<Wide>>().value();
  auto second = segment.New<Mutex<Wide>>().value();
  LockForEver(first);
  // Nobody undoes what the dead thread had open as long as this one could be about to.
  std::vector<sync_internal::RobustWord*> replays;
  for (shm_internal::ThreadSlot& slot : attachment->threads()) {
    if (shm_internal::Head::IsOpen(slot.head)) replays.push_back(&slot.replay);
  }
  ASSERT_EQ(replays.size(), 1u);
  sync_internal::Thread& self = sync_internal::ThisThread();
  bool owner_died = false;
  ASSERT_TRUE(sync_internal::Acquire(self, *replays[0], sync_internal::Deadline::Infinite(), &owner_died).ok());
  auto guard = second->Lock().value();
  tests::Party destroyer(tests::World::kThreads, [&] { second.Reset(); });
  destroyer.AwaitAsleep();
  guard.Release();
  sync_internal::Release(self, *replays[0]);
  destroyer.Join();
  EXPECT_EQ(attachment->header().ledger.doomed, 0u);
}

// Whoever uses what nobody holds is killed: its death is noticed by whoever has a keeper, and the object goes.
template <class T, class Take, class... Arguments>
void ExpectGoneAfterDeath(Take take, const Arguments&... arguments) {
  const Segment segment = NewSegment();
  const auto keeper = segment.New<T>(arguments...).value();
  const size_t baseline = segment.used_bytes();
  const tests::Cue cue;
  tests::Party user(tests::World::kProcesses, [&] {
    auto taken = take(*segment.New<T>(arguments...).value());
    EXPECT_TRUE(taken.ok()) << taken.status();
    cue.Give();
    for (;;) pause();
  });
  cue.Await();
  EXPECT_GT(segment.used_bytes(), baseline);
  user.Kill();
  tests::Await([&] { return segment.used_bytes() == baseline; });
}

TEST(InUseDeathTest, WhatTheDeadUsedGoes) {
  ExpectGoneAfterDeath<Mutex<Wide>>([](auto& mutex) {
    auto guard = mutex.Lock();
    (*guard)->numbers.fill(-1);
    return guard;
  });
  ExpectGoneAfterDeath<RwLock<Wide>>([](auto& lock) { return lock.Write(); });
  ExpectGoneAfterDeath<RwLock<Wide>>([](auto& lock) { return lock.Read(); });
  ExpectGoneAfterDeath<Array<int64_t>>([](auto& array) { return array.BorrowMut(3, 7); }, size_t{100});
  ExpectGoneAfterDeath<PermitPool>([](auto& pool) { return pool.Acquire(2); }, 5u);
  ExpectGoneAfterDeath<Lock>([](auto& lock) { return lock.Acquire(); });
}

// Property: whoever gives back last, and whoever destroys meanwhile, nothing is left in the end.
TEST(InUseTest, WhoGivesBackLastDestroys) {
  using Many = std::array<Mutex<int64_t>, 3'000>;  // long looked at
  const Segment segment = Segment::Create({.limit_bytes = size_t{256} << 20}).value();
  const auto keeper = segment.New<Mutex<Wide>>().value();
  const auto round = [&](int number) {
    for (int i = 0; i < 100; ++i) {
      auto guard = segment.New<Mutex<Wide>>().value()->Lock().value();
      guard->numbers[7] = i;
      if (number != 0) continue;
      guard.Release();
      segment.New<Many>().value().Reset();
    }
  };
  round(0);
  const size_t baseline = segment.used_bytes();
  for (const int threads : {1, 4}) {
    std::vector<std::thread> all;
    for (int number = 0; number < threads; ++number) all.emplace_back(round, number);
    for (std::thread& thread : all) thread.join();
    EXPECT_EQ(segment.used_bytes(), baseline);
  }
}

}  // namespace
}  // namespace shoal
