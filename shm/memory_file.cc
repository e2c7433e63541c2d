#include "shoal/shm/memory_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "shoal/sync/cancellation.h"
#include "shoal/sync/status.h"

namespace shoal::shm_internal {
namespace {

using ::shoal::sync_internal::ErrnoStatus;
using ::shoal::sync_internal::MakeStatus;

// fallocate(2) of a large range can be interrupted over and over by a periodic signal; short steps always get through.
constexpr size_t kReserveStep = size_t{2} << 20;

absl::Status OutOfMemory(int error, absl::string_view what) {
  return MakeStatus(absl::StatusCode::kResourceExhausted, absl::StrCat(what, ": ", strerrordesc_np(error)));
}

// What the file's file system has left, for messages; nothing where it has no limit of its own.
std::string RoomLeft(const UniqueFd& file) {
  struct statfs system;
  if (fstatfs(file.get(), &system) != 0 || system.f_blocks == 0) return "";
  const auto block = static_cast<uint64_t>(system.f_bsize);
  return absl::StrCat(" (its file system has ", system.f_bavail * block, " of ", system.f_blocks * block, " bytes left)");
}

// Linux 6.3: where vm.memfd_noexec is set, a file may be executed only if it was made so. Older kernels refuse the flag.
constexpr unsigned kMayBeExecuted = 0x10;  // MFD_EXEC

absl::StatusOr<UniqueFd> CreateFile(std::string_view name, size_t size_bytes, unsigned flags) {
  const std::string c_name(name);
  UniqueFd file(memfd_create(c_name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING | flags));
  if (!file.valid() && errno == EINVAL && flags != 0) {
    file = UniqueFd(memfd_create(c_name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  }
  if (!file.valid()) return ErrnoStatus(errno, "cannot make a memory file");
  SHOAL_RETURN_IF_ERROR(SetSize(file, size_bytes));
  return file;
}

}  // namespace

absl::StatusOr<UniqueFd> CreateMemoryFile(std::string_view name, size_t size_bytes) {
  return CreateFile(name, size_bytes, /*flags=*/0);
}

absl::StatusOr<UniqueFd> CreateProgramFile(std::string_view name, std::span<const std::byte> program) {
  SHOAL_ASSIGN_OR_RETURN(UniqueFd file, CreateFile(name, program.size(), kMayBeExecuted));
  while (!program.empty()) {
    const ssize_t written = write(file.get(), program.data(), program.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0)
      return OutOfMemory(errno, absl::StrCat("no memory for the program ", absl::string_view(name.data(), name.size())));
    program = program.subspan(static_cast<size_t>(written));
  }
  return file;
}

absl::Status SetSize(const UniqueFd& file, size_t size_bytes) {
  // Beyond this limit ftruncate(2) and write(2) would raise SIGXFSZ.
  struct rlimit limit;
  if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && size_bytes > limit.rlim_cur) {
    return MakeStatus(
        absl::StatusCode::kResourceExhausted,
        absl::StrCat("a shared memory file of ", size_bytes, " bytes is wanted; RLIMIT_FSIZE allows ", limit.rlim_cur));
  }
  if (ftruncate(file.get(), static_cast<off_t>(size_bytes)) != 0) {
    return ErrnoStatus(errno, absl::StrCat("cannot give a memory file ", size_bytes, " bytes"));
  }
  return absl::OkStatus();
}

absl::Status SealSize(const UniqueFd& file) {
  if (fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_SEAL) != 0) {
    return ErrnoStatus(errno, "cannot seal the size of a memory file");
  }
  return absl::OkStatus();
}

absl::Status ReserveMemory(const UniqueFd& file, size_t offset, size_t size_bytes) {
  const sync_internal::NoCancellation whole;  // who asks holds the heap's lock
  const size_t end = offset + size_bytes;
  while (offset < end) {
    const size_t step = std::min(kReserveStep, end - offset);
    if (fallocate(file.get(), FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset), static_cast<off_t>(step)) == 0) {
      offset += step;
    } else if (errno != EINTR) {
      const int error = errno;
      return OutOfMemory(error,
                         absl::StrCat("no memory for bytes ", offset, " to ", end, " of a shared segment", RoomLeft(file)));
    }
  }
  return absl::OkStatus();
}

void ReleaseMemory(const UniqueFd& file, size_t offset, size_t size_bytes) {
  const sync_internal::NoCancellation whole;  // as above
  while (fallocate(file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                   static_cast<off_t>(size_bytes)) != 0 &&
         errno == EINTR) {
  }
}

absl::StatusOr<Mapping> Mapping::OfFile(const UniqueFd& file, size_t size_bytes) {
  void* const address = mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file.get(), 0);
  if (address == MAP_FAILED) return OutOfMemory(errno, absl::StrCat("cannot map ", size_bytes, " shared bytes"));
  return Mapping({static_cast<std::byte*>(address), size_bytes});
}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

Mapping::~Mapping() {
  if (!bytes_.empty()) munmap(bytes_.data(), bytes_.size());
}

absl::Status Mapping::KeepFromForkedChildren() {
  if (madvise(bytes_.data(), bytes_.size(), MADV_DONTFORK) != 0) {
    return ErrnoStatus(errno, "cannot keep a mapping from forked children");
  }
  return absl::OkStatus();
}

}  // namespace shoal::shm_internal
