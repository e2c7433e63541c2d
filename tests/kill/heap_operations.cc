#include "shoal/tests/kill/heap_operations.h"

#include <string.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/shm/heap.h"
#include "shoal/sync/check.h"

namespace shoal::tests {
namespace {

using shm_internal::Block;
using shm_internal::Heap;
using shm_internal::HeapCache;
using shm_internal::HeapLayout;
using shm_internal::HeapShared;
using shm_internal::kHeapPageBytes;

constexpr uint64_t kPages = 8;
constexpr uint64_t kLongRunPages = 4;  // as many give their memory back when they are freed
constexpr size_t kNames = 512;

// Blocks that somebody names; as many as have a tag that is not 0, stored last.
struct Names {
  std::atomic<uint64_t> offset[kNames];
  std::atomic<uint64_t> tag[kNames];

  void Put(size_t i, Block block) {
    // relaxed: read by others when this thread is dead, or by itself
    offset[i].store(block.offset, std::memory_order_relaxed);
    tag[i].store(block.tag, std::memory_order_release);  // after the offset
  }
  Block At(size_t i) const {
    const uint64_t found = tag[i].load(std::memory_order_acquire);  // before the offset
    return {.offset = offset[i].load(std::memory_order_relaxed), .tag = found};
  }
};

// What the parties share: a heap, and what they say of it.
struct Room {
  HeapShared heap;
  std::atomic<uint64_t> table[kPages];
  std::atomic<bool> has_memory[kPages];
  Names kept;                            // allocated for good
  Names journals[5];                     // by slot: to be freed if the slot's holder dies; else cleared by it in the end
  alignas(4096) std::byte area[kPages * kHeapPageBytes];
};

constexpr uint32_t kVictim = 1;
constexpr uint32_t kRescuer = 2;
constexpr uint32_t kThief = 3;
constexpr uint32_t kOther = 4;

Heap HeapOf(Room& room) {
  const HeapLayout layout = {
      .table_offset = offsetof(Room, table), .area_offset = offsetof(Room, area), .page_count = kPages};
  // relaxed, all: published with the pages themselves
  const auto has_memory = [&room](size_t offset, size_t size_bytes) {
    return std::span(room.has_memory).subspan((offset - offsetof(Room, area)) / kHeapPageBytes, size_bytes / kHeapPageBytes);
  };
  shm_internal::HeapMemory memory = {
      .reserve =
          [has_memory](size_t offset, size_t size_bytes) {
            for (auto& page : has_memory(offset, size_bytes)) page.store(true, std::memory_order_relaxed);
            return absl::OkStatus();
          },
      .release =
          [&room, has_memory](size_t offset, size_t size_bytes) {
            for (auto& page : has_memory(offset, size_bytes)) page.store(false, std::memory_order_relaxed);
            // Enough to see that somebody's bytes are gone.
            for (size_t at = offset; at < offset + size_bytes; at += kHeapPageBytes / 2) {
              memset(room.area + (at - offsetof(Room, area)), 0, 64);
            }
          },
      .release_at_once_pages = kLongRunPages};
  absl::StatusOr<Heap> heap =
      Heap::Over(std::as_writable_bytes(std::span(&room, 1)), room.heap, layout, std::move(memory));
  SHOAL_CHECK(heap.ok(), "the room has a heap");
  return *std::move(heap);
}

// One party: its view of the heap, its cache and its journal.
struct Party {
  Room& room;
  Heap heap;
  HeapCache cache;
  Names& journal;
  size_t recorded = 0;

  Party(Room& room, uint32_t slot) : room(room), heap(HeapOf(room)), cache(slot), journal(room.journals[slot]) {}

  absl::StatusOr<Block> Allocate(size_t size_bytes) {
    return heap.Allocate(cache, size_bytes, 16, [this](Block block) {
      journal.Put(recorded++, block);
      return true;
    });
  }
  // For good: in somebody's data, with something in it.
  bool Keep(size_t size_bytes) {
    size_t i = 0;
    while (i < kNames && room.kept.At(i).tag != 0) ++i;
    if (i == kNames) return false;
    absl::StatusOr<Block> block = heap.Allocate(cache, size_bytes, 16, [](Block) { return true; });
    if (!block.ok()) return false;
    Mark(*block);
    room.kept.Put(i, *block);
    return true;
  }
  void KeepSome(size_t size_bytes, int count) {
    for (int i = 0; i < count; ++i) SHOAL_CHECK(Keep(size_bytes), "there is memory to begin with");
  }
  void Mark(Block block) {
    const std::span<std::byte> bytes = heap.BytesOf(block);
    memset(bytes.data(), static_cast<int>(block.offset / 16), bytes.size());
  }
  bool IsMarked(Block block) {
    const std::span<std::byte> bytes = heap.BytesOf(block);
    if (bytes.empty() || !HasMemory(bytes)) return false;
    for (const std::byte byte : bytes) {
      if (byte != static_cast<std::byte>(block.offset / 16)) return false;
    }
    return true;
  }
  bool HasMemory(std::span<const std::byte> bytes) {
    const size_t first = static_cast<size_t>(bytes.data() - room.area) / kHeapPageBytes;
    const size_t last = static_cast<size_t>(bytes.data() + bytes.size() - 1 - room.area) / kHeapPageBytes;
    // relaxed: said of pages that are the caller's
    for (size_t page = first; page <= last; ++page) {
      if (!room.has_memory[page].load(std::memory_order_relaxed)) return false;
    }
    return true;
  }
  void FreeRecorded() {
    for (size_t i = 0; i < recorded; ++i) heap.Free(&cache, journal.At(i));
  }
  void Commit() {
    for (size_t i = 0; i < recorded; ++i) journal.tag[i].store(0, std::memory_order_release);  // after the frees
    recorded = 0;
  }
};

// Frees what dead ones had recorded. Whoever dies in it is followed by another who begins anew.
bool Undo(Party& party) {
  for (Names& journal : party.room.journals) {
    for (size_t i = 0; i < kNames; ++i) {
      const Block block = journal.At(i);
      if (block.tag == 0) continue;
      party.heap.Free(nullptr, block);
      if (party.heap.Free(nullptr, block) || party.heap.IsAllocated(block)) return false;
      journal.tag[i].store(0, std::memory_order_release);  // after the frees
    }
  }
  return true;
}

// The victim, made before it is stepped.
Party* victim = nullptr;
Block freed_by_body;

Party& MakeVictim(Room& room) { return *(victim = new Party(room, kVictim)); }
Room* warm_room = nullptr;

// What a process makes once is made before it is stepped: in a heap of its own.
void Warm() {
  warm_room = new Room{};
  Party party(*warm_room, kVictim);
  (void)party.Allocate(64);
  (void)party.Allocate(20'000);
  party.FreeRecorded();
}

// ---- the bodies ----------------------------------------------------------------------------------------------------------------

void Allocate64(Room&) { (void)victim->Allocate(64); }
void AllocateThreePages(Room&) { (void)victim->Allocate(3 * kHeapPageBytes); }
void AllocateNearlyAll(Room&) { (void)victim->Allocate((kPages - 1) * kHeapPageBytes); }
void FreeOne(Room&) { victim->heap.Free(&victim->cache, freed_by_body); }
void TrimIt(Room&) { victim->heap.Trim(victim->cache); }
void ReleaseIt(Room&) { victim->heap.Release(victim->cache); }
void ReleaseFreeMemory(Room&) { (void)victim->heap.ReleaseFreeMemory(victim->cache); }
void AllocateTwiceAndFree(Room&) {
  (void)victim->Allocate(64);
  (void)victim->Allocate(20'000);
  victim->FreeRecorded();
  victim->Commit();
}

// ---- what was there before -----------------------------------------------------------------------------------------------------

void Nothing(Room& room) { MakeVictim(room); }
void KeptOne(Room& room) { MakeVictim(room).KeepSome(64, 1); }
void EmptyShelf(Room& room) {
  Party& party = MakeVictim(room);
  do {
    party.KeepSome(64, 1);
  } while (room.kept.At(31).tag == 0);
}
// Five runs with four gaps, then a free run of several entries in a row.
void RunsInARow(Room& room) {
  Party& party = MakeVictim(room);
  for (int i = 0; i < 7; ++i) (void)party.Allocate(10'000);
  for (const size_t i : {5, 1, 2, 4, 3, 6, 0}) party.heap.Free(&party.cache, party.journal.At(i));
  party.Commit();
  party.KeepSome(64, 1);
}
void RecordedSmall(Room& room) {
  MakeVictim(room).KeepSome(64, 3);
  freed_by_body = *victim->Allocate(64);
}
void RecordedForeign(Room& room) {
  Party* const other = new Party(room, kOther);
  other->KeepSome(64, 3);
  freed_by_body = *other->Allocate(64);
  other->journal.Put(0, {});
  MakeVictim(room).journal.Put(0, freed_by_body);
}
void RecordedRun(Room& room) {
  MakeVictim(room).KeepSome(20'000, 1);
  freed_by_body = *victim->Allocate(20'000);
}
void RecordedLongRun(Room& room) {
  MakeVictim(room).KeepSome(20'000, 1);
  freed_by_body = *victim->Allocate(kLongRunPages * kHeapPageBytes);
  victim->Mark(freed_by_body);
}
// Two free runs side by side: the first has no memory, the second has.
void MemoryGivenBack(Room& room) {
  Party& party = MakeVictim(room);
  (void)party.Allocate(kLongRunPages * kHeapPageBytes);
  (void)party.Allocate(2 * kHeapPageBytes);
  party.KeepSome(20'000, 1);
  party.FreeRecorded();
  party.Commit();
}
// The slot's holder before this one was killed.
void SlotLeftBehind(Room& room) {
  Party(room, kVictim).KeepSome(64, 40);
  Party(room, kVictim).KeepSome(256, 3);
  MakeVictim(room);
}
void Orphans(Room& room) {
  Party other(room, kOther);
  other.KeepSome(64, 300);
  other.heap.Release(other.cache);
  MakeVictim(room);
}
// Slabs that are empty, full and in between.
void SlabsOfAllSorts(Room& room) {
  Party& party = MakeVictim(room);
  party.KeepSome(4000, 6);
  (void)party.Allocate(64);
  (void)party.Allocate(256);
  party.FreeRecorded();
  party.Commit();
}
// Every page is in use, but one orphan and one slab of the victim's are empty.
void FullButForEmptySlabs(Room& room) {
  Party other(room, kOther);
  (void)other.Allocate(64);
  other.FreeRecorded();
  other.Commit();
  other.heap.Release(other.cache);
  Party& party = MakeVictim(room);
  (void)party.Allocate(256);
  party.FreeRecorded();
  party.Commit();
  while (party.Keep(10'000)) {
  }
}
void FullButForOrphans(Room& room) {
  Party other(room, kOther);
  (void)other.Allocate(256);
  other.KeepSome(512, 1);
  MakeVictim(room).KeepSome((kPages - 2) * kHeapPageBytes, 1);
  other.FreeRecorded();
  other.Commit();
  other.heap.ReleaseSlot(kOther);
}

// ---- the others ----------------------------------------------------------------------------------------------------------------

void Rescue(Room& room) {
  Party party(room, kRescuer);
  if (!Undo(party)) _exit(static_cast<int>(Verdict::kHalfDone));
  (void)party.Allocate(64);
  (void)party.Allocate(3 * kHeapPageBytes);
  party.FreeRecorded();
  party.Commit();
}

// The next holder of the dead one's slot takes all it can before the dead one's record is undone.
void TakeTheSlotFirst(Room& room) {
  Party party(room, kVictim);
  while (party.Keep(64)) {
  }
}

void Steal(void* shared, const Gate& gate) {
  Room& room = *static_cast<Room*>(shared);
  Party party(room, kThief);
  std::vector<Block> stolen;
  for (const size_t size : {size_t{64}, size_t{20'000}, size_t{64}}) {
    if (absl::StatusOr<Block> block = party.Allocate(size); block.ok()) {
      stolen.push_back(*block);
      party.Mark(*block);
    }
  }
  gate.Hold();
  for (const Block& block : stolen) {
    if (!party.IsMarked(block)) _exit(static_cast<int>(Verdict::kLost));
  }
  party.FreeRecorded();
  party.Commit();
}

Verdict Judge(void* shared) {
  Room& room = *static_cast<Room*>(shared);
  Party judge(room, kOther);
  if (!Undo(judge)) return Verdict::kHalfDone;
  uint64_t kept = 0;
  for (size_t i = 0; i < kNames; ++i) {
    const Block block = room.kept.At(i);
    if (block.tag == 0) continue;
    ++kept;
    if (!judge.IsMarked(block)) return Verdict::kLost;
  }
  if (judge.heap.Usage().allocated_blocks != kept) return Verdict::kLeaked;
  for (size_t i = 0; i < kNames; ++i) {
    if (room.kept.At(i).tag != 0 && !judge.heap.Free(nullptr, room.kept.At(i))) return Verdict::kLost;
  }
  // All that was ever used can be used again, in one piece.
  for (uint32_t slot = 1; slot <= kOther; ++slot) judge.heap.ReleaseSlot(slot);
  absl::StatusOr<Block> all = judge.Allocate(kPages * kHeapPageBytes);
  if (!all.ok()) return Verdict::kLeaked;
  if (!judge.HasMemory(judge.heap.BytesOf(*all))) return Verdict::kHalfDone;
  return judge.heap.Free(nullptr, *all) ? Verdict::kFine : Verdict::kLeaked;
}

Operation HeapOperation(std::string name, void (*prepare)(Room&), void (*body)(Room&)) {
  Operation operation = OperationOn<Room>("Heap " + std::move(name));
  operation.setup = [](void*) {};  // zero-filled is a valid heap
  operation.warm = Warm;
  operation.prepare = On(prepare);
  operation.body = On(body);
  operation.thief = Steal;
  operation.rescuer = On(Rescue);
  operation.kill_rescuer_too = true;
  operation.may_sleep = [](const void*, int) { return false; };
  operation.check = Judge;
  return operation;
}

void RecordTooLate(Room&) {
  absl::StatusOr<Block> block = victim->heap.Allocate(victim->cache, 64, 16, [](Block) { return true; });
  if (block.ok()) victim->journal.Put(0, *block);
}

}  // namespace

std::vector<Operation> HeapOperations() {
  std::vector<Operation> operations = {
      HeapOperation("allocate, first of all (memory, slab)", Nothing, Allocate64),
      HeapOperation("allocate, from the shelf", KeptOne, Allocate64),
      HeapOperation("allocate, from a searched slab", EmptyShelf, Allocate64),
      HeapOperation("allocate, the slot's slabs adopted", SlotLeftBehind, Allocate64),
      HeapOperation("allocate, an orphan adopted", Orphans, Allocate64),
      HeapOperation("allocate, own empty slab swept", FullButForEmptySlabs, Allocate64),
      HeapOperation("allocate run, split", KeptOne, AllocateThreePages),
      HeapOperation("allocate run, free runs joined", RunsInARow, AllocateNearlyAll),
      HeapOperation("allocate run, empty orphans swept", FullButForOrphans, [](Room&) { (void)victim->Allocate(10'000); }),
      HeapOperation("allocate two, free them", KeptOne, AllocateTwiceAndFree),
      HeapOperation("free, own slab", RecordedSmall, FreeOne),
      HeapOperation("free, another's slab", RecordedForeign, FreeOne),
      HeapOperation("free run", RecordedRun, FreeOne),
      HeapOperation("free run, its memory given back", RecordedLongRun, FreeOne),
      HeapOperation("allocate, where memory was given back", MemoryGivenBack, Allocate64),
      HeapOperation("allocate run, where memory was given back, one with memory joined", MemoryGivenBack,
                    [](Room&) { (void)victim->Allocate((kLongRunPages + 1) * kHeapPageBytes); }),
      HeapOperation("release free memory", RunsInARow, ReleaseFreeMemory),
      HeapOperation("release free memory, of all sorts of slabs", SlabsOfAllSorts, ReleaseFreeMemory),
      HeapOperation("release free memory, some was given back", MemoryGivenBack, ReleaseFreeMemory),
      HeapOperation("trim", SlabsOfAllSorts, TrimIt),
      HeapOperation("release", SlabsOfAllSorts, ReleaseIt),
  };
  for (auto* const prepare : {Nothing, KeptOne}) {
    const bool first = prepare == Nothing;
    Operation operation =
        HeapOperation(first ? "allocate, first, slot reused before the undo" : "allocate, slot reused before the undo",
                      prepare, Allocate64);
    operation.rescuer = On(TakeTheSlotFirst);
    operation.kill_rescuer_too = false;
    operations.push_back(std::move(operation));
  }
  return operations;
}

std::vector<Operation> HeapOperationsThatLeak() {
  Operation operation = HeapOperation("allocate, recorded too late", KeptOne, RecordTooLate);
  operation.thief = nullptr;
  operation.kill_rescuer_too = false;
  return {operation};
}

}  // namespace shoal::tests
