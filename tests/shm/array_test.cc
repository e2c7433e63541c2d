// An array's elements, lent to processes: disjoint ranges at once, an overlap refused or waited for, a death taken back and marked.

#include "shoal/shm/array.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shoal/shm/segment.h"
#include "shoal/tests/shm/object_world.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using tests::Await;
using tests::Cue;
using tests::InSegment;
using tests::Party;
using tests::World;

using Numbers = Array<int64_t>;

// More than a slab's block has.
constexpr size_t kLength = 1000;

template <class T, class... Args>
InSegment<Array<T>> ArrayOf(World world, Args... args) {
  return InSegment<Array<T>>(world, size_t{16} << 20, [&](Array<T>* where, shm_internal::Section& section) {
    return Array<T>::ConstructInSegment(where, section, args...);
  });
}

class ArrayWorlds : public testing::TestWithParam<World> {};
INSTANTIATE_TEST_SUITE_P(All, ArrayWorlds, testing::ValuesIn(tests::kAllWorlds), tests::WorldName);

// Each party adds 1 to the elements of a range that is partly another's: with a lost addition the sums are wrong.
TEST_P(ArrayWorlds, WhoWritesHasItsElementsAlone) {
  const auto array = ArrayOf<int64_t>(GetParam(), kLength);
  constexpr int kRounds = 100;
  array.Run(4, [](Numbers& mine, int number) {
    const size_t begin = static_cast<size_t>(number) * 200;
    for (int i = 0; i < kRounds; ++i) {
      auto lent = mine.BorrowMut(begin, begin + 300, absl::InfiniteDuration());
      ASSERT_TRUE(lent.ok()) << lent.status();
      EXPECT_FALSE(lent->abandoned());
      for (int64_t& element : lent->span()) ++element;
    }
  });
  for (size_t i = 0; i < kLength; ++i) {
    const int64_t parties = (i < 800 && i % 200 < 100 && i >= 200) ? 2 : i < 900 ? 1 : 0;
    EXPECT_EQ(array->Get(i).value(), parties * kRounds) << i;
  }
}

TEST_P(ArrayWorlds, DisjointRangesAndReadersAtOnce) {
  const auto array = ArrayOf<int64_t>(GetParam(), kLength);
  auto low = array->BorrowMut(0, 100);
  auto high = array->BorrowMut(100, 200);
  auto reader = array->Borrow(200, 300);
  ASSERT_TRUE(low.ok() && high.ok() && reader.ok());
  array.Run(2, [](Numbers& mine, int) {
    EXPECT_TRUE(mine.Borrow(250, 1000).ok());  // reading beside a reader
    EXPECT_EQ(mine.BorrowMut(250, 251).status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(mine.Borrow(199, 200).status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_TRUE(absl::IsDeadlineExceeded(mine.Borrow(0, 1, absl::Microseconds(300)).status()));
    EXPECT_FALSE(mine.TryBorrowMut(50, 51).has_value());
    EXPECT_FALSE(mine.TryBorrow(50, 51).has_value());
    EXPECT_TRUE(mine.TryBorrow(50, 50).has_value());  // of nothing
  });
}

TEST_P(ArrayWorlds, ASleeperIsWokenByWhoGivesBack) {
  const auto array = ArrayOf<int64_t>(GetParam(), kLength);
  auto all = array->BorrowMut(0, kLength);
  ASSERT_TRUE(all.ok());
  std::vector<Party> parties;
  for (int i = 0; i < 3; ++i) {
    parties.push_back(array.Start(i, [](Numbers& mine, int number) {
      const size_t begin = static_cast<size_t>(number) * 10;
      if (number == 0) {
        EXPECT_TRUE(mine.Borrow(begin, begin + 20, absl::InfiniteDuration()).ok());
      } else {
        EXPECT_TRUE(mine.BorrowMut(begin, begin + 20, absl::InfiniteDuration()).ok());
      }
    }));
    parties.back().AwaitAsleep();
  }
  all->span()[5] = 77;
  EXPECT_TRUE(all->Release().ok());
  for (Party& party : parties) party.Join();
  EXPECT_EQ(array->Get(5).value(), 77);
}

TEST_P(ArrayWorlds, CopiesGoInAndOut) {
  const auto array = ArrayOf<int64_t>(GetParam(), kLength);
  array.Run(4, [](Numbers& mine, int number) {
    const size_t begin = static_cast<size_t>(number) * 100;
    std::vector<int64_t> values(100);
    std::iota(values.begin(), values.end(), number * 1000);
    ASSERT_TRUE(mine.Write(begin, values).ok());
    std::vector<int64_t> copy(100);
    ASSERT_TRUE(mine.Read(begin, std::span(copy)).ok());
    EXPECT_EQ(copy, values);
    EXPECT_TRUE(mine.Set(begin, -1).ok());
    EXPECT_EQ(mine.Get(begin).value(), -1);
  });
  auto reader = array->Borrow(0, 1);
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ(array->Set(0, 5).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(array->Write(0, std::array<int64_t, 2>{}).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(array->Get(0).ok());
}

// ---- deaths -------------------------------------------------------------------------------------------------------------------

// Borrows until it is killed.
Party Borrower(const InSegment<Numbers>& array, size_t begin, size_t end, bool writes, const Cue& cue) {
  Party borrower = array.Start(0, [=, &cue](Numbers& mine, int) {
    auto lent = mine.BorrowMut(begin, writes ? end : begin);
    auto read = mine.Borrow(begin, writes ? begin : end);
    EXPECT_TRUE(lent.ok() && read.ok());
    cue.Give();
    for (;;) pause();
  });
  cue.Await();
  return borrower;
}

TEST(ArrayDeathTest, ADeadBorrowersRangeIsFreeAgainAndMarked) {
  const auto array = ArrayOf<int64_t>(World::kProcesses, kLength);
  Cue cue;
  Party borrower = Borrower(array, 100, 200, /*writes=*/true, cue);
  Party sleeper = array.Start(1, [](Numbers& mine, int) {
    auto lent = mine.BorrowMut(150, 250, absl::InfiniteDuration());
    ASSERT_TRUE(lent.ok()) << lent.status();
    EXPECT_TRUE(lent->abandoned());
  });
  sleeper.AwaitAsleep();
  borrower.Kill();
  sleeper.Join();
  // [150, 200) has been had. The rest stays marked, for readers too, until somebody has it for writing.
  EXPECT_FALSE(array->Borrow(150, 1000)->abandoned());
  EXPECT_FALSE(array->Borrow(0, 100)->abandoned());
  EXPECT_TRUE(array->Borrow(149, 150)->abandoned());
  EXPECT_TRUE(array->Borrow(149, 150)->abandoned());
  EXPECT_TRUE(array->BorrowMut(120, 130)->abandoned());
  EXPECT_FALSE(array->BorrowMut(120, 130)->abandoned());
  EXPECT_TRUE(array->Borrow(110, 120)->abandoned());
  EXPECT_TRUE(array->Borrow(130, 140)->abandoned());
  EXPECT_TRUE(array->Write(100, std::vector<int64_t>(50)).ok());
  EXPECT_FALSE(array->Borrow(0, kLength)->abandoned());
}

TEST(ArrayDeathTest, ADeadReaderLeavesNothing) {
  const auto array = ArrayOf<int64_t>(World::kProcesses, kLength);
  Cue cue;
  Party reader = Borrower(array, 0, 10, /*writes=*/false, cue);
  EXPECT_FALSE(array->TryBorrowMut(0, 1).has_value());
  reader.Kill();
  auto lent = array->BorrowMut(0, 10);
  ASSERT_TRUE(lent.ok()) << lent.status();
  EXPECT_FALSE(lent->abandoned());
}

TEST(ArrayDeathTest, ARefusalSaysWho) {
  const auto array = ArrayOf<int64_t>(World::kProcesses, kLength);
  Cue cue;
  Party borrower = Borrower(array, 100, 200, /*writes=*/true, cue);
  const auto refused = array->Borrow(150, 160);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.status().message()),
              AllOf(HasSubstr("[150, 160)"), HasSubstr("for reading"), HasSubstr("[100, 200) for writing"),
                    HasSubstr("process " + std::to_string(borrower.tid()) + " (")));
  const auto late = array->BorrowMut(199, 201, absl::Milliseconds(1));
  EXPECT_TRUE(absl::IsDeadlineExceeded(late.status()));
  EXPECT_THAT(std::string(late.status().message()), HasSubstr("[100, 200) for writing"));
  auto own = array->Borrow(0, 1);
  EXPECT_THAT(std::string(array->BorrowMut(0, 5).status().message()), HasSubstr("this process has [0, 1) for reading"));
  borrower.Kill();
}

TEST(ArrayDeathTest, ExecAndStop) {
  const auto array = ArrayOf<int64_t>(World::kProcesses, kLength);
  Cue cue;
  Cue go;
  Party borrower = array.Start(0, [&](Numbers& mine, int) {
    auto lent = mine.BorrowMut(0, 10);
    EXPECT_TRUE(lent.ok());
    cue.Give();
    go.Await();
    execl("/bin/sleep", "sleep", "1000", nullptr);
  });
  cue.Await();
  kill(borrower.tid(), SIGSTOP);
  Await([&] { return tests::ProcessState(borrower.tid()) == 'T'; });
  EXPECT_FALSE(array->TryBorrow(0, 1).has_value());  // stopped is not dead
  kill(borrower.tid(), SIGCONT);
  Party sleeper = array.Start(1, [](Numbers& mine, int) {
    auto lent = mine.BorrowMut(0, 1, absl::InfiniteDuration());
    ASSERT_TRUE(lent.ok());
    EXPECT_TRUE(lent->abandoned());
  });
  sleeper.AwaitAsleep();
  go.Give();
  sleeper.Join();
  borrower.Kill();
}

TEST(ArrayDeathTest, TheParentsBorrowIsDeadInAForkedChild) {
  const auto array = ArrayOf<int64_t>(World::kProcesses, kLength);
  auto lent = array->BorrowMut(0, 10);
  ASSERT_TRUE(lent.ok());
  Party child = array.Start(0, [&lent](Numbers& mine, int) {
    EXPECT_FALSE(lent->held());
    EXPECT_TRUE(lent->span().empty());
    EXPECT_EQ(lent->Release().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_FALSE(mine.TryBorrow(0, 1).has_value());  // the parent has it still
  });
  child.Join();
  EXPECT_EQ(lent->span().size(), 10u);
  EXPECT_TRUE(lent->Release().ok());
}

// More dead ranges than there are places for marks: what lies between two is marked with them, and nothing is forgotten.
TEST(ArrayDeathTest, ManyMarksAreMerged) {
  const auto array = ArrayOf<int64_t>(World::kProcesses, kLength);
  Cue cue;
  for (int round = 0; round < 3; ++round) {
    Party borrower = array.Start(0, [&cue](Numbers& mine, int) {
      std::vector<Borrowed<int64_t>> all;
      for (size_t i = 0; i < 100; ++i) {
        auto lent = mine.BorrowMut(i * 8, i * 8 + 3);
        ASSERT_TRUE(lent.ok()) << lent.status();
        all.push_back(*std::move(lent));
      }
      cue.Give();
      for (;;) pause();
    });
    cue.Await();
    borrower.Kill();
  }
  for (size_t i = 0; i < 100; ++i) EXPECT_TRUE(array->Borrow(i * 8 + 2, i * 8 + 3)->abandoned()) << i;
  EXPECT_FALSE(array->Borrow(100 * 8, kLength)->abandoned());
  for (size_t i = 0; i < 100; ++i) EXPECT_TRUE(array->BorrowMut(i * 8, i * 8 + 8).ok());
  EXPECT_FALSE(array->Borrow(0, kLength)->abandoned());
}

// ---- one process --------------------------------------------------------------------------------------------------------------

TEST(ArrayTest, AsLongAsItWasMadeAndZero) {
  const auto none = ArrayOf<int64_t>(World::kThreads, size_t{0});
  EXPECT_TRUE(none->empty());
  EXPECT_TRUE(none->Borrow(0, 0).ok());
  EXPECT_EQ(none->Get(0).status().code(), absl::StatusCode::kOutOfRange);
  const std::vector<int64_t> values = {3, 1, 4};
  const auto three = ArrayOf<int64_t>(World::kThreads, std::span<const int64_t>(values));
  EXPECT_EQ(three->size(), 3u);
  EXPECT_THAT(three->Borrow(0, 3)->span(), ElementsAre(3, 1, 4));
  for (const size_t length : {size_t{1}, size_t{100}, size_t{1'000'000}}) {
    const auto array = ArrayOf<int64_t>(World::kThreads, length);
    auto lent = array->BorrowMut(0, length);
    ASSERT_TRUE(lent.ok());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(lent->span().data()) % 64, 0u);
    for (const int64_t element : lent->span()) ASSERT_EQ(element, 0);
  }
}

// Memory that an earlier array has left full of other bytes.
TEST(ArrayTest, NoStaleBytes) {
  auto segment = Segment::Create({.limit_bytes = size_t{4} << 20});
  ASSERT_TRUE(segment.ok());
  for (const size_t length : {size_t{8}, size_t{4000}, size_t{200'000}, size_t{300'000}, size_t{8}}) {
    auto array = segment->New<Numbers>(length);
    ASSERT_TRUE(array.ok()) << array.status();
    auto all = (*array)->BorrowMut(0, length);
    ASSERT_TRUE(all.ok()) << all.status();
    for (int64_t& element : all->span()) {
      ASSERT_EQ(element, 0);
      element = -1;
    }
  }
}

TEST(ArrayTest, TheLastHandleGivesTheElementsBack) {
  auto segment = Segment::Create({.limit_bytes = size_t{8} << 20});
  ASSERT_TRUE(segment.ok());
  ASSERT_TRUE(segment->New<Numbers>(size_t{1}).ok());  // what a segment keeps of a type
  const size_t before = segment->used_bytes();
  for (int i = 0; i < 20; ++i) {
    const std::vector<int64_t> values(500'000, i);
    auto array = segment->New<Numbers>(values);
    ASSERT_TRUE(array.ok()) << array.status();
    EXPECT_EQ((*array)->Get(499'999).value(), i);
    EXPECT_GT(segment->used_bytes(), before + 4'000'000);
  }
  EXPECT_EQ(segment->used_bytes(), before);
}

TEST(ArrayTest, NoMemoryLeavesNothing) {
  auto segment = Segment::Create({.limit_bytes = size_t{1} << 20});
  ASSERT_TRUE(segment.ok());
  ASSERT_TRUE(segment->New<Numbers>(size_t{1}).ok());
  const size_t before = segment->used_bytes();
  for (const size_t length : {size_t{1} << 20, SIZE_MAX / 8, SIZE_MAX}) {
    EXPECT_EQ(segment->New<Numbers>(length).status().code(), absl::StatusCode::kResourceExhausted);
  }
  EXPECT_EQ(segment->used_bytes(), before);
}

TEST(ArrayTest, EveryIndexIsChecked) {
  const auto array = ArrayOf<int64_t>(World::kThreads, kLength);
  EXPECT_EQ(array->Get(kLength).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(array->Set(SIZE_MAX, 1).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(array->Borrow(5, 4).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(array->BorrowMut(0, kLength + 1).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(array->BorrowMut(SIZE_MAX, SIZE_MAX).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(array->Write(SIZE_MAX, std::array<int64_t, 3>{}).code(), absl::StatusCode::kOutOfRange);
  std::array<int64_t, 3> out;
  EXPECT_EQ(array->Read(kLength - 2, out).code(), absl::StatusCode::kOutOfRange);
}

TEST(ArrayTest, StructsAndBytes) {
  struct Point {
    double x, y, z;
    uint8_t colour;
  };
  const auto points = ArrayOf<Point>(World::kThreads, size_t{10});
  EXPECT_TRUE(points->Set(3, {1, 2, 3, 4}).ok());
  EXPECT_EQ(points->Get(3)->z, 3);
  EXPECT_EQ(points->Get(4)->z, 0);
  const auto bytes = ArrayOf<uint8_t>(World::kThreads, size_t{10});
  EXPECT_TRUE(bytes->Set(9, 200).ok());
  EXPECT_EQ(bytes->Get(9).value(), 200);
}

TEST(ArrayTest, OnlySoManyAtOneTime) {
  const auto array = ArrayOf<int64_t>(World::kThreads, kLength);
  std::vector<Borrowed<const int64_t>> lent;
  for (int i = 0; i < 128; ++i) {
    auto one = array->Borrow(0, 1);
    ASSERT_TRUE(one.ok()) << i << one.status();
    lent.push_back(*std::move(one));
  }
  EXPECT_EQ(array->Borrow(0, 1).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(array->BorrowMut(5, 6).status().code(), absl::StatusCode::kResourceExhausted);
  lent.pop_back();
  EXPECT_TRUE(array->BorrowMut(5, 6).ok());
}

TEST(ArrayTest, MisuseIsAStatus) {
  const auto array = ArrayOf<int64_t>(World::kThreads, kLength);
  auto lent = array->BorrowMut(0, 10);
  ASSERT_TRUE(lent.ok());
  Borrowed<int64_t> moved = *std::move(lent);
  EXPECT_TRUE(lent->span().empty());
  EXPECT_EQ(lent->Release().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(moved.span().size(), 10u);
  EXPECT_TRUE(moved.Release().ok());
  EXPECT_TRUE(moved.span().empty());
  EXPECT_EQ(moved.Release().code(), absl::StatusCode::kFailedPrecondition);
  moved = *array->BorrowMut(10, 20);
  EXPECT_TRUE(array->TryBorrowMut(0, 10).has_value());
  EXPECT_FALSE(array->TryBorrowMut(10, 11).has_value());
}

TEST(ArrayTest, ABorrowKeepsItsSegmentMapped) {
  auto array = ArrayOf<int64_t>(World::kThreads, kLength);
  auto lent = array->BorrowMut(0, kLength);
  ASSERT_TRUE(lent.ok());
  array.Forget();
  lent->span()[kLength - 1] = 5;
  EXPECT_TRUE(lent->Release().ok());
}

// Every bit of what lies beside the elements, one after the other: a Status or an answer, never an access outside.
// The length is shared: what it was when it was checked it need not be a moment later.
TEST(ArrayTest, ALengthThatChangesAllTheTime) {
  const Segment segment = Segment::Create({.limit_bytes = size_t{1} << 20}).value();
  const auto array = segment.New<Array<uint64_t>>(size_t{1000}).value();
  auto* const length = reinterpret_cast<uint64_t*>(array.get());
  std::atomic<bool> over{false};
  std::thread scribbler([&] {
    while (!over) {
      for (const uint64_t wrong : {uint64_t{0}, uint64_t{1} << 40}) {
        __atomic_store_n(length, wrong, __ATOMIC_RELAXED);
        __atomic_store_n(length, 1000, __ATOMIC_RELAXED);
      }
    }
  });
  for (int i = 0; i < 300'000; ++i) {
    if (const auto got = array->Get(5); got.ok()) {
      EXPECT_EQ(*got, 0u);
    }
    EXPECT_FALSE(array->TryBorrow(size_t{1} << 30, (size_t{1} << 30) + 10).has_value());
  }
  over = true;
  scribbler.join();
  __atomic_store_n(length, 1000, __ATOMIC_RELAXED);
}

TEST(ArrayTest, FlippedBitsAreAStatus) {
  auto array = ArrayOf<int64_t>(World::kThreads, kLength);
  std::byte whole[sizeof(Numbers)];
  auto* const bytes = reinterpret_cast<std::byte*>(&*array);
  auto lent = array->BorrowMut(0, 10);
  ASSERT_TRUE(lent.ok());
  std::memcpy(whole, bytes, sizeof(whole));
  for (size_t bit = 40 * 8; bit < 160 * 8; ++bit) {  // behind the lock, which has a test of its own
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
    auto other = array->BorrowMut(5, 500);
    if (other.ok()) {
      for (int64_t& element : other->span()) element = 1;
    }
    array->Get(0).status().IgnoreError();
    if (other.ok()) other->Release().IgnoreError();
    std::memcpy(bytes, whole, sizeof(whole));
  }
  EXPECT_TRUE(lent->Release().ok());
}

}  // namespace
}  // namespace shoal
