#ifndef SHOAL_IPC_LISTENER_H_
#define SHOAL_IPC_LISTENER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/ipc/connection.h"
#include "shoal/ipc/listener_socket.h"
#include "shoal/ipc/message_type.h"
#include "shoal/ipc/pipe_core.h"
#include "shoal/ipc/pipe_options.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/type_table.h"
#include "shoal/sync/status.h"

namespace shoal {

struct ListenerOptions {
  PipeOptions pipe;  // of each connection; `pipe.segment` is what the clients are given
  int backlog = 16;  // how many may wait to be let in
};

// Lets programs connect that know only a name. Each gets the segment, and a connection in it; after that nothing goes through the
// kernel.
//
//   SHOAL_ASSIGN_OR_RETURN(auto listener, (Listener<Answer, Question>::Create("/run/user/1000/oracle")));
//   SHOAL_ASSIGN_OR_RETURN(auto connection, listener.Accept());           // here
//   SHOAL_ASSIGN_OR_RETURN(auto connection, (Client<Question, Answer>("/run/user/1000/oracle")));  // elsewhere
//
// The name is the path of a socket (mode 0600), or an abstract one, with '@' or a zero byte in front; empty: the kernel chooses an
// abstract one (address() tells). Both sides ask the kernel whether the other is a process of the same user, and have nothing to do
// with others: a client is told so, and Accept is not disturbed, since any user of the machine could end a loop over it otherwise
// (strangers() tells how many came). Whoever connects may map the segment, with everything in it.
//
// Thread safety:   one thread at a time accepts, a second is refused; Close is for any thread.
// Process safety:  in a child made by fork the parent's listener is dead.
// Crash safety:    a client that dies, or says nothing, is in nobody's way. The file that a killed listener leaves is replaced by the next.
//                  A client whose Client() returned OK is accepted, however late, unless the listener goes first.
// Blocking:        Accept waits for a client that has taken its end. Create waits, for seconds at most, for another that is about
//                  to listen at the same path.
// Ownership:       closing it takes the name away; connections stay.
// Errors:          Create: AlreadyExists, InvalidArgument, PermissionDenied, NotFound (no such directory); DeadlineExceeded:
//                  another process, which seems to be stopped, is about to listen there. Accept: DeadlineExceeded;
//                  FailedPrecondition: it is closed, or another thread accepts; ResourceExhausted: a client came, and there is no
//                  room for its connection, or no descriptor. It has been told, and the next Accept may succeed.
template <class S, class R = S>
class Listener final {
  static_assert(ipc_internal::CheckMessage<S>() && ipc_internal::CheckMessage<R>());

 public:
  [[nodiscard]] static absl::StatusOr<Listener> Create(std::string_view address, const ListenerOptions& options = {}) {
    using ipc_internal::LaneFor;
    SHOAL_ASSIGN_OR_RETURN(std::shared_ptr<shm_internal::Attachment> segment, ipc_internal::SegmentFor(options.pipe));
    ipc_internal::PipeShape shape = {.lanes = {LaneFor<S>(options.pipe), LaneFor<R>(options.pipe)},
                                     .spin = options.pipe.spin};
    if (!options.pipe.duplex) shape.lanes[0] = {};
    SHOAL_ASSIGN_OR_RETURN(auto socket, ipc_internal::ListenerSocket::Open(address, options.backlog));
    return Listener(std::move(socket), std::move(segment), shape);
  }

  [[nodiscard]] absl::StatusOr<Connection<S, R>> Accept(absl::Duration timeout = absl::InfiniteDuration()) {
    if (socket_ == nullptr) {
      return sync_internal::MakeStatus(absl::StatusCode::kFailedPrecondition, "this listener was moved away");
    }
    SHOAL_ASSIGN_OR_RETURN(
        ipc_internal::PipeEnd * end,
        socket_->Accept(segment_, shm_internal::DescriptionOf<ipc_internal::PipeObject<S, R>>(), shape_, timeout));
    return ipc_internal::ConnectionAccess::Of<S, R>(end);
  }

  // Nobody connects any more; an Accept under way ends. Harmless when it has been closed.
  void Close() {
    if (socket_ != nullptr) socket_->Close();
  }
  bool closed() const { return socket_ == nullptr || socket_->closed(); }
  // As Client takes it, in whatever directory: a path is absolute, unless that is too long for a socket.
  std::string address() const { return socket_ == nullptr ? "" : socket_->address(); }
  // A descriptor that can be read when Accept may have something to do, for poll(2), epoll and Wait; -1: it was moved away.
  int fd() const { return socket_ == nullptr ? -1 : socket_->fd(); }
  // How many processes of other users have tried to connect, and were turned away.
  uint64_t strangers() const { return socket_ == nullptr ? 0 : socket_->strangers(); }

 private:
  Listener(std::unique_ptr<ipc_internal::ListenerSocket> socket, std::shared_ptr<shm_internal::Attachment> segment,
           const ipc_internal::PipeShape& shape)
      : socket_(std::move(socket)), segment_(std::move(segment)), shape_(shape) {}

  std::unique_ptr<ipc_internal::ListenerSocket> socket_;  // null: moved away
  std::shared_ptr<shm_internal::Attachment> segment_;
  ipc_internal::PipeShape shape_;
};

}  // namespace shoal

#endif  // SHOAL_IPC_LISTENER_H_
