#ifndef SHOAL_SHM_REFERENCES_H_
#define SHOAL_SHM_REFERENCES_H_

#include <cstdint>

#include "absl/status/status.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/layout.h"

// Who holds an object: processes, one bit each, and handles that lie in shared memory, by number. An object that nobody holds is
// doomed: it is in a list of its own until dispose.cc destroys it. The state table and the deaths are told in references.cc.

namespace shoal::shm_internal {

// What a section does to an object, beside bytes: a record of its journal, kind kReference.
enum class Reference : uint64_t {
  kNone = 0,            // taken back
  kRetained = 1,        // one handle more lies in shared memory: counted at once
  kDropped = 2,         // one less: when the section has committed
  kRetainedInVain = 3,  // counted at once, and taken back however the section ends
  kMade = 4,            // the object comes into the list, held by one process: when the section has committed
  kDestroyed = 5,       // the doomed object leaves its list: when the section has committed
  kTypeMade = 6,        // not an object but a type record, which comes into the list of types
};

// The bytes of such a record. `ordinal`: 1, 2, … in the order of the section's records.
struct ReferenceWord {
  static constexpr uint64_t Of(Reference reference, int participant_slot, uint64_t ordinal) {
    return static_cast<uint64_t>(reference) | static_cast<uint64_t>(participant_slot) << 8 | ordinal << 16;
  }
  static constexpr Reference Verb(uint64_t word) { return static_cast<Reference>(word & 255); }
  static constexpr int Participant(uint64_t word) { return static_cast<int>(word >> 8 & 127); }
  static constexpr uint64_t Ordinal(uint64_t word) { return word >> 16; }
  static constexpr uint64_t WithVerb(uint64_t word, Reference reference) {
    return (word & ~uint64_t{255}) | static_cast<uint64_t>(reference);
  }
  // Of an operation that is taken back while its section goes on.
  static constexpr uint64_t Cancelled(uint64_t word) {
    return WithVerb(word, Verb(word) == Reference::kRetained ? Reference::kRetainedInVain
                          : Verb(word) == Reference::kRetainedInVain ? Reference::kRetainedInVain
                                                                     : Reference::kNone);
  }
};

// Counts a handle for kRetained. DataLoss: there is no such object; and the errors of a lock.
absl::Status RetainNow(const Attachment& attachment, ThreadSlot& slot, uint64_t offset, uint64_t word);

// What a record means when its section is undone, or has committed. Once each, however often it is called.
absl::Status UndoReference(const Attachment& attachment, ThreadSlot& slot, uint64_t offset, uint64_t word);
absl::Status FinishReference(const Attachment& attachment, ThreadSlot& slot, uint64_t offset, uint64_t word);

// The process in this participant slot holds the object from now on, or not any more.
// DataLoss: there is no such object; and the errors of a lock.
absl::Status SetHolder(const Attachment& attachment, uint64_t offset, int participant_slot);
absl::Status ClearHolder(const Attachment& attachment, uint64_t offset, int participant_slot);
// It holds nothing any more. DataLoss: the list of objects is damaged; the rest of it is left alone.
absl::Status ClearHolderEverywhere(const Attachment& attachment, int participant_slot);

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_REFERENCES_H_
