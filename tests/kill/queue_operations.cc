#include "shoal/tests/kill/queue_operations.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "shoal/ipc/message_in_place.h"
#include "shoal/ipc/wait.h"
#include "shoal/sync/check.h"
#include "shoal/tests/kill/queue_room.h"

namespace shoal::tests {
namespace queues {
namespace {

// Looks at it beside others, takes what there is, or looks again.
template <class K>
void WaitAndGet(Room& room) {
  for (;;) {
    const auto ready = Wait({Found<K>()});
    SHOAL_CHECK(ready.ok() && !ready->empty(), "a queue can be waited for");
    const auto message = Found<K>().Get(absl::ZeroDuration());
    if (absl::IsDeadlineExceeded(message.status())) continue;
    if (message.ok()) Count<K>(room, *message);
    return;
  }
}

template <class K>
void AddWaitBeside(std::vector<Operation>& operations, const std::string& kind) {
  Operation operation = Registered<K, 2, 0>(kind + ", put, one waits beside others", Prepare<K>, Put<K, 5>);
  operation.sleepers = {On(WaitAndGet<K>)};
  operation.may_sleep = NothingToTake<K>;
  operations.push_back(operation);
  operation = Registered<K, 2, 0>(kind + ", close, one waits beside others", Prepare<K>, Close<K>);
  operation.sleepers = {On(WaitAndGet<K>)};
  operation.may_sleep = NothingToTake<K>;
  operations.push_back(operation);
}

template <class K>
void AddBasics(std::vector<Operation>& operations, const std::string& kind) {
  {
    Operation operation = Registered<K, 2, 1>(kind + ", put beside one", Prepare<K>, Put<K, 5>);
    operation.thief = TakeAndHold<K>;
    operations.push_back(operation);
  }
  {
    Operation operation = Registered<K, 2, 0>(kind + ", put, 2 getters asleep", Prepare<K>, Put<K, 5>);
    operation.sleepers = {On(Get<K>), On(Get<K>)};
    operation.pause_first_sleeper = true;
    operation.may_sleep = NothingToTake<K>;
    operations.push_back(operation);
  }
  {
    Operation operation = Registered<K, 2, 2>(kind + ", get, 2 putters asleep", PrepareToGet<K>, Get<K>);
    operation.sleepers = {On(Put<K, 5>), On(Put<K, 6>)};
    operation.pause_first_sleeper = true;
    operation.thief = PutAndHold<K>;
    operation.may_sleep = NoRoom<K>;
    operations.push_back(operation);
  }
  {
    Operation operation = Registered<K, 2, 0>(kind + ", get, asleep and woken, 1 behind", PrepareToGet<K>, Get<K>);
    operation.late_sleepers = {On(Get<K>)};
    operation.waker = On(Put<K, 5>);
    operation.may_sleep = NothingToTake<K>;
    operations.push_back(operation);
  }
}

template <class K>
void AddMore(std::vector<Operation>& operations, const std::string& kind) {
  {
    Operation operation = Registered<K, 1, 1>(kind + ", put, asleep and woken, 1 behind", Prepare<K>, Put<K, 5>);
    operation.late_sleepers = {On(Put<K, 6>)};
    operation.waker = On(Get<K>);
    operation.may_sleep = NoRoom<K>;
    operations.push_back(operation);
  }
  {
    Operation operation = Registered<K, 2, 0>(kind + ", get, timed out, 1 getter asleep", PrepareToGet<K>, GetForAMoment<K>);
    operation.sleepers = {On(Get<K>)};
    operation.body_wakes_itself = true;
    operation.may_sleep = NothingToTake<K>;
    operations.push_back(operation);
  }
  {
    Operation operation = Registered<K, 2, 0>(kind + ", close, 2 getters asleep", Prepare<K>, Close<K>);
    operation.sleepers = {On(Get<K>), On(Get<K>)};
    operation.pause_first_sleeper = true;
    operation.may_sleep = NothingToTake<K>;
    operations.push_back(operation);
  }
}

// ---- what only some can do --------------------------------------------------------------------------------------------------------

template <class K>
void PutThree(Room& room) {
  const std::vector<typename K::Q::value_type> all = {K::Make(5), K::Make(6), K::Make(7)};
  const auto put = Found<K>().PutMany(all);
  SHOAL_CHECK(put.ok() && *put == 3, "there is room for three");
  for (int value = 5; value < 8; ++value) ++room.put[value];
}
template <class K>
void LoanAndPublish(Room& room) {
  auto loan = Found<K>().Loan();
  SHOAL_CHECK(loan.ok(), "there is a cell");
  **loan = ItemOf(5);
  SHOAL_CHECK(loan->Publish().ok(), "there is room");
  ++room.put[5];
}
void ReceiveInPlace(Room& room) {
  auto received = Found<Plain>().Receive();
  SHOAL_CHECK(received.ok(), "there is a message");
  Count<Plain>(room, **received);
}
// From one dead process to the next: what it had is cleaned up, and the rest is there.
template <class K>
void AddTakenBack(std::vector<Operation>& operations, const std::string& kind) {
  Operation operation = Registered<K, 2, 2>(kind + ", get what a dead one had", PrepareToGet<K>, Get<K>);
  operation.sleepers = {On(GetAndDie<K>)};
  operation.may_sleep = NothingToTake<K>;
  operations.push_back(operation);
}
template <class K>
void JoinAll(Room& room) {
  const absl::Status status = Found<K>().Join();
  if (absl::IsUnavailable(status)) ++room.told;
  SHOAL_CHECK(status.ok() || (K::kLosesTasks && absl::IsUnavailable(status)), "all is done one day");
}
template <class K>
void GetAllTasks(Room& room) {
  ComeIn();
  Close<K>(room);
  while (GetOne<K>(room)) {
  }
}
template <class K>
void AddJoined(std::vector<Operation>& operations, const std::string& kind) {
  Operation operation = Registered<K, 2, 1>(kind + ", done, 2 joiners asleep", PrepareToGet<K>, Get<K>);
  if (K::kLosesTasks) {
    operation.prepare = On<Room>([](Room& room) {
      PrepareToGet<K>(room);
      room.joiners = 2;
      room.may_lose = 2;  // the rescuer dies, too
    });
  }
  operation.sleepers = {On(JoinAll<K>), On(JoinAll<K>)};
  operation.rescuer = On(GetAllTasks<K>);
  operation.may_sleep = [](const void*, int) {
    return AskAProcess([] { return absl::IsDeadlineExceeded(Found<K>().Join(absl::ZeroDuration())); });
  };
  operations.push_back(operation);
}

// ---- several at once, and in place ------------------------------------------------------------------------------------------------

template <class K>
void GetThree(Room& room) {
  const auto messages = Found<K>().GetMany(3);
  SHOAL_CHECK(messages.ok() && messages->size() == 3, "there are three");
  for (const auto& message : *messages) Count<K>(room, message);
  for (int i = 0; K::kAcknowledges && i < 3; ++i) SHOAL_CHECK(Found<K>().Done().ok(), "a message can be done");
}
template <class K>
void AddGetMany(std::vector<Operation>& operations, const std::string& kind) {
  Operation operation = Registered<K, 3, 3>(kind + ", get many, 2 putters asleep", PrepareToGet<K>, GetThree<K>);
  operation.prepare = On<Room>([](Room& room) {
    Prepare<K>(room);
    (K::kAcknowledges ? room.may_repeat : room.may_lose) = 3;
  });
  operation.sleepers = {On(Put<K, 5>), On(Put<K, 6>)};
  operation.may_sleep = NoRoom<K>;
  operations.push_back(operation);
}

// What the victim holds in place when the others come. It ends with the process, not before.
template <class K>
std::optional<Received<typename K::Q::value_type>>& Held() {
  static auto& held = *new std::optional<Received<typename K::Q::value_type>>;
  return held;
}
std::optional<Loaned<Item>>& lent = *new std::optional<Loaned<Item>>;

template <class K>
void PrepareReceived(Room& room) {
  Prepare<K>(room);
  auto received = Found<K>().Receive();
  SHOAL_CHECK(received.ok(), "there is a message");
  Held<K>() = *std::move(received);
}
template <class K>
void GiveBack(Room&) {
  Held<K>().reset();
}
template <class K>
void CountAndSayDone(Room& room) {
  room.may_repeat = 1;
  Count<K>(room, **Held<K>());
  SHOAL_CHECK(Held<K>()->Done().ok(), "a message can be done");
}
template <class K>
void PrepareLoan(Room& room) {
  Prepare<K>(room);
  auto loan = Found<K>().Loan();
  SHOAL_CHECK(loan.ok(), "there is a cell");
  lent = *std::move(loan);
}
void DropLoan(Room&) { lent.reset(); }

// With acknowledge.
template <class K>
void AddReceived(std::vector<Operation>& operations, const std::string& kind) {
  Operation operation = Registered<K, 2, 1>(kind + ", given back, 2 getters asleep", PrepareReceived<K>, GiveBack<K>);
  operation.sleepers = {On(Get<K>), On(Get<K>)};
  operation.pause_first_sleeper = true;
  operation.may_sleep = NothingToTake<K>;
  operations.push_back(operation);
  operation = Registered<K, 1, 1>(kind + ", received and done, 2 putters asleep", PrepareReceived<K>, CountAndSayDone<K>);
  operation.sleepers = {On(Put<K, 5>), On(Put<K, 6>)};
  operation.may_sleep = NoRoom<K>;
  operations.push_back(operation);
}

// ---- who is merely stopped ----------------------------------------------------------------------------------------------------------

// While another is stopped in the middle of a call: what this one puts is there at once, and so is something to take.
template <class K>
void PutGetAndHold(void* shared, const Gate& gate) {
  Room& room = *static_cast<Room*>(shared);
  Found<K>();
  if (!Found<K>().Put(K::Make(9), absl::ZeroDuration()).ok()) _exit(static_cast<int>(Verdict::kLost));
  ++room.put[9];
  if (!GetOne<K>(room, absl::ZeroDuration())) _exit(static_cast<int>(Verdict::kLost));
  if (gate.victim_is_doomed()) _exit(static_cast<int>(Verdict::kLost));
  gate.Hold();
}
template <class K, int messages>
Operation Stopped(const std::string& name, void (*prepare)(Room&), void (*body)(Room&)) {
  Operation operation = Registered<K, 4, messages>(name + ", stopped, and nothing is hidden", prepare, body);
  operation.thief = PutGetAndHold<K>;
  return operation;
}
template <class K>
void AddStopped(std::vector<Operation>& operations, const std::string& kind) {
  operations.push_back(Stopped<K, 0>(kind + ", put", Prepare<K>, Put<K, 5>));
  operations.push_back(Stopped<K, 2>(kind + ", get", PrepareToGet<K>, Get<K>));
}

// ---- through a descriptor -----------------------------------------------------------------------------------------------------------

// Sleeps in poll(2); a thread of its process watches.
template <class K>
void PollAndGet(Room& room) {
  for (;;) {
    pollfd entry = {.fd = Found<K>().fd().value(), .events = POLLIN, .revents = 0};
    if (poll(&entry, 1, -1) < 0 && errno == EINTR) continue;
    const auto message = Found<K>().Get(absl::ZeroDuration());
    if (absl::IsDeadlineExceeded(message.status())) continue;
    if (message.ok()) Count<K>(room, *message);
    return;
  }
}
template <class K>
void AddPolled(std::vector<Operation>& operations, const std::string& kind) {
  Operation operation = Registered<K, 2, 0>(kind + ", put, one polls its descriptor", Prepare<K>, Put<K, 5>);
  operation.sleepers = {On(PollAndGet<K>)};
  operation.may_sleep = NothingToTake<K>;
  operations.push_back(operation);
  operation = Registered<K, 2, 0>(kind + ", close, one polls its descriptor", Prepare<K>, Close<K>);
  operation.sleepers = {On(PollAndGet<K>)};
  operation.may_sleep = NothingToTake<K>;
  operations.push_back(operation);
}

void MoveByHand(Room& room) {
  auto message = Found<Plain>().Get();
  SHOAL_CHECK(message.ok() && Found<Plain>().Put(*message).ok(), "a queue gives and takes");
  static_cast<void>(room);
}

}  // namespace

std::vector<Operation> All() {
  std::vector<Operation> operations;
  AddBasics<Plain>(operations, "queue");
  AddMore<Plain>(operations, "queue");
  AddBasics<Text>(operations, "queue of blocks");
  AddBasics<Holding>(operations, "queue of handles");
  AddBasics<Acknowledged>(operations, "queue with acknowledge");
  AddTakenBack<Acknowledged>(operations, "queue with acknowledge");
  AddBasics<AcknowledgedText>(operations, "queue of blocks with acknowledge");
  AddTakenBack<AcknowledgedText>(operations, "queue of blocks with acknowledge");
  AddBasics<Stack>(operations, "lifo queue");
  AddMore<Stack>(operations, "lifo queue");
  AddBasics<Sorted>(operations, "priority queue");
  AddMore<Sorted>(operations, "priority queue");
  AddWaitBeside<Plain>(operations, "queue");
  AddWaitBeside<Stack>(operations, "lifo queue");
  AddWaitBeside<Sorted>(operations, "priority queue");
  {
    Operation operation = Registered<Plain, 4, 0>("queue, put three, 2 getters asleep", Prepare<Plain>, PutThree<Plain>);
    operation.sleepers = {On(Get<Plain>), On(Get<Plain>)};
    operation.may_sleep = NothingToTake<Plain>;
    operations.push_back(operation);
  }
  {
    Operation operation = Registered<Plain, 4, 1>("queue, a loan published, 2 getters asleep", Prepare<Plain>, LoanAndPublish<Plain>);
    operation.sleepers = {On(Get<Plain>), On(Get<Plain>)};
    operation.may_sleep = NothingToTake<Plain>;
    operations.push_back(operation);
    operation = Registered<Plain, 2, 2>("queue, received in place, 1 putter asleep", PrepareToGet<Plain>, ReceiveInPlace);
    // Read where it lies, it comes again until the cell is free.
    operation.prepare = On<Room>([](Room& room) {
      PrepareToGet<Plain>(room);
      room.may_repeat = 1;
    });
    operation.sleepers = {On(Put<Plain, 5>)};
    operation.may_sleep = NoRoom<Plain>;
    operations.push_back(operation);
  }
  AddJoined<Tasks>(operations, "joinable queue");
  AddJoined<LosingTasks>(operations, "losing joinable queue");
  AddBasics<Tasks>(operations, "joinable queue");
  AddBasics<LosingTasks>(operations, "losing joinable queue");
  AddTakenBack<LosingTasks>(operations, "losing joinable queue");
  for (const bool losing : {false, true}) {
    Operation operation =
        losing ? Registered<LosingTasks, 2, 0>("losing joinable queue, close, 2 getters asleep",
                                               Prepare<LosingTasks>, Close<LosingTasks>)
               : Registered<Tasks, 2, 0>("joinable queue, close, 2 getters asleep", Prepare<Tasks>, Close<Tasks>);
    const Operation::Body get = losing ? On(Get<LosingTasks>) : On(Get<Tasks>);
    operation.sleepers = {get, get};
    operation.may_sleep = losing ? NothingToTake<LosingTasks> : NothingToTake<Tasks>;
    operations.push_back(operation);
  }
  AddGetMany<Plain>(operations, "queue");
  AddGetMany<Text>(operations, "queue of blocks");
  AddGetMany<Acknowledged>(operations, "queue with acknowledge");
  AddReceived<Acknowledged>(operations, "queue with acknowledge");
  AddReceived<AcknowledgedText>(operations, "queue of blocks with acknowledge");
  {
    Operation operation = Registered<Acknowledged, 2, 0>("queue with acknowledge, a loan published, 2 getters asleep",
                                                         Prepare<Acknowledged>, LoanAndPublish<Acknowledged>);
    operation.sleepers = {On(Get<Acknowledged>), On(Get<Acknowledged>)};
    operation.may_sleep = NothingToTake<Acknowledged>;
    operations.push_back(operation);
    operation = Registered<Acknowledged, 2, 1>("queue with acknowledge, a loan dropped, 2 putters asleep",
                                               PrepareLoan<Acknowledged>, DropLoan);
    operation.sleepers = {On(Put<Acknowledged, 5>), On(Put<Acknowledged, 6>)};
    operation.may_sleep = NoRoom<Acknowledged>;
    operations.push_back(operation);
  }
  AddBasics<TextStack>(operations, "lifo queue of texts");
  AddBasics<SortedText>(operations, "priority queue of texts");
  AddStopped<Plain>(operations, "queue");
  AddStopped<Acknowledged>(operations, "queue with acknowledge");
  AddStopped<Tasks>(operations, "joinable queue");
  AddPolled<Plain>(operations, "queue");
  AddPolled<Stack>(operations, "lifo queue");
  return operations;
}

std::vector<Operation> ThatLose() {
  return {Registered<Plain, 2, 1>("a message is taken and put back by hand", Prepare<Plain>, MoveByHand),
          // Under a lock: who is stopped with it holds up everybody.
          Stopped<Stack, 0>("a put under a lock", Prepare<Stack>, Put<Stack, 5>)};
}

}  // namespace queues

std::vector<Operation> QueueOperations() { return queues::All(); }
std::vector<Operation> QueueOperationsThatLose() { return queues::ThatLose(); }

}  // namespace shoal::tests
