#include "shoal/tests/kill/events.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "shoal/sync/check.h"

// Signal handlers return through here: the only place whose system calls are never trapped.
asm(R"(
  .pushsection .text.kill_driver_return, "ax", @progbits
  .globl kill_driver_return
kill_driver_return:
  mov $15, %eax
  syscall
  .popsection
)");
extern "C" void kill_driver_return();

namespace shoal::tests {
namespace {

constexpr greg_t kTrapFlag = 0x100;
constexpr size_t kPageBytes = 4096;
constexpr int kMaxRegions = 64;
constexpr int kMaxPages = 16;  // that one instruction writes, and other threads beside it

struct Region {
  uintptr_t begin;
  uintptr_t end;
};

// Of the driver itself.
Region own[kMaxRegions];
int own_count = 0;

// What is read-only between the events; the first is the page of the robust list.
Region watched[kMaxRegions];
int watched_count = 0;

// Pages that are writable for one instruction, and what was there.
struct {
  uintptr_t page;
  char before[kPageBytes];
} opened[kMaxPages];
int opened_count = 0;

volatile char trapped = 0;  // SYSCALL_DISPATCH_FILTER_BLOCK: system calls raise SIGSYS

struct {
  long tid;
  AtTarget action;
  int64_t target;  // -1: none
  Trace* trace;    // optional
  int64_t events;
  bool in_system_call;
  bool mappings_may_differ;
  robust_list_head* head;
  robust_list* first;
  robust_list* pending;
} watch;

bool IsOwn(uintptr_t begin) {
  for (int i = 0; i < own_count; ++i) {
    if (begin >= own[i].begin && begin < own[i].end) return true;
  }
  return false;
}

void Protect(int protection) {
  for (int i = 0; i < watched_count; ++i) {
    mprotect(reinterpret_cast<void*>(watched[i].begin), watched[i].end - watched[i].begin, protection);
  }
}

// REQUIRES: nothing is protected.
void FindRegions() {
  static char text[1 << 16];
  const int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  SHOAL_CHECK(fd >= 0, "a process knows its mappings");
  size_t length = 0;
  ssize_t got;
  while ((got = read(fd, text + length, sizeof(text) - 1 - length)) > 0) length += static_cast<size_t>(got);
  close(fd);
  text[length] = '\0';
  const uintptr_t list = reinterpret_cast<uintptr_t>(watch.head) & ~(kPageBytes - 1);
  watched[0] = {list, list + kPageBytes};
  watched_count = 1;
  for (const char* line = text; *line != '\0';) {
    char* at;
    const uintptr_t begin = strtoull(line, &at, 16);
    const uintptr_t end = strtoull(at + 1, &at, 16);
    if (at[1] == 'r' && at[2] == 'w' && at[4] == 's' && !IsOwn(begin) && watched_count < kMaxRegions) {
      watched[watched_count++] = {begin, end};
    }
    const char* const newline = strchr(at, '\n');
    if (newline == nullptr) break;
    line = newline + 1;
  }
}

bool ListChanged() {
  const bool changed = watch.head->list.next != watch.first || watch.head->list_op_pending != watch.pending;
  watch.first = watch.head->list.next;
  watch.pending = watch.head->list_op_pending;
  return changed;
}

bool SharedBytesChanged() {
  bool changed = opened_count == kMaxPages;
  for (int i = 0; i < opened_count; ++i) {
    const bool is_list = opened[i].page == watched[0].begin;
    changed = changed || (!is_list && memcmp(opened[i].before, reinterpret_cast<const void*>(opened[i].page), kPageBytes) != 0);
  }
  return changed;
}

// Between the instruction that made an event and the next.
void OnEvent(uint64_t pc, greg_t& flags) {
  flags &= ~kTrapFlag;
  const bool list_changed = ListChanged();
  const bool visible = watch.in_system_call || list_changed || SharedBytesChanged();
  ++watch.events;
  if (watch.trace != nullptr && watch.trace->length < Trace::kMax) {
    watch.trace->at[watch.trace->length++] = pc | (visible ? Trace::kVisible : 0);
  }
  if (watch.events == watch.target) {
    Protect(PROT_READ | PROT_WRITE);  // the kernel walks the list, and whoever is continued goes on
    trapped = 0;
    Act(watch.action);
    return;
  }
  if (watch.in_system_call) {
    if (watch.mappings_may_differ) FindRegions();
    Protect(PROT_READ);
  }
  for (int i = 0; i < opened_count && !watch.in_system_call; ++i) {
    mprotect(reinterpret_cast<void*>(opened[i].page), kPageBytes, PROT_READ);
  }
  opened_count = 0;
  watch.in_system_call = false;
  trapped = 1;
}

bool IsWatched(uintptr_t page) {
  for (int i = 0; i < watched_count; ++i) {
    if (page >= watched[i].begin && page < watched[i].end) return true;
  }
  return false;
}

void OnSignal(bool stepper, int signal_number, siginfo_t* info, void* context) {
  auto& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
  switch (signal_number) {
    case SIGSEGV: {
      const uintptr_t page = reinterpret_cast<uintptr_t>(info->si_addr) & ~(kPageBytes - 1);
      if (!IsWatched(page)) {
        signal(SIGSEGV, SIG_DFL);  // a fault of the body's own: it comes again
        return;
      }
      if (stepper && opened_count < kMaxPages) {
        opened[opened_count].page = page;
        memcpy(opened[opened_count++].before, reinterpret_cast<const void*>(page), kPageBytes);
      }
      mprotect(reinterpret_cast<void*>(page), kPageBytes, PROT_READ | PROT_WRITE);
      if (stepper) machine.gregs[REG_EFL] |= kTrapFlag;
      return;
    }
    case SIGSYS: {
      if (StandInForMask(machine.gregs, static_cast<ucontext_t*>(context)->uc_sigmask)) {
        trapped = 1;
        return;
      }
      const greg_t number = machine.gregs[REG_RAX];
      machine.gregs[REG_RIP] -= 2;
      machine.gregs[REG_EFL] |= kTrapFlag;
      watch.in_system_call = true;
      watch.mappings_may_differ = number == SYS_mmap || number == SYS_munmap || number == SYS_mremap || number == SYS_mprotect;
      Protect(PROT_READ | PROT_WRITE);
      return;  // no longer trapped
    }
    default:
      if (stepper) {
        OnEvent(static_cast<uint64_t>(machine.gregs[REG_RIP]), machine.gregs[REG_EFL]);
      } else {
        machine.gregs[REG_EFL] &= ~kTrapFlag;  // a thread that was made while its maker was between two instructions
      }
  }
}

// The handler's own system calls must pass; when it returns they are trapped again if they were, but for a call that is let through.
void Handler(int signal_number, siginfo_t* info, void* context) {
  const bool was_trapped = trapped != 0;
  trapped = 0;
  const bool stepper = syscall(SYS_gettid) == watch.tid;
  OnSignal(stepper, signal_number, info, context);
  if ((signal_number == SIGSEGV || !stepper) && was_trapped) trapped = 1;
}

struct KernelAction {
  void (*handler)(int, siginfo_t*, void*);
  unsigned long flags;
  void (*restorer)();
  uint64_t mask;
};

void Watch(AtTarget action, int64_t target, Trace* trace) {
  watch = {};
  watch.tid = syscall(SYS_gettid);
  watch.action = action;
  watch.target = target;
  watch.trace = trace;
  size_t size_bytes = 0;
  syscall(SYS_get_robust_list, 0, &watch.head, &size_bytes);
  ListChanged();
  // The kernel writes beside the list, too.
  syscall(SYS_rseq, static_cast<char*>(__builtin_thread_pointer()) + __rseq_offset, sizeof(struct rseq), RSEQ_FLAG_UNREGISTER,
          RSEQ_SIG);
  constexpr unsigned long kRestorer = 0x04000000;
  const KernelAction handled = {.handler = Handler, .flags = SA_SIGINFO | kRestorer, .restorer = kill_driver_return, .mask = 0};
  for (const int number : {SIGSEGV, SIGSYS, SIGTRAP}) {
    SHOAL_CHECK(syscall(SYS_rt_sigaction, number, &handled, nullptr, sizeof(uint64_t)) == 0, "signals can be handled");
  }
  opened_count = 0;
  FindRegions();
  constexpr int kSetSyscallUserDispatch = 59, kOn = 1;
  SHOAL_CHECK(prctl(kSetSyscallUserDispatch, kOn, kill_driver_return, 16, &trapped) == 0, "system calls can be trapped");
  Protect(PROT_READ);
  trapped = 1;
}

void WatchNoMore() {
  // Our own first system call is trapped like any other; and it is no event of the body's.
  trapped = 0;
  Protect(PROT_READ | PROT_WRITE);
}

}  // namespace

void* MakeOwnShared(size_t size_bytes) {
  void* const memory =
      mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  SHOAL_CHECK(memory != MAP_FAILED, "the driver needs shared memory");
  SHOAL_CHECK(own_count < kMaxRegions, "the driver has few mappings of its own");
  own[own_count++] = {reinterpret_cast<uintptr_t>(memory), reinterpret_cast<uintptr_t>(memory) + size_bytes};
  return memory;
}

void UnmapOwnShared(void* memory, size_t size_bytes) {
  munmap(memory, size_bytes);
  for (int i = 0; i < own_count; ++i) {
    if (own[i].begin == reinterpret_cast<uintptr_t>(memory)) own[i] = own[--own_count];
  }
}

void RecordEvents(const std::function<void()>& body, Trace& trace) {
  trace.ended = false;
  trace.at[0] = Trace::kVisible;
  trace.length = 1;
  Watch(AtTarget::kDie, -1, &trace);
  body();
  WatchNoMore();
  trace.ended = true;
}

void RunToEvent(const std::function<void()>& body, int64_t event, AtTarget action) {
  if (event == 0) Act(action);
  Watch(action, event, nullptr);
  body();
  WatchNoMore();
}

}  // namespace shoal::tests
