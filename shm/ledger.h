#ifndef SHOAL_SHM_LEDGER_H_
#define SHOAL_SHM_LEDGER_H_

#include <atomic>
#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/layout.h"

namespace shoal::shm_internal {

// The segment's ledger, held by this thread: words of shared memory that change together or not at all. What a count and the mark
// that it has been counted need: two words that are never seen apart, whoever dies. ledger.cc tells why it holds.
//
//   SHOAL_ASSIGN_OR_RETURN(OpenLedger ledger, OpenLedger::Of(attachment));
//   ledger.Set(object.stored, ledger.Get(object.stored) + 1);
//   ledger.Set(slot.retained, ordinal);
//   ledger.Commit();
//
// Crash safety:  before Commit returns nothing has happened, after it all has. Without Commit, nothing.
// Blocking:      Of waits for other threads' few stores; whoever has it takes no other lock and no memory.
class OpenLedger final {
 public:
  // Errors: those of a lock.
  static absl::StatusOr<OpenLedger> Of(const Attachment& attachment);
  OpenLedger(OpenLedger&& other) noexcept
      : attachment_(std::exchange(other.attachment_, nullptr)), changes_(other.changes_) {}
  OpenLedger& operator=(OpenLedger&&) = delete;
  ~OpenLedger();

  static uint64_t Get(const std::atomic<uint64_t>& word) {
    return word.load(std::memory_order_relaxed);  // relaxed: guarded by the ledger's lock
  }
  // REQUIRES: `word` lies in the segment; at most Ledger::kMaxChanges before a Commit.
  void Set(std::atomic<uint64_t>& word, uint64_t value);
  void Commit();

  const Attachment& attachment() const { return *attachment_; }

 private:
  explicit OpenLedger(const Attachment& attachment) : attachment_(&attachment) {}

  const Attachment* attachment_;  // null: moved from
  uint64_t changes_ = 0;          // since the last commit
};

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_LEDGER_H_
