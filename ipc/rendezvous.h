#ifndef SHOAL_IPC_RENDEZVOUS_H_
#define SHOAL_IPC_RENDEZVOUS_H_

#include <sys/socket.h>
#include <sys/un.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/ipc/pipe_end.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/type_table.h"
#include "shoal/shm/unique_fd.h"
#include "shoal/sync/deadline.h"

// What Listener and Client say to each other over a Unix socket, once, before they talk in shared memory.
//
//   client → listener   hello   that it wants a connection
//   listener → client   offer   the segment's descriptor, and the number of the ticket of an end in it
//   client → listener   taken   the end is the client's
//
// Or, in the place of the offer: refused, and an absl::StatusCode: there is no room for a pipe.
//
// Each is one packet of 24 bytes. Each side asks the kernel whose process the other is before it believes anything.

namespace shoal::ipc_internal {

// "path", or an abstract name: with '@' or a zero byte in front.
struct SocketAddress {
  struct sockaddr_un bytes = {};
  socklen_t size = 0;
  bool abstract() const { return bytes.sun_path[0] == '\0'; }
  struct sockaddr* get() { return reinterpret_cast<struct sockaddr*>(&bytes); }
};
// InvalidArgument: too long. Empty: the kernel chooses an abstract name.
absl::StatusOr<SocketAddress> ParseAddress(std::string_view address);
// As ParseAddress takes it; abstract names begin with '@'.
std::string FormatAddress(const SocketAddress& address);

enum class Word : uint32_t { kHello = 1, kOffer = 2, kTaken = 3, kRefused = 4 };
struct Packet {
  uint64_t magic = kMagic;
  Word word = Word::kHello;
  uint32_t version = kVersion;
  uint64_t ticket = 0;  // of an offer; of a refusal the code

  static constexpr uint64_t kMagic = 0x31'65'73'6c'61'6f'68'73;  // "shoalse1", little-endian
  static constexpr uint32_t kVersion = 1;
};
static_assert(sizeof(Packet) == 24, "what two programs say to each other");

// PermissionDenied: at the other end of this socket is a process of another user.
absl::Status CheckSameUser(int socket);

// Whether the process that called listen(2) for the other end of a socket has ended.
bool ListenerHasEnded(int socket);

// Whether something was said there, or the other side hung up.
bool IsReadable(int fd);

// Sends one packet, with a descriptor unless that is -1; does not wait. Unavailable: the other has gone.
absl::Status SendPacket(int socket, const Packet& packet, int fd);
// Receives one, if it is there. Unavailable: the other has gone; DeadlineExceeded: it is not there; DataLoss: not one of ours.
// Where an offer is expected, what a refusal says: ResourceExhausted; Unavailable: anything else.
absl::StatusOr<Packet> ReceivePacket(int socket, Word expected, shm_internal::UniqueFd* fd);

// The client's side: connects to the listener at `address` and takes the end that it is offered, of a pipe of this type.
absl::StatusOr<PipeEnd*> TakeFromListener(std::string_view address, const shm_internal::TypeDescription& type,
                                          sync_internal::Deadline deadline);

}  // namespace shoal::ipc_internal

#endif  // SHOAL_IPC_RENDEZVOUS_H_
