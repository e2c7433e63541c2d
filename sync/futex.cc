#include "shoal/sync/futex.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <climits>

#include "shoal/sync/check.h"

// Debian 12's <linux/futex.h> has all of these; the numbers are the kernel's ABI.
#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

#ifdef __SANITIZE_THREAD__
#define SHOAL_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SHOAL_TSAN 1
#endif
#endif
#ifdef SHOAL_TSAN
extern "C" void __tsan_release(void* address);
#endif

namespace shoal::sync_internal {
namespace {

// A store that the kernel makes for us is invisible to ThreadSanitizer: tell it that one happens. (--config=tsan)
void AnnounceRelease([[maybe_unused]] FutexWord& word) {
#ifdef SHOAL_TSAN
  __tsan_release(&word);
#endif
}

// FUTEX_WAKE_OP packs (operation, operand, comparison, comparand) in one word: here "store `value`", and a comparison with
// the old word that must never hold, because where it holds the kernel wakes at least one sleeper more, even when asked for
// none. "Equal to all ones" never holds where it matters: a lock word never has that value, and the counters that reach it
// are changed by calls that wake everybody anyway. ("Less than 0" would hold: bit 31 is WAITERS.)
// Operands have 12 bits, sign-extended; larger ones use the shift form, "store 1 << operand".
constexpr int kAllOnes = 0xfff;  // sign-extended to 32 bits

constexpr uint32_t WakeOperation(int operation, uint32_t operand) {
  return (static_cast<uint32_t>(operation) << 28) | (static_cast<uint32_t>(FUTEX_OP_CMP_EQ) << 24) | (operand << 12) |
         static_cast<uint32_t>(kAllOnes);
}

// `operation` with `value` on `word`, and at most `count` of its sleepers woken.
int OperateAndWake(FutexWord& word, int operation, uint32_t value, int count) {
  SHOAL_CHECK(value < (1u << 11) || (value & (value - 1)) == 0, "the kernel's operand is a small number or a single bit");
  const uint32_t packed = value < (1u << 11)
                              ? WakeOperation(operation, value)
                              : WakeOperation(operation | FUTEX_OP_OPARG_SHIFT, static_cast<uint32_t>(__builtin_ctz(value)));
  AnnounceRelease(word);
  // The second word of the operation is the one that is changed; both are `word`. `val2` (how many to wake if the comparison
  // holds) travels in the timeout argument; it is 0.
  const long woken = syscall(SYS_futex, &word, FUTEX_WAKE_OP, count, nullptr, &word, packed);
  SHOAL_CHECK(woken >= 0, "FUTEX_WAKE_OP refused its arguments");
  return static_cast<int>(woken);
}

}  // namespace

FutexOutcome SleepWhile(std::initializer_list<FutexExpectation> expectations, Deadline deadline, int* woken_by) {
  return SleepWhile(expectations.begin(), static_cast<int>(expectations.size()), deadline, woken_by);
}

FutexOutcome SleepWhile(const FutexExpectation* expectations, int count, Deadline deadline, int* woken_by) {
  if (woken_by != nullptr) *woken_by = -1;
  SHOAL_CHECK(count >= 1 && count <= kMaxFutexWords, "a sleeper names 1 to 128 words");
  struct futex_waitv waiters[kMaxFutexWords];
  for (int i = 0; i < count; ++i) {
    waiters[i] = {};
    waiters[i].val = expectations[i].expected;
    waiters[i].uaddr = reinterpret_cast<uintptr_t>(expectations[i].word);
    waiters[i].flags = FUTEX_32;
  }
  struct timespec until = deadline.ToTimespec();
  for (;;) {
    const long result = syscall(SYS_futex_waitv, waiters, count, 0, deadline.infinite() ? nullptr : &until, CLOCK_MONOTONIC);
    if (result >= 0) {
      if (woken_by != nullptr) *woken_by = static_cast<int>(result);
      return FutexOutcome::kWoken;
    }
    switch (errno) {
      case EAGAIN:
        return FutexOutcome::kChanged;
      case ETIMEDOUT:
        return FutexOutcome::kTimedOut;
      case EINTR:
        return FutexOutcome::kWoken;  // The caller re-checks anyway; its deadline is absolute.
      default:
        SHOAL_CHECK(false, "futex_waitv refused its arguments");
    }
  }
}

int Wake(const FutexWord& word, int count) {
  const long woken = syscall(SYS_futex, &word, FUTEX_WAKE, count, nullptr, nullptr, 0);
  SHOAL_CHECK(woken >= 0, "FUTEX_WAKE refused its arguments");
  return static_cast<int>(woken);
}

int WakeAll(const FutexWord& word) { return Wake(word, INT_MAX); }

int StoreAndWake(FutexWord& word, uint32_t value, int count) { return OperateAndWake(word, FUTEX_OP_SET, value, count); }

int OrAndWake(FutexWord& word, uint32_t bit, int count) { return OperateAndWake(word, FUTEX_OP_OR, bit, count); }

int IncrementAndWake(FutexWord& word, int count) { return OperateAndWake(word, FUTEX_OP_ADD, 1, count); }

int AddAndWake(FutexWord& word, uint32_t amount, int count) { return OperateAndWake(word, FUTEX_OP_ADD, amount, count); }

bool FutexWaitvSupported() {
  // relaxed: every thread computes the same answer.
  static std::atomic<int> answer{-1};
  int known = answer.load(std::memory_order_relaxed);
  if (known < 0) {
    // Sleeping on nothing is EINVAL where the call exists, ENOSYS (or a seccomp profile's EPERM) where it does not.
    const long result = syscall(SYS_futex_waitv, nullptr, 0, 0, nullptr, CLOCK_MONOTONIC);
    known = (result < 0 && errno == EINVAL) ? 1 : 0;
    answer.store(known, std::memory_order_relaxed);  // relaxed: as above
  }
  return known == 1;
}

}  // namespace shoal::sync_internal
