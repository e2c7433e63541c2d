#include "shoal/tests/kill/connection_operations.h"

#include <errno.h>
#include <poll.h>

#include <atomic>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "shoal/ipc/connection.h"
#include "shoal/ipc/pipe.h"
#include "shoal/ipc/queue.h"
#include "shoal/ipc/wait.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/dispose.h"
#include "shoal/shm/membership.h"
#include "shoal/shm/participants.h"
#include "shoal/shm/pipe_ends.h"
#include "shoal/shm/references.h"
#include "shoal/shm/segment.h"
#include "shoal/sync/check.h"
#include "shoal/sync/event.h"
#include "shoal/tests/kill/census.h"
#include "shoal/tests/kill/member_without_keeper.h"

// The operation's process makes the pipes, and hands each end over to the party that takes it. Whoever sleeps beside a dead victim's end
// must wake: it gets what was sent, and then the end. When all is over the pipes are let go of, and the heap is as it was before them.

namespace shoal::tests {
namespace {

using shm_internal::Attachment;
using shm_internal::EndState;
using shm_internal::EndWord;
using shm_internal::StoredEnd;

// More than one store.
struct Pair {
  uint64_t left = 0;
  uint64_t right = 0;
};
using Pairs = Connection<Pair>;
using Texts = Connection<std::string>;
using Carrier = Connection<Pairs>;
using EndsQueue = Queue<Pairs>;

constexpr size_t kLongText = 3000;  // in a block

struct Room {
  uint64_t pairs[2];  // tickets
  uint64_t texts[2];
  uint64_t carrier[2];
  uint64_t blocks_at_first;
  std::atomic<uint64_t> sent;  // that the victim knows of
  std::atomic<uint64_t> received;
  std::atomic<bool> torn;
  bool through_queue;
  Event go;  // the watch's cue
};

Segment* segment = nullptr;
// The operation's process keeps what it hands over.
std::vector<ConnectionTicket>* tickets = nullptr;

std::shared_ptr<Attachment> TheAttachment() { return Attachment::Of(&segment->deaths()); }

// Becomes a participant. Whoever is stepped has no keeper, so that it does only what it is told to.
void ComeIn() { JoinWatchedWithoutKeeper(*TheAttachment()); }

template <class T>
std::pair<Connection<T>, Connection<T>> Made(uint32_t capacity) {
  auto made = Pipe<T>({.segment = segment, .capacity = capacity, .spin = false});
  SHOAL_CHECK(made.ok(), "there is memory for a pipe");
  return *std::move(made);
}

template <class T>
void HandOver(std::pair<Connection<T>, Connection<T>> ends, uint64_t (&names)[2]) {
  auto first = ends.first.HandOver();
  auto second = ends.second.HandOver();
  SHOAL_CHECK(first.ok() && second.ok(), "ends can be handed over");
  names[0] = first->number();
  names[1] = second->number();
  tickets->push_back(*std::move(first));
  tickets->push_back(*std::move(second));
}

// What lies in the pipes before anybody comes.
struct Contents {
  bool pair = false;
  bool text = false;
  bool end = false;
};

void SetUp(Room& room, Contents contents) {
  if (segment != nullptr) {
    const std::shared_ptr<Attachment> attachment = TheAttachment();
    delete tickets;
    LeaveWithoutKeeper(*attachment);
    delete segment;
  }
  auto made = Segment::Create({.limit_bytes = size_t{2} << 20});
  SHOAL_CHECK(made.ok(), "a segment can be made");
  segment = new Segment(*std::move(made));
  tickets = new std::vector<ConnectionTicket>;
  const std::shared_ptr<Attachment> attachment = TheAttachment();
  ComeIn();
  // So that all types are known.
  Made<Pair>(1);
  Made<std::string>(1);
  Made<Pairs>(1);
  auto queue = EndsQueue::Create({.segment = segment, .capacity = 1});
  SHOAL_CHECK(queue.ok() && queue->PublishAs("ends").ok(), "a queue can be made");
  room.blocks_at_first = BlocksBesideJournals(*attachment);
  auto pairs = Made<Pair>(1);
  auto texts = Made<std::string>(1);
  auto carrier = Made<Pairs>(1);
  if (contents.pair) SHOAL_CHECK(pairs.second.Send({1, 1}).ok(), "a message can be sent");
  if (contents.text) SHOAL_CHECK(texts.second.Send(std::string(kLongText, 'a')).ok(), "a message can be sent");
  if (contents.end) {
    auto ticket = pairs.second.HandOver();
    SHOAL_CHECK(ticket.ok(), "an end can be handed over");
    room.pairs[1] = ticket->number();
    tickets->push_back(*std::move(ticket));
    SHOAL_CHECK(carrier.second.Send(std::move(pairs.first)).ok(), "an end can be sent");
  } else {
    HandOver(std::move(pairs), room.pairs);
  }
  HandOver(std::move(texts), room.texts);
  HandOver(std::move(carrier), room.carrier);
}

template <class C>
C Taken(uint64_t name) {
  auto taken = C::Take(*segment, name);
  SHOAL_CHECK(taken.ok(), "an end that was handed over can be taken");
  return *std::move(taken);
}

// Ours, made in `prepare` and used in the stepped body. They end with the process, not before.
Pairs& pairs_end = *new Pairs;
Texts& texts_end = *new Texts;
Carrier& carrier_end = *new Carrier;

void HavePairs(Room& room) {
  ComeIn();
  pairs_end = Taken<Pairs>(room.pairs[0]);
}
void SendPairAndHave(Room& room) {
  HavePairs(room);
  SHOAL_CHECK(pairs_end.Send({1, 1}).ok(), "a message can be sent");
}
void HaveTexts(Room& room) {
  ComeIn();
  texts_end = Taken<Texts>(room.texts[0]);
}
void HaveCarrier(Room& room) {
  ComeIn();
  carrier_end = Taken<Carrier>(room.carrier[0]);
}
void HaveCarrierAndPairs(Room& room) {
  HaveCarrier(room);
  pairs_end = Taken<Pairs>(room.pairs[0]);
}
EndsQueue& ends_queue = *new EndsQueue;
void HaveQueueAndPairs(Room& room) {
  HavePairs(room);
  room.through_queue = true;
  auto found = EndsQueue::Find(*segment, "ends");
  SHOAL_CHECK(found.ok(), "a queue can be found");
  ends_queue = *std::move(found);
  [[maybe_unused]] const size_t size = ends_queue.size();
}
void JustComeIn(Room&) { ComeIn(); }

// ---- what the victim does -------------------------------------------------------------------------------------------------------

void SendPair(Room& room) {
  SHOAL_CHECK(pairs_end.Send({1, 1}).ok(), "a message can be sent");
  ++room.sent;
}
void SendPairIfWanted(Room&) { pairs_end.Send({1, 1}).IgnoreError(); }
void PublishPair(Room& room) {
  auto loan = pairs_end.Loan();
  SHOAL_CHECK(loan.ok(), "a place is lent");
  *loan.value() = {1, 1};
  SHOAL_CHECK(loan->Publish().ok(), "a message can be sent");
  ++room.sent;
}
void SendText(Room& room) {
  SHOAL_CHECK(texts_end.Send(std::string(kLongText, 'a')).ok(), "a message can be sent");
  ++room.sent;
}
void ReceivePair(Room& room) {
  const auto got = pairs_end.Recv();
  if (!got.ok() || got->left != got->right) room.torn = true;
}
void ReceivePairInPlace(Room& room) {
  const auto got = pairs_end.RecvInPlace();
  if (!got.ok() || (*got)->left != (*got)->right) room.torn = true;
}
void ReceiveText(Room& room) {
  const auto got = texts_end.Recv();
  if (!got.ok() || *got != std::string(kLongText, 'a')) room.torn = true;
}
void WaitForPair(Room& room) {
  const auto ready = Wait({pairs_end});
  if (!ready.ok() || ready->size() != 1) room.torn = true;
}
void ClosePairs(Room&) { pairs_end.Close(); }
void OwnCode(Room&) {
  for (int i = 0; i < 20; ++i) std::atomic_signal_fence(std::memory_order_seq_cst);
}
void SendEnd(Room&) { SHOAL_CHECK(carrier_end.Send(std::move(pairs_end)).ok(), "an end can be sent"); }
void ReceiveEnd(Room&) {
  auto got = carrier_end.Recv();
  SHOAL_CHECK(got.ok(), "an end can be received");
  pairs_end = *std::move(got);
}
void TakeEnd(Room& room) { pairs_end = Taken<Pairs>(room.pairs[0]); }
// A ticket that nobody is told of. It answers for the end as long as this process lives.
std::optional<ConnectionTicket>& own_ticket = *new std::optional<ConnectionTicket>;
void HandPairsOver(Room&) {
  auto ticket = pairs_end.HandOver();
  SHOAL_CHECK(ticket.ok(), "an end can be handed over");
  own_ticket.emplace(*std::move(ticket));
}
void HandPairsOverAndClose(Room& room) {
  HandPairsOver(room);
  own_ticket.reset();
}
void HandPairsOverAndTakeThem(Room& room) {
  HandPairsOver(room);
  pairs_end = Taken<Pairs>(own_ticket->number());
  own_ticket.reset();
  SendPair(room);
}
void DropPairs(Room&) { pairs_end = Pairs(); }
void PutEnd(Room&) { SHOAL_CHECK(ends_queue.Put(std::move(pairs_end)).ok(), "an end can be put"); }
void CloseCarrier(Room&) { carrier_end.Close(); }
void ClaimToBeSomebodyElse(Room& room) {
  const uint64_t name = shm_internal::TicketNumber::Name(room.pairs[0]);
  auto& ends = *shm_internal::ObjectIn<shm_internal::PipeEnds>(*segment, StoredEnd::Offset(name) + 64);
  ends.end[StoredEnd::Side(name)] = EndWord::Of(EndState::kOwned, shm_internal::ParticipantIdOf(0, 1), 1);
}

// ---- the others -----------------------------------------------------------------------------------------------------------------

bool IsTheEnd(const absl::Status& status) { return absl::IsUnavailable(status) || absl::IsCancelled(status); }

void ReceivePairs(Room& room) {
  ComeIn();
  Pairs end = Taken<Pairs>(room.pairs[1]);
  for (;;) {
    const auto got = end.Recv();
    if (!got.ok()) {
      if (!IsTheEnd(got.status())) room.torn = true;
      return;
    }
    if (got->left != 1 || got->right != 1) room.torn = true;
    ++room.received;
  }
}
// The same, asleep in poll(2); a thread of its process watches.
void PollAndReceivePairs(Room& room) {
  ComeIn();
  Pairs end = Taken<Pairs>(room.pairs[1]);
  for (;;) {
    pollfd entry = {.fd = end.fd().value(), .events = POLLIN, .revents = 0};
    if (poll(&entry, 1, -1) < 0 && errno == EINTR) continue;
    const auto got = end.Recv(absl::ZeroDuration());
    if (absl::IsDeadlineExceeded(got.status())) continue;
    if (!got.ok()) {
      if (!IsTheEnd(got.status())) room.torn = true;
      return;
    }
    if (got->left != 1 || got->right != 1) room.torn = true;
    ++room.received;
  }
}
// Asleep where a message lies that it reads: what comes next comes a lap later.
void ReceivePairsBehindOneInPlace(Room& room) {
  ComeIn();
  Pairs end = Taken<Pairs>(room.pairs[1]);
  const auto first = end.RecvInPlace(absl::ZeroDuration());
  if (!first.ok()) {
    room.torn = true;
    return;
  }
  const auto got = end.Recv();
  if (got.ok() || !IsTheEnd(got.status())) room.torn = true;
  if ((*first)->left != (*first)->right) room.torn = true;
}
void ReceiveTexts(Room& room) {
  ComeIn();
  Texts end = Taken<Texts>(room.texts[1]);
  for (;;) {
    const auto got = end.Recv();
    if (!got.ok()) {
      if (!IsTheEnd(got.status())) room.torn = true;
      return;
    }
    if (*got != std::string(kLongText, 'a')) room.torn = true;
    ++room.received;
  }
}
void SendPairs(Room& room) {
  ComeIn();
  Pairs end = Taken<Pairs>(room.pairs[1]);
  absl::Status status;
  while (status.ok()) status = end.Send({2, 2});
  if (!absl::IsUnavailable(status) && !absl::IsFailedPrecondition(status)) room.torn = true;
}
void SendTexts(Room& room) {
  ComeIn();
  Texts end = Taken<Texts>(room.texts[1]);
  absl::Status status;
  while (status.ok()) status = end.Send(std::string(kLongText, 'a'));
  if (!absl::IsUnavailable(status) && !absl::IsFailedPrecondition(status)) room.torn = true;
}
void SendOnePair(Room& room) {
  ComeIn();
  Pairs end = Taken<Pairs>(room.pairs[1]);
  end.Send({1, 1}).IgnoreError();  // the victim may be dead
}
void ReceiveOnePair(Room& room) {
  ComeIn();
  Pairs end = Taken<Pairs>(room.pairs[1]);
  const auto got = end.Recv();
  if (got.ok() && got->left != got->right) room.torn = true;
}
// Says one thing through whatever end it is given.
void UseEnds(Room& room) {
  ComeIn();
  Carrier end = Taken<Carrier>(room.carrier[1]);
  for (;;) {
    auto got = end.Recv();
    if (!got.ok()) {
      if (!IsTheEnd(got.status())) room.torn = true;
      return;
    }
    if (!got->Send({1, 1}).ok()) room.torn = true;
  }
}
// Has a keeper, which tells the others of the death: a breakpoint on the way of one that is parked must not be met by its keeper.
void KeepWatch(Room& room) {
  SHOAL_CHECK(shm_internal::Participate(*TheAttachment()).ok() && room.go.Wait().ok(), "a watch watches until it is told");
}
void Reap(Room& room) {
  segment->Reap();
  room.go.Set();
}
// Closes the end that lies in the queue, if one does: who waits at its other end slept with good reason until now.
void TakeEndOutOfQueue(Room& room) {
  ComeIn();
  auto queue = EndsQueue::Find(*segment, "ends");
  if (queue.ok()) queue->Get(absl::ZeroDuration()).status().IgnoreError();
  Reap(room);
}
void TakeEndIfThere(Room& room) {
  ComeIn();
  Pairs::Take(*segment, room.pairs[0]).status().IgnoreError();
  room.go.Set();
}

Verdict Judge(void* shared) {
  Room& room = *static_cast<Room*>(shared);
  const std::shared_ptr<Attachment> attachment = TheAttachment();
  const auto operations_own = static_cast<shm_internal::ParticipantId>(attachment->membership().load());
  segment->Reap();
  if (room.through_queue) {
    auto queue = EndsQueue::Find(*segment, "ends");
    if (!queue.ok()) return Verdict::kHalfDone;
    queue->Get(absl::ZeroDuration()).status().IgnoreError();
  }
  // As if the operation's process had let go of what it has handed over.
  if (!shm_internal::ClearHolderEverywhere(*attachment, shm_internal::SlotOf(operations_own)).ok()) return Verdict::kHalfDone;
  shm_internal::DestroyDoomed(attachment);
  if (room.torn) return Verdict::kHalfDone;
  if (room.received < room.sent) return Verdict::kLost;
  const uint64_t blocks = BlocksBesideJournals(*attachment);
  return blocks == room.blocks_at_first ? Verdict::kFine : blocks < room.blocks_at_first ? Verdict::kHalfDone : Verdict::kLeaked;
}

Operation Registered(std::string name, void (*prepare)(Room&), void (*body)(Room&), Contents contents = {}) {
  Operation operation = OperationOn<Room>(std::move(name));
  operation.setup = [contents](void* shared) { SetUp(*new (shared) Room{}, contents); };
  operation.warm = [] { SetUp(*new Room{}, {}); };
  operation.prepare = On(prepare);
  operation.body = On(body);
  operation.rescuer = On(Reap);
  operation.may_sleep = [](const void*, int) { return false; };
  operation.check = Judge;
  return operation;
}

// By its size, so that nobody is looked after.
bool IsInTheQueue() {
  const auto queue = EndsQueue::Find(*segment, "ends");
  return queue.ok() && queue->size() == 1;
}

Operation Beside(Operation operation, std::vector<Operation::Body> sleepers) {
  operation.sleepers = std::move(sleepers);
  operation.sleepers.push_back(On(KeepWatch));
  operation.may_sleep = [](const void*, int asleep) { return asleep <= 1; };
  // None is parked on its way: it would be while it joins, where the watch's keeper waits for it, looking again and again. What a
  // sleeper has read when the victim dies is explored by the model (ipc/model).
  return operation;
}

}  // namespace

std::vector<Operation> ConnectionOperations() {
  std::vector<Operation> operations = {
      Beside(Registered("connection, send, receiver asleep", HavePairs, SendPair), {On(ReceivePairs)}),
      Beside(Registered("connection, publish a loan, receiver asleep", HavePairs, PublishPair), {On(ReceivePairs)}),
      Beside(Registered("connection, send a block, receiver asleep", HaveTexts, SendText), {On(ReceiveTexts)}),
      Beside(Registered("connection, receive, sender asleep", HavePairs, ReceivePair, {.pair = true}), {On(SendPairs)}),
      Beside(Registered("connection, receive in place, sender asleep", HavePairs, ReceivePairInPlace, {.pair = true}),
             {On(SendPairs)}),
      Beside(Registered("connection, receive a block, sender asleep", HaveTexts, ReceiveText, {.text = true}),
             {On(SendTexts)}),
      Beside(Registered("connection, closed, receiver asleep", HavePairs, ClosePairs), {On(ReceivePairs)}),
      Beside(Registered("connection, closed, sender asleep", HavePairs, ClosePairs, {.pair = true}), {On(SendPairs)}),
      Beside(Registered("connection, send, receiver polls", HavePairs, SendPair), {On(PollAndReceivePairs)}),
      Beside(Registered("connection, closed, receiver polls", HavePairs, ClosePairs), {On(PollAndReceivePairs)}),
      Beside(Registered("connection, handed over, receiver asleep", HavePairs, HandPairsOver), {On(ReceivePairs)}),
      Beside(Registered("connection, handed over, sender asleep", HavePairs, HandPairsOver, {.pair = true}), {On(SendPairs)}),
      Beside(Registered("connection, a ticket dropped, receiver asleep", HavePairs, HandPairsOverAndClose), {On(ReceivePairs)}),
      Beside(Registered("connection, handed over and taken, receiver asleep", HavePairs, HandPairsOverAndTakeThem),
             {On(ReceivePairs)}),
      Beside(Registered("connection, let go of, receiver asleep", HavePairs, DropPairs), {On(ReceivePairs)}),
      Beside(Registered("connection, closed, receiver asleep behind one in place", SendPairAndHave, ClosePairs),
             {On(ReceivePairsBehindOneInPlace)}),
      Beside(Registered("connection, in its owner's code, receiver asleep", HavePairs, OwnCode), {On(ReceivePairs)}),
      Beside(Registered("connection, an end is sent, both others asleep", HaveCarrierAndPairs, SendEnd),
             {On(ReceivePairs), On(UseEnds)}),
      Beside(Registered("connection, an end is received, both others asleep", HaveCarrier, ReceiveEnd, {.end = true}),
             {On(ReceivePairs), On(UseEnds)}),
      Beside(Registered("connection, closed with an end in it, its peer asleep", HaveCarrier, CloseCarrier, {.end = true}),
             {On(ReceivePairs)}),
  };
  for (const auto& [name, body] : {std::pair("connection, receive, asleep and woken", &ReceivePair),
                                   std::pair("connection, wait, asleep and woken", &WaitForPair)}) {
    Operation operation = Registered(name, HavePairs, body);
    operation.waker = On(SendOnePair);
    operations.push_back(operation);
  }
  {
    Operation operation = Registered("connection, send, asleep and woken", HavePairs, SendPairIfWanted);
    operation.setup = [](void* shared) {
      Room& room = *new (shared) Room{};
      SetUp(room, {});
      // Full before anybody comes.
      Pairs first = Taken<Pairs>(room.pairs[0]);
      SHOAL_CHECK(first.Send({1, 1}).ok(), "a message can be sent");
      auto ticket = first.HandOver();
      SHOAL_CHECK(ticket.ok(), "an end can be handed over");
      room.pairs[0] = ticket->number();
      tickets->push_back(*std::move(ticket));
    };
    operation.waker = On(ReceiveOnePair);
    operations.push_back(operation);
  }
  {
    Operation operation = Beside(Registered("connection, taken over, its peer asleep", JustComeIn, TakeEnd), {On(ReceivePairs)});
    // It may sleep as long as somebody may take the end.
    operation.rescuer = On(TakeEndIfThere);
    operation.may_sleep = [](const void* shared, int asleep) {
      const uint64_t name = shm_internal::TicketNumber::Name(static_cast<const Room*>(shared)->pairs[0]);
      const auto& ends = *shm_internal::ObjectIn<shm_internal::PipeEnds>(*segment, StoredEnd::Offset(name) + 64);
      return asleep <= 1 || EndWord::State(ends.end[StoredEnd::Side(name)]) == EndState::kHandedOver;
    };
    operations.push_back(operation);
  }
  {
    // Nobody uses the queue. Who waits at the other end may sleep as long as the end is there to be taken.
    Operation operation =
        Beside(Registered("connection, an end is put into a queue, its peer asleep", HaveQueueAndPairs, PutEnd),
               {On(ReceivePairs)});
    operation.may_sleep = [](const void*, int asleep) { return asleep <= 1 || IsInTheQueue(); };
    operation.rescuer = On(TakeEndOutOfQueue);
    operations.push_back(operation);
  }
  return operations;
}

std::vector<Operation> ConnectionOperationsThatHang() {
  return {Beside(Registered("an end says that it is somebody else's", HavePairs, ClaimToBeSomebodyElse), {On(ReceivePairs)})};
}

}  // namespace shoal::tests
