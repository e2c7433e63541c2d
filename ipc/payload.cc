// ipc/payload.cc: what a message owns comes and goes.
//
//  If the process dies …                               the others see …
//   before the section in BlockWriter::Finish commits    the section undone: the block is free, and so are the handles in it
//   after that                                           a cell that names a block; whoever makes up for the dead drops it
//   taking, before the section commits                   the message, whole, in the cell of a dead taker
//   after that                                           a cell with the word `spent`, which owns nothing

#include "shoal/ipc/payload.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "shoal/shm/dispose.h"
#include "shoal/shm/heap.h"

namespace shoal::ipc_internal {

using shm_internal::Block;
using shm_internal::Cell;
using shm_internal::CellContent;
using shm_internal::SideSection;
using sync_internal::MakeStatus;

absl::Status MessageTooLarge(uint64_t bytes, uint64_t most) {
  return MakeStatus(absl::StatusCode::kResourceExhausted,
                    absl::StrCat("a message of ", bytes, " bytes (or more than ", CellContent::kMaxHandles,
                                 " handles), where ", most, " are allowed"));
}

absl::Status DamagedMessage() {
  return MakeStatus(absl::StatusCode::kDataLoss, "the bytes of a message make no sense");
}

absl::Status ChangedWhileSent() {
  return MakeStatus(absl::StatusCode::kInvalidArgument, "the value was changed while it was sent");
}

absl::Status WrittenWhole(const CborWriter& writer) {
  if (writer.too_deep()) {
    return MakeStatus(absl::StatusCode::kInvalidArgument,
                      absl::StrCat("more than ", kMaxCborDepth, " values lie in each other: nobody would receive that"));
  }
  if (writer.value_missing()) {
    return MakeStatus(absl::StatusCode::kInvalidArgument,
                      "a variant that an exception has left without a value (valueless_by_exception) cannot be sent");
  }
  return absl::OkStatus();
}

absl::StatusOr<BlockWriter> BlockWriter::Begin(const SegmentRef& segment, uint64_t content_size) {
  constexpr size_t kAlignment = 64;
  SHOAL_ASSIGN_OR_RETURN(SideSection section, SideSection::Open(segment));
  const uint64_t bytes = std::max<uint64_t>(CellContent::BlockBytes(content_size), 1);
  SHOAL_ASSIGN_OR_RETURN(const Block block, section->Allocate(bytes, kAlignment));
  std::byte* const at = segment->base() + block.offset;
  return BlockWriter(std::move(section), block.offset, content_size, {at, CellContent::Bytes(content_size)},
                     {reinterpret_cast<uint64_t*>(at + CellContent::HandlesAt(content_size)),
                      CellContent::Handles(content_size)});
}

absl::Status BlockWriter::Finish(Cell& cell) {
  SHOAL_RETURN_IF_ERROR(section_->Save(&cell.content, sizeof(cell.content)));
  cell.content.size = size_;
  cell.content.block = offset_;
  section_.Commit();
  return absl::OkStatus();
}

absl::Status DropMessage(const SegmentRef& segment, Cell& cell) {
  if (cell.content.block == 0) return absl::OkStatus();
  SHOAL_ASSIGN_OR_RETURN(SideSection section, SideSection::Open(segment));
  SHOAL_RETURN_IF_ERROR(shm_internal::GiveUpContent(*section, cell.content, &shm_internal::DestroyDoomedAfter));
  section.Commit();
  return absl::OkStatus();
}

absl::Status DropAndMark(const SegmentRef&, SideSection& section, Cell& cell, std::optional<uint64_t> spent) {
  SHOAL_RETURN_IF_ERROR(shm_internal::GiveUpContent(*section, cell.content, &shm_internal::DestroyDoomedAfter));
  if (spent.has_value()) {
    SHOAL_RETURN_IF_ERROR(section->Save(&cell.word, sizeof(cell.word)));
    cell.word.store(*spent, std::memory_order_relaxed);  // relaxed: the cell is this thread's until it gives it back
  }
  section.Commit();
  return absl::OkStatus();
}

}  // namespace shoal::ipc_internal
