#include "shoal/shm/stored.h"

#include <boost/interprocess/offset_ptr.hpp>
#include <memory>
#include <new>
#include <string_view>

#include "gtest/gtest.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/heap.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/shareable.h"

namespace shoal {

// The smallest container: owns one T in a block of its own, or nothing.
template <class T>
class Cell {
 public:
  Cell() = default;
  Cell(const Cell&) = delete;
  Cell& operator=(const Cell&) = delete;

  const T& operator*() const { return *at_; }
  bool full() const { return at_.get() != nullptr; }
  uint64_t made_in() const { return made_in_; }

 private:
  friend struct shm_internal::StoredAccess;
  using Section = shm_internal::Section;

  static absl::Status Construct(Section& section, Cell* where) {
    new (where) Cell;
    where->made_in_ = section.number();
    return absl::OkStatus();
  }
  template <class... Args>
  static absl::Status Construct(Section& section, Cell* where, Args&&... args) {
    auto block = section.Allocate(sizeof(T), alignof(T));
    if (!block.ok()) return block.status();
    T* const at = reinterpret_cast<T*>(section.attachment().base() + block->offset);
    SHOAL_RETURN_IF_ERROR(shm_internal::Construct(section, at, std::forward<Args>(args)...));
    SHOAL_RETURN_IF_ERROR(Construct(section, where));
    where->at_ = at;
    return absl::OkStatus();
  }
  static void Relocate(Section& section, Cell* from, Cell* to) {
    T* const at = from->at_.get();
    new (to) Cell;
    to->made_in_ = section.number();
    to->at_ = at;
  }
  static absl::Status Dispose(shm_internal::Disposal& disposal, Cell& cell) {
    if (!cell.full()) return absl::OkStatus();
    SHOAL_RETURN_IF_ERROR(disposal.Free(cell.at_.get()));
    disposal.Add(cell.at_.get(), 1);
    return absl::OkStatus();
  }

  boost::interprocess::offset_ptr<T> at_;
  uint64_t made_in_ = 0;
};

template <class T>
struct ShareableTraits<Cell<T>> : SharedType<SharedKind::kContainer, T> {
  static constexpr std::string_view kName = "Cell";
};

namespace {

using shm_internal::Construct;
using shm_internal::Dispose;
using shm_internal::Relocate;
using shm_internal::Section;

struct Point {
  int x = 1;
  int y = 2;
};
struct Order {
  int number = 7;
  Cell<Point> at;
  Cell<Cell<int>> deep;
  std::array<Cell<int>, 2> two;
};
struct Chain {
  int value = 0;
  Cell<Chain> next;
};
struct Root {
  int unused = 0;
};

class StoredTest : public testing::Test {
 protected:
  void SetUp() override {
    auto segment = Segment::Create({.limit_bytes = size_t{1} << 20});
    ASSERT_TRUE(segment.ok()) << segment.status();
    segment_ = std::make_unique<Segment>(*std::move(segment));
    mutex_ = new (segment_->At<Mutex<Root>>(segment_->Allocate(sizeof(Mutex<Root>), 64).value())) Mutex<Root>;
    room_ = segment_->BytesAt(segment_->Allocate(kRoomBytes, 64).value(), kRoomBytes).data();
    ASSERT_TRUE(InSection([](Section&) { return absl::OkStatus(); }).ok());  // makes the journal
    blocks_at_first_ = Blocks();
  }

  // Runs `body` in a section; commits if it says OK.
  template <class Body>
  absl::Status InSection(Body body) {
    return mutex_->With([&](Root&) -> absl::Status { return body(*shm_internal::ThisThreadSections().open); });
  }
  uint64_t Blocks() const { return shm_internal::Attachment::Of(mutex_)->heap().Usage().allocated_blocks; }
  uint64_t OwnedBlocks() const { return Blocks() - blocks_at_first_; }

  template <class T>
  T* Room(size_t place = 0) const {
    return reinterpret_cast<T*>(room_ + place * kRoomBytes / 2);
  }

  static constexpr size_t kRoomBytes = 1024;
  std::unique_ptr<Segment> segment_;
  Mutex<Root>* mutex_ = nullptr;
  std::byte* room_ = nullptr;
  uint64_t blocks_at_first_ = 0;
};

TEST_F(StoredTest, PlainValuesAreBuiltFromWhatTheyTake) {
  ASSERT_TRUE(InSection([&](Section& section) {
                SHOAL_RETURN_IF_ERROR(Construct(section, Room<int>(), 5));
                EXPECT_EQ(*Room<int>(), 5);
                SHOAL_RETURN_IF_ERROR(Construct(section, Room<Point>(), 5));
                EXPECT_EQ(Room<Point>()->x, 5);
                EXPECT_EQ(Room<Point>()->y, 2);
                SHOAL_RETURN_IF_ERROR(Construct(section, Room<Point>(), Point{.x = 8, .y = 9}));
                EXPECT_EQ(Room<Point>()->y, 9);
                SHOAL_RETURN_IF_ERROR(Construct(section, Room<Point>()));
                EXPECT_EQ(Room<Point>()->x, 1);
                const int three[3] = {1, 2, 3};
                SHOAL_RETURN_IF_ERROR(Construct(section, Room<int[3]>(), three));
                EXPECT_EQ((*Room<int[3]>())[2], 3);
                return absl::OkStatus();
              }).ok());
}

TEST_F(StoredTest, AStructIsBuiltFieldByField) {
  ASSERT_TRUE(InSection([&](Section& section) {
                SHOAL_RETURN_IF_ERROR(Construct(section, Room<Order>()));
                EXPECT_EQ(Room<Order>()->number, 7);
                EXPECT_FALSE(Room<Order>()->at.full());
                EXPECT_EQ(Room<Order>()->at.made_in(), section.number());
                EXPECT_EQ(Room<Order>()->two[1].made_in(), section.number());
                SHOAL_RETURN_IF_ERROR(Construct(section, Room<Order>(), 3, Point{4, 5}, 6));
                EXPECT_EQ(Room<Order>()->number, 3);
                EXPECT_EQ((*Room<Order>()->at).y, 5);
                EXPECT_EQ(**Room<Order>()->deep, 6);
                return absl::OkStatus();
              }).ok());
  EXPECT_EQ(OwnedBlocks(), 3u);
}

TEST_F(StoredTest, WhatMovesKeepsWhatItOwns) {
  ASSERT_TRUE(InSection([&](Section& section) {
                SHOAL_RETURN_IF_ERROR(Construct(section, Room<Order>(), 3, Point{4, 5}, 6));
                Relocate(section, Room<Order>(), Room<Order>(1));
                std::memset(static_cast<void*>(Room<Order>()), 0xee, sizeof(Order));
                return absl::OkStatus();
              }).ok());
  EXPECT_EQ(Room<Order>(1)->number, 3);
  EXPECT_EQ((*Room<Order>(1)->at).y, 5);
  EXPECT_EQ(**Room<Order>(1)->deep, 6);
  EXPECT_EQ(OwnedBlocks(), 3u);
}

TEST_F(StoredTest, WhatIsGivenUpGoesWhenTheSectionCommits) {
  ASSERT_TRUE(InSection([&](Section& section) { return Construct(section, Room<Order>(), 3, Point{4, 5}, 6); }).ok());
  ASSERT_FALSE(InSection([&](Section& section) {
                 SHOAL_RETURN_IF_ERROR(Dispose(section, *Room<Order>()));
                 return absl::AbortedError("no");
               }).ok());
  EXPECT_EQ(OwnedBlocks(), 3u);
  EXPECT_EQ(**Room<Order>()->deep, 6);
  ASSERT_TRUE(InSection([&](Section& section) {
                SHOAL_RETURN_IF_ERROR(Dispose(section, *Room<Order>()));
                EXPECT_EQ(OwnedBlocks(), 3u);
                return absl::OkStatus();
              }).ok());
  EXPECT_EQ(OwnedBlocks(), 0u);
}

TEST_F(StoredTest, ALongChainIsGivenUpInAShortStack) {
  constexpr int kLinks = 5000;
  ASSERT_TRUE(InSection([&](Section& section) {
                SHOAL_RETURN_IF_ERROR(Construct(section, Room<Chain>()));
                Chain* last = Room<Chain>();
                for (int i = 0; i < kLinks; ++i) {
                  SHOAL_RETURN_IF_ERROR(Construct(section, &last->next, i));
                  last = const_cast<Chain*>(&*last->next);
                }
                return absl::OkStatus();
              }).ok());
  EXPECT_EQ(OwnedBlocks(), uint64_t{kLinks});
  ASSERT_TRUE(InSection([&](Section& section) { return Dispose(section, *Room<Chain>()); }).ok());
  EXPECT_EQ(OwnedBlocks(), 0u);
}

TEST_F(StoredTest, ACircleIsSeen) {
  ASSERT_TRUE(InSection([&](Section& section) {
                SHOAL_RETURN_IF_ERROR(Construct(section, Room<Chain>(), 1));
                return Construct(section, &Room<Chain>()->next, 2);
              }).ok());
  auto& link = const_cast<Chain&>(*Room<Chain>()->next);
  *reinterpret_cast<boost::interprocess::offset_ptr<Chain>*>(&link.next) = &link;
  const absl::Status status = InSection([&](Section& section) {
    const absl::Status disposed = Dispose(section, *Room<Chain>());
    EXPECT_FALSE(disposed.ok());
    return absl::OkStatus();  // commits: what failed has done nothing
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(OwnedBlocks(), 1u);
}

// The heap is filled up to its last block; everything that does not fit fails, and then the section commits.
TEST_F(StoredTest, WhatFailsHalfWayHasDoneNothing) {
  uint64_t last = 0;
  ASSERT_TRUE(InSection([&](Section& section) {
                EXPECT_TRUE(section.Allocate(sizeof(Cell<int>), 8).ok());  // so that there is a page of such
                while (section.Allocate(size_t{1} << 14, 16).ok()) {
                }
                for (auto block = section.Allocate(16, 8); block.ok(); block = section.Allocate(16, 8)) last = block->offset;
                return absl::OkStatus();
              }).ok());
  ASSERT_TRUE(InSection([&](Section& section) { return section.Free(last); }).ok());  // room for one
  const uint64_t before = Blocks();
  ASSERT_TRUE(InSection([&](Section& section) {
                // the outer Cell is refused
                EXPECT_EQ(Construct(section, Room<Cell<Cell<int>>>(), 6).code(), absl::StatusCode::kResourceExhausted);
                struct Both {
                  Cell<int> small;
                  Cell<std::array<int, 8>> large;
                };
                // the second field is refused when the first has its block
                EXPECT_EQ(Construct(section, Room<Both>(), 6, std::array<int, 8>{}).code(),
                          absl::StatusCode::kResourceExhausted);
                return absl::OkStatus();
              }).ok());
  EXPECT_EQ(Blocks(), before);
}

TEST_F(StoredTest, WhatAnOperationTakesBackIsNeitherTakenNorFreed) {
  uint64_t kept = 0;
  ASSERT_TRUE(InSection([&](Section& section) {
                kept = section.Allocate(64, 8)->offset;
                return absl::OkStatus();
              }).ok());
  for (const bool commit : {true, false}) {
    const absl::Status status = InSection([&](Section& section) {
      const size_t mark = section.mark();
      EXPECT_TRUE(section.Free(kept).ok());
      EXPECT_TRUE(section.Allocate(64, 8).ok());
      section.CancelSince(mark);
      return commit ? absl::OkStatus() : absl::AbortedError("no");
    });
    EXPECT_EQ(status.ok(), commit);
    EXPECT_EQ(OwnedBlocks(), 1u);
    EXPECT_TRUE(shm_internal::Attachment::Of(mutex_)->heap().BlockAt(kept).ok());
  }
}

TEST_F(StoredTest, WhatIsSavedOnceFillsTheJournalOnce) {
  ASSERT_TRUE(InSection([&](Section& section) {
                EXPECT_TRUE(section.SaveOnce(room_, 64).ok());
                const size_t used = section.mark();
                EXPECT_TRUE(section.SaveOnce(room_, 64).ok());
                EXPECT_TRUE(section.SaveOnce(room_, 8).ok());
                EXPECT_EQ(section.mark(), used);
                EXPECT_TRUE(section.SaveOnce(room_, 72).ok());
                EXPECT_GT(section.mark(), used);
                return absl::OkStatus();
              }).ok());
  ASSERT_TRUE(InSection([&](Section& section) {
                const size_t used = section.mark();
                EXPECT_TRUE(section.SaveOnce(room_, 8).ok());
                EXPECT_GT(section.mark(), used);  // another section
                return absl::OkStatus();
              }).ok());
}

}  // namespace
}  // namespace shoal
