#include "shoal/shm/page_runs.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/robust_lock.h"
#include "shoal/sync/status.h"

// The area is divided into runs, one behind the other. A run's first entry tells its length; the entries of its other pages
// are left over from earlier and are not read as a length by anybody.
//
//  entry   meaning                                who may change it, to what
//  free    these pages are nobody's               under the lock: a longer free run (it swallows the one behind it), a shorter one's
//                                                 beginning: slab, run; one whose memory is given back
//  slab    a page of blocks, its owner's          whoever may by heap.h, by compare-exchange: another owner, or free
//  run     one large allocation                   whoever frees it, by compare-exchange: free
//
// So all entries that are not free are the first of a run: an entry is in the middle of one only after it was swallowed, and
// only free ones are. And the holder of the lock changes nothing but free runs, which nobody else does.
//
//  EDGE heap.run: Take() and Change() release → At(), Walk() and Change() acquire. Whoever gets a run, or learns what it is,
//  sees what was done in its pages before.
//  EDGE heap.reserved: Grow() release → reserved_pages() acquire. A page in front of it has memory, unless it lies in a free run
//  that says otherwise.
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
//   in Free, after the memory is given back     the run, its bytes zero: whoever was to free it has them freed once more
//   in GetMemory, wherever                      a free run that says of pages with memory that they have none: reserved again
//   in ReleaseFree, after the entry             the same; the next ReleaseFree gives these back

namespace shoal::shm_internal {

using sync_internal::MakeStatus;

namespace {

constexpr uint64_t kGrowthPages = (uint64_t{2} << 20) / kHeapPageBytes;
constexpr uint64_t kGrowthShare = 32;  // of a large heap: so it grows a logarithmic number of times

}  // namespace

PageRuns::PageRuns(HeapShared& shared, std::atomic<uint64_t>* table, uint64_t page_count, size_t area_offset,
                   HeapMemory memory)
    : shared_(&shared), table_(table), page_count_(page_count), area_offset_(area_offset), memory_(std::move(memory)) {}

absl::StatusOr<uint64_t> PageRuns::Take(uint64_t length, Growth growth, Prepare prepare) const {
  sync_internal::Thread& self = sync_internal::ThisThread();
  bool owner_died;  // leaves nothing to repair, see above
  SHOAL_RETURN_IF_ERROR(sync_internal::Acquire(self, shared_->lock, sync_internal::Deadline::Infinite(), &owner_died,
                                               sync_internal::Whose::kOurs));
  absl::StatusOr<uint64_t> taken = TakeLocked(length, growth, prepare);
  (void)sync_internal::Release(self, shared_->lock);  // released in any case; scribbled links are the next one's DataLoss
  return taken;
}

absl::StatusOr<uint64_t> PageRuns::TakeLocked(uint64_t length, Growth growth, Prepare prepare) const {
  Search search = {.length = length, .growth = growth};
  SHOAL_RETURN_IF_ERROR(Find(search));
  Fit fit = search.with_memory;
  if (fit.length == 0) {
    fit = search.without;
    if (fit.length == 0) return absl::ResourceExhaustedError("");
    SHOAL_RETURN_IF_ERROR(GetMemory(fit, length));
  }
  // relaxed, both: only under the lock. One that was not used is not missed.
  const uint64_t generation = (shared_->generation.load(std::memory_order_relaxed) + 1) & PageEntry::kMaxGeneration;
  shared_->generation.store(generation, std::memory_order_relaxed);
  const uint64_t rest = fit.page + length;
  const uint64_t end = fit.page + fit.length;
  const uint64_t memory_until = std::min(fit.memory_until, end);
  // heap.run (release), both: with the run in front of them, whose pages these were
  if (memory_until < end) table_[memory_until].store(PageEntry::Free(end - memory_until, false).bits(), std::memory_order_release);
  if (rest < memory_until) table_[rest].store(PageEntry::Free(memory_until - rest).bits(), std::memory_order_release);
  // relaxed, both: only under the lock. Before `prepare`, which may write into the pages.
  const uint64_t unused_from = shared_->used_pages.load(std::memory_order_relaxed);
  if (unused_from < rest) shared_->used_pages.store(rest, std::memory_order_relaxed);
  const PageEntry entry = prepare(fit.page, generation, unused_from);
  if (entry.is_free()) return absl::AbortedError("");
  table_[fit.page].store(entry.bits(), std::memory_order_release);  // heap.run (release): what `prepare` wrote
  shared_->rover.store(rest < page_count_ ? rest : 0, std::memory_order_relaxed);  // relaxed: only under the lock
  return fit.page;
}

// ---- the free runs, under the lock ---------------------------------------------------------------------------------------------

// An entry read once and made sense of; its length is 0 if there is none in it.
PageEntry PageRuns::Read(uint64_t page) const {
  // heap.run (acquire): what was done in pages that are free now is over
  const PageEntry entry(table_[page].load(std::memory_order_acquire));
  if (page == 0 && entry == PageEntry(0)) return PageEntry::Free(page_count_);
  return entry.length() <= page_count_ - page ? entry : PageEntry::Free(0);
}

absl::Status PageRuns::CheckEntry(uint64_t page, PageEntry entry) const {
  if (entry.length() != 0 && entry.bits() % 4 != 3) return absl::OkStatus();
  return MakeStatus(absl::StatusCode::kDataLoss,
                    absl::StrCat("the heap's page table makes no sense at page ", page, " of ", page_count_));
}

// The free run at `page` with the free runs behind it, as far as they have memory, or have none, like itself.
PageEntry PageRuns::FreeAlike(uint64_t page, PageEntry first) const {
  uint64_t run = first.length();
  while (page + run < page_count_) {
    const PageEntry behind = Read(page + run);
    if (!behind.is_free() || behind.length() == 0 || behind.has_memory() != first.has_memory()) break;
    run += behind.length();
  }
  return PageEntry::Free(run, first.has_memory());
}

// The free run at `page` with those behind it, of whatever kind, until it has `enough` pages.
PageEntry PageRuns::FreeOfAllKinds(uint64_t page, PageEntry first, uint64_t enough) const {
  PageEntry all = first;
  while (all.length() < enough && page + all.length() < page_count_) {
    const PageEntry behind = Read(page + all.length());
    if (!behind.is_free() || behind.length() == 0) break;
    all = PageEntry::Free(all.length() + behind.length(), all.has_memory() && behind.has_memory());
  }
  return all;
}

// Swallows the runs behind `page`.
void PageRuns::Join(uint64_t page, PageEntry joined) const {
  // relaxed, both: only under the lock. The rover leaves pages that will be no run's first before they are swallowed.
  const uint64_t rover = shared_->rover.load(std::memory_order_relaxed);
  if (rover > page && rover < page + joined.length()) shared_->rover.store(page, std::memory_order_relaxed);
  table_[page].store(joined.bits(), std::memory_order_release);  // heap.run (release): what was read here
}

absl::Status PageRuns::Find(Search& search) const {
  uint64_t start = shared_->rover.load(std::memory_order_relaxed);  // relaxed: only under the lock
  if (start >= page_count_) start = 0;
  SHOAL_RETURN_IF_ERROR(Walk(start, page_count_, search));
  if (search.with_memory.length != 0) return absl::OkStatus();
  return Walk(0, start, search);
}

// Looks at the runs from `from` to `to`, and joins free ones, until it finds enough free pages with memory. If these are not to
// be found, and there may be growth, `without` is the first run that would do if it had more memory.
absl::Status PageRuns::Walk(uint64_t from, uint64_t to, Search& search) const {
  const uint64_t reserved = reserved_pages();
  uint64_t page = from;
  while (page < to) {
    PageEntry entry = Read(page);
    SHOAL_RETURN_IF_ERROR(CheckEntry(page, entry));
    if (entry.is_free()) {
      const PageEntry alike = FreeAlike(page, entry);
      if (alike != entry) Join(page, alike);
      entry = alike;
      if (entry.has_memory() && entry.length() >= search.length && page + search.length <= reserved) {
        search.with_memory = {.page = page, .length = entry.length(), .memory_until = page + entry.length()};
        return absl::OkStatus();
      }
      if (search.growth == Growth::kYes && (search.without.length == 0 || page < search.without.page)) {
        const PageEntry all = FreeOfAllKinds(page, entry, search.length);
        if (all.length() >= search.length) {
          search.without = {.page = page, .length = all.length(), .memory_until = all.has_memory() ? page + all.length() : page};
        }
      }
    }
    page += entry.length();
  }
  return absl::OkStatus();
}

// ---- memory --------------------------------------------------------------------------------------------------------------------

// Gets memory for the first `length` pages of a fit, and for some more of it, which are likely to be wanted next.
absl::Status PageRuns::GetMemory(Fit& fit, uint64_t length) const {
  const uint64_t end = fit.page + length;
  const uint64_t reserved = reserved_pages();
  if (fit.memory_until == fit.page) {  // some of it was given back
    Join(fit.page, PageEntry::Free(fit.length, false));
    const uint64_t had_memory = fit.page < reserved ? std::min(fit.length, reserved - fit.page) : 0;
    uint64_t got = std::min(std::max(length, kGrowthPages), had_memory);
    if (!Reserve(fit.page, got).ok()) {
      got = std::min(length, had_memory);
      SHOAL_RETURN_IF_ERROR(Reserve(fit.page, got));
    }
    fit.memory_until = fit.page + got;
  }
  if (end <= reserved) return absl::OkStatus();
  fit.memory_until = fit.page + fit.length;  // as far as reserved_pages says so
  return Grow(end);
}

absl::Status PageRuns::Reserve(uint64_t page, uint64_t length) const {
  return memory_.reserve(area_offset_ + page * kHeapPageBytes, length * kHeapPageBytes);
}

absl::Status PageRuns::Grow(uint64_t end) const {
  const uint64_t begin = reserved_pages();
  if (end <= begin) return absl::OkStatus();
  const auto reserve_until = [&](uint64_t wanted) {
    const absl::Status status = Reserve(begin, wanted - begin);
    // heap.reserved (release): the memory is there
    if (status.ok()) shared_->reserved_pages.store(wanted, std::memory_order_release);
    return status;
  };
  const uint64_t generous = std::max(end, begin + std::max(kGrowthPages, begin / kGrowthShare));
  const uint64_t wanted = std::min((generous + kGrowthPages - 1) / kGrowthPages * kGrowthPages, page_count_);
  const absl::Status status = reserve_until(wanted);
  return status.ok() || wanted == end ? status : reserve_until(end);
}

bool PageRuns::Free(uint64_t page, PageEntry expected) const {
  const bool long_one = expected.is_run() && expected.length() >= memory_.release_at_once_pages;
  // While it is its owner's still: a free run may be taken at any moment.
  if (long_one) memory_.release(area_offset_ + page * kHeapPageBytes, expected.length() * kHeapPageBytes);
  return Change(page, expected, PageEntry::Free(expected.length(), !long_one));
}

absl::StatusOr<uint64_t> PageRuns::ReleaseFree() const {
  sync_internal::Thread& self = sync_internal::ThisThread();
  bool owner_died;  // leaves nothing to repair, see above
  SHOAL_RETURN_IF_ERROR(sync_internal::Acquire(self, shared_->lock, sync_internal::Deadline::Infinite(), &owner_died,
                                               sync_internal::Whose::kOurs));
  absl::StatusOr<uint64_t> released = ReleaseLocked();
  (void)sync_internal::Release(self, shared_->lock);  // as in Take
  return released;
}

absl::StatusOr<uint64_t> PageRuns::ReleaseLocked() const {
  const uint64_t reserved = reserved_pages();
  uint64_t released = 0;
  for (uint64_t page = 0; page < reserved;) {
    PageEntry entry = Read(page);
    SHOAL_RETURN_IF_ERROR(CheckEntry(page, entry));
    if (entry.is_free()) {
      entry = FreeAlike(page, entry);
      const uint64_t had_memory = std::min(entry.length(), reserved - page);
      // First it is said, then done. What says so already may be a dead one's, who had not done it.
      Join(page, PageEntry::Free(entry.length(), false));
      memory_.release(area_offset_ + page * kHeapPageBytes, had_memory * kHeapPageBytes);
      if (entry.has_memory()) released += had_memory;
    }
    page += entry.length();
  }
  return released;
}

}  // namespace shoal::shm_internal
