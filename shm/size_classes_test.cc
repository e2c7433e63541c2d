#include "shoal/shm/size_classes.h"

#include "gtest/gtest.h"

namespace shoal::shm_internal {
namespace {

TEST(SizeClassesTest, EverySizeGetsTheSmallestBlockThatHoldsIt) {
  for (size_t size = 0; size <= kMaxBlockBytes; ++size) {
    const size_t found = SizeClassFor(size, 1);
    ASSERT_LT(found, kSizeClassCount);
    EXPECT_GE(kSizeClasses[found].block_bytes, size);
    if (found > 0) {
      EXPECT_LT(kSizeClasses[found - 1].block_bytes, size);
    }
    if (size > 48) {
      EXPECT_LE((kSizeClasses[found].block_bytes - size) * 100, kSizeClasses[found].block_bytes * 26) << size;
    }
  }
  EXPECT_EQ(SizeClassFor(kMaxBlockBytes + 1, 1), kNoSizeClass);
}

TEST(SizeClassesTest, BlocksAndTagsFillASlabWithoutOverlap) {
  for (const SizeClass& sizes : kSizeClasses) {
    EXPECT_GE(sizes.first, 4 * sizes.block_count);
    EXPECT_LE(sizes.first + sizes.block_count * sizes.block_bytes, kHeapPageBytes);
    EXPECT_EQ(sizes.first % sizes.alignment, 0u);
    EXPECT_EQ(sizes.block_bytes % sizes.alignment, 0u);
    // At least three quarters of a slab of larger blocks is in blocks; a tag is a fifth of the smallest.
    EXPECT_GE(sizes.block_count * sizes.block_bytes, kHeapPageBytes * 3 / 4);
  }
}

TEST(SizeClassesTest, OnlyWhereABlockBeginsHasAnIndex) {
  for (const SizeClass& sizes : kSizeClasses) {
    uint32_t next = 0;
    for (uint32_t in_slab = 0; in_slab < kHeapPageBytes; ++in_slab) {
      const uint32_t index = IndexOf(sizes, in_slab);
      if (in_slab == sizes.first + next * sizes.block_bytes) {
        EXPECT_EQ(index, next++);
      } else {
        EXPECT_GE(index, sizes.block_count) << sizes.block_bytes << " at " << in_slab;
      }
    }
    EXPECT_GE(next, sizes.block_count);
  }
}

TEST(SizeClassesTest, AnAlignmentIsKeptOrRefused) {
  for (size_t alignment = 1; alignment <= kMaxHeapAlignment; alignment *= 2) {
    for (size_t size = 1; size <= kMaxBlockBytes; size += 7) {
      const size_t found = SizeClassFor(size, alignment);
      if (alignment > kMaxSlabAlignment) {
        EXPECT_EQ(found, kNoSizeClass);
      } else if (found != kNoSizeClass) {
        EXPECT_GE(kSizeClasses[found].block_bytes, size);
        EXPECT_GE(kSizeClasses[found].alignment, alignment);
      }
    }
  }
}

}  // namespace
}  // namespace shoal::shm_internal
