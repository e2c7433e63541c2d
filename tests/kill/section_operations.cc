#include "shoal/tests/kill/section_operations.h"

#include <atomic>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "shoal/shm/attachment.h"
#include "shoal/shm/heap.h"
#include "shoal/shm/journal.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/section.h"
#include "shoal/shm/segment.h"
#include "shoal/sync/check.h"
#include "shoal/tests/kill/census.h"

namespace shoal::tests {
namespace {

using shm_internal::Attachment;
using shm_internal::Section;

constexpr size_t kBigBytes = 40'000;  // more than a thread's first journal holds

// What a section changes: all of it or nothing.
struct Root {
  uint64_t left = 0;
  uint64_t right = 0;
  uint64_t block = 0;  // offset of a block that each allocating section replaces
};

// What the parties share beside the segment, which all have mapped at one address.
struct Room {
  Mutex<Root>* mutex;
  std::byte* big;
  uint64_t blocks_at_first;
  std::atomic<bool> torn;
  std::atomic<bool> committed;  // the victim's section was over
};

Segment* segment = nullptr;

void SetUp(Room& room) {
  delete segment;
  auto made = Segment::Create({.limit_bytes = size_t{1} << 20});
  SHOAL_CHECK(made.ok(), "a segment can be made");
  segment = new Segment(*std::move(made));
  room.mutex = new (segment->At<Mutex<Root>>(segment->Allocate(sizeof(Mutex<Root>), 64).value())) Mutex<Root>;
  room.big = segment->BytesAt(segment->Allocate(kBigBytes, 64).value(), kBigBytes).data();
  room.blocks_at_first = Attachment::Of(room.mutex)->heap().Usage().allocated_blocks;
}

// One party's section. Whatever the one before left, it is whole.
template <class Change>
void ChangeIn(Room& room, Change change) {
  auto guard = room.mutex->Lock();
  SHOAL_CHECK(guard.ok(), "a mutex can be locked");
  Root& root = **guard;
  const auto value = static_cast<std::byte>(root.left);
  if (root.left != root.right || room.big[0] != value || room.big[kBigBytes - 1] != value) room.torn = true;
  ++root.left;
  change(root, *guard);
  ++root.right;
}

Section& Open() { return *shm_internal::ThisThreadSections().open; }

void WriteBig(Room& room, const Root& root) {
  SHOAL_CHECK(Open().Save(room.big, kBigBytes).ok(), "there is memory for the journal");
  std::memset(room.big, static_cast<int>(root.left), kBigBytes);
}

// The first byte and the last, which every section keeps equal to the number.
void WriteEnds(Room& room, const Root& root) {
  for (std::byte* const end : {room.big, room.big + kBigBytes - 1}) {
    SHOAL_CHECK(Open().Save(end, 1).ok(), "there is room in the journal");
    *end = static_cast<std::byte>(root.left);
  }
}

void Plain(Room& room) {
  ChangeIn(room, [&](Root& root, auto&) { WriteEnds(room, root); });
}
void RolledBack(Room& room) {
  auto guard = room.mutex->Lock();
  SHOAL_CHECK(guard.ok(), "a mutex can be locked");
  ++(*guard)->left;
  WriteEnds(room, **guard);
  auto block = Open().Allocate(64, 8);
  SHOAL_CHECK(block.ok(), "there is memory");
  (*guard)->block = block->offset;
  guard->Rollback();
}
void Reallocates(Room& room) {
  ChangeIn(room, [&](Root& root, auto&) {
    WriteEnds(room, root);
    auto block = Open().Allocate(64, 8);
    SHOAL_CHECK(block.ok(), "there is memory");
    if (root.block != 0) SHOAL_CHECK(Open().Free(root.block).ok(), "the root names its block");
    root.block = block->offset;
    std::memset(segment->BytesAt(block->offset, 64).data(), 0x55, 64);
  });
}
void TakesARun(Room& room) {
  ChangeIn(room, [&](Root& root, auto&) {
    WriteEnds(room, root);
    auto block = Open().Allocate(50'000, 8);
    SHOAL_CHECK(block.ok(), "there is memory");
    if (root.block != 0) SHOAL_CHECK(Open().Free(root.block).ok(), "the root names its block");
    root.block = block->offset;
  });
}
void GrowsTheJournal(Room& room) {
  ChangeIn(room, [&](Root& root, auto&) { WriteBig(room, root); });
}
void Unsaved(Room& room) {
  ChangeIn(room, [&](Root& root, auto&) {
    room.big[0] = static_cast<std::byte>(root.left);
    room.big[kBigBytes - 1] = static_cast<std::byte>(root.left);
  });
}
void Unrecorded(Room& room) {
  ChangeIn(room, [&](Root& root, auto&) {
    WriteEnds(room, root);
    auto block =
        Attachment::Of(room.mutex)->heap().Allocate(Open().cache(), 64, 8, [](shm_internal::Block) { return true; });
    SHOAL_CHECK(block.ok(), "there is memory");
    root.block = block->offset;
  });
}

// Two rounds: the second finds what the first one's commit left.
void Rescue(Room& room) {
  Reallocates(room);
  Reallocates(room);
}

Verdict Judge(void* shared) {
  Room& room = *static_cast<Room*>(shared);
  if (room.torn) return Verdict::kHalfDone;
  const std::shared_ptr<Attachment> attachment = Attachment::Of(room.mutex);
  if (AnySectionIsOpen(*attachment)) return Verdict::kHalfDone;
  return OfBlocks(BlocksBesideJournals(*attachment), room.blocks_at_first + 1);
}

// A process of its own does once what every process does once.
void Warm() {
  static Room& own = *new Room{};
  Segment* const before = std::exchange(segment, nullptr);
  SetUp(own);
  Reallocates(own);
  Attachment::Of(own.mutex);
  segment = before;
}

Operation Registered(std::string name, void (*prepare)(Room&), void (*body)(Room&)) {
  Operation operation = OperationOn<Room>(std::move(name));
  operation.setup = [](void* shared) { SetUp(*new (shared) Room{}); };
  operation.warm = Warm;
  if (prepare != nullptr) operation.prepare = On(prepare);
  operation.body = On(body);
  operation.rescuer = On(Rescue);
  operation.kill_rescuer_too = true;
  operation.may_sleep = [](const void* shared, int) { return static_cast<const Room*>(shared)->mutex->locked(); };
  operation.check = Judge;
  return operation;
}

}  // namespace

std::vector<Operation> SectionOperations() {
  return {
      Registered("section, the first of a thread", nullptr, Plain),
      Registered("section, 26 bytes in 3 places", Plain, Plain),
      Registered("section, rolled back", Reallocates, RolledBack),
      Registered("section, a block for a block", Reallocates, Reallocates),
      Registered("section, a run of pages for a run", TakesARun, TakesARun),
      Registered("section, the journal grows", Plain, GrowsTheJournal),
  };
}

std::vector<Operation> SectionOperationsThatTear() {
  return {
      Registered("a byte is changed that was not saved", Plain, Unsaved),
      Registered("a block is taken that was not recorded", Plain, Unrecorded),
  };
}

}  // namespace shoal::tests
