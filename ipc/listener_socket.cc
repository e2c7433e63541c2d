// ipc/listener_socket.cc: what becomes of a client.
//
//  client      it has                           next
//   silent      connected; it is of our user     hello → offered; hangs up, says nonsense, or too late → away
//   offered     our pipe's other end, by a       taken → accepted: our end is returned by Accept; hangs up, … → away: both ends close
//               ticket that we hold
//   away        nothing                          nothing
//
//  All clients are looked after at once, by whoever is in Accept: one that says nothing is in nobody's way. Only so many may be silent, and
//  not for ever; the one that has been silent longest goes first.
//
//  If the process dies …                       the other sees …
//   the client, before it has taken its end      the listener: it hangs up; the pipe goes
//   the client, having taken it, saying nothing  the listener: it hangs up; the pipe goes
//   the client, afterwards                       the listener: its end is accepted, and says that the other died
//   the listener, before the client took         the client: it hangs up, or has ended (a child of it may have the socket, too), or an
//                                                end whose ticket died
//   the listener, afterwards                     the client: an end whose peer died
//
//  A file that a dead listener has left is replaced by the next: nobody accepts there. Two that start at once take turns at that, holding
//  a lock on the directory.

#include "shoal/ipc/listener_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shoal/ipc/rendezvous.h"
#include "shoal/shm/pipe_ends.h"
#include "shoal/sync/process_epoch.h"
#include "shoal/sync/status.h"

namespace shoal::ipc_internal {

using shm_internal::Attachment;
using shm_internal::UniqueFd;
using sync_internal::Deadline;
using sync_internal::ErrnoStatus;
using sync_internal::MakeStatus;

namespace {

// How long a client may keep us waiting, and how many may at once.
constexpr absl::Duration kPatience = absl::Seconds(10);
constexpr size_t kMostClients = 64;
constexpr int kMostLate = 4 * 64;  // events that are looked at when the time is over

absl::Status TimedOut() { return MakeStatus(absl::StatusCode::kDeadlineExceeded, "nobody connected in time"); }

absl::Status BindError(int error, std::string_view address) {
  switch (error) {
    case EADDRINUSE:
      return MakeStatus(absl::StatusCode::kAlreadyExists, absl::StrCat("somebody listens at \"", std::string(address), "\""));
    case EACCES:
    case EPERM:
    case EROFS:
      return MakeStatus(absl::StatusCode::kPermissionDenied, absl::StrCat("cannot listen at \"", std::string(address), "\" there"));
    case ENOENT:
    case ENOTDIR:
      return MakeStatus(absl::StatusCode::kNotFound, absl::StrCat("there is no directory for \"", std::string(address), "\""));
    default:
      return ErrnoStatus(error, absl::StrCat("cannot listen at \"", std::string(address), "\""));
  }
}

UniqueFd NewSocket() { return UniqueFd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)); }

// The directory of a path, locked.
UniqueFd LockedDirectory(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  UniqueFd locked(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  while (locked.valid() && flock(locked.get(), LOCK_EX) != 0 && errno == EINTR) {
  }
  return locked;
}

// Takes the file away that a dead listener has left, if that is what it is. REQUIRES: the directory is locked.
void RemoveStale(SocketAddress at) {
  struct stat found;
  if (lstat(at.bytes.sun_path, &found) != 0 || !S_ISSOCK(found.st_mode) || found.st_uid != geteuid()) return;
  const UniqueFd probe = NewSocket();
  if (!probe.valid()) return;
  const bool connected = connect(probe.get(), at.get(), at.size) == 0;
  if (connected ? ListenerHasEnded(probe.get()) : errno == ECONNREFUSED) unlink(at.bytes.sun_path);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ListenerSocket>> ListenerSocket::Open(std::string_view address, int backlog) {
  std::unique_ptr<ListenerSocket> made(new ListenerSocket);
  made->epoch_ = sync_internal::ProcessEpoch();
  made->events_ = UniqueFd(epoll_create1(EPOLL_CLOEXEC));
  made->cue_ = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  made->socket_ = NewSocket();
  if (!made->events_.valid() || !made->cue_.valid() || !made->socket_.valid()) {
    return ErrnoStatus(errno, "cannot make a socket");
  }
  SHOAL_RETURN_IF_ERROR(made->Bind(address, backlog));
  SHOAL_RETURN_IF_ERROR(made->Watch(made->socket_.get(), nullptr));
  SHOAL_RETURN_IF_ERROR(made->Watch(made->cue_.get(), made.get()));
  return made;
}

absl::Status ListenerSocket::Bind(std::string_view address, int backlog) {
  SHOAL_ASSIGN_OR_RETURN(SocketAddress at, ParseAddress(address));
  fchmod(socket_.get(), 0600);  // the file's mode will be that
  const bool file = !address.empty() && !at.abstract();
  const UniqueFd directory = file ? LockedDirectory(at.bytes.sun_path) : UniqueFd();
  if (file) RemoveStale(at);
  if (bind(socket_.get(), at.get(), at.size) != 0) return BindError(errno, address);
  if (listen(socket_.get(), std::max(backlog, 1)) != 0) return ErrnoStatus(errno, "cannot listen");
  struct stat found;
  if (file && lstat(at.bytes.sun_path, &found) == 0) {
    device_ = found.st_dev;
    inode_ = found.st_ino;
  }
  at.size = sizeof(at.bytes);
  if (getsockname(socket_.get(), at.get(), &at.size) != 0) return ErrnoStatus(errno, "cannot ask for a socket's address");
  address_ = FormatAddress(at);
  return absl::OkStatus();
}

ListenerSocket::~ListenerSocket() {
  Close();
  while (!clients_.empty()) SendAway(clients_.begin());
}

void ListenerSocket::Close() {
  if (!sync_internal::InProcessOf(epoch_)) return;
  if (closed_.exchange(true, std::memory_order_relaxed)) return;  // relaxed: a cue
  struct stat found;
  // Only our own file.
  if (inode_ != 0 && lstat(address_.c_str(), &found) == 0 && found.st_dev == device_ && found.st_ino == inode_) {
    unlink(address_.c_str());
  }
  shutdown(socket_.get(), SHUT_RDWR);  // who connects from now on is refused
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(cue_.get(), &one, sizeof(one));
}

absl::Status ListenerSocket::Watch(int fd, void* tag) {
  struct epoll_event event = {};
  event.events = EPOLLIN;
  event.data.ptr = tag;
  if (epoll_ctl(events_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, "cannot watch a socket");
}

absl::StatusOr<PipeEnd*> ListenerSocket::Accept(const std::shared_ptr<Attachment>& segment,
                                                const shm_internal::TypeDescription& type, const PipeShape& shape,
                                                absl::Duration timeout) {
  if (!sync_internal::InProcessOf(epoch_)) {
    return MakeStatus(absl::StatusCode::kFailedPrecondition, "this listener belongs to the parent of this process");
  }
  if (busy_.exchange(true, std::memory_order_acquire)) {  // listener.turn (acquire)
    return MakeStatus(absl::StatusCode::kFailedPrecondition, "another thread is accepting");
  }
  absl::StatusOr<PipeEnd*> accepted = AcceptClaimed(segment, type, shape, Deadline::After(timeout));
  busy_.store(false, std::memory_order_release);  // EDGE listener.turn (release): what one acceptor knows of the clients
  return accepted;
}

absl::StatusOr<PipeEnd*> ListenerSocket::AcceptClaimed(const std::shared_ptr<Attachment>& segment,
                                                       const shm_internal::TypeDescription& type, const PipeShape& shape,
                                                       Deadline deadline) {
  int late = 0;
  for (bool last = false;;) {
    if (closed()) return MakeStatus(absl::StatusCode::kFailedPrecondition, "the listener is closed");
    SendAwayTheSilent();
    Deadline until = deadline;
    for (const Client& client : clients_) until = Deadline::Earlier(until, client.until);
    last = deadline.passed();
    const int64_t left = until.infinite() ? -1 : std::max<int64_t>(0, until.nanoseconds() - Deadline::Now());
    struct epoll_event event;
    // One at a time: what happens to one client must not leave the next one's event without its client.
    const int64_t milliseconds = left < 0 ? -1 : std::min<int64_t>((left + 999'999) / 1'000'000, 1 << 30);
    const int ready = epoll_wait(events_.get(), &event, 1, static_cast<int>(milliseconds));
    if (ready < 0 && errno != EINTR) return ErrnoStatus(errno, "cannot wait for clients");
    if (ready <= 0) {
      if (last) return TimedOut();
      continue;
    }
    // Whoever keeps on connecting does not keep us beyond our time; as many as can be waiting are looked at.
    if (last && ++late > kMostLate) return TimedOut();
    if (event.data.ptr == this) continue;  // closed
    if (event.data.ptr == nullptr) {
      SHOAL_RETURN_IF_ERROR(Welcome());
      continue;
    }
    const auto client =
        std::find_if(clients_.begin(), clients_.end(), [&](const Client& one) { return &one == event.data.ptr; });
    if (client == clients_.end()) continue;
    if (client->ours == nullptr) {
      if (!Offer(*client, segment, type, shape).ok()) SendAway(client);
      continue;
    }
    if (ReceivePacket(client->socket.get(), Word::kTaken, nullptr).ok()) {
      PipeEnd* const ours = std::exchange(client->ours, nullptr);
      SendAway(client);
      return ours;
    }
    SendAway(client);
  }
}

// Lets one more in, who is of our user.
absl::Status ListenerSocket::Welcome() {
  UniqueFd socket(accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket.valid() && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
    return ErrnoStatus(errno, "cannot let a client in");
  }
  if (!socket.valid() || !CheckSameUser(socket.get()).ok()) return absl::OkStatus();
  if (clients_.size() >= kMostClients) {
    const auto silent = std::find_if(clients_.begin(), clients_.end(), [](const Client& one) { return one.ours == nullptr; });
    SendAway(silent == clients_.end() ? clients_.begin() : silent);
  }
  clients_.push_back({.socket = std::move(socket), .until = Deadline::After(kPatience)});
  if (!Watch(clients_.back().socket.get(), &clients_.back()).ok()) SendAway(std::prev(clients_.end()));
  return absl::OkStatus();
}

absl::Status ListenerSocket::Offer(Client& client, const std::shared_ptr<Attachment>& segment,
                                   const shm_internal::TypeDescription& type, const PipeShape& shape) {
  SHOAL_RETURN_IF_ERROR(ReceivePacket(client.socket.get(), Word::kHello, nullptr).status());
  SHOAL_ASSIGN_OR_RETURN(const auto ends, PipeEnd::Make(segment, type, shape));
  client.ours = ends.first;
  client.offered = ends.second;
  SHOAL_RETURN_IF_ERROR(client.offered->HandOver(shm_internal::EndState::kHandedOver, nullptr));
  return SendPacket(client.socket.get(), {.word = Word::kOffer, .ticket = client.offered->name()}, segment->file().get());
}

void ListenerSocket::SendAway(Clients::iterator client) {
  // A child that was forked meanwhile has the socket, too: closing ours alone would neither take it out of the set nor hang up.
  if (sync_internal::InProcessOf(epoch_)) {
    epoll_ctl(events_.get(), EPOLL_CTL_DEL, client->socket.get(), nullptr);
    shutdown(client->socket.get(), SHUT_RDWR);
  }
  if (client->offered != nullptr) {
    if (client->offered->TakeBack(shm_internal::EndState::kHandedOver)) client->offered->Close();
    client->offered->Leave();
  }
  if (client->ours != nullptr) {
    client->ours->Close();
    client->ours->Leave();
  }
  clients_.erase(client);
}

void ListenerSocket::SendAwayTheSilent() {
  for (auto client = clients_.begin(); client != clients_.end();) {
    const auto next = std::next(client);
    if (client->until.passed()) SendAway(client);
    client = next;
  }
}

}  // namespace shoal::ipc_internal
