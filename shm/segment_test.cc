#include "shoal/shm/segment.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "shoal/shm/array.h"
#include "shoal/shm/box.h"
#include "shoal/shm/memory_file.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/unique_fd.h"
#include "shoal/shm/vector.h"
#include "shoal/sync/status.h"

namespace shoal {
namespace {

using shm_internal::CreateMemoryFile;
using shm_internal::Mapping;
using shm_internal::UniqueFd;

UniqueFd Duplicate(const Segment& segment) { return UniqueFd(fcntl(segment.fd(), F_DUPFD_CLOEXEC, 0)); }

TEST(SegmentTest, WhatOneMappingWritesTheOtherReadsAtTheSameOffset) {
  auto first = Segment::Create();
  ASSERT_TRUE(first.ok()) << first.status();
  auto second = Segment::Attach(Duplicate(*first));
  ASSERT_TRUE(second.ok()) << second.status();
  const auto offset = first->Allocate(sizeof(uint64_t), alignof(uint64_t));
  ASSERT_TRUE(offset.ok()) << offset.status();
  *first->At<uint64_t>(*offset) = 42;
  EXPECT_NE(first->At<uint64_t>(*offset), second->At<uint64_t>(*offset));
  EXPECT_EQ(*second->At<uint64_t>(*offset), 42u);
}

TEST(SegmentTest, AllocationsAreAlignedZeroFilledAndDisjointAlsoWhenTwoMappingsAllocateAtOnce) {
  auto first = Segment::Create();
  ASSERT_TRUE(first.ok());
  auto second = Segment::Attach(Duplicate(*first));
  ASSERT_TRUE(second.ok());
  constexpr int kEach = 1000;
  std::vector<size_t> offsets[2];
  std::thread threads[2];
  for (int who = 0; who < 2; ++who) {
    threads[who] = std::thread([&, who] {
      for (int i = 0; i < kEach; ++i) offsets[who].push_back((who == 0 ? *first : *second).Allocate(24, 64).value());
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& mine : offsets) {
    for (const size_t offset : mine) {
      ASSERT_EQ(offset % 64, 0u);
      const auto bytes = first->BytesAt(offset, 24);
      ASSERT_EQ(bytes.size(), 24u);
      for (std::byte& byte : bytes) {
        ASSERT_EQ(byte, std::byte{0});  // not handed out twice: nobody wrote here before
        byte = std::byte{1};
      }
    }
  }
}

TEST(SegmentTest, AFullSegmentSaysSoWithTheNumbersAndStaysUsable) {
  auto segment = Segment::Create({.limit_bytes = 32768});
  ASSERT_TRUE(segment.ok());
  const auto refused = segment->Allocate(1 << 20, 8);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(MadeByShoal(refused.status()));
  EXPECT_NE(refused.status().message().find("of 32768"), absl::string_view::npos) << refused.status();
  EXPECT_TRUE(segment->Allocate(1024, 8).ok());
}

TEST(SegmentTest, OffsetsOutsideTheSegmentAndMisalignedOnesGiveNothing) {
  auto segment = Segment::Create({.limit_bytes = 8192});
  ASSERT_TRUE(segment.ok());
  EXPECT_EQ(segment->At<uint64_t>(0), nullptr);  // the header is not for users
  struct stat file;
  ASSERT_EQ(fstat(segment->fd(), &file), 0);
  const auto end = static_cast<size_t>(file.st_size);
  EXPECT_NE(segment->At<uint64_t>(end - 8), nullptr);
  EXPECT_EQ(segment->At<uint64_t>(end), nullptr);
  EXPECT_EQ(segment->At<uint64_t>(end - 7), nullptr);
  EXPECT_EQ(segment->At<uint64_t>(end - 17), nullptr);
  EXPECT_EQ(segment->At<uint64_t>(~size_t{0}), nullptr);
}

TEST(SegmentTest, NoOptionsAreTheDefaults) {
  EXPECT_EQ(Segment::Create({}).value().limit_bytes(), SegmentOptions().limit_bytes);
  EXPECT_EQ(Segment::Create().value().limit_bytes(), SegmentOptions().limit_bytes);
}

TEST(SegmentTest, ALimitThatMakesNoSenseIsInvalidArgument) {
  EXPECT_EQ(Segment::Create({.limit_bytes = 0}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Segment::Create({.limit_bytes = ~size_t{0}}).status().code(), absl::StatusCode::kInvalidArgument);
  // What lies behind that, a journal has no offset for.
  EXPECT_EQ(Segment::Create({.limit_bytes = size_t{1} << 40}).status().code(), absl::StatusCode::kInvalidArgument);
}

// Those between a small request and a page, which the slabs of a heap have blocks for, too.
TEST(SegmentTest, WhatIsAllocatedBelongsToOneCaller) {
  const Segment segment = Segment::Create({.limit_bytes = size_t{64} << 20}).value();
  constexpr size_t kBytes = 4480;
  std::vector<size_t> offsets[2];
  std::barrier start(2);
  const auto allocate = [&](std::vector<size_t>& mine) {
    start.arrive_and_wait();
    for (int i = 0; i < 1500; ++i) mine.push_back(segment.Allocate(kBytes, 128).value());
  };
  std::thread other([&] { allocate(offsets[1]); });
  allocate(offsets[0]);
  other.join();
  std::vector<size_t> all = offsets[0];
  all.insert(all.end(), offsets[1].begin(), offsets[1].end());
  std::sort(all.begin(), all.end());
  for (size_t i = 1; i < all.size(); ++i) ASSERT_GE(all[i], all[i - 1] + kBytes);
  for (const size_t alignment : {64, 1024, 4096}) EXPECT_EQ(segment.Allocate(5000, alignment).value() % alignment, 0u);
}

// What others have left empty is found when nothing else is left.
TEST(SegmentTest, EmptySlabsMakeRoom) {
  using Line = std::array<int64_t, 16>;
  const Segment segment = Segment::Create({.limit_bytes = size_t{3} << 20}).value();
  const auto list = segment.New<Mutex<Vector<Box<Line>>>>().value();
  std::thread([&] {
    EXPECT_TRUE(list->With([](Vector<Box<Line>>& boxes) -> absl::Status {
                      for (int i = 0; i < 8'000; ++i) SHOAL_RETURN_IF_ERROR(boxes.PushBack(Line{}));
                      return absl::OkStatus();
                    })
                    .ok());
  }).join();
  EXPECT_TRUE(list->With([](Vector<Box<Line>>& boxes) { return boxes.Clear(); }).ok());
  EXPECT_TRUE(segment.Allocate(size_t{2200} << 10, 64).ok());
}

TEST(SegmentTest, FreedMemoryGoesBackToTheSystem) {
  const Segment segment = Segment::Create({.limit_bytes = size_t{512} << 20}).value();
  const auto memory_bytes = [&] {
    struct stat about;
    EXPECT_EQ(fstat(segment.fd(), &about), 0);
    return static_cast<size_t>(about.st_blocks) * 512;
  };
  constexpr int kItems = 100'000;
  const auto items = segment.New<Mutex<Vector<Vector<int>>>>().value();
  for (int round = 0; round < 2; ++round) {
    const absl::Status filled = items->With([](Vector<Vector<int>>& all) {
      while (all.size() < kItems) SHOAL_RETURN_IF_ERROR(all.PushBack(std::vector<int>(50, 7)));
      return absl::OkStatus();
    });
    ASSERT_TRUE(filled.ok()) << filled;
    EXPECT_GE(memory_bytes(), kItems * 200u);
    ASSERT_TRUE(items->With([](Vector<Vector<int>>& all) { return all.Clear(); }).ok());
    EXPECT_GE(memory_bytes(), kItems * 200u);  // kept for what comes next
    EXPECT_GE(segment.ReleaseFreeMemory().value(), kItems * 200u);
    EXPECT_LE(memory_bytes(), size_t{4} << 20);
  }
  {
    const auto array = segment.New<Array<std::byte>>(size_t{256} << 20).value();
    EXPECT_GE(memory_bytes(), size_t{256} << 20);
  }
  EXPECT_LE(memory_bytes(), size_t{8} << 20);  // at once
}

TEST(SegmentTest, OneThatWasMovedAwaySaysSo) {
  Segment segment = Segment::Create({.limit_bytes = size_t{1} << 20}).value();
  const auto number = segment.New<Mutex<int>>().value();
  const Segment moved = std::move(segment);
  EXPECT_TRUE(absl::IsFailedPrecondition(segment.Allocate(1, 1).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(segment.New<Mutex<int>>().status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(segment.Publish("it", number)));
  EXPECT_TRUE(absl::IsFailedPrecondition(segment.Find<Mutex<int>>("it").status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(segment.Unpublish("it")));
}

TEST(SegmentTest, AFileThatIsNoSegmentIsDataLoss) {
  auto zeros = CreateMemoryFile("zeros", 8192);
  ASSERT_TRUE(zeros.ok());
  EXPECT_EQ(Segment::Attach(std::move(*zeros)).status().code(), absl::StatusCode::kDataLoss);
  auto tiny = CreateMemoryFile("tiny", 10);
  ASSERT_TRUE(tiny.ok());
  EXPECT_EQ(Segment::Attach(std::move(*tiny)).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(Segment::Attach(UniqueFd(-1)).ok());
}

TEST(SegmentTest, EveryFlippedBitOfTheHeaderIsAStatusOrASegmentThatStillWorks) {
  auto segment = Segment::Create({.limit_bytes = 8192});
  ASSERT_TRUE(segment.ok());
  const UniqueFd file = Duplicate(*segment);
  struct stat found;
  ASSERT_EQ(fstat(file.get(), &found), 0);
  auto bytes = Mapping::OfFile(file, static_cast<size_t>(found.st_size));
  ASSERT_TRUE(bytes.ok());
  for (size_t bit = 0; bit < 128 * 8; ++bit) {
    bytes->bytes()[bit / 8] ^= std::byte(1u << (bit % 8));
    const auto attached = Segment::Attach(Duplicate(*segment));
    if (attached.ok()) {
      const auto offset = attached->Allocate(8, 8);  // `used` may be wrong now: an error, or bytes inside the mapping
      if (offset.ok()) {
        EXPECT_LE(*offset + 8, static_cast<size_t>(found.st_size));
      }
    }
    bytes->bytes()[bit / 8] ^= std::byte(1u << (bit % 8));
  }
}

TEST(SegmentTest, TheFileCannotShrinkUnderAMapping) {
  auto segment = Segment::Create({.limit_bytes = 8192});
  ASSERT_TRUE(segment.ok());
  EXPECT_NE(ftruncate(segment->fd(), 0), 0);
}

}  // namespace
}  // namespace shoal
