// shm/ledger.cc: words that change together.
//
//  lock     changes_count   meaning                                           who may change it, to what
//  free     0               nothing is going on                               a thread → held
//  held     0               its owner has changed nothing since a commit      the owner → one change more, or free
//  held     n               n words have, or may have, changed                the owner → 0, which commits, or takes them back
//  died     n               the same, and nobody goes on                      the next owner, before all else: old values, then 0
//
//  The old values are absolute, and nobody else changes these words while the lock is not free. So they may be put back again and
//  again. The memory that they lie in is given back only after a commit that took the word's object out of all lists.
//
//  The lock's own hand-over publishes everything: all else here is relaxed, in program order, which is what a death sees.
//
//  If the thread dies …                        the others see …
//   with a change written, not yet counted      changes that are not counted: nothing has happened to that word
//   counted, before the word's store            an old value that is there anyway
//   after the word's store                      the old value is put back
//   after the count is 0                        everything has happened
//   putting old values back                     the same changes: the next owner puts them back

#include "shoal/shm/ledger.h"

#include <algorithm>

#include "shoal/sync/check.h"
#include "shoal/sync/robust_lock.h"
#include "shoal/sync/status.h"

namespace shoal::shm_internal {
namespace {

// Program order is what a death sees: the compiler must keep it.
void KeepOrder() { std::atomic_signal_fence(std::memory_order_seq_cst); }  // seq_cst: program order

void TakeBack(const Attachment& attachment) {
  Ledger& ledger = attachment.header().ledger;
  const uint64_t count = std::min(OpenLedger::Get(ledger.changes_count), Ledger::kMaxChanges);
  for (uint64_t i = count; i-- > 0;) {
    const uint64_t offset = OpenLedger::Get(ledger.changes[i].offset);
    // Damaged otherwise: nothing outside the segment is ever touched.
    if (offset % sizeof(uint64_t) != 0 || !attachment.Contains(attachment.base() + offset, sizeof(uint64_t))) continue;
    auto* const word = reinterpret_cast<std::atomic<uint64_t>*>(attachment.base() + offset);
    word->store(OpenLedger::Get(ledger.changes[i].old_value), std::memory_order_relaxed);  // relaxed: see the table
  }
  KeepOrder();
  ledger.changes_count.store(0, std::memory_order_relaxed);  // relaxed: see the table
}

}  // namespace

absl::StatusOr<OpenLedger> OpenLedger::Of(const Attachment& attachment) {
  bool owner_died = false;
  SHOAL_RETURN_IF_ERROR(sync_internal::Acquire(sync_internal::ThisThread(), attachment.header().ledger.lock,
                                               sync_internal::Deadline::Infinite(), &owner_died,
                                               sync_internal::Whose::kOurs));
  // Also if it did not die: the count is 0 then, unless somebody scribbled.
  if (Get(attachment.header().ledger.changes_count) != 0) TakeBack(attachment);
  return OpenLedger(attachment);
}

OpenLedger::~OpenLedger() {
  if (attachment_ == nullptr) return;
  if (changes_ != 0) TakeBack(*attachment_);
  sync_internal::Release(sync_internal::ThisThread(), attachment_->header().ledger.lock);
}

void OpenLedger::Set(std::atomic<uint64_t>& word, uint64_t value) {
  SHOAL_CHECK(changes_ < Ledger::kMaxChanges, "a change of the ledger is of 16 words at most");
  Ledger& ledger = attachment_->header().ledger;
  Ledger::Change& change = ledger.changes[changes_];
  // relaxed, all: see the table
  change.offset.store(attachment_->OffsetOf(&word), std::memory_order_relaxed);
  change.old_value.store(Get(word), std::memory_order_relaxed);  // relaxed: as above
  KeepOrder();
  ledger.changes_count.store(++changes_, std::memory_order_relaxed);  // relaxed: as above
  KeepOrder();
  word.store(value, std::memory_order_relaxed);  // relaxed: as above
}

void OpenLedger::Commit() {
  KeepOrder();
  attachment_->header().ledger.changes_count.store(0, std::memory_order_relaxed);  // relaxed: see the table
  KeepOrder();
  changes_ = 0;
}

}  // namespace shoal::shm_internal
