// A dead owner's journal makes no sense, because a bug has scribbled over it. Whoever comes first is told DataLoss and has no lock; whoever
// comes next gets it, as one whose owner died; nobody hangs.

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <thread>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/journal.h"
#include "shoal/shm/layout.h"
#include "shoal/shm/lock_all.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/rw_lock.h"
#include "shoal/tests/worlds/segment_world.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal {
namespace {

using shm_internal::Attachment;
using shm_internal::Head;
using tests::Await;
using tests::Party;
using tests::SharedInSegment;
using tests::World;

struct Pair {
  int64_t left = 1;
  int64_t right = 1;
};
struct Room {
  Mutex<Pair> mutex;
  Mutex<Pair> other;
  RwLock<Pair> read_write;
  std::atomic<int> inside{0};
};

// A process dies in a section of `open`, and its journal is damaged before anybody looks.
template <class Open>
void DieAndDamage(const SharedInSegment<Room>& shared, Open open) {
  Party victim = shared.Start(1, [open](Room& room, int) {
    auto guard = open(room);
    ASSERT_TRUE(guard.ok());
    room.inside = 1;
    for (;;) pause();
  });
  Await([&] { return shared->inside.load() == 1; });
  victim.Kill();
  const auto attachment = Attachment::Of(&*shared);
  int damaged = 0;
  for (const shm_internal::ThreadSlot& slot : attachment->threads()) {
    const uint64_t head = slot.head.load();
    if (!Head::IsOpen(head)) continue;
    ++damaged;
    ASSERT_GT(Head::Used(head), 0u) << "the root is saved when a section begins";
    const uint64_t journal = shm_internal::JournalPlace::Offset(slot.journal.load());
    auto* const trailer = reinterpret_cast<uint64_t*>(attachment->base() + journal + Head::Used(head)) - 1;
    *trailer = shm_internal::Trailer::Of(shm_internal::RecordKind::kBytes, 8, shm_internal::Trailer::kMaxOffset);
  }
  ASSERT_EQ(damaged, 1);
}

TEST(FailedRecoveryTest, AMutexIsGivenUpToTheNext) {
  SharedInSegment<Room> shared(World::kProcesses);
  DieAndDamage(shared, [](Room& room) { return room.mutex.Lock(); });
  EXPECT_EQ(shared->mutex.Lock().status().code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(shared->mutex.locked());
  auto guard = shared->mutex.Lock();
  ASSERT_TRUE(guard.ok()) << guard.status();
  EXPECT_TRUE(guard->recovered());
  (*guard)->left = 2;
  guard->Release();
  guard = shared->mutex.Lock();
  EXPECT_FALSE(guard->recovered());
  EXPECT_EQ((*guard)->left, 2);
}

// One sleeps for it already: it is woken, and told.
TEST(FailedRecoveryTest, ASleeperIsToldAndTheNextGoesOn) {
  SharedInSegment<Room> shared(World::kProcesses);
  Party sleeper = shared.Start(2, [](Room& room, int) {
    Await([&] { return room.inside.load() == 2; });
    auto guard = room.mutex.Lock();
    ASSERT_TRUE(guard.ok()) << guard.status();
    EXPECT_TRUE(guard->recovered());
    room.inside = 3;
  });
  DieAndDamage(shared, [](Room& room) { return room.mutex.Lock(); });
  EXPECT_EQ(shared->mutex.Lock().status().code(), absl::StatusCode::kDataLoss);
  shared->inside = 2;
  sleeper.Join();
  EXPECT_EQ(shared->inside.load(), 3);
}

TEST(FailedRecoveryTest, AWriterOfAnRwLockLikewise) {
  SharedInSegment<Room> shared(World::kProcesses);
  DieAndDamage(shared, [](Room& room) { return room.read_write.Write(); });
  EXPECT_EQ(shared->read_write.Write().status().code(), absl::StatusCode::kDataLoss);
  auto guard = shared->read_write.Write();
  ASSERT_TRUE(guard.ok()) << guard.status();
  EXPECT_TRUE(guard->recovered());
}

TEST(FailedRecoveryTest, AReaderOfAnRwLockLikewise) {
  SharedInSegment<Room> shared(World::kProcesses);
  DieAndDamage(shared, [](Room& room) { return room.read_write.Write(); });
  EXPECT_EQ(shared->read_write.Read().status().code(), absl::StatusCode::kDataLoss);
  auto reader = shared->read_write.Read();
  ASSERT_TRUE(reader.ok()) << reader.status();
  reader->Release();
  EXPECT_TRUE(shared->read_write.Write().ok());
}

// Both locks of one dead section: neither stays locked.
TEST(FailedRecoveryTest, SeveralLocksAreAllGivenUp) {
  SharedInSegment<Room> shared(World::kProcesses);
  DieAndDamage(shared, [](Room& room) { return LockAll(room.mutex, room.other, room.read_write); });
  EXPECT_EQ(LockAll(shared->other, shared->read_write, shared->mutex).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(shared->mutex.locked());
  EXPECT_FALSE(shared->other.locked());
  auto guard = LockAll(shared->mutex, shared->other, shared->read_write);
  ASSERT_TRUE(guard.ok()) << guard.status();
  EXPECT_TRUE(guard->recovered());
}

// Somebody has written over the place of a journal, of a slot that is free: the next thread in it takes another.
TEST(FailedRecoveryTest, AJournalIsNotWrittenWhereverASlotSays) {
  SharedInSegment<Room> shared(World::kThreads);
  EXPECT_TRUE(shared->mutex.Lock().ok());
  const auto attachment = Attachment::Of(&*shared);
  for (const uint64_t place : {~uint64_t{0}, uint64_t{1} << 20, uint64_t{0x123456789ac3}}) {
    for (shm_internal::ThreadSlot& slot : attachment->threads()) {
      if (slot.life.word.load() == 0) slot.journal.store(place);
    }
    std::thread([&] {
      auto guard = shared->mutex.Lock();
      ASSERT_TRUE(guard.ok()) << guard.status();
      (*guard)->left = 5;
      guard->Rollback();
      EXPECT_EQ((*guard)->left, 1);
    }).join();
  }
}

}  // namespace
}  // namespace shoal
