#include "shoal/tests/kill/stepping.h"

#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <unordered_map>

#include "shoal/sync/check.h"
#include "shoal/tests/kill/events.h"

namespace shoal::tests {
namespace {

constexpr long kTrapFlag = 0x100;
constexpr uint8_t kInt3 = 0xcc;

// One thread steps in a process; this is what its handler knows.
struct {
  pid_t tid;
  AtTarget action;
  Trace* trace;  // null: on the way to a target

  int64_t left;  // boundaries to the target, or to the end of the trace

  uint8_t* breakpoint;  // null: none is set
  uint8_t covered;      // the byte under it
  int64_t passes;       // over it that are left
  bool passing;         // the byte is back for one instruction
} stepping;

// Without a library function: a breakpoint may be in any of them.
__attribute__((always_inline)) inline long SystemCall(long number, long first = 0, long second = 0, long third = 0) {
  long result;
  asm volatile("syscall" : "=a"(result) : "a"(number), "D"(first), "S"(second), "d"(third) : "rcx", "r11", "memory");
  return result;
}

void Write(uint8_t* code, uint8_t byte) { *const_cast<volatile uint8_t*>(code) = byte; }

// Returns whether the trap flag is to be set from here on.
bool OnBreakpoint() {
  Write(stepping.breakpoint, stepping.covered);
  if (stepping.passes > 0) {
    --stepping.passes;
    stepping.passing = true;
    return true;
  }
  stepping.breakpoint = nullptr;
  if (stepping.left > 0) return true;
  Act(stepping.action);
  return false;
}

bool OnStep(uint64_t pc) {
  if (stepping.passing) {
    stepping.passing = false;
    Write(stepping.breakpoint, kInt3);
    return false;
  }
  if (Trace* const trace = stepping.trace; trace != nullptr) {
    trace->at[trace->length++] = pc;
    return --stepping.left > 0;
  }
  if (--stepping.left > 0) return true;
  Act(stepping.action);
  return false;
}

void OnTrap(int, siginfo_t* info, void* context) {
  auto& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
  auto* const next = reinterpret_cast<uint8_t*>(machine.gregs[REG_RIP]);
  const bool breakpoint = info->si_code == SI_KERNEL;
  if (SystemCall(SYS_gettid) != stepping.tid) {
    // Another thread of this process came by; the one that steps has gone on before long.
    if (!breakpoint) machine.gregs[REG_EFL] &= ~kTrapFlag;
    if (breakpoint) {
      machine.gregs[REG_RIP] -= 1;
      while (*const_cast<volatile uint8_t*>(next - 1) == kInt3) SystemCall(SYS_sched_yield);
    }
    return;
  }
  if (breakpoint) machine.gregs[REG_RIP] -= 1;
  const auto pc = static_cast<uint64_t>(machine.gregs[REG_RIP]);
  bool trap = breakpoint ? OnBreakpoint() : OnStep(pc);
  const auto* const code = reinterpret_cast<const uint8_t*>(pc);
  if (trap && !stepping.passing && code[0] == 0x0f && code[1] == 0x05) {  // syscall
    if (StandInForMask(machine.gregs, static_cast<ucontext_t*>(context)->uc_sigmask)) machine.gregs[REG_RIP] += 2;
  }
  if (trap) {
    machine.gregs[REG_EFL] |= kTrapFlag;
  } else {
    machine.gregs[REG_EFL] &= ~kTrapFlag;
  }
}

// The red zone below the stack pointer belongs to the caller, hence the lea.
__attribute__((noinline)) void SetTrapFlag() {
  asm volatile("lea -128(%%rsp), %%rsp; pushfq; orq $0x100, (%%rsp); popfq; lea 128(%%rsp), %%rsp" ::: "cc", "memory");
}
__attribute__((noinline)) void ClearTrapFlag() {
  asm volatile("lea -128(%%rsp), %%rsp; pushfq; andq $-0x101, (%%rsp); popfq; lea 128(%%rsp), %%rsp" ::: "cc", "memory");
}

// Both ways of running a body come through here, so that it runs the same instructions.
__attribute__((noinline)) void Run(const std::function<void()>& body, bool trap) {
  if (trap) SetTrapFlag();
  body();
  ClearTrapFlag();
}

void Handle(AtTarget action, Trace* trace) {
  stepping = {};
  stepping.tid = static_cast<pid_t>(SystemCall(SYS_gettid));
  stepping.action = action;
  stepping.trace = trace;
  struct sigaction on_trap = {};
  on_trap.sa_sigaction = OnTrap;
  on_trap.sa_flags = SA_SIGINFO;
  sigaction(SIGTRAP, &on_trap, nullptr);
}

bool SetBreakpoint(uint64_t pc) {
  const uint64_t page = pc & ~uint64_t{4095};
  // After this nothing but the body runs: it may share functions with us.
  if (mprotect(reinterpret_cast<void*>(page), 4096, PROT_READ | PROT_WRITE | PROT_EXEC) != 0) return false;
  stepping.breakpoint = reinterpret_cast<uint8_t*>(pc);
  stepping.covered = *stepping.breakpoint;
  Write(stepping.breakpoint, kInt3);
  return true;
}

}  // namespace

bool StandInForMask(long long* registers, sigset_t& mask) {
  const auto* const wanted = reinterpret_cast<const uint64_t*>(registers[REG_RSI]);
  auto* const old = reinterpret_cast<uint64_t*>(registers[REG_RDX]);
  auto* const now = reinterpret_cast<uint64_t*>(&mask);  // the kernel's 64 bits of it
  if (registers[REG_RAX] != SYS_rt_sigprocmask || registers[REG_R10] != sizeof(uint64_t)) return false;
  const uint64_t before = *now;
  if (wanted != nullptr) {
    switch (registers[REG_RDI]) {
      case SIG_BLOCK:
        *now = before | *wanted;
        break;
      case SIG_UNBLOCK:
        *now = before & ~*wanted;
        break;
      case SIG_SETMASK:
        *now = *wanted;
        break;
      default:
        return false;
    }
  }
  for (const int kept : {SIGTRAP, SIGSEGV, SIGSYS}) *now &= ~(uint64_t{1} << (kept - 1));
  if (old != nullptr) *old = before;
  registers[REG_RAX] = 0;
  return true;
}

void Act(AtTarget action) {
  const long self = SystemCall(SYS_getpid);
  if (action == AtTarget::kPark) {
    SystemCall(SYS_kill, self, SIGSTOP);
    return;
  }
  if (action == AtTarget::kDieForgetful) {
    robust_list_head* head = nullptr;
    size_t size_bytes = 0;
    SystemCall(SYS_get_robust_list, 0, reinterpret_cast<long>(&head), reinterpret_cast<long>(&size_bytes));
    head->list_op_pending = nullptr;
  }
  SystemCall(SYS_kill, self, SIGKILL);
}

void RunTo(const std::function<void()>& body, const Target& target, AtTarget action) {
  if (target.event >= 0) return RunToEvent(body, target.event, action);
  Handle(action, nullptr);
  stepping.left = target.steps;
  stepping.passes = target.occurrence - 1;
  if (target.pc == 0 && target.steps == 0) {
    Act(action);
    body();
    return;
  }
  const bool trap = target.pc == 0;
  if (!trap) SHOAL_CHECK(SetBreakpoint(target.pc), "code can be changed");
  Run(body, trap);
}

void RecordSteps(const std::function<void()>& body, Trace& trace, int64_t limit) {
  Handle(AtTarget::kDie, &trace);
  stepping.left = std::min(limit, Trace::kMax - 1);
  trace.ended = false;
  trace.at[0] = 0;
  trace.length = 1;
  Run(body, true);
  trace.ended = true;
}

Target WayTo(const Trace& steps, int64_t k) {
  constexpr int64_t kStep = 20, kStop = 2;  // about, in microseconds; to pass a breakpoint takes one of each
  constexpr int64_t kOwn = 16;              // the first boundaries lie between the driver's own instructions
  const uint64_t kernel_code = getauxval(AT_SYSINFO_EHDR);  // where nobody can write
  Target best{.steps = k};
  int64_t best_cost = k * kStep;
  std::unordered_map<uint64_t, int64_t> passes;  // of each instruction, by the time it is at k
  for (int64_t i = 0; i <= k; ++i) ++passes[steps.pc(i)];
  for (int64_t i = k; i >= kOwn && (k - i) * kStep < best_cost; --i) {
    const uint64_t pc = steps.pc(i);
    const int64_t occurrence = passes[pc]--;
    const int64_t cost = (k - i) * kStep + (occurrence - 1) * (kStep + kStop) + kStop;
    if (cost >= best_cost || pc - kernel_code < 4 * 4096) continue;
    best_cost = cost;
    best = {.pc = pc, .occurrence = occurrence, .steps = k - i};
  }
  return best;
}

void UsePlainStringInstructions(char** argv) {
  constexpr char kTunables[] = "glibc.cpu.x86_rep_movsb_threshold=1073741824:glibc.cpu.x86_rep_stosb_threshold=1073741824";
  if (getenv("GLIBC_TUNABLES") != nullptr) return;
  setenv("GLIBC_TUNABLES", kTunables, 1);
  execv("/proc/self/exe", argv);
}

}  // namespace shoal::tests
