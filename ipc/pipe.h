#ifndef SHOAL_IPC_PIPE_H_
#define SHOAL_IPC_PIPE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "shoal/ipc/connection.h"
#include "shoal/ipc/pipe_core.h"
#include "shoal/ipc/pipe_end.h"
#include "shoal/ipc/pipe_options.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/type_table.h"
#include "shoal/sync/status.h"

namespace shoal {

// Makes a pipe. Its first end sends A and receives B; its second the other way round. Simplex (`duplex = false`): the first only
// receives, the second only sends, as with pipe(2).
// Errors: InvalidArgument: a capacity of 0 or above 1,048,576; ResourceExhausted: the segment has no room, or too many processes use it.
template <class A, class B = A>
[[nodiscard]] absl::StatusOr<std::pair<Connection<A, B>, Connection<B, A>>> Pipe(const PipeOptions& options = {}) {
  using ipc_internal::LaneFor;
  SHOAL_ASSIGN_OR_RETURN(const std::shared_ptr<shm_internal::Attachment> attachment, ipc_internal::SegmentFor(options));
  ipc_internal::PipeShape shape = {.lanes = {LaneFor<A>(options), LaneFor<B>(options)}, .spin = options.spin};
  if (!options.duplex) shape.lanes[0] = {};
  SHOAL_ASSIGN_OR_RETURN(const auto ends, ipc_internal::PipeEnd::Make(
                                              attachment, shm_internal::DescriptionOf<ipc_internal::PipeObject<A, B>>(), shape));
  return std::pair(ipc_internal::ConnectionAccess::Of<A, B>(ends.first),
                   ipc_internal::ConnectionAccess::Of<B, A>(ends.second));
}

}  // namespace shoal

#endif  // SHOAL_IPC_PIPE_H_
