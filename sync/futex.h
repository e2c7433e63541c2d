#ifndef SHOAL_SYNC_FUTEX_H_
#define SHOAL_SYNC_FUTEX_H_

#include <atomic>
#include <cstdint>
#include <initializer_list>

#include "shoal/sync/deadline.h"

namespace shoal::sync_internal {

// A 32-bit word on which threads of any process can sleep. It lies in memory that all of them map.
using FutexWord = std::atomic<uint32_t>;
static_assert(sizeof(FutexWord) == 4 && FutexWord::is_always_lock_free,
              "the kernel compares exactly these four bytes, and other processes change them with the same instruction");

// What a sleeper compares, and against what. It sleeps only while every word still has its expected value.
struct FutexExpectation {
  const FutexWord* word;
  uint32_t expected;
};

enum class FutexOutcome : uint8_t {
  kWoken,     // by a waker, by a death or for no reason: look again
  kChanged,   // a word did not have its expected value; nobody slept
  kTimedOut,  // the deadline passed
};

// The one place that speaks to the kernel about futexes (futex(2), futex_waitv).
//
// Thread safety:   every call may run concurrently with every other.
// Process safety:  always process-shared: the private flag is never used, so the words may be mapped anywhere.
// Crash safety:    a call changes nothing by itself, except StoreAndWake, which stores and wakes in one system call: no
//                  death can come between.
// Blocking:        SleepWhile only. Signals do not end a sleep early, apart from a spurious kWoken.
// Memory ordering: none of these orders anything; the atomic operations on the words do.
// Errors:          misuse that the kernel reports (a bad address, an unaligned word) is a broken invariant: CHECK.

// Sleeps while all words have their expected values, at most until `deadline`. The words are compared in the order given
// and the sleeper is queued on each before the next is compared: put the beacon first.
// REQUIRES: 1 to kMaxFutexWords expectations; FutexWaitvSupported().
// With `woken_by`: the index of a word through which it was woken (the last, if there were several), -1 for no word.
FutexOutcome SleepWhile(std::initializer_list<FutexExpectation> expectations, Deadline deadline, int* woken_by = nullptr);
FutexOutcome SleepWhile(const FutexExpectation* expectations, int count, Deadline deadline, int* woken_by = nullptr);
inline constexpr int kMaxFutexWords = 128;  // FUTEX_WAITV_MAX

// Wakes at most `count` sleepers of `word`; returns how many were woken. Async-signal-safe.
int Wake(const FutexWord& word, int count);
int WakeAll(const FutexWord& word);

// Stores `value` into `word` and wakes at most `count` of its sleepers, in one system call (FUTEX_WAKE_OP): the kernel looks
// at no signal in between, so neither death nor a handler can separate the two. Async-signal-safe. The store is a full
// barrier. Returns how many were woken.
int StoreAndWake(FutexWord& word, uint32_t value, int count);

// The same with `word |= bit`, `word += 1` and `word += amount` (at most 2047) in the place of the store.
int OrAndWake(FutexWord& word, uint32_t bit, int count);
int IncrementAndWake(FutexWord& word, int count);
int AddAndWake(FutexWord& word, uint32_t amount, int count);

// Whether the kernel has futex_waitv (Linux 5.16) and lets this process call it (some seccomp profiles do not).
bool FutexWaitvSupported();

}  // namespace shoal::sync_internal

#endif  // SHOAL_SYNC_FUTEX_H_
