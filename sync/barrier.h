#ifndef SHOAL_SYNC_BARRIER_H_
#define SHOAL_SYNC_BARRIER_H_

#include <atomic>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/futex.h"
#include "shoal/sync/robust_list.h"

namespace shoal {

// Where a fixed number of parties wait for each other, again and again.
//
//   auto* phase = new (shared_memory) shoal::Barrier(4);
//   absl::StatusOr<int> index = phase->Wait();   // 0 to 3, each to one of the four
//
// Thread safety:   every call may run concurrently with every other. Not for signal handlers, except parties, waiting, broken.
// Process safety:  lies in any MAP_SHARED memory, at any address. Zero-filled it has no parties: every Wait is InvalidArgument.
// Crash safety:    the death of a party that has come and waits, or runs the action, breaks the barrier at once: the others get
//                  Aborted. A party that dies before it comes is missed: give Wait a timeout.
// Blocking:        Wait sleeps until the last party comes; woken by it, by whoever breaks the barrier, or by the kernel when a
//                  party dies. A timeout breaks the barrier for all.
// Memory ordering: what each party did before Wait is visible to all parties after it, and to the action.
// Ownership:       the memory outlives every call on it.
// Errors:          Aborted: the barrier is or was broken (timeout, Abort, Reset, death, exception in an action);
//                  InvalidArgument: not 1 to 127 parties; ResourceExhausted: more than 127 threads in Wait, or this thread
//                  holds 992 locks; FailedPrecondition: this thread has no robust list; DataLoss: these bytes are not a
//                  barrier; Unimplemented: no futex_waitv.
// Allocation:      none. Layout: 5,104 bytes, aligned to 8.
class Barrier final {
 public:
  // A sleeper compares the beacon, the cycle and every other party's slot: as many words as one system call takes.
  static constexpr int kMaxParties = 127;
  using Action = absl::FunctionRef<void()>;

  constexpr explicit Barrier(int parties) : parties_(parties) {}
  Barrier(const Barrier&) = delete;
  Barrier& operator=(const Barrier&) = delete;

  // Returns the arrival index, 0 to parties() - 1, each to exactly one party of a cycle.
  [[nodiscard]] absl::StatusOr<int> Wait(absl::Duration timeout = absl::InfiniteDuration());

  // The same; the last to come runs `action` before anybody goes on. If the action throws, the barrier breaks, the others get
  // Aborted, and the exception goes to the caller.
  [[nodiscard]] absl::StatusOr<int> Wait(Action action, absl::Duration timeout = absl::InfiniteDuration());

  // Breaks the barrier: all who wait, and all who come until Reset, get Aborted.
  void Abort();

  // Makes it usable again. Those who wait get Aborted.
  void Reset();

  int parties() const { return parties_; }
  int waiting() const;  // how many have come in this cycle; 0 while the action runs
  bool broken() const;

 private:
  absl::StatusOr<int> WaitUntil(const Action* action, sync_internal::Deadline deadline);
  absl::StatusOr<int> Arrive(sync_internal::Thread& self, int slot, const Action* action, sync_internal::Deadline deadline,
                             bool* again);
  absl::StatusOr<int> RunAction(sync_internal::Thread& self, int slot, uint64_t running, Action action, int index);
  bool SleepUntilChange(int own_slot, uint64_t seen, sync_internal::Deadline deadline);
  int ClaimSlot(sync_internal::Thread& self);
  bool BreakIfDead(uint64_t seen);
  void Break(uint64_t seen);
  bool Change(uint64_t& seen, uint64_t wanted);
  void WakeAllOf(uint64_t state);
  const sync_internal::FutexWord* cycle_word() const;

  std::atomic<uint64_t> state_{0};      // see the table in barrier.cc
  sync_internal::FutexWord beacon_{0};  // always 0
  std::atomic<uint32_t> woken_{0};      // the newest stage of a cycle for which all sleepers were woken
  int32_t parties_;
  std::atomic<int32_t> slots_used_{0};                 // slots at and above it have never been used
  sync_internal::RobustWord slots_[kMaxParties] = {};  // held by those in Wait: the kernel marks the dead ones'
};
static_assert(sizeof(Barrier) == 5104 && alignof(Barrier) == 8, "part of the shared layout");

}  // namespace shoal

#endif  // SHOAL_SYNC_BARRIER_H_
