// shm/references.cc: who holds an object.
//
//  state     holders, stored   list       meaning                          who may change it, to what
//  (none)    0, 0              none       a block of an open section       its section's commit → live, one holder
//  live      any not 0         objects    somebody holds it                a holder → more; the last one → doomed
//  doomed    0, 0              doomed     nobody can ever hold it again    whoever destroys it → gone
//
//  Each arrow is one commit of the ledger. Where it belongs to a record in a thread's journal, the same commit changes a word of the
//  thread's slot: `retained` (records up to this ordinal count: so an undo, which goes backwards, takes each back once) or
//  `finished` (records from this ordinal on are done: so a commit, which goes backwards too, does each once). Both words are 0 when a
//  section begins; nobody but the slot's own thread, or its next, puts them back to 0, and only while no section is open.
//
//  If the process dies …                           the others see …
//   with a record, before the ledger's commit       a record beyond `retained`: it does not count
//   after it                                        it counts; the section's undo takes it back, with the word, in one commit
//   in a commit, between two records                `finished`: whoever finishes the section goes on below it
//   holding, its bit set                            the bit, until the reaper has walked through all objects
//   in that walk                                    the rest of the bits: the next reaper walks again
//   having dropped the last reference               a doomed object: whoever looks into that list destroys it
//
//  Sections of the dead are finished before their bits are cleared: kMade may set the bit of a process that has died.

#include "shoal/shm/references.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "shoal/shm/ledger.h"
#include "shoal/shm/object.h"
#include "shoal/sync/status.h"

namespace shoal::shm_internal {
namespace {

absl::Status Nonsense(absl::string_view what, uint64_t offset) {
  return sync_internal::MakeStatus(absl::StatusCode::kDataLoss, absl::StrCat(what, " at offset ", offset));
}

bool IsHeld(const ObjectHeader& object) {
  return OpenLedger::Get(object.holders[0]) != 0 || OpenLedger::Get(object.holders[1]) != 0 ||
         OpenLedger::Get(object.stored) != 0;
}

// Puts it in front of a list.
absl::Status Push(OpenLedger& ledger, std::atomic<uint64_t>& first, ObjectHeader& object, uint64_t state) {
  const uint64_t offset = ledger.attachment().OffsetOf(&object);
  const uint64_t second = OpenLedger::Get(first);
  if (second != 0) {
    ObjectHeader* const behind = ObjectAtOrNull(ledger.attachment(), second, state);
    if (behind == nullptr) return Nonsense("a list of objects is damaged: no object", second);
    ledger.Set(behind->previous, offset);
  }
  ledger.Set(object.next, second);
  ledger.Set(object.previous, 0);
  ledger.Set(object.state, state ^ offset);
  ledger.Set(first, offset);
  return absl::OkStatus();
}

absl::Status Remove(OpenLedger& ledger, std::atomic<uint64_t>& first, ObjectHeader& object, uint64_t state) {
  const Attachment& attachment = ledger.attachment();
  const uint64_t offset = attachment.OffsetOf(&object);
  const uint64_t next = OpenLedger::Get(object.next);
  const uint64_t previous = OpenLedger::Get(object.previous);
  ObjectHeader* const behind = next == 0 ? nullptr : ObjectAtOrNull(attachment, next, state);
  ObjectHeader* const before = previous == 0 ? nullptr : ObjectAtOrNull(attachment, previous, state);
  if ((next != 0 && (behind == nullptr || OpenLedger::Get(behind->previous) != offset)) ||
      (previous != 0 && (before == nullptr || OpenLedger::Get(before->next) != offset)) ||
      (previous == 0 && OpenLedger::Get(first) != offset)) {
    return Nonsense("a list of objects is damaged around the one", offset);
  }
  if (behind != nullptr) ledger.Set(behind->previous, previous);
  ledger.Set(before != nullptr ? before->next : first, next);
  return absl::OkStatus();
}

absl::Status DoomUnlessHeld(OpenLedger& ledger, ObjectHeader& object) {
  if (IsHeld(object)) return absl::OkStatus();
  Ledger& lists = ledger.attachment().header().ledger;
  SHOAL_RETURN_IF_ERROR(Remove(ledger, lists.objects, object, ObjectHeader::kLive));
  return Push(ledger, lists.doomed, object, ObjectHeader::kDoomed);
}

absl::Status DropStored(OpenLedger& ledger, ObjectHeader& object, uint64_t offset) {
  const uint64_t stored = OpenLedger::Get(object.stored);
  if (stored == 0) return Nonsense("more handles are dropped than were stored, to the object", offset);
  ledger.Set(object.stored, stored - 1);
  return DoomUnlessHeld(ledger, object);
}

// Unlike for others, nobody has seen it: it is not in a list.
absl::Status Make(OpenLedger& ledger, uint64_t offset, int participant_slot) {
  const Attachment& attachment = ledger.attachment();
  if (offset % 16 != 0 || !attachment.Contains(attachment.base() + offset, sizeof(ObjectHeader)) ||
      participant_slot >= kMaxParticipants) {
    return Nonsense("an object was to be made", offset);
  }
  auto& object = *reinterpret_cast<ObjectHeader*>(attachment.base() + offset);
  ledger.Set(object.holders[participant_slot / 64], uint64_t{1} << participant_slot % 64);
  return Push(ledger, attachment.header().ledger.objects, object, ObjectHeader::kLive);
}

absl::Status Destroy(OpenLedger& ledger, uint64_t offset) {
  ObjectHeader* const object = ObjectAtOrNull(ledger.attachment(), offset, ObjectHeader::kDoomed);
  if (object == nullptr) return Nonsense("no doomed object", offset);
  SHOAL_RETURN_IF_ERROR(Remove(ledger, ledger.attachment().header().ledger.doomed, *object, ObjectHeader::kDoomed));
  ledger.Set(object->state, 0);
  return absl::OkStatus();
}

// A type record begins with its link.
absl::Status MakeType(OpenLedger& ledger, uint64_t offset) {
  const Attachment& attachment = ledger.attachment();
  if (offset % 16 != 0) return Nonsense("a type was to be made", offset);
  Ledger& lists = attachment.header().ledger;
  ledger.Set(*reinterpret_cast<std::atomic<uint64_t>*>(attachment.base() + offset), OpenLedger::Get(lists.types));
  ledger.Set(lists.types, offset);
  return absl::OkStatus();
}

absl::Status Apply(OpenLedger& ledger, uint64_t offset, uint64_t word) {
  switch (ReferenceWord::Verb(word)) {
    case Reference::kMade:
      return Make(ledger, offset, ReferenceWord::Participant(word));
    case Reference::kDestroyed:
      return Destroy(ledger, offset);
    case Reference::kTypeMade:
      return MakeType(ledger, offset);
    case Reference::kDropped:
    case Reference::kRetainedInVain:
      break;
    case Reference::kNone:
    case Reference::kRetained:
      return absl::OkStatus();
  }
  ObjectHeader* const object = ObjectAtOrNull(ledger.attachment(), offset);
  if (object == nullptr) return Nonsense("a handle is dropped to no object", offset);
  return DropStored(ledger, *object, offset);
}

}  // namespace

absl::Status RetainNow(const Attachment& attachment, ThreadSlot& slot, uint64_t offset, uint64_t word) {
  SHOAL_ASSIGN_OR_RETURN(OpenLedger ledger, OpenLedger::Of(attachment));
  ObjectHeader* const object = ObjectAtOrNull(attachment, offset);
  if (object == nullptr || !IsHeld(*object)) return Nonsense("a handle names no object", offset);
  ledger.Set(object->stored, OpenLedger::Get(object->stored) + 1);
  ledger.Set(slot.retained, ReferenceWord::Ordinal(word));
  ledger.Commit();
  return absl::OkStatus();
}

absl::Status UndoReference(const Attachment& attachment, ThreadSlot& slot, uint64_t offset, uint64_t word) {
  const Reference verb = ReferenceWord::Verb(word);
  if (verb != Reference::kRetained && verb != Reference::kRetainedInVain) return absl::OkStatus();
  SHOAL_ASSIGN_OR_RETURN(OpenLedger ledger, OpenLedger::Of(attachment));
  const uint64_t ordinal = ReferenceWord::Ordinal(word);
  if (OpenLedger::Get(slot.retained) < ordinal) return absl::OkStatus();
  ObjectHeader* const object = ObjectAtOrNull(attachment, offset);
  if (object == nullptr) return Nonsense("a handle was retained to no object", offset);
  SHOAL_RETURN_IF_ERROR(DropStored(ledger, *object, offset));
  ledger.Set(slot.retained, ordinal - 1);
  ledger.Commit();
  return absl::OkStatus();
}

absl::Status FinishReference(const Attachment& attachment, ThreadSlot& slot, uint64_t offset, uint64_t word) {
  const Reference verb = ReferenceWord::Verb(word);
  if (verb == Reference::kNone || verb == Reference::kRetained) return absl::OkStatus();
  SHOAL_ASSIGN_OR_RETURN(OpenLedger ledger, OpenLedger::Of(attachment));
  const uint64_t ordinal = ReferenceWord::Ordinal(word);
  const uint64_t finished = OpenLedger::Get(slot.finished);
  if (finished != 0 && finished <= ordinal) return absl::OkStatus();
  SHOAL_RETURN_IF_ERROR(Apply(ledger, offset, word));
  ledger.Set(slot.finished, ordinal);
  ledger.Commit();
  return absl::OkStatus();
}

absl::Status SetHolder(const Attachment& attachment, uint64_t offset, int participant_slot) {
  SHOAL_ASSIGN_OR_RETURN(OpenLedger ledger, OpenLedger::Of(attachment));
  ObjectHeader* const object = ObjectAtOrNull(attachment, offset);
  if (object == nullptr) return Nonsense("a handle names no object", offset);
  std::atomic<uint64_t>& holders = object->holders[participant_slot / 64];
  ledger.Set(holders, OpenLedger::Get(holders) | uint64_t{1} << participant_slot % 64);
  ledger.Commit();
  return absl::OkStatus();
}

namespace {

absl::Status Clear(OpenLedger& ledger, ObjectHeader& object, int participant_slot) {
  std::atomic<uint64_t>& holders = object.holders[participant_slot / 64];
  const uint64_t bit = uint64_t{1} << participant_slot % 64;
  if ((OpenLedger::Get(holders) & bit) == 0) return absl::OkStatus();
  ledger.Set(holders, OpenLedger::Get(holders) & ~bit);
  SHOAL_RETURN_IF_ERROR(DoomUnlessHeld(ledger, object));
  ledger.Commit();
  return absl::OkStatus();
}

}  // namespace

absl::Status ClearHolder(const Attachment& attachment, uint64_t offset, int participant_slot) {
  SHOAL_ASSIGN_OR_RETURN(OpenLedger ledger, OpenLedger::Of(attachment));
  ObjectHeader* const object = ObjectAtOrNull(attachment, offset);
  if (object == nullptr) return Nonsense("a handle names no object", offset);
  return Clear(ledger, *object, participant_slot);
}

absl::Status ClearHolderEverywhere(const Attachment& attachment, int participant_slot) {
  SHOAL_ASSIGN_OR_RETURN(OpenLedger ledger, OpenLedger::Of(attachment));
  uint64_t left = attachment.size_bytes() / sizeof(ObjectHeader);  // a list that is no circle is no longer
  for (uint64_t offset = OpenLedger::Get(attachment.header().ledger.objects); offset != 0;) {
    ObjectHeader* const object = ObjectAtOrNull(attachment, offset);
    if (object == nullptr || left-- == 0) return Nonsense("the list of objects is damaged: no object", offset);
    offset = OpenLedger::Get(object->next);
    SHOAL_RETURN_IF_ERROR(Clear(ledger, *object, participant_slot));
  }
  return absl::OkStatus();
}

}  // namespace shoal::shm_internal
