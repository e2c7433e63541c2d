#ifndef SHOAL_SHM_ATTACHMENT_H_
#define SHOAL_SHM_ATTACHMENT_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/shm/heap.h"
#include "shoal/shm/layout.h"
#include "shoal/shm/memory_file.h"
#include "shoal/shm/unique_fd.h"
#include "shoal/sync/robust_list.h"

namespace shoal::shm_internal {

// A segment as one process sees it: the file, the mapping, and where everything lies in it. Shared by all handles of this process;
// the mapping lives until the last of them, and the last thread that has used it, are gone.
//
// Thread safety:   all calls may run concurrently.
// Crash safety:    Make writes the magic number last: a file that is no complete segment is refused.
class Attachment final : public std::enable_shared_from_this<Attachment> {
 public:
  // Makes a segment with `pages` pages of heap in `file`, which has no bytes yet.
  // Errors: ResourceExhausted, Unimplemented (no /proc).
  static absl::StatusOr<std::shared_ptr<Attachment>> Make(UniqueFd file, size_t pages);

  // The segment in `file`. Errors: DataLoss: no segment, or a damaged one; FailedPrecondition: another format, another pid
  // namespace; ResourceExhausted.
  static absl::StatusOr<std::shared_ptr<Attachment>> Attach(UniqueFd file);

  // The segment in `file`, if this process has it already; else null.
  static std::shared_ptr<Attachment> KnownBy(const UniqueFd& file);

  // FailedPrecondition: this process uses the segment already, through another copy of this library that does not share its table
  // with this one; the two would not know of each other's sections.
  // REQUIRES: ProcessState::claiming is held.
  absl::Status CheckNoOtherCopy();

  // The segment that `address` lies in, or null: not shared memory of ours.
  static std::shared_ptr<Attachment> Of(const void* address);
  // Whether to ask: false for most addresses that do not lie in a segment, after two loads.
  static bool MayLieInSegment(const void* address);
  // Whether both are of one segment, perhaps mapped twice.
  bool SameSegment(const Attachment& other) const { return this == &other || (inode_ == other.inode_ && device_ == other.device_); }

  Attachment(UniqueFd file, Mapping mapping, size_t pages);
  ~Attachment();
  Attachment(const Attachment&) = delete;
  Attachment& operator=(const Attachment&) = delete;

  std::byte* base() const { return mapping_.bytes().data(); }
  size_t size_bytes() const { return mapping_.bytes().size(); }
  bool Contains(const void* address, size_t bytes) const {
    const size_t offset = reinterpret_cast<uintptr_t>(address) - reinterpret_cast<uintptr_t>(base());
    return offset < size_bytes() && bytes <= size_bytes() - offset;
  }
  uint64_t OffsetOf(const void* address) const {
    return reinterpret_cast<uintptr_t>(address) - reinterpret_cast<uintptr_t>(base());
  }

  SegmentHeader& header() const { return *reinterpret_cast<SegmentHeader*>(base()); }
  std::span<ParticipantSlot> participants() const;
  std::span<ThreadSlot> threads() const;
  const Heap& heap() const { return *heap_; }
  const Areas& areas() const { return areas_; }
  size_t pages() const { return pages_; }
  // This process's number among all that ever attached; a forked child has another one than its parent.
  uint64_t process_number();

  // What a layer above keeps for this attachment as long as it lives: membership.h. It ends before the mapping does.
  struct Companion {
    virtual ~Companion() = default;
  };
  Companion* companion() const { return companion_.get(); }
  // Epoch of this process << 32 | its participant's id; 0: none. See membership.cc.
  std::atomic<uint64_t>& membership() { return membership_; }
  void SetCompanion(std::unique_ptr<Companion> companion) {
    LeaveParentsCompanion();
    companion_ = std::move(companion);
    // What a parent's threads were about is not this process's. relaxed, both: nobody has a companion yet
    lingers_.store(0, std::memory_order_relaxed);
    giving_back_.store(0, std::memory_order_relaxed);
  }

  // Not 0: this process holds objects here to which it has no handle any more, because it uses them still; see holds.cc.
  std::atomic<uint32_t>& lingers() { return lingers_; }
  // So many threads of this process are giving something back that lies here.
  std::atomic<uint32_t>& giving_back() { return giving_back_; }

  const UniqueFd& file() const { return file_; }
  Mapping& mapping() { return mapping_; }

 private:
  // In a forked child, one that was made before: a thread that there is no more may have been in the midst of changing it.
  void LeaveParentsCompanion();
  absl::Status OpenHeap();
  absl::Status ReservePages(uint64_t offset, uint64_t bytes);

  UniqueFd file_;
  uint64_t device_ = 0;
  uint64_t inode_ = 0;
  Mapping mapping_;
  size_t pages_;
  Areas areas_;
  std::atomic<uint32_t> lingers_{0};
  std::atomic<uint64_t> process_number_{0};
  std::atomic<uint32_t> process_epoch_{sync_internal::kNoEpoch};  // in which the number is this process's
  std::atomic<uint64_t> membership_{0};
  std::optional<Heap> heap_;                                      // made once, by Make or Attach
  uint32_t companion_epoch_ = sync_internal::kNoEpoch;            // of the process whose it is
  alignas(64) std::atomic<uint32_t> giving_back_{0};              // beside nothing that each section reads
  std::unique_ptr<Companion> companion_;                          // last: the first to end
};

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_ATTACHMENT_H_
