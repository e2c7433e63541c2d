// sync/robust_list.cc: one thread's place in glibc's robust list.
//
//  EDGE robust.epoch: MeetThread() release → ThisThread() acquire. Publishes the page of the process epoch.
//
//  A thread has one record, in the memory of the first copy of this library in the process; every copy remembers where it is
//  (this_thread), and the table that they share (process_table.h) is where it asks.
//
//  The list, as glibc and the kernel have it: head.first → entry → entry → head. An entry is the address of a `next` field,
//  bit 0 set for a priority-inheriting mutex; the word lies 32 bytes before it, the link back 8 bytes before it. Entries are
//  added in front only, by us and by glibc, and taken out anywhere.
//
//  What a thread knows of its own part of it, in a private copy that no peer can scribble over:
//
//   newest   the last of ours that came, with what was behind it then; no entry names it
//   entries  the others of ours, oldest first, each with both neighbours, as far as these are the head or ours
//
//  Glibc's may stand anywhere between them, and in front. The newest gets an entry (Settle) when another of ours comes, or any of
//  ours goes out of turn. So a lock that is taken and given back beside others that stay costs the same as one alone.
//
//  If the thread dies …                       the kernel …
//   before Link's store to head.first           finds the word through list_op_pending
//   after it                                    finds it in the list (and not twice: it skips the pending one)
//   in Unlink, before the neighbours changed    finds it in the list
//   in Unlink, after                            finds it through list_op_pending

#include "shoal/sync/robust_list.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <new>
#include <utility>

#include "shoal/sync/status.h"

namespace shoal::sync_internal {
namespace {

static_assert(sizeof(RobustListHead) == sizeof(robust_list_head), "the kernel's struct");
static_assert(offsetof(RobustListHead, pending) == offsetof(robust_list_head, list_op_pending), "the kernel's struct");

constexpr long kOffset = -static_cast<long>(offsetof(RobustWord, next));

// Before the page exists, nobody is in the epoch there is.
constinit std::atomic<uint32_t> no_epoch{kNoEpoch};
// Never reused, so that a thread's record of an epoch of its parent is never taken for one of its own.
constinit std::atomic<uint32_t> last_epoch{0};
constinit std::atomic<uint32_t> last_serial{0};

// The process epoch's word, made by whoever comes first; null when there is no memory.
std::atomic<uint32_t>* EpochWord() {
  static std::atomic<uint32_t>* const word = [] {
    const size_t size_bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    void* const page = aligned_alloc(size_bytes, size_bytes);
    if (page == nullptr || madvise(page, size_bytes, MADV_WIPEONFORK) != 0) {
      free(page);
      return static_cast<std::atomic<uint32_t>*>(nullptr);
    }
    return new (memset(page, 0, size_bytes)) std::atomic<uint32_t>(0);
  }();
  return word;
}

uint32_t PidNamespace() {
  struct stat found;
  return stat("/proc/self/ns/pid", &found) == 0 ? static_cast<uint32_t>(found.st_ino) : 0;
}

// The head of those who cannot own robust words.
constinit RobustListHead no_list = {};

// What a thread is before this copy has looked for its record, and what it stays for a copy that refuses. Nobody writes to them.
constinit Thread unmet = {.epoch = kUnknownEpoch};
constinit Thread no_thread = {
    .epoch = kNoEpoch, .tid = 0x3fffffff, .head = &no_list, .support = RobustSupport::kOtherBuild};

RobustSupport FindList(Thread& self) {
  self.head = &no_list;
  if (!FutexWaitvSupported()) return RobustSupport::kNoWaitv;
  void* head = nullptr;
  size_t size_bytes = 0;
  if (syscall(SYS_get_robust_list, 0, &head, &size_bytes) != 0) return RobustSupport::kNoList;
  // A thread made by a bare clone has none; glibc's threads all have.
  if (head == nullptr || size_bytes != sizeof(RobustListHead)) return RobustSupport::kNoList;
  auto* const found = static_cast<RobustListHead*>(head);
  if (found->futex_offset != kOffset) return RobustSupport::kForeignLayout;
  self.head = found;
  return RobustSupport::kReady;
}

// Gives the heap memory of a thread's entries back when the thread ends. A thread that ends with more than a few locks in hand
// leaves them to the kernel, and this memory too.
struct EntriesOwner {
  ~EntriesOwner() {
    Thread& self = *this_thread;
    if (self.entries == self.few || CountHeld(self) > Thread::kInline) return;
    memcpy(self.few, self.entries, sizeof(self.few));
    free(self.entries);
    self.entries = self.few;
    self.room = Thread::kInline;
  }
  bool in_use = false;
};
thread_local EntriesOwner entries_owner;

// Our record of `entry`, or null if that is the head or somebody else's. The newest first: locks are mostly released last in,
// first out.
Thread::Entry* FindOrNull(Thread& self, uintptr_t entry) {
  for (int i = self.held; i-- > 0;) {
    if (EntryOf(*self.entries[i].node) == entry) return &self.entries[i];
  }
  return nullptr;
}

// Tells our record of `neighbour`, if it is one of ours, that `entry` is now in front of it.
void RememberInFront(Thread& self, uintptr_t neighbour, uintptr_t entry) {
  if (Thread::Entry* const record = FindOrNull(self, neighbour)) record->previous = entry;
}

}  // namespace

constinit thread_local Thread* this_thread = &unmet;
constinit std::atomic<const std::atomic<uint32_t>*> process_epoch{&no_epoch};

namespace {

// Of the first copy of the library in this process, for all of them. (Not initial-exec: for a local variable of a shared object gold
// then writes a wrong relocation, and it is only asked for once.)
constinit thread_local Thread own_thread = {.epoch = kUnknownEpoch};
constinit std::atomic<void*> own_above{nullptr};

// This thread's record, filled in if it is not.
void* MeetOwnThread() {
  Thread& self = own_thread;
  std::atomic<uint32_t>* const word = EpochWord();
  // Another copy's first look at it. relaxed: the word changes only by a fork of this very thread
  if (word != nullptr && word->load(std::memory_order_relaxed) == self.epoch) return &self;

  self.held = 0;  // what a parent held is the parent's, and what it had open above
  memset(self.above, 0, sizeof(self.above));
  self.newest = nullptr;
  self.room = 0;
  self.head = &no_list;
  if (self.entries == nullptr || self.epoch == kUnknownEpoch) self.entries = self.few;
  self.tid = static_cast<uint32_t>(syscall(SYS_gettid));
  if (word == nullptr) {
    self.support = RobustSupport::kNoMemory;
    return &self;
  }
  uint32_t epoch = word->load(std::memory_order_relaxed);  // relaxed: the CAS below decides
  if (epoch == 0) {
    // relaxed: numbers, they publish nothing. Of several first threads one wins; the others read its number.
    const uint32_t fresh = last_epoch.fetch_add(1, std::memory_order_relaxed) + 1;
    if (word->compare_exchange_strong(epoch, fresh, std::memory_order_relaxed)) epoch = fresh;  // relaxed: as above
  }
  self.epoch = epoch;
  // relaxed: only uniqueness is wanted
  self.serial = (uint64_t{epoch} << 32) | (last_serial.fetch_add(2, std::memory_order_relaxed) + 2);
  self.pid_namespace = PidNamespace();
  self.support = FindList(self);
  if (self.support == RobustSupport::kReady) self.room = self.entries == self.few ? Thread::kInline : kMaxHeldByUsers;
  return &self;
}

constexpr uint64_t ThreadLayout() {
  uint64_t layout = 0xcbf29ce484222325;  // FNV-1a
  for (const uint64_t number :
       {sizeof(Thread), sizeof(Thread::Entry), offsetof(Thread, tid), offsetof(Thread, head), offsetof(Thread, newest),
        offsetof(Thread, behind_newest), offsetof(Thread, held), offsetof(Thread, room), offsetof(Thread, entries),
        offsetof(Thread, serial), offsetof(Thread, pid_namespace), offsetof(Thread, support), offsetof(Thread, few),
        offsetof(Thread, above)}) {
    layout = (layout ^ number) * 0x100000001b3;
  }
  return layout;
}

constexpr ProcessTable kOwnTable = {.struct_size = sizeof(ProcessTable),
                                    .version = kProcessTableVersion,
                                    .reserved = 0,
                                    .thread_layout = ThreadLayout(),
                                    .this_thread = &MeetOwnThread,
                                    .epoch = nullptr,  // see OwnTable
                                    .above = &own_above};

// With the epoch's word, which is made when it is needed.
const ProcessTable& OwnTable() {
  static const ProcessTable table = [] {
    ProcessTable made = kOwnTable;
    made.epoch = EpochWord();
    return made;
  }();
  return table;
}

// The table that this copy uses; null: it refuses.
const ProcessTable* TableOrNull() {
  const ProcessTable* const table = ChooseTable(OwnTable());
  return table == nullptr || table->thread_layout != ThreadLayout() ? nullptr : table;
}

}  // namespace

Thread& MeetThread() {
  const ProcessTable* const table = TableOrNull();
  if (table == nullptr) return no_thread;
  this_thread = static_cast<Thread*>(table->this_thread());
  if (table->epoch != nullptr) {
    process_epoch.store(static_cast<const std::atomic<uint32_t>*>(table->epoch),
                        std::memory_order_release);  // robust.epoch (release)
  }
  return *this_thread;
}

const ProcessTable* TableToGive() {
  const ProcessTable* const table = TableOrNull();
  return table == nullptr || table->epoch == nullptr ? nullptr : table;
}

std::atomic<void*>* AboveOrNull() {
  const ProcessTable* const table = TableOrNull();
  return table == nullptr ? nullptr : static_cast<std::atomic<void*>*>(table->above);
}

absl::Status MakeRoom(Thread& self, Whose whose) {
  switch (self.support) {
    case RobustSupport::kReady:
      break;
    case RobustSupport::kNoList:
      return MakeStatus(
          absl::StatusCode::kFailedPrecondition,
          "this thread has no robust list: it was not made by pthread_create, or another library took the list away");
    case RobustSupport::kForeignLayout:
      return MakeStatus(absl::StatusCode::kUnimplemented,
                        "this thread's robust list has another distance from link to word than x86-64 glibc's");
    case RobustSupport::kNoWaitv:
      return MakeStatus(absl::StatusCode::kUnimplemented,
                        "futex_waitv is missing (it needs Linux 5.16) or denied by a seccomp profile");
    case RobustSupport::kNoMemory:
      return MakeStatus(absl::StatusCode::kResourceExhausted, "no memory for the page that notices a fork");
    case RobustSupport::kOtherBuild:
      return MakeStatus(absl::StatusCode::kFailedPrecondition,
                        "this plug-in was built from other headers of shoal than its program, so the two cannot share locks or "
                        "segments: build it again");
  }
  if (HasRoom(self)) return absl::OkStatus();
  if (self.room < kMaxHeldByUsers) {
    auto* const entries = static_cast<Thread::Entry*>(malloc(sizeof(Thread::Entry) * kMaxHeld));
    if (entries != nullptr) {
      memcpy(entries, self.entries, sizeof(Thread::Entry) * static_cast<size_t>(self.held));
      self.entries = entries;
      self.room = kMaxHeldByUsers;
      entries_owner.in_use = true;
      return absl::OkStatus();
    }
  }
  if (whose == Whose::kOurs && self.room == kMaxHeldByUsers && CountHeld(self) < kMaxHeld) return absl::OkStatus();
  return MakeStatus(absl::StatusCode::kResourceExhausted,
                    "this thread holds 992 locks: the kernel would not recover many more if it died");
}

void Settle(Thread& self) {
  RobustWord* const node = std::exchange(self.newest, nullptr);
  // A mutex of glibc's may have lain here before, and gone; whoever had it as a neighbour then does not have this one.
  for (int i = 0; i < self.held; ++i) {
    Thread::Entry& other = self.entries[i];
    if (other.previous == EntryOf(*node)) other.previous = 0;
    if (other.next == EntryOf(*node)) other.next = 0;
  }
  self.entries[self.held++] = {.node = node, .previous = HeadEntry(self), .next = self.behind_newest};
  RememberInFront(self, self.behind_newest, EntryOf(*node));
}

bool UnlinkAnywhere(Thread& self, RobustWord& node) {
  if (self.newest != nullptr) Settle(self);
  Thread::Entry* const mine = FindOrNull(self, EntryOf(node));
  if (mine == nullptr) return false;  // somebody wrote over its depth, and it was released a level too early
  const uintptr_t head = HeadEntry(self);

  // A shared link that differs from our copy was changed by glibc, which knows nothing of copies, when one of its mutexes came
  // or went beside us; or it was scribbled over. Where our copy names the head or one of ours, glibc had no business.
  bool intact = true;
  uintptr_t next = node.next.load(std::memory_order_relaxed);  // relaxed: this thread's own list
  if (next != mine->next && (mine->next == head || FindOrNull(self, mine->next) != nullptr)) {
    next = mine->next;
    intact = false;
  }
  uintptr_t previous = node.previous.load(std::memory_order_relaxed);  // relaxed: this thread's own list
  const bool is_first = self.head->first.load(std::memory_order_relaxed) == EntryOf(node);  // relaxed: as above
  if (is_first) {
    previous = head;
  } else if (previous != mine->previous && mine->previous != head && FindOrNull(self, mine->previous) != nullptr) {
    previous = mine->previous;
    intact = false;
  }

  // relaxed, both: this thread's own list. The neighbour in front first: from then on the kernel passes us by.
  NextField(previous).store(next, std::memory_order_relaxed);
  PreviousField(next).store(previous, std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);  // seq_cst: out of the list before the word is given up

  if (self.held > 1) {
    RememberInFront(self, next, previous);
    if (Thread::Entry* const neighbour = FindOrNull(self, previous)) neighbour->next = next;
  }
  const int behind = self.held - 1 - static_cast<int>(mine - self.entries);
  if (behind != 0) memmove(mine, mine + 1, sizeof(*mine) * static_cast<size_t>(behind));
  --self.held;
  return intact;
}

}  // namespace shoal::sync_internal
