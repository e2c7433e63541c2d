#include "shoal/tests/kill/map_operations.h"

#include <array>
#include <atomic>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/hash_map.h"
#include "shoal/shm/heap.h"
#include "shoal/shm/journal.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/section.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/string.h"
#include "shoal/shm/vector.h"
#include "shoal/sync/check.h"
#include "shoal/sync/status.h"
#include "shoal/tests/kill/census.h"

namespace shoal::tests {
namespace {

using shm_internal::Attachment;

// What is in the maps is told twice: by the maps, and by these sums, which each section changes as well.
struct Root {
  int64_t sections = 0;
  int64_t elements = 0;
  int64_t sum = 0;
  HashMap<uint32_t, int64_t> numbers;
  HashMap<String, Vector<int>> lists;
  HashMap<uint32_t, int64_t> others;  // what the numbers are swapped with
};

// What the parties share beside the segment, which all have mapped at one address.
struct Room {
  Mutex<Root>* mutex;
  Mutex<Root>* other;
  uint64_t blocks_at_first;
  std::atomic<bool> committed;  // the victim's section was over
};

Segment* segment = nullptr;

Mutex<Root>* NewMutex() {
  return new (segment->At<Mutex<Root>>(segment->Allocate(sizeof(Mutex<Root>), 64).value())) Mutex<Root>;
}

void SetUp(Room& room) {
  delete segment;
  auto made = Segment::Create({.limit_bytes = size_t{2} << 20});
  SHOAL_CHECK(made.ok(), "a segment can be made");
  segment = new Segment(*std::move(made));
  room.mutex = NewMutex();
  room.other = NewMutex();
  room.blocks_at_first = Attachment::Of(room.mutex)->heap().Usage().allocated_blocks;
}

// ---- changes, each with what it does to the sums --------------------------------------------------------------------------------------

absl::Status Put(Root& root, uint32_t key, int64_t value) {
  const int64_t* const before = root.numbers.Find(key);
  root.elements += before == nullptr;
  root.sum += value - (before != nullptr ? *before : 0);
  return root.numbers.Set(key, value);
}
absl::Status Drop(Root& root, uint32_t key) {
  const int64_t* const before = root.numbers.Find(key);
  if (before == nullptr) return absl::OkStatus();
  --root.elements;
  root.sum -= *before;
  return root.numbers.Erase(key).status();
}
absl::Status AddTo(Root& root, uint32_t key, int64_t value) {
  SHOAL_ASSIGN_OR_RETURN(int64_t* const number, root.numbers.FindMut(key));
  *number += value;
  root.sum += value;
  return absl::OkStatus();
}
int64_t SumOf(const Vector<int>& list) {
  int64_t sum = 0;
  for (const int value : list) sum += value;
  return sum;
}
absl::Status PutList(Root& root, const std::string& key, int value) {
  const Vector<int>* const before = root.lists.Find(key);
  root.elements += before == nullptr;
  root.sum += 2 * value - (before != nullptr ? SumOf(*before) : 0);
  return root.lists.Set(key, std::array{value, value});
}
absl::Status DropList(Root& root, const std::string& key) {
  const Vector<int>* const before = root.lists.Find(key);
  if (before == nullptr) return absl::OkStatus();
  --root.elements;
  root.sum -= SumOf(*before);
  return root.lists.Erase(key).status();
}

absl::Status PutOther(Root& root, uint32_t key, int64_t value) {  // a new one
  ++root.elements;
  root.sum += value;
  return root.others.Insert(key, value).status();
}

// Whether the maps and the sums tell the same.
bool IsWhole(const Root& root) {
  int64_t elements = 0;
  int64_t sum = 0;
  for (const auto& [key, value] : root.numbers) {
    if (root.numbers.Find(key) != &value) return false;
    ++elements;
    sum += value;
  }
  for (const auto& [key, value] : root.lists) {
    if (root.lists.Find(key) != &value) return false;
    ++elements;
    sum += SumOf(value);
  }
  for (const auto& [key, value] : root.others) {
    if (root.others.Find(key) != &value) return false;
    ++elements;
    sum += value;
  }
  return elements == root.elements && sum == root.sum &&
         root.numbers.size() + root.lists.size() + root.others.size() == static_cast<size_t>(elements);
}

uint64_t BlocksOf(const Root& root) {
  uint64_t blocks = (root.numbers.capacity() != 0) + (root.lists.capacity() != 0) + (root.others.capacity() != 0);
  for (const auto& [key, value] : root.lists) blocks += (key.capacity() != 0) + (value.capacity() != 0);
  return blocks;
}

template <class Change>
void ChangeIn(Mutex<Root>& mutex, Change change) {
  auto guard = mutex.Lock();
  SHOAL_CHECK(guard.ok(), "a mutex can be locked");
  Root& root = **guard;
  ++root.sections;
  const absl::Status changed = change(root);
  SHOAL_CHECK(changed.ok(), "there is memory for a map");
}

// ---- bodies ------------------------------------------------------------------------------------------------------------------------

template <absl::Status (*change)(Root&)>
void Prepared(Room& room) {
  ChangeIn(*room.mutex, change);
}
template <absl::Status (*change)(Root&)>
void Body(Room& room) {
  ChangeIn(*room.mutex, change);
  room.committed = true;
}

absl::Status Nothing(Root&) { return absl::OkStatus(); }
absl::Status Fill(Root& root) {  // so that one number more needs a new table
  for (uint32_t i = 0; i < 16; ++i) SHOAL_RETURN_IF_ERROR(Put(root, i, i));
  for (int i = 0; i < 4; ++i) SHOAL_RETURN_IF_ERROR(PutList(root, std::to_string(i), i));
  return absl::OkStatus();
}
absl::Status FillLess(Root& root) {
  SHOAL_RETURN_IF_ERROR(Fill(root));
  SHOAL_RETURN_IF_ERROR(DropList(root, "3"));
  return Drop(root, 15);
}
absl::Status InsertsTheFirst(Root& root) { return Put(root, 100, 7); }
absl::Status Inserts(Root& root) { return Put(root, 100, 7); }
absl::Status Updates(Root& root) { return AddTo(root, 3, 50); }
absl::Status Erases(Root& root) { return Drop(root, 3); }
absl::Status InsertsAList(Root& root) { return PutList(root, "a key of some length", 7); }
absl::Status ReplacesAList(Root& root) { return PutList(root, "1", 7); }
absl::Status ErasesAList(Root& root) { return DropList(root, "1"); }
absl::Status Reserves(Root& root) { return root.numbers.Reserve(2000); }
absl::Status EditsAll(Root& root) {
  SHOAL_ASSIGN_OR_RETURN(const auto all, root.numbers.EditAll());
  for (auto [key, value] : all) {
    ++value;
    ++root.sum;
  }
  return absl::OkStatus();
}
absl::Status ClearsBoth(Root& root) {
  root.elements = root.sum = 0;
  SHOAL_RETURN_IF_ERROR(root.numbers.Clear());
  SHOAL_RETURN_IF_ERROR(root.others.Clear());
  return root.lists.Clear();
}
absl::Status FillThree(Root& root) {
  SHOAL_RETURN_IF_ERROR(Fill(root));
  SHOAL_RETURN_IF_ERROR(PutOther(root, 50, 500));
  return PutOther(root, 51, 510);
}
// What has to be saved goes with the tables: one that is the last commit's and has been changed, and a new one.
absl::Status Swaps(Root& root) {
  SHOAL_RETURN_IF_ERROR(Drop(root, 3));
  SHOAL_RETURN_IF_ERROR(root.numbers.Swap(root.others));
  SHOAL_RETURN_IF_ERROR(AddTo(root, 50, 1));
  SHOAL_RETURN_IF_ERROR(PutOther(root, 103, 7));
  for (uint32_t i = 60; i < 63; ++i) SHOAL_RETURN_IF_ERROR(Put(root, i, 1));
  SHOAL_RETURN_IF_ERROR(root.numbers.Swap(root.others));
  return Put(root, 4, 44);
}
// One that is there, and one that is not; of plain values and of what saves itself.
absl::Status FindsOrInserts(Root& root) {
  SHOAL_ASSIGN_OR_RETURN(int64_t* const found, root.numbers.FindOrInsert(3));
  root.sum += 50;
  *found += 50;
  SHOAL_ASSIGN_OR_RETURN(int64_t* const made, root.numbers.FindOrInsert(100, 7));
  ++root.elements;
  root.sum += *made;
  SHOAL_ASSIGN_OR_RETURN(Vector<int> * found_list, root.lists.FindOrInsert("1"));
  root.sum += 5;
  SHOAL_RETURN_IF_ERROR(found_list->PushBack(5));
  SHOAL_ASSIGN_OR_RETURN(Vector<int> * made_list, root.lists.FindOrInsert("a key of some length"));
  ++root.elements;
  root.sum += 6;
  return made_list->PushBack(6);
}
absl::Status InsertsOrAssigns(Root& root) {
  root.elements += 1;
  root.sum += 7 + 9 - *root.numbers.Find(3);
  SHOAL_RETURN_IF_ERROR(root.numbers.InsertOrAssign(100, 7).status());
  return root.numbers.InsertOrAssign(3, 9).status();
}
// A slot is emptied and filled again, a value changes, a table is replaced, and the new one is changed.
absl::Status DoesALot(Root& root) {
  SHOAL_RETURN_IF_ERROR(Drop(root, 1));
  SHOAL_RETURN_IF_ERROR(Put(root, 101, 11));
  SHOAL_RETURN_IF_ERROR(AddTo(root, 2, 5));
  SHOAL_RETURN_IF_ERROR(DropList(root, "2"));
  SHOAL_RETURN_IF_ERROR(PutList(root, "x", 3));
  for (uint32_t i = 200; i < 206; ++i) SHOAL_RETURN_IF_ERROR(Put(root, i, 1));
  SHOAL_RETURN_IF_ERROR(Drop(root, 200));
  return PutList(root, "y", 4);
}
template <absl::Status (*change)(Root&)>
void RollsBack(Room& room) {
  auto guard = room.mutex->Lock();
  SHOAL_CHECK(guard.ok(), "a mutex can be locked");
  SHOAL_CHECK(change(**guard).ok(), "there is memory for a map");
  guard->Rollback();
}

// Behind its back: the control byte says nothing of it any more, and the journal did not hear of it.
void Scribbles(Room& room) {
  ChangeIn(*room.mutex, [](Root& root) {
    int64_t& value = const_cast<int64_t&>(*root.numbers.Find(3));
    value += 5;
    root.sum += 5;
    return absl::OkStatus();
  });
}

// What the victim left stays as it is, and is looked at by the judge: instructions that only look would be stepped through, too.
void Rescue(Room& room) {
  ChangeIn(*room.mutex, [](Root& root) {
    SHOAL_RETURN_IF_ERROR(PutList(root, "rescued", 1));
    return Put(root, 300, 1);
  });
}

// Takes and gives back what the victim may have taken or given up, in a map of its own.
void AllocateMeanwhile(void* shared, const Gate& gate) {
  Room& room = *static_cast<Room*>(shared);
  ChangeIn(*room.other, [](Root& root) {
    SHOAL_RETURN_IF_ERROR(FillLess(root));
    SHOAL_RETURN_IF_ERROR(Inserts(root));
    return root.numbers.Reserve(2000);
  });
  gate.Hold();
  ChangeIn(*room.other, ClearsBoth);
  ChangeIn(*room.other, FillLess);
}

Verdict Judge(void* shared) {
  Room& room = *static_cast<Room*>(shared);
  uint64_t blocks = room.blocks_at_first;
  bool lost = false;
  for (Mutex<Root>* const mutex : {room.mutex, room.other}) {
    auto guard = mutex->Lock();
    SHOAL_CHECK(guard.ok(), "a mutex can be locked");
    if (!IsWhole(**guard)) return Verdict::kHalfDone;
    // One prepared, one was the victim's, and a rescuer had one.
    lost = lost || (mutex == room.mutex && room.committed && (*guard)->sections < 3);
    blocks += BlocksOf(**guard);
  }
  return lost ? Verdict::kLost : OfBlocks(BlocksBesideJournals(*Attachment::Of(room.mutex)), blocks);
}

// A process of its own does once what every process does once.
void Warm() {
  static Room& own = *new Room{};
  Segment* const before = std::exchange(segment, nullptr);
  SetUp(own);
  Body<Fill>(own);
  Body<DoesALot>(own);
  Attachment::Of(own.mutex);
  segment = before;
}

Operation Registered(std::string name, void (*prepare)(Room&), void (*body)(Room&)) {
  Operation operation = OperationOn<Room>(std::move(name));
  operation.setup = [](void* shared) { SetUp(*new (shared) Room{}); };
  operation.warm = Warm;
  operation.prepare = On(prepare);
  operation.body = On(body);
  operation.rescuer = On(Rescue);
  operation.kill_rescuer_too = true;
  operation.may_sleep = [](const void* shared, int) { return static_cast<const Room*>(shared)->mutex->locked(); };
  operation.check = Judge;
  return operation;
}

// The same with another process that allocates while the victim is stopped.
Operation WithAnother(Operation operation) {
  operation.name += ", another allocates";
  operation.thief = AllocateMeanwhile;
  operation.kill_rescuer_too = false;
  return operation;
}

}  // namespace

std::vector<Operation> MapOperations() {
  return {
      Registered("map, the first insert", Prepared<Nothing>, Body<InsertsTheFirst>),
      Registered("map, insert", Prepared<FillLess>, Body<Inserts>),
      Registered("map, insert with a new table", Prepared<Fill>, Body<Inserts>),
      WithAnother(Registered("map, insert with a new table", Prepared<Fill>, Body<Inserts>)),
      Registered("map, update", Prepared<Fill>, Body<Updates>),
      Registered("map, erase", Prepared<Fill>, Body<Erases>),
      Registered("map, insert text and a list", Prepared<FillLess>, Body<InsertsAList>),
      Registered("map, replace a list", Prepared<Fill>, Body<ReplacesAList>),
      Registered("map, erase a list", Prepared<Fill>, Body<ErasesAList>),
      Registered("map, reserve pages", Prepared<Fill>, Body<Reserves>),
      Registered("map, edit all", Prepared<Fill>, Body<EditsAll>),
      Registered("map, clear", Prepared<Fill>, Body<ClearsBoth>),
      WithAnother(Registered("map, clear", Prepared<Fill>, Body<ClearsBoth>)),
      Registered("map, a section with many changes", Prepared<Fill>, Body<DoesALot>),
      Registered("map, many changes rolled back", Prepared<Fill>, RollsBack<DoesALot>),
      Registered("map, swapped with another", Prepared<FillThree>, Body<Swaps>),
      Registered("map, swapped with another, rolled back", Prepared<FillThree>, RollsBack<Swaps>),
      Registered("map, find or insert", Prepared<Fill>, Body<FindsOrInserts>),
      Registered("map, insert or assign", Prepared<Fill>, Body<InsertsOrAssigns>),
  };
}

std::vector<Operation> MapOperationsThatTear() {
  return {Registered("map, a value is changed that was not saved", Prepared<Fill>, Scribbles)};
}

}  // namespace shoal::tests
