// RwLock: readers beside each other, a writer alone, neither starves, and nobody's death harms the others. States are waited for, never
// times.

#include "shoal/shm/rw_lock.h"

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/layout.h"
#include "shoal/shm/mutex.h"
#include "shoal/sync/condition.h"
#include "shoal/tests/worlds/segment_world.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal {
namespace {

using tests::Await;
using tests::Party;
using tests::SharedInSegment;
using tests::World;

struct Pair {
  int64_t left = 0;
  int64_t right = 0;
};

struct Room {
  RwLock<Pair> pair;
  RwLock<Pair> other;
  Mutex<Pair> mutex;
  Condition changed;
  std::atomic<int> reading{0};
  std::atomic<int> go{0};  // a step that parties wait for
  std::atomic<int64_t> written{0};
};

void Reach(Room& room, int step) {
  Await([&] { return room.go.load() >= step; });
}

class RwLockTest : public ::testing::TestWithParam<World> {};
INSTANTIATE_TEST_SUITE_P(Worlds, RwLockTest, ::testing::ValuesIn(tests::kAllWorlds), tests::WorldName);

// Whoever reads sees both halves of what somebody wrote, and no write is lost.
TEST_P(RwLockTest, ReadersSeeWholeWrites) {
  SharedInSegment<Room> shared(GetParam());
  constexpr int kTimes = 1500;
  shared.Run(5, [](Room& room, int number) {
    for (int i = 0; i < kTimes; ++i) {
      if (number < 2) {
        auto guard = room.pair.Write();
        ASSERT_TRUE(guard.ok()) << guard.status();
        ++(*guard)->left;
        ++(*guard)->right;
      } else {
        auto guard = room.pair.Read();
        ASSERT_TRUE(guard.ok()) << guard.status();
        ASSERT_EQ((*guard)->left, (*guard)->right);
      }
    }
  });
  EXPECT_EQ(shared->pair.WithRead([](const Pair& pair) { return pair.left; }).value(), 2 * kTimes);
  EXPECT_EQ(shared->pair.readers(), 0);
}

// Three are inside at one moment; a writer is not, and comes when the last has left.
TEST_P(RwLockTest, ReadersAreInsideTogetherAndAWriterAlone) {
  SharedInSegment<Room> shared(GetParam());
  std::vector<Party> parties;
  for (int i = 0; i < 3; ++i) {
    parties.push_back(shared.Start(i, [](Room& room, int number) {
      auto guard = room.pair.Read();
      ASSERT_TRUE(guard.ok());
      room.reading.fetch_add(1);
      Reach(room, 1 + number);
      EXPECT_EQ((*guard)->left, 0);
    }));
  }
  Await([&] { return shared->reading.load() == 3; });
  EXPECT_FALSE(shared->pair.TryWrite().has_value());
  EXPECT_TRUE(absl::IsDeadlineExceeded(shared->pair.Write(absl::Milliseconds(1)).status()));
  EXPECT_TRUE(shared->pair.TryRead().has_value());  // who gave up holds nobody back
  Party writer = shared.Start(3, [](Room& room, int) {
    auto guard = room.pair.Write();
    ASSERT_TRUE(guard.ok());
    (*guard)->left = 1;
  });
  Await([&] { return shared->pair.written(); });
  for (int i = 0; i < 3; ++i) {
    writer.AwaitAsleep();
    shared->go = 1 + i;
    parties[i].Join();
  }
  writer.Join();
  EXPECT_EQ(shared->pair.WithRead([](const Pair& pair) { return pair.left; }).value(), 1);
}

// From the moment a writer waits, nobody who comes reads before it: with one reader inside and others coming, it is the next.
TEST_P(RwLockTest, WhoComesAfterAWriterDoesNotReadBeforeIt) {
  SharedInSegment<Room> shared(GetParam());
  auto inside = shared->pair.Read();
  ASSERT_TRUE(inside.ok());
  Party writer = shared.Start(0, [](Room& room, int) {
    auto guard = room.pair.Write();
    ASSERT_TRUE(guard.ok());
    (*guard)->left = 1;
  });
  Await([&] { return shared->pair.written(); });
  std::vector<Party> late;
  for (int i = 1; i < 4; ++i) {
    late.push_back(shared.Start(i, [](Room& room, int) {
      EXPECT_FALSE(room.pair.TryRead().has_value());
      auto guard = room.pair.Read();
      ASSERT_TRUE(guard.ok());
      EXPECT_EQ((*guard)->left, 1);
    }));
  }
  for (Party& party : late) party.AwaitAsleep();
  writer.AwaitAsleep();
  inside->Release();
  writer.Join();
  for (Party& party : late) party.Join();
}

// A reader that waits for one writer reads before the next one writes, however many of them there are and however soon they come: it
// sees the very state that the first one left. By counting, not by time.
TEST_P(RwLockTest, WhoWaitsForAWriterReadsBeforeTheNext) {
  SharedInSegment<Room> shared(GetParam());
  auto first = shared->pair.Write();
  ASSERT_TRUE(first.ok());
  std::vector<Party> parties;
  for (int i = 0; i < 2; ++i) {
    parties.push_back(shared.Start(i, [](Room& room, int) {
      auto guard = room.pair.Read();
      ASSERT_TRUE(guard.ok());
      EXPECT_EQ((*guard)->left, 1);
    }));
  }
  Await([&] { return shared->pair.readers() == 2; });
  for (Party& party : parties) party.AwaitAsleep();
  for (int i = 0; i < 3; ++i) {
    parties.push_back(shared.Start(2 + i, [](Room& room, int) {
      for (int n = 0; n < 100; ++n) ASSERT_TRUE(room.pair.WithWrite([](Pair& pair) { ++pair.left; }).ok());
    }));
  }
  for (Party& party : parties) party.AwaitAsleep();
  ++(*first)->left;
  first->Release();
  for (Party& party : parties) party.Join();
}

// 32 read at once. The next one waits, and comes in when any of them leaves.
TEST_P(RwLockTest, WhenAllWordsAreTakenAReaderWaitsForOne) {
  SharedInSegment<Room> shared(GetParam());
  std::vector<Party> parties;
  for (int i = 0; i < 32; ++i) {
    parties.push_back(shared.Start(i, [](Room& room, int number) {
      auto guard = room.pair.Read();
      ASSERT_TRUE(guard.ok());
      room.reading.fetch_add(1);
      Reach(room, number == 17 ? 1 : 2);
    }));
  }
  Await([&] { return shared->reading.load() == 32; });
  EXPECT_TRUE(absl::IsDeadlineExceeded(shared->pair.Read(absl::ZeroDuration()).status()));
  EXPECT_TRUE(absl::IsDeadlineExceeded(shared->pair.Read(absl::Milliseconds(1)).status()));
  Party one_more = shared.Start(32, [](Room& room, int) {
    auto guard = room.pair.Read();
    ASSERT_TRUE(guard.ok());
    room.reading.fetch_add(1);
    Reach(room, 2);
  });
  Await([&] { return shared->pair.written(); });
  one_more.AwaitAsleep();
  shared->go = 1;
  parties[17].Join();
  Await([&] { return shared->reading.load() == 33; });
  shared->go = 2;
  for (int i = 0; i < 32; ++i) {
    if (i != 17) parties[i].Join();
  }
  one_more.Join();
  EXPECT_TRUE(shared->pair.TryWrite().has_value());
}

TEST_P(RwLockTest, MoreReadersThanWordsFinish) {
  SharedInSegment<Room> shared(GetParam());
  shared.Run(40, [](Room& room, int number) {
    for (int i = 0; i < 50; ++i) {
      if (number == 0) {
        ASSERT_TRUE(room.pair.WithWrite([](Pair& pair) { ++pair.left, ++pair.right; }).ok());
      } else {
        ASSERT_TRUE(room.pair.WithRead([](const Pair& pair) { EXPECT_EQ(pair.left, pair.right); }).ok());
      }
    }
  });
}

TEST_P(RwLockTest, WhoReadsCanNeitherReadAgainNorWrite) {
  SharedInSegment<Room> shared(GetParam());
  shared.Run(2, [](Room& room, int) {
    auto guard = room.pair.Read();
    ASSERT_TRUE(guard.ok());
    EXPECT_TRUE(absl::IsFailedPrecondition(room.pair.Write().status()));
    EXPECT_TRUE(absl::IsFailedPrecondition(room.pair.Read().status()));
    EXPECT_TRUE(guard->held());
    // Others may be read and locked.
    EXPECT_TRUE(room.other.Read().ok());
    EXPECT_TRUE(room.mutex.Lock().ok());
  });
  auto guard = shared->pair.Write();
  ASSERT_TRUE(guard.ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(shared->pair.Read().status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(shared->pair.Write().status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(shared->mutex.Lock().status()));
  EXPECT_TRUE(shared->other.Read().ok());
}

// Through its other mapping too: it would wait for itself.
TEST(RwLockMisuseTest, WhoReadsThroughAnotherMappingCannotWrite) {
  SharedInSegment<Room> shared(World::kTwoMappings);
  auto guard = shared.view(0).pair.Read();
  ASSERT_TRUE(guard.ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(shared.view(1).pair.Write().status()));
  EXPECT_TRUE(shared.view(1).pair.TryRead().has_value());
}

// A thread_local guard that was there before the thread came to the segment ends after what the thread has in it.
TEST(RwLockMisuseTest, AGuardMayOutliveItsThreadsPlaces) {
  SharedInSegment<Room> shared(World::kThreads);
  const auto attachment = shm_internal::Attachment::Of(&*shared);
  const auto taken = [&] {
    int slots = 0;
    for (shm_internal::ThreadSlot& slot : attachment->threads()) slots += slot.life.word.load() != 0 ? 1 : 0;
    return slots;
  };
  const int before = taken();
  std::thread([&] {
    thread_local std::optional<ReadGuard<Pair>> outlives;
    outlives.reset();  // made here, before the first call into the segment
    outlives.emplace(shared->pair.Read().value());
    EXPECT_EQ(taken(), before + 1);
  }).join();
  EXPECT_EQ(shared->pair.readers(), 0);
  EXPECT_EQ(taken(), before);
  EXPECT_TRUE(shared->pair.TryWrite().has_value());
}

TEST(RwLockMisuseTest, AGuardThatHoldsNothingGivesNothing) {
  SharedInSegment<Room> shared(World::kThreads);
  auto reader = shared->pair.Read();
  ASSERT_TRUE(reader.ok());
  reader->Release();
  EXPECT_DEATH(static_cast<void>((*reader)->left), "a guard that is used");
  EXPECT_DEATH(static_cast<void>((**reader).left), "a guard that is used");
  auto writer = shared->pair.Write();
  ASSERT_TRUE(writer.ok());
  writer->Release();
  EXPECT_DEATH((*writer)->left = 1, "a guard that is used");
}

TEST(RwLockMisuseTest, OutsideOfASegmentItRefuses) {
  auto local = std::make_unique<RwLock<Pair>>();
  EXPECT_TRUE(absl::IsFailedPrecondition(local->Read().status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(local->Write().status()));
}

TEST_P(RwLockTest, WritesRollBack) {
  SharedInSegment<Room> shared(GetParam());
  const absl::Status status = shared->pair.WithWrite([](Pair& pair) {
    pair.left = 1;
    return absl::AbortedError("no");
  });
  EXPECT_TRUE(absl::IsAborted(status));
  EXPECT_THROW(
      {
        auto guard = shared->pair.Write();
        (*guard)->left = 1;
        throw 5;
      },
      int);
  auto guard = shared->pair.Write();
  ASSERT_TRUE(guard.ok());
  EXPECT_EQ((*guard)->left, 0);
  (*guard)->left = 2;
  guard->Rollback();
  EXPECT_EQ((*guard)->left, 0);
  (*guard)->right = 3;
  guard->Release();
  EXPECT_FALSE(guard->held());
  EXPECT_EQ(shared->pair.WithRead([](const Pair& pair) { return pair.left * 10 + pair.right; }).value(), 3);
}

TEST_P(RwLockTest, AConditionWaitsWithAWriter) {
  SharedInSegment<Room> shared(GetParam());
  Party waiter = shared.Start(1, [](Room& room, int) {
    auto guard = room.pair.Write();
    ASSERT_TRUE(guard.ok());
    (*guard)->left = 1;
    ASSERT_TRUE(room.changed.Wait(*guard, [&] { return (*guard)->right == 2; }).ok());
    (*guard)->left = 3;
  });
  Await([&] { return shared->pair.WithRead([](const Pair& pair) { return pair.left; }).value() == 1; });
  {
    auto guard = shared->pair.Write();
    ASSERT_TRUE(guard.ok());
    (*guard)->right = 2;
    ASSERT_TRUE(shared->changed.Notify(*guard).ok());
  }
  waiter.Join();
  EXPECT_EQ(shared->pair.WithRead([](const Pair& pair) { return pair.left; }).value(), 3);
}

// ---- deaths outside of any call (those inside are the kill driver's)

TEST(RwLockDeathTest, ADeadReaderBlocksNoWriter) {
  SharedInSegment<Room> shared(World::kProcesses);
  Party reader = shared.Start(0, [](Room& room, int) {
    auto guard = room.pair.Read();
    room.reading = 1;
    for (;;) pause();
  });
  Await([&] { return shared->reading.load() == 1; });
  Party writer = shared.Start(1, [](Room& room, int) {
    auto guard = room.pair.Write();
    ASSERT_TRUE(guard.ok());
    EXPECT_FALSE(guard->recovered());
  });
  Await([&] { return shared->pair.written(); });
  writer.AwaitAsleep();
  reader.Kill();
  writer.Join();
  EXPECT_EQ(shared->pair.readers(), 0);
}

// Its section is undone by whoever comes first, a reader here, and all who wait go on.
TEST(RwLockDeathTest, ADeadWritersSectionIsUndoneByReaders) {
  SharedInSegment<Room> shared(World::kProcesses);
  Party writer = shared.Start(0, [](Room& room, int) {
    auto guard = room.pair.Write();
    (*guard)->left = 1;
    room.go = 1;
    for (;;) pause();
  });
  Reach(*shared, 1);
  std::vector<Party> readers;
  for (int i = 1; i < 4; ++i) {
    readers.push_back(shared.Start(i, [](Room& room, int) {
      auto guard = room.pair.Read();
      ASSERT_TRUE(guard.ok());
      EXPECT_EQ((*guard)->left, 0);
      if (guard->recovered()) room.reading.fetch_add(1);
    }));
  }
  for (Party& party : readers) party.AwaitAsleep();
  writer.Kill();
  for (Party& party : readers) party.Join();
  EXPECT_EQ(shared->reading.load(), 1);
}

TEST(RwLockDeathTest, ADeadWritersSectionIsUndoneByTheNextWriter) {
  SharedInSegment<Room> shared(World::kProcesses);
  Party writer = shared.Start(0, [](Room& room, int) {
    auto guard = room.pair.Write();
    (*guard)->left = 1;
    room.go = 1;
    for (;;) pause();
  });
  Reach(*shared, 1);
  writer.Kill();
  auto guard = shared->pair.Write();
  ASSERT_TRUE(guard.ok());
  EXPECT_TRUE(guard->recovered());
  EXPECT_EQ((*guard)->left, 0);
}

// A guard in a forked child is the parent's.
TEST(RwLockDeathTest, AForkedChildReadsNothing) {
  SharedInSegment<Room> shared(World::kProcesses);
  auto guard = shared->pair.Read();
  ASSERT_TRUE(guard.ok());
  Party child = shared.Start(0, [&](Room& room, int) {
    guard->Release();
    EXPECT_TRUE(room.pair.Read().ok());
  });
  child.Join();
  EXPECT_FALSE(shared->pair.TryWrite().has_value());
  guard->Release();
  EXPECT_TRUE(shared->pair.TryWrite().has_value());
}

}  // namespace
}  // namespace shoal
