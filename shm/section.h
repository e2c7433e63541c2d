#ifndef SHOAL_SHM_SECTION_H_
#define SHOAL_SHM_SECTION_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/heap.h"
#include "shoal/shm/journal.h"
#include "shoal/shm/layout.h"
#include "shoal/shm/references.h"
#include "shoal/shm/saved_extents.h"
#include "shoal/shm/thread_end.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/robust_list.h"
#include "shoal/sync/robust_lock.h"

// Failure-atomic sections: what a thread does to one segment between taking locks and giving them up happens whole or not at all,
// whenever it is killed. A thread has at most one open. journal.cc tells why it holds.

namespace shoal::shm_internal {

// A thread's place in one segment, and the section it has open there. Private to the thread; kept from section to section.
class Section final {
 public:
  // REQUIRES: `slot.life` is held by this thread, and it has a journal.
  Section(std::shared_ptr<Attachment> attachment, ThreadSlot& slot, int number);
  ~Section();
  Section(const Section&) = delete;
  Section& operator=(const Section&) = delete;

  // ---- for containers -------------------------------------------------------------------------------------------------------

  // Saves the bytes at `address`, so that they may be changed. ResourceExhausted: nothing was saved; do not change them.
  // REQUIRES: open; the bytes lie in this segment's heap.
  absl::Status Save(void* address, size_t bytes) {
    if (__builtin_expect(TrySave(address, bytes), 1)) return absl::OkStatus();
    return SaveSlowly(address, bytes);
  }

  // The same, for what may be changed over and over: mostly, it is saved once.
  absl::Status SaveOnce(void* address, size_t bytes) {
    if (saved_.Knows(number_, address, bytes)) return absl::OkStatus();
    absl::Status status = Save(address, bytes);
    if (__builtin_expect(status.ok(), 1)) saved_.Remember(number_, address, bytes);
    return status;
  }

  // Takes a block for the section; it is given back if the section does not commit.
  absl::StatusOr<Block> Allocate(size_t bytes, size_t alignment);
  // The same, zero-filled. Memory that nobody has had before is not touched.
  absl::StatusOr<Block> AllocateZeroed(size_t bytes, size_t alignment);

  // Gives the block at `offset` back when the section commits. DataLoss: there is none.
  absl::Status Free(uint64_t offset);

  // A handle to the object whose header lies at `object` comes into shared memory, or leaves it. A new one counts at once, and no
  // more if the section does not commit; one that leaves counts until the section has committed. `after` is called then, and when
  // the section was rolled back: somebody may have to destroy the object.
  // Errors: DataLoss: there is no such object. ResourceExhausted.
  using After = void (*)(Section& closed);
  absl::Status Retain(uint64_t object, After after);
  absl::Status Drop(uint64_t object, After after) { return Defer(Reference::kDropped, object, 0, after); }
  // What else happens to an object, or a type, when the section commits.
  absl::Status Defer(Reference reference, uint64_t offset, int participant_slot, After after = nullptr);

  // For an operation that fails half-way: since `mark`, nothing has been allocated or freed. What was allocated is given back
  // however the section ends; bytes that were saved stay saved, and those that were changed stay changed.
  size_t mark() const { return used_; }
  void CancelSince(size_t mark);

  // Something failed in it that has no Status to tell by: it cannot commit any more.
  void Fail(absl::Status why) {
    if (failure_.ok()) failure_ = std::move(why);
    frees_ = true;
  }
  const absl::Status& failure() const { return failure_; }

  // Names this section among all of this segment's, for ever: what a container has saved or allocated in it once.
  uint64_t number() const { return number_; }
  bool Covers(const void* address, size_t bytes) const {
    const size_t offset = reinterpret_cast<uintptr_t>(address) - heap_begin_;
    return offset < heap_bytes_ && bytes <= heap_bytes_ - offset;
  }
  // The same with one comparison. REQUIRES: bytes <= kHeapPageBytes.
  bool CoversFew(const void* address, size_t bytes) const {
    return reinterpret_cast<uintptr_t>(address) - heap_begin_ <= heap_bytes_ - bytes;
  }
  Attachment& attachment() const { return *attachment_; }
  const std::shared_ptr<Attachment>& shared_attachment() const { return attachment_; }
  HeapCache& cache() { return cache_; }

  // ---- for guards -----------------------------------------------------------------------------------------------------------

  // Opens it. REQUIRES: closed; this thread owns the locks, and nothing of their last owner is left to undo.
  void Open(std::span<sync_internal::RobustWord* const> locks);
  void Open(sync_internal::RobustWord& lock) {
    Names(lock);
    Begin(1, 0);
  }
  // The same, and saves the bytes at `object`. REQUIRES: HasRoom(bytes).
  void OpenAndSave(sync_internal::RobustWord& lock, const void* object, size_t bytes) {
    Names(lock);
    const size_t padded = Padded(bytes);
    const uint64_t trailer = Trailer::Of(RecordKind::kBytes, bytes, OffsetOf(object));
    Copy(journal_, object, bytes);
    std::memcpy(journal_ + padded, &trailer, sizeof(trailer));
    Begin(1, padded + sizeof(trailer));
  }
  // Whether the journal of a closed section can take so many bytes in one record.
  bool HasRoom(size_t bytes) const { return bytes <= Trailer::kMaxBytes && Padded(bytes) + sizeof(uint64_t) <= capacity_; }

  // The serial of the thread whose place it is.
  uint64_t owner() const { return owner_; }
  // What its guard compares with at the end. All zero while it is closed, and where all was plain.
  struct Circumstances {
    unsigned exceptions = 0;       // in flight when it opened
    bool thread_ended = false;     // the thread was being ended then, or that cannot be told
    bool no_cancellation = false;  // it is kept off
    int cancel_state = 0;          // as it was, if it is kept off
  };
  Circumstances& circumstances() { return circumstances_; }

  // False: it has failed, and is rolled back. Then whoever asked for it takes the failure, before the next one opens.
  bool Commit() {
    if (__builtin_expect(!CommitsByOneStore(), 0)) return CommitSlowly();
    CommitByOneStore();
    return true;
  }
  bool CommitsByOneStore() const { return !frees_; }
  void CommitByOneStore() { slot_.head.store(Head::kClosed, std::memory_order_release); }  // journal.closed (release)
  absl::Status TakeFailure() { return std::exchange(failure_, absl::OkStatus()); }
  void Rollback();
  // The same, for one that goes on under the same locks: the journal has room then for what it had room for before.
  void RollbackToGoOn();

  // Gets a journal, once. ResourceExhausted.
  absl::Status Prepare();
  // Whether nobody else in this process has the segment any more, and no guard of this thread needs it.
  bool LastUser() const { return attachment_.use_count() == 1 && pins_ == 0; }
  // Keeps the segment mapped for a guard that is no section.
  void Pin() { ++pins_; }
  void Unpin() {
    if (__builtin_expect(--pins_ == kOutlived, 0)) delete this;
  }
  // Ends it, now or with the last such guard: one may be a thread_local that outlives the thread's places.
  static void EndWithGuards(std::unique_ptr<Section> section) {
    if (section->pins_ != 0) section.release()->pins_ |= kOutlived;
  }
  // relaxed: this thread's slot
  bool IsOpen() const { return slot_.head.load(std::memory_order_relaxed) != Head::kClosed; }

 private:
  static constexpr size_t Padded(size_t bytes) { return (bytes + 7) / 8 * 8; }
  uint64_t OffsetOf(const void* address) const {
    return reinterpret_cast<uintptr_t>(address) - reinterpret_cast<uintptr_t>(base_);
  }

  void Names(const sync_internal::RobustWord& lock) {
    // relaxed, both: this thread's slot, and read by others only after its death. Mostly it is the same lock again, and a store is
    // one more that the lock's release waits for.
    const uint64_t offset = OffsetOf(&lock);
    if (slot_.locks[0].load(std::memory_order_relaxed) != offset) {
      slot_.locks[0].store(offset, std::memory_order_relaxed);
    }
  }
  // Not so few bytes are left to libc, which knows how wide this processor's stores can be. But from some 2 KiB on it may take an instruction
  // that copies any number of bytes and takes as long to begin as to copy a kibibyte: what the nearest cache holds is handed to it in pieces.
  static void Copy(std::byte* to, const void* from, size_t bytes) {
    if (__builtin_constant_p(bytes) && bytes < kInlineBytes) {
      std::memcpy(to, from, bytes);
      return;
    }
    asm("" : "+r"(bytes));
    if (__builtin_expect(bytes - kCopiedAtOnce - 1 < kCopiedInPieces - kCopiedAtOnce, 0))
      return CopyInPieces(to, from, bytes);
    std::memcpy(to, from, bytes);
  }
  static void CopyInPieces(std::byte* to, const void* from, size_t bytes);

  // With `used` bytes of whole records.
  void Begin(size_t locks, size_t used) {
    used_ = used;
    head_ = Head::Open(locks);
    number_ += kSectionStep;
    // relaxed, both: read only after this thread's death. The number first: no section ever has an older one's.
    slot_.section.store(number_, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);        // seq_cst: program order is what a death sees
    slot_.head.store(head_ + used, std::memory_order_relaxed);  // relaxed: as above
    std::atomic_signal_fence(std::memory_order_seq_cst);        // seq_cst: program order
  }

  bool TrySave(void* address, size_t bytes) {
    const size_t padded = Padded(bytes);
    if (__builtin_expect(bytes > Trailer::kMaxBytes || padded + sizeof(uint64_t) > capacity_ - used_, 0)) return false;
    Copy(journal_ + used_, address, bytes);
    FinishRecord(RecordKind::kBytes, bytes, padded, OffsetOf(address));
    return true;
  }
  void FinishRecord(RecordKind kind, size_t bytes, size_t padded, uint64_t offset) {
    const uint64_t trailer = Trailer::Of(kind, bytes, offset);
    std::memcpy(journal_ + used_ + padded, &trailer, sizeof(trailer));
    used_ += padded + sizeof(trailer);
    std::atomic_signal_fence(std::memory_order_seq_cst);         // seq_cst: the record is whole before it is in use
    slot_.head.store(head_ + used_, std::memory_order_relaxed);  // relaxed: read only after this thread's death
    std::atomic_signal_fence(std::memory_order_seq_cst);         // seq_cst: in use before the store it protects
  }
  bool TryRecordBlock(RecordKind kind, Block block);
  absl::Status RecordReference(uint64_t offset, uint64_t word);
  void Settle();
  absl::Status SaveSlowly(void* address, size_t bytes);
  absl::Status Grow(size_t room);
  bool CommitSlowly();
  void Shrink();

  static constexpr size_t kInlineBytes = 128;
  static constexpr size_t kCopiedAtOnce = 1536;
  static constexpr size_t kCopiedInPieces = size_t{16} << 10;
  static constexpr size_t kPieceBytes = size_t{1} << 20;
  static constexpr size_t kKeptBytes = size_t{256} << 10;
  static constexpr uint32_t kOutlived = uint32_t{1} << 31;
  static constexpr uint64_t kSectionStep = 512;  // the low bits are the thread slot's number

  std::byte* base_;
  uintptr_t heap_begin_;
  size_t heap_bytes_;
  ThreadSlot& slot_;
  std::byte* journal_ = nullptr;
  size_t capacity_ = 0;
  size_t used_ = 0;
  uint64_t head_ = 0;
  const uint64_t owner_;  // the serial of the thread whose place it is
  uint64_t number_;
  bool frees_ = false;  // or has references, or a large journal: there is more to do at the commit than to close it
  bool keeps_journal_ = false;
  Circumstances circumstances_;
  uint32_t pins_ = 0;  // and kOutlived
  uint64_t references_ = 0;
  After after_ = nullptr;
  absl::Status failure_;
  std::shared_ptr<Attachment> attachment_;
  HeapCache cache_;
  SavedExtents saved_;
};

// Takes back what an operation has allocated and freed since this was made, however it is left, by an error or by an exception of the
// user's code, unless it is dismissed. Costs a comparison where nothing was recorded.
class CancelGuard final {
 public:
  explicit CancelGuard(Section& section) : section_(section), mark_(section.mark()) {}
  CancelGuard(const CancelGuard&) = delete;
  CancelGuard& operator=(const CancelGuard&) = delete;
  ~CancelGuard() {
    if (__builtin_expect(mark_ != kDismissed && section_.mark() != mark_, 0)) section_.CancelSince(mark_);
  }

  // All that may fail is done. What follows only stores.
  void Dismiss() { mark_ = kDismissed; }

 private:
  static constexpr size_t kDismissed = ~size_t{0};

  Section& section_;
  size_t mark_;
};

struct ThreadPlaces;

// What a thread knows of its sections. Lies in the thread's record, so that a program and its plug-ins see the same, and all zero in a
// forked child: what its parent has open is the parent's.
struct ThreadSections {
  uint64_t serial;  // of the thread, in its process, that the rest belongs to
  uintptr_t base;   // the segment used last
  size_t size;
  Section* last;
  Section* open;
  const unsigned* exceptions;   // how many are in flight
  ThreadPlaces* places;         // all its places
  const ThreadEndWord* ending;  // whether it is being ended; always, if that cannot be told
};
static_assert(sizeof(ThreadSections) <= sync_internal::Thread::kAboveBytes && std::is_trivial_v<ThreadSections>,
              "it lies in the thread's record, zero at first");

// relaxed: only this thread sets it
inline bool MayBeEnding(const ThreadSections& mine) {
  return (mine.ending->load(std::memory_order_relaxed) & kThreadEnds) != 0;
}

inline ThreadSections& SectionsOf(sync_internal::Thread& self) { return *reinterpret_cast<ThreadSections*>(self.above); }
inline const ThreadSections& SectionsOf(const sync_internal::Thread& self) {
  return *reinterpret_cast<const ThreadSections*>(self.above);
}
// As this copy of the library knows them, in one load: all zero before it has looked for them; in a forked child the parent's.
inline const ThreadSections& SectionsAsKnown() {
  return SectionsOf(static_cast<const sync_internal::Thread&>(*sync_internal::this_thread));
}
inline ThreadSections& ThisThreadSections() { return SectionsOf(sync_internal::ThisThread()); }

// The section that this thread has open, for containers.
// FailedPrecondition: none, or not in the segment of these bytes.
inline Section* OpenSectionOrNull(const void* address, size_t bytes) {
  Section* const open = ThisThreadSections().open;
  return open != nullptr && open->Covers(address, bytes) ? open : nullptr;
}
absl::Status NoOpenSection(const void* address);

// A section without locks, for what this thread does whole or not at all beside whatever else it has open: inside, it is the thread's
// open section. Rolled back, unless it commits.
//   Errors: ResourceExhausted: too many threads, or no memory for a journal; and those of a lock.
class SideSection final {
 public:
  static absl::StatusOr<SideSection> Open(std::shared_ptr<Attachment> attachment);
  SideSection(SideSection&& other) noexcept
      : own_(std::move(other.own_)), section_(std::exchange(other.section_, nullptr)), before_(other.before_) {}
  SideSection& operator=(SideSection&&) = delete;
  ~SideSection();

  Section& operator*() const { return *section_; }
  Section* operator->() const { return section_; }
  void Commit();
  // Commits, and opens another.
  void CommitAndGoOn();

 private:
  SideSection(std::unique_ptr<Section> own, Section* section);

  std::unique_ptr<Section> own_;  // in a thread slot of its own, if the thread's is in use
  Section* section_;              // null: over
  Section* before_;               // what was open
};

// Gives up this thread's places in all segments: its slots, slabs and journals. REQUIRES: no section is open.
void LeaveSegments();

// This thread's place in the segment of `address`, made if need be.
// FailedPrecondition: not shared memory of ours; ResourceExhausted: too many threads.
absl::StatusOr<Section*> SectionAt(const void* address);

// The same, for whoever is about to open a section there. FailedPrecondition also: one is open in this thread.
absl::StatusOr<Section*> SectionToOpenAt(const void* address);

// Takes `lock`; `recovered`: the last owner died holding it, and what it had open is undone.
// Errors: as Lock::Acquire; DataLoss: what the last owner had open makes no sense.
// REQUIRES: `section` is this thread's place in the lock's segment.
absl::Status LockAndRecover(Section& section, sync_internal::RobustWord& lock, sync_internal::Deadline deadline,
                            bool* recovered);

// This thread's place in the segment of `address`, if that is the one it used last; else null.
inline Section* PlaceOrNull(const sync_internal::Thread& self, const void* address) {
  const ThreadSections& mine = SectionsOf(self);
  return reinterpret_cast<uintptr_t>(address) - mine.base < mine.size ? mine.last : nullptr;
}

// Takes `lock`, opens a section that holds it and saves the object, if that is all there is to do; else null.
__attribute__((always_inline)) inline Section* TryLockAndOpenFast(sync_internal::RobustWord& lock, const void* object,
                                                                  size_t bytes) {
  sync_internal::Thread& self = sync_internal::ThisThread();
  ThreadSections& mine = SectionsOf(self);
  if (__builtin_expect(reinterpret_cast<uintptr_t>(&lock) - mine.base >= mine.size || mine.open != nullptr, 0))
    return nullptr;
  Section& section = *mine.last;
  if (__builtin_expect(*mine.exceptions != 0 || MayBeEnding(mine) || !section.HasRoom(bytes), 0)) return nullptr;
  if (!sync_internal::TryAcquireFast(self, lock)) return nullptr;
  section.OpenAndSave(lock, object, bytes);
  mine.open = &section;
  return &section;
}

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_SECTION_H_
