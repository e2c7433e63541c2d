// shm/hash_map_core.cc: what has to be saved before it changes.
//
//  saved_in           made_in        erased_in      meaning
//   not this section   -              -              untouched in it: the first change saves the header's 56 bytes
//   this section       not this one   not this one   the table is the last commit's. What is put into a free slot needs no saving, as its control
//                                                     byte says that nothing is there; that byte is saved, 16 bytes of journal
//   this section       not this one   this section   some slots were emptied in this section and hold what the last commit left: a
//                                                     free slot is saved before it is filled
//   this section       this section   -              the table is new: nothing in it needs saving
//
//  A section's number is never used again, so nobody has to clear these when it ends.
//
//  A table never grows in place. A new one is taken and filled while the old one stays as it is; then the header changes; the old one goes
//  when the section commits.
//
//  A slot that is emptied may become `empty` if its group has another empty slot: then no search has ever gone on from this group.
//  Otherwise it becomes `erased`. A search looks at each group once, so that it ends in any table, and at slots that exist only.
//
//  Every operation does first what may fail: it saves, takes a table, builds what goes into a free slot, and names what is to be given
//  up. A failure there, or an exception of the keys' and values' own code, takes the blocks' records back (CancelGuard). Then it
//  stores, which cannot fail.
//
//  If the thread dies …                      the others see, after the section is undone, …
//   before the control byte is stored         a free slot, with bytes that mean nothing
//   after it, before the header               the old byte, the old header
//   while a new table is filled               the old table; the new one is given back
//   after the header names the new table      the same
//   after the section's commit                the new table; the old one is given back by whoever finishes the commit

#include "shoal/shm/hash_map_core.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "shoal/shm/heap.h"
#include "shoal/sync/status.h"

namespace shoal::shm_internal {

using sync_internal::MakeStatus;

namespace {

// Its journal record names the block; one that does not begin there is not ours to write to.
absl::Status CheckBlock(const SlotShape& shape, const HashMapChange& change) {
  const Attachment& attachment = change.section->attachment();
  const std::byte* const block = change.groups - shape.GroupsAt();
  SHOAL_ASSIGN_OR_RETURN(const Block found, attachment.heap().BlockAt(attachment.OffsetOf(block)));
  TableHeader header;
  std::memcpy(&header, block, sizeof(header));
  if (attachment.heap().UsableBytes(found) < shape.TableBytes(change.capacity) || !header.Says(shape, change.capacity)) {
    return MakeStatus(absl::StatusCode::kDataLoss,
                      "the table of a hash map is damaged: it is not as large as its header says");
  }
  return absl::OkStatus();
}

}  // namespace

bool TableHeader::Says(const SlotShape& shape, size_t capacity) const {
  return log2_capacity < 64 && size_t{1} << log2_capacity == capacity && log2_alignment < 32 &&
         uint32_t{1} << log2_alignment == shape.alignment && slot_bytes == shape.bytes && value_offset == shape.value_offset;
}

absl::Status HashMapCore::Nonsense() const {
  return MakeStatus(absl::StatusCode::kDataLoss,
                    absl::StrCat("the header of a hash map is damaged: ", size, " elements in ", capacity, " slots"));
}

absl::Status HashMapCore::NonsenseInside() const {
  return MakeStatus(absl::StatusCode::kDataLoss, absl::StrCat("the table of a hash map of ", size, " elements is damaged"));
}

absl::Status HashMapCore::SaveHeader(const SlotShape& shape, const HashMapChange& change) {
  if (change.capacity != 0) SHOAL_RETURN_IF_ERROR(CheckBlock(shape, change));
  SHOAL_RETURN_IF_ERROR(change.section->Save(this, sizeof(*this)));
  saved_in = change.section->number();
  return absl::OkStatus();
}

absl::Status HashMapCore::GiveUpTable(const SlotShape& shape, const HashMapChange& change) const {
  return change.section->Free(change.section->attachment().OffsetOf(change.groups - shape.GroupsAt()));
}

absl::Status HashMapCore::TakeTable(const SlotShape& shape, const HashMapChange& change, size_t capacity, HashTable& taken) {
  Section& section = *change.section;
  if (!shape.IsCapacity(capacity)) {
    return MakeStatus(absl::StatusCode::kResourceExhausted,
                      absl::StrCat("no segment has room for ", capacity, " slots of ", shape.bytes, " bytes"));
  }
  CancelGuard records(section);
  SHOAL_ASSIGN_OR_RETURN(const Block block, section.Allocate(shape.TableBytes(capacity), shape.BlockAlignment()));
  if (change.capacity != 0) {
    const std::byte* const old = change.groups - shape.GroupsAt();
    SHOAL_RETURN_IF_ERROR(section.Free(section.attachment().OffsetOf(old)));
  }
  records.Dismiss();
  std::byte* const at = section.attachment().base() + block.offset;
  const TableHeader header = {.log2_capacity = static_cast<uint8_t>(std::countr_zero(capacity)),
                              .log2_alignment = static_cast<uint8_t>(std::countr_zero(shape.alignment)),
                              .reserved0 = 0,
                              .slot_bytes = shape.bytes,
                              .value_offset = shape.value_offset,
                              .reserved1 = 0};
  std::memcpy(at, &header, sizeof(header));
  taken.groups = at + shape.GroupsAt();
  taken.capacity = capacity;
  for (size_t group = 0; group <= taken.group_mask(); ++group) {
    std::memset(taken.Group(shape, group), kEmptySlot, SlotShape::kGroupSlots);
  }
  return absl::OkStatus();
}

void HashMapCore::Relocate(const Section& section, HashMapCore* from, HashMapCore* to) {
  std::byte* const block = from->table.get();
  std::memcpy(static_cast<void*>(to), static_cast<const void*>(from), sizeof(*to));
  to->table = block;
  to->saved_in = section.number();  // it comes to lie where nothing needs saving
}

absl::Status HashMapCore::Swap(const SlotShape& shape, HashMapCore& left, HashMapCore& right) {
  HashMapChange of_left;
  HashMapChange of_right;
  SHOAL_RETURN_IF_ERROR(left.Begin(shape, of_left));
  SHOAL_RETURN_IF_ERROR(right.Begin(shape, of_right));
  if (of_left.Holds(&right, shape) || of_right.Holds(&left, shape)) return WouldOwnItself();
  std::byte* const block = left.table.get();
  left.table = right.table.get();
  right.table = block;
  std::swap(left.size, right.size);
  std::swap(left.capacity, right.capacity);
  std::swap(left.room, right.room);
  std::swap(left.made_in, right.made_in);
  std::swap(left.erased_in, right.erased_in);
  return absl::OkStatus();
}

absl::StatusOr<UntypedHashMap> UntypedHashMap::Read(const Attachment& attachment, const HashMapCore& core) {
  UntypedHashMap found = {};
  if (core.capacity == 0) return found;
  const auto covers = [&](const void* at, size_t bytes) {
    return attachment.Contains(at, bytes) && attachment.OffsetOf(at) >= attachment.areas().first_page;
  };
  const std::byte* const block = core.table.get();
  if (reinterpret_cast<uintptr_t>(block) % 16 != 0 || !covers(block, sizeof(TableHeader))) return core.Nonsense();
  TableHeader header;
  std::memcpy(&header, block, sizeof(header));
  if (header.log2_alignment > 12 || header.slot_bytes == 0 || header.value_offset >= header.slot_bytes) {
    return core.NonsenseInside();
  }
  found.shape = {
      .bytes = header.slot_bytes, .value_offset = header.value_offset, .alignment = uint32_t{1} << header.log2_alignment};
  if (!core.Read(found.shape, covers, found.table) || !header.Says(found.shape, found.table.capacity)) {
    return core.Nonsense();
  }
  return found;
}

absl::Status KeyIsThere() { return MakeStatus(absl::StatusCode::kAlreadyExists, "the map has an element with this key"); }
absl::Status KeyIsNotThere() { return MakeStatus(absl::StatusCode::kNotFound, "the map has no element with this key"); }

}  // namespace shoal::shm_internal
