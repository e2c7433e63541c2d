// The word machines of sync, step by step as in robust_lock.cc, permits.cc, event.cc, condition.cc and barrier.cc, explored
// exhaustively; and the same with bugs seeded on purpose, which must be found. A machine that is changed is changed here too.

#include <stdio.h>

#include <cstdint>

#include "gtest/gtest.h"
#include "shoal/sync/model/explorer.h"

namespace shoal::sync_model {
namespace {

enum class Bug {
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
};

const char* Name(Bug bug) {
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
                                           "wake not repeated"};
  return kNames[static_cast<int>(bug)];
}

// ---- Lock ----------------------------------------------------------------------------------------------------------------------

struct LockMachine {
  Bug bug = Bug::kNone;
  bool one_gives_up = false;  // party 0 may time out

  static constexpr int kWord = 0;
  static constexpr int kBeacon = 1;

  void Next(const State& state, int self, Step& step) const {
    const Party& me = state.party[self];
    const uint8_t own = static_cast<uint8_t>(self + 1);
    const uint8_t word = state.word[kWord];
    const int first = bug == Bug::kStateBeforeBeacon ? kWord : kBeacon;
    const int second = bug == Bug::kStateBeforeBeacon ? kBeacon : kWord;
    const auto expected = [&](int which) { return which == kWord ? me.seen : uint8_t{0}; };
    const auto compares = [&](int which) { return which == kBeacon || bug != Bug::kNoRecheck; };
    switch (me.pc) {
      case 0:  // SetPending(word)
        step.Go(1, [&](State&, Party& next) { next.pending = bug == Bug::kPendingLate ? kNothing : kWord; });
        break;
      case 1:  // load
        if ((word & kOwner) != 0 && one_gives_up && self == 0) {
          step.Go(15);  // DeadlineExceeded
        }
        step.Go((word & kOwner) == 0 ? 2 : (word & kWaiters) == 0 ? 3 : 4, [&](State&, Party& next) { next.seen = word; });
        break;
      case 2:  // CAS to (waiters, self)
        if (word != me.seen) {
          step.Go(1);
        } else {
          step.Go(bug == Bug::kPendingLate ? 16 : 8,
                  [&](State& next, Party&) { next.word[kWord] = static_cast<uint8_t>((word & kWaiters) | own); });
        }
        break;
      case 16:  // the seeded bug's late SetPending
        step.Go(8, [](State&, Party& next) { next.pending = kWord; });
        break;
      case 3:  // CAS: set waiters
        if (word != me.seen) {
          step.Go(1);
        } else {
          step.Go(4, [&](State& next, Party& party) {
            next.word[kWord] |= kWaiters;
            party.seen |= kWaiters;
          });
        }
        break;
      case 4:  // SetPending(beacon)
        step.Go(5, [&](State&, Party& next) {
          next.pending = bug == Bug::kPendingIsTheWord ? kWord : bug == Bug::kNothingPending ? kNothing : kBeacon;
        });
        break;
      case 5:
        step.Queue(first, compares(first), expected(first), 7, 6);
        break;
      case 6:
        step.Queue(second, compares(second), expected(second), 7, 17);
        break;
      case 17:
        step.Asleep(18);
        if (one_gives_up && self == 0 && !me.woken) {
          step.Go(7, [](State&, Party& next) { next.queued = 0; });  // the deadline passed
        }
        break;
      case 18:  // fetch_or waiters
        step.Go(7, [&](State& next, Party&) {
          if (bug != Bug::kWaitersForgotten) next.word[kWord] |= kWaiters;
        });
        break;
      case 7:  // SetPending(word)
        step.Go(1, [](State&, Party& next) { next.pending = kWord; });
        break;
      case 8:  // Link
        step.Go(9, [](State&, Party& next) { next.listed = kWord; });
        break;
      case 9:  // ClearPending; the section begins
        step.Go(10, [](State& next, Party& party) {
          party.pending = kNothing;
          ++next.shared[0];
        });
        break;
      case 10:  // the section ends; SetPending(word)
        step.Go(11, [](State& next, Party& party) {
          party.pending = kWord;
          --next.shared[0];
        });
        break;
      case 11:  // Unlink
        step.Go(12, [&](State&, Party& next) {
          next.listed = kNothing;
          if (bug == Bug::kPendingClearedEarly) next.pending = kNothing;
        });
        break;
      case 12:  // CAS to free
        if (word == own) {
          step.Go(15, [](State& next, Party&) { next.word[kWord] = 0; });
        } else {
          step.Go(bug == Bug::kStoreThenWake ? 13 : bug == Bug::kWakeBeforeStore ? 19 : 14);
        }
        break;
      case 14:  // FUTEX_WAKE_OP
        step.Wake(15, kWord, 1, [](State& next, Party&) { next.word[kWord] = 0; });
        break;
      case 13:  // the seeded bug's store, then its wake
        step.Go(20, [](State& next, Party&) { next.word[kWord] = 0; });
        break;
      case 20:
        step.Wake(15, kWord, 1, [](State&, Party&) {});
        break;
      case 19:  // the seeded bug's wake, then its store
        step.Wake(21, kWord, 1, [](State&, Party&) {});
        break;
      case 21:
        step.Go(15, [](State& next, Party&) { next.word[kWord] = 0; });
        break;
      case 15:  // ClearPending
        step.Go(me.rounds > 1 ? 0 : kDone, [](State&, Party& next) {
          next.pending = kNothing;
          next.seen = 0;
          --next.rounds;
        });
        break;
      default:
        FAIL();
    }
  }

  // Two in the section. (A dead one's count is taken back by whoever takes the lock over: see below.)
  bool Bad(const State& state) const {
    int inside = 0;
    for (const Party& party : state.party) inside += !party.dead && party.pc == 10;
    return inside > 1;
  }
  bool MaySleep(const State&, int) const { return false; }
};

Result ExploreLock(Bug bug, int parties, int rounds, int deaths, bool one_gives_up = false) {
  State initial;
  initial.deaths_left = static_cast<uint8_t>(deaths);
  for (int i = 0; i < parties; ++i) initial.party[i].rounds = static_cast<uint8_t>(rounds);
  const LockMachine machine{.bug = bug, .one_gives_up = one_gives_up};
  return Explorer(machine, parties).Run(initial);
}

// ---- semaphores ----------------------------------------------------------------------------------------------------------------

struct PermitsMachine {
  Bug bug = Bug::kNone;
  int acquirers = 0;     // the first parties; the others release
  bool a_thief = false;  // the last acquirer only tries
  uint8_t brings = 1;

  static constexpr int kState = 0;
  static constexpr int kBeacon = 1;
  static constexpr uint8_t kCount = 0x7f;

  void Next(const State& state, int self, Step& step) const {
    if (self < acquirers) {
      Acquire(state, self, step);
    } else {
      Release(state, self, step);
    }
  }

  void Acquire(const State& state, int self, Step& step) const {
    const Party& me = state.party[self];
    const uint8_t word = state.word[kState];
    const bool tries = a_thief && self == acquirers - 1;
    const int first = bug == Bug::kStateBeforeBeacon ? kState : kBeacon;
    const int second = bug == Bug::kStateBeforeBeacon ? kBeacon : kState;
    const auto expected = [&](int which) { return which == kState ? me.seen : uint8_t{0}; };
    const auto compares = [&](int which) { return which == kBeacon || bug != Bug::kNoRecheck; };
    switch (me.pc) {
      case 0:
        step.Go(1, [&](State&, Party& next) {
          next.pending = tries || bug == Bug::kNothingPending ? kNothing : static_cast<int8_t>(kBeacon);
        });
        break;
      case 1:
        if ((word & kCount) == 0 && tries) {
          step.Go(kDone);
        } else {
          step.Go((word & kCount) != 0 ? 2 : (word & kWaiters) == 0 ? 3 : 4, [&](State&, Party& next) { next.seen = word; });
        }
        break;
      case 2:
        if (word != me.seen) {
          step.Go(1);
        } else {
          const bool baton = !tries && (word & kCount) > 1 && (word & kWaiters) != 0 && bug != Bug::kNoBaton;
          step.Go(baton ? 8 : 9, [&](State& next, Party&) { --next.word[kState]; });
        }
        break;
      case 3:
        if (word != me.seen) {
          step.Go(1);
        } else {
          step.Go(4, [](State& next, Party& party) {
            next.word[kState] |= kWaiters;
            party.seen |= kWaiters;
          });
        }
        break;
      case 4:
        step.Queue(first, compares(first), expected(first), 1, 5);
        break;
      case 5:
        step.Queue(second, compares(second), expected(second), 1, 6);
        break;
      case 6:
        step.Asleep(7);
        break;
      case 7:
        step.Go(1, [&](State& next, Party&) {
          if (bug != Bug::kWaitersForgotten) next.word[kState] |= kWaiters;
        });
        break;
      case 8:
        step.Wake(9, kState, 1, [](State&, Party&) {});
        break;
      case 9:
        step.Go(kDone, [](State&, Party& next) { next.pending = kNothing; });
        break;
      default:
        FAIL();
    }
  }

  void Release(const State& state, int self, Step& step) const {
    const Party& me = state.party[self];
    const uint8_t word = state.word[kState];
    switch (me.pc) {
      case 0:
        step.Go((word & kWaiters) == 0 ? 1 : 2, [&](State&, Party& next) { next.seen = word; });
        break;
      case 1:  // nobody asleep: one CAS
        if (word != me.seen) {
          step.Go(0);
        } else {
          step.Go(6, [&](State& next, Party&) { next.word[kState] = static_cast<uint8_t>(word + brings); });
        }
        break;
      case 2:
        step.Go(bug == Bug::kWakeBeforeStore ? 7 : 3, [](State&, Party& next) { next.pending = kBeacon; });
        break;
      case 7:  // the seeded bug's wake
        step.Wake(8, kState, brings, [](State&, Party&) {});
        break;
      case 8:
        step.Go(6, [&](State& next, Party&) { next.word[kState] = static_cast<uint8_t>((word & kCount) + brings); });
        break;
      case 3:  // CAS; whoever sleeps is woken next
        step.Go((word & kWaiters) != 0 ? 4 : 6, [&](State& next, Party& party) {
          next.word[kState] = static_cast<uint8_t>((word & kCount) + brings);
          if (bug == Bug::kPendingClearedEarly) party.pending = kNothing;
        });
        break;
      case 4:
        step.Wake(6, kState, brings, [](State&, Party&) {});
        break;
      case 6:
        step.Go(me.rounds > 1 ? 0 : kDone, [](State&, Party& next) {
          next.pending = kNothing;
          next.seen = 0;
          --next.rounds;
        });
        break;
      default:
        FAIL();
    }
  }

  bool Bad(const State&) const { return false; }
  bool MaySleep(const State& state, int) const { return (state.word[kState] & kCount) == 0; }
};

Result ExplorePermits(Bug bug, int acquirers, int releasers, int rounds, uint8_t brings, int deaths, bool a_thief) {
  State initial;
  initial.deaths_left = static_cast<uint8_t>(deaths);
  for (int i = 0; i < acquirers + releasers; ++i) initial.party[i].rounds = static_cast<uint8_t>(rounds);
  const PermitsMachine machine{.bug = bug, .acquirers = acquirers, .a_thief = a_thief, .brings = brings};
  return Explorer(machine, acquirers + releasers).Run(initial);
}

// ---- Event ---------------------------------------------------------------------------------------------------------------------

struct EventMachine {
  Bug bug = Bug::kNone;
  int waiters = 0;  // the first parties; then one that sets, clears and sets; then one that sets

  static constexpr int kState = 0;
  static constexpr uint8_t kSet = 1;
  static constexpr uint8_t kSleepers = 2;

  void Next(const State& state, int self, Step& step) const {
    const Party& me = state.party[self];
    const uint8_t word = state.word[kState];
    if (self < waiters) {
      switch (me.pc) {
        case 0:  // the round it waits in
          step.Go((word & kSet) != 0 ? kDone : 1, [&](State&, Party& next) {
            next.seen = word;
            next.other[0] = word >> 2;
          });
          break;
        case 1:  // set, or another round: there was a Set
          if ((me.seen & kSet) != 0 || (me.seen >> 2) != me.other[0]) {
            step.Go(kDone);
          } else if ((me.seen & kSleepers) != 0) {
            step.Go(2);
          } else if (word != me.seen) {
            step.Go(1, [&](State&, Party& next) { next.seen = word; });
          } else {
            step.Go(2, [](State& next, Party& party) {
              next.word[kState] |= kSleepers;
              party.seen |= kSleepers;
            });
          }
          break;
        case 2:
          step.Queue(kState, bug != Bug::kNoRecheck, me.seen, 4, 3);
          break;
        case 3:
          step.Asleep(4);
          break;
        case 4:
          step.Go(1, [&](State&, Party& next) { next.seen = word; });
          break;
        default:
          FAIL();
      }
      return;
    }
    switch (me.pc) {
      case 0:  // Set
        if ((word & kSet) != 0) {
          step.Go(5);
        } else {
          step.Go((word & kSleepers) == 0 ? 1 : 2, [&](State&, Party& next) { next.seen = word; });
        }
        break;
      case 1:
        if (word != me.seen) {
          step.Go(0);
        } else {
          step.Go(5, [](State& next, Party&) { next.word[kState] |= kSet; });
        }
        break;
      case 2:
        if (bug == Bug::kStoreThenWake) {
          step.Go(3, [](State& next, Party&) { next.word[kState] |= kSet; });
        } else if (bug == Bug::kWakeBeforeStore) {
          step.Wake(4, kState, kMaxParties, [](State&, Party&) {});
        } else {
          step.Wake(5, kState, kMaxParties, [](State& next, Party&) { next.word[kState] |= kSet; });
        }
        break;
      case 3:
        step.Wake(5, kState, kMaxParties, [](State&, Party&) {});
        break;
      case 4:
        step.Go(5, [](State& next, Party&) { next.word[kState] |= kSet; });
        break;
      case 5:
        step.Go(me.rounds > 1 && self == waiters ? 6 : kDone, [](State& next, Party& party) {
          next.shared[0] = 1;  // a Set has returned
          --party.rounds;
        });
        break;
      case 6:  // Clear
        if ((word & kSet) == 0) {
          step.Go(0);
        } else {
          step.Go(0, [&](State& next, Party&) { next.word[kState] = static_cast<uint8_t>((word & ~3) + 4); });
        }
        break;
      default:
        FAIL();
    }
  }

  bool Bad(const State&) const { return false; }
  // Set now: nobody may sleep. Not set: whoever sleeps came after the last Set, and its round says so.
  bool MaySleep(const State& state, int party) const {
    return (state.word[kState] & kSet) == 0 && (state.word[kState] >> 2) == state.party[party].other[0];
  }
};

Result ExploreEvent(Bug bug, int waiters, int setters, int deaths) {
  State initial;
  initial.deaths_left = static_cast<uint8_t>(deaths);
  for (int i = 0; i < waiters + setters; ++i) initial.party[i].rounds = 2;
  const EventMachine machine{.bug = bug, .waiters = waiters};
  return Explorer(machine, waiters + setters).Run(initial);
}

// ---- Condition: consumers with rollback, producers; the lock is the one above, here in one step ----------------------------------

struct ConditionMachine {
  Bug bug = Bug::kNone;
  int consumers = 0;

  static constexpr int kLock = 0;
  static constexpr int kSequence = 1;
  static constexpr int kBeacon = 2;
  static constexpr int kItems = 0;  // shared[...]
  static constexpr int kTokens = 1;
  static constexpr int kTaking = 2;  // an item taken in a section that is not over
  static constexpr int kDeaths = 3;  // of owners of the lock
  static constexpr int kSeen = 4;    // those that all waiters have been told of
  static constexpr int kUnsent = 5;  // items whose notification is not sent yet

  // Takes the lock if it is free, rolling back what a dead owner left.
  static bool Take(const State& state, int self, Step& step, uint8_t pc) {
    if ((state.word[kLock] & kOwner) != 0) return false;
    step.Go(pc, [&](State& next, Party& me) {
      if ((next.word[kLock] & kOwnerDied) != 0) {
        ++next.shared[kDeaths];
        next.shared[kItems] = static_cast<uint8_t>(next.shared[kItems] + next.shared[kTaking]);
        next.shared[kTaking] = 0;
      }
      next.word[kLock] = static_cast<uint8_t>(self + 1);
      me.listed = kLock;
      me.pending = kNothing;
    });
    return true;
  }
  static void GiveUp(State& next, Party& me) {
    next.word[kLock] = 0;
    me.listed = kNothing;
  }

  void Next(const State& state, int self, Step& step) const {
    const Party& me = state.party[self];
    switch (me.pc) {
      case 0:
        Take(state, self, step, 1);
        break;
      case 1:  // NotifyAllAfterDeath: tokens for all, everybody woken
        if (state.shared[kSeen] != state.shared[kDeaths] && bug != Bug::kDeathsNotCounted) {
          step.Wake(2, kSequence, kMaxParties, [&](State& next, Party&) {
            ++next.word[kSequence];
            next.shared[kSeen] = next.shared[kDeaths];
          });
        } else {
          step.Go(2);
        }
        break;
      case 2:
        if (self >= consumers) {
          step.Go(20, [](State& next, Party& party) {  // an item
            ++next.shared[kItems];
            next.shared[kUnsent] = 1;
            party.pending = kBeacon;
          });
        } else if (state.shared[kItems] != 0) {
          step.Go(10);
        } else {
          step.Go(3, [&](State& next, Party& party) {  // registers, reads the sequence and the deaths
            party.seen = next.word[kSequence];
            party.other[0] = next.shared[kDeaths];
          });
        }
        break;
      case 3:
        step.Go(4, GiveUp);
        break;
      case 4:
        step.Go(5, [](State&, Party& next) { next.pending = kBeacon; });
        break;
      case 5:
        step.Queue(kBeacon, true, 0, 8, 6);
        break;
      case 6:
        step.Queue(kSequence, bug != Bug::kNoRecheck, me.seen, 8, 7);
        break;
      case 7:
        step.Asleep(8);
        break;
      case 8:
        Take(state, self, step, 9);
        break;
      case 9:  // a token, or a death since it began to wait? Otherwise it sleeps again, whatever the predicate would say
        if (state.shared[kTokens] != 0) {
          step.Go(1, [](State& next, Party&) { --next.shared[kTokens]; });
        } else if (state.shared[kDeaths] != me.other[0] && bug != Bug::kDeathsNotCounted) {
          step.Go(1);
        } else {
          step.Go(3, [&](State& next, Party& party) { party.seen = next.word[kSequence]; });
        }
        break;
      case 10:  // the section: take, and commit
        step.Go(11, [](State& next, Party&) {
          next.shared[kTaking] = 1;
          --next.shared[kItems];
        });
        break;
      case 11:
        step.Go(12, [](State& next, Party&) { next.shared[kTaking] = 0; });
        break;
      case 12:
        step.Go(kDone, GiveUp);
        break;
      case 20:  // Notify(1): a token if somebody waits, then one system call
        step.Go(21, [&](State& next, Party&) {
          int waiting = 0;
          for (int i = 0; i < consumers; ++i) {
            const uint8_t pc = next.party[i].pc;
            waiting += !next.party[i].dead && (pc >= 3 && pc <= 9);
          }
          if (next.shared[kTokens] < waiting) ++next.shared[kTokens];
        });
        break;
      case 21:
        step.Wake(22, kSequence, bug == Bug::kWakeOne ? 1 : kMaxParties,
                  [](State& next, Party&) { ++next.word[kSequence]; });
        break;
      case 22:
        step.Go(23, [](State& next, Party& party) {
          next.shared[kUnsent] = 0;
          party.pending = kNothing;
        });
        break;
      case 23:
        step.Go(kDone, GiveUp);
        break;
      default:
        FAIL();
    }
  }

  bool Bad(const State&) const { return false; }
  // With an item there (also one that only waits to be rolled back) whose notification was sent, nobody sleeps.
  bool MaySleep(const State& state, int) const {
    return state.shared[kItems] + state.shared[kTaking] == 0 || state.shared[kUnsent] != 0;
  }
};

Result ExploreCondition(Bug bug, int consumers, int producers, int deaths) {
  State initial;
  initial.deaths_left = static_cast<uint8_t>(deaths);
  const ConditionMachine machine{.bug = bug, .consumers = consumers};
  return Explorer(machine, consumers + producers).Run(initial);
}

// ---- Barrier -------------------------------------------------------------------------------------------------------------------

struct BarrierMachine {
  Bug bug = Bug::kNone;
  int parties = 0;  // needed
  int present = 0;  // that run

  static constexpr int kState = 0;  // cycle in bits 4.., broken bit 3, arrived in bits 0..2
  static constexpr int kBeacon = 1;
  static constexpr int kSlot = 2;     // one for each party
  static constexpr int kWoken = 0;    // shared[0]: the newest cycle for which all were woken
  static constexpr int kArrival = 1;  // shared[1 + party]: the cycle in which it came, + 1

  static uint8_t Cycle(uint8_t word) { return word >> 4; }
  static bool Broken(uint8_t word) { return (word & 8) != 0; }
  static uint8_t Arrived(uint8_t word) { return word & 7; }
  static uint8_t Ended(uint8_t word, bool broken) {
    return static_cast<uint8_t>(((Cycle(word) + 1) << 4) | (broken ? 8 : 0));
  }

  bool DeadParty(const State& state, uint8_t cycle) const {
    for (int i = 0; i < present; ++i) {
      if ((state.word[kSlot + i] & kOwnerDied) != 0 && state.shared[kArrival + i] == cycle + 1) return true;
    }
    return false;
  }

  void Next(const State& state, int self, Step& step) const {
    const Party& me = state.party[self];
    const uint8_t word = state.word[kState];
    const int slot = kSlot + self;
    switch (me.pc) {
      case 0:  // the slot, linked; pending the beacon
        step.Go(1, [&](State& next, Party& party) {
          next.word[slot] = static_cast<uint8_t>(self + 1);
          party.listed = static_cast<int8_t>(slot);
          party.pending = kBeacon;
        });
        break;
      case 1:
        if (Broken(word)) {
          step.Go(30);
        } else if (DeadParty(state, Cycle(word))) {
          step.Go(20, [&](State&, Party& next) { next.seen = word; });
        } else {
          step.Go(bug == Bug::kArrivalAfterCount ? 3 : 2, [&](State&, Party& next) { next.seen = word; });
        }
        break;
      case 2:
        step.Go(3, [&](State& next, Party&) { next.shared[kArrival + self] = static_cast<uint8_t>(Cycle(me.seen) + 1); });
        break;
      case 3:
        if (word != me.seen) {
          step.Go(1);
        } else if (Arrived(word) == parties - 1) {
          step.Go(22, [&](State& next, Party&) { next.word[kState] = Ended(word, false); });
        } else {
          step.Go(bug == Bug::kArrivalAfterCount ? 4 : 5, [&](State& next, Party& party) {
            ++next.word[kState];
            party.other[0] = Cycle(word);
          });
        }
        break;
      case 4:
        step.Go(5, [&](State& next, Party&) { next.shared[kArrival + self] = static_cast<uint8_t>(me.other[0] + 1); });
        break;
      case 5:  // load
        step.Go(Cycle(word) != me.other[0] ? 30 : 6, [&](State&, Party& next) { next.seen = word; });
        break;
      case 6:  // look through the slots, remember them (one step: the kernel compares each again)
        if (DeadParty(state, Cycle(me.seen))) {
          step.Go(20);
        } else {
          step.Go(7, [&](State& next, Party& party) {
            party.other[1] = 0;
            for (int i = 0; i < present; ++i) {
              const bool counts = i != self && next.word[kSlot + i] != 0 && next.shared[kArrival + i] == Cycle(me.seen) + 1;
              if (counts) party.other[1] |= static_cast<uint8_t>(1 << i);
            }
          });
        }
        break;
      case 7:
        step.Queue(kBeacon, true, 0, 5, 8);
        break;
      case 8:
        step.Queue(kState, bug != Bug::kNoRecheck, me.seen, 5, 9);
        break;
      case 9:
      case 10:
      case 11:
      case 12: {  // the other parties' slots
        const int other = me.pc - 9;
        const uint8_t next = static_cast<uint8_t>(other + 1 < present ? me.pc + 1 : 13);
        if ((me.other[1] & (1 << other)) == 0 || bug == Bug::kSlotsNotCompared) {
          step.Go(next);
        } else {
          step.Queue(kSlot + other, true, static_cast<uint8_t>(other + 1), 5, next);
        }
        break;
      }
      case 13:
        step.Asleep(14);
        break;
      case 14:  // woken: wake again if the one whose duty it was may have died
        if (Cycle(word) > state.shared[kWoken] && bug != Bug::kWakeNotRepeated) {
          step.Go(15);
        } else {
          step.Go(16);
        }
        break;
      case 15:
        step.Wake(16, kState, kMaxParties, [&](State& next, Party& party) { party.other[2] = Cycle(next.word[kState]); });
        break;
      case 16:  // (storing kWoken with the look at the dead)
        if (!Broken(word) && DeadParty(state, Cycle(word))) {
          step.Go(20, [&](State& next, Party& party) {
            if (party.other[2] > next.shared[kWoken]) next.shared[kWoken] = party.other[2];
            party.seen = word;
          });
        } else {
          step.Go(5, [](State& next, Party& party) {
            if (party.other[2] > next.shared[kWoken]) next.shared[kWoken] = party.other[2];
          });
        }
        break;
      case 20:  // Break: CAS
        if (Cycle(word) != Cycle(me.seen) || Broken(word)) {
          step.Go(30);
        } else {
          step.Go(22, [&](State& next, Party&) { next.word[kState] = Ended(word, true); });
        }
        break;
      case 22:
        step.Wake(23, kState, kMaxParties, [&](State& next, Party& party) { party.other[2] = Cycle(next.word[kState]); });
        break;
      case 23:
        step.Go(30, [](State& next, Party& party) {
          if (party.other[2] > next.shared[kWoken]) next.shared[kWoken] = party.other[2];
        });
        break;
      case 30:  // leave: unlink, give the slot back
        step.Go(me.rounds > 1 && !Broken(word) ? 0 : kDone, [&](State& next, Party& party) {
          next.word[slot] = 0;
          const uint8_t rounds = party.rounds;
          const uint8_t pc = party.pc;
          party = Party{};
          party.pc = pc;
          party.rounds = static_cast<uint8_t>(rounds - 1);
        });
        break;
      default:
        FAIL();
    }
  }

  bool Bad(const State&) const { return false; }
  // Only for a party that never came: not beside the dead, and not in a cycle that is over.
  bool MaySleep(const State& state, int party) const {
    const uint8_t word = state.word[kState];
    if (Broken(word) || Cycle(word) != state.party[party].other[0]) return false;
    int living = 0;
    for (int i = 0; i < present; ++i) living += !state.party[i].dead && state.party[i].pc == 13;
    return Arrived(word) == living;
  }
};

Result ExploreBarrier(Bug bug, int parties, int present, int rounds, int deaths) {
  State initial;
  initial.deaths_left = static_cast<uint8_t>(deaths);
  for (int i = 0; i < present; ++i) initial.party[i].rounds = static_cast<uint8_t>(rounds);
  const BarrierMachine machine{.bug = bug, .parties = parties, .present = present};
  return Explorer(machine, present).Run(initial);
}

// ---- tests -----------------------------------------------------------------------------------------------------------------------

void ExpectSound(const char* what, const Result& result) {
  printf("%-60s %9ld states\n", what, result.states);
  EXPECT_FALSE(result.hang) << what;
  EXPECT_FALSE(result.bad) << what;
}

void ExpectFound(const char* what, Bug bug, const Result& result) {
  printf("%-22s %-36s found after %ld states\n", what, Name(bug), result.states);
  EXPECT_TRUE(result.found()) << what << ": " << Name(bug);
}

TEST(LockModelTest, NobodyHangsAndOneHolds) {
  ExpectSound("lock: 3 parties, 2 deaths", ExploreLock(Bug::kNone, 3, 1, 2));
  ExpectSound("lock: 3 parties, 2 rounds, 1 death", ExploreLock(Bug::kNone, 3, 2, 1));
  ExpectSound("lock: 3 parties, 2 deaths, one may give up", ExploreLock(Bug::kNone, 3, 1, 2, true));
  ExpectSound("lock: 4 parties, 1 death", ExploreLock(Bug::kNone, 4, 1, 1));
}

TEST(LockModelTest, SeededBugsAreFound) {
  for (const Bug bug :
       {Bug::kNoRecheck, Bug::kWakeBeforeStore, Bug::kPendingClearedEarly, Bug::kPendingLate, Bug::kWaitersForgotten}) {
    ExpectFound("lock", bug, ExploreLock(bug, 3, 1, 2));
  }
  // A thief is needed: a fourth party, or one that comes again.
  for (const Bug bug : {Bug::kStoreThenWake, Bug::kPendingIsTheWord, Bug::kNothingPending, Bug::kStateBeforeBeacon}) {
    Result result = ExploreLock(bug, 4, 1, 1);
    if (!result.found()) result = ExploreLock(bug, 3, 2, 2);
    ExpectFound("lock", bug, result);
  }
}

TEST(PermitsModelTest, NobodyHangsBesideAPermit) {
  ExpectSound("semaphore: 3 acquire, 2 release, 2 deaths", ExplorePermits(Bug::kNone, 3, 2, 1, 1, 2, false));
  ExpectSound("semaphore: 3 acquire, 1 releases 2 twice, 2 deaths", ExplorePermits(Bug::kNone, 3, 1, 2, 2, 2, false));
  ExpectSound("semaphore: 2 acquire, a thief, 2 release, 2 deaths", ExplorePermits(Bug::kNone, 3, 2, 1, 1, 2, true));
}

TEST(PermitsModelTest, SeededBugsAreFound) {
  for (const Bug bug : {Bug::kNoRecheck, Bug::kWakeBeforeStore, Bug::kPendingClearedEarly, Bug::kNoBaton,
                        Bug::kWaitersForgotten, Bug::kNothingPending, Bug::kStateBeforeBeacon}) {
    Result result = ExplorePermits(bug, 3, 2, 1, 1, 2, false);
    if (!result.found()) result = ExplorePermits(bug, 3, 1, 2, 2, 2, false);
    ExpectFound("semaphore", bug, result);
  }
}

TEST(EventModelTest, NobodySleepsThroughASet) {
  ExpectSound("event: 3 wait, 1 sets, clears, sets, 1 sets, 2 deaths", ExploreEvent(Bug::kNone, 3, 2, 2));
}

TEST(EventModelTest, SeededBugsAreFound) {
  for (const Bug bug : {Bug::kNoRecheck, Bug::kWakeBeforeStore, Bug::kStoreThenWake}) {
    ExpectFound("event", bug, ExploreEvent(bug, 3, 1, 2));
  }
}

TEST(ConditionModelTest, NoNotificationIsSwallowed) {
  ExpectSound("condition: 3 consumers, 2 producers, 2 deaths", ExploreCondition(Bug::kNone, 3, 2, 2));
}

TEST(ConditionModelTest, SeededBugsAreFound) {
  for (const Bug bug : {Bug::kNoRecheck, Bug::kDeathsNotCounted, Bug::kWakeOne}) {
    ExpectFound("condition", bug, ExploreCondition(bug, 3, 2, 2));
  }
}

TEST(BarrierModelTest, NobodyWaitsForTheDead) {
  ExpectSound("barrier: 3 parties, 2 deaths", ExploreBarrier(Bug::kNone, 3, 3, 1, 2));
  ExpectSound("barrier: 2 parties, 3 come, 2 deaths", ExploreBarrier(Bug::kNone, 2, 3, 1, 2));
  ExpectSound("barrier: 2 parties, 2 cycles, 2 deaths", ExploreBarrier(Bug::kNone, 2, 2, 2, 2));
}

TEST(BarrierModelTest, SeededBugsAreFound) {
  for (const Bug bug : {Bug::kNoRecheck, Bug::kSlotsNotCompared, Bug::kArrivalAfterCount, Bug::kWakeNotRepeated}) {
    ExpectFound("barrier", bug, ExploreBarrier(bug, 3, 3, 1, 2));
  }
}

}  // namespace
}  // namespace shoal::sync_model
