#include "shoal/tests/kill/listener_operations.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/ipc/listener.h"
#include "shoal/ipc/listener_socket.h"
#include "shoal/ipc/pipe.h"
#include "shoal/ipc/rendezvous.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/unique_fd.h"
#include "shoal/sync/check.h"
#include "shoal/tests/kill/listener_room.h"

// The operation's process has neither the segment nor a socket: all parties are strangers who know an address. Whoever waits for a dead
// one is told so, or served by the next; and when all have gone, neither a file nor a block of the segment is left.

namespace shoal::tests {
namespace {

using ipc_internal::ListenerSocket;
using listeners::Address;
using listeners::Answer;
using listeners::Ask;
using listeners::AtFirst;
using listeners::ComeIn;
using listeners::Complain;
using listeners::kUsual;
using listeners::Listen;
using listeners::Pair;
using listeners::PairListener;
using listeners::Parties;
using listeners::Room;

// Ours, made in `prepare` or by the stepped body. It ends with the process, or where that is what is stepped.
std::optional<PairListener>& own_listener = *new std::optional<PairListener>;

// ---- what the victim does -------------------------------------------------------------------------------------------------------

void BeAbleToListen(Room& room) {
  room.victim = getpid();
  listeners::TheSegment(room);
}
void ComeInAndListen(Room& room) {
  ComeIn(room);
  auto listener = Listen(room);
  SHOAL_CHECK(listener.ok(), "a listener can be made");
  own_listener = *std::move(listener);
}
void BeAStranger(Room&) {}

void AnswerOne(Room& room) {
  if (Answer(room, *own_listener) == kUsual) ++room.answers_sent;
}
void AskAndBeAnswered(Room& room) {
  SHOAL_CHECK(Ask(room, kUsual, false).ok(), "a server answers");
}
void StartListening(Room& room) {
  auto listener = Listen(room);
  SHOAL_CHECK(listener.ok(), "a listener can be made");
  own_listener = *std::move(listener);
  room.listening = true;
}
void FindItTaken(Room& room) {
  if (const absl::Status status = Listen(room).status(); !absl::IsAlreadyExists(status)) {
    Complain(room, "who comes second", status);
  }
}
void CloseListener(Room&) { own_listener->Close(); }
void DestroyListener(Room&) { own_listener.reset(); }
void OfferAndDestroyListener(Room& room) {
  // It has no time to wait for anybody; what comes of that is a connection only if the client was quick.
  const absl::Status status = own_listener->Accept(absl::ZeroDuration()).status();
  if (!status.ok() && !absl::IsDeadlineExceeded(status)) Complain(room, "a server in a hurry", status);
  own_listener.reset();
}

// ---- the others -----------------------------------------------------------------------------------------------------------------

// One who starts while the victim is at it. Whoever has the right to start is not waited for.
void StartAtOnce(void* shared, const Gate& gate) {
  Room& room = *static_cast<Room*>(shared);
  // At the last of its instructions it has ended by itself, and was waited for.
  const bool victim_is_there = kill(room.victim, 0) == 0;
  const auto started = ListenerSocket::Open(room.address, 1, absl::ZeroDuration());
  const absl::Status status = started.status();
  if (status.ok() && room.listening && victim_is_there) Complain(room, "there are two listeners", status);
  if (!status.ok() && !absl::IsAlreadyExists(status) && !absl::IsDeadlineExceeded(status)) Complain(room, "who starts, too", status);
  gate.Hold();
}

void WakeServer(Room& room) { room.go.Set(); }

Operation Registered(std::string name, void (*prepare)(Room&), void (*body)(Room&), Address address = Address::kFile,
                     AtFirst at_first = AtFirst::kFree, Parties parties = Parties::kStrangers) {
  Operation operation = OperationOn<Room>(std::move(name));
  operation.setup = [=](void* shared) { listeners::SetUp(*new (shared) Room{}, address, at_first, parties); };
  operation.prepare = On(prepare);
  operation.body = On(body);
  operation.rescuer = On(listeners::ListenNext);
  operation.kill_rescuer_too = true;
  operation.may_sleep = [](const void*, int) { return false; };
  operation.check = listeners::Judge;
  operation.clean = On(listeners::CleanUp);
  return operation;
}

// A server accepts one who waits for it; and one who comes when it sleeps.
void AddServers(std::vector<Operation>& operations) {
  for (const auto& [name, address] : {std::pair("listener, accept and answer, client asleep", Address::kFile),
                                      std::pair("listener, abstract, accept and answer, client asleep", Address::kAbstract)}) {
    Operation operation = Registered(name, ComeInAndListen, AnswerOne, address);
    operation.sleepers = {On(listeners::AskOnce)};
    operations.push_back(operation);
  }
  {
    Operation operation = Registered("listener, accept and answer, asleep and woken", ComeInAndListen, AnswerOne);
    operation.waker = On(listeners::AskWhoeverIsThere);
    operations.push_back(operation);
  }
  {
    // A client whose listener dies and is reaped while it has its offer in its hands, or anywhere else.
    Operation operation = Registered("listener, accept and answer, beside a paused client", ComeInAndListen, AnswerOne, Address::kFile,
                                     AtFirst::kFree, Parties::kKnowTheSegment);
    operation.sleepers = {On(listeners::AskWithoutKeeper), On(listeners::KeepWatch)};
    operation.may_sleep = [](const void*, int asleep) { return asleep <= 1; };
    operation.pause_first_sleeper = true;
    operation.kill_rescuer_too = false;
    operations.push_back(operation);
  }
}

// A client is one who has the segment already, or a stranger. The server goes on to sleep, with good reason.
Operation BesideServer(Operation operation) {
  operation.sleepers = {On(listeners::Serve)};
  operation.rescuer = On(listeners::AskLast);
  operation.may_sleep = [](const void*, int asleep) { return asleep <= 1; };
  return operation;
}

void AddClients(std::vector<Operation>& operations) {
  operations.push_back(BesideServer(Registered("client, connects, server asleep", ComeIn, AskAndBeAnswered)));
  operations.push_back(BesideServer(Registered("client, a stranger, connects, server asleep", BeAStranger, AskAndBeAnswered)));
  operations.push_back(BesideServer(
      Registered("client, connects, abstract, server asleep", ComeIn, AskAndBeAnswered, Address::kAbstract)));
  Operation operation = BesideServer(Registered("client, connects, asleep and woken", ComeIn, AskAndBeAnswered));
  operation.sleepers = {On(listeners::ListenAndServeOnCue)};
  operation.waker = On(WakeServer);
  operations.push_back(operation);
}

Operation BesideStarter(Operation operation) {
  operation.thief = StartAtOnce;
  return operation;
}

void AddStarters(std::vector<Operation>& operations) {
  operations.push_back(BesideStarter(Registered("listener, made, another starts", BeAbleToListen, StartListening)));
  operations.push_back(BesideStarter(Registered("listener, made where a dead one was, another starts", BeAbleToListen,
                                                StartListening, Address::kFile, AtFirst::kLeftByADeadOne)));
  operations.push_back(BesideStarter(
      Registered("listener, abstract, made, another starts", BeAbleToListen, StartListening, Address::kAbstract)));
  operations.push_back(BesideServer(Registered("listener, made where somebody listens", BeAbleToListen, FindItTaken)));
}

void AddClosers(std::vector<Operation>& operations) {
  operations.push_back(BesideStarter(Registered("listener, closed, another starts", ComeInAndListen, CloseListener)));
  for (const auto& [name, body] : {std::pair("listener, destroyed, client asleep", &DestroyListener),
                                   std::pair("listener, offers and is destroyed, client asleep", &OfferAndDestroyListener)}) {
    Operation operation = Registered(name, ComeInAndListen, body);
    operation.sleepers = {On(listeners::AskOnce)};
    operations.push_back(operation);
  }
}

// ---- what is broken on purpose --------------------------------------------------------------------------------------------------

// Takes turns at an address by a file that is there or not.
void StartBehindAFile(Room& room) {
  const std::string path = std::string(room.directory) + "/lock";
  const shm_internal::UniqueFd lock(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!lock.valid()) return Complain(room, "a starter's lock file is there", absl::OkStatus());
  const auto listener = Listen(room);
  if (!listener.ok()) Complain(room, "who listens", listener.status());
  unlink(path.c_str());
}

// Makes a pipe and answers for both ends, but does nothing.
void AnswerForEnds(Room& room) {
  listeners::Participate(room);
  auto ends = Pipe<Pair, Pair>({.segment = &listeners::TheSegment(room), .capacity = 1, .spin = false});
  SHOAL_CHECK(ends.ok(), "there is memory for a pipe");
  const auto ticket = ends->first.HandOver();
  SHOAL_CHECK(ticket.ok(), "an end can be handed over");
  room.ticket = ticket->number();
  SHOAL_CHECK(room.go.Wait().ok(), "who answers for something is there");
}

// A server of its own making.
int own_socket = -1;
void ListenOnASocket(Room& room) {
  ComeIn(room);
  ipc_internal::SocketAddress at = ipc_internal::ParseAddress(room.address).value();
  own_socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  SHOAL_CHECK(bind(own_socket, at.get(), at.size) == 0 && listen(own_socket, 1) == 0, "a socket can listen");
}
void OfferWhatIsAnothers(Room& room) {
  const shm_internal::UniqueFd client(accept4(own_socket, nullptr, nullptr, SOCK_CLOEXEC));
  SHOAL_CHECK(ipc_internal::ReceivePacket(client.get(), ipc_internal::Word::kHello, nullptr).ok(), "a client says hello");
  ipc_internal::SendPacket(client.get(), {.word = ipc_internal::Word::kOffer, .ticket = room.ticket}, listeners::TheSegment(room).fd())
      .IgnoreError();
}

}  // namespace

std::vector<Operation> ListenerOperations() {
  std::vector<Operation> operations;
  AddServers(operations);
  AddClients(operations);
  AddStarters(operations);
  AddClosers(operations);
  return operations;
}

std::vector<Operation> ListenerOperationsThatHang() {
  Operation lock = Registered("a starter's lock that a dead one keeps", BeAbleToListen, StartBehindAFile);
  lock.rescuer = On(StartBehindAFile);
  Operation offer = Registered("a server offers what another answers for", ListenOnASocket, OfferWhatIsAnothers);
  offer.sleepers = {On(AnswerForEnds), On(listeners::AskOnce)};
  offer.may_sleep = [](const void*, int asleep) { return asleep <= 1; };
  return {lock, offer};
}

}  // namespace shoal::tests
