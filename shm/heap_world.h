#ifndef SHOAL_SHM_HEAP_WORLD_H_
#define SHOAL_SHM_HEAP_WORLD_H_

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "shoal/shm/heap.h"
#include "shoal/shm/memory_file.h"
#include "shoal/shm/unique_fd.h"

namespace shoal::shm_internal {

// For tests: memory with a heap in it and nothing else, mapped several times at different addresses.
class HeapWorld {
 public:
  static constexpr size_t kTableOffset = 4096;

  // `memory_pages`: how many of them the system has memory for.
  explicit HeapWorld(uint64_t pages, int views = 1, uint64_t memory_pages = UINT64_MAX,
                     uint64_t release_at_once_pages = HeapMemory().release_at_once_pages)
      : memory_pages_(memory_pages), has_memory_(pages) {
    layout_.table_offset = kTableOffset;
    layout_.area_offset = (kTableOffset + pages * 8 + 4095) / 4096 * 4096;
    layout_.page_count = pages;
    const size_t size_bytes = layout_.area_offset + pages * kHeapPageBytes;
    absl::StatusOr<UniqueFd> file = CreateMemoryFile("heap", size_bytes);
    EXPECT_TRUE(file.ok()) << file.status();
    file_ = *std::move(file);
    for (int i = 0; i < views; ++i) {
      absl::StatusOr<Mapping> mapping = Mapping::OfFile(file_, size_bytes);
      EXPECT_TRUE(mapping.ok()) << mapping.status();
      mappings_.push_back(*std::move(mapping));
      const std::span<std::byte> bytes = mappings_.back().bytes();
      HeapMemory memory = {.reserve = [this](size_t offset, size_t bytes) { return Reserve(offset, bytes); },
                           .release = [this](size_t offset, size_t bytes) { Release(offset, bytes); },
                           .release_at_once_pages = release_at_once_pages};
      absl::StatusOr<Heap> heap = Heap::Over(bytes, shared(i), layout_, std::move(memory));
      EXPECT_TRUE(heap.ok()) << heap.status();
      heaps_.push_back(*std::move(heap));
    }
  }
  HeapWorld(const HeapWorld&) = delete;
  HeapWorld& operator=(const HeapWorld&) = delete;

  const Heap& heap(int view = 0) const { return heaps_[static_cast<size_t>(view)]; }
  std::span<std::byte> bytes(int view = 0) const { return mappings_[static_cast<size_t>(view)].bytes(); }
  HeapShared& shared(int view = 0) const { return *reinterpret_cast<HeapShared*>(bytes(view).data()); }
  const HeapLayout& layout() const { return layout_; }

  // Whether the system was asked for memory for all pages that the block lies in, and it has not been given back.
  bool HasMemory(Block block) const {
    const uint64_t first = PageOf(block.offset);
    const uint64_t last = PageOf(block.offset + std::max<size_t>(heap().UsableBytes(block), 1) - 1);
    // relaxed: said of pages that are the caller's
    return std::all_of(&has_memory_[first], &has_memory_[last] + 1, [](auto& has) { return has.load(std::memory_order_relaxed); });
  }
  // What the system says.
  size_t MemoryBytes() const {
    struct stat about;
    EXPECT_EQ(fstat(file_.get(), &about), 0);
    return static_cast<size_t>(about.st_blocks) * 512;
  }
  void SetMemoryPages(uint64_t pages) { memory_pages_ = pages; }
  int reservations() const { return reservations_; }

  // Whether everything is one free run again.
  bool AllPagesFit(HeapCache& cache) const {
    absl::StatusOr<Block> all = Allocate(cache, layout_.page_count * kHeapPageBytes);
    return all.ok() && heap().Free(&cache, *all);
  }
  absl::StatusOr<Block> Allocate(HeapCache& cache, size_t size_bytes, size_t alignment = 1, int view = 0) const {
    return heap(view).Allocate(cache, size_bytes, alignment, [](Block) { return true; });
  }

 private:
  uint64_t PageOf(uint64_t offset) const { return (offset - layout_.area_offset) / kHeapPageBytes; }

  absl::Status Reserve(size_t offset, size_t bytes) {
    const uint64_t end = PageOf(offset + bytes);
    if (end > memory_pages_) return absl::ResourceExhaustedError("no memory");
    ++reservations_;
    const absl::Status status = ReserveMemory(file_, offset, bytes);
    // relaxed, all: published with the pages themselves
    if (!status.ok()) return status;
    for (uint64_t page = PageOf(offset); page < end; ++page) has_memory_[page].store(true, std::memory_order_relaxed);
    return status;
  }
  void Release(size_t offset, size_t bytes) {
    for (uint64_t page = PageOf(offset); page < PageOf(offset + bytes); ++page) {
      has_memory_[page].store(false, std::memory_order_relaxed);  // relaxed: as above
    }
    ReleaseMemory(file_, offset, bytes);
  }

  std::atomic<uint64_t> memory_pages_;
  std::vector<std::atomic<bool>> has_memory_;
  std::atomic<int> reservations_ = 0;
  HeapLayout layout_;
  UniqueFd file_;
  std::vector<Mapping> mappings_;
  std::vector<Heap> heaps_;
};

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_HEAP_WORLD_H_
