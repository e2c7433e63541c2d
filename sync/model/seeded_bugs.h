#ifndef SHOAL_SYNC_MODEL_SEEDED_BUGS_H_
#define SHOAL_SYNC_MODEL_SEEDED_BUGS_H_

#include <stdio.h>

#include <cstdint>

#include "gtest/gtest.h"
#include "shoal/sync/model/explorer.h"

namespace shoal::sync_model {

// What can be wrong with a word machine. Each machine has those that mean something for it, and the explorer must find them; see
// tests/sync/README.md for what protects the code from each.
enum class Bug : uint8_t {
  kNone,
  kNoRecheck,            // sleeps without comparing the state in the kernel
  kWakeBeforeStore,      // wakes, and only then changes the state
  kStoreThenWake,        // two system calls' worth of steps where there must be one
  kPendingClearedEarly,  // list_op_pending is cleared before the wake, or before the lock word is given up
  kPendingLate,          // list_op_pending is set after the lock word was taken
  kNoBaton,              // the woken one does not see to those behind it
  kWaitersForgotten,     // the woken one does not set the waiters bit again
  kStateBeforeBeacon,    // the sleeper queues on the state first
  kPendingIsTheWord,     // the sleeper's list_op_pending is the lock word (the textbook, and glibc)
  kDeathsNotCounted,     // a waiter does not ask whether an owner has died meanwhile
  kWakeOne,              // a notification wakes one
  kSlotsNotCompared,     // a barrier's sleeper looks at the others' slots, but the kernel does not
  kArrivalAfterCount,    // a barrier's party says in which cycle it came after it was counted
  kNothingPending,       // a sleeper's list_op_pending is empty
  kWakeNotRepeated,      // a barrier's woken sleeper does not wake again for a dead one
  kLooksBeforeStore,     // a writer looks at the readers' words, and only then says that it writes
  kWaitNotTold,          // a reader that begins to wait for a writer does not tell it
  kWaitersInTheWay,      // a writer waits for readers that wait for it
  kDeathNotPassedOn,     // the next owner does not wake those whom the dead one should have woken
  kReleaseBeforeWake,    // a writer gives the turnstile up before it has woken the readers
  kNotMadeGood,          // a reader that takes over from a dead writer looks at what that left
  kNoReplayLock,         // two undo the same section at once
  kClosedFirst,          // a section counts as undone before it is
};

inline const char* Name(Bug bug) {
  static constexpr const char* kNames[] = {"none",
                                           "no re-check",
                                           "wake before the store",
                                           "store, then wake",
                                           "pending cleared early",
                                           "pending late",
                                           "no baton",
                                           "waiters bit forgotten",
                                           "state before the beacon",
                                           "pending is the lock word",
                                           "deaths not counted",
                                           "wake one",
                                           "slots not compared",
                                           "arrival after count",
                                           "nothing pending asleep",
                                           "wake not repeated",
                                           "looks before the store",
                                           "wait not told",
                                           "waiters in the way",
                                           "death not passed on",
                                           "release before the wake",
                                           "not made good",
                                           "no replay lock",
                                           "closed before it is undone"};
  return kNames[static_cast<int>(bug)];
}

inline void ExpectSound(const char* what, const Result& result) {
  printf("%-60s %9ld states\n", what, result.states);
  EXPECT_FALSE(result.hang) << what;
  EXPECT_FALSE(result.bad) << what;
}

inline void ExpectFound(const char* what, Bug bug, const Result& result) {
  printf("%-22s %-36s found after %ld states\n", what, Name(bug), result.states);
  EXPECT_TRUE(result.found()) << what << ": " << Name(bug);
}

}  // namespace shoal::sync_model

#endif  // SHOAL_SYNC_MODEL_SEEDED_BUGS_H_
