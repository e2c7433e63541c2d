#ifndef SHOAL_IPC_CLIENT_H_
#define SHOAL_IPC_CLIENT_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/ipc/connection.h"
#include "shoal/ipc/pipe_core.h"
#include "shoal/ipc/pipe_end.h"
#include "shoal/ipc/rendezvous.h"
#include "shoal/shm/type_table.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/status.h"

namespace shoal {

// Connects to the Listener<R, S> at `address`, which is in another program of the same user; see there. Connection::segment() is the
// segment that it has given us.
// Errors: NotFound: nobody listens there; PermissionDenied: another user's process does, or may not be asked; DeadlineExceeded;
// FailedPrecondition: its messages are of other types (the message says where they differ), or it is another kind of program;
// Unavailable: it hung up, or has ended, or cannot make a connection; ResourceExhausted: its segment has no room for another
// connection, or here is none for a descriptor or the segment; DataLoss: what it says makes no sense; InvalidArgument: that is no
// address.
template <class S, class R = S>
[[nodiscard]] absl::StatusOr<Connection<S, R>> Client(std::string_view address,
                                                      absl::Duration timeout = absl::InfiniteDuration()) {
  SHOAL_ASSIGN_OR_RETURN(
      ipc_internal::PipeEnd * end,
      ipc_internal::TakeFromListener(address, shm_internal::DescriptionOf<ipc_internal::PipeObject<R, S>>(),
                                     sync_internal::Deadline::After(timeout)));
  return ipc_internal::ConnectionAccess::Of<S, R>(end);
}

}  // namespace shoal

#endif  // SHOAL_IPC_CLIENT_H_
