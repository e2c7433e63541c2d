#include "shoal/shm/heap.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "shoal/sync/status.h"

// A slab is a page: one tag of 32 bits per block, then the blocks (size_classes.h). The tag is all that is shared about a block.
//
//  tag     meaning                        who may change it, to what
//  even    free                           its slab's owner: tag + 1, which takes it; or, when it adopts the slab, tag + 2
//  odd     allocated                      whoever frees it, by compare-exchange: tag + 1
//
//  A slab's owner (its entry in the page table)    who may change it, to what
//  slot s                                          s's holder: 0 (Release), or a free page if all its tags are even
//  0: an orphan                                    anybody, by compare-exchange: his own slot
//
// So only one thread ever takes blocks of a slab, and it names a block before it takes it: {offset, generation of the slab, tag
// that it is going to have}. A thread that dies between the two has named a block that it did not take. The slab's next owner
// must not give that name away, or whoever frees what the dead one had recorded frees the wrong block: hence tag + 2.
//
// A fresh slab's tags begin with its generation, so that no tag of an earlier slab in the page is met again soon.
//
//  EDGE heap.block: Allocate() release → Free() acquire. Whoever frees it, frees what was taken.
//  EDGE heap.free: Free() release → Pop(), IsEmpty() acquire. What was done with a block is over when it is taken again, or its
//  page is.
//
//  If the process dies …                      the others see …
//   before `record`                            nothing
//   between `record` and the tag's store       a name of nothing: Free says false
//   after the tag's store                      a block, recorded
//   in Free, before the compare-exchange       the block; it can be freed by its name
//   after it                                   a free block, which its slab's owner finds when it searches the tags
//   in NewSlab, before the entry's store       a free page
//   after it, or anywhere with slabs           slabs of its slot: Adopt or ReleaseSlot finds them in the page table
//   in AdoptOrphan, after the claim            the same
//   in Trim, between looking and Change        a slab that is empty
//   in Release, after the hint                 a hint that there are orphans: looked for in vain
//   after a hint was cleared, before it is     orphans that are not looked for until memory is short
//     set again

namespace shoal::shm_internal {

using sync_internal::MakeStatus;

namespace {

constexpr uint64_t kSlabsPerSearch = 4;    // beside the current one: so a full slab is looked at once for each new one
constexpr uint32_t kBlocksPerSearch = 32;  // half a shelf: the other half is for what is freed meanwhile
constexpr int kOrphansPerRefill = 8;
constexpr uint32_t kRunTag = 1;

constexpr uint64_t PagesFor(size_t size_bytes) {
  return size_bytes / kHeapPageBytes + (size_bytes % kHeapPageBytes != 0 ? 1 : 0);
}

}  // namespace

absl::StatusOr<Heap> Heap::Over(std::span<std::byte> segment_bytes, HeapShared& shared, const HeapLayout& layout,
                                HeapMemory memory) {
  const auto lies_inside = [&](uint64_t offset, uint64_t count, uint64_t each) {
    return offset <= segment_bytes.size() && count <= (segment_bytes.size() - offset) / each;
  };
  if (layout.page_count == 0 || layout.page_count > PageEntry::kMaxLength || layout.table_offset % 8 != 0 ||
      layout.area_offset % kMaxHeapAlignment != 0 || !lies_inside(layout.table_offset, layout.page_count, 8) ||
      !lies_inside(layout.area_offset, layout.page_count, kHeapPageBytes)) {
    return MakeStatus(absl::StatusCode::kDataLoss,
                      absl::StrCat("a heap of ", layout.page_count, " pages at ", layout.area_offset, " with its table at ",
                                   layout.table_offset, " does not lie in a segment of ", segment_bytes.size(), " bytes"));
  }
  std::byte* const base = segment_bytes.data();
  return Heap(base + layout.area_offset, layout.area_offset,
              PageRuns(shared, reinterpret_cast<std::atomic<uint64_t>*>(base + layout.table_offset), layout.page_count,
                       layout.area_offset, std::move(memory)));
}

// Calls `visit(page, entry)` for every slab until it says false. Needs no lock: an entry that says slab is one.
template <class Visit>
void Heap::ForEachSlab(Visit visit) const {
  const uint64_t end = runs_.reserved_pages();
  for (uint64_t page = 0; page < end; ++page) {
    const PageEntry entry = runs_.At(page);
    if (entry.is_slab() && entry.size_class() < kSizeClassCount && !visit(page, entry)) return;
  }
}

// ---- taking ------------------------------------------------------------------------------------------------------------------

absl::StatusOr<Block> Heap::AllocateSlow(HeapCache& cache, size_t size_bytes, size_t alignment, RecordRef record) const {
  try {
    return AllocateFromSlabs(cache, size_bytes, alignment, record);
  } catch (const std::bad_alloc&) {
    // For the list of the thread's slabs: one that is not in it is idle until the thread ends.
    return sync_internal::NoMemoryStatus();
  }
}

absl::StatusOr<Block> Heap::AllocateFromSlabs(HeapCache& cache, size_t size_bytes, size_t alignment,
                                              RecordRef record) const {
  if (!IsValidAlignment(alignment)) {
    return MakeStatus(absl::StatusCode::kInvalidArgument,
                      absl::StrCat("an alignment is a power of two up to ", kMaxHeapAlignment, ", not ", alignment));
  }
  if (cache.slot_ == kNoSlot || cache.slot_ > kMaxSlot) {
    return MakeStatus(absl::StatusCode::kInvalidArgument,
                      absl::StrCat("a slot is a number from 1 to ", kMaxSlot, ", not ", cache.slot_));
  }
  const size_t size_class = SizeClassFor(size_bytes, alignment);
  if (size_class == kNoSizeClass) return AllocateRun(&cache, std::max<size_t>(size_bytes, 1), record);
  SHOAL_RETURN_IF_ERROR(Refill(cache, size_class));
  Found found;
  if (Pop(cache, size_class, found)) return TakeFound(cache, size_class, found, record);
  return MakeStatus(absl::StatusCode::kDataLoss, "the heap's slabs are not what they were a moment ago");
}

absl::StatusOr<Block> Heap::AllocateZeroed(HeapCache& cache, size_t size_bytes, size_t alignment, RecordRef record) const {
  uint64_t unused_from = runs_.page_count();
  const bool large = IsValidAlignment(alignment) && SizeClassFor(size_bytes, alignment) == kNoSizeClass && size_bytes != 0;
  SHOAL_ASSIGN_OR_RETURN(const Block block, large ? AllocateRun(&cache, size_bytes, record, &unused_from)
                                                  : Allocate(cache, size_bytes, alignment, record));
  const uint64_t used_until = OffsetOf(unused_from);
  if (block.offset < used_until) {
    std::memset(area_ + (block.offset - area_offset_), 0, std::min<uint64_t>(size_bytes, used_until - block.offset));
  }
  return block;
}

absl::StatusOr<Block> Heap::AllocatePages(size_t size_bytes) const {
  return AllocateRun(nullptr, std::max<size_t>(size_bytes, 1), [](Block) { return true; });
}

absl::StatusOr<Block> Heap::AllocateRun(HeapCache* cache, size_t size_bytes, RecordRef record, uint64_t* unused_from) const {
  const uint64_t length = PagesFor(size_bytes);
  Block block;
  const auto prepare = [&](uint64_t page, uint64_t generation, uint64_t unused) {
    if (unused_from != nullptr) *unused_from = unused;
    block = {.offset = OffsetOf(page), .tag = generation << 32 | kRunTag};
    return record(block) ? PageEntry::Run(length, generation) : PageEntry::Free(0);
  };
  const absl::StatusOr<uint64_t> page = TakePages(cache, length, prepare);
  if (absl::IsAborted(page.status())) return NotRecorded();
  if (!page.ok()) return page.status();
  return block;
}

absl::Status Heap::NotRecorded() {
  return MakeStatus(absl::StatusCode::kResourceExhausted, "an allocation could not be recorded, so it was not made");
}

// First what has memory, then the thread's own empty slabs, then more memory, then what nobody owns.
absl::StatusOr<uint64_t> Heap::TakePages(HeapCache* cache, uint64_t length, PageRuns::Prepare prepare) const {
  absl::StatusOr<uint64_t> page = absl::ResourceExhaustedError("");
  if (length <= runs_.page_count()) {
    page = runs_.Take(length, PageRuns::Growth::kNo, prepare);
    if (absl::IsResourceExhausted(page.status()) && cache != nullptr && Trim(*cache))
      page = runs_.Take(length, PageRuns::Growth::kNo, prepare);
    if (absl::IsResourceExhausted(page.status())) page = runs_.Take(length, PageRuns::Growth::kYes, prepare);
    if (absl::IsResourceExhausted(page.status()) && cache != nullptr && SweepOrphans(*cache)) {
      page = runs_.Take(length, PageRuns::Growth::kYes, prepare);
    }
  }
  if (absl::IsResourceExhausted(page.status()) && page.status().message().empty()) {
    return MakeStatus(absl::StatusCode::kResourceExhausted,
                      absl::StrCat("the heap is full: ", length * kHeapPageBytes, " bytes in one piece wanted, ",
                                   Usage().free_pages * kHeapPageBytes, " of ", runs_.page_count() * kHeapPageBytes,
                                   " bytes free in all"));
  }
  return page;
}

// ---- slabs -------------------------------------------------------------------------------------------------------------------

// Puts at least one free block on the shelf.
absl::Status Heap::Refill(HeapCache& cache, size_t size_class) const {
  if (!cache.adopted_) Adopt(cache);
  SearchOwn(cache, size_class);
  HeapCache::Shelf& shelf = cache.shelves_[size_class];
  if (shelf.count != 0 || AdoptOrphan(cache, size_class)) return absl::OkStatus();
  const absl::Status status = NewSlab(cache, size_class);
  if (status.ok() || !absl::IsResourceExhausted(status)) return status;
  // relaxed: a hint. It is not believed now.
  runs_.shared().orphan_classes.fetch_or(uint64_t{1} << size_class, std::memory_order_relaxed);
  if (AdoptOrphan(cache, size_class)) return absl::OkStatus();
  for (uint64_t left = shelf.slabs.size(); left > 0 && shelf.count == 0; left -= std::min(left, kSlabsPerSearch)) {
    SearchOwn(cache, size_class);
  }
  return shelf.count != 0 ? absl::OkStatus() : status;
}

// Looks for free blocks in the thread's slabs, from where it stopped last time, through a few of them.
void Heap::SearchOwn(HeapCache& cache, size_t size_class) const {
  HeapCache::Shelf& shelf = cache.shelves_[size_class];
  const uint32_t block_count = kSizeClasses[size_class].block_count;
  // Once around at most, so that no block is found twice.
  uint64_t tags_left = std::min<uint64_t>(shelf.slabs.size(), kSlabsPerSearch + 1) * block_count;
  while (tags_left > 0 && shelf.count < kBlocksPerSearch && !shelf.slabs.empty()) {
    if (shelf.slab >= shelf.slabs.size()) shelf.slab = 0;
    const uint32_t page = shelf.slabs[shelf.slab];
    if (!runs_.At(page).IsSlabOf(size_class, cache.slot_)) {  // given back by Trim, or scribbled over
      shelf.slabs[shelf.slab] = shelf.slabs.back();
      shelf.slabs.pop_back();
      shelf.block = 0;
      continue;
    }
    const std::atomic<uint32_t>* const tags = TagsOf(page);
    for (; shelf.block < block_count && tags_left > 0 && shelf.count < kBlocksPerSearch; ++shelf.block, --tags_left) {
      // relaxed: Pop looks again
      if (tags[shelf.block].load(std::memory_order_relaxed) % 2 == 0) shelf.places[shelf.count++] = {page, shelf.block};
    }
    if (shelf.block >= block_count) {
      ++shelf.slab;
      shelf.block = 0;
    }
  }
}

absl::Status Heap::NewSlab(HeapCache& cache, size_t size_class) const {
  const auto prepare = [&](uint64_t page, uint64_t generation, uint64_t) {
    std::atomic<uint32_t>* const tags = TagsOf(page);
    const uint32_t first_tag = static_cast<uint32_t>(generation << 8);
    for (uint32_t i = 0; i < kSizeClasses[size_class].block_count; ++i) {
      tags[i].store(first_tag, std::memory_order_relaxed);  // relaxed: published with the page's entry
    }
    return PageEntry::Slab(size_class, cache.slot_, generation);
  };
  SHOAL_ASSIGN_OR_RETURN(const uint64_t page, TakePages(&cache, 1, prepare));
  SearchNext(cache, size_class, page);
  return absl::OkStatus();
}

// Enters a slab that the thread owns now, and looks for free blocks in it.
void Heap::SearchNext(HeapCache& cache, size_t size_class, uint64_t page) const {
  HeapCache::Shelf& shelf = cache.shelves_[size_class];
  shelf.slab = static_cast<uint32_t>(shelf.slabs.size());
  shelf.block = 0;
  shelf.slabs.push_back(static_cast<uint32_t>(page));
  SearchOwn(cache, size_class);
}

// Gives the free blocks of a slab that was another's names that he cannot have recorded.
void Heap::RenameFreeBlocks(uint64_t page, size_t size_class) const {
  std::atomic<uint32_t>* const tags = TagsOf(page);
  for (uint32_t i = 0; i < kSizeClasses[size_class].block_count; ++i) {
    // heap.free (acquire); the store is relaxed: only the owner changes an even tag, and it publishes nothing
    const uint32_t tag = tags[i].load(std::memory_order_acquire);
    if (tag % 2 == 0) tags[i].store(tag + 2, std::memory_order_relaxed);
  }
}

void Heap::Adopt(HeapCache& cache) const {
  cache.adopted_ = true;
  ForEachSlab([&](uint64_t page, PageEntry entry) {
    if (entry.owner() != cache.slot_) return true;
    RenameFreeBlocks(page, entry.size_class());
    cache.shelves_[entry.size_class()].slabs.push_back(static_cast<uint32_t>(page));
    return true;
  });
}

// Makes orphans of the class the thread's own, until there is a free block among them.
bool Heap::AdoptOrphan(HeapCache& cache, size_t size_class) const {
  std::atomic<uint64_t>& orphan_classes = runs_.shared().orphan_classes;
  const uint64_t hint = uint64_t{1} << size_class;
  HeapCache::Shelf& shelf = cache.shelves_[size_class];
  // relaxed, all: a hint; what an orphan is, its entry says
  if ((orphan_classes.load(std::memory_order_relaxed) & hint) == 0) return false;
  orphan_classes.fetch_and(~hint, std::memory_order_relaxed);
  int adopted = 0;
  ForEachSlab([&](uint64_t page, PageEntry entry) {
    if (!entry.IsSlabOf(size_class, kNoSlot) || !runs_.Change(page, entry, entry.WithOwner(cache.slot_))) return true;
    RenameFreeBlocks(page, size_class);
    SearchNext(cache, size_class, page);
    return shelf.count == 0 && ++adopted < kOrphansPerRefill;
  });
  if (adopted != 0 || shelf.count != 0) orphan_classes.fetch_or(hint, std::memory_order_relaxed);  // relaxed: as above
  return shelf.count != 0;
}

// ---- giving back -------------------------------------------------------------------------------------------------------------

bool Heap::FreeRun(uint64_t page, PageEntry entry, Block block) const {
  if (!IsRun(page, entry, block)) return false;
  return runs_.Free(page, entry);
}

bool Heap::IsEmpty(uint64_t page, size_t size_class) const {
  const std::atomic<uint32_t>* const tags = TagsOf(page);
  for (uint32_t i = 0; i < kSizeClasses[size_class].block_count; ++i) {
    if (tags[i].load(std::memory_order_acquire) % 2 != 0) return false;  // heap.free (acquire)
  }
  return true;
}

bool Heap::Trim(HeapCache& cache) const {
  if (!cache.adopted_) Adopt(cache);
  bool any = false;
  for (size_t size_class = 0; size_class < kSizeClassCount; ++size_class) {
    std::vector<uint32_t>& slabs = cache.shelves_[size_class].slabs;
    const auto given_back = [&](uint32_t page) {
      const PageEntry entry = runs_.At(page);
      if (!entry.IsSlabOf(size_class, cache.slot_)) return true;
      if (!IsEmpty(page, size_class)) return false;
      any = runs_.Change(page, entry, PageEntry::Free(1)) || any;
      return true;
    };
    // Places on the shelf that are in these pages are not believed any more: Pop looks at the page's entry.
    slabs.erase(std::remove_if(slabs.begin(), slabs.end(), given_back), slabs.end());
  }
  return any;
}

// Orphans are claimed before they are looked at: an owner may come and go between a look and a compare-exchange.
bool Heap::SweepOrphans(HeapCache& cache) const {
  bool any = false;
  ForEachSlab([&](uint64_t page, PageEntry entry) {
    if (entry.owner() != kNoSlot || !IsEmpty(page, entry.size_class())) return true;
    const PageEntry claimed = entry.WithOwner(cache.slot_);
    if (!runs_.Change(page, entry, claimed)) return true;
    any = GiveUp(page, claimed) || any;
    return true;
  });
  return any;
}

// Makes a free page of a slab if it is empty, which it returns, or an orphan. REQUIRES: the slab is the caller's.
bool Heap::GiveUp(uint64_t page, PageEntry entry) const {
  if (IsEmpty(page, entry.size_class())) return runs_.Change(page, entry, PageEntry::Free(1));
  // relaxed: a hint
  runs_.shared().orphan_classes.fetch_or(uint64_t{1} << entry.size_class(), std::memory_order_relaxed);
  (void)runs_.Change(page, entry, entry.WithOwner(kNoSlot));
  return false;
}

absl::StatusOr<size_t> Heap::ReleaseFreeMemory(HeapCache& cache) const {
  (void)Gather(cache);
  SHOAL_ASSIGN_OR_RETURN(const uint64_t pages, runs_.ReleaseFree());
  return pages * kHeapPageBytes;
}

void Heap::Release(HeapCache& cache) const {
  ReleaseSlot(cache.slot_);
  for (HeapCache::Shelf& shelf : cache.shelves_) {
    shelf.count = shelf.slab = shelf.block = 0;
    shelf.slabs.clear();
  }
  cache.adopted_ = false;
}

void Heap::ReleaseSlot(uint32_t slot) const {
  if (slot == kNoSlot) return;
  ForEachSlab([&](uint64_t page, PageEntry entry) {
    if (entry.owner() == slot) GiveUp(page, entry);
    return true;
  });
}

// ---- looking -----------------------------------------------------------------------------------------------------------------

bool Heap::IsRun(uint64_t page, PageEntry entry, Block block) const {
  return entry.is_run() && entry.length() != 0 && entry.length() <= runs_.reserved_pages() - page &&
         block.offset == OffsetOf(page) && block.tag == (entry.generation() << 32 | kRunTag);
}

absl::StatusOr<Block> Heap::BlockAt(uint64_t offset) const {
  const uint64_t in_area = offset - area_offset_;
  const uint64_t page = in_area / kHeapPageBytes;
  const PageEntry entry = runs_.At(page);
  Block block{.offset = offset, .tag = entry.generation() << 32 | kRunTag};
  if (IsRun(page, entry, block)) return block;
  if (entry.is_slab() && entry.size_class() < kSizeClassCount) {
    const SizeClass& sizes = kSizeClasses[entry.size_class()];
    const uint32_t index = IndexOf(sizes, static_cast<uint32_t>(in_area % kHeapPageBytes));
    if (index < sizes.block_count) {
      const uint32_t tag = TagsOf(page)[index].load(std::memory_order_acquire);  // heap.block (acquire)
      block.tag = entry.generation() << 32 | tag;
      if (tag % 2 != 0) return block;
    }
  }
  return MakeStatus(absl::StatusCode::kDataLoss, absl::StrCat("no allocation begins at offset ", offset));
}

std::span<std::byte> Heap::BytesOf(Block block) const {
  const uint64_t in_area = block.offset - area_offset_;
  const uint64_t page = in_area / kHeapPageBytes;
  const PageEntry entry = runs_.At(page);
  if (IsRun(page, entry, block)) return {area_ + in_area, entry.length() * kHeapPageBytes};
  if (!entry.is_slab() || entry.generation() != block.tag >> 32 || entry.size_class() >= kSizeClassCount) return {};
  const SizeClass& sizes = kSizeClasses[entry.size_class()];
  const uint32_t index = IndexOf(sizes, static_cast<uint32_t>(in_area % kHeapPageBytes));
  if (index >= sizes.block_count || block.tag % 2 == 0) return {};
  // heap.block (acquire)
  if (TagsOf(page)[index].load(std::memory_order_acquire) != static_cast<uint32_t>(block.tag)) return {};
  return {area_ + in_area, sizes.block_bytes};
}

size_t Heap::UsableBytesFor(size_t size_bytes, size_t alignment) {
  const size_t size_class = SizeClassFor(size_bytes, alignment);
  if (size_class != kNoSizeClass) return kSizeClasses[size_class].block_bytes;
  return std::max<uint64_t>(PagesFor(size_bytes), 1) * kHeapPageBytes;
}

HeapUsage Heap::Usage() const {
  HeapUsage usage;
  usage.reserved_pages = runs_.reserved_pages();
  for (uint64_t page = 0; page < usage.reserved_pages; ++page) {
    const PageEntry entry = runs_.At(page);
    if (entry.is_run()) {
      ++usage.allocated_blocks;
      usage.run_pages += entry.length();
      usage.allocated_bytes += entry.length() * kHeapPageBytes;
    } else if (entry.is_slab() && entry.size_class() < kSizeClassCount) {
      ++usage.slab_pages;
      const SizeClass& sizes = kSizeClasses[entry.size_class()];
      for (uint32_t i = 0; i < sizes.block_count; ++i) {
        // heap.block (acquire): whoever counts it may free it
        if (TagsOf(page)[i].load(std::memory_order_acquire) % 2 == 0) continue;
        ++usage.allocated_blocks;
        usage.allocated_bytes += sizes.block_bytes;
      }
    }
  }
  const uint64_t used = usage.slab_pages + usage.run_pages;
  usage.free_pages = used < runs_.page_count() ? runs_.page_count() - used : 0;
  return usage;
}

}  // namespace shoal::shm_internal
