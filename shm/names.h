#ifndef SHOAL_SHM_NAMES_H_
#define SHOAL_SHM_NAMES_H_

#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/objects.h"
#include "shoal/shm/type_table.h"

// Objects that are found by a name in their segment.
//
// Thread safety:  all calls may run concurrently.
// Crash safety:   a name is published, or taken back, whole or not at all.
// Blocking:       for the one mutex of the names, which is held for a few stores.
// Errors:         FailedPrecondition: a critical section is open in this thread. InvalidArgument: a name is 1 to 255 bytes long. DataLoss.
//                 ResourceExhausted.

namespace shoal::shm_internal {

// AlreadyExists; FailedPrecondition: `handle` names nothing, or an object in another segment.
absl::Status PublishName(const std::shared_ptr<Attachment>& attachment, std::string_view name, const Handle& handle,
                         const TypeDescription& type);
// NotFound; FailedPrecondition: it is of another type, with the differences.
absl::StatusOr<Hold*> FindName(const std::shared_ptr<Attachment>& attachment, std::string_view name,
                               const TypeDescription& type);
// NotFound.
absl::Status UnpublishName(const std::shared_ptr<Attachment>& attachment, std::string_view name);

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_NAMES_H_
