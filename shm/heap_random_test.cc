// A heap against a model of it, by one thread over two mappings, and by threads that free each other's blocks.

#include <stdlib.h>

#include <atomic>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "shoal/shm/heap_world.h"

namespace shoal::shm_internal {
namespace {

uint64_t Seed() {
  const char* const given = getenv("SHOAL_HEAP_SEED");
  const uint64_t seed = given != nullptr ? strtoull(given, nullptr, 10) : std::random_device()();
  printf("SHOAL_HEAP_SEED=%lu\n", seed);
  return seed;
}

size_t RandomSize(std::mt19937_64& random) {
  const uint64_t kind = random() % 100;
  return kind < 80 ? random() % 600 : kind < 95 ? random() % 6000 : random() % 150'000;
}

// What a block is filled with, so that overlap is seen.
std::byte Mark(Block block) { return static_cast<std::byte>(block.offset / 16 * 31 + block.tag * 7 + 1); }
void Fill(const Heap& heap, Block block) {
  const std::span<std::byte> bytes = heap.BytesOf(block);
  memset(bytes.data(), static_cast<int>(Mark(block)), bytes.size());
}
bool IsFilled(const Heap& heap, Block block) {
  const std::span<std::byte> bytes = heap.BytesOf(block);
  for (const std::byte byte : bytes) {
    if (byte != Mark(block)) return false;
  }
  return !bytes.empty();
}

// Four slots at two addresses allocate and free, each other's blocks too, die, end and come again. The model knows every
// allocation: what it says is allocated has its bytes, overlaps nothing, and is all there is.
TEST(HeapRandomTest, TheHeapIsWhatAModelOfItIs) {
  std::mt19937_64 random(Seed());
  HeapWorld world(200, 2, UINT64_MAX, 4);  // it is full now and then
  std::vector<std::unique_ptr<HeapCache>> caches;
  for (uint32_t slot = 1; slot <= 4; ++slot) caches.push_back(std::make_unique<HeapCache>(slot));
  std::map<uint64_t, std::pair<Block, size_t>> model;  // by offset
  std::vector<Block> gone;
  for (int step = 0; step < 30'000; ++step) {
    const uint64_t who = random() % caches.size();
    HeapCache& cache = *caches[who];
    const Heap& heap = world.heap(static_cast<int>(who % 2));
    const uint64_t kind = random() % 1000;
    if (kind < (step / 5000 % 2 == 0 ? 600 : 400)) {
      const size_t size = RandomSize(random);
      const size_t alignment = random() % 10 == 0 ? size_t{1} << random() % 13 : 1;
      absl::StatusOr<Block> block = heap.Allocate(cache, size, alignment, [&](Block) { return random() % 50 != 0; });
      if (!block.ok()) {
        ASSERT_EQ(block.status().code(), absl::StatusCode::kResourceExhausted);
        continue;
      }
      ASSERT_EQ(block->offset % alignment, 0u);
      const size_t usable = heap.UsableBytes(*block);
      ASSERT_GE(usable, size);
      const auto behind = model.lower_bound(block->offset);
      if (behind != model.end()) {
        ASSERT_LE(block->offset + usable, behind->first);
      }
      if (behind != model.begin()) {
        ASSERT_LE(std::prev(behind)->first + std::prev(behind)->second.second, block->offset);
      }
      ASSERT_TRUE(world.HasMemory(*block));
      model[block->offset] = {*block, usable};
      Fill(heap, *block);
    } else if (kind < 990) {
      if (model.empty()) continue;
      auto chosen = model.lower_bound(random() % (world.bytes().size()));
      if (chosen == model.end()) chosen = model.begin();
      const Block block = chosen->second.first;
      ASSERT_TRUE(IsFilled(heap, block));
      ASSERT_EQ(*heap.BlockAt(block.offset), block);
      ASSERT_TRUE(heap.Free(random() % 4 == 0 ? nullptr : &cache, block));
      gone.push_back(block);
      model.erase(chosen);
    } else if (kind < 992) {
      caches[who] = std::make_unique<HeapCache>(cache.slot());  // killed; another gets the slot
    } else if (kind < 994) {
      heap.Release(cache);
    } else if (kind < 996) {
      heap.ReleaseSlot(cache.slot());  // killed and reaped
      caches[who] = std::make_unique<HeapCache>(cache.slot());
    } else if (kind < 999) {
      heap.Trim(cache);
    } else {
      ASSERT_TRUE(heap.ReleaseFreeMemory(cache).ok());
    }
    if (!gone.empty() && step % 7 == 0) {
      ASSERT_FALSE(heap.Free(caches[who].get(), gone[random() % gone.size()]));
    }
    if (step % 1000 == 0) {
      size_t bytes = 0;
      for (const auto& [offset, allocated] : model) {
        ASSERT_TRUE(IsFilled(heap, allocated.first));
        bytes += allocated.second;
      }
      const HeapUsage usage = heap.Usage();
      ASSERT_EQ(usage.allocated_blocks, model.size());
      ASSERT_EQ(usage.allocated_bytes, bytes);
    }
  }
  for (const auto& [offset, allocated] : model) ASSERT_TRUE(world.heap().Free(nullptr, allocated.first));
  for (const auto& cache : caches) world.heap().Release(*cache);
  EXPECT_TRUE(world.AllPagesFit(*caches[0]));
}

#ifdef __SANITIZE_THREAD__
constexpr int kViews = 1;  // ThreadSanitizer takes two mappings of a word for two words
#else
constexpr int kViews = 2;
#endif

// Threads hand each other every other block through a table, and free what they find there. Every block has the bytes its maker
// wrote; in the end nothing is left.
void HandBlocksAround(int threads, int steps) {
  HeapWorld world(2048, kViews, UINT64_MAX, 2);
  struct Place {
    std::mutex mutex;
    Block block;
  };
  std::vector<Place> places(64);
  const auto work = [&](uint32_t slot, uint64_t seed) {
    std::mt19937_64 random(seed);
    HeapCache cache(slot);
    const Heap& heap = world.heap(static_cast<int>(slot) % kViews);
    std::vector<Block> own;
    for (int step = 0; step < steps; ++step) {
      absl::StatusOr<Block> block = heap.Allocate(cache, RandomSize(random) % 40'000, 8, [](Block) { return true; });
      if (block.ok()) {
        EXPECT_TRUE(world.HasMemory(*block));
        Fill(heap, *block);
        Place& place = places[random() % places.size()];
        const std::lock_guard<std::mutex> guard(place.mutex);
        own.push_back(std::exchange(place.block, *block));
      } else {
        EXPECT_TRUE(absl::IsResourceExhausted(block.status())) << block.status();
      }
      while (own.size() > 50 || (!own.empty() && random() % 2 == 0)) {
        if (own.back().tag != 0) {
          EXPECT_TRUE(IsFilled(heap, own.back()));
          EXPECT_TRUE(heap.Free(&cache, own.back()));
        }
        own.pop_back();
      }
      if (random() % 500 == 0) heap.Trim(cache);
      if (random() % 500 == 0) {
        EXPECT_TRUE(heap.ReleaseFreeMemory(cache).ok());
      }
      if (random() % 500 == 0) heap.Release(cache);
    }
    for (const Block& block : own) heap.Free(&cache, block);
    heap.Release(cache);
  };
  const uint64_t seed = Seed();
  if (threads == 1) {
    work(1, seed);
  } else {
    std::vector<std::thread> running;
    for (int i = 0; i < threads; ++i)
      running.emplace_back(work, static_cast<uint32_t>(i + 1), seed + static_cast<uint64_t>(i));
    for (std::thread& thread : running) thread.join();
  }
  HeapCache last(9);
  for (const Place& place : places) {
    if (place.block.tag != 0) {
      EXPECT_TRUE(world.heap().Free(&last, place.block));
    }
  }
  EXPECT_EQ(world.heap().Usage().allocated_blocks, 0u);
  EXPECT_TRUE(world.AllPagesFit(last));
}

TEST(HeapRandomTest, OneThreadHandsBlocksToItself) { HandBlocksAround(1, 10'000); }
TEST(HeapRandomTest, ThreadsFreeEachOthersBlocks) { HandBlocksAround(4, 10'000); }

}  // namespace
}  // namespace shoal::shm_internal
