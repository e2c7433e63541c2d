#include "shoal/shm/segment.h"

#include <errno.h>
#include <sys/stat.h>

#include <atomic>
#include <bit>
#include <cstring>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shoal/sync/check.h"
#include "shoal/sync/status.h"

// Allocate is a bump of one word, so it needs no lock and no recovery:
//
//   If the process dies …                        the others see …
//    before the compare-exchange                  nothing
//    between it and the return                    `used` grown: the bytes stay unused; they may lack memory, and nobody has
//                                                   their offset
//
//  EDGE segment.birth: Create writes the header and then hands out the descriptor; inheriting or receiving a descriptor is the
//  edge. `magic` is stored last, so that a creator that died half-way left no valid segment behind.

namespace shoal {

using shm_internal::Mapping;
using shm_internal::UniqueFd;
using sync_internal::ErrnoStatus;
using sync_internal::MakeStatus;

namespace {

constexpr uint64_t kMagic = 0x31'30'6c'61'6f'68'73'00;  // "\0shoal01", little-endian
constexpr uint32_t kFormatVersion = 1;
constexpr size_t kPage = 4096;

// Where a process's pid numbers mean something: the words of robust locks hold thread ids.
struct PidNamespace {
  uint64_t device = 0;
  uint64_t inode = 0;
  bool operator==(const PidNamespace&) const = default;
};

absl::StatusOr<PidNamespace> OwnPidNamespace() {
  struct stat found;
  if (stat("/proc/self/ns/pid", &found) != 0) {
    return MakeStatus(absl::StatusCode::kUnimplemented, "shared segments need /proc, which is not mounted here");
  }
  return PidNamespace{found.st_dev, found.st_ino};
}

constexpr size_t RoundUp(size_t value, size_t multiple) { return (value + multiple - 1) / multiple * multiple; }

}  // namespace

struct Segment::Header {
  std::atomic<uint64_t> magic;
  uint32_t format_version;
  uint32_t header_bytes;  // the layout signature: another build's header has another size or version
  uint64_t limit_bytes;
  PidNamespace pid_namespace;
  std::atomic<uint64_t> used;  // bytes handed out, from the start of the file
  alignas(128) sync_internal::FutexWord deaths;
};
static_assert(std::atomic<uint64_t>::is_always_lock_free, "other processes change the word with the same instruction");

absl::StatusOr<Segment> Segment::Create(SegmentOptions options) {
  if (options.limit_bytes < kPage || options.limit_bytes > (size_t{1} << 46)) {
    return MakeStatus(absl::StatusCode::kInvalidArgument,
                      absl::StrCat("a segment's limit is 4096 bytes to 64 TiB, not ", options.limit_bytes));
  }
  SHOAL_ASSIGN_OR_RETURN(const PidNamespace own_namespace, OwnPidNamespace());
  const size_t limit = RoundUp(options.limit_bytes, kPage);
  SHOAL_ASSIGN_OR_RETURN(UniqueFd file, shm_internal::CreateMemoryFile("shoal-segment", limit));
  SHOAL_RETURN_IF_ERROR(shm_internal::SealSize(file));
  SHOAL_RETURN_IF_ERROR(shm_internal::ReserveMemory(file, 0, kPage));
  SHOAL_ASSIGN_OR_RETURN(Mapping mapping, Mapping::OfFile(file, limit));

  Header* const header = new (mapping.bytes().data()) Header{};
  header->format_version = kFormatVersion;
  header->header_bytes = sizeof(Header);
  header->limit_bytes = limit;
  header->pid_namespace = own_namespace;
  header->used.store(sizeof(Header), std::memory_order_relaxed);  // relaxed: nobody else has the descriptor yet
  header->magic.store(kMagic, std::memory_order_release);         // segment.birth (release)
  return Segment(std::move(file), std::move(mapping));
}

absl::StatusOr<Segment> Segment::Attach(UniqueFd file) {
  struct stat found;
  if (fstat(file.get(), &found) != 0) return ErrnoStatus(errno, "cannot attach to a segment");
  const size_t size = static_cast<size_t>(found.st_size);
  if (!S_ISREG(found.st_mode) || size < kPage) {
    return MakeStatus(absl::StatusCode::kDataLoss, absl::StrCat("not a shoal segment: a file of ", size, " bytes"));
  }
  SHOAL_ASSIGN_OR_RETURN(Mapping mapping, Mapping::OfFile(file, size));
  Segment segment(std::move(file), std::move(mapping));
  const Header& header = segment.header();
  if (header.magic.load(std::memory_order_acquire) != kMagic) {  // segment.birth (acquire)
    return MakeStatus(absl::StatusCode::kDataLoss, "not a shoal segment: it does not begin with the magic number");
  }
  if (header.format_version != kFormatVersion || header.header_bytes != sizeof(Header)) {
    return MakeStatus(
        absl::StatusCode::kFailedPrecondition,
        absl::StrCat("the segment has format ", header.format_version, " with a header of ", header.header_bytes,
                     " bytes; this build reads format ", kFormatVersion, " with a header of ", sizeof(Header), " bytes"));
  }
  if (header.limit_bytes != size) {
    return MakeStatus(absl::StatusCode::kDataLoss,
                      absl::StrCat("the segment says it has ", header.limit_bytes, " bytes; its file has ", size));
  }
  SHOAL_ASSIGN_OR_RETURN(const PidNamespace own_namespace, OwnPidNamespace());
  if (header.pid_namespace != own_namespace) {
    return MakeStatus(absl::StatusCode::kFailedPrecondition,
                      "the segment was made in another pid namespace, where thread ids mean something else");
  }
  return segment;
}

absl::StatusOr<size_t> Segment::Allocate(size_t size_bytes, size_t alignment) const {
  SHOAL_CHECK(std::has_single_bit(alignment) && alignment <= kPage, "an alignment is a power of two up to 4096");
  Header& shared = header();
  const size_t limit = limit_bytes();                           // of our mapping, not of the shared header
  uint64_t used = shared.used.load(std::memory_order_relaxed);  // relaxed: the compare-exchange below decides
  size_t offset;
  do {
    if (used < sizeof(Header) || used > limit) {
      return MakeStatus(absl::StatusCode::kDataLoss,
                        absl::StrCat("the segment's header says that ", used, " of ", limit, " bytes are in use"));
    }
    offset = RoundUp(used, alignment);
    if (offset > limit || size_bytes > limit - offset) {
      return MakeStatus(absl::StatusCode::kResourceExhausted,
                        absl::StrCat("segment is full: ", size_bytes, " bytes wanted, ", used, " of ", limit, " in use"));
    }
    // relaxed: the bytes are zero-filled by the kernel, and no data is published with them
  } while (!shared.used.compare_exchange_weak(used, offset + size_bytes, std::memory_order_relaxed));
  SHOAL_RETURN_IF_ERROR(shm_internal::ReserveMemory(file_, offset, size_bytes));
  return offset;
}

std::span<std::byte> Segment::BytesAt(size_t offset, size_t size_bytes) const {
  const std::span<std::byte> bytes = mapping_.bytes();
  if (offset < sizeof(Header) || offset > bytes.size() || size_bytes > bytes.size() - offset) return {};
  return bytes.subspan(offset, size_bytes);
}

Segment::Header& Segment::header() const { return *reinterpret_cast<Header*>(mapping_.bytes().data()); }

sync_internal::FutexWord& Segment::deaths() const { return header().deaths; }

size_t Segment::used_bytes() const {
  return header().used.load(std::memory_order_relaxed);  // relaxed: a figure for messages
}

}  // namespace shoal
