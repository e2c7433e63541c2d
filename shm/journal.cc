// shm/journal.cc: how a section is undone, by whom, and what a second death leaves.
//
//  head                    meaning                                          who may change it, to what
//   0                      closed: there is no section                      the thread → open
//   open, n locks, used    the records below `used` bring back what was     the thread → more used; → committed; → closed, if
//                            there when the section began                     nothing was freed; anyone who undoes → undone
//   open, committed        the section has happened; what it freed is       the thread, a recoverer → closed
//                            being given back
//   open, undone           the section has not happened; what it            the thread, a recoverer → closed
//                            allocated is being given back
//
//  Who may change another thread's head: who holds slot.replay and has become the owner of one of the locks it lists. To own such a
//  lock while the section is open, its thread must be dead: a living one holds all of them. So nobody asks whether it is. Or who
//  holds slot.replay and slot.life: the dead thread's own word, which says that it is dead. Or who holds slot.replay, and destroys the object
//  of a lock that the section holds, whose word says that its owner is dead: nobody can become its owner any more.
//
//  Why this may be done again and again. Bytes are absolute. A block is given back only while its tag is still the recorded one, and
//  that tag returns only after 2^31 further lives of that block. And no block of the section is given back before all the
//  bytes are in place (`undone`) or stay (`committed`): until then nobody else can own memory that a record points into. References to
//  objects are counted, and how far that has come is changed together with the counts (references.cc).
//
//  EDGE journal.closed: the last owner's close, release → the next owner's look for open sections, acquire. Publishes the undone bytes to
//  an owner of another lock of the same section.
//
//  If the thread dies …                             the others see …
//   before the record's bytes and trailer are whole   `used` without it: it protects nothing yet
//   after `used`, before the store it protects        a record that brings back what is there anyway
//   taking back what an operation has recorded        an open section, in which some records are taken back: undone like any other,
//                                                       as every block that it took is given back then
//   between the commit store and the close            committed: the next owner finishes
//   after the close, before the locks are given up    nothing to undo, owner_died
//   undoing, its own or another's                     open or undone: the next owner does it again

#include "shoal/shm/journal.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>

#include "absl/strings/str_cat.h"
#include "shoal/shm/intents.h"
#include "shoal/shm/references.h"
#include "shoal/sync/robust_lock.h"
#include "shoal/sync/status.h"

namespace shoal::shm_internal {
namespace {

using sync_internal::MakeStatus;

absl::Status Nonsense(absl::string_view what) {
  return MakeStatus(absl::StatusCode::kDataLoss, absl::StrCat("the journal of a section is damaged: ", what));
}

// The journal's bytes that are in use. They are shared: read each once.
absl::StatusOr<std::span<const std::byte>> UsedBytes(const Attachment& attachment, const ThreadSlot& slot, uint64_t head) {
  const uint64_t place = slot.journal.load(std::memory_order_relaxed);  // relaxed: ordered by head, or this thread's own
  const uint64_t offset = JournalPlace::Offset(place);
  const uint64_t used = Head::Used(head);
  if (used == 0) return std::span<const std::byte>();
  if ((place & 63) > 30 || used > JournalPlace::Bytes(place) || used % 8 != 0 || offset < attachment.areas().first_page ||
      !attachment.Contains(attachment.base() + offset, used)) {
    return Nonsense("it lies outside the segment");
  }
  return std::span<const std::byte>(attachment.base() + offset, used);
}

struct Record {
  RecordKind kind;
  uint64_t offset;
  std::span<const std::byte> bytes;

  uint64_t word() const {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data(), std::min(bytes.size(), sizeof(word)));
    return word;
  }
  // What the section's end in a commit, or otherwise, gives back; nullopt: nothing.
  std::optional<Block> GivenBack(bool committed) const {
    Block block{.offset = offset, .tag = 0};
    std::memcpy(&block.tag, bytes.data(), std::min(bytes.size(), sizeof(block.tag)));
    if (kind == RecordKind::kFreed) return committed && block.tag != 0 ? std::optional(block) : std::nullopt;
    if (kind != RecordKind::kAllocated || (committed && block.tag % 2 != 0)) return std::nullopt;
    block.tag |= 1;  // as all tags are
    return block;
  }
};

// Shows the records to `visit`, the youngest first.
absl::Status Backwards(const Attachment& attachment, std::span<const std::byte> journal,
                       absl::FunctionRef<void(const Record&)> visit) {
  while (!journal.empty()) {
    uint64_t trailer;
    if (journal.size() < sizeof(trailer)) return Nonsense("a record is cut off");
    std::memcpy(&trailer, journal.data() + journal.size() - sizeof(trailer), sizeof(trailer));
    journal = journal.first(journal.size() - sizeof(trailer));
    const uint64_t bytes = Trailer::Bytes(trailer);
    const uint64_t padded = (bytes + 7) / 8 * 8;
    const uint64_t offset = Trailer::Offset(trailer);
    if (padded > journal.size()) return Nonsense("a record is longer than the journal");
    if (!attachment.Contains(attachment.base() + offset, bytes)) return Nonsense("a record points out of the segment");
    // Locks, thread slots and the heap's own words are in no record.
    if (offset < attachment.areas().first_page) return Nonsense("a record points into the segment's own words");
    visit({.kind = Trailer::Kind(trailer), .offset = offset, .bytes = journal.subspan(journal.size() - padded, bytes)});
    journal = journal.first(journal.size() - padded);
  }
  return absl::OkStatus();
}

absl::Status GiveBack(const Attachment& attachment, ThreadSlot& slot, HeapCache* cache, uint64_t head, bool committed) {
  auto journal = UsedBytes(attachment, slot, head);
  if (!journal.ok()) return journal.status();
  absl::Status status;
  status.Update(Backwards(attachment, *journal, [&](const Record& record) {
    if (const std::optional<Block> block = record.GivenBack(committed)) attachment.heap().Free(cache, *block);
    if (committed && record.kind == RecordKind::kReference) {
      status.Update(FinishReference(attachment, slot, record.offset, record.word()));
    }
  }));
  return status;
}

void Close(ThreadSlot& slot) {
  slot.head.store(Head::kClosed, std::memory_order_release);  // journal.closed (release)
}

}  // namespace

absl::Status UndoOrFinish(const Attachment& attachment, ThreadSlot& slot, HeapCache* cache) {
  uint64_t head =
      slot.head.load(std::memory_order_relaxed);  // relaxed: this thread's own, or ordered by slot.replay and the locks
  if (!Head::IsOpen(head)) return absl::OkStatus();
  if ((head & Head::kCommitted) != 0) return CommitFrees(attachment, slot, cache);
  absl::Status status = absl::OkStatus();
  if ((head & Head::kUndone) == 0) {
    auto journal = UsedBytes(attachment, slot, head);
    status = journal.status();
    if (journal.ok()) {
      status.Update(Backwards(attachment, *journal, [&](const Record& record) {
        if (record.kind == RecordKind::kReference) {
          status.Update(UndoReference(attachment, slot, record.offset, record.word()));
        } else if (record.kind == RecordKind::kBytes) {
          std::memcpy(attachment.base() + record.offset, record.bytes.data(), record.bytes.size());
        }
      }));
    }
    head |= Head::kUndone;
    slot.head.store(head, std::memory_order_release);  // journal.closed (release): the bytes are in place before the mark
  }
  if (status.ok()) status = GiveBack(attachment, slot, cache, head, /*committed=*/false);
  Close(slot);
  return status;
}

absl::Status CommitFrees(const Attachment& attachment, ThreadSlot& slot, HeapCache* cache) {
  uint64_t head = slot.head.load(std::memory_order_relaxed);  // relaxed: as above
  head |= Head::kCommitted;
  slot.head.store(head, std::memory_order_release);  // journal.closed (release): the section's stores are before it
  const absl::Status status = GiveBack(attachment, slot, cache, head, /*committed=*/true);
  Close(slot);
  return status;
}

absl::Status CancelRecords(const Attachment& attachment, const ThreadSlot& slot, uint64_t used, uint64_t mark) {
  auto journal = UsedBytes(attachment, slot, used);
  if (!journal.ok()) return journal.status();
  if (mark > journal->size()) return Nonsense("it has become shorter");
  return Backwards(attachment, journal->subspan(mark), [](const Record& record) {
    if (record.kind == RecordKind::kBytes || record.bytes.size() < sizeof(uint64_t)) return;
    std::atomic_ref<uint64_t> tag(*reinterpret_cast<uint64_t*>(const_cast<std::byte*>(record.bytes.data())));
    // relaxed, all: read only after this thread's death; whole, as a death may come between any two
    const uint64_t tag_then = tag.load(std::memory_order_relaxed);
    tag.store(record.kind == RecordKind::kReference ? ReferenceWord::Cancelled(tag_then)
              : record.kind == RecordKind::kFreed   ? 0
                                                    : tag_then & ~uint64_t{1},
              std::memory_order_relaxed);  // relaxed: as above
  });
}

namespace {

// Whether the open section in `slot`, if there is one, holds the lock at `lock_offset`; for kNoLock, whether it holds none.
bool Holds(const ThreadSlot& slot, uint64_t lock_offset) {
  const uint64_t head = slot.head.load(std::memory_order_acquire);  // journal.closed (acquire)
  if (!Head::IsOpen(head)) return false;
  const size_t locks = std::min<size_t>(Head::Locks(head), kMaxLocks);
  if (lock_offset == kNoLock) return locks == 0;
  // relaxed: of a dead thread they are stable; a living one never lists a lock that the caller owns
  return std::any_of(slot.locks, slot.locks + locks,
                     [&](const auto& lock) { return lock.load(std::memory_order_relaxed) == lock_offset; });
}

}  // namespace

absl::Status RecoverSlot(const Attachment& attachment, ThreadSlot& slot, uint64_t lock_offset) {
  if (!Holds(slot, lock_offset)) return absl::OkStatus();
  sync_internal::Thread& self = sync_internal::ThisThread();
  bool owner_died = false;
  SHOAL_RETURN_IF_ERROR(sync_internal::Acquire(self, slot.replay, sync_internal::Deadline::Infinite(), &owner_died,
                                               sync_internal::Whose::kOurs));
  // Another recoverer may have closed it while we waited, and a living thread may have the slot by now.
  absl::Status status;
  if (Holds(slot, lock_offset)) {
    FinishIntents(attachment, slot, nullptr);  // while it is open: nobody else has the slot until it is closed
    status = UndoOrFinish(attachment, slot, nullptr);
  }
  sync_internal::Release(self, slot.replay);
  return status;
}

absl::Status RecoverDeadSlot(const Attachment& attachment, ThreadSlot& slot) {
  // journal.closed (acquire)
  if (!Head::IsOpen(slot.head.load(std::memory_order_acquire))) return absl::OkStatus();
  sync_internal::Thread& self = sync_internal::ThisThread();
  bool owner_died = false;
  SHOAL_RETURN_IF_ERROR(sync_internal::Acquire(self, slot.replay, sync_internal::Deadline::Infinite(), &owner_died,
                                               sync_internal::Whose::kOurs));
  const absl::Status status = UndoOrFinish(attachment, slot, nullptr);
  sync_internal::Release(self, slot.replay);
  return status;
}

absl::Status RecoverSection(const Attachment& attachment, uint64_t lock_offset) {
  for (ThreadSlot& slot : attachment.threads()) SHOAL_RETURN_IF_ERROR(RecoverSlot(attachment, slot, lock_offset));
  return absl::OkStatus();
}

}  // namespace shoal::shm_internal
