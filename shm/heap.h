#ifndef SHOAL_SHM_HEAP_H_
#define SHOAL_SHM_HEAP_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/shm/heap_cache.h"
#include "shoal/shm/page_runs.h"
#include "shoal/shm/size_classes.h"

namespace shoal::shm_internal {

// Names one allocation, for ever: another allocation in the same place has another tag.
// (A block's tag comes round after 2^31 allocations of that very block.)
struct Block {
  uint64_t offset = 0;  // from the segment's base
  uint64_t tag = 0;     // generation of its slab or run:32, the block's tag:32, always odd; 0 names nothing
  friend bool operator==(const Block&, const Block&) = default;
};

struct HeapLayout {
  uint64_t table_offset = 0;  // of page_count words of 8 bytes, zero-filled, with memory; a multiple of 8
  uint64_t area_offset = 0;   // of the pages; a multiple of 4096
  uint64_t page_count = 0;    // of 16 KiB
};

// What lies in a heap; exact while nobody is in a call.
struct HeapUsage {
  uint64_t allocated_blocks = 0;  // runs included
  uint64_t allocated_bytes = 0;   // usable ones, at least as many as were asked for
  uint64_t slab_pages = 0;
  uint64_t run_pages = 0;
  uint64_t free_pages = 0;      // of all, also of those that have no memory yet
  uint64_t reserved_pages = 0;  // that memory was reserved for
  friend bool operator==(const HeapUsage&, const HeapUsage&) = default;
};

// The heap of a segment: a process's view of it. Up to 5,440 bytes are a block in a slab, one page of blocks of one size that
// belongs to one thread; more are a run of pages.
//
//   SHOAL_ASSIGN_OR_RETURN(Heap heap, Heap::Over(bytes, shared, layout, memory));
//   HeapCache cache(slot);
//   SHOAL_ASSIGN_OR_RETURN(Block block, heap.Allocate(cache, 64, 8, [&](Block block) { return journal.Append(block); }));
//   heap.Free(&cache, block);
//
// Thread safety:   all calls may run concurrently, in all processes, each thread with its own cache; but not two Frees of one
//                  Block at once.
// Process safety:  HeapShared, the table and the pages are shared; the Heap and the HeapCaches are each process's own.
// Crash safety:    a block is taken by one store and given back by one; before the first, `record` has been told. Whoever frees
//                  what a dead thread had recorded, as often as he likes, leaves nothing leaked and nothing freed twice. The
//                  dead thread's slabs wait for the next holder of its slot, or for ReleaseSlot.
// Blocking:        Allocate may wait for the heap's lock when the thread needs a new page, ReleaseFreeMemory does; Free and the rest
//                  wait for nobody.
// Memory ordering: what was done with a block before Free happens before what its next owner does with it.
// Ownership:       a block belongs to nobody but its recorder; nothing is freed by itself.
// Errors:          ResourceExhausted: over the limit, no memory, or `record` said no. DataLoss: the shared bytes make no sense
//                  (they never lead outside the segment, nor round in circles). InvalidArgument: an alignment that is no power
//                  of two or above 4096; a cache's slot out of range. FailedPrecondition: called by `record` itself.
// Allocation:      shared memory is reserved 2 MiB (or 1/32 of the heap) at a time before it is used, so using it raises no
//                  SIGBUS. Bytes are not zeroed. Empty slabs of a thread become free pages when it needs pages that have no
//                  memory yet, in Trim and in Release; an idle thread keeps them. Memory goes back to the system when a run of
//                  256 MiB or more is freed, and in ReleaseFreeMemory.
// Layout:          docs/memory_format.md. Blocks are aligned to 16, those whose size is a multiple of 32, 64 or 128 to that;
//                  larger alignments, up to 4096, cost a run.
class Heap {
 public:
  using RecordRef = absl::FunctionRef<bool(Block)>;

  // DataLoss: the layout lies outside `segment_bytes`.
  static absl::StatusOr<Heap> Over(std::span<std::byte> segment_bytes, HeapShared& shared, const HeapLayout& layout,
                                   HeapMemory memory);

  // A block of at least `size_bytes`. `bool record(Block)` is called with the block before it is taken, possibly under the
  // heap's lock; it must not call the heap. If it returns false nothing was taken, and the result is ResourceExhausted.
  template <class Record>
  absl::StatusOr<Block> Allocate(HeapCache& cache, size_t size_bytes, size_t alignment, Record&& record) const {
    if (IsValidAlignment(alignment)) [[likely]] {
      const size_t size_class = SizeClassFor(size_bytes, alignment);
      if (size_class != kNoSizeClass) [[likely]] {
        Found found;
        if (Pop(cache, size_class, found)) [[likely]] {
          return TakeFound(cache, size_class, found, record);
        }
      }
    }
    return AllocateSlow(cache, size_bytes, alignment, record);
  }

  // The same, zero-filled: pages that nobody has had before are not touched, and cost nothing.
  absl::StatusOr<Block> AllocateZeroed(HeapCache& cache, size_t size_bytes, size_t alignment, RecordRef record) const;

  // Whole pages, that nobody records: if their taker dies before he has named them somewhere, they are lost. For who has no cache; so
  // nothing is given back for it, see Gather.
  absl::StatusOr<Block> AllocatePages(size_t size_bytes) const;

  // Makes free pages of the empty slabs of `cache`, and of those that nobody owns. Whether there were any.
  bool Gather(HeapCache& cache) const {
    const bool trimmed = Trim(cache);
    return SweepOrphans(cache) || trimmed;
  }

  // Gathers, and gives the memory of all free pages back to the system; how many bytes. What was reserved but never used counts, too.
  // Whoever needs pages waits meanwhile. Errors: DataLoss, and what the lock says.
  absl::StatusOr<size_t> ReleaseFreeMemory(HeapCache& cache) const;

  // Gives `block` back. False: that allocation is no more; nothing changed. A recoverer has no cache.
  bool Free(HeapCache* cache, Block block) const {
    const uint64_t in_area = block.offset - area_offset_;
    const uint64_t page = in_area / kHeapPageBytes;
    const PageEntry entry = runs_.At(page);
    if (!entry.is_slab() || entry.generation() != block.tag >> 32) [[unlikely]]
      return FreeRun(page, entry, block);
    const size_t size_class = entry.size_class();
    if (size_class >= kSizeClassCount) [[unlikely]]
      return false;
    const uint32_t index = IndexOf(kSizeClasses[size_class], static_cast<uint32_t>(in_area % kHeapPageBytes));
    if (index >= kSizeClasses[size_class].block_count || block.tag % 2 == 0) [[unlikely]]
      return false;
    uint32_t expected = static_cast<uint32_t>(block.tag);
    // heap.block (acquire): it was taken; heap.free (release): what was done with it is over. On failure relaxed: no such block.
    if (!TagsOf(page)[index].compare_exchange_strong(expected, expected + 1, std::memory_order_acq_rel,
                                                     std::memory_order_relaxed)) [[unlikely]] {
      return false;
    }
    if (cache != nullptr && entry.owner() == cache->slot_) {
      HeapCache::Shelf& shelf = cache->shelves_[size_class];
      // A full shelf forgets it; a search of the slab's tags finds it.
      if (shelf.count < shelf.kRoom) shelf.places[shelf.count++] = {static_cast<uint32_t>(page), index};
    }
    return true;
  }

  bool IsAllocated(Block block) const { return !BytesOf(block).empty(); }

  // The allocation that begins at `offset`, with the tag it has now. DataLoss: none does.
  absl::StatusOr<Block> BlockAt(uint64_t offset) const;

  // All bytes of `block`; empty: that allocation is no more.
  std::span<std::byte> BytesOf(Block block) const;
  size_t UsableBytes(Block block) const { return BytesOf(block).size(); }
  // How many bytes Allocate would give for `size_bytes`.
  static size_t UsableBytesFor(size_t size_bytes, size_t alignment = kBlockAlignment);

  // Makes free pages of the thread's wholly free slabs. Returns whether there were any.
  bool Trim(HeapCache& cache) const;

  // At the end of a thread: gives its slabs to nobody, or back as pages if they are empty. The cache is as new then.
  void Release(HeapCache& cache) const;
  // The same for a slot whose holder is dead. REQUIRES: nobody uses or gets the slot meanwhile.
  void ReleaseSlot(uint32_t slot) const;

  HeapUsage Usage() const;

 private:
  struct Found {
    Block block;
    std::atomic<uint32_t>* tag;
  };

  Heap(std::byte* area, uint64_t area_offset, PageRuns runs)
      : area_(area), area_offset_(area_offset), runs_(std::move(runs)) {}

  static constexpr bool IsValidAlignment(size_t alignment) {
    return alignment != 0 && (alignment & (alignment - 1)) == 0 && alignment <= kMaxHeapAlignment;
  }
  // REQUIRES: page < page_count.
  std::atomic<uint32_t>* TagsOf(uint64_t page) const {
    return reinterpret_cast<std::atomic<uint32_t>*>(area_ + page * kHeapPageBytes);
  }
  uint64_t OffsetOf(uint64_t page) const { return area_offset_ + page * kHeapPageBytes; }

  // Takes a block that is free from the thread's shelf. It stays free until its tag is stored.
  bool Pop(HeapCache& cache, size_t size_class, Found& found) const {
    HeapCache::Shelf& shelf = cache.shelves_[size_class];
    while (shelf.count != 0) {
      const HeapCache::Place place = shelf.places[--shelf.count];
      const PageEntry entry = runs_.At(place.page);
      if (!entry.IsSlabOf(size_class, cache.slot_)) [[unlikely]]  // given up since; what lies there may be anybody's bytes
        continue;
      std::atomic<uint32_t>& tag = TagsOf(place.page)[place.index];
      const uint32_t old_tag = tag.load(std::memory_order_acquire);  // heap.free (acquire)
      if (old_tag % 2 != 0) [[unlikely]]
        continue;
      const SizeClass& sizes = kSizeClasses[size_class];
      found.block.offset = OffsetOf(place.page) + sizes.first + uint64_t{place.index} * sizes.block_bytes;
      found.block.tag = entry.generation() << 32 | (old_tag + 1);
      found.tag = &tag;
      return true;
    }
    return false;
  }

  template <class Record>
  absl::StatusOr<Block> TakeFound(HeapCache& cache, size_t size_class, const Found& found, Record&& record) const {
    if (!record(found.block)) [[unlikely]] {
      ++cache.shelves_[size_class].count;  // it lies there still
      return NotRecorded();
    }
    // heap.block (release): `record` is over when the block is taken
    found.tag->store(static_cast<uint32_t>(found.block.tag), std::memory_order_release);
    return found.block;
  }

  absl::StatusOr<Block> AllocateSlow(HeapCache& cache, size_t size_bytes, size_t alignment, RecordRef record) const;
  absl::StatusOr<Block> AllocateFromSlabs(HeapCache& cache, size_t size_bytes, size_t alignment, RecordRef record) const;
  absl::StatusOr<Block> AllocateRun(HeapCache* cache, size_t size_bytes, RecordRef record,
                                    uint64_t* unused_from = nullptr) const;
  absl::StatusOr<uint64_t> TakePages(HeapCache* cache, uint64_t length, PageRuns::Prepare prepare) const;
  static absl::Status NotRecorded();

  absl::Status Refill(HeapCache& cache, size_t size_class) const;
  void SearchOwn(HeapCache& cache, size_t size_class) const;
  void SearchNext(HeapCache& cache, size_t size_class, uint64_t page) const;
  absl::Status NewSlab(HeapCache& cache, size_t size_class) const;
  void RenameFreeBlocks(uint64_t page, size_t size_class) const;
  void Adopt(HeapCache& cache) const;
  bool AdoptOrphan(HeapCache& cache, size_t size_class) const;

  bool FreeRun(uint64_t page, PageEntry entry, Block block) const;
  bool IsRun(uint64_t page, PageEntry entry, Block block) const;
  bool IsEmpty(uint64_t page, size_t size_class) const;
  bool SweepOrphans(HeapCache& cache) const;
  bool GiveUp(uint64_t page, PageEntry entry) const;
  template <class Visit>
  void ForEachSlab(Visit visit) const;

  std::byte* area_;
  uint64_t area_offset_;
  PageRuns runs_;
};

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_HEAP_H_
