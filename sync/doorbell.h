#ifndef SHOAL_SYNC_DOORBELL_H_
#define SHOAL_SYNC_DOORBELL_H_

#include <atomic>
#include <cstdint>

#include "shoal/sync/deadline.h"
#include "shoal/sync/futex.h"

namespace shoal::sync_internal {

// Where one sleeper waits for any of several ringers to have changed something it looks at.
//
//   sleeper: for (;;) { if (LookForWork()) break;            ringer: PublishWork();
//                       bell.Arm();                                  bell.Ring();
//                       if (LookForWork()) { bell.Disarm(); break; }
//                       bell.Sleep(deaths, seen, deadline); }
//
// A ring that nobody waits for costs one fence and one load; only a ring that finds the bell armed enters the kernel.
//
// Thread safety:   one thread at a time may arm and sleep; any number may ring.
// Process safety:  lies in shared memory; valid when zero-filled.
// Crash safety:    a ringer that dies between its publication and its Ring() leaves the sleeper asleep. So the sleeper also
//                  sleeps on `deaths`, a word that its own process changes (and wakes) when it learns of the ringer's death
//                  from the kernel. Within Ring() nothing can come between: disarm and wake are one system call. A sleeper
//                  that dies leaves an armed bell: harmless.
// Blocking:        Sleep only; woken by Ring, by a change of `deaths`, at the deadline, or for no reason.
// Memory ordering: none for data. The sleeper's look is what acquires the publication; the bell only makes sure it looks.
// Layout:          4 bytes.
//
//  word   meaning                                           who may change it, to what
//   0     nobody sleeps, or the sleeper is being woken      the sleeper → 1
//   1     the sleeper sleeps or is about to                 a ringer → 0, then wakes; the sleeper → 0
//
//  EDGE doorbell.dekker: {publication; fence; load word} against {store word; fence; look}. At least one side sees the other:
//  either the ringer sees the bell armed, or the sleeper's look finds the publication.
class Doorbell final {
 public:
  // Announces that this thread is about to sleep. Look once more before Sleep().
  void Arm() {
    armed_.store(1, std::memory_order_relaxed);           // relaxed: ordered by the fence below
    std::atomic_thread_fence(std::memory_order_seq_cst);  // seq_cst: store→load with Ring(); see EDGE doorbell.dekker
  }

  void Disarm() { armed_.store(0, std::memory_order_relaxed); }  // relaxed: a late ringer only wakes nobody

  // Sleeps while the bell is armed and `deaths` still has the value `deaths_seen`. Disarmed on return.
  FutexOutcome Sleep(const FutexWord& deaths, uint32_t deaths_seen, Deadline deadline) {
    const FutexOutcome outcome = SleepWhile({{&deaths, deaths_seen}, {&armed_, 1}}, deadline);
    Disarm();
    return outcome;
  }

  // Wakes the sleeper if there is one. Call it after the publication. Async-signal-safe.
  void Ring() {
    std::atomic_thread_fence(std::memory_order_seq_cst);  // seq_cst: store→load with Arm(); see EDGE doorbell.dekker
    // relaxed: only decides whether to enter the kernel; the fence above orders it after the publication
    if (armed_.load(std::memory_order_relaxed) == 0) return;
    StoreAndWake(armed_, 0, 1);
  }

 private:
  FutexWord armed_{0};
};
static_assert(sizeof(Doorbell) == 4, "part of the shared layout");

}  // namespace shoal::sync_internal

#endif  // SHOAL_SYNC_DOORBELL_H_
