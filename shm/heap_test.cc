#include "shoal/shm/heap.h"

#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "shoal/shm/heap_world.h"

namespace shoal::shm_internal {
namespace {

TEST(HeapTest, ABlockHasTheBytesAndTheAlignmentAskedFor) {
  HeapWorld world(4096);
  HeapCache cache(1);
  for (size_t alignment = 1; alignment <= kMaxHeapAlignment; alignment *= 2) {
    for (const size_t size : {size_t{0}, size_t{1}, size_t{16}, size_t{17}, size_t{100}, size_t{4096}, size_t{5440},
                              size_t{5441}, size_t{16384}, size_t{100'000}}) {
      absl::StatusOr<Block> block = world.Allocate(cache, size, alignment);
      ASSERT_TRUE(block.ok()) << block.status();
      const std::span<std::byte> bytes = world.heap().BytesOf(*block);
      ASSERT_GE(bytes.size(), size);
      EXPECT_EQ(bytes.size(), Heap::UsableBytesFor(size, alignment));
      EXPECT_EQ(reinterpret_cast<uintptr_t>(bytes.data()) % alignment, 0u);
      EXPECT_EQ(bytes.data(), world.bytes().data() + block->offset);
      memset(bytes.data(), 0xee, bytes.size());
    }
  }
}

TEST(HeapTest, WhatIsAskedForWronglyIsRefused) {
  HeapWorld world(8);
  HeapCache cache(1), nobody(0), too_high(kMaxSlot + 1);
  EXPECT_EQ(world.Allocate(cache, 8, 3).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(world.Allocate(cache, 8, 0).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(world.Allocate(cache, 8, 8192).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(world.Allocate(nobody, 8).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(world.Allocate(too_high, 8).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(world.Allocate(cache, 9 * kHeapPageBytes).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(world.Allocate(cache, SIZE_MAX).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(HeapTest, ALayoutOutsideTheSegmentIsRefused) {
  HeapWorld world(8);
  const auto refused = [&](HeapLayout layout) {
    return Heap::Over(world.bytes(), world.shared(), layout, {}).status().code() == absl::StatusCode::kDataLoss;
  };
  HeapLayout layout = world.layout();
  EXPECT_FALSE(refused(layout));
  EXPECT_TRUE(refused({.table_offset = 4096, .area_offset = layout.area_offset, .page_count = 9}));
  EXPECT_TRUE(refused({.table_offset = 4096, .area_offset = layout.area_offset, .page_count = 0}));
  EXPECT_TRUE(refused({.table_offset = 4097, .area_offset = layout.area_offset, .page_count = 8}));
  EXPECT_TRUE(refused({.table_offset = 4096, .area_offset = layout.area_offset + 16, .page_count = 8}));
  EXPECT_TRUE(refused({.table_offset = UINT64_MAX - 7, .area_offset = layout.area_offset, .page_count = 8}));
  EXPECT_TRUE(refused({.table_offset = 4096, .area_offset = layout.area_offset, .page_count = UINT64_MAX}));
}

TEST(HeapTest, AFreedBlockIsFreedOnceAndItsNameNeverMeansAnother) {
  for (const size_t size : {size_t{64}, size_t{100'000}}) {
    HeapWorld world(16);
    HeapCache cache(1);
    const Block first = *world.Allocate(cache, size);
    EXPECT_TRUE(world.heap().IsAllocated(first));
    EXPECT_TRUE(world.heap().Free(&cache, first));
    EXPECT_FALSE(world.heap().Free(&cache, first));
    EXPECT_FALSE(world.heap().Free(nullptr, first));
    EXPECT_FALSE(world.heap().IsAllocated(first));
    const Block second = *world.Allocate(cache, size);
    EXPECT_NE(first, second);
    EXPECT_FALSE(world.heap().Free(&cache, first));
    EXPECT_TRUE(world.heap().IsAllocated(second));
  }
}

TEST(HeapTest, ANameOutlivesItsSlab) {
  HeapWorld world(2);
  HeapCache cache(1);
  const Block first = *world.Allocate(cache, 64);
  ASSERT_TRUE(world.heap().Free(&cache, first));
  ASSERT_TRUE(world.heap().Trim(cache));
  // The page is a slab again, of the same class and of another.
  for (const size_t size : {size_t{64}, size_t{48}}) {
    std::vector<Block> blocks;
    for (absl::StatusOr<Block> block; (block = world.Allocate(cache, size)).ok();) blocks.push_back(*block);
    EXPECT_FALSE(world.heap().Free(&cache, first));
    for (const Block& block : blocks) EXPECT_TRUE(world.heap().Free(&cache, block));
  }
}

TEST(HeapTest, WhatBeginsAtAnOffsetIsFound) {
  HeapWorld world(16);
  HeapCache cache(1);
  const Block small = *world.Allocate(cache, 64);
  const Block large = *world.Allocate(cache, 50'000);
  EXPECT_EQ(*world.heap().BlockAt(small.offset), small);
  EXPECT_EQ(*world.heap().BlockAt(large.offset), large);
  for (const uint64_t offset : {small.offset + 1, small.offset + 16, large.offset + kHeapPageBytes, large.offset + 16,
                                uint64_t{0}, UINT64_MAX, world.layout().area_offset, world.layout().area_offset - 1}) {
    EXPECT_EQ(world.heap().BlockAt(offset).status().code(), absl::StatusCode::kDataLoss) << offset;
  }
  world.heap().Free(&cache, small);
  EXPECT_EQ(world.heap().BlockAt(small.offset).status().code(), absl::StatusCode::kDataLoss);
}

TEST(HeapTest, WhatIsNoNameFreesNothing) {
  HeapWorld world(16);
  HeapCache cache(1);
  const Block small = *world.Allocate(cache, 64);
  const Block large = *world.Allocate(cache, 50'000);
  const HeapUsage usage = world.heap().Usage();
  for (const Block wrong :
       {Block{}, Block{UINT64_MAX, UINT64_MAX}, Block{small.offset + 64, small.tag}, Block{small.offset + 1, small.tag},
        Block{small.offset, small.tag + 1}, Block{small.offset, small.tag - 1}, Block{large.offset, large.tag + 1},
        Block{large.offset + kHeapPageBytes, large.tag}, Block{large.offset + 16, large.tag},
        Block{small.offset, small.tag + (uint64_t{1} << 32)}}) {
    EXPECT_FALSE(world.heap().Free(&cache, wrong));
    EXPECT_FALSE(world.heap().IsAllocated(wrong));
  }
  EXPECT_EQ(world.heap().Usage(), usage);
}

TEST(HeapTest, RecordIsToldBeforeABlockIsTakenAndMayRefuseIt) {
  for (const size_t size : {size_t{64}, size_t{100'000}}) {
    HeapWorld world(16);
    HeapCache cache(1);
    for (int i = 0; i < 3; ++i) {
      Block told;
      absl::StatusOr<Block> block = world.heap().Allocate(cache, size, 8, [&](Block recorded) {
        told = recorded;
        EXPECT_FALSE(world.heap().IsAllocated(recorded));
        EXPECT_FALSE(world.heap().Free(nullptr, recorded));
        return i != 1;
      });
      EXPECT_EQ(block.ok(), i != 1);
      EXPECT_EQ(world.heap().IsAllocated(told), i != 1);
      if (block.ok()) {
        EXPECT_EQ(*block, told);
      } else {
        EXPECT_EQ(block.status().code(), absl::StatusCode::kResourceExhausted);
      }
    }
    EXPECT_EQ(world.heap().Usage().allocated_blocks, 2u);
  }
}

TEST(HeapTest, ARecordThatCallsTheHeapForARunIsTold) {
  HeapWorld world(16);
  HeapCache cache(1);
  absl::Status inner;
  absl::StatusOr<Block> block = world.heap().Allocate(cache, 100'000, 8, [&](Block) {
    inner = world.Allocate(cache, 100'000).status();
    return true;
  });
  EXPECT_TRUE(block.ok());
  EXPECT_EQ(inner.code(), absl::StatusCode::kFailedPrecondition);
}

// A dead thread recorded a block and did not take it. Its slab's next owner takes that block before the record is undone.
TEST(HeapTest, ANameThatWasRecordedButNotTakenIsNotGivenToTheNextOwner) {
  for (const bool orphaned : {false, true}) {
    HeapWorld world(1);
    HeapCache dead(1);
    std::vector<Block> recorded;
    (void)world.Allocate(dead, 64);
    for (int i = 0; i < 300; ++i) {
      (void)world.heap().Allocate(dead, 64, 8, [&](Block block) {
        recorded.push_back(block);
        return false;
      });
    }
    if (orphaned) world.heap().ReleaseSlot(1);
    HeapCache next(orphaned ? 2 : 1);
    std::vector<Block> blocks;
    for (absl::StatusOr<Block> block; (block = world.Allocate(next, 64)).ok();) blocks.push_back(*block);
    EXPECT_EQ(blocks.size(), kSizeClasses[SizeClassFor(64, 8)].block_count - 1);
    for (const Block& block : recorded) EXPECT_FALSE(world.heap().Free(nullptr, block));
  }
}

TEST(HeapTest, AFullHeapSaysSoWithNumbersAndServesWhatIsLeft) {
  HeapWorld world(8);
  HeapCache cache(1);
  const Block large = *world.Allocate(cache, 7 * kHeapPageBytes);
  const absl::Status full = world.Allocate(cache, 2 * kHeapPageBytes).status();
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(full.message().find("32768"), std::string::npos) << full;
  EXPECT_NE(full.message().find("16384 of 131072"), std::string::npos) << full;
  EXPECT_TRUE(world.Allocate(cache, 64).ok());
  EXPECT_EQ(world.Allocate(cache, 80).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(world.Allocate(cache, 64).ok());
  EXPECT_TRUE(world.heap().Free(&cache, large));
  EXPECT_TRUE(world.Allocate(cache, 80).ok());
}

// Where the next search begins is swallowed by the free run in front of it, in a search that finds nothing.
TEST(HeapTest, ASearchNeverBeginsInsideARun) {
  HeapWorld world(8);
  HeapCache cache(1);
  const Block a = *world.Allocate(cache, kHeapPageBytes);
  const Block b = *world.Allocate(cache, kHeapPageBytes);
  Block c = *world.Allocate(cache, kHeapPageBytes);
  const Block d = *world.Allocate(cache, 5 * kHeapPageBytes);
  ASSERT_TRUE(world.heap().Free(&cache, c));
  c = *world.Allocate(cache, kHeapPageBytes);  // the next search begins at d
  ASSERT_TRUE(world.heap().Free(&cache, d));
  ASSERT_TRUE(world.heap().Free(&cache, c));
  EXPECT_FALSE(world.Allocate(cache, 7 * kHeapPageBytes).ok());  // joins c and d
  EXPECT_TRUE(world.Allocate(cache, 5 * kHeapPageBytes).ok());
  EXPECT_FALSE(world.Allocate(cache, 2 * kHeapPageBytes).ok());
  EXPECT_TRUE(world.heap().IsAllocated(a) && world.heap().IsAllocated(b));
}

TEST(HeapTest, MemoryIsReservedBeforeItIsUsedAndLackOfItIsSaid) {
  HeapWorld world(1024, 1, 130);
  HeapCache cache(1);
  EXPECT_EQ(world.heap().Usage().reserved_pages, 0u);
  EXPECT_TRUE(world.Allocate(cache, 64).ok());
  EXPECT_EQ(world.heap().Usage().reserved_pages, 128u);
  const absl::Status none = world.Allocate(cache, 130 * kHeapPageBytes).status();
  EXPECT_EQ(none.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(none.message().find("no memory"), std::string::npos) << none;
  EXPECT_TRUE(world.Allocate(cache, 129 * kHeapPageBytes).ok());  // not a generous step: what there is
  EXPECT_EQ(world.heap().Usage().reserved_pages, 130u);
}

TEST(HeapTest, FreedPagesAreUsedBeforeNewMemoryIs) {
  HeapWorld world(4096);
  HeapCache cache(1);
  for (int round = 0; round < 50; ++round) {
    std::vector<Block> blocks;
    for (int i = 0; i < 1000; ++i) blocks.push_back(*world.Allocate(cache, 16 + (round + i) % 28 * 64));
    for (int i = 0; i < 5; ++i) blocks.push_back(*world.Allocate(cache, 50'000));
    for (const Block& block : blocks) ASSERT_TRUE(world.heap().Free(&cache, block));
  }
  EXPECT_LE(world.heap().Usage().reserved_pages, 256u);
}

TEST(HeapTest, MemoryIsReturnedWhoeverFreesIt) {
  for (const bool by_another : {false, true}) {
    HeapWorld world(2048);
    HeapCache cache(1), other(2);
    std::vector<Block> blocks;
    for (size_t size = 1; size < 20'000; size += 97) {
      for (int i = 0; i < 4; ++i) blocks.push_back(*world.Allocate(cache, size));
    }
    for (const Block& block : blocks) EXPECT_TRUE(world.heap().Free(by_another ? &other : &cache, block));
    EXPECT_EQ(world.heap().Usage().allocated_blocks, 0u);
    EXPECT_TRUE(world.AllPagesFit(cache));
    EXPECT_EQ(world.heap().Usage().free_pages, 2048u);
  }
}

constexpr size_t kLong = size_t{32} << 20;
constexpr uint64_t kLongPages = kLong / kHeapPageBytes;

TEST(HeapTest, ARunOf256MiBGivesItsMemoryBackWhenItIsFreed) {
  constexpr size_t kBytes = size_t{256} << 20;
  HeapWorld world(kBytes / kHeapPageBytes + 128);
  HeapCache cache(1);
  for (const size_t size : {kBytes, kBytes - kHeapPageBytes}) {
    ASSERT_TRUE(world.heap().Free(&cache, *world.Allocate(cache, size)));
    EXPECT_EQ(world.MemoryBytes() < kBytes / 4, size == kBytes);  // a shorter one is kept for what comes next
  }
}

TEST(HeapTest, ALongRunGivesItsMemoryBackWhenItIsFreed) {
  HeapWorld world(4096, 1, UINT64_MAX, kLongPages);
  HeapCache cache(1);
  const Block kept = *world.Allocate(cache, 64);
  for (int round = 0; round < 3; ++round) {
    const Block run = *world.Allocate(cache, kLong);
    EXPECT_TRUE(world.HasMemory(run));
    EXPECT_GE(world.MemoryBytes(), kLong);
    memset(world.heap().BytesOf(run).data(), 0xee, kLong);
    EXPECT_TRUE(world.heap().Free(&cache, run));
    EXPECT_LT(world.MemoryBytes(), kLong / 4);
  }
  EXPECT_TRUE(world.HasMemory(kept));
}

TEST(HeapTest, AllFreeMemoryIsGivenBackWhenAsked) {
  HeapWorld world(4096);
  HeapCache cache(1);
  std::vector<Block> kept, freed;
  for (int i = 0; i < 200; ++i) {
    for (const size_t size : {size_t{64}, size_t{20'000}}) {
      std::vector<Block>& to = i % 10 == 0 ? kept : freed;
      to.push_back(*world.Allocate(cache, size));
      memset(world.heap().BytesOf(to.back()).data(), 0xee, size);
    }
  }
  for (const Block block : freed) ASSERT_TRUE(world.heap().Free(&cache, block));
  const size_t before = world.MemoryBytes();
  const absl::StatusOr<size_t> released = world.heap().ReleaseFreeMemory(cache);
  ASSERT_TRUE(released.ok()) << released.status();
  EXPECT_EQ(before - world.MemoryBytes(), *released);
  EXPECT_LE(world.MemoryBytes(), 45 * kHeapPageBytes);  // of the kept ones, with the table
  EXPECT_EQ(world.heap().ReleaseFreeMemory(cache).value(), 0u);
  for (const Block block : kept) {
    EXPECT_TRUE(world.HasMemory(block));
    EXPECT_EQ(world.heap().BytesOf(block)[63], std::byte{0xee});
  }
}

TEST(HeapTest, MemoryThatWasGivenBackIsReservedAgainBeforeItIsUsed) {
  HeapWorld world(4096, 1, UINT64_MAX, kLongPages);
  HeapCache cache(1);
  const Block long_one = *world.Allocate(cache, kLong);
  const Block behind = *world.Allocate(cache, 20'000);
  ASSERT_TRUE(world.heap().Free(&cache, long_one));
  const int before = world.reservations();
  std::vector<Block> blocks;
  for (int i = 0; i < 1000; ++i) {
    blocks.push_back(*world.Allocate(cache, 16'000));
    ASSERT_TRUE(world.HasMemory(blocks.back()));
  }
  EXPECT_LE(world.reservations() - before, 1000 / 128 + 2);  // a generous step each
  for (const Block block : blocks) ASSERT_TRUE(world.heap().Free(&cache, block));
  // With memory, without, and behind all that has ever been reserved: one run for who needs all of it.
  ASSERT_TRUE(world.heap().Free(&cache, behind));
  const Block all = *world.Allocate(cache, 4096 * kHeapPageBytes);
  EXPECT_TRUE(world.HasMemory(all));
}

TEST(HeapTest, MemoryThatTheSystemDoesNotGiveAgainIsSaid) {
  HeapWorld world(4096, 1, UINT64_MAX, kLongPages);
  HeapCache cache(1);
  const Block kept = *world.Allocate(cache, 64);
  ASSERT_TRUE(world.heap().Free(&cache, *world.Allocate(cache, kLong)));
  world.SetMemoryPages(1000);
  const absl::Status none = world.Allocate(cache, kLong).status();
  EXPECT_EQ(none.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(none.message().find("no memory"), std::string::npos) << none;
  const Block shorter = *world.Allocate(cache, 900 * kHeapPageBytes);
  EXPECT_TRUE(world.HasMemory(shorter) && world.HasMemory(kept));
}

TEST(HeapTest, ZeroedBytesAreZeroWhereMemoryWasGivenBack) {
  HeapWorld world(4096, 1, UINT64_MAX, kLongPages);
  HeapCache cache(1);
  for (const size_t size : {kLong, size_t{20'000}, kLong + 20'000}) {
    const Block block = *world.heap().AllocateZeroed(cache, size, 1, [](Block) { return true; });
    const std::span<std::byte> bytes = world.heap().BytesOf(block);
    EXPECT_TRUE(std::all_of(bytes.begin(), bytes.begin() + size, [](std::byte byte) { return byte == std::byte{0}; }));
    memset(bytes.data(), 0xee, bytes.size());
    ASSERT_TRUE(world.heap().Free(&cache, block));
  }
}

TEST(HeapTest, AThreadThatEndsLeavesItsMemoryToOthers) {
  HeapWorld world(64);
  HeapCache other(2);
  std::vector<Block> blocks;
  {
    HeapCache cache(1);
    for (int i = 0; i < 2000; ++i) blocks.push_back(*world.Allocate(cache, 64));
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(world.heap().Free(&cache, blocks[static_cast<size_t>(i) * 20]));
    world.heap().Release(cache);
  }
  const HeapUsage usage = world.heap().Usage();
  // What is free in its slabs serves first.
  for (int i = 0; i < 100; ++i) blocks[static_cast<size_t>(i) * 20] = *world.Allocate(other, 64);
  EXPECT_EQ(world.heap().Usage().slab_pages, usage.slab_pages);
  for (const Block& block : blocks) ASSERT_TRUE(world.heap().Free(nullptr, block));
  EXPECT_TRUE(world.AllPagesFit(other));
}

TEST(HeapTest, AnOrphansFreedMemoryIsSweptUp) {
  HeapWorld world(64);
  HeapCache cache(1), other(2);
  std::vector<Block> blocks;
  for (int i = 0; i < 100; ++i) blocks.push_back(*world.Allocate(cache, 3000));
  world.heap().ReleaseSlot(1);
  for (const Block& block : blocks) ASSERT_TRUE(world.heap().Free(&other, block));
  EXPECT_TRUE(world.AllPagesFit(other));
}

TEST(HeapTest, TheNextHolderOfASlotHasItsSlabs) {
  HeapWorld world(1);
  Block first;
  {
    HeapCache cache(7);
    first = *world.Allocate(cache, 64);
  }  // as if it had been killed
  HeapCache other(8);
  EXPECT_EQ(world.Allocate(other, 64).status().code(), absl::StatusCode::kResourceExhausted);
  HeapCache next(7);
  EXPECT_TRUE(world.Allocate(next, 64).ok());
  EXPECT_TRUE(world.heap().IsAllocated(first));
}

TEST(HeapTest, OneMappingFreesWhatAnotherAllocated) {
  HeapWorld world(64, 2);
  ASSERT_NE(world.bytes(0).data(), world.bytes(1).data());
  HeapCache cache(1), other(2);
  for (const size_t size : {size_t{64}, size_t{100'000}}) {
    const Block block = *world.Allocate(cache, size);
    memset(world.heap(0).BytesOf(block).data(), 0x5a, size);
    EXPECT_EQ(world.heap(1).BytesOf(block)[size - 1], std::byte{0x5a});
    EXPECT_EQ(*world.heap(1).BlockAt(block.offset), block);
    EXPECT_TRUE(world.heap(1).Free(&other, block));
    EXPECT_FALSE(world.heap(0).IsAllocated(block));
  }
}

TEST(HeapTest, AZeroLengthOrOneBeyondTheEndIsDataLoss) {
  for (const uint64_t bits : {PageEntry::Free(0).bits() | uint64_t{1} << 40, PageEntry::Run(0, 1).bits(),
                              PageEntry::Free(17).bits(), PageEntry::Run(PageEntry::kMaxLength, 1).bits(), uint64_t{3}}) {
    HeapWorld world(16);
    HeapCache cache(1);
    auto* const table = reinterpret_cast<std::atomic<uint64_t>*>(world.bytes().data() + HeapWorld::kTableOffset);
    table[0].store(bits);
    EXPECT_EQ(world.Allocate(cache, 64).status().code(), absl::StatusCode::kDataLoss) << bits;
  }
}

}  // namespace
}  // namespace shoal::shm_internal
