#include "shoal/ipc/rendezvous.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "shoal/shm/pipe_ends.h"
#include "shoal/sync/status.h"

namespace shoal::ipc_internal {

using shm_internal::Attachment;
using shm_internal::UniqueFd;
using sync_internal::Deadline;
using sync_internal::ErrnoStatus;
using sync_internal::MakeStatus;

namespace {

constexpr socklen_t kPathAt = offsetof(struct sockaddr_un, sun_path);

absl::Status Refused(uint64_t code) {
  if (code == static_cast<uint64_t>(absl::StatusCode::kResourceExhausted)) {
    return MakeStatus(absl::StatusCode::kResourceExhausted, "the other side has no room for another connection");
  }
  return MakeStatus(absl::StatusCode::kUnavailable, absl::StrCat("the other side cannot make a connection, with error ", code));
}

absl::Status Gone() { return MakeStatus(absl::StatusCode::kUnavailable, "the other side hung up"); }

absl::Status TimedOut(std::string_view address) {
  return MakeStatus(absl::StatusCode::kDeadlineExceeded,
                    absl::StrCat("whoever listens at \"", std::string(address), "\" did not accept in time"));
}

// The process that called listen(2) for the other end. Invalid: it has ended (`*ended`), or cannot be told, being in another namespace.
UniqueFd OpenListeningProcess(int socket, bool* ended) {
  *ended = false;
  struct ucred peer = {};
  socklen_t size = sizeof(peer);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.pid <= 0) return UniqueFd();
  UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, peer.pid, 0)));
  *ended = !process.valid() && errno == ESRCH;
  return process;
}

// Waits until something can be received. A child that was forked by whoever listened may keep the socket open beyond its death.
// DeadlineExceeded; Unavailable: who listened has ended.
absl::Status AwaitReadable(int socket, Deadline deadline, std::string_view address) {
  bool ended;
  const UniqueFd listener = OpenListeningProcess(socket, &ended);
  for (;;) {
    if (ended && !IsReadable(socket)) {
      return MakeStatus(absl::StatusCode::kUnavailable,
                        absl::StrCat("the process that listened at \"", std::string(address), "\" has ended"));
    }
    struct pollfd entries[] = {{.fd = socket, .events = POLLIN, .revents = 0},
                               {.fd = listener.valid() ? listener.get() : -1, .events = POLLIN, .revents = 0}};
    const struct timespec left = absl::ToTimespec(
        deadline.infinite() || deadline.poll_once() ? absl::ZeroDuration() : std::max(deadline.Remaining(), absl::ZeroDuration()));
    const int ready = ppoll(entries, 2, deadline.infinite() ? nullptr : &left, nullptr);
    if (ready > 0 && entries[0].revents != 0) return absl::OkStatus();
    if (ready > 0) {
      ended = true;
      continue;
    }
    if (ready == 0) return TimedOut(address);
    if (errno != EINTR) return ErrnoStatus(errno, "cannot wait for a socket");
  }
}

absl::Status Connect(int socket, SocketAddress at, std::string_view address, Deadline deadline) {
  if (!deadline.infinite()) {
    // While others wait to be accepted, connect waits as long as a send may. Zero would mean for ever.
    const absl::Duration left = deadline.poll_once() ? absl::ZeroDuration() : deadline.Remaining();
    const struct timeval patience = absl::ToTimeval(std::max(left, absl::Microseconds(1)));
    if (setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) != 0) {
      return ErrnoStatus(errno, "cannot set a socket's timeout");
    }
  }
  while (connect(socket, at.get(), at.size) != 0) {
    switch (errno) {
      case EINTR:
        continue;
      case EAGAIN:
        if (deadline.infinite() || !deadline.passed()) continue;
        return TimedOut(address);
      case ENOENT:
      case ECONNREFUSED:
        return MakeStatus(absl::StatusCode::kNotFound, absl::StrCat("nobody listens at \"", std::string(address), "\""));
      case EACCES:
      case EPERM:
        return MakeStatus(absl::StatusCode::kPermissionDenied, absl::StrCat("\"", std::string(address), "\" is not ours to connect to"));
      case EPROTOTYPE:
        return MakeStatus(absl::StatusCode::kFailedPrecondition, absl::StrCat("no shoal listens at \"", std::string(address), "\""));
      default:
        return ErrnoStatus(errno, absl::StrCat("cannot connect to \"", std::string(address), "\""));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SocketAddress> ParseAddress(std::string_view address) {
  SocketAddress parsed;
  parsed.bytes.sun_family = AF_UNIX;
  const bool abstract = !address.empty() && (address[0] == '@' || address[0] == '\0');
  if (address.size() >= sizeof(parsed.bytes.sun_path) || (abstract && address.size() == 1) ||
      (!abstract && address.find('\0') != std::string_view::npos)) {
    return MakeStatus(absl::StatusCode::kInvalidArgument,
                      absl::StrCat("a socket's address has 1 to ", sizeof(parsed.bytes.sun_path) - 1,
                                   " bytes, and a zero byte only in front: this has ", address.size()));
  }
  std::memcpy(parsed.bytes.sun_path, address.data(), address.size());
  if (abstract) parsed.bytes.sun_path[0] = '\0';
  parsed.size = kPathAt + static_cast<socklen_t>(address.empty() ? 0 : abstract ? address.size() : address.size() + 1);
  return parsed;
}

std::string FormatAddress(const SocketAddress& address) {
  if (address.size <= kPathAt) return "";
  if (!address.abstract()) return address.bytes.sun_path;
  return absl::StrCat("@", std::string(address.bytes.sun_path + 1, address.size - kPathAt - 1));
}

absl::Status CheckSameUser(int socket) {
  struct ucred peer = {};
  socklen_t size = sizeof(peer);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return ErrnoStatus(errno, "cannot ask whose process is at the other end of a socket");
  }
  if (peer.uid == geteuid()) return absl::OkStatus();
  return MakeStatus(absl::StatusCode::kPermissionDenied,
                    absl::StrCat("at the other end is process ", peer.pid, " of user ", peer.uid, ", not of ours, ", geteuid()));
}

bool IsReadable(int fd) {
  struct pollfd entry = {.fd = fd, .events = POLLIN, .revents = 0};
  return poll(&entry, 1, 0) > 0;
}

bool ListenerHasEnded(int socket) {
  bool ended;
  const UniqueFd listener = OpenListeningProcess(socket, &ended);
  return ended || (listener.valid() && IsReadable(listener.get()));
}

absl::Status SendPacket(int socket, const Packet& packet, int fd) {
  struct iovec bytes = {.iov_base = const_cast<Packet*>(&packet), .iov_len = sizeof(packet)};
  alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  struct msghdr message = {};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    struct cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &fd, sizeof(fd));
  }
  for (;;) {
    const ssize_t sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent == static_cast<ssize_t>(sizeof(packet))) return absl::OkStatus();
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno != EPIPE && errno != ECONNRESET) return ErrnoStatus(errno, "cannot send through a socket");
    return Gone();
  }
}

absl::StatusOr<Packet> ReceivePacket(int socket, Word expected, UniqueFd* fd) {
  Packet packet;
  struct iovec bytes = {.iov_base = &packet, .iov_len = sizeof(packet)};
  alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  struct msghdr message = {};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  ssize_t got;
  do {
    got = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0 && errno == EAGAIN) return MakeStatus(absl::StatusCode::kDeadlineExceeded, "nothing was said yet");
  if (got == 0 || (got < 0 && errno == ECONNRESET)) return Gone();
  if (got < 0) return ErrnoStatus(errno, "cannot receive through a socket");
  UniqueFd received;  // whatever came is closed, unless it is wanted
  size_t came = 0;
  for (struct cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i, ++came) {
      int number;
      std::memcpy(&number, CMSG_DATA(header) + i * sizeof(int), sizeof(number));
      received.reset(number);  // closes the one before
    }
  }
  const bool refused = expected == Word::kOffer && packet.word == Word::kRefused;
  const bool sound = got == static_cast<ssize_t>(sizeof(packet)) && (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 &&
                     packet.magic == Packet::kMagic && (packet.word == expected || refused) &&
                     came == (fd == nullptr || refused ? 0u : 1u);
  if (!sound) return MakeStatus(absl::StatusCode::kDataLoss, "what the other side says is not the language of shoal");
  if (packet.version != Packet::kVersion) {
    return MakeStatus(absl::StatusCode::kFailedPrecondition,
                      absl::StrCat("the other side speaks version ", packet.version, ", this one ", Packet::kVersion));
  }
  if (refused) return Refused(packet.ticket);
  if (fd != nullptr) *fd = std::move(received);
  return packet;
}

absl::StatusOr<PipeEnd*> TakeFromListener(std::string_view address, const shm_internal::TypeDescription& type,
                                          Deadline deadline) {
  SHOAL_ASSIGN_OR_RETURN(const SocketAddress at, ParseAddress(address));
  if (address.empty()) return MakeStatus(absl::StatusCode::kInvalidArgument, "nobody listens at no address");
  const UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return ErrnoStatus(errno, "cannot make a socket");
  SHOAL_RETURN_IF_ERROR(Connect(socket.get(), at, address, deadline));
  SHOAL_RETURN_IF_ERROR(CheckSameUser(socket.get()));
  SHOAL_RETURN_IF_ERROR(SendPacket(socket.get(), {.word = Word::kHello}, -1));
  SHOAL_RETURN_IF_ERROR(AwaitReadable(socket.get(), deadline, address));
  UniqueFd segment;
  SHOAL_ASSIGN_OR_RETURN(const Packet offer, ReceivePacket(socket.get(), Word::kOffer, &segment));
  // A process has one mapping of a segment, however many connections it has there.
  std::shared_ptr<Attachment> attachment = Attachment::KnownBy(segment);
  if (attachment == nullptr) {
    SHOAL_ASSIGN_OR_RETURN(attachment, Attachment::Attach(std::move(segment)));
  }
  const absl::StatusOr<PipeEnd*> end = PipeEnd::TakeTicket(attachment, offer.ticket, type);
  if (!end.ok()) {
    if (absl::IsResourceExhausted(end.status()) || PipeEnd::IsHandedOver(*attachment, offer.ticket)) return end.status();
    return MakeStatus(absl::StatusCode::kUnavailable, "the listener has ended, or has not waited for us to take its connection");
  }
  // If that fails the listener has gone, and the end says so.
  SendPacket(socket.get(), {.word = Word::kTaken}, -1).IgnoreError();
  return end;
}

}  // namespace shoal::ipc_internal
