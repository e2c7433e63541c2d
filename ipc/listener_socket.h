#ifndef SHOAL_IPC_LISTENER_SOCKET_H_
#define SHOAL_IPC_LISTENER_SOCKET_H_

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/ipc/pipe_core.h"
#include "shoal/ipc/pipe_end.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/type_table.h"
#include "shoal/shm/unique_fd.h"
#include "shoal/sync/deadline.h"

// Listens at an address and offers an end of a new pipe to each client. Listener puts types on it; the states of a client are told in
// listener_socket.cc.

namespace shoal::ipc_internal {

class ListenerSocket final {
 public:
  // Errors: AlreadyExists: somebody listens there; InvalidArgument; PermissionDenied, NotFound: of the directory;
  // DeadlineExceeded: another process is about to listen there, and does not go on; ResourceExhausted.
  static constexpr absl::Duration kPatienceWithStarters = absl::Seconds(5);
  static absl::StatusOr<std::unique_ptr<ListenerSocket>> Open(std::string_view address, int backlog,
                                                              absl::Duration with_starters = kPatienceWithStarters);
  ~ListenerSocket();

  // The listener's end of a pipe in `segment` whose other end a client has taken.
  absl::StatusOr<PipeEnd*> Accept(const std::shared_ptr<shm_internal::Attachment>& segment,
                                  const shm_internal::TypeDescription& type, const PipeShape& shape, absl::Duration timeout);
  void Close();
  bool closed() const { return closed_.load(std::memory_order_relaxed); }  // relaxed: a cue

  // The path is absolute, unless that would be too long for a socket.
  const std::string& address() const { return address_; }
  int fd() const { return events_.get(); }
  uint64_t strangers() const { return strangers_.load(std::memory_order_relaxed); }  // relaxed: a number

  // How long a client may say nothing when it is its turn. Of those, too, who have connected already.
  void SetPatienceForTest(absl::Duration patience) { patience_ = patience; }

 private:
  struct Client {
    shm_internal::UniqueFd socket;
    int64_t since;            // when it was last told something (as Deadline::Now): from then on we wait for it
    PipeEnd* ours = nullptr;  // null: it has said nothing yet
    PipeEnd* offered = nullptr;
  };
  using Clients = std::list<Client>;

  ListenerSocket() = default;
  absl::Status Bind(std::string_view address, int backlog, absl::Duration with_starters);
  absl::Status Watch(int fd, void* tag);
  absl::StatusOr<PipeEnd*> AcceptClaimed(const std::shared_ptr<shm_internal::Attachment>& segment,
                                         const shm_internal::TypeDescription& type, const PipeShape& shape,
                                         sync_internal::Deadline deadline);
  absl::StatusOr<PipeEnd*> Welcome();
  absl::Status Offer(Clients::iterator client, const std::shared_ptr<shm_internal::Attachment>& segment,
                     const shm_internal::TypeDescription& type, const PipeShape& shape);
  void SendAway(Clients::iterator client);
  static bool TakeBack(Client& client);
  PipeEnd* GiveUp(Clients::iterator client);
  PipeEnd* GiveUpTheSilent();
  Clients::iterator FirstToGo();
  sync_internal::Deadline PatienceWith(const Client& client) const;

  std::string address_;
  std::string file_;  // the absolute path, if it has one
  shm_internal::UniqueFd socket_;
  shm_internal::UniqueFd events_;  // epoll: of the socket, the clients and the cue
  shm_internal::UniqueFd cue_;     // eventfd: closed
  dev_t device_ = 0;               // of the socket's file, if it has one
  ino_t inode_ = 0;
  uint32_t epoch_ = 0;
  std::atomic<bool> closed_{false};
  std::atomic<bool> busy_{false};  // a thread accepts
  Clients clients_;                // guarded by busy_
  std::atomic<uint64_t> strangers_{0};
  absl::Duration patience_;
};

}  // namespace shoal::ipc_internal

#endif  // SHOAL_IPC_LISTENER_SOCKET_H_
