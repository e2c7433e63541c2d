#include "shoal/tests/kill/listener_room.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "shoal/ipc/client.h"
#include "shoal/ipc/pipe.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/membership.h"
#include "shoal/sync/check.h"
#include "shoal/tests/kill/census.h"
#include "shoal/tests/kill/member_without_keeper.h"

namespace shoal::tests::listeners {
namespace {

using shm_internal::Attachment;

Segment* segment = nullptr;

std::shared_ptr<Attachment> TheAttachment(Room& room) { return Attachment::Of(&TheSegment(room).deaths()); }

template <size_t size>
void Write(char (&where)[size], const std::string& text) {
  SHOAL_CHECK(text.size() < size, "a name fits");
  std::memcpy(where, text.c_str(), text.size() + 1);
}

void InAChild(const std::function<void()>& body) {
  const pid_t pid = fork();
  SHOAL_CHECK(pid >= 0, "a child can be forked");
  if (pid == 0) {
    body();
    _exit(0);
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  SHOAL_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a child does what it is to do");
}

// The same for all deaths of an operation, and nobody else's: a process's number may be another's, too, in a namespace of its own.
const std::string& Directory() {
  static const std::string* const made = [] {
    std::string pattern = "/tmp/shoal-killed-XXXXXX";
    SHOAL_CHECK(mkdtemp(pattern.data()) != nullptr, "a directory can be made");
    return new std::string(pattern);
  }();
  return *made;
}

void MakeSegment(Room& room) {
  auto made = Segment::Create(room.segment_name, {.limit_bytes = size_t{2} << 20});
  SHOAL_CHECK(made.ok(), "a segment can be made");
  segment = new Segment(*std::move(made));
  ComeIn(room);
  // So that the type is known.
  SHOAL_CHECK((Pipe<Pair, Pair>({.segment = segment, .capacity = 1, .spin = false}).ok()), "there is memory for a pipe");
  const std::shared_ptr<Attachment> attachment = TheAttachment(room);
  room.blocks_at_first = BlocksBesideJournals(*attachment);
  LeaveWithoutKeeper(*attachment);
}

void ListenAndDie(Room& room) {
  const auto listener = Listen(room);
  _exit(listener.ok() ? 0 : 1);
}

ptrdiff_t OpenDescriptors() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
}

// What is left of a connection when its other end has died, or was closed.
bool NobodyWouldReceive(const absl::Status& sent) { return absl::IsUnavailable(sent) || absl::IsFailedPrecondition(sent); }
bool NothingMoreComes(const absl::Status& got) { return absl::IsUnavailable(got) || absl::IsCancelled(got); }

absl::Status Talk(Room& room, Pairs& connection, int64_t what) {
  if (absl::Status sent = connection.Send({what, what}); !sent.ok()) {
    if (!NobodyWouldReceive(sent)) Complain(room, "a client's connection", sent);
    return sent;
  }
  const auto answer = connection.Recv();
  if (!answer.ok() && !NothingMoreComes(answer.status())) Complain(room, "a client's connection", answer.status());
  if (answer.ok() && (answer->left != what || answer->right != what)) Complain(room, "a torn answer", absl::OkStatus());
  return answer.status();
}

void ServeAll(Room& room, PairListener& listener) {
  while (Answer(room, listener) != kLast) {
  }
  room.served_last = true;
}

}  // namespace

void SetUp(Room& room, Address address, AtFirst at_first, Parties parties) {
  delete std::exchange(segment, nullptr);
  const std::string name = Directory().substr(Directory().rfind('/') + 1);
  Write(room.segment_name, name);
  Write(room.directory, Directory());
  Write(room.address, address == Address::kFile ? Directory() + "/socket" : "@" + name);
  CleanUp(room);
  SHOAL_CHECK(mkdir(room.directory, 0700) == 0, "a directory can be made");
  InAChild([&] { MakeSegment(room); });
  if (at_first == AtFirst::kLeftByADeadOne) InAChild([&] { ListenAndDie(room); });
  if (parties == Parties::kKnowTheSegment) TheSegment(room);
}

void CleanUp(Room& room) {
  Segment::Remove(room.segment_name).IgnoreError();
  std::error_code error;
  std::filesystem::remove_all(room.directory, error);
}

const Segment& TheSegment(Room& room) {
  if (segment == nullptr) {
    auto opened = Segment::Open(room.segment_name);
    SHOAL_CHECK(opened.ok(), "the segment can be opened");
    segment = new Segment(*std::move(opened));
  }
  return *segment;
}

void ComeIn(Room& room) { JoinWatchedWithoutKeeper(*TheAttachment(room)); }

void Participate(Room& room) {
  SHOAL_CHECK(shm_internal::Participate(*TheAttachment(room)).ok(), "a process can participate");
}

absl::StatusOr<PairListener> Listen(Room& room) {
  return PairListener::Create(room.address, {.pipe = {.segment = &TheSegment(room), .capacity = 1, .spin = false}});
}

void Complain(Room& room, const char* what, const absl::Status& status) {
  room.half_done = true;
  fprintf(stderr, "%s: %s\n", what, status.ToString().c_str());
}

absl::Status Ask(Room& room, int64_t what, bool may_find_nobody) {
  auto connection = Client<Pair>(room.address);
  if (connection.ok()) return Talk(room, *connection, what);
  const absl::Status& status = connection.status();
  if (!absl::IsUnavailable(status) && !(may_find_nobody && absl::IsNotFound(status))) Complain(room, "a client", status);
  return status;
}

int64_t Answer(Room& room, PairListener& listener) {
  auto connection = listener.Accept();
  if (!connection.ok()) {
    Complain(room, "a server", connection.status());
    return kLast;  // it cannot go on
  }
  const auto question = connection->Recv();
  if (!question.ok()) {
    if (!NothingMoreComes(question.status())) Complain(room, "a server's connection", question.status());
    return 0;
  }
  if (question->left != question->right) Complain(room, "a torn question", absl::OkStatus());
  const absl::Status sent = connection->Send(*question);
  if (!sent.ok() && !NobodyWouldReceive(sent)) Complain(room, "a server's connection", sent);
  return sent.ok() ? question->left : 0;
}

void AskOnce(Room& room) {
  Participate(room);
  const ptrdiff_t before = OpenDescriptors();
  if (Ask(room, kUsual, false).ok()) ++room.answers_got;
  if (OpenDescriptors() != before) room.leaked = true;
}

void AskWithoutKeeper(Room& room) {
  ComeIn(room);
  if (Ask(room, kUsual, true).ok()) ++room.answers_got;
}

void KeepWatch(Room& room) {
  Participate(room);
  SHOAL_CHECK(room.go.Wait().ok(), "a watch watches until it is told");
}

void AskWhoeverIsThere(Room& room) {
  if (Ask(room, kUsual, true).ok()) ++room.answers_got;
}

void AskLast(Room& room) {
  ComeIn(room);
  room.go.Set();
  const absl::Status status = Ask(room, kLast, room.served_last);
  if (!status.ok() && !room.served_last) Complain(room, "the last client", status);
}

void Serve(Room& room) {
  Participate(room);
  const ptrdiff_t before = OpenDescriptors();
  {
    auto listener = Listen(room);
    if (!listener.ok()) return Complain(room, "who listens", listener.status());
    ServeAll(room, *listener);
  }
  if (OpenDescriptors() != before) room.leaked = true;
}

void ListenAndServeOnCue(Room& room) {
  Participate(room);
  auto listener = Listen(room);
  if (!listener.ok()) return Complain(room, "who listens", listener.status());
  SHOAL_CHECK(room.go.Wait().ok(), "a server waits for its cue");
  ServeAll(room, *listener);
}

void ListenNext(Room& room) {
  room.go.Set();
  const auto listener = Listen(room);
  if (!listener.ok()) Complain(room, "who listens next", listener.status());
}

namespace {

// A new server and a new client.
void Meet(Room& room) {
  ComeIn(room);
  auto listener = Listen(room);
  if (!listener.ok()) return Complain(room, "who listens in the end", listener.status());
  std::thread client([&] {
    const absl::Status status = Ask(room, kUsual, false);
    if (!status.ok()) Complain(room, "who comes in the end", status);
  });
  if (Answer(room, *listener) != kUsual) Complain(room, "who comes in the end says nothing", absl::OkStatus());
  client.join();
}

}  // namespace

Verdict Judge(void* shared) {
  Room& room = *static_cast<Room*>(shared);
  Meet(room);
  TheSegment(room).Reap();
  const std::shared_ptr<Attachment> attachment = TheAttachment(room);
  const auto slots = attachment->participants();
  const auto participants = std::count_if(slots.begin(), slots.end(), [](const auto& slot) { return slot.life.word.load() != 0; });
  const Verdict blocks = OfBlocks(BlocksBesideJournals(*attachment), room.blocks_at_first);
  const bool removed = Segment::Remove(room.segment_name).ok() && rmdir(room.directory) == 0;
  if (room.half_done || AnySectionIsOpen(*attachment)) return Verdict::kHalfDone;
  if (room.answers_got < room.answers_sent) return Verdict::kLost;
  if (participants != 1 || room.leaked || !removed) return Verdict::kLeaked;
  return blocks;
}

}  // namespace shoal::tests::listeners
