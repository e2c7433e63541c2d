#include "shoal/tests/kill/last_use_operations.h"

#include <atomic>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/shm/array.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/layout.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/permit_pool.h"
#include "shoal/shm/rw_lock.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/shared.h"
#include "shoal/shm/vector.h"
#include "shoal/sync/check.h"
#include "shoal/sync/event.h"
#include "shoal/tests/kill/census.h"
#include "shoal/tests/kill/member_without_keeper.h"

// Every party is a participant without a keeper (member_without_keeper.h); the dead are reaped by who is told to. What is right in the
// end is one sentence: whoever used it has always found it whole, and when the dead are reaped, the heap is as it was.

namespace shoal::tests {
namespace {

using shm_internal::Attachment;

constexpr int64_t kWhole = 7;

// Owns memory, so that destroying it has several steps.
struct Leaf {
  int64_t left = kWhole;
  Vector<int64_t> numbers;
  int64_t right = kWhole;
};

struct Root {
  Shared<RwLock<Leaf>> leaf;
};

struct Room {
  Mutex<Root>* root;
  uint64_t blocks_at_first;
  Event go;  // the other user's cue
  std::atomic<bool> torn;
};

Segment* segment = nullptr;
Shared<Mutex<Root>>* root_handle = nullptr;  // the driver's

// What a party has; of its own memory.
std::optional<Shared<Mutex<Leaf>>> handle;
std::optional<MutexGuard<Leaf>> guard;
std::optional<WriteGuard<Leaf>> writer;
std::optional<ReadGuard<Leaf>> reader;
std::optional<Permit> permit;
std::optional<Borrowed<int64_t>> borrowed;

void Join(Room& room) { JoinWithoutKeeper(*Attachment::Of(room.root)); }

template <class T>
T Made(absl::StatusOr<T> made) {
  SHOAL_CHECK(made.ok(), "there is memory, and nobody else has what is asked for");
  return *std::move(made);
}

Shared<RwLock<Leaf>> NewLeaf() { return Made(segment->New<RwLock<Leaf>>(kWhole, std::vector<int64_t>{1, 2, 3}, kWhole)); }
Shared<Mutex<Leaf>> NewGuarded() { return Made(segment->New<Mutex<Leaf>>(kWhole, std::vector<int64_t>{1, 2, 3}, kWhole)); }

bool IsWhole(const Leaf& leaf) {
  return leaf.left == kWhole && leaf.right == kWhole && leaf.numbers.size() == 3 && leaf.numbers[2] == 3;
}

void SetUp(Room& room) {
  if (root_handle != nullptr) {
    const std::shared_ptr<Attachment> attachment = Attachment::Of(root_handle->get());
    delete root_handle;
    root_handle = nullptr;
    LeaveWithoutKeeper(*attachment);
  }
  delete segment;
  segment = new Segment(Made(Segment::Create({.limit_bytes = size_t{1} << 20})));
  const auto attachment = Attachment::Of(segment->BytesAt(segment->Allocate(1, 1).value(), 1).data());
  JoinWithoutKeeper(*attachment);
  root_handle = new Shared<Mutex<Root>>(Made(segment->New<Mutex<Root>>()));
  room.root = root_handle->get();
  // So that all types are known.
  NewGuarded();
  NewLeaf();
  Made(segment->New<PermitPool>(2u));
  Made(segment->New<Array<int64_t>>(size_t{10}));
  room.blocks_at_first = BlocksBesideJournals(*attachment);
}

void DropAll() {
  handle.reset();
  guard.reset();
  writer.reset();
  reader.reset();
  permit.reset();
  borrowed.reset();
}

// What the victim, or another, has: something of an object to which there is no handle.
void KeepByGuard(Room& room) {
  Join(room);
  guard = Made(NewGuarded()->Lock());
  (*guard)->left = kWhole + 1;
  (*guard)->right = kWhole + 1;
}
void KeepByWriter(Room& room) {
  Join(room);
  writer = Made(NewLeaf()->Write());
  (*writer)->left = kWhole + 1;
}
void KeepByReader(Room& room) {
  Join(room);
  reader = Made(NewLeaf()->Read());
}
void KeepByPermit(Room& room) {
  Join(room);
  permit = Made(Made(segment->New<PermitPool>(2u))->Acquire(2));
}
void KeepByBorrow(Room& room) {
  Join(room);
  borrowed = Made(Made(segment->New<Array<int64_t>>(size_t{10}))->BorrowMut(3, 7));
}
void GiveUp(Room&) { DropAll(); }
void RollBackAndGiveUp(Room&) {
  guard->Rollback();
  guard.reset();
}

// The last handle goes while there is still something of it.
void KeepWithHandle(Room& room) {
  Join(room);
  handle = NewGuarded();
  guard = Made((*handle)->Lock());
}
void DropHandle(Room&) { handle.reset(); }
void KeepHandle(Room& room) {
  Join(room);
  handle = NewGuarded();
}
template <bool commit>
void DropHandleInItsSection(Room& room) {
  const absl::Status status = (*handle)->With([&](Leaf& leaf) {
    handle.reset();
    if (!IsWhole(leaf)) room.torn = true;
    return commit ? leaf.numbers.PushBack(4) : absl::AbortedError("in vain");
  });
  SHOAL_CHECK(status.ok() == commit, "there is memory");
}

// Another process reads it. The root has the last handle.
void StoreForAll(Room& room) {
  Join(room);
  Made(room.root->Lock())->leaf = NewLeaf();
}
void ReadUntilGo(Room& room) {
  Join(room);
  {
    auto leaf = Made(room.root->Lock())->leaf;
    if (!leaf) return;  // too late
    reader = Made(leaf->Read());
  }
  if (!IsWhole(**reader)) room.torn = true;
  SHOAL_CHECK(room.go.Wait().ok(), "a reader reads");
  if (!IsWhole(**reader)) room.torn = true;
  reader.reset();
}
void DropStored(Room& room) { Made(room.root->Lock())->leaf.Reset(); }

// Beside whoever is parked in the middle.
void MakeAndDrop(void* shared, const Gate& gate) {
  Room& room = *static_cast<Room*>(shared);
  Join(room);
  { auto mine = Made(NewGuarded()->Lock()); }
  NewLeaf();
  gate.Hold();
}

// By hand, without a look at who uses it.
void EmptyStored(Room& room) {
  {
    auto root = Made(room.root->Lock());
    auto* const leaf = const_cast<Leaf*>(&*root->leaf.get()->Read().value());
    leaf->left = 0;
  }
  DropStored(room);
}

void Rescue(Room& room) {
  Join(room);
  segment->Reap();
  room.go.Set();
  DropStored(room);
}

Verdict Judge(void* shared) {
  Room& room = *static_cast<Room*>(shared);
  Join(room);
  const std::shared_ptr<Attachment> attachment = Attachment::Of(room.root);
  segment->Reap();
  if (room.torn || AnySectionIsOpen(*attachment)) return Verdict::kHalfDone;
  if (attachment->header().ledger.doomed.load() != 0) return Verdict::kLeaked;
  return OfBlocks(BlocksBesideJournals(*attachment), room.blocks_at_first);
}

// A process of its own does once what every process does once.
void Warm() {
  static Room& own = *new Room{};
  Segment* const segment_before = std::exchange(segment, nullptr);
  auto* const root_before = std::exchange(root_handle, nullptr);
  SetUp(own);
  KeepByGuard(own);
  KeepByReader(own);
  DropAll();
  segment->Reap();
  segment = segment_before;
  root_handle = root_before;
}

Operation Registered(std::string name, void (*prepare)(Room&), void (*body)(Room&)) {
  Operation operation = OperationOn<Room>(std::move(name));
  operation.setup = [](void* shared) { SetUp(*new (shared) Room{}); };
  operation.warm = Warm;
  operation.prepare = On(prepare);
  operation.body = On(body);
  operation.rescuer = On(Rescue);
  operation.kill_rescuer_too = true;
  operation.may_sleep = [](const void* shared, int) {
    const Room& room = *static_cast<const Room*>(shared);
    return room.root->locked() || !room.go.IsSet();
  };
  operation.check = Judge;
  return operation;
}

Operation BesideAReader(std::string name, void (*body)(Room&)) {
  Operation operation = Registered(std::move(name), StoreForAll, body);
  operation.sleepers = {On(ReadUntilGo)};
  operation.pause_first_sleeper = true;
  return operation;
}

}  // namespace

std::vector<Operation> LastUseOperations() {
  std::vector<Operation> operations = {
      Registered("guard, its object's last use", KeepByGuard, GiveUp),
      Registered("guard, its object's last use, rolled back", KeepByGuard, RollBackAndGiveUp),
      Registered("writer, its object's last use", KeepByWriter, GiveUp),
      Registered("reader, its object's last use", KeepByReader, GiveUp),
      Registered("permits, their pool's last use", KeepByPermit, GiveUp),
      Registered("borrow, its array's last use", KeepByBorrow, GiveUp),
      Registered("handle, the last one of a locked object dropped", KeepWithHandle, DropHandle),
      Registered("handle, the last one dropped in its object's section", KeepHandle, DropHandleInItsSection<true>),
      Registered("handle, the last one dropped in its object's section, rolled back", KeepHandle, DropHandleInItsSection<false>),
      BesideAReader("handle, the last one dropped, another reads", DropStored),
  };
  operations.front().thief = MakeAndDrop;
  return operations;
}

std::vector<Operation> LastUseOperationsThatTear() {
  return {BesideAReader("an object is emptied that another reads", EmptyStored)};
}

}  // namespace shoal::tests
