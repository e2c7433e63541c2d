#include "shoal/shm/attachment.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "shoal/shm/process_state.h"
#include "shoal/sync/process_epoch.h"
#include "shoal/sync/robust_lock.h"
#include "shoal/sync/status.h"

//  EDGE segment.birth: Make stores `magic` last → Attach looks at it first. Publishes the header. Nobody can find the file before that:
//  it gets its name, or is handed on, when Make has returned.

namespace shoal::shm_internal {
namespace {

using sync_internal::ErrnoStatus;
using sync_internal::MakeStatus;

constexpr uint64_t kMagic = 0x31'30'6c'61'6f'68'73'00;  // "\0shoal01", little-endian
constexpr uint32_t kFormatVersion = 4;

// Two builds whose structs differ do not understand each other's segments.
constexpr uint64_t LayoutSignature() {
  uint64_t signature = 0xcbf29ce484222325;  // FNV-1a
  for (const uint64_t number :
       {sizeof(SegmentHeader), sizeof(ParticipantSlot), sizeof(ThreadSlot), sizeof(HeapShared), sizeof(Ledger), size_t{kMaxParticipants},
        size_t{kMaxThreads}, size_t{kMaxLocks}, kHeapPageBytes, offsetof(SegmentHeader, deaths),
        offsetof(SegmentHeader, heap), offsetof(SegmentHeader, ledger), offsetof(ThreadSlot, head)}) {
    signature = (signature ^ number) * 0x100000001b3;
  }
  return signature;
}

// The header's fields that never change, as they are read from a file that nobody has looked at yet.
struct Identity {
  uint64_t magic;
  uint32_t format_version;
  uint32_t header_bytes;
  uint64_t layout_signature;
  uint64_t file_bytes;
  uint64_t pages;
  PidNamespace pid_namespace;
};
static_assert(offsetof(Identity, header_bytes) == offsetof(SegmentHeader, header_bytes) &&
                  offsetof(Identity, layout_signature) == offsetof(SegmentHeader, layout_signature) &&
                  offsetof(Identity, pages) == offsetof(SegmentHeader, pages) &&
                  offsetof(Identity, pid_namespace) == offsetof(SegmentHeader, pid_namespace) &&
                  sizeof(Identity) == offsetof(SegmentHeader, processes),
              "the header begins with them");

absl::StatusOr<PidNamespace> OwnPidNamespace() {
  struct stat found;
  if (stat("/proc/self/ns/pid", &found) != 0) {
    return MakeStatus(absl::StatusCode::kUnimplemented, "shared segments need /proc, which is not mounted here");
  }
  return PidNamespace{found.st_dev, found.st_ino};
}

// REQUIRES: state.mutex is held.
void Widen(ProcessState& state, const Attachment& attachment) {
  const auto first = reinterpret_cast<uintptr_t>(attachment.base());
  const uintptr_t behind = first + attachment.size_bytes();
  // relaxed, all: guarded by the mutex; see MayLieInSegment
  if (first < state.lowest.load(std::memory_order_relaxed)) state.lowest.store(first, std::memory_order_relaxed);
  if (behind > state.highest.load(std::memory_order_relaxed)) state.highest.store(behind, std::memory_order_relaxed);
}

absl::StatusOr<std::shared_ptr<Attachment>> Register(std::shared_ptr<Attachment> attachment) {
  ProcessState* const state = ProcessStateOrNull();
  if (state == nullptr) return NoProcessState();
  const std::lock_guard lock(state->mutex);
  state->attachments.push_back({.attachment = attachment.get(), .handle = attachment, .process_number = 0});
  Widen(*state, *attachment);
  return attachment;
}

// Whether the owner of this word is a thread of this process, and none of `reapers`: these hold words of the dead.
bool OwnedByThisProcess(const sync_internal::RobustWord& word, const std::vector<uint32_t>& reapers) {
  const uint32_t seen = word.word.load(std::memory_order_relaxed);  // relaxed: the kernel tells whose it is
  const uint32_t owner = sync_internal::OwnerOf(seen);
  return !sync_internal::IsFree(seen) && tgkill(getpid(), static_cast<pid_t>(owner), 0) == 0 &&
         std::find(reapers.begin(), reapers.end(), owner) == reapers.end();
}


// Whether the process that a slot is of is known to be another than this one. A life word alone may name a thread of this process that has
// the number of a dead one's, of which the kernel has not told.
bool IsOfAnotherProcess(const Attachment&, const ParticipantSlot& slot) {
  return slot.pid.load(std::memory_order_relaxed) != static_cast<uint32_t>(getpid());  // relaxed: of a living owner it is stable
}
bool IsOfAnotherProcess(const Attachment& attachment, const ThreadSlot& slot) {
  for (const ParticipantSlot& participant : attachment.participants()) {
    // relaxed, both: numbers that never return
    if (participant.process.load(std::memory_order_relaxed) != slot.process.load(std::memory_order_relaxed)) continue;
    return IsOfAnotherProcess(attachment, participant);
  }
  return false;
}

}  // namespace

Attachment::Attachment(UniqueFd file, Mapping mapping, size_t pages)
    : file_(std::move(file)), mapping_(std::move(mapping)), pages_(pages), areas_(Areas::OfPages(pages)) {
  struct stat found;
  if (fstat(file_.get(), &found) == 0) {
    device_ = found.st_dev;
    inode_ = found.st_ino;
  }
}

absl::Status Attachment::OpenHeap() {
  const HeapLayout layout = {.table_offset = areas_.page_table, .area_offset = areas_.first_page, .page_count = pages_};
  HeapMemory memory = {.reserve = [this](size_t offset, size_t bytes) { return ReservePages(offset, bytes); },
                       .release = [this](size_t offset, size_t bytes) { ReleaseMemory(file_, offset, bytes); }};
  SHOAL_ASSIGN_OR_RETURN(heap_, Heap::Over(mapping_.bytes(), header().heap, layout, std::move(memory)));
  return absl::OkStatus();
}

void Attachment::LeaveParentsCompanion() {
  if (!sync_internal::InProcessOf(companion_epoch_)) static_cast<void>(companion_.release());
  companion_epoch_ = sync_internal::ProcessEpoch();
}

Attachment::~Attachment() {
  LeaveParentsCompanion();
  ProcessState* const state = ProcessStateOrNull();
  if (state == nullptr) return;
  const std::lock_guard lock(state->mutex);
  std::erase_if(state->attachments, [this](const ProcessState::Known& known) { return known.attachment == this; });
}

// Pages, and the part of the page table that speaks of them and of the page behind them.
absl::Status Attachment::ReservePages(uint64_t offset, uint64_t bytes) {
  const uint64_t first = (offset - areas_.first_page) / kHeapPageBytes;
  const uint64_t behind = (offset + bytes - areas_.first_page) / kHeapPageBytes;
  SHOAL_RETURN_IF_ERROR(
      ReserveMemory(file_, areas_.page_table + first * sizeof(uint64_t), (behind - first + 1) * sizeof(uint64_t)));
  return ReserveMemory(file_, offset, bytes);
}

std::shared_ptr<Attachment> Attachment::Of(const void* address) {
  ProcessState* const state = ProcessStateOrNull();
  if (state == nullptr) return nullptr;
  const std::lock_guard lock(state->mutex);
  for (const ProcessState::Known& known : state->attachments) {
    // An attachment stays here until its destructor is through here, so there is something to look at.
    if (!known.attachment->Contains(address, 1)) continue;
    if (std::shared_ptr<Attachment> attachment = known.handle.lock(); attachment != nullptr) return attachment;
  }
  return nullptr;
}

std::shared_ptr<Attachment> Attachment::KnownBy(const UniqueFd& file) {
  ProcessState* const state = ProcessStateOrNull();
  struct stat found;
  if (state == nullptr || fstat(file.get(), &found) != 0) return nullptr;
  const std::lock_guard lock(state->mutex);
  for (const ProcessState::Known& known : state->attachments) {
    if (known.attachment->device_ != found.st_dev || known.attachment->inode_ != found.st_ino) continue;
    if (std::shared_ptr<Attachment> attachment = known.handle.lock(); attachment != nullptr) return attachment;
  }
  return nullptr;
}

bool Attachment::MayLieInSegment(const void* address) {
  const ProcessState* const state = ProcessStateOrNull();
  const auto at = reinterpret_cast<uintptr_t>(address);
  // relaxed, both: whoever knows an address in a segment has been told after these were stored
  return state != nullptr && at >= state->lowest.load(std::memory_order_relaxed) &&
         at < state->highest.load(std::memory_order_relaxed);
}

absl::Status Attachment::CheckNoOtherCopy() {
  ProcessState& state = *ProcessStateOrNull();
  std::vector<uint64_t> ours;  // the numbers of this copy's attachments to this segment
  {
    const std::lock_guard lock(state.mutex);
    for (const ProcessState::Known& known : state.attachments) {
      if (SameSegment(*known.attachment)) ours.push_back(known.process_number);
    }
  }
  // Meanwhile nobody becomes a reaper, and whoever was one has given up what it held.
  const std::lock_guard lock(state.reapers_mutex);
  const auto is_of_another_copy = [&](const auto& slot) {
    // relaxed: of a living owner it is stable, and stored before this process could let another thread look
    const uint64_t process = slot.process.load(std::memory_order_relaxed);
    return std::find(ours.begin(), ours.end(), process) == ours.end() && OwnedByThisProcess(slot.life, state.reapers) &&
           !IsOfAnotherProcess(*this, slot);
  };
  const auto used_by_another_copy = [&](const auto& slots) {
    return std::any_of(slots.begin(), slots.end(), is_of_another_copy);
  };
  if (!used_by_another_copy(threads()) && !used_by_another_copy(participants())) return absl::OkStatus();
  return MakeStatus(
      absl::StatusCode::kFailedPrecondition,
      "this process uses the segment already, through another copy of shoal that shares nothing with this one: a "
      "plug-in must be loaded by shoal, or be linked without a copy of its own");
}

absl::StatusOr<std::shared_ptr<Attachment>> Attachment::Make(UniqueFd file, size_t pages) {
  SHOAL_ASSIGN_OR_RETURN(const PidNamespace own_namespace, OwnPidNamespace());
  const Areas areas = Areas::OfPages(pages);
  SHOAL_RETURN_IF_ERROR(SetSize(file, areas.file_bytes));
  SHOAL_RETURN_IF_ERROR(ReserveMemory(file, 0, areas.page_table + sizeof(uint64_t)));
  SHOAL_ASSIGN_OR_RETURN(Mapping mapping, Mapping::OfFile(file, areas.file_bytes));
  SegmentHeader* const header = new (mapping.bytes().data()) SegmentHeader{};
  header->format_version = kFormatVersion;
  header->header_bytes = sizeof(SegmentHeader);
  header->layout_signature = LayoutSignature();
  header->file_bytes = areas.file_bytes;
  header->pages = pages;
  header->pid_namespace = own_namespace;
  auto attachment = std::make_shared<Attachment>(std::move(file), std::move(mapping), pages);
  SHOAL_RETURN_IF_ERROR(attachment->OpenHeap());
  header->magic.store(kMagic, std::memory_order_release);  // segment.birth (release)
  return Register(std::move(attachment));
}

absl::StatusOr<std::shared_ptr<Attachment>> Attachment::Attach(UniqueFd file) {
  struct stat found;
  if (fstat(file.get(), &found) != 0) return ErrnoStatus(errno, "cannot attach to a segment");
  const size_t size = static_cast<size_t>(found.st_size);
  if (!S_ISREG(found.st_mode) || size < Areas::OfPages(1).file_bytes) {
    return MakeStatus(absl::StatusCode::kDataLoss, absl::StrCat("not a shoal segment: a file of ", size, " bytes"));
  }
  // Read, not mapped: where a file has holes, even looking at a mapping of it may need memory that there is not.
  Identity identity;
  if (pread(file.get(), &identity, sizeof(identity), 0) != static_cast<ssize_t>(sizeof(identity)) ||
      identity.magic != kMagic) {
    return MakeStatus(absl::StatusCode::kDataLoss, "not a shoal segment: it does not begin with the magic number");
  }
  if (identity.format_version != kFormatVersion || identity.header_bytes != sizeof(SegmentHeader) ||
      identity.layout_signature != LayoutSignature()) {
    return MakeStatus(
        absl::StatusCode::kFailedPrecondition,
        absl::StrCat("the segment has format ", identity.format_version, " with a header of ", identity.header_bytes,
                     " bytes and signature ", identity.layout_signature, "; this build reads format ", kFormatVersion,
                     " with a header of ", sizeof(SegmentHeader), " bytes and signature ", LayoutSignature()));
  }
  const uint64_t pages = identity.pages;
  if (pages == 0 || size > kMostFileBytes || pages > size / kHeapPageBytes || Areas::OfPages(pages).file_bytes != size ||
      identity.file_bytes != size) {
    return MakeStatus(absl::StatusCode::kDataLoss, absl::StrCat("the segment says it has ", pages, " pages and ",
                                                                identity.file_bytes, " bytes; its file has ", size));
  }
  SHOAL_ASSIGN_OR_RETURN(const PidNamespace own_namespace, OwnPidNamespace());
  if (identity.pid_namespace != own_namespace) {
    return MakeStatus(absl::StatusCode::kFailedPrecondition,
                      "the segment was made in another pid namespace, where thread ids mean something else");
  }
  SHOAL_RETURN_IF_ERROR(ReserveMemory(file, 0, Areas::OfPages(pages).page_table + sizeof(uint64_t)));
  SHOAL_ASSIGN_OR_RETURN(Mapping mapping, Mapping::OfFile(file, size));
  auto attachment = std::make_shared<Attachment>(std::move(file), std::move(mapping), pages);
  if (attachment->header().magic.load(std::memory_order_acquire) != kMagic) {  // segment.birth (acquire)
    return MakeStatus(absl::StatusCode::kDataLoss, "somebody writes over the header of the segment");
  }
  SHOAL_RETURN_IF_ERROR(attachment->OpenHeap());
  return Register(std::move(attachment));
}

uint64_t Attachment::process_number() {
  const uint32_t epoch = sync_internal::ProcessEpoch();
  if (process_epoch_.load(std::memory_order_acquire) != epoch) {  // attachment.number (acquire)
    ProcessState& state = *ProcessStateOrNull();
    const std::lock_guard lock(state.mutex);
    if (process_epoch_.load(std::memory_order_relaxed) != epoch) {  // relaxed: guarded by the mutex
      // relaxed: a number; only uniqueness is wanted
      const uint64_t number = header().processes.fetch_add(1, std::memory_order_relaxed) + 1;
      for (ProcessState::Known& known : state.attachments) {
        if (known.attachment == this) known.process_number = number;
      }
      process_number_.store(number, std::memory_order_relaxed);  // relaxed: ordered by the epoch
      process_epoch_.store(epoch, std::memory_order_release);    // attachment.number (release)
    }
  }
  return process_number_.load(std::memory_order_relaxed);  // relaxed: ordered by the epoch
}

std::span<ParticipantSlot> Attachment::participants() const {
  return {reinterpret_cast<ParticipantSlot*>(base() + Areas::kParticipantsAt), kMaxParticipants};
}

std::span<ThreadSlot> Attachment::threads() const {
  return {reinterpret_cast<ThreadSlot*>(base() + Areas::kThreadsAt), kMaxThreads};
}

}  // namespace shoal::shm_internal
