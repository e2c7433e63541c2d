#include "shoal/shm/segment.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shoal/shm/heap.h"
#include "shoal/shm/inheritance.h"
#include "shoal/shm/layout.h"
#include "shoal/shm/memory_file.h"
#include "shoal/shm/named_file.h"
#include "shoal/shm/process_state.h"
#include "shoal/shm/section.h"
#include "shoal/sync/check.h"
#include "shoal/sync/status.h"

// Allocate takes pages, or shares one among small requests by a bump of one word, so it needs no recovery:
//
//   If the process dies …                        the others see …
//    before they are taken, or the bump           nothing
//    between it and the return                    pages, or bytes of a page, that nobody will ever use

//  EDGE default.birth: whoever makes the default segment, release → whoever asks, acquire.

namespace shoal {

using shm_internal::Attachment;
using shm_internal::Block;
using shm_internal::kHeapPageBytes;
using shm_internal::UniqueFd;
using sync_internal::MakeStatus;

namespace {

constexpr size_t kMaxAlignment = 4096;
constexpr size_t kDefaultLimit = size_t{1} << 30;
constexpr size_t kSmall = 4096;  // requests up to this share a page

// Pages with zero bytes.
absl::StatusOr<Block> TakePages(const Attachment& attachment, size_t size_bytes) {
  const shm_internal::Heap& heap = attachment.heap();
  absl::StatusOr<Block> block = heap.AllocatePages(size_bytes);
  if (absl::IsResourceExhausted(block.status())) {
    // Others may have left pages that have nothing on them. To gather these takes a thread's place in the segment.
    const auto place = shm_internal::SectionAt(attachment.base());
    if (place.ok() && heap.Gather((*place)->cache())) block = heap.AllocatePages(size_bytes);
  }
  if (block.ok()) std::memset(attachment.base() + block->offset, 0, size_bytes);
  return block;
}

absl::StatusOr<size_t> PagesFor(const SegmentOptions& options) {
  constexpr size_t kMost = size_t{1023} << 30;
  static_assert(shm_internal::Areas::OfPages(kMost / kHeapPageBytes).file_bytes <= shm_internal::kMostFileBytes);
  if (options.limit_bytes == 0 || options.limit_bytes > kMost) {
    return MakeStatus(absl::StatusCode::kInvalidArgument,
                      absl::StrCat("a segment's limit is 1 byte to 1023 GiB, not ", options.limit_bytes));
  }
  return (options.limit_bytes + kHeapPageBytes - 1) / kHeapPageBytes;
}

}  // namespace

absl::StatusOr<Segment> Segment::Create(SegmentOptions options) {
  SHOAL_ASSIGN_OR_RETURN(const size_t pages, PagesFor(options));
  SHOAL_ASSIGN_OR_RETURN(UniqueFd file, shm_internal::CreateMemoryFile("shoal-segment", 0));
  SHOAL_ASSIGN_OR_RETURN(auto attachment, Attachment::Make(std::move(file), pages));
  SHOAL_RETURN_IF_ERROR(shm_internal::SealSize(attachment->file()));
  return Segment(std::move(attachment));
}

absl::StatusOr<Segment> Segment::CreateNamed(std::string_view name, SegmentOptions options) {
  SHOAL_RETURN_IF_ERROR(shm_internal::CheckName(name));
  SHOAL_ASSIGN_OR_RETURN(const size_t pages, PagesFor(options));
  SHOAL_ASSIGN_OR_RETURN(UniqueFd file, shm_internal::CreateNamelessFile());
  SHOAL_ASSIGN_OR_RETURN(auto attachment, Attachment::Make(std::move(file), pages));
  SHOAL_RETURN_IF_ERROR(shm_internal::GiveName(attachment->file(), name));
  return Segment(std::move(attachment));
}

absl::StatusOr<Segment> Segment::Open(std::string_view name) {
  SHOAL_ASSIGN_OR_RETURN(UniqueFd file, shm_internal::OpenNamedFile(name));
  return Attach(std::move(file));
}

absl::Status Segment::Remove(std::string_view name) { return shm_internal::RemoveName(name); }
absl::StatusOr<std::vector<std::string>> Segment::Names() { return shm_internal::ListNames(); }

Segment& Segment::Default() {
  shm_internal::ProcessState* const state = shm_internal::ProcessStateOrNull();
  if (state == nullptr) {
    static Segment* const refused = new Segment(shm_internal::NoProcessState());
    return *refused;
  }
  if (Segment* const known = state->default_segment.load(std::memory_order_acquire)) return *known;  // default.birth (acquire)
  const std::lock_guard lock(state->default_mutex);
  if (Segment* const known = state->default_segment.load(std::memory_order_relaxed)) return *known;  // relaxed: the mutex
  absl::StatusOr<Segment> made = absl::UnknownError("");
  if (UniqueFd inherited = shm_internal::TakeInheritance(); inherited.valid()) {
    made = Attach(std::move(inherited));
  } else {
    // Addresses are plenty, unless somebody has limited them.
    for (const size_t limit : {kDefaultLimit, SegmentOptions().limit_bytes}) {
      made = Create({.limit_bytes = limit});
      if (made.ok()) break;
    }
  }
  auto* const segment = made.ok() ? new Segment(*std::move(made)) : new Segment(made.status());
  state->default_segment.store(segment, std::memory_order_release);  // default.birth (release)
  return *segment;
}

absl::StatusOr<Segment> Segment::Attach(UniqueFd file) {
  SHOAL_ASSIGN_OR_RETURN(auto attachment, Attachment::Attach(std::move(file)));
  return Segment(std::move(attachment));
}

absl::Status Segment::CheckUsable() const {
  if (__builtin_expect(attachment_ != nullptr, 1)) return absl::OkStatus();
  if (!unusable_.ok()) return unusable_;
  return MakeStatus(absl::StatusCode::kFailedPrecondition, "this segment was moved away");
}

absl::StatusOr<size_t> Segment::Allocate(size_t size_bytes, size_t alignment) const {
  SHOAL_RETURN_IF_ERROR(CheckUsable());
  SHOAL_CHECK(std::has_single_bit(alignment) && alignment <= kMaxAlignment, "an alignment is a power of two up to 4096");
  if (size_bytes > limit_bytes()) {
    return MakeStatus(absl::StatusCode::kResourceExhausted,
                      absl::StrCat("segment is full: ", size_bytes, " bytes wanted of ", limit_bytes()));
  }
  const size_t size = std::max<size_t>(size_bytes, 1);
  if (size > kSmall) {
    SHOAL_ASSIGN_OR_RETURN(const Block run, TakePages(*attachment_, size));
    return run.offset;
  }
  std::atomic<uint64_t>& raw = attachment_->header().raw;
  uint64_t next = raw.load(std::memory_order_relaxed);  // relaxed: the compare-exchange decides, and publishes no data
  for (;;) {
    const uint64_t page_end = (next + kHeapPageBytes - 1) / kHeapPageBytes * kHeapPageBytes;
    uint64_t offset = (next + alignment - 1) / alignment * alignment;
    Block page;
    if (offset >= page_end || size > page_end - offset || BytesAt(offset, size).empty()) {
      SHOAL_ASSIGN_OR_RETURN(page, TakePages(*attachment_, kHeapPageBytes));
      offset = page.offset;
    }
    if (raw.compare_exchange_strong(next, offset + size, std::memory_order_relaxed)) return offset;  // relaxed: as above
    attachment_->heap().Free(nullptr, page);  // somebody else was first; names nothing if we took no page
  }
}

absl::StatusOr<size_t> Segment::ReleaseFreeMemory() const {
  SHOAL_RETURN_IF_ERROR(CheckUsable());
  SHOAL_ASSIGN_OR_RETURN(shm_internal::Section * place, shm_internal::SectionAt(attachment_->base()));
  return attachment_->heap().ReleaseFreeMemory(place->cache());
}

std::span<std::byte> Segment::BytesAt(size_t offset, size_t size_bytes) const {
  if (attachment_ == nullptr) return {};
  const std::span<std::byte> bytes = attachment_->mapping().bytes();
  if (offset < attachment_->areas().first_page || offset > bytes.size() || size_bytes > bytes.size() - offset) return {};
  return bytes.subspan(offset, size_bytes);
}

sync_internal::FutexWord& Segment::deaths() const {
  static constinit sync_internal::FutexWord nobodys{0};  // nobody dies in a segment that nobody has
  return attachment_ == nullptr ? nobodys : attachment_->header().deaths;
}

}  // namespace shoal
