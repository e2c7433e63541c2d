#include "shoal/tests/kill/holding_operations.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "shoal/shm/array.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/permit_pool.h"
#include "shoal/shm/section.h"
#include "shoal/shm/segment.h"
#include "shoal/sync/check.h"
#include "shoal/sync/event.h"
#include "shoal/sync/robust_lock.h"
#include "shoal/tests/kill/member_without_keeper.h"

namespace shoal::tests {
namespace {

constexpr uint32_t kPermits = 2;
constexpr size_t kLength = 100;

// Larger than one store: half of it is seen.
struct Pair {
  int64_t left = 0;
  int64_t right = 0;
};

// What the parties share beside the segment, which all have mapped at one address.
struct Room {
  PermitPool* pool;
  Array<Pair>* array;
  Event go;                // a holder's cue
  std::atomic<bool> torn;  // somebody was lent a half-changed element and was not told
};

using shm_internal::Attachment;

Segment* segment = nullptr;

void SetUp(Room& room) {
  delete segment;
  auto made = Segment::Create({.limit_bytes = size_t{1} << 20});
  SHOAL_CHECK(made.ok(), "a segment can be made");
  segment = new Segment(*std::move(made));
  room.pool = new (segment->At<PermitPool>(segment->Allocate(sizeof(PermitPool), 64).value())) PermitPool(kPermits);
  room.array = segment->At<Array<Pair>>(segment->Allocate(sizeof(Array<Pair>), 64).value());
  shm_internal::Section& section = **shm_internal::SectionAt(room.array);
  section.Open(std::span<sync_internal::RobustWord* const>());
  SHOAL_CHECK(Array<Pair>::ConstructInSegment(room.array, section, kLength).ok(), "there is memory");
  section.Commit();
}

// Ours, made in `prepare` and used in the stepped body.
std::optional<Permit> permit;
std::optional<Borrowed<Pair>> lent;

// Becomes a participant. Whoever is stepped has no keeper, so that it does only what it is told to; the keepers of those who sleep
// watch it all the same.
void ComeIn(Room& room) { JoinWatchedWithoutKeeper(*Attachment::Of(room.pool)); }

// ---- permits ------------------------------------------------------------------------------------------------------------------

Permit Take(Room& room, uint32_t count) {
  auto taken = room.pool->Acquire(count);
  SHOAL_CHECK(taken.ok(), "permits can be acquired");
  return *std::move(taken);
}
template <uint32_t count>
void TakeAndGiveBack(Room& room) {
  const Permit taken = Take(room, count);
}
void ComeInAndTake(Room& room) {
  ComeIn(room);
  TakeAndGiveBack<1>(room);
}
void TakeAll(Room& room) {
  ComeIn(room);
  permit = Take(room, kPermits);
}
void GiveBack(Room&) { SHOAL_CHECK(permit->Release().ok(), "a permit can be given back"); }
void OwnCode(Room&) {
  for (int i = 0; i < 20; ++i) std::atomic_signal_fence(std::memory_order_seq_cst);
}
void TakeAllUntilGo(Room& room) {
  const Permit taken = Take(room, kPermits);
  SHOAL_CHECK(room.go.Wait().ok(), "a holder holds");
}
void TakeAllAndDie(Room& room) {
  const Permit taken = Take(room, kPermits);
  kill(getpid(), SIGKILL);
}
void TakeForAMoment(Room& room) { room.pool->Acquire(absl::Microseconds(200)).status().IgnoreError(); }
void Go(Room& room) { room.go.Set(); }
void GoAndTakeAll(Room& room) {
  ComeIn(room);
  room.go.Set();
  TakeAndGiveBack<kPermits>(room);
}

void Warm() {
  static Room& own = *new Room{};
  Segment* const before = std::exchange(segment, nullptr);
  SetUp(own);
  segment = before;
}

Operation Registered(std::string name, void (*prepare)(Room&), void (*body)(Room&)) {
  Operation operation = OperationOn<Room>(std::move(name));
  operation.setup = [](void* shared) { SetUp(*new (shared) Room{}); };
  operation.warm = Warm;
  operation.prepare = On(prepare);
  operation.body = On(body);
  operation.kill_rescuer_too = true;
  return operation;
}

Operation PermitOperation(std::string name, void (*prepare)(Room&), void (*body)(Room&)) {
  Operation operation = Registered(std::move(name), prepare, body);
  operation.rescuer = On(GoAndTakeAll);
  operation.may_sleep = [](const void* shared, int) { return static_cast<const Room*>(shared)->pool->available() == 0; };
  operation.check = [](void* shared) {
    PermitPool& pool = *static_cast<Room*>(shared)->pool;
    if (pool.available() != kPermits) return Verdict::kLost;
    return pool.TryAcquire(kPermits).has_value() ? Verdict::kFine : Verdict::kLost;
  };
  return operation;
}

void AddPermitOperations(std::vector<Operation>& operations) {
  {
    Operation operation = PermitOperation("permit, acquire and give back", ComeInAndTake, TakeAndGiveBack<1>);
    operation.thief = [](void* shared, const Gate& gate) {
      const Permit taken = Take(*static_cast<Room*>(shared), 1);
      gate.Hold();
    };
    operations.push_back(operation);
  }
  {
    Operation operation = PermitOperation("permits, two given back, 2 sleepers", TakeAll, GiveBack);
    operation.sleepers = {On(TakeAndGiveBack<1>), On(TakeAndGiveBack<1>)};
    operation.pause_first_sleeper = true;
    operations.push_back(operation);
    operation.name = "permits, two given back, one wants both, one one";
    operation.sleepers = {On(TakeAndGiveBack<2>), On(TakeAndGiveBack<1>)};
    operations.push_back(operation);
    operation.name = "permits, their holder in its own code, 2 sleepers";
    operation.body = On(OwnCode);
    operations.push_back(operation);
  }
  {
    Operation operation = PermitOperation("permit, acquire, asleep and woken, 2 behind", ComeInAndTake, TakeAndGiveBack<1>);
    operation.sleepers = {On(TakeAllUntilGo)};
    operation.late_sleepers = {On(TakeAndGiveBack<1>), On(TakeAndGiveBack<2>)};
    operation.waker = On(Go);
    operations.push_back(operation);
    operation.name = "permit, acquire, timed out, 1 sleeper";
    operation.sleepers.push_back(On(TakeAndGiveBack<1>));
    operation.late_sleepers.clear();
    operation.waker = nullptr;
    operation.body = On(TakeForAMoment);
    operation.body_wakes_itself = true;
    operations.push_back(operation);
  }
  {
    Operation operation = PermitOperation("permits, taken back from a dead one", ComeInAndTake, TakeAndGiveBack<2>);
    operation.sleepers = {On(TakeAllAndDie)};
    operations.push_back(operation);
  }
}

// ---- borrows ------------------------------------------------------------------------------------------------------------------

// Whatever the one before left, it is whole, or we are told.
void Change(Room& room, const Borrowed<Pair>& mine) {
  for (Pair& pair : mine.span()) {
    if (pair.left != pair.right && !mine.abandoned()) room.torn = true;
    pair.left = pair.right + 1;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    pair.right = pair.left;
  }
}
Borrowed<Pair> Borrow(Room& room, size_t begin, size_t end) {
  auto mine = room.array->BorrowMut(begin, end, absl::InfiniteDuration());
  SHOAL_CHECK(mine.ok(), "elements can be borrowed");
  return *std::move(mine);
}
template <size_t begin>
void BorrowAndChange(Room& room) {
  const Borrowed<Pair> mine = Borrow(room, begin, begin + 2);
  Change(room, mine);
}
void ReadThree(Room& room) {
  auto mine = room.array->Borrow(0, 3, absl::InfiniteDuration());
  SHOAL_CHECK(mine.ok(), "elements can be borrowed");
  for (const Pair& pair : mine->span()) {
    if (pair.left != pair.right && !mine->abandoned()) room.torn = true;
  }
}
void BorrowOne(Room& room) {
  ComeIn(room);
  lent = Borrow(room, 1, 2);
}
void ChangeIt(Room& room) { Change(room, *lent); }
void ReturnIt(Room&) { SHOAL_CHECK(lent->Release().ok(), "elements can be given back"); }
void SetOne(Room& room) {
  SHOAL_CHECK(room.array->Set(1, {7, 7}).ok(), "an element can be set");
  SHOAL_CHECK(room.array->Get(1).ok(), "and read");
}
void WriteTwo(Room& room) {
  const std::array<Pair, 2> pairs = {{{8, 8}, {9, 9}}};
  SHOAL_CHECK(room.array->Write(0, pairs, absl::InfiniteDuration()).ok(), "elements can be written");
}
void BorrowUntilGo(Room& room) {
  const Borrowed<Pair> mine = Borrow(room, 0, 3);
  SHOAL_CHECK(room.go.Wait().ok(), "a holder holds");
}
void BorrowAndDie(Room& room) {
  const Borrowed<Pair> mine = Borrow(room, 0, 3);
  mine.span()[0].left = -1;
  kill(getpid(), SIGKILL);
}
void BorrowForAMoment(Room& room) { room.array->BorrowMut(0, 2, absl::Microseconds(200)).status().IgnoreError(); }
void GoAndChangeAll(Room& room) {
  ComeIn(room);
  room.go.Set();
  const Borrowed<Pair> mine = Borrow(room, 0, kLength);
  Change(room, mine);
}

void ComeInAndBorrow(Room& room) {
  ComeIn(room);
  BorrowAndChange<0>(room);
}

Operation BorrowOperation(std::string name, void (*prepare)(Room&), void (*body)(Room&)) {
  Operation operation = Registered(std::move(name), prepare, body);
  operation.rescuer = On(GoAndChangeAll);
  // Whoever sleeps does so beside somebody who lives and has elements in [0, 3) for writing. A process of its own looks, for it becomes
  // a participant.
  operation.may_sleep = [](const void* shared, int) {
    const pid_t looker = fork();
    if (looker == 0) _exit(static_cast<const Room*>(shared)->array->TryBorrow(0, 3).has_value() ? 1 : 0);
    int status = 0;
    SHOAL_CHECK(looker > 0 && waitpid(looker, &status, 0) == looker, "the driver can look");
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  };
  operation.check = [](void* shared) {
    Room& room = *static_cast<Room*>(shared);
    if (room.torn) return Verdict::kHalfDone;
    auto all = room.array->BorrowMut(0, kLength);
    if (!all.ok()) return Verdict::kLost;
    return all->abandoned() ? Verdict::kLeaked : Verdict::kFine;
  };
  return operation;
}

void AddBorrowOperations(std::vector<Operation>& operations) {
  {
    Operation operation = BorrowOperation("array, borrow and give back", ComeInAndBorrow, BorrowAndChange<1>);
    operation.thief = [](void* shared, const Gate& gate) {
      Room& room = *static_cast<Room*>(shared);
      const Borrowed<Pair> mine = Borrow(room, 0, 3);
      gate.Hold();
      Change(room, mine);
    };
    operations.push_back(operation);
    operation.name = "array, set an element, get it";
    operation.body = On(SetOne);
    operations.push_back(operation);
    operation.name = "array, write two elements";
    operation.body = On(WriteTwo);
    operations.push_back(operation);
  }
  {
    Operation operation = BorrowOperation("array, given back, 2 sleepers and a reader", BorrowOne, ReturnIt);
    operation.sleepers = {On(BorrowAndChange<0>), On(BorrowAndChange<1>), On(ReadThree)};
    operation.pause_first_sleeper = true;
    operations.push_back(operation);
    operation.name = "array, its borrower in its own code, 3 sleepers";
    operation.body = On(ChangeIt);
    operations.push_back(operation);
  }
  {
    Operation operation = BorrowOperation("array, borrow, asleep and woken, 2 behind", ComeInAndBorrow, BorrowAndChange<1>);
    operation.sleepers = {On(BorrowUntilGo)};
    operation.late_sleepers = {On(BorrowAndChange<0>), On(ReadThree)};
    operation.waker = On(Go);
    operations.push_back(operation);
    operation.name = "array, borrow, timed out, 1 sleeper";
    operation.sleepers.push_back(On(BorrowAndChange<0>));
    operation.late_sleepers.clear();
    operation.waker = nullptr;
    operation.body = On(BorrowForAMoment);
    operation.body_wakes_itself = true;
    operations.push_back(operation);
  }
  {
    Operation operation =
        BorrowOperation("array, taken back from a dead one, its mark split", ComeInAndBorrow, BorrowAndChange<1>);
    operation.sleepers = {On(BorrowAndDie)};
    operations.push_back(operation);
  }
}

// Changes elements that it has given back already.
void ChangeAfterReturning(Room& room) {
  const std::span<Pair> elements = lent->span();
  ReturnIt(room);
  for (Pair& pair : elements) {
    ++pair.left;
    OwnCode(room);
    ++pair.right;
  }
}

}  // namespace

std::vector<Operation> HoldingOperations() {
  std::vector<Operation> operations;
  AddPermitOperations(operations);
  AddBorrowOperations(operations);
  return operations;
}

std::vector<Operation> HoldingOperationsThatTear() {
  return {BorrowOperation("elements are changed that were given back", BorrowOne, ChangeAfterReturning)};
}

}  // namespace shoal::tests
