#ifndef SHOAL_SHM_TYPE_TABLE_H_
#define SHOAL_SHM_TYPE_TABLE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/field_names.h"
#include "shoal/shm/type_layout.h"

// The types of the objects in a segment, each entered once and for ever: what lets a process that does not know a type destroy an
// object of it, and one that does see whether it is the same type there.

namespace shoal::shm_internal {

// In shared memory; behind it the layout code.
struct TypeRecord {
  std::atomic<uint64_t> next;  // guarded by the ledger's lock until it is in the list; offset, 0: the last
  uint64_t fingerprint;
  uint64_t size_bytes;  // of the object
  uint64_t code_bytes;
};
static_assert(sizeof(TypeRecord) == 32, "part of the shared layout");

// What this program knows of a type.
struct TypeDescription {
  uint64_t fingerprint;
  size_t size_bytes;
  std::string (*code)();
  std::string (*field_names)();
};

template <class T>
const TypeDescription& DescriptionOf() {
  if constexpr (CheckShareable<T>()) {  // otherwise that sentence is all there is to say
    static const TypeDescription description = {LayoutFingerprint<T>(), sizeof(T), &LayoutCode<T>, &FieldNames<T>};
    return description;
  } else {
    static const TypeDescription none = {};
    return none;
  }
}

// The record of a type, made if need be. Errors: ResourceExhausted; those of a lock.
absl::StatusOr<uint64_t> InternType(const std::shared_ptr<Attachment>& attachment, const TypeDescription& type);

// The record at `offset`, which was read from shared bytes; null: there cannot be one.
const TypeRecord* TypeAtOrNull(const Attachment& attachment, uint64_t offset);
// A copy of its code. DataLoss: there is none.
absl::StatusOr<std::string> CodeOf(const Attachment& attachment, uint64_t offset);

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_TYPE_TABLE_H_
