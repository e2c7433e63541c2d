// Containers between parties: what one puts in, the others find, at whatever address they see it; what one had open when it died is
// taken back. Three worlds.

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "shoal/shm/box.h"
#include "shoal/shm/deque.h"
#include "shoal/shm/hash_map.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/rw_lock.h"
#include "shoal/shm/string.h"
#include "shoal/shm/variant.h"
#include "shoal/shm/vector.h"
#include "shoal/sync/status.h"
#include "shoal/tests/worlds/segment_world.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal {
namespace {

using tests::Await;
using tests::Party;
using tests::SharedInSegment;
using tests::World;

constexpr int kParties = 3;
constexpr int kRounds = 150;

struct Fish {
  int64_t number = 0;
  String name;
  Box<String> note;
};
using Rows = HashMap<String, Vector<Variant>>;

struct Room {
  Mutex<Vector<Fish>> fish;
  Mutex<Rows> rows;
  RwLock<HashMap<uint32_t, int64_t>> numbers;
  Mutex<Deque<uint64_t>> line;
  std::atomic<int> inside{0};
};

class ContainersTest : public ::testing::TestWithParam<World> {};
INSTANTIATE_TEST_SUITE_P(Worlds, ContainersTest, ::testing::ValuesIn(tests::kAllWorlds), tests::WorldName);

TEST_P(ContainersTest, AVectorOfStructsGrowsUnderAllHands) {
  SharedInSegment<Room> shared(GetParam());
  shared.Run(kParties, [](Room& room, int number) {
    for (int i = 0; i < kRounds; ++i) {
      ASSERT_TRUE(room.fish
                      .With([&](Vector<Fish>& fish) -> absl::Status {
                        SHOAL_RETURN_IF_ERROR(fish.PushBack(number, absl::StrCat("fish ", i), "a note"));
                        SHOAL_ASSIGN_OR_RETURN(Fish * last, fish.Edit(fish.size() - 1));
                        SHOAL_RETURN_IF_ERROR(last->name.Append(" of the deep sea, far from any coast"));
                        return i % 10 == 9 ? last->note.Clear() : absl::OkStatus();
                      })
                      .ok());
    }
  });
  auto guard = shared->fish.Lock();
  ASSERT_TRUE(guard.ok());
  const Vector<Fish>& fish = **guard;
  ASSERT_EQ(fish.size(), size_t{kParties * kRounds});
  std::vector<int> next(kParties);
  for (const Fish& one : fish) {
    const int i = next.at(static_cast<size_t>(one.number))++;  // each party's in its own order
    EXPECT_EQ(one.name.view(), absl::StrCat("fish ", i, " of the deep sea, far from any coast"));
    EXPECT_EQ(one.note.empty(), i % 10 == 9);
  }
}

TEST_P(ContainersTest, AMapOfListsOfVariantsIsOneForAll) {
  SharedInSegment<Room> shared(GetParam());
  shared.Run(kParties, [](Room& room, int number) {
    for (int i = 0; i < kRounds; ++i) {
      ASSERT_TRUE(room.rows
                      .With([&](Rows& rows) -> absl::Status {
                        SHOAL_ASSIGN_OR_RETURN(Vector<Variant> * row, rows.FindOrInsert(absl::StrCat("row ", i % 20)));
                        SHOAL_RETURN_IF_ERROR(row->PushBack(number));
                        SHOAL_RETURN_IF_ERROR(row->PushBack("text, too"));
                        if (i % 20 != 0) return absl::OkStatus();
                        SHOAL_RETURN_IF_ERROR(rows.Insert(absl::StrCat("of ", number, ", ", i)).status());
                        return rows.Erase(absl::StrCat("of ", number, ", ", i - 20)).status();
                      })
                      .ok());
    }
  });
  auto guard = shared->rows.Lock();
  ASSERT_TRUE(guard.ok());
  const Rows& rows = **guard;
  EXPECT_EQ(rows.size(), size_t{20 + kParties});
  size_t values = 0;
  for (int i = 0; i < 20; ++i) {
    const Vector<Variant>* row = rows.Find(absl::StrCat("row ", i));
    ASSERT_NE(row, nullptr);
    for (size_t j = 0; j < row->size(); j += 2) {
      EXPECT_TRUE((*row)[j].AsInt().ok());
      EXPECT_EQ((*row)[j + 1].AsString().value(), "text, too");
    }
    values += row->size() / 2;
  }
  EXPECT_EQ(values, size_t{kParties * kRounds});
}

// Readers beside a writer: each sees a map whose values are all of one round.
TEST_P(ContainersTest, ReadersOfAMapSeeWholeSections) {
  SharedInSegment<Room> shared(GetParam());
  shared.Run(kParties, [](Room& room, int number) {
    for (int i = 0; i < kRounds; ++i) {
      if (number == 0) {
        auto guard = room.numbers.Write();
        ASSERT_TRUE(guard.ok());
        for (uint32_t key = 0; key < 20; ++key) ASSERT_TRUE((*guard)->Set(key + static_cast<uint32_t>(i) % 2 * 20, i).ok());
        for (uint32_t key = 0; key < 20; ++key) ASSERT_TRUE((*guard)->Erase(key + static_cast<uint32_t>(i + 1) % 2 * 20).ok());
      } else {
        auto guard = room.numbers.Read();
        ASSERT_TRUE(guard.ok());
        const HashMap<uint32_t, int64_t>& numbers = **guard;
        if (numbers.empty()) continue;  // before the first round
        ASSERT_EQ(numbers.size(), 20u);
        const int64_t round = (*numbers.begin()).value;
        for (const auto& [key, value] : numbers) ASSERT_EQ(value, round) << key;
      }
    }
  });
}

// A line of numbers, in at one end and out at the other.
TEST_P(ContainersTest, ADequeHandsOnInOrder) {
  SharedInSegment<Room> shared(GetParam());
  constexpr uint64_t kNumbers = 300;
  shared.Run(2, [](Room& room, int number) {
    for (uint64_t next = 0; next < kNumbers;) {
      auto guard = room.line.Lock();
      ASSERT_TRUE(guard.ok());
      Deque<uint64_t>& line = **guard;
      if (number == 0) {
        if (line.size() == 8) continue;
        ASSERT_TRUE(line.PushBack(next++).ok());
      } else if (!line.empty()) {
        ASSERT_EQ(line[0], next++);
        ASSERT_TRUE(line.PopFront().ok());
      }
    }
  });
}

// Killed in the middle of a section that has grown, moved, erased: the next owner finds everything as it was, memory too.
TEST(ContainersDeathTest, ASectionOverAllOfThemIsTakenBack) {
  SharedInSegment<Room> shared(World::kProcesses);
  const auto fill = [](Room& room) {
    auto guard = room.rows.Lock();
    for (int i = 0; i < 20; ++i) {
      auto row = (*guard)->Insert(std::to_string(i));
      ASSERT_TRUE(row.ok() && (*row)->PushBack("herring").ok() && (*row)->PushBack(i).ok());
    }
  };
  fill(*shared);
  Party victim = shared.Start(1, [](Room& room, int) {
    auto guard = room.rows.Lock();
    Rows& rows = **guard;
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(rows.Erase(std::to_string(i)).ok());
    for (int i = 20; i < 200; ++i) ASSERT_TRUE(rows.Insert(std::to_string(i)).ok());
    for (int i = 10; i < 20; ++i) ASSERT_TRUE((*rows.FindMut(std::to_string(i)))->Edit(0).value()->SetInt(7).ok());
    room.inside = 1;
    for (;;) pause();
  });
  Await([&] { return shared->inside.load() == 1; });
  victim.Kill();
  auto guard = shared->rows.Lock();
  ASSERT_TRUE(guard.ok());
  EXPECT_TRUE(guard->recovered());
  const Rows& rows = **guard;
  ASSERT_EQ(rows.size(), 20u);
  for (int i = 0; i < 20; ++i) {
    const Vector<Variant>* row = rows.Find(std::to_string(i));
    ASSERT_NE(row, nullptr) << i;
    ASSERT_EQ(row->size(), 2u);
    EXPECT_EQ((*row)[0].AsString().value(), "herring");
    EXPECT_EQ((*row)[1].AsInt().value(), i);
  }
}

}  // namespace
}  // namespace shoal
