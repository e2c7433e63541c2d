// shm/message_cells.cc: how what a message owns is found, and given up.
//
//  content.block    meaning                                      who may change it, to what
//   0               the message owns nothing                     whoever has the cell, in a section → a block that it takes there
//   a block         the message, and behind it its handles       whoever has the cell, in a section → 0, giving all of it up
//
//  Who has a cell its word says. A dead one's sections are undone or finished before anybody takes its cells (ipc/ring.cc), so a
//  block that a cell names is allocated, and one that it does not name any more has been given back.

#include "shoal/shm/message_cells.h"

#include "shoal/shm/heap.h"
#include "shoal/shm/pipe_ends.h"
#include "shoal/shm/stored_word.h"
#include "shoal/sync/status.h"

namespace shoal::shm_internal {

using sync_internal::MakeStatus;

absl::StatusOr<MessageBlock> LocateMessage(const Attachment& segment, const CellContent& content) {
  const uint64_t offset = content.block;
  const uint64_t size = content.size;
  SHOAL_ASSIGN_OR_RETURN(const Block block, segment.heap().BlockAt(offset));
  const std::span<std::byte> bytes = segment.heap().BytesOf(block);
  if (CellContent::BlockBytes(size) > bytes.size() || reinterpret_cast<uintptr_t>(bytes.data()) % alignof(uint64_t) != 0) {
    return MakeStatus(absl::StatusCode::kDataLoss, "a message is larger than the memory it lies in");
  }
  return MessageBlock{
      .bytes = bytes.first(CellContent::Bytes(size)),
      .handles = {reinterpret_cast<uint64_t*>(bytes.data() + CellContent::HandlesAt(size)), CellContent::Handles(size)}};
}

absl::StatusOr<std::span<std::byte>> LocateCells(const Attachment& segment, const CellTable& table) {
  const uint64_t offset = table.block;
  const uint64_t first = table.first;
  const uint64_t count = table.count;
  const uint64_t stride = table.stride;
  if (offset == 0) return std::span<std::byte>();
  SHOAL_ASSIGN_OR_RETURN(const Block block, segment.heap().BlockAt(offset));
  const std::span<std::byte> bytes = segment.heap().BytesOf(block);
  const bool sound = stride >= sizeof(Cell) && (stride | first | reinterpret_cast<uintptr_t>(bytes.data())) % alignof(Cell) == 0 &&
                     first <= bytes.size() && count <= (bytes.size() - first) / stride;
  if (!sound) return MakeStatus(absl::StatusCode::kDataLoss, "an object has more cells than there is memory for");
  return bytes.subspan(first, count * stride);
}

absl::Status DropMessageHandle(Section& section, uint64_t word, Section::After after) {
  if (!StoredWord::Is(word)) return absl::OkStatus();
  constexpr uint64_t kMarks = 15;  // objects are aligned to 16
  // If the section does not commit, the end is closed all the same: the message is not going to be taken.
  if (StoredEnd::Is(word)) CloseTravellingEnd(section.attachment(), word);
  const absl::Status dropped = section.Drop(word & ~kMarks, after);
  return absl::IsDataLoss(dropped) ? absl::OkStatus() : dropped;
}

absl::Status GiveUpContent(Section& section, CellContent& content, Section::After after) {
  if (content.block == 0) return absl::OkStatus();
  const auto message = LocateMessage(section.attachment(), content);
  const size_t mark = section.mark();
  absl::Status status = section.Save(&content, sizeof(content));
  if (message.ok()) {
    for (size_t i = 0; i < message->handles.size() && status.ok(); ++i) {
      status = DropMessageHandle(section, message->handles[i], after);
    }
    if (status.ok()) status = section.Free(content.block);
    if (absl::IsDataLoss(status)) status = absl::OkStatus();
  }
  if (!status.ok()) {
    section.CancelSince(mark);
    return status;
  }
  content = {};
  return absl::OkStatus();
}

}  // namespace shoal::shm_internal
