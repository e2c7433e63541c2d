#ifndef SHOAL_SHM_PAGE_RUNS_H_
#define SHOAL_SHM_PAGE_RUNS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/shm/size_classes.h"
#include "shoal/sync/robust_list.h"

namespace shoal::shm_internal {

// Part of the shared layout: what a heap has in the segment beside its page table and its pages. Valid when zero-filled.
struct alignas(64) HeapShared final {
  // Changed by whoever takes pages, under the lock.
  sync_internal::RobustWord lock;
  std::atomic<uint64_t> rover;       // where the next search begins: always the first page of a run
  std::atomic<uint64_t> generation;  // of the run taken last

  // Read by everybody, seldom changed.
  alignas(64) std::atomic<uint64_t> reserved_pages;  // the pages in front of this one have memory, or gave it back; only grows
  std::atomic<uint64_t> orphan_classes;              // bit c: there may be slabs of class c without an owner; a hint
  std::atomic<uint64_t> used_pages;                  // under the lock: nobody ever had a page behind these; only grows
};
static_assert(sizeof(HeapShared) == 128 && alignof(HeapShared) == 64, "part of the shared layout");
static_assert(offsetof(HeapShared, rover) == 40 && offsetof(HeapShared, reserved_pages) == 64, "part of the shared layout");

inline constexpr uint32_t kNoSlot = 0;     // an orphan's owner
inline constexpr uint32_t kMaxSlot = 511;  // slots of threads are numbered from 1

// What the page table says of a run, in its first page's entry. All entries 0: one free run of all pages.
//
//   bits   0-1   2-7     8-17    2-33        34-63
//   free    0                    length      1: its memory was given back, of some pages at least
//   slab    1    class   owner               generation
//   run     2                    length      generation
class PageEntry {
 public:
  static constexpr uint64_t kMaxLength = 0xffffffff;
  static constexpr uint64_t kMaxGeneration = (uint64_t{1} << 30) - 1;

  constexpr explicit PageEntry(uint64_t bits) : bits_(bits) {}
  static constexpr PageEntry Free(uint64_t length, bool has_memory = true) {
    return PageEntry(length << 2 | uint64_t{!has_memory} << 34);
  }
  static constexpr PageEntry Slab(size_t size_class, uint32_t owner, uint64_t generation) {
    return PageEntry(1 | uint64_t{size_class} << 2 | uint64_t{owner} << 8 | generation << 34);
  }
  static constexpr PageEntry Run(uint64_t length, uint64_t generation) {
    return PageEntry(2 | length << 2 | generation << 34);
  }

  constexpr bool is_free() const { return (bits_ & 3) == 0; }
  constexpr bool is_slab() const { return (bits_ & 3) == 1; }
  constexpr bool is_run() const { return (bits_ & 3) == 2; }
  // Of a free run: whether those of its pages that are in front of HeapShared::reserved_pages have memory.
  constexpr bool has_memory() const { return generation() == 0; }
  // In pages; 0 or too large only in an entry that somebody scribbled over.
  constexpr uint64_t length() const { return is_slab() ? 1 : bits_ >> 2 & kMaxLength; }
  constexpr uint64_t generation() const { return bits_ >> 34; }
  constexpr size_t size_class() const { return bits_ >> 2 & 63; }
  constexpr uint32_t owner() const { return static_cast<uint32_t>(bits_ >> 8) & 1023; }
  constexpr PageEntry WithOwner(uint32_t owner) const { return Slab(size_class(), owner, generation()); }
  // Whether it is a slab of this class and owner, of whatever generation.
  constexpr bool IsSlabOf(size_t size_class, uint32_t owner) const {
    return (bits_ & 0x3ffff) == Slab(size_class, owner, 0).bits_;
  }
  constexpr uint64_t bits() const { return bits_; }
  friend constexpr bool operator==(PageEntry a, PageEntry b) { return a.bits_ == b.bits_; }

 private:
  uint64_t bits_;
};

// Where a heap's memory comes from: the system, asked for ranges of the segment's bytes.
struct HeapMemory {
  // Gets memory for them; idempotent.
  std::function<absl::Status(size_t offset, size_t size_bytes)> reserve;
  // Gives it back, as far as there is any: they are zero when they are reserved again.
  std::function<void(size_t offset, size_t size_bytes)> release;
  // A run of at least as many pages gives its memory back as soon as it is freed: 256 MiB. To have as much again, and zeroed, takes the
  // kernel several times as long as to fill it; so whoever sends large messages, one after the other, keeps his.
  uint64_t release_at_once_pages = (uint64_t{256} << 20) / kHeapPageBytes;
};

// Runs of 16 KiB pages: taken under the heap's lock, given back by one compare-exchange without it. The table, the edges and
// the deaths are told in page_runs.cc. Process-local; knows nothing of what is in the pages.
//
// Crash safety:  a run is taken, and given back, by one store each: never half of it.
// Blocking:      Take and ReleaseFree wait for the heap's lock and for the kernel; Free may wait for the kernel; the rest never does.
class PageRuns {
 public:
  // Where the area begins in the segment, for `memory`. REQUIRES: `table` has `page_count` entries, at most kMaxLength.
  PageRuns(HeapShared& shared, std::atomic<uint64_t>* table, uint64_t page_count, size_t area_offset, HeapMemory memory);

  enum class Growth : uint8_t { kNo, kYes };

  // Finds `length` free pages and calls `prepare` with the first, a generation, and the first page from which on nobody has ever
  // written anything; then stores what that returned, which takes them. An entry that is free: nothing is taken. Returns the first
  // page.
  // ResourceExhausted: no such run, not in what is reserved (kNo), or the system has no memory, or `prepare` took nothing;
  // DataLoss: the table makes no sense; and what the lock says.
  using Prepare = absl::FunctionRef<PageEntry(uint64_t page, uint64_t generation, uint64_t unused_from)>;
  absl::StatusOr<uint64_t> Take(uint64_t length, Growth growth, Prepare prepare) const;

  // Gives back the run that begins at `page`. False: the entry is no longer `expected`; nothing changed, but that the memory of a
  // long one may be gone. So nobody else frees it at the same time.
  bool Free(uint64_t page, PageEntry expected) const;

  // Gives the memory of all free pages back to the system; how many pages were known to have some. Whoever needs pages waits meanwhile.
  absl::StatusOr<uint64_t> ReleaseFree() const;

  // What is known of a page. Only a run's first page is ever a slab or a run; of all others, and of those without memory, this
  // says that they are free.
  PageEntry At(uint64_t page) const {
    if (page >= reserved_pages()) [[unlikely]]
      return PageEntry::Free(0);
    // heap.run (acquire): what its owner wrote before it published the entry
    return PageEntry(table_[page].load(std::memory_order_acquire));
  }

  // Gives a run or a slab back, or a slab another owner. False: the entry is no longer `expected`; nothing changed.
  bool Change(uint64_t page, PageEntry expected, PageEntry wanted) const {
    uint64_t bits = expected.bits();
    // heap.run (acq_rel): what was done in the pages happens before they are taken again, or after they were adopted;
    // on failure relaxed: nothing was learned
    return table_[page].compare_exchange_strong(bits, wanted.bits(), std::memory_order_acq_rel, std::memory_order_relaxed);
  }

  uint64_t page_count() const { return page_count_; }
  uint64_t reserved_pages() const {
    // heap.reserved (acquire): a page that is in front of it has memory. Never more than we have mapped.
    const uint64_t reserved = shared_->reserved_pages.load(std::memory_order_acquire);
    return reserved < page_count_ ? reserved : page_count_;
  }
  HeapShared& shared() const { return *shared_; }

 private:
  struct Fit {
    uint64_t page;
    uint64_t length;        // 0: there is none
    uint64_t memory_until;  // pages behind this one must be reserved before they are used
  };
  struct Search {
    uint64_t length;
    Growth growth;
    Fit with_memory = {};
    Fit without = {};
  };
  PageEntry Read(uint64_t page) const;
  absl::Status CheckEntry(uint64_t page, PageEntry entry) const;
  PageEntry FreeAlike(uint64_t page, PageEntry first) const;
  PageEntry FreeOfAllKinds(uint64_t page, PageEntry first, uint64_t enough) const;
  void Join(uint64_t page, PageEntry joined) const;
  absl::Status Find(Search& search) const;
  absl::Status Walk(uint64_t from, uint64_t to, Search& search) const;
  absl::Status GetMemory(Fit& fit, uint64_t length) const;
  absl::Status Reserve(uint64_t page, uint64_t length) const;
  absl::Status Grow(uint64_t end) const;
  absl::StatusOr<uint64_t> ReleaseLocked() const;
  absl::StatusOr<uint64_t> TakeLocked(uint64_t length, Growth growth, Prepare prepare) const;

  HeapShared* shared_;
  std::atomic<uint64_t>* table_;
  uint64_t page_count_;
  size_t area_offset_;
  HeapMemory memory_;
};

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_PAGE_RUNS_H_
