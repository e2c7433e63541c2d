#ifndef SHOAL_SHM_MEMORY_FILE_H_
#define SHOAL_SHM_MEMORY_FILE_H_

#include <cstddef>
#include <span>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/shm/unique_fd.h"

namespace shoal::shm_internal {

// The one place that makes memory files and maps them (memfd_create, mmap).

// An anonymous file in memory: nobody can find it by a name, and it is gone with its last descriptor and mapping. Close on
// exec. It has `size` bytes, none of which uses memory before ReserveMemory or a write.
// Errors: ResourceExhausted (fds, memory, the limit on the size of files), InvalidArgument.
absl::StatusOr<UniqueFd> CreateMemoryFile(std::string_view name, size_t size_bytes);

// The same for a program: it has the bytes `program`, and may be executed.
absl::StatusOr<UniqueFd> CreateProgramFile(std::string_view name, std::span<const std::byte> program);

// Gives the file `size_bytes` bytes. Errors: ResourceExhausted.
absl::Status SetSize(const UniqueFd& file, size_t size_bytes);

// Forbids that the file ever shrinks (so that no mapping of it can meet SIGBUS) and that seals change.
absl::Status SealSize(const UniqueFd& file);

// Makes the kernel set memory aside for [offset, offset + size) of `file`: afterwards a write there cannot fail.
// Idempotent. Errors: ResourceExhausted.
absl::Status ReserveMemory(const UniqueFd& file, size_t offset, size_t size_bytes);

// Gives the memory of [offset, offset + size) back to the system, if that can be done: the bytes are zero afterwards, and may raise
// SIGBUS until they are reserved again. Idempotent.
void ReleaseMemory(const UniqueFd& file, size_t offset, size_t size_bytes);

// A shared, writable view of a whole file. Unmapped on destruction; move-only.
class Mapping {
 public:
  Mapping() = default;
  Mapping(Mapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping();

  static absl::StatusOr<Mapping> OfFile(const UniqueFd& file, size_t size_bytes);

  std::span<std::byte> bytes() const { return bytes_; }

  // Children made by fork() from now on do not have this mapping: a stray child cannot write into it.
  absl::Status KeepFromForkedChildren();

 private:
  explicit Mapping(std::span<std::byte> bytes) : bytes_(bytes) {}
  std::span<std::byte> bytes_;
};

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_MEMORY_FILE_H_
