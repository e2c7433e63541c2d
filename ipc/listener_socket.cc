// ipc/listener_socket.cc: what becomes of a client.
//
//  client      it has                           next
//   silent      connected; it is of our user     hello → offered; hangs up, says nonsense, or too late → away
//   offered     our pipe's other end, by a       taken → accepted: our end is returned by Accept; hangs up, … → away: both
//               ticket that we hold              ends close; too late → away, if the end can be taken back, else accepted
//   away        nothing, or was told why         nothing
//
//  All clients are looked after at once, by whoever is in Accept: one that says nothing is in nobody's way. Only so many may be silent, and
//  not for ever; the one that has been silent longest goes first. What a client has said is heard before it is called silent, and
//  an end that it has taken is a connection, whether it said so or not: its user may have it already. So nobody pays for a server
//  that was busy elsewhere.
//
//  If the process dies …                       the other sees …
//   the client, before it has taken its end      the listener: it hangs up; the pipe goes
//   the client, having taken it, saying nothing  the listener: it hangs up; the pipe goes
//   the client, afterwards                       the listener: its end is accepted, and says that the other died
//   the listener, before the client took         the client: it hangs up, or has ended (a child of it may have the socket, too), or an
//                                                end whose ticket died
//   the listener, afterwards                     the client: an end whose peer died
//
//  A file that a dead listener has left is replaced by the next: nobody accepts there. Two that start at once take turns at that
//  (address_lock.h).

#include "shoal/ipc/listener_socket.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shoal/ipc/address_lock.h"
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

UniqueFd NewSocket() { return UniqueFd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)); }

// Of a path that is relative to where this process is now.
std::string AbsolutePath(const std::string& path) {
  char here[PATH_MAX];
  if (path[0] == '/' || getcwd(here, sizeof(here)) == nullptr || here[0] != '/') return path;
  return absl::StrCat(here, here[1] == '\0' ? "" : "/", path);
}

// Takes the file away that a dead listener has left, if that is what it is. REQUIRES: an AddressLock.
void RemoveStale(SocketAddress at) {
  struct stat found;
  if (lstat(at.bytes.sun_path, &found) != 0 || !S_ISSOCK(found.st_mode) || found.st_uid != geteuid()) return;
  const UniqueFd probe = NewSocket();
  if (!probe.valid()) return;
  const bool connected = connect(probe.get(), at.get(), at.size) == 0;
  if (connected ? ListenerHasEnded(probe.get()) : errno == ECONNREFUSED) unlink(at.bytes.sun_path);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ListenerSocket>> ListenerSocket::Open(std::string_view address, int backlog,
                                                                     absl::Duration with_starters) {
  std::unique_ptr<ListenerSocket> made(new ListenerSocket);
  made->epoch_ = sync_internal::ProcessEpoch();
  made->patience_ = kPatience;
  made->events_ = UniqueFd(epoll_create1(EPOLL_CLOEXEC));
  made->cue_ = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  made->socket_ = NewSocket();
  if (!made->events_.valid() || !made->cue_.valid() || !made->socket_.valid()) {
    return ErrnoStatus(errno, "cannot make a socket");
  }
  SHOAL_RETURN_IF_ERROR(made->Bind(address, backlog, with_starters));
  SHOAL_RETURN_IF_ERROR(made->Watch(made->socket_.get(), nullptr));
  SHOAL_RETURN_IF_ERROR(made->Watch(made->cue_.get(), made.get()));
  return made;
}

absl::Status ListenerSocket::Bind(std::string_view address, int backlog, absl::Duration with_starters) {
  SHOAL_ASSIGN_OR_RETURN(SocketAddress at, ParseAddress(address));
  fchmod(socket_.get(), 0600);  // the file's mode will be that
  const bool file = !address.empty() && !at.abstract();
  std::optional<AddressLock> lock;
  if (file) {
    file_ = AbsolutePath(at.bytes.sun_path);
    SHOAL_ASSIGN_OR_RETURN(AddressLock taken, AddressLock::Take(file_, Deadline::After(with_starters)));
    lock.emplace(std::move(taken));
    RemoveStale(at);
  }
  if (bind(socket_.get(), at.get(), at.size) != 0) return CannotListen(errno, address);
  if (listen(socket_.get(), std::max(backlog, 1)) != 0) return ErrnoStatus(errno, "cannot listen");
  struct stat found;
  if (file && lstat(file_.c_str(), &found) == 0) {
    device_ = found.st_dev;
    inode_ = found.st_ino;
  }
  at.size = sizeof(at.bytes);
  if (getsockname(socket_.get(), at.get(), &at.size) != 0) return ErrnoStatus(errno, "cannot ask for a socket's address");
  address_ = file && file_.size() < sizeof(at.bytes.sun_path) ? file_ : FormatAddress(at);
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
  if (inode_ != 0 && lstat(file_.c_str(), &found) == 0 && found.st_dev == device_ && found.st_ino == inode_) {
    unlink(file_.c_str());
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
    Deadline until = deadline;
    for (const Client& client : clients_) until = Deadline::Earlier(until, PatienceWith(client));
    last = deadline.passed();
    const int64_t left = until.infinite() ? -1 : std::max<int64_t>(0, until.nanoseconds() - Deadline::Now());
    struct epoll_event event;
    // One at a time: what happens to one client must not leave the next one's event without its client.
    const int64_t milliseconds = left < 0 ? -1 : std::min<int64_t>((left + 999'999) / 1'000'000, 1 << 30);
    const int ready = epoll_wait(events_.get(), &event, 1, static_cast<int>(milliseconds));
    if (ready < 0 && errno != EINTR) return ErrnoStatus(errno, "cannot wait for clients");
    if (ready <= 0) {
      if (PipeEnd* const taken = ready == 0 ? GiveUpTheSilent() : nullptr; taken != nullptr) return taken;
      if (last) return TimedOut();
      continue;
    }
    // Whoever keeps on connecting does not keep us beyond our time; as many as can be waiting are looked at.
    if (last && ++late > kMostLate) return TimedOut();
    if (event.data.ptr == this) continue;  // closed
    if (event.data.ptr == nullptr) {
      SHOAL_ASSIGN_OR_RETURN(PipeEnd* const taken, Welcome());
      if (taken != nullptr) return taken;
      continue;
    }
    const auto client =
        std::find_if(clients_.begin(), clients_.end(), [&](const Client& one) { return &one == event.data.ptr; });
    if (client == clients_.end()) continue;
    if (client->ours == nullptr) {
      SHOAL_RETURN_IF_ERROR(Offer(client, segment, type, shape));
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

// Lets one more in, who is of our user. Our end of a pipe, if one had to go for that who has taken the other; else null.
absl::StatusOr<PipeEnd*> ListenerSocket::Welcome() {
  const bool full = clients_.size() >= kMostClients;
  const auto quiet = full ? FirstToGo() : clients_.end();
  if (full && quiet == clients_.end()) return nullptr;  // they are heard first; whoever comes can wait
  UniqueFd socket(accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket.valid()) {
    const bool lacking = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
    if (lacking) return ErrnoStatus(errno, "cannot let a client in");
    return nullptr;
  }
  if (!CheckSameUser(socket.get()).ok()) {
    strangers_.fetch_add(1, std::memory_order_relaxed);  // relaxed: a number
    return nullptr;
  }
  PipeEnd* const taken = full ? GiveUp(quiet) : nullptr;
  clients_.push_back({.socket = std::move(socket), .since = Deadline::Now()});
  if (!Watch(clients_.back().socket.get(), &clients_.back()).ok()) SendAway(std::prev(clients_.end()));
  return taken;
}

// Of those who have nothing to say the one that has been silent longest; first those who have said nothing at all. The end: there
// is none.
ListenerSocket::Clients::iterator ListenerSocket::FirstToGo() {
  const auto find = [&](bool offered) {
    return std::find_if(clients_.begin(), clients_.end(), [&](const Client& one) {
      return (one.ours != nullptr) == offered && !IsReadable(one.socket.get());
    });
  };
  const auto silent = find(false);
  return silent != clients_.end() ? silent : find(true);
}

// What a client says wrong is its own affair: OK, and it is sent away. If there is no pipe for it, it is told, and so is our
// user.
absl::Status ListenerSocket::Offer(Clients::iterator client, const std::shared_ptr<Attachment>& segment,
                                   const shm_internal::TypeDescription& type, const PipeShape& shape) {
  const int socket = client->socket.get();
  if (!ReceivePacket(socket, Word::kHello, nullptr).ok()) {
    SendAway(client);
    return absl::OkStatus();
  }
  const auto ends = PipeEnd::Make(segment, type, shape);
  if (!ends.ok()) {
    SendPacket(socket, {.word = Word::kRefused, .ticket = static_cast<uint64_t>(ends.status().code())}, -1).IgnoreError();
    SendAway(client);
    return ends.status();
  }
  client->ours = ends->first;
  client->offered = ends->second;
  client->since = Deadline::Now();
  absl::Status status = client->offered->HandOver(shm_internal::EndState::kHandedOver, nullptr);
  if (status.ok()) {
    status = SendPacket(socket, {.word = Word::kOffer, .ticket = client->offered->ticket_number()}, segment->file().get());
  }
  if (!status.ok()) SendAway(client);
  return absl::OkStatus();
}

void ListenerSocket::SendAway(Clients::iterator client) {
  // A child that was forked meanwhile has the socket, too: closing ours alone would neither take it out of the set nor hang up.
  if (sync_internal::InProcessOf(epoch_)) {
    epoll_ctl(events_.get(), EPOLL_CTL_DEL, client->socket.get(), nullptr);
    shutdown(client->socket.get(), SHUT_RDWR);
  }
  if (!TakeBack(*client)) client->offered->Leave();
  if (client->ours != nullptr) {
    client->ours->Close();
    client->ours->Leave();
  }
  clients_.erase(client);
}

// What it was offered. False: it has taken it, or this is a forked child.
bool ListenerSocket::TakeBack(Client& client) {
  if (client.offered == nullptr) return true;
  if (!client.offered->TakeBack(shm_internal::EndState::kHandedOver)) return false;
  client.offered->Close();
  std::exchange(client.offered, nullptr)->Leave();
  return true;
}

// Sends a client away that has nothing to say. If it has taken its end all the same, ours; else null.
PipeEnd* ListenerSocket::GiveUp(Clients::iterator client) {
  PipeEnd* const ours = TakeBack(*client) ? nullptr : std::exchange(client->ours, nullptr);
  SendAway(client);
  return ours;
}

// REQUIRES: nobody has anything to say.
PipeEnd* ListenerSocket::GiveUpTheSilent() {
  for (auto client = clients_.begin(); client != clients_.end();) {
    const auto late = client++;
    if (!PatienceWith(*late).passed()) continue;
    if (PipeEnd* const taken = GiveUp(late); taken != nullptr) return taken;
  }
  return nullptr;
}

Deadline ListenerSocket::PatienceWith(const Client& client) const {
  return Deadline::AtNanoseconds(client.since + absl::ToInt64Nanoseconds(patience_));
}

}  // namespace shoal::ipc_internal
