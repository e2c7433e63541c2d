// Bits of a heap in use are flipped. What follows may be wrong, for somebody else's bytes are; but every call returns, and none
// touches memory outside the segment (asan sees the rest).

#include <stdlib.h>

#include <atomic>
#include <map>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "shoal/shm/heap_world.h"

namespace shoal::shm_internal {
namespace {

bool IsExpected(const absl::Status& status) {
  return status.ok() || absl::IsResourceExhausted(status) || absl::IsDataLoss(status);
}

class Fuzz {
 public:
  explicit Fuzz(uint64_t seed) : random_(seed), world_(kPages, 1, UINT64_MAX, 2), cache_(1), other_(2) {}

  void Run() {
    for (int i = 0; i < 300; ++i) Use();
    for (int flips = 0; flips < 20; ++flips) {
      Flip();
      for (int i = 0; i < 40; ++i) Use();
    }
    world_.heap().Release(cache_);
    world_.heap().ReleaseSlot(2);
  }

 private:
  static constexpr uint64_t kPages = 160;

  void Use() {
    HeapCache& cache = random_() % 2 == 0 ? cache_ : other_;
    const Heap& heap = world_.heap();
    switch (random_() % 12) {
      case 0:
        heap.Trim(cache);
        return;
      case 1:
        (void)heap.Usage();
        return;
      case 2:
        heap.Release(cache);
        return;
      case 3: {
        absl::StatusOr<Block> block =
            heap.BlockAt(world_.layout().area_offset + random_() % (kPages * kHeapPageBytes) / 16 * 16);
        EXPECT_TRUE(IsExpected(block.status()));
        if (block.ok()) Touch(*block);
        return;
      }
      case 4:
        (void)heap.Free(&cache, {.offset = random_(), .tag = random_()});
        return;
      case 5:
      case 6:
      case 7:
        if (blocks_.empty()) return;
        (void)heap.Free(&cache, blocks_[random_() % blocks_.size()]);
        return;
      default: {
        const size_t size = random_() % 4 == 0 ? random_() % 100'000 : random_() % 3000;
        absl::StatusOr<Block> block = world_.Allocate(cache, size);
        EXPECT_TRUE(IsExpected(block.status())) << block.status();
        if (!block.ok()) return;
        blocks_.push_back(*block);
        Touch(*block);
      }
    }
  }

  // Bytes that a block is said to have are inside the area. (What is in them is the next one's tags, perhaps.)
  void Touch(Block block) {
    const std::span<std::byte> bytes = world_.heap().BytesOf(block);
    if (bytes.empty()) return;
    ASSERT_GE(bytes.data(), world_.bytes().data() + world_.layout().area_offset);
    ASSERT_LE(bytes.data() + bytes.size(), world_.bytes().data() + world_.bytes().size());
    bytes[random_() % bytes.size()] = static_cast<std::byte>(random_());
  }

  // Not the lock's: those are flipped in the tests of //sync.
  void Flip() {
    std::byte* const base = world_.bytes().data();
    std::byte* byte;
    switch (random_() % 3) {
      case 0:
        byte = base + offsetof(HeapShared, rover) + random_() % (sizeof(HeapShared) - offsetof(HeapShared, rover));
        break;
      case 1:
        byte = base + HeapWorld::kTableOffset + random_() % (kPages * 8);
        break;
      default:
        byte = base + world_.layout().area_offset + random_() % kPages * kHeapPageBytes + random_() % 1000;
    }
    *byte ^= static_cast<std::byte>(1 << random_() % 8);
  }

  std::mt19937_64 random_;
  HeapWorld world_;
  HeapCache cache_;
  HeapCache other_;
  std::vector<Block> blocks_;
};

TEST(HeapFuzzTest, FlippedBitsLeadNobodyAstray) {
  const char* const given = getenv("SHOAL_HEAP_SEED");
  const uint64_t seed = given != nullptr ? strtoull(given, nullptr, 10) : std::random_device()();
  printf("SHOAL_HEAP_SEED=%lu\n", seed);
  for (uint64_t i = 0; i < 400; ++i) {
    SCOPED_TRACE(seed + i);
    Fuzz(seed + i).Run();
  }
}

}  // namespace
}  // namespace shoal::shm_internal
