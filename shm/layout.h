#ifndef SHOAL_SHM_LAYOUT_H_
#define SHOAL_SHM_LAYOUT_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "shoal/shm/heap.h"
#include "shoal/sync/futex.h"
#include "shoal/sync/robust_list.h"

// What lies where in a segment. docs/memory_format.md says it for readers of bytes.
//
//   header | participants | threads | page table | pages …
//
// The places follow from the number of pages alone, so nobody reads them from shared bytes.

namespace shoal::shm_internal {

inline constexpr size_t kHeaderBytes = 4096;
inline constexpr int kMaxParticipants = 120;  // a keeper sleeps on one word of each, and a sleep names at most 128 words
inline constexpr size_t kMostFileBytes = size_t{1} << 40;  // of a segment: an offset fits the 40 bits that a journal has for it
inline constexpr int kMaxThreads = 256;       // that use the segment at one time, in all processes
inline constexpr int kMaxLocks = 16;          // of one section

// Where a process's pid numbers mean something: the words of robust locks hold thread ids.
struct PidNamespace {
  uint64_t device = 0;
  uint64_t inode = 0;
  bool operator==(const PidNamespace&) const = default;
};

// A process that uses the segment; see participants.h.
struct alignas(128) ParticipantSlot {
  sync_internal::RobustWord life;     // owned by the process's keeper thread for as long as the process lives
  std::atomic<uint32_t> life_number;  // + 1 for every process that takes the slot: an id names one of them
  std::atomic<uint32_t> pid;          // for messages
  std::atomic<uint64_t> process;      // its number among all processes that ever attached
  char name[16];                      // for messages
};
static_assert(sizeof(ParticipantSlot) == 128, "part of the shared layout");

// A block of the heap that its thread is about to own or to give back; see thread_slot.h.
struct Intent {
  std::atomic<uint64_t> tag;
  std::atomic<uint64_t> offset;  // 0: none
};

// A thread that opens sections or allocates: its journal. See journal.h and thread_slot.h.
struct alignas(128) ThreadSlot {
  sync_internal::RobustWord life;    // held by the thread for as long as it uses the segment
  sync_internal::RobustWord replay;  // held by whoever undoes the section of a dead thread
  alignas(128) std::atomic<uint64_t> head;
  std::atomic<uint64_t> journal;  // where its bytes are: offset | log2 of the number of pages; 0: nowhere
  std::atomic<uint64_t> process;  // of its thread: its number among all processes that ever attached
  std::atomic<uint64_t> section;  // number of the last section: a counter, and the thread slot's number in the low bits
  Intent growing;                 // the journal's next place
  Intent leaving;                 // the journal's last place
  std::atomic<uint64_t> locks[kMaxLocks];  // offsets of what the open section holds
  std::atomic<uint64_t> retained;          // the last of the section's references that counts; see references.cc
  std::atomic<uint64_t> finished;          // the first of them that the commit has done with; 0: none
};
static_assert(sizeof(ThreadSlot) == 384, "part of the shared layout");

// ThreadSlot::journal: the offset of a run of pages, and the log2 of their number in the low bits.
struct JournalPlace {
  static constexpr uint64_t Of(uint64_t offset, uint64_t log2_pages) { return offset | log2_pages; }
  static constexpr uint64_t Offset(uint64_t place) { return place & ~uint64_t{63}; }
  static constexpr uint64_t Log2Pages(uint64_t place) { return place & 63; }
  static constexpr uint64_t Bytes(uint64_t place) { return uint64_t{kHeapPageBytes} << Log2Pages(place); }
  static constexpr uint64_t kMostLog2Pages = 30;
};

// Who holds which object, and the words that change together; see ledger.h and references.h.
struct Ledger {
  struct Change {
    std::atomic<uint64_t> offset;
    std::atomic<uint64_t> old_value;
  };
  static constexpr uint64_t kMaxChanges = 16;

  sync_internal::RobustWord
      lock;  // held by whoever changes the words below, those of objects, and their kin in thread slots
  std::atomic<uint64_t> changes_count;  // of `changes`, that are to be taken back if the owner of the lock dies
  std::atomic<uint64_t> objects;        // the list of objects: offset of the first; 0: none
  std::atomic<uint64_t> doomed;         // the list of those that nobody holds any more
  std::atomic<uint64_t> types;          // the list of types, which only grows
  std::atomic<uint64_t> names;          // the object with the published names; 0: none yet
  Change changes[kMaxChanges];
  sync_internal::RobustWord disposing;  // held by whoever destroys the doomed
  sync_internal::RobustWord interning;  // held by whoever adds a type
  std::atomic<uint64_t> wanted;         // + 1 by whoever wants the doomed destroyed; see dispose.cc
};
static_assert(sizeof(Ledger) == 424, "part of the shared layout");

struct SegmentHeader {
  std::atomic<uint64_t> magic;
  uint32_t format_version;
  uint32_t header_bytes;
  uint64_t layout_signature;  // sizes and places of the structs above
  uint64_t file_bytes;
  uint64_t pages;
  PidNamespace pid_namespace;
  std::atomic<uint64_t> processes;                 // that ever attached
  std::atomic<uint64_t> raw;                       // next byte of the page that small raw allocations share; 0: none
  alignas(128) sync_internal::FutexWord deaths;    // participants that died; every sleeper above `sync` sleeps on it too
  alignas(128) sync_internal::RobustWord joining;  // held by whoever takes a participant slot or reaps one
  alignas(128) HeapShared heap;
  alignas(128) Ledger ledger;
};
static_assert(sizeof(SegmentHeader) <= kHeaderBytes, "the header has one page");

// Areas of a segment with this many pages.
struct Areas {
  static constexpr size_t RoundUp(size_t value, size_t multiple) { return (value + multiple - 1) / multiple * multiple; }

  static constexpr Areas OfPages(size_t pages) {
    Areas areas;
    areas.page_table = kThreadsAt + kMaxThreads * sizeof(ThreadSlot);
    areas.first_page = RoundUp(areas.page_table + pages * sizeof(uint64_t), kHeapPageBytes);
    areas.file_bytes = areas.first_page + pages * kHeapPageBytes;
    return areas;
  }

  static constexpr size_t kParticipantsAt = kHeaderBytes;
  static constexpr size_t kThreadsAt = kParticipantsAt + kMaxParticipants * sizeof(ParticipantSlot);

  size_t page_table = 0;
  size_t first_page = 0;
  size_t file_bytes = 0;
};

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_LAYOUT_H_
