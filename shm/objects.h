#ifndef SHOAL_SHM_OBJECTS_H_
#define SHOAL_SHM_OBJECTS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/holds.h"
#include "shoal/shm/section.h"
#include "shoal/shm/type_table.h"

// Making an object, and a handle of whatever type: one word, in this process's memory or in shared memory. Shared<T> puts a type on it.

namespace shoal::shm_internal {

// An object that is being made, in a section of its own.
//
// Crash safety:  before Finish nothing is there; after it the object is, held by this process.
class Creation final {
 public:
  // A block for an object of `type`. Errors: ResourceExhausted; those of a lock.
  static absl::StatusOr<Creation> Begin(const std::shared_ptr<Attachment>& attachment, const TypeDescription& type,
                                        size_t alignment);
  // Where it is to be constructed; zero-filled.
  void* where() const { return where_; }
  Section& section() const { return *section_; }
  absl::StatusOr<Hold*> Finish();

 private:
  Creation(SideSection section, std::shared_ptr<Attachment> attachment, const TypeDescription& type, uint64_t offset,
           ParticipantId self);

  SideSection section_;
  std::shared_ptr<Attachment> attachment_;
  const TypeDescription* type_;
  uint64_t offset_;
  ParticipantId self_;
  std::byte* where_;
};

// A handle. The word's bit 0 tells which kind it is (stored_word.h); where it lies tells which kind it becomes.
class Handle final {
 public:
  Handle() = default;
  explicit Handle(Hold* hold) : word_(reinterpret_cast<uint64_t>(hold)) {}
  // An error leaves it naming nothing.
  absl::Status CopyFrom(const Handle& other, const TypeDescription& type);   // REQUIRES: it names nothing yet
  absl::Status Assign(const Handle& other, const TypeDescription& type);
  absl::Status MoveFrom(Handle& other, const TypeDescription& type);         // REQUIRES: it names nothing yet
  void Destroy();  // a stored one is left as it is: whoever destroys what it lies in drops it

  // Null: it names nothing, or nothing of this type, or it is the parent's in a forked child.
  std::byte* Object(const TypeDescription& type) const;
  bool SameAs(const Handle& other) const;

  // For stored.h.
  absl::Status Construct(Section& section, const Handle& other, const TypeDescription& type);
  absl::Status Drop(Section& section) const;
  void Relocate(Handle& to) const { to.word_ = word_; }

  uint64_t word() const { return word_; }
  Hold* hold_or_null() const;

 private:
  absl::Status StoreInto(Section& section, const Handle& other, const TypeDescription& type);
  // The header's offset, and its segment. DataLoss; FailedPrecondition: it is the parent's.
  absl::StatusOr<uint64_t> OffsetIn(const Attachment& attachment) const;

  uint64_t word_ = 0;
};
static_assert(sizeof(Handle) == 8, "part of the shared layout");

// What is done about an error where a handle is copied and no Status returned. What other processes can damage is no reason to end;
// where memory is short, the section that this thread has open has failed; in all other cases the process ends.
void SettleCopy(const absl::Status& status);

// One handle less (Holds::Copy), for who keeps an object without a word of its own. Nothing happens in a forked child.
void DropHold(Hold& hold);

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_OBJECTS_H_
