#ifndef SHOAL_SHM_MESSAGE_CELLS_H_
#define SHOAL_SHM_MESSAGE_CELLS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/section.h"

// The cells in which messages lie between two processes, as far as everybody must know them: who makes up for a dead process, or
// destroys a queue whose element type it has never heard of. What a cell's word means, only its machine knows (ipc/ring.cc).

namespace shoal::shm_internal {

// What a message owns. All zero: nothing; it lies in its cell.
struct CellContent {
  uint64_t block;  // of the heap, in which the message lies; 0: none. Changes inside of sections only.
  uint64_t size;   // bytes of the message:48, handles behind it:16

  static constexpr uint64_t kMaxBytes = (uint64_t{1} << 48) - 1;
  static constexpr uint64_t kMaxHandles = (uint64_t{1} << 16) - 1;
  static constexpr uint64_t SizeOf(uint64_t bytes, uint64_t handles) { return bytes | handles << 48; }
  static constexpr uint64_t Bytes(uint64_t size) { return size & kMaxBytes; }
  static constexpr uint64_t Handles(uint64_t size) { return size >> 48; }
  // Where the handles begin.
  static constexpr uint64_t HandlesAt(uint64_t size) { return (Bytes(size) + 7) / 8 * 8; }
  static constexpr uint64_t BlockBytes(uint64_t size) { return HandlesAt(size) + 8 * Handles(size); }
};
static_assert(sizeof(CellContent) == 16, "part of the shared layout");

// In front of a cell's own bytes.
struct Cell {
  std::atomic<uint64_t> word;
  CellContent content;
};
static_assert(sizeof(Cell) == 24, "part of the shared layout");

// What an object with cells begins with.
struct CellTable {
  uint64_t block;   // of the heap, in which they lie; 0: there are none
  uint64_t first;   // bytes from the block's first to the first cell
  uint32_t count;
  uint32_t stride;  // bytes from one cell to the next
};
static_assert(sizeof(CellTable) == 24, "part of the shared layout");

// The block of a message, and the words of its handles. DataLoss: there is no such block.
struct MessageBlock {
  std::span<std::byte> bytes;  // of the message
  std::span<uint64_t> handles;
};
absl::StatusOr<MessageBlock> LocateMessage(const Attachment& segment, const CellContent& content);

// The cells; empty: there are none. DataLoss: they do not lie in an allocation.
absl::StatusOr<std::span<std::byte>> LocateCells(const Attachment& segment, const CellTable& table);

// The message owns nothing any more when the section has committed. ResourceExhausted: no memory for the journal; what is damaged is
// forgotten.
// REQUIRES: `content` lies in the section's segment, and nobody else uses it.
// `after` is called then: somebody may have to destroy an object (DestroyDoomedAfter).
absl::Status GiveUpContent(Section& section, CellContent& content, Section::After after);

// A handle that lies in a message is no more when the section has committed.
absl::Status DropMessageHandle(Section& section, uint64_t word, Section::After after);

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_MESSAGE_CELLS_H_
