#ifndef SHOAL_TESTS_KILL_QUEUE_ROOM_H_
#define SHOAL_TESTS_KILL_QUEUE_ROOM_H_

#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "shoal/ipc/joinable_queue.h"
#include "shoal/ipc/lifo_queue.h"
#include "shoal/ipc/priority_queue.h"
#include "shoal/ipc/queue.h"
#include "shoal/shm/atomic.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/journal.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/shared.h"
#include "shoal/sync/check.h"
#include "shoal/tests/kill/census.h"
#include "shoal/tests/kill/driver.h"
#include "shoal/tests/kill/member_without_keeper.h"

// What the operations on queues have in common: the kinds of queues, what the parties share, and who judges.

namespace shoal::tests::queues {

using shm_internal::Attachment;

inline constexpr int kValues = 16;
inline constexpr int kTorn = kValues;  // what a message that is not whole is taken for

// What the parties share beside the segment, which all have mapped at one address.
struct Room {
  std::atomic<int> put[kValues];    // Put has returned
  std::atomic<int> got[kValues];    // taken, and counted after Get has returned; with acknowledge, before Done
  std::atomic<int> again[kValues];  // taken as redelivered
  std::atomic<bool> torn;
  std::atomic<int> may_lose;        // so many messages that the victim had taken
  std::atomic<int> may_repeat;      // so many that it had counted, and not acknowledged
  std::atomic<int> joiners;         // who wait for all to be done, in a queue whose tasks can be lost
  std::atomic<int> told;            // so many of them that some are
  uint64_t blocks_at_first;
};

// ---- the kinds of queues, behind the same calls ------------------------------------------------------------------------------------

struct Item {
  std::array<int64_t, 8> copies = {};
};
inline Item ItemOf(int value) {
  Item item;
  item.copies.fill(value);
  return item;
}
inline int ValueOf(const Item& item) {
  for (const int64_t copy : item.copies) {
    if (copy != item.copies[0]) return kTorn;
  }
  return static_cast<int>(item.copies[0]);
}

struct Plain {
  using Q = Queue<Item>;
  static constexpr bool kKeepsItsBlocks = false;  // when it is empty again
  static constexpr bool kLosesTasks = false;      // with a dead taker, and says so
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
  static constexpr bool kKeepsItsBlocks = false;
  static constexpr bool kLosesTasks = false;
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
  static constexpr bool kKeepsItsBlocks = false;
  static constexpr bool kLosesTasks = false;
  static Shared<Atomic<int64_t>> Make(int value);
  static int Read(const Shared<Atomic<int64_t>>& object) { return object ? static_cast<int>(object->load()) : kTorn; }
  static constexpr bool kAcknowledges = false;
};
struct Tasks : Plain {
  using Q = JoinableQueue<Item>;
  static constexpr bool kAcknowledges = true;
};
// Without acknowledge: what a dead one had is lost, and who joins is told.
struct LosingTasks : Plain {
  using Q = JoinableQueue<Item>;
  static constexpr bool kLosesTasks = true;
};
struct Stack : Plain {
  using Q = LifoQueue<Item>;
  static constexpr bool kKeepsItsBlocks = true;
};
struct TextStack : Text {
  using Q = LifoQueue<std::string>;
  static constexpr bool kKeepsItsBlocks = true;
};
struct Item64 {
  int64_t value = 0;
  bool operator<(const Item64& other) const { return value < other.value; }
};
struct Sorted {
  using Q = PriorityQueue<Item64>;
  static constexpr bool kKeepsItsBlocks = true;
  static constexpr bool kLosesTasks = false;
  static Item64 Make(int value) { return {value}; }
  static int Read(const Item64& item) { return static_cast<int>(item.value); }
  static constexpr bool kAcknowledges = false;
};

struct SortedText : Text {
  using Q = PriorityQueue<std::string>;
  static constexpr bool kKeepsItsBlocks = true;
};

inline Segment* segment = nullptr;
inline const void* in_segment = nullptr;  // some byte
inline bool template_joined = false;

inline Shared<Atomic<int64_t>> Holding::Make(int value) {
  auto made = segment->New<Atomic<int64_t>>(int64_t{value});
  SHOAL_CHECK(made.ok(), "there is memory for an object");
  return *std::move(made);
}

inline std::shared_ptr<Attachment> TheAttachment() { return Attachment::Of(in_segment); }

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
inline void ComeIn() { JoinWatchedWithoutKeeper(*TheAttachment()); }

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
  if constexpr (K::kLosesTasks) {
    if (absl::IsUnavailable(Found<K>().Join(absl::Seconds(5)))) ++room.told;
  }
  if (room.torn) return Verdict::kHalfDone;
  int lost = 0;
  int repeated = 0;
  for (int value = 0; value < kValues; ++value) {
    if (room.got[value] < room.put[value]) lost += room.put[value] - room.got[value];
    if (room.got[value] > 1) repeated += room.got[value] - 1;
  }
  if (lost > room.may_lose || repeated > room.may_repeat) return Verdict::kLost;
  if (K::kLosesTasks && lost > 0 && room.told < std::max<int>(1, room.joiners)) return Verdict::kLost;
  const std::shared_ptr<Attachment> attachment = TheAttachment();
  if (AnySectionIsOpen(*attachment)) return Verdict::kHalfDone;
  Mine<K>().reset();
  segment->Reap();
  const bool exact = BlocksBesideJournals(*attachment) == room.blocks_at_first;
  return exact || K::kKeepsItsBlocks ? Verdict::kFine : Verdict::kLeaked;
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

}  // namespace shoal::tests::queues

#endif  // SHOAL_TESTS_KILL_QUEUE_ROOM_H_
