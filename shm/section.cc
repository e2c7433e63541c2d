#include "shoal/shm/section.h"

#include <cxxabi.h>

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "shoal/shm/intents.h"
#include "shoal/shm/thread_slot.h"
#include "shoal/sync/check.h"
#include "shoal/sync/status.h"

namespace shoal::shm_internal {

using sync_internal::MakeStatus;
using sync_internal::RobustWord;
using sync_internal::Thread;

namespace {

// The exceptions in flight in this thread: std::uncaught_exceptions() without its call. The struct is part of the Itanium C++ ABI.
struct ExceptionGlobals {
  void* caught;
  unsigned uncaught;
};

}  // namespace

// A thread's places in all segments it uses.
struct ThreadPlaces {
  std::vector<std::unique_ptr<Section>> sections;

  ~ThreadPlaces() {
    for (std::unique_ptr<Section>& section : sections) Section::EndWithGuards(std::move(section));
  }
  void Abandon() {
    for (std::unique_ptr<Section>& section : sections) static_cast<void>(section.release());
    sections.clear();
  }
};

namespace {

// Gives a thread's places back when the thread ends. Of the copy of the library that was the first to need them.
struct PlacesOwner {
  ~PlacesOwner() { GiveUp(); }

  void GiveUp() {
    if (places == nullptr) return;
    ThreadSections& mine = ThisThreadSections();
    // A forked child, or a thread that ends inside a section: what is there is not ours, or belongs to whoever undoes the section.
    if (mine.places != places || mine.serial != sync_internal::ThisThread().serial || mine.open != nullptr)
      places->Abandon();
    // What is the thread's stays: a guard of its may outlive this.
    if (mine.places == places) mine = {.exceptions = mine.exceptions, .ending = mine.ending};
    delete std::exchange(places, nullptr);
  }

  ThreadPlaces* places = nullptr;
};
thread_local PlacesOwner places_owner;

}  // namespace

absl::Status NoOpenSection(const void* address) {
  return MakeStatus(absl::StatusCode::kFailedPrecondition,
                    Attachment::Of(address) == nullptr
                        ? "this object does not lie in a segment: it can be changed only inside a Mutex or RwLock there"
                        : "no critical section of its segment is open in this thread: lock the Mutex or RwLock it lies in");
}

namespace {

// A place in `attachment` that nobody of this thread uses yet.
absl::StatusOr<std::unique_ptr<Section>> NewPlace(std::shared_ptr<Attachment> attachment) {
  SHOAL_ASSIGN_OR_RETURN(const int number, ClaimThreadSlot(sync_internal::ThisThread(), *attachment));
  ThreadSlot& slot = attachment->threads()[static_cast<size_t>(number)];
  auto place = std::make_unique<Section>(std::move(attachment), slot, number);
  SHOAL_RETURN_IF_ERROR(place->Prepare());
  return place;
}

// After a fork, what the parent's thread had is left alone.
// REQUIRES: this thread can own robust words; there is nothing to look at before it has.
ThreadSections& OwnSections() {
  Thread& self = sync_internal::ThisThread();
  ThreadSections& mine = SectionsOf(self);
  if (mine.serial != self.serial) {
    places_owner.GiveUp();
    places_owner.places = new ThreadPlaces;
    const ThreadEndWord* const ending = ThreadEndWordOrNull();
    mine = {.serial = self.serial,
            .base = 0,
            .size = 0,
            .last = nullptr,
            .open = nullptr,
            .exceptions = &reinterpret_cast<const ExceptionGlobals*>(abi::__cxa_get_globals())->uncaught,
            .places = places_owner.places,
            .ending = ending == nullptr ? &thread_may_end : ending};
  }
  return mine;
}

// Why this thread has no sections, if it cannot.
absl::Status CheckThread() {
  Thread& self = sync_internal::ThisThread();
  if (__builtin_expect(self.support != sync_internal::RobustSupport::kReady, 0)) return sync_internal::MakeRoom(self);
  return absl::OkStatus();
}

// This thread's place in `attachment`, made if need be.
absl::StatusOr<Section*> PlaceIn(std::shared_ptr<Attachment> attachment) {
  ThreadSections& mine = OwnSections();
  std::vector<std::unique_ptr<Section>>& sections = mine.places->sections;
  for (const std::unique_ptr<Section>& section : sections) {
    if (&section->attachment() == attachment.get()) return section.get();
  }
  // Segments that only this thread still keeps mapped are let go.
  std::erase_if(sections, [](const auto& section) { return section->LastUser() && !section->IsOpen(); });
  if (mine.last != nullptr) {
    mine.last = nullptr;
    mine.base = 0;
    mine.size = 0;
  }
  SHOAL_ASSIGN_OR_RETURN(std::unique_ptr<Section> place, NewPlace(std::move(attachment)));
  sections.push_back(std::move(place));
  return sections.back().get();
}

}  // namespace

absl::StatusOr<Section*> SectionAt(const void* address) {
  SHOAL_RETURN_IF_ERROR(CheckThread());
  ThreadSections& mine = OwnSections();
  if (reinterpret_cast<uintptr_t>(address) - mine.base < mine.size) return mine.last;
  Section* found = nullptr;
  for (const std::unique_ptr<Section>& section : mine.places->sections) {
    if (section->attachment().Contains(address, 1)) found = section.get();
  }
  if (found == nullptr) {
    std::shared_ptr<Attachment> attachment = Attachment::Of(address);
    if (attachment == nullptr) {
      return MakeStatus(absl::StatusCode::kFailedPrecondition, "this object does not lie in a segment");
    }
    SHOAL_ASSIGN_OR_RETURN(found, PlaceIn(std::move(attachment)));
  }
  mine.last = found;
  mine.base = reinterpret_cast<uintptr_t>(found->attachment().base());
  mine.size = found->attachment().size_bytes();
  return found;
}

void LeaveSegments() {
  if (!CheckThread().ok()) return;
  ThreadSections& mine = OwnSections();
  SHOAL_CHECK(mine.open == nullptr, "a thread leaves its segments when it has no section open");
  mine.places->sections.clear();
  mine.last = nullptr;
  mine.base = 0;
  mine.size = 0;
}

SideSection::SideSection(std::unique_ptr<Section> own, Section* section)
    : own_(std::move(own)), section_(section), before_(ThisThreadSections().open) {
  section_->Open(std::span<RobustWord* const>());
  ThisThreadSections().open = section_;
}

absl::StatusOr<SideSection> SideSection::Open(std::shared_ptr<Attachment> attachment) {
  SHOAL_RETURN_IF_ERROR(CheckThread());
  SHOAL_ASSIGN_OR_RETURN(Section* const place, PlaceIn(attachment));
  if (!place->IsOpen()) return SideSection(nullptr, place);
  SHOAL_ASSIGN_OR_RETURN(std::unique_ptr<Section> own, NewPlace(std::move(attachment)));
  Section* const section = own.get();
  return SideSection(std::move(own), section);
}

SideSection::~SideSection() {
  if (section_ == nullptr) return;
  section_->Rollback();
  ThisThreadSections().open = before_;
}

void SideSection::Commit() {
  SHOAL_CHECK(section_->Commit(), "whoever runs the user's code in a side section looks whether it has failed");
  section_ = nullptr;
  ThisThreadSections().open = before_;
}

void SideSection::CommitAndGoOn() {
  SHOAL_CHECK(section_->Commit(), "whoever runs the user's code in a side section looks whether it has failed");
  section_->Open(std::span<RobustWord* const>());
}

absl::StatusOr<Section*> SectionToOpenAt(const void* address) {
  SHOAL_ASSIGN_OR_RETURN(Section* const section, SectionAt(address));
  if (ThisThreadSections().open != nullptr) {
    return MakeStatus(absl::StatusCode::kFailedPrecondition,
                      "this thread has a critical section open: take several mutexes at once with LockAll");
  }
  return section;
}

absl::Status LockAndRecover(Section& section, RobustWord& lock, sync_internal::Deadline deadline, bool* recovered) {
  Thread& self = sync_internal::ThisThread();
  SHOAL_RETURN_IF_ERROR(sync_internal::Acquire(self, lock, deadline, recovered));
  if (!*recovered) return absl::OkStatus();
  absl::Status status = RecoverSection(section.attachment(), section.attachment().OffsetOf(&lock));
  // Whoever comes next must try again: what the dead one had open may be open still.
  if (!status.ok()) sync_internal::Abandon(self, lock);
  return status;
}

Section::Section(std::shared_ptr<Attachment> attachment, ThreadSlot& slot, int number)
    : base_(attachment->base()),
      heap_begin_(reinterpret_cast<uintptr_t>(base_) + attachment->areas().first_page),
      heap_bytes_(attachment->size_bytes() - attachment->areas().first_page),
      slot_(slot),
      // relaxed: this thread's slot. Whatever the last thread's number was, ours are later and end in the slot's.
      owner_(sync_internal::ThisThread().serial),
      number_((slot.section.load(std::memory_order_relaxed) / kSectionStep + 1) * kSectionStep +
              static_cast<uint64_t>(number)),
      attachment_(std::move(attachment)),
      cache_(static_cast<uint32_t>(number) + 1) {}

Section::~Section() {
  attachment_->heap().Release(cache_);
  ReleaseThreadSlot(sync_internal::ThisThread(), *attachment_, slot_);
}

absl::Status Section::Prepare() {
  const uint64_t place = slot_.journal.load(std::memory_order_relaxed);  // relaxed: this thread's slot
  if (place == 0) return Grow(0);
  const absl::StatusOr<Block> block = attachment_->heap().BlockAt(JournalPlace::Offset(place));
  if (JournalPlace::Log2Pages(place) > JournalPlace::kMostLog2Pages || !block.ok() ||
      attachment_->heap().UsableBytes(*block) < JournalPlace::Bytes(place)) {
    slot_.journal.store(0, std::memory_order_relaxed);  // relaxed: as above. Damaged: better lost than followed
    return Grow(0);
  }
  journal_ = base_ + JournalPlace::Offset(place);
  capacity_ = JournalPlace::Bytes(place);
  return absl::OkStatus();
}

void Section::Open(std::span<RobustWord* const> locks) {
  SHOAL_CHECK(locks.size() <= static_cast<size_t>(kMaxLocks), "a section holds at most 16 locks");
  for (size_t i = 0; i < locks.size(); ++i) {
    slot_.locks[i].store(attachment_->OffsetOf(locks[i]), std::memory_order_relaxed);  // relaxed: read only after our death
  }
  Begin(locks.size(), 0);
}

absl::StatusOr<Block> Section::Allocate(size_t bytes, size_t alignment) {
  // Room first: the record must not need the heap while the block is half taken.
  if (capacity_ - used_ < 2 * sizeof(uint64_t)) SHOAL_RETURN_IF_ERROR(Grow(2 * sizeof(uint64_t)));
  return attachment_->heap().Allocate(cache_, bytes, alignment,
                                      [this](Block block) { return TryRecordBlock(RecordKind::kAllocated, block); });
}

absl::StatusOr<Block> Section::AllocateZeroed(size_t bytes, size_t alignment) {
  if (capacity_ - used_ < 2 * sizeof(uint64_t)) SHOAL_RETURN_IF_ERROR(Grow(2 * sizeof(uint64_t)));
  return attachment_->heap().AllocateZeroed(cache_, bytes, alignment,
                                            [this](Block block) { return TryRecordBlock(RecordKind::kAllocated, block); });
}

absl::Status Section::Free(uint64_t offset) {
  if (capacity_ - used_ < 2 * sizeof(uint64_t)) SHOAL_RETURN_IF_ERROR(Grow(2 * sizeof(uint64_t)));
  SHOAL_ASSIGN_OR_RETURN(const Block block, attachment_->heap().BlockAt(offset));
  frees_ = true;
  TryRecordBlock(RecordKind::kFreed, block);
  return absl::OkStatus();
}

void Section::CancelSince(size_t mark) {
  // A damaged journal is noticed by whoever reads it next.
  CancelRecords(*attachment_, slot_, used_, mark).IgnoreError();
  frees_ = true;
}

bool Section::TryRecordBlock(RecordKind kind, Block block) {
  if (capacity_ - used_ < 2 * sizeof(uint64_t)) return false;
  const uint64_t tag = block.tag;
  std::memcpy(journal_ + used_, &tag, sizeof(tag));
  FinishRecord(kind, sizeof(tag), sizeof(tag), block.offset);
  return true;
}

absl::Status Section::RecordReference(uint64_t offset, uint64_t word) {
  if (capacity_ - used_ < 2 * sizeof(uint64_t)) SHOAL_RETURN_IF_ERROR(Grow(2 * sizeof(uint64_t)));
  frees_ = true;
  std::memcpy(journal_ + used_, &word, sizeof(word));
  FinishRecord(RecordKind::kReference, sizeof(word), sizeof(word), offset);
  return absl::OkStatus();
}

absl::Status Section::Defer(Reference reference, uint64_t offset, int participant_slot, After after) {
  SHOAL_RETURN_IF_ERROR(RecordReference(offset, ReferenceWord::Of(reference, participant_slot, ++references_)));
  if (after != nullptr) after_ = after;
  return absl::OkStatus();
}

absl::Status Section::Retain(uint64_t object, After after) {
  const size_t mark = used_;
  SHOAL_RETURN_IF_ERROR(RecordReference(object, ReferenceWord::Of(Reference::kRetained, 0, ++references_)));
  after_ = after;
  absl::Status status = RetainNow(*attachment_, slot_, object, ReferenceWord::Of(Reference::kRetained, 0, references_));
  if (!status.ok()) {  // it does not count: as if it had not been recorded
    used_ = mark;
    slot_.head.store(head_ + used_, std::memory_order_relaxed);  // relaxed: read only after this thread's death
    std::atomic_signal_fence(std::memory_order_seq_cst);         // seq_cst: forgotten before the next takes its place
  }
  return status;
}

// After the end of a section with references. The words that tell how far their counting has come are put back while no section is
// open: whoever may look at them is this slot's next thread.
void Section::Settle() {
  frees_ = false;
  if (references_ == 0) return;
  references_ = 0;
  slot_.retained.store(0, std::memory_order_relaxed);  // relaxed: read by others only after this thread's death
  slot_.finished.store(0, std::memory_order_relaxed);  // relaxed: as above
  if (const After after = std::exchange(after_, nullptr)) after(*this);
}

void Section::CopyInPieces(std::byte* to, const void* from, size_t bytes) {
  const auto* rest = static_cast<const std::byte*>(from);
  size_t piece = kCopiedAtOnce;
  asm("" : "+r"(piece));  // what a compiler makes of a constant size is that instruction
  for (; bytes > piece; bytes -= piece, to += piece, rest += piece) std::memcpy(to, rest, piece);
  std::memcpy(to, rest, bytes);
}

absl::Status Section::SaveSlowly(void* address, size_t bytes) {
  SHOAL_CHECK(Covers(address, bytes), "a section saves what lies in its segment");
  // In pieces that one record can hold; room for all first, so that all are saved or none.
  const size_t pieces = (bytes + kPieceBytes - 1) / kPieceBytes;
  const size_t room = (bytes + 7) / 8 * 8 + pieces * sizeof(uint64_t);
  if (capacity_ - used_ < room) SHOAL_RETURN_IF_ERROR(Grow(room));
  auto* at = static_cast<std::byte*>(address);
  for (size_t left = bytes; left != 0;) {
    const size_t piece = std::min(left, kPieceBytes);
    SHOAL_CHECK(TrySave(at, piece), "there is room for a record that room was made for");
    at += piece;
    left -= piece;
  }
  return absl::OkStatus();
}

// Moves the journal to a place with room for `room` bytes more than are in use.
//   If the thread dies …                      whoever undoes the section, or has the slot next
//    before `journal` names the new place      gives the new place back: `growing` names it
//    after it                                  gives the old place back: `leaving` names it
absl::Status Section::Grow(size_t room) {
  const size_t pages = std::bit_ceil((std::max(used_ + room, 2 * capacity_) + kHeapPageBytes - 1) / kHeapPageBytes);
  const size_t bytes = std::max<size_t>(pages, 1) * kHeapPageBytes;
  const uint64_t old_place = slot_.journal.load(std::memory_order_relaxed);  // relaxed: this thread's slot
  if (old_place != 0) {
    SHOAL_ASSIGN_OR_RETURN(const Block old, attachment_->heap().BlockAt(JournalPlace::Offset(old_place)));
    SetIntent(slot_.leaving, old);
  }
  auto place = attachment_->heap().Allocate(cache_, bytes, kBlockAlignment, [this](Block block) {
    SetIntent(slot_.growing, block);
    return true;
  });
  if (!place.ok()) {
    ClearIntent(slot_.leaving);
    ClearIntent(slot_.growing);
    return MakeStatus(absl::StatusCode::kResourceExhausted,
                      absl::StrCat("the critical section has changed too much: its journal cannot grow to ", bytes,
                                   " bytes: ", place.status().message()));
  }
  std::byte* const moved = base_ + place->offset;
  if (used_ != 0) std::memcpy(moved, journal_, used_);
  std::atomic_signal_fence(std::memory_order_seq_cst);  // seq_cst: the copy is whole before it is the journal
  // relaxed: read only after this thread's death, or by this thread
  slot_.journal.store(JournalPlace::Of(place->offset, static_cast<uint64_t>(std::countr_zero(bytes / kHeapPageBytes))),
                      std::memory_order_relaxed);
  journal_ = moved;
  capacity_ = bytes;
  FinishIntents(*attachment_, slot_, &cache_);
  if (capacity_ > kKeptBytes) frees_ = true;  // so that the commit gives it back
  return absl::OkStatus();
}

bool Section::CommitSlowly() {
  if (!failure_.ok()) {
    absl::Status why = TakeFailure();
    Rollback();
    failure_ = std::move(why);
    return false;
  }
  // A damaged journal is noticed by whoever reads it next: the section has happened all the same.
  CommitFrees(*attachment_, slot_, &cache_).IgnoreError();
  Shrink();
  Settle();
  return true;
}

void Section::Rollback() {
  failure_ = absl::OkStatus();
  UndoOrFinish(*attachment_, slot_, &cache_).IgnoreError();
  Shrink();
  Settle();
}

void Section::RollbackToGoOn() {
  keeps_journal_ = true;  // of what follows, too: an object that nobody holds any more is destroyed in this place
  Rollback();
  keeps_journal_ = false;
  frees_ = capacity_ > kKeptBytes;
}

// A journal that one large section has blown up is given back.
void Section::Shrink() {
  if (capacity_ <= kKeptBytes || keeps_journal_) return;
  used_ = 0;
  capacity_ = 0;
  if (!Grow(kHeapPageBytes).ok()) Prepare().IgnoreError();  // no memory: it keeps the place it has
}

}  // namespace shoal::shm_internal
