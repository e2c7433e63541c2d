#ifndef SHOAL_SHM_SIZE_CLASSES_H_
#define SHOAL_SHM_SIZE_CLASSES_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace shoal::shm_internal {

// The sizes that blocks come in, and how a slab of each is laid out: one tag of 32 bits per block, then the blocks.
//
// Of a block for more than 48 bytes at most 26 % are not asked for; up to there it is the next multiple of 16.

inline constexpr size_t kHeapPageBytes = size_t{16} << 10;
inline constexpr size_t kBlockAlignment = 16;      // of every block
inline constexpr size_t kMaxSlabAlignment = 128;   // of blocks whose size is a multiple of it
inline constexpr size_t kMaxHeapAlignment = 4096;  // of page runs: no mapping is aligned better
inline constexpr size_t kSizeClassCount = 28;
inline constexpr size_t kNoSizeClass = kSizeClassCount;  // too large or too strictly aligned for a slab

struct SizeClass {
  uint32_t block_bytes;
  uint32_t alignment;  // of every block of the class
  uint32_t first;      // where in the slab the blocks begin
  uint32_t block_count;
  uint32_t reciprocal;  // of block_bytes / 16: see IndexOf
};

namespace size_classes_internal {

inline constexpr std::array<uint32_t, kSizeClassCount> kSizes = {16,   32,   48,   64,   80,   96,   112,  128, 160, 192,
                                                                 224,  256,  320,  384,  448,  512,  640,  768, 896, 1024,
                                                                 1280, 1536, 1792, 2304, 2688, 3200, 4032, 5440};

constexpr std::array<SizeClass, kSizeClassCount> MakeClasses() {
  std::array<SizeClass, kSizeClassCount> classes = {};
  for (size_t i = 0; i < kSizeClassCount; ++i) {
    const uint32_t size = kSizes[i];
    const uint32_t alignment = std::min<uint32_t>(size & -size, kMaxSlabAlignment);
    uint32_t count = kHeapPageBytes / size;
    const auto first = [&] { return (count * 4 + alignment - 1) / alignment * alignment; };
    while (first() + count * size > kHeapPageBytes) --count;
    classes[i] = {.block_bytes = size,
                  .alignment = alignment,
                  .first = first(),
                  .block_count = count,
                  .reciprocal = (1u << 20) / (size / 16) + 1};
  }
  return classes;
}

}  // namespace size_classes_internal

inline constexpr std::array<SizeClass, kSizeClassCount> kSizeClasses = size_classes_internal::MakeClasses();
inline constexpr size_t kMaxBlockBytes = kSizeClasses.back().block_bytes;
inline constexpr size_t kMaxBlocksPerSlab = kSizeClasses.front().block_count;

namespace size_classes_internal {

constexpr std::array<uint8_t, kMaxBlockBytes / 16 + 1> MakeClassOfSize() {
  std::array<uint8_t, kMaxBlockBytes / 16 + 1> classes = {};
  size_t size_class = 0;
  for (size_t i = 0; i < classes.size(); ++i) {
    if (i * 16 > kSizes[size_class]) ++size_class;
    classes[i] = static_cast<uint8_t>(size_class);
  }
  return classes;
}
inline constexpr std::array<uint8_t, kMaxBlockBytes / 16 + 1> kClassOfSize = MakeClassOfSize();

}  // namespace size_classes_internal

// The smallest class whose blocks have `size_bytes` and `alignment`, or kNoSizeClass. REQUIRES: a power of two.
constexpr size_t SizeClassFor(size_t size_bytes, size_t alignment) {
  size_bytes = std::max(size_bytes, alignment);
  if (size_bytes > kMaxBlockBytes) return kNoSizeClass;
  size_t size_class = size_classes_internal::kClassOfSize[(size_bytes + 15) / 16];
  if (alignment <= kBlockAlignment) return size_class;
  while (size_class < kSizeClassCount && kSizeClasses[size_class].alignment < alignment) ++size_class;
  return size_class;
}

// Which block begins `in_slab` bytes into a slab; block_count or more: none does.
constexpr uint32_t IndexOf(const SizeClass& size_class, uint32_t in_slab) {
  const uint32_t distance = in_slab - size_class.first;  // wraps around in front of the first
  if (distance >= kHeapPageBytes || distance % 16 != 0) return UINT32_MAX;
  const uint32_t index = distance / 16 * size_class.reciprocal >> 20;
  return index * size_class.block_bytes == distance ? index : UINT32_MAX;
}

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_SIZE_CLASSES_H_
