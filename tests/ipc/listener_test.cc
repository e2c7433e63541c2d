// Programs that know only a name.

#include "shoal/ipc/listener.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shoal/ipc/address_lock.h"
#include "shoal/ipc/client.h"
#include "shoal/ipc/connection.h"
#include "shoal/ipc/listener_socket.h"
#include "shoal/ipc/pipe.h"
#include "shoal/ipc/pipe_core.h"
#include "shoal/ipc/pipe_end.h"
#include "shoal/ipc/rendezvous.h"
#include "shoal/ipc/wait.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/type_table.h"
#include "shoal/shm/unique_fd.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/status.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal {
namespace {

using ipc_internal::AddressLock;
using ipc_internal::ListenerSocket;
using ipc_internal::Packet;
using ipc_internal::ParseAddress;
using ipc_internal::SocketAddress;
using ipc_internal::Word;
using shm_internal::UniqueFd;
using testing::ElementsAre;
using testing::HasSubstr;
using tests::Party;
using tests::World;

constexpr absl::Duration kAtOnce = absl::ZeroDuration();

// A socket of a peer that does not know our library.
UniqueFd RawClient(const std::string& address) {
  SocketAddress at = ParseAddress(address).value();
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  EXPECT_EQ(connect(socket.get(), at.get(), at.size), 0) << strerror(errno);
  return socket;
}

// Both kinds of addresses.
class ListenerTest : public testing::TestWithParam<bool> {
 protected:
  ListenerTest() {
    std::string pattern = "/tmp/shoal-listener-XXXXXX";  // TempDir() is too long for a socket's address
    directory_ = mkdtemp(pattern.data());
    address_ = GetParam() ? "@" + directory_ : directory_ + "/socket";
  }
  ~ListenerTest() override {
    EXPECT_EQ(rmdir(directory_.c_str()), 0) << "something is left: " << strerror(errno);
  }
  ListenerOptions In(const Segment& segment) { return {.pipe = {.segment = &segment}}; }

  Segment segment_ = Segment::Create().value();
  std::string directory_;
  std::string address_;
};
INSTANTIATE_TEST_SUITE_P(All, ListenerTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "Abstract" : "File"; });

// The client is forked before there is a segment: it gets everything through the socket.
TEST_P(ListenerTest, StrangersTalkInSharedMemory) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer takes a forked child's threads for those of its parent";
#endif
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  Party client(World::kProcesses, [&] {
    char byte;
    ASSERT_EQ(read(ready[0], &byte, 1), 1);
    auto connection = Client<std::string, int>(address_);
    ASSERT_TRUE(connection.ok()) << connection.status();
    EXPECT_TRUE(connection->Send("how many?").ok());
    EXPECT_EQ(connection->Recv().value(), 42);
    const Segment segment = connection->segment().value();
    EXPECT_TRUE(segment.Allocate(100, 8).ok());
    // A second one has the same mapping.
    auto second = Client<std::string, int>(address_);
    ASSERT_TRUE(second.ok()) << second.status();
    EXPECT_EQ(second->segment().value().fd(), segment.fd());
  });
  const Segment own = Segment::Create().value();
  auto listener = Listener<int, std::string>::Create(address_, In(own)).value();
  EXPECT_EQ(listener.address(), address_);
  ASSERT_EQ(write(ready[1], "x", 1), 1);
  auto connection = listener.Accept().value();
  EXPECT_EQ(connection.Recv().value(), "how many?");
  EXPECT_TRUE(connection.Send(42).ok());
  auto second = listener.Accept().value();
  client.Join();
  EXPECT_TRUE(absl::IsCancelled(connection.Recv().status()) || absl::IsUnavailable(connection.Recv().status()));
  close(ready[0]);
  close(ready[1]);
}

size_t OpenDescriptors() {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) count += entry.exists() ? 1 : 0;
  return count;
}

// A client that sends descriptors nobody has asked for leaves none behind.
TEST_P(ListenerTest, DescriptorsThatNobodyWantsAreClosed) {
  auto listener = Listener<int>::Create(address_, In(segment_)).value();
  EXPECT_TRUE(absl::IsDeadlineExceeded(listener.Accept(kAtOnce).status()));
  const size_t before = OpenDescriptors();
  {
    const UniqueFd client = RawClient(address_);
    ipc_internal::Packet hello = {.word = Word::kHello};
    struct iovec bytes = {.iov_base = &hello, .iov_len = sizeof(hello)};
    alignas(struct cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = {};
    struct msghdr message = {};
    message.msg_iov = &bytes;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    struct cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(2 * sizeof(int));
    const int two[2] = {client.get(), client.get()};
    std::memcpy(CMSG_DATA(header), two, sizeof(two));
    ASSERT_EQ(sendmsg(client.get(), &message, 0), static_cast<ssize_t>(sizeof(hello)));
    EXPECT_TRUE(absl::IsDeadlineExceeded(listener.Accept(absl::Milliseconds(5)).status()));
  }
  EXPECT_TRUE(absl::IsDeadlineExceeded(listener.Accept(kAtOnce).status()));
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_P(ListenerTest, NobodyBlocksAnybody) {
  auto listener = Listener<int>::Create(address_, In(segment_)).value();
  EXPECT_TRUE(absl::IsDeadlineExceeded(listener.Accept(kAtOnce).status()));
  const UniqueFd silent = RawClient(address_);
  const UniqueFd babbler = RawClient(address_);
  ASSERT_EQ(send(babbler.get(), "what?", 5, 0), 5);
  UniqueFd hasty = RawClient(address_);
  hasty.reset();
  const UniqueFd undecided = RawClient(address_);  // asks, and does not take
  ASSERT_TRUE(ipc_internal::SendPacket(undecided.get(), {.word = Word::kHello}, -1).ok());
  EXPECT_TRUE(absl::IsDeadlineExceeded(listener.Accept(kAtOnce).status()));
  EXPECT_TRUE(absl::IsDeadlineExceeded(listener.Accept(absl::Milliseconds(5)).status()));
  Party client(World::kThreads, [&] {
    auto connection = Client<int>(address_);
    ASSERT_TRUE(connection.ok()) << connection.status();
    EXPECT_EQ(connection->Recv().value(), 7);
  });
  auto connection = listener.Accept().value();
  EXPECT_TRUE(connection.Send(7).ok());
  client.Join();
  char byte;
  EXPECT_EQ(recv(babbler.get(), &byte, 1, 0), 0);
}

TEST_P(ListenerTest, ManySilentOnesDoNotShutOthersOut) {
  auto listener = Listener<int>::Create(address_, {.pipe = {.segment = &segment_}, .backlog = 200}).value();
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 100; ++i) silent.push_back(RawClient(address_));
  Party client(World::kThreads, [&] { EXPECT_TRUE(Client<int>(address_).ok()); });
  EXPECT_TRUE(listener.Accept().ok());
  client.Join();
}

TEST_P(ListenerTest, AClientOfOtherTypesIsTold) {
  auto listener = Listener<int, double>::Create(address_, In(segment_)).value();
  Party client(World::kThreads, [&] {
    const absl::Status status = Client<int, double>(address_).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_TRUE((Client<double, int>(address_)).ok());
  });
  EXPECT_TRUE(listener.Accept().ok());
  client.Join();
}

TEST_P(ListenerTest, ANameIsTakenOnceAndFreeAfterwards) {
  auto listener = Listener<int>::Create(address_, In(segment_)).value();
  EXPECT_TRUE(absl::IsAlreadyExists(Listener<int>::Create(address_, In(segment_)).status()));
  struct stat found;
  if (!GetParam()) {
    ASSERT_EQ(stat(address_.c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777, 0600u);
  }
  listener.Close();
  listener.Close();
  EXPECT_TRUE(listener.closed());
  EXPECT_TRUE(absl::IsFailedPrecondition(listener.Accept().status()));
  EXPECT_TRUE(absl::IsNotFound(Client<int>(address_).status()));
  if (!GetParam()) {
    EXPECT_NE(stat(address_.c_str(), &found), 0);
    EXPECT_TRUE(Listener<int>::Create(address_, In(segment_)).ok());
  }
}

TEST_P(ListenerTest, AKilledListenersNameIsTakenOver) {
  Party killed(World::kProcesses, [&] {
    auto listener = Listener<int>::Create(address_, In(segment_)).value();
    for (;;) pause();
  });
  tests::Await([&] { return !absl::IsNotFound(Client<int>(address_, kAtOnce).status()); });
  killed.Kill();
  EXPECT_TRUE(absl::IsNotFound(Client<int>(address_).status()));
  EXPECT_TRUE(Listener<int>::Create(address_, In(segment_)).ok());
}

// A child that was forked by the listener's process, without exec, has the socket still, and says nothing.
TEST_P(ListenerTest, AKilledListenerWhoseChildLivesMakesNobodyWait) {
  int said[2];
  ASSERT_EQ(pipe(said), 0);
  Party killed(World::kProcesses, [&] {
    auto listener = Listener<int>::Create(address_, In(segment_)).value();
    const pid_t child = fork();
    if (child != 0 && write(said[1], &child, sizeof(child)) != sizeof(child)) abort();
    for (;;) pause();
  });
  pid_t child = 0;
  ASSERT_EQ(read(said[0], &child, sizeof(child)), static_cast<ssize_t>(sizeof(child)));
  const auto is_told = [&] {
    const absl::Status status = Client<int>(address_).status();
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  };
  Party client(World::kProcesses, is_told);
  client.AwaitAsleep();
  killed.Kill();
  client.Join();
  is_told();
  // A file is replaced; an abstract address is the child's as long as it has the socket.
  EXPECT_EQ(Listener<int>::Create(address_, In(segment_)).ok(), !GetParam());
  EXPECT_EQ(kill(child, SIGKILL), 0);
  tests::Await([&] { return Listener<int>::Create(address_, In(segment_)).ok(); });
  close(said[0]);
  close(said[1]);
}

// Programs that start at once, where a dead one has left a file: one has the address, and the others are told.
TEST_P(ListenerTest, OfThoseWhoStartAtOnceOneListens) {
  constexpr int kStarters = 4;
  for (int round = 0; round < 20; ++round) {
    Party killed(World::kProcesses, [&] {
      auto listener = Listener<int>::Create(address_, In(segment_)).value();
      for (;;) pause();
    });
    tests::Await([&] { return !absl::IsNotFound(Client<int>(address_, kAtOnce).status()); });
    killed.Kill();
    tests::Shared<std::atomic<int>> counts(World::kProcesses, 0);  // those who listen, and a hundredth of those who do not
    std::vector<Party> starters;
    for (int i = 0; i < kStarters; ++i) {
      starters.emplace_back(World::kProcesses, [&] {
        auto listener = Listener<int>::Create(address_, In(segment_));
        if (!listener.ok()) {
          EXPECT_TRUE(absl::IsAlreadyExists(listener.status())) << listener.status();
        }
        *counts += listener.ok() ? 1 : 100;
        tests::Await([&] { return *counts / 100 + *counts % 100 == kStarters; });
      });
    }
    for (Party& starter : starters) starter.Join();
    EXPECT_EQ(*counts, 1 + 100 * (kStarters - 1));
  }
}

TEST_P(ListenerTest, ALockedDirectoryIsInNobodysWay) {
  const UniqueFd directory(open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(flock(directory.get(), LOCK_EX), 0);
  EXPECT_TRUE(Listener<int>::Create(address_, In(segment_)).ok());
}

// A pipe for each client takes so much that there is room for one.
TEST_P(ListenerTest, IfThereIsNoRoomForAConnectionBothSidesAreTold) {
  using Block = std::array<char, 1000>;
  const Segment small = Segment::Create({.limit_bytes = size_t{3} << 20}).value();
  auto listener = Listener<Block>::Create(address_, {.pipe = {.segment = &small, .capacity = 1024}}).value();
  const auto connect = [&](absl::StatusCode expected) {
    return Party(World::kThreads, [&, expected] { EXPECT_EQ(Client<Block>(address_).status().code(), expected); });
  };
  Party first = connect(absl::StatusCode::kOk);
  auto connection = listener.Accept();
  ASSERT_TRUE(connection.ok()) << connection.status();
  first.Join();
  Party second = connect(absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(absl::IsResourceExhausted(listener.Accept().status()));
  second.Join();
  *connection = Connection<Block>();
  Party third = connect(absl::StatusCode::kOk);
  EXPECT_TRUE(listener.Accept().ok());
  third.Join();
}

// An abstract name lets anybody as far as that.
TEST(ListenerStrangersTest, AProcessOfAnotherUserIsCountedAndDisturbsNobody) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can be another user";
  auto listener = Listener<int>::Create("").value();
  int said[2];
  ASSERT_EQ(pipe(said), 0);
  Party stranger(World::kProcesses, [&] {
    const bool other = setuid(65534) == 0;
    if (other) {
      EXPECT_TRUE(absl::IsPermissionDenied(Client<int>(listener.address()).status()));
    }
    EXPECT_EQ(write(said[1], &other, sizeof(other)), static_cast<ssize_t>(sizeof(other)));
  });
  bool other = false;
  ASSERT_EQ(read(said[0], &other, sizeof(other)), static_cast<ssize_t>(sizeof(other)));
  stranger.Join();
  close(said[0]);
  close(said[1]);
  if (!other) GTEST_SKIP() << "there is no other user here";
  EXPECT_TRUE(absl::IsDeadlineExceeded(listener.Accept(kAtOnce).status()));
  EXPECT_EQ(listener.strangers(), 1u);
}

TEST_P(ListenerTest, CloseEndsAnAcceptUnderWay) {
  auto listener = Listener<int>::Create(address_, In(segment_)).value();
  Party acceptor(World::kThreads, [&] { EXPECT_TRUE(absl::IsFailedPrecondition(listener.Accept().status())); });
  acceptor.AwaitAsleep();
  EXPECT_TRUE(absl::IsFailedPrecondition(listener.Accept().status()));  // one at a time
  listener.Close();
  acceptor.Join();
}

TEST_P(ListenerTest, AClientWaitsAsLongAsItIsTold) {
  auto listener = Listener<int>::Create(address_, In(segment_)).value();
  EXPECT_TRUE(absl::IsDeadlineExceeded(Client<int>(address_, absl::Milliseconds(5)).status()));
  EXPECT_TRUE(absl::IsDeadlineExceeded(Client<int>(address_, kAtOnce).status()));
}

TEST_P(ListenerTest, ItsDescriptorSaysWhenToAccept) {
  auto listener = Listener<int>::Create(address_, In(segment_)).value();
  EXPECT_THAT(Wait({listener.fd()}, kAtOnce).value(), testing::IsEmpty());
  Party client(World::kThreads, [&] { EXPECT_TRUE(Client<int>(address_).ok()); });
  absl::Status status;
  do {
    EXPECT_THAT(Wait({listener.fd()}).value(), ElementsAre(0));
    status = listener.Accept(kAtOnce).status();
  } while (absl::IsDeadlineExceeded(status));
  EXPECT_TRUE(status.ok()) << status;
  client.Join();
}

TEST(ListenerAddressTest, TheKernelChoosesOneIfNoneIsGiven) {
  auto listener = Listener<int>::Create("").value();
  EXPECT_THAT(listener.address(), testing::StartsWith("@"));
  Party client(World::kThreads, [&] { EXPECT_TRUE(Client<int>(listener.address()).ok()); });
  EXPECT_TRUE(listener.Accept().ok());
  client.Join();
}

// The process may be elsewhere by then.
TEST_P(ListenerTest, AFileNamedFromHereIsRemovedFromAnywhere) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer takes a forked child's threads for those of its parent";
#endif
  Party party(World::kProcesses, [&] {
    ASSERT_EQ(chdir(directory_.c_str()), 0);
    auto listener = Listener<int>::Create("here", In(segment_)).value();
    EXPECT_EQ(listener.address(), directory_ + "/here");
    ASSERT_EQ(chdir("/"), 0);
    Party client(World::kThreads, [&] { EXPECT_TRUE(Client<int>(listener.address()).ok()); });
    EXPECT_TRUE(listener.Accept().ok());
    client.Join();
    listener.Close();
    EXPECT_NE(access((directory_ + "/here").c_str(), F_OK), 0);
  });
  party.Join();
}

// ---- the lock that starters take -----------------------------------------------------------------------------------------------

class AddressLockTest : public testing::Test {
 protected:
  AddressLockTest() {
    std::string pattern = "/tmp/shoal-lock-XXXXXX";
    directory_ = mkdtemp(pattern.data());
  }
  ~AddressLockTest() override { EXPECT_EQ(rmdir(directory_.c_str()), 0) << "something is left: " << strerror(errno); }
  absl::StatusOr<AddressLock> Take() { return AddressLock::Take(directory_ + "/socket", sync_internal::Deadline::Passed()); }

  std::string directory_;
  std::string file() const { return directory_ + "/.socket.shoal-lock"; }
};

TEST_F(AddressLockTest, WhoDoesNotGetItIsToldWhich) {
  {
    const auto taken = Take();
    ASSERT_TRUE(taken.ok()) << taken.status();
    const absl::Status status = Take().status();
    EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(file()));
  }
  EXPECT_TRUE(Take().ok());
}

TEST_F(AddressLockTest, AStarterWaitsForItAndNotForEver) {
  const std::string address = directory_ + "/socket";
  {
    const auto taken = Take();
    const absl::Status status = ListenerSocket::Open(address, 16, absl::ZeroDuration()).status();
    EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  }
  EXPECT_TRUE(ListenerSocket::Open(address, 16, absl::ZeroDuration()).ok());
}

TEST_F(AddressLockTest, AKilledOwnersFileIsTheNextOnes) {
  Party killed(World::kProcesses, [&] {
    const auto taken = Take();
    for (;;) pause();
  });
  killed.AwaitAsleep();
  EXPECT_TRUE(absl::IsDeadlineExceeded(Take().status()));
  killed.Kill();
  EXPECT_EQ(access(file().c_str(), F_OK), 0);
  EXPECT_TRUE(Take().ok());
}

TEST_F(AddressLockTest, WhatIsNoLockIsLeftAlone) {
  const UniqueFd document(open(file().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_EQ(write(document.get(), "x", 1), 1);
  EXPECT_TRUE(absl::IsAlreadyExists(Take().status()));
  EXPECT_EQ(unlink(file().c_str()), 0);
  EXPECT_TRUE(absl::IsNotFound(AddressLock::Take(directory_ + "/none/socket", sync_internal::Deadline::Passed()).status()));
}

// ---- a listener that goes when it has made its offer ---------------------------------------------------------------------------

// It has died, and its pipe has gone with it; or it has taken its end back. Its offer is there still, and what comes next is not yet.
TEST(ListenerOfferTest, AnEndThatHasGoneSinceItWasOfferedIsAListenerThatHasGone) {
  const Segment segment = Segment::Create().value();
  const std::string address = "@shoal-offer-" + std::to_string(getpid());
  for (const bool died : {true, false}) {
    SocketAddress at = ParseAddress(address).value();
    const UniqueFd listening(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    ASSERT_EQ(bind(listening.get(), at.get(), at.size), 0) << strerror(errno);
    ASSERT_EQ(listen(listening.get(), 1), 0) << strerror(errno);
    Party client(World::kThreads, [&] {
      const absl::Status status = Client<int>(address).status();
      EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    });
    const UniqueFd server(accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
    tests::Await([&] { return ipc_internal::ReceivePacket(server.get(), Word::kHello, nullptr).ok(); });
    auto ends = Pipe<int>({.segment = &segment}).value();
    uint64_t offered = 0;
    {
      const auto ticket = ends.second.HandOver().value();
      offered = ticket.number();
    }
    if (died) ends.first = Connection<int>();
    ASSERT_TRUE(ipc_internal::SendPacket(server.get(), {.word = Word::kOffer, .ticket = offered}, segment.fd()).ok());
    client.Join();
  }
}

// ---- patience ------------------------------------------------------------------------------------------------------------------

// A listener without its types, whose patience can come to an end.
class PatienceTest : public testing::Test {
 protected:
  // Listens, and answers, as long as anybody has something to say.
  absl::StatusOr<Connection<int>> Accept() {
    const auto& type = shm_internal::DescriptionOf<ipc_internal::PipeObject<int, int>>();
    SHOAL_ASSIGN_OR_RETURN(ipc_internal::PipeEnd * end,
                           socket_->Accept(shm_internal::Attachment::Of(&segment_.deaths()), type, kShape, kAtOnce));
    return ipc_internal::ConnectionAccess::Of<int, int>(end);
  }
  void ExpectNothing() { EXPECT_TRUE(absl::IsDeadlineExceeded(Accept().status())); }

  UniqueFd Connect() { return RawClient(socket_->address()); }
  static void Say(const UniqueFd& client, Word word) {
    EXPECT_TRUE(ipc_internal::SendPacket(client.get(), {.word = word}, -1).ok());
  }
  // The number of the ticket that a client was offered.
  static uint64_t Offered(const UniqueFd& client) {
    UniqueFd segment;
    const auto offer = ipc_internal::ReceivePacket(client.get(), Word::kOffer, &segment);
    EXPECT_TRUE(offer.ok()) << offer.status();
    return offer.ok() ? offer->ticket : 0;
  }
  // A client that was offered an end.
  UniqueFd ConnectAndAsk() {
    UniqueFd client = Connect();
    Say(client, Word::kHello);
    ExpectNothing();
    return client;
  }
  static void ExpectToTalk(Connection<int>& here, Connection<int>& there) {
    EXPECT_TRUE(here.Send(7).ok());
    EXPECT_EQ(there.Recv(kAtOnce).value(), 7);
  }

  static constexpr ipc_internal::LaneShape kLane = {.capacity = 4, .inline_bytes = 8, .alignment = 8, .most_bytes = 8};
  static constexpr ipc_internal::PipeShape kShape = {.lanes = {kLane, kLane}};
  Segment segment_ = Segment::Create().value();
  std::unique_ptr<ListenerSocket> socket_ = ListenerSocket::Open("", 16).value();
};

// While the listener was busy elsewhere.
TEST_F(PatienceTest, AClientThatHasTakenItsEndIsAccepted) {
  for (const bool says_so : {true, false}) {
    const UniqueFd client = ConnectAndAsk();
    auto theirs = Connection<int>::Take(segment_, Offered(client)).value();
    if (says_so) Say(client, Word::kTaken);
    socket_->SetPatienceForTest(absl::ZeroDuration());
    auto ours = Accept();
    ASSERT_TRUE(ours.ok()) << ours.status();
    ExpectToTalk(*ours, theirs);
    ExpectToTalk(theirs, *ours);
    socket_->SetPatienceForTest(absl::Hours(1));
  }
}

TEST_F(PatienceTest, WhatAClientHasSaidIsHeardFirst) {
  const UniqueFd client = Connect();
  ExpectNothing();
  Say(client, Word::kHello);
  socket_->SetPatienceForTest(absl::ZeroDuration());
  ExpectNothing();
  EXPECT_NE(Offered(client), 0u);
}

TEST_F(PatienceTest, WhoSaysNothingGoes) {
  const UniqueFd silent = Connect();
  const UniqueFd undecided = ConnectAndAsk();
  const uint64_t ticket = Offered(undecided);
  socket_->SetPatienceForTest(absl::ZeroDuration());
  ExpectNothing();
  EXPECT_FALSE(Connection<int>::Take(segment_, ticket).ok());
  char byte;
  EXPECT_EQ(recv(silent.get(), &byte, 1, 0), 0);
  EXPECT_EQ(recv(undecided.get(), &byte, 1, 0), 0);
}

// However many they are, and whoever comes next.
TEST_F(PatienceTest, ManyWhoHaveTakenTheirEndsAreAllAccepted) {
  constexpr int kMost = 64;
  for (const bool say_so : {true, false}) {
    std::vector<UniqueFd> clients;
    std::vector<Connection<int>> theirs;
    for (int i = 0; i < kMost; ++i) {
      clients.push_back(ConnectAndAsk());
      theirs.push_back(Connection<int>::Take(segment_, Offered(clients.back())).value());
    }
    const UniqueFd next = Connect();
    for (const UniqueFd& client : clients) {
      if (say_so) Say(client, Word::kTaken);
    }
    if (!say_so) socket_->SetPatienceForTest(absl::ZeroDuration());
    std::vector<Connection<int>> ours;
    for (int i = 0; i < kMost; ++i) {
      auto accepted = Accept();
      ASSERT_TRUE(accepted.ok()) << i << ": " << accepted.status();
      ours.push_back(*std::move(accepted));
    }
    for (Connection<int>& end : theirs) EXPECT_TRUE(end.Send(1).ok());
    for (Connection<int>& end : ours) EXPECT_EQ(end.Recv(kAtOnce).value(), 1);
    socket_->SetPatienceForTest(absl::Hours(1));
  }
}

TEST(ListenerAddressTest, WhatCannotBeAnAddressIsRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(Listener<int>::Create(std::string(200, 'x')).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Listener<int>::Create("@").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Listener<int>::Create(std::string("a\0b", 3)).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Client<int>("").status()));
  EXPECT_TRUE(absl::IsNotFound(Listener<int>::Create("/nonexistent/socket").status()));
  EXPECT_TRUE(absl::IsNotFound(Client<int>("/nonexistent/socket").status()));
}

}  // namespace
}  // namespace shoal
