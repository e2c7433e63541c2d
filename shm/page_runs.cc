#include "shoal/shm/page_runs.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shoal/shm/size_classes.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/robust_lock.h"
#include "shoal/sync/status.h"

// The area is divided into runs, one behind the other. A run's first entry tells its length; the entries of its other pages
// are left over from earlier and are not read as a length by anybody.
//
//  entry   meaning                                who may change it, to what
//  free    these pages are nobody's               under the lock: a longer free run (it swallows the one behind it), a shorter one's
//                                                 beginning: slab, run
//  slab    a page of blocks, its owner's          whoever may by heap.h, by compare-exchange: another owner, or free
//  run     one large allocation                   whoever frees it, by compare-exchange: free
//
// So all entries that are not free are the first of a run: an entry is in the middle of one only after it was swallowed, and
// only free ones are. And the holder of the lock changes nothing but free runs, which nobody else does.
//
//  EDGE heap.run: Take() and Change() release → At(), Walk() and Change() acquire. Whoever gets a run, or learns what it is,
//  sees what was done in its pages before.
//  EDGE heap.reserved: Grow() release → reserved_pages() acquire. A page in front of it has memory.
//
//  If the process dies …                      the others see …
//   holding the lock, wherever                 the lock, handed on by the kernel; every store below leaves the table whole
//   in Walk, before it moves the rover          nothing
//   between that and swallowing                 the rover at the longer run's first page: a first page, before and after
//   in Grow, before the store                   memory that is reserved and not counted: reserved again, which is no work
//   in Take, after the rest's entry             the whole free run as it was: that entry is in its middle
//   after `used_pages`                          pages that count as used although they are still zero
//   after the taking store                      the run taken; whoever was to record it did so in `prepare`
//   before the rover's store                    a rover that is behind: still a first page
//   in Change                                   the old entry or the new one

namespace shoal::shm_internal {

using sync_internal::MakeStatus;

namespace {

constexpr uint64_t kGrowthPages = (uint64_t{2} << 20) / kHeapPageBytes;
constexpr uint64_t kGrowthShare = 32;  // of a large heap: so it grows a logarithmic number of times

}  // namespace

PageRuns::PageRuns(HeapShared& shared, std::atomic<uint64_t>* table, uint64_t page_count, size_t area_offset,
                   ReserveMemoryFunction reserve)
    : shared_(&shared), table_(table), page_count_(page_count), area_offset_(area_offset), reserve_(std::move(reserve)) {}

absl::StatusOr<uint64_t> PageRuns::Take(uint64_t length, Growth growth, Prepare prepare) const {
  sync_internal::Thread& self = sync_internal::ThisThread();
  bool owner_died;  // leaves nothing to repair, see above
  SHOAL_RETURN_IF_ERROR(sync_internal::Acquire(self, shared_->lock, sync_internal::Deadline::Infinite(), &owner_died));
  absl::StatusOr<uint64_t> taken = TakeLocked(length, growth, prepare);
  (void)sync_internal::Release(self, shared_->lock);  // released in any case; scribbled links are the next one's DataLoss
  return taken;
}

absl::StatusOr<uint64_t> PageRuns::TakeLocked(uint64_t length, Growth growth, Prepare prepare) const {
  Fit reserved = {};
  Fit unreserved = {};
  SHOAL_RETURN_IF_ERROR(Find(length, reserved, unreserved));
  Fit fit = reserved;
  if (fit.length == 0) {
    if (growth == Growth::kNo || unreserved.length == 0) return absl::ResourceExhaustedError("");
    SHOAL_RETURN_IF_ERROR(Grow(unreserved.page + length));
    fit = unreserved;
  }
  // relaxed, both: only under the lock. One that was not used is not missed.
  const uint64_t generation = (shared_->generation.load(std::memory_order_relaxed) + 1) & PageEntry::kMaxGeneration;
  shared_->generation.store(generation, std::memory_order_relaxed);
  const uint64_t rest = fit.page + length;
  // heap.run (release): with the run in front of it, whose pages these were
  if (fit.length > length) table_[rest].store(PageEntry::Free(fit.length - length).bits(), std::memory_order_release);
  // relaxed, both: only under the lock. Before `prepare`, which may write into the pages.
  const uint64_t unused_from = shared_->used_pages.load(std::memory_order_relaxed);
  if (unused_from < rest) shared_->used_pages.store(rest, std::memory_order_relaxed);
  const PageEntry entry = prepare(fit.page, generation, unused_from);
  if (entry.is_free()) return absl::AbortedError("");
  table_[fit.page].store(entry.bits(), std::memory_order_release);  // heap.run (release): what `prepare` wrote
  shared_->rover.store(rest < page_count_ ? rest : 0, std::memory_order_relaxed);  // relaxed: only under the lock
  return fit.page;
}

absl::Status PageRuns::Find(uint64_t length, Fit& reserved, Fit& unreserved) const {
  uint64_t start = shared_->rover.load(std::memory_order_relaxed);  // relaxed: only under the lock
  if (start >= page_count_) start = 0;
  SHOAL_RETURN_IF_ERROR(Walk(start, page_count_, length, reserved, unreserved));
  if (reserved.length != 0) return absl::OkStatus();
  return Walk(0, start, length, reserved, unreserved);
}

// Looks at the runs from `from` to `to`, and joins free ones, until it finds `length` free pages with memory. If these are
// not to be found, `unreserved` is the first run that would do with more memory.
absl::Status PageRuns::Walk(uint64_t from, uint64_t to, uint64_t length, Fit& reserved, Fit& unreserved) const {
  const uint64_t with_memory = reserved_pages();
  // An entry read once and made sense of; its length is 0 if there is none in it.
  const auto read = [this](uint64_t page) {
    // heap.run (acquire): what was done in pages that are free now is over
    const PageEntry entry(table_[page].load(std::memory_order_acquire));
    if (page == 0 && entry == PageEntry(0)) return PageEntry::Free(page_count_);
    return entry.length() <= page_count_ - page ? entry : PageEntry::Free(0);
  };
  uint64_t page = from;
  while (page < to) {
    const PageEntry entry = read(page);
    uint64_t run = entry.length();
    if (run == 0 || entry.bits() % 4 == 3) {
      return MakeStatus(absl::StatusCode::kDataLoss,
                        absl::StrCat("the heap's page table makes no sense at page ", page, " of ", page_count_));
    }
    if (entry.is_free()) {
      while (page + run < page_count_) {
        const PageEntry behind = read(page + run);
        if (!behind.is_free() || behind.length() == 0) break;
        run += behind.length();
      }
      if (run != entry.length()) {
        // relaxed, both: only under the lock. The rover leaves pages that will be no run's first before they are swallowed.
        const uint64_t rover = shared_->rover.load(std::memory_order_relaxed);
        if (rover > page && rover < page + run) shared_->rover.store(page, std::memory_order_relaxed);
        table_[page].store(PageEntry::Free(run).bits(),
                           std::memory_order_release);  // heap.run (release): what was read here
      }
      if (run >= length) {
        if (page + length <= with_memory) {
          reserved = {.page = page, .length = run};
          return absl::OkStatus();
        }
        if (unreserved.length == 0 || page < unreserved.page) unreserved = {.page = page, .length = run};
      }
    }
    page += run;
  }
  return absl::OkStatus();
}

absl::Status PageRuns::Grow(uint64_t end) const {
  const uint64_t begin = reserved_pages();
  if (end <= begin) return absl::OkStatus();
  const auto reserve_until = [&](uint64_t wanted) {
    const absl::Status status = reserve_(area_offset_ + begin * kHeapPageBytes, (wanted - begin) * kHeapPageBytes);
    // heap.reserved (release): the memory is there
    if (status.ok()) shared_->reserved_pages.store(wanted, std::memory_order_release);
    return status;
  };
  const uint64_t generous = std::max(end, begin + std::max(kGrowthPages, begin / kGrowthShare));
  const uint64_t wanted = std::min((generous + kGrowthPages - 1) / kGrowthPages * kGrowthPages, page_count_);
  const absl::Status status = reserve_until(wanted);
  return status.ok() || wanted == end ? status : reserve_until(end);
}

}  // namespace shoal::shm_internal
