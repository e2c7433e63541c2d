#ifndef SHOAL_SHM_JOURNAL_H_
#define SHOAL_SHM_JOURNAL_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/heap.h"
#include "shoal/shm/layout.h"

// The undo journal of one thread: what its open section has changed, so that the section can be undone, by itself or by the next
// owner of its locks. The state table, the edges and the deaths are told in journal.cc.

namespace shoal::shm_internal {

// A record is its bytes, padded to 8, and behind them a trailer, so that a journal is read backwards.
enum class RecordKind : uint64_t {
  kBytes = 0,      // the bytes that were at `offset`
  kAllocated = 1,  // the tag of the block at `offset`: the section has taken it; the tag less 1: and given it up again
  kFreed = 2,      // the tag of the block at `offset`: to be given back when the section has committed; 0: it stays after all
  kReference = 3,  // what happens to the object at `offset`; see references.h
};

struct Trailer {
  static constexpr uint64_t kMaxBytes = (uint64_t{1} << 22) - 1;
  static constexpr uint64_t kMaxOffset = (uint64_t{1} << 40) - 1;
  static_assert(kMostFileBytes - 1 <= kMaxOffset);

  static constexpr uint64_t Of(RecordKind kind, uint64_t bytes, uint64_t offset) {
    return static_cast<uint64_t>(kind) | bytes << 2 | offset << 24;
  }
  static constexpr RecordKind Kind(uint64_t trailer) { return static_cast<RecordKind>(trailer & 3); }
  static constexpr uint64_t Bytes(uint64_t trailer) { return trailer >> 2 & kMaxBytes; }
  static constexpr uint64_t Offset(uint64_t trailer) { return trailer >> 24; }
};

// ThreadSlot::head.
struct Head {
  static constexpr uint64_t kClosed = 0;
  static constexpr uint64_t kOpen = uint64_t{1} << 63;
  static constexpr uint64_t kCommitted = uint64_t{1} << 62;  // what was freed is being given back
  static constexpr uint64_t kUndone = uint64_t{1}
                                      << 61;  // the old bytes are in place; what was allocated is being given back
  static constexpr uint64_t kUsed = (uint64_t{1} << 40) - 1;

  static constexpr uint64_t Open(size_t locks) { return kOpen | uint64_t{locks} << 56; }
  static constexpr bool IsOpen(uint64_t head) { return (head & kOpen) != 0; }
  static constexpr size_t Locks(uint64_t head) { return head >> 56 & 31; }
  static constexpr uint64_t Used(uint64_t head) { return head & kUsed; }
};

// Takes everything back that the open section in `slot` did, and closes it. By the thread itself (with its cache) or by a
// recoverer that holds slot.replay (without). Does nothing if the section has committed, except to finish that; nothing if it is
// closed.
// DataLoss: the journal makes no sense; it is closed, and as much is undone as could be.
absl::Status UndoOrFinish(const Attachment& attachment, ThreadSlot& slot, HeapCache* cache);

// Gives back what the section freed, and closes it. REQUIRES: it is open; by its own thread.
absl::Status CommitFrees(const Attachment& attachment, ThreadSlot& slot, HeapCache* cache);

// Takes back what is recorded behind the first `mark` of the `used` bytes: blocks taken are given back however the section ends,
// blocks to be given back stay. REQUIRES: the section is open; by its own thread. DataLoss: as above.
absl::Status CancelRecords(const Attachment& attachment, const ThreadSlot& slot, uint64_t used, uint64_t mark);

// Undoes, for whoever has just become the owner of the lock at `lock_offset` after the death of its owner, what that owner had open.
// Blocking: while another recoverer of the same section is at work.
absl::Status RecoverSection(const Attachment& attachment, uint64_t lock_offset);

// The same for one slot. With kNoLock: of a thread that is known to be dead, a section without locks.
inline constexpr uint64_t kNoLock = 0;
absl::Status RecoverSlot(const Attachment& attachment, ThreadSlot& slot, uint64_t lock_offset);

// The same for the slot of a thread that is known to be dead, whatever locks its section holds.
// REQUIRES: the caller holds slot.life, so that nobody takes the slot meanwhile.
absl::Status RecoverDeadSlot(const Attachment& attachment, ThreadSlot& slot);

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_JOURNAL_H_
