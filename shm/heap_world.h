#ifndef SHOAL_SHM_HEAP_WORLD_H_
#define SHOAL_SHM_HEAP_WORLD_H_

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
  explicit HeapWorld(uint64_t pages, int views = 1, uint64_t memory_pages = UINT64_MAX) {
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
      const auto reserve = [this, memory_pages](size_t offset, size_t reserve_bytes) {
        if ((offset - layout_.area_offset + reserve_bytes) / kHeapPageBytes > memory_pages) {
          return absl::ResourceExhaustedError("no memory");
        }
        return ReserveMemory(file_, offset, reserve_bytes);
      };
      absl::StatusOr<Heap> heap = Heap::Over(bytes, shared(i), layout_, reserve);
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

  // Whether everything is one free run again.
  bool AllPagesFit(HeapCache& cache) const {
    absl::StatusOr<Block> all = Allocate(cache, layout_.page_count * kHeapPageBytes);
    return all.ok() && heap().Free(&cache, *all);
  }
  absl::StatusOr<Block> Allocate(HeapCache& cache, size_t size_bytes, size_t alignment = 1, int view = 0) const {
    return heap(view).Allocate(cache, size_bytes, alignment, [](Block) { return true; });
  }

 private:
  HeapLayout layout_;
  UniqueFd file_;
  std::vector<Mapping> mappings_;
  std::vector<Heap> heaps_;
};

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_HEAP_WORLD_H_
