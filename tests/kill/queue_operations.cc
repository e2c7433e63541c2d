#include "shoal/tests/kill/queue_operations.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "shoal/ipc/joinable_queue.h"
#include "shoal/ipc/lifo_queue.h"
#include "shoal/ipc/priority_queue.h"
#include "shoal/ipc/queue.h"
#include "shoal/ipc/wait.h"
#include "shoal/shm/atomic.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/journal.h"
#include "shoal/shm/layout.h"
#include "shoal/shm/participants.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/shared.h"
#include "shoal/sync/check.h"
#include "shoal/sync/futex.h"
#include "shoal/sync/process_epoch.h"
#include "shoal/sync/robust_list.h"
#include "shoal/sync/robust_lock.h"
#include "shoal/tests/kill/census.h"
#include "shoal/tests/kill/member_without_keeper.h"

namespace shoal::tests {
namespace {

using shm_internal::Attachment;

constexpr int kValues = 16;
constexpr int kTorn = kValues;  // what a message that is not whole is taken for

// What the parties share beside the segment, which all have mapped at one address.
struct Room {
  std::atomic<int> put[kValues];    // Put has returned
  std::atomic<int> got[kValues];    // taken, and counted after Get has returned; with acknowledge, before Done
  std::atomic<int> again[kValues];  // taken as redelivered
  std::atomic<bool> torn;
  std::atomic<int> may_lose;        // so many messages that the victim had taken
  std::atomic<int> may_repeat;      // so many that it had counted, and not acknowledged
  uint64_t blocks_at_first;
};

// ---- the kinds of queues, behind the same calls ------------------------------------------------------------------------------------

struct Item {
  std::array<int64_t, 8> copies = {};
};
Item ItemOf(int value) {
  Item item;
  item.copies.fill(value);
  return item;
}
int ValueOf(const Item& item) {
  for (const int64_t copy : item.copies) {
    if (copy != item.copies[0]) return kTorn;
  }
  return static_cast<int>(item.copies[0]);
}

struct Plain {
  using Q = Queue<Item>;
  static Item Make(int value) { return ItemOf(value); }
  static int Read(const Item& item) { return ValueOf(item); }
  static constexpr bool kAcknowledges = false;
};
struct Acknowledged : Plain {
  static constexpr bool kAcknowledges = true;
};
// Messages that lie in blocks of their own.
struct Text {
  using Q = Queue<std::string>;
  static std::string Make(int value) { return std::string(300, static_cast<char>('a' + value)); }
  static int Read(const std::string& text) {
    return text.size() == 300 && text == std::string(300, text[0]) ? text[0] - 'a' : kTorn;
  }
  static constexpr bool kAcknowledges = false;
};
struct AcknowledgedText : Text {
  static constexpr bool kAcknowledges = true;
};
// Messages that hold an object, which goes with them.
struct Holding {
  using Q = Queue<Shared<Atomic<int64_t>>>;
  static Shared<Atomic<int64_t>> Make(int value);
  static int Read(const Shared<Atomic<int64_t>>& object) { return object ? static_cast<int>(object->load()) : kTorn; }
  static constexpr bool kAcknowledges = false;
};
struct Tasks : Plain {
  using Q = JoinableQueue<Item>;
  static constexpr bool kAcknowledges = true;
};
struct Stack : Plain {
  using Q = LifoQueue<Item>;
};
struct Item64 {
  int64_t value = 0;
  bool operator<(const Item64& other) const { return value < other.value; }
};
struct Sorted {
  using Q = PriorityQueue<Item64>;
  static Item64 Make(int value) { return {value}; }
  static int Read(const Item64& item) { return static_cast<int>(item.value); }
  static constexpr bool kAcknowledges = false;
};

Segment* segment = nullptr;
const void* in_segment = nullptr;  // some byte
bool template_joined = false;

Shared<Atomic<int64_t>> Holding::Make(int value) {
  auto made = segment->New<Atomic<int64_t>>(int64_t{value});
  SHOAL_CHECK(made.ok(), "there is memory for an object");
  return *std::move(made);
}

std::shared_ptr<Attachment> TheAttachment() { return Attachment::Of(in_segment); }

// In the operation's own process it is the one of the current segment; in a party, found once.
template <class K>
std::optional<typename K::Q>& Mine() {
  static std::optional<typename K::Q> mine;
  return mine;
}
template <class K>
std::optional<typename K::Q>& TheTemplates() {
  static std::optional<typename K::Q> made;
  return made;
}

// Becomes a participant. Whoever is stepped has no keeper, so that it does only what it is told to; the keepers of those who sleep
// watch it all the same.
void ComeIn() {
  const std::shared_ptr<Attachment> attachment = TheAttachment();
  if (attachment->membership().load() >> 32 == sync_internal::ProcessEpoch()) return;
  JoinWithoutKeeper(*attachment);
  const auto id = static_cast<shm_internal::ParticipantId>(attachment->membership().load());
  attachment->participants()[static_cast<size_t>(shm_internal::SlotOf(id))].life.word |= sync_internal::kWaiters;
  ++attachment->header().deaths;
  sync_internal::WakeAll(attachment->header().deaths);
}

template <class K>
typename K::Q& Found() {
  std::optional<typename K::Q>& mine = Mine<K>();
  if (!mine.has_value()) {
    auto found = K::Q::Find(*segment, "queue");
    SHOAL_CHECK(found.ok(), "a queue can be found");
    mine = *std::move(found);
  }
  return *mine;
}

template <class K, int value>
void Put(Room& room) {
  const absl::Status status = Found<K>().Put(K::Make(value));
  if (status.ok()) ++room.put[value];
  SHOAL_CHECK(status.ok() || absl::IsFailedPrecondition(status), "a queue takes messages until it is closed");
}
template <class K>
void Count(Room& room, const typename K::Q::value_type& message) {
  const int value = K::Read(message);
  if (value < 0 || value >= kValues) {
    room.torn = true;
  } else {
    ++room.got[value];
  }
}
template <class K>
bool GetOne(Room& room, absl::Duration timeout = absl::InfiniteDuration()) {
  auto message = Found<K>().Get(timeout);
  if (!message.ok()) return false;
  Count<K>(room, *message);
  if constexpr (requires(typename K::Q& queue) { queue.TaskDone(); }) {
    SHOAL_CHECK(Found<K>().TaskDone().ok(), "a task can be done");
  } else if constexpr (K::kAcknowledges) {
    SHOAL_CHECK(Found<K>().Done().ok(), "a message can be done");
  }
  return true;
}
template <class K>
void Get(Room& room) {
  GetOne<K>(room);
}
template <class K>
void GetForAMoment(Room& room) {
  GetOne<K>(room, absl::Microseconds(200));
}
template <class K>
void GetAndDie(Room& room) {
  auto message = Found<K>().Get();
  SHOAL_CHECK(message.ok(), "there is a message");
  if (!K::kAcknowledges) Count<K>(room, *message);
  kill(getpid(), SIGKILL);
}
template <class K>
void Close(Room&) {
  Found<K>().Close();
}
template <class K>
void ComeInAndClose(Room& room) {
  ComeIn();
  Close<K>(room);
}

template <class K, size_t capacity, int messages>
void SetUp(void* shared) {
  Room& room = *new (shared) Room{};
  Mine<K>().reset();
  if (template_joined) {
    const std::shared_ptr<Attachment> attachment = TheAttachment();
    TheTemplates<K>().reset();
    LeaveWithoutKeeper(*attachment);
  }
  delete segment;
  auto made = Segment::Create({.limit_bytes = size_t{2} << 20});
  SHOAL_CHECK(made.ok(), "a segment can be made");
  segment = new Segment(*std::move(made));
  in_segment = segment->BytesAt(segment->Allocate(1, 1).value(), 1).data();
  ComeIn();
  template_joined = true;
  auto queue = [] {
    if constexpr (K::kAcknowledges) {
      return K::Q::Create({.segment = segment, .capacity = capacity, .acknowledge = true});
    } else {
      return K::Q::Create({.segment = segment, .capacity = capacity});
    }
  }();
  SHOAL_CHECK(queue.ok() && queue->PublishAs("queue").ok(), "a queue can be made");
  TheTemplates<K>() = *queue;
  Mine<K>() = *queue;
  GetOne<K>(room, absl::ZeroDuration());
  if constexpr (std::is_same_v<K, Holding>) Holding::Make(0);  // so that its type is known
  room.blocks_at_first = BlocksBesideJournals(*TheAttachment());
  for (int value = 0; value < messages; ++value) {
    SHOAL_CHECK(queue->Put(K::Make(value)).ok(), "a queue has room");
    ++room.put[value];
  }
  Mine<K>().reset();
}

template <class K>
void Prepare(Room&) {
  ComeIn();
  [[maybe_unused]] const size_t size = Found<K>().size();
}
template <class K>
void PrepareToGet(Room& room) {
  Prepare<K>(room);
  if (K::kAcknowledges) {
    room.may_repeat = 1;
  } else {
    room.may_lose = 1;
  }
}

// In a process of its own, which becomes a participant.
template <class Look>
bool AskAProcess(Look look) {
  const pid_t looker = fork();
  if (looker == 0) _exit(look() ? 0 : 1);
  int status = 0;
  SHOAL_CHECK(looker > 0 && waitpid(looker, &status, 0) == looker, "the driver can look");
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// When all are done: what was put was taken, once; nothing is left.
template <class K>
Verdict Judge(void* shared) {
  Room& room = *static_cast<Room*>(shared);
  ComeIn();
  segment->Reap();
  Close<K>(room);
  while (GetOne<K>(room, absl::Seconds(5))) {
  }
  if (room.torn) return Verdict::kHalfDone;
  int lost = 0;
  int repeated = 0;
  for (int value = 0; value < kValues; ++value) {
    if (room.got[value] < room.put[value]) lost += room.put[value] - room.got[value];
    if (room.got[value] > 1) repeated += room.got[value] - 1;
  }
  if (lost > room.may_lose || repeated > room.may_repeat) return Verdict::kLost;
  const std::shared_ptr<Attachment> attachment = TheAttachment();
  if (AnySectionIsOpen(*attachment)) return Verdict::kHalfDone;
  Mine<K>().reset();
  segment->Reap();
  // The containers of the locked kinds keep what they have grown to.
  constexpr bool kExact = !std::is_same_v<K, Stack> && !std::is_same_v<K, Sorted>;
  return !kExact || BlocksBesideJournals(*attachment) == room.blocks_at_first ? Verdict::kFine : Verdict::kLeaked;
}

template <class K, size_t capacity, int messages>
Operation Registered(std::string name, void (*prepare)(Room&), void (*body)(Room&)) {
  Operation operation = OperationOn<Room>(std::move(name));
  operation.setup = SetUp<K, capacity, messages>;
  operation.warm = [] {
    static Room& own = *new Room{};
    SetUp<K, capacity, messages>(&own);
  };
  operation.prepare = On(prepare);
  operation.body = On(body);
  operation.rescuer = On(ComeInAndClose<K>);
  operation.kill_rescuer_too = true;
  operation.check = Judge<K>;
  return operation;
}

// Whoever sleeps wants to take, and there is nothing.
template <class K>
bool NothingToTake(const void*, int) {
  return AskAProcess([] { return Found<K>().empty(); });
}
// Whoever sleeps wants to put, and there is no room.
template <class K>
bool NoRoom(const void*, int) {
  return AskAProcess([] { return Found<K>().full(); });
}

template <class K>
void TakeAndHold(void* shared, const Gate& gate) {
  Room& room = *static_cast<Room*>(shared);
  GetOne<K>(room, absl::ZeroDuration());
  gate.Hold();
}
template <class K>
void PutAndHold(void* shared, const Gate& gate) {
  Room& room = *static_cast<Room*>(shared);
  if (Found<K>().Put(K::Make(9), absl::ZeroDuration()).ok()) ++room.put[9];
  gate.Hold();
}

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
void LoanAndPublish(Room& room) {
  auto loan = Found<Plain>().Loan();
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
void JoinAll(Room&) {
  const absl::Status status = Found<Tasks>().Join();
  SHOAL_CHECK(status.ok(), "all is done one day");
}
void GetAllTasks(Room& room) {
  ComeIn();
  Close<Tasks>(room);
  while (GetOne<Tasks>(room)) {
  }
}

void MoveByHand(Room& room) {
  auto message = Found<Plain>().Get();
  SHOAL_CHECK(message.ok() && Found<Plain>().Put(*message).ok(), "a queue gives and takes");
  static_cast<void>(room);
}

}  // namespace

std::vector<Operation> QueueOperations() {
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
  AddBasics<Sorted>(operations, "priority queue");
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
    Operation operation = Registered<Plain, 4, 1>("queue, a loan published, 2 getters asleep", Prepare<Plain>, LoanAndPublish);
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
  {
    Operation operation = Registered<Tasks, 2, 1>("joinable queue, done, a joiner asleep", PrepareToGet<Tasks>, Get<Tasks>);
    operation.sleepers = {On(JoinAll)};
    operation.rescuer = On(GetAllTasks);
    operation.may_sleep = [](const void*, int) {
      return AskAProcess([] { return !Found<Tasks>().Join(absl::ZeroDuration()).ok(); });
    };
    operations.push_back(operation);
  }
  return operations;
}

std::vector<Operation> QueueOperationsThatLose() {
  return {Registered<Plain, 2, 1>("a message is taken and put back by hand", Prepare<Plain>, MoveByHand)};
}

}  // namespace shoal::tests
