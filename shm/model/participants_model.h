#ifndef SHOAL_SHM_MODEL_PARTICIPANTS_MODEL_H_
#define SHOAL_SHM_MODEL_PARTICIPANTS_MODEL_H_

#include <stdio.h>

#include <cstdint>

#include "gtest/gtest.h"
#include "shoal/sync/model/explorer.h"

namespace shoal::shm_model {

using sync_model::kDone;
using sync_model::kNothing;
using sync_model::kOwnerDied;
using sync_model::kWaiters;
using sync_model::Party;
using sync_model::Result;
using sync_model::State;
using sync_model::Step;

// What can be wrong with what is held outside of calls; the explorer must find each.
enum class Bug : uint8_t {
  kNone,
  kDeathsNotCompared,   // a sleeper does not sleep on `deaths`
  kDeathsReadLate,      // it reads `deaths` after its look
  kAttachWithoutBump,   // who joins does not change `deaths`: a keeper that sleeps does not watch it
  kGoneNotAwaited,      // a keeper tells of a death while threads of the dead still run
  kTruthSecond,         // the word is changed before the entry is
  kWakeFirst,           // the sleepers are woken before the word is changed
  kNoRecheck,           // a sleeper does not look again after it has announced itself
  kNoBaton,             // who leaves something behind wakes nobody
  kWaitersForgotten,    // who was woken does not say that others may sleep
  kOneWord,             // who wants more sleeps where it can swallow the wake of who wants less
  kMarkForgotten,       // a dead one's entry is taken back without a mark
  kMarkFirst,           // the mark is taken away before the entry that replaces it is there
  kEndSecond,           // whether the other end has ended is looked at after the messages
  kMarkNotPutBack,      // who takes a mark away that seems to be nobody's does not ask again whether it was somebody's
  kPutBackWakesNobody,  // it puts the mark back, and wakes nobody
};

inline const char* Name(Bug bug) {
  static constexpr const char* kNames[] = {"none",
                                           "deaths not compared",
                                           "deaths read late",
                                           "attach without bump",
                                           "running threads not awaited",
                                           "truth stored second",
                                           "wake before the change",
                                           "no look after the announcement",
                                           "no baton",
                                           "waiters bit forgotten",
                                           "one word for all sleepers",
                                           "mark forgotten",
                                           "mark taken away first",
                                           "the end is looked at second",
                                           "mark not put back",
                                           "mark put back, nobody woken"};
  return kNames[static_cast<int>(bug)];
}

// Up to four processes, parties 0 to 3, which die in two steps, as processes do: their keeper thread first (the life word is marked), and
// some time later the thread that we look at. Party 4 is the keeper of a process that lives: it is never killed, because the
// sleepers that count have one in their own process.
inline constexpr int kProcesses = 4;
inline constexpr int kKeeper = 4;
inline constexpr int kParties = 5;

inline constexpr int kChanges = 0;  // words
inline constexpr int kDeaths = 1;
inline constexpr int LifeOf(int party) { return 2 + party; }
inline constexpr int kDeathsLeft = 5;  // in `shared`

inline constexpr uint8_t kJoin = 0;  // steps of every machine here
inline constexpr uint8_t kTellOfJoining = 1;
inline constexpr uint8_t kFirstStep = 3;

// `newcomer` joins while the others are members already; -1: nobody does.
inline State AllJoined(int processes, int newcomer, uint8_t rounds, uint8_t deaths) {
  State initial;
  initial.shared[kDeathsLeft] = deaths;
  for (int i = processes; i < kProcesses; ++i) initial.party[i].pc = kDone;
  for (int i = 0; i < processes; ++i) {
    initial.party[i].rounds = rounds;
    if (i == newcomer) continue;
    initial.party[i].pc = kFirstStep;
    initial.word[LifeOf(i)] = static_cast<uint8_t>(kWaiters | (i + 1));
  }
  return initial;
}

inline bool IsSentenced(const Party& party) { return party.other[0] != 0; }
// As IsDead says: the life word is marked and no thread runs; or, with the bug, the first is enough.
inline bool LooksDead(const State& state, int party, Bug bug) {
  if (state.party[party].dead) return true;
  return bug == Bug::kGoneNotAwaited && IsSentenced(state.party[party]);
}

// Joining, and dying at any step. Returns whether the party's own machine has the next step.
inline bool StepAsParticipant(const State& state, int self, Bug bug, Step& step) {
  const Party& me = state.party[self];
  const int life = LifeOf(self);
  if (IsSentenced(me)) {
    step.Go(me.pc, [](State&, Party& party) {
      party = Party{};
      party.dead = true;
    });
  } else if (me.pc != kJoin && state.shared[kDeathsLeft] != 0) {
    step.Wake(me.pc, life, 1, [&](State& next, Party& party) {
      --next.shared[kDeathsLeft];
      next.word[life] = kWaiters | kOwnerDied;
      party.other[0] = 1;
    });
  }
  switch (me.pc) {
    case kJoin:
      step.Go(bug == Bug::kAttachWithoutBump ? kFirstStep : kTellOfJoining,
              [&](State& next, Party&) { next.word[life] = static_cast<uint8_t>(kWaiters | (self + 1)); });
      return false;
    case kTellOfJoining:
      step.Wake(kFirstStep, kDeaths, kParties, [](State& next, Party&) { ++next.word[kDeaths]; });
      return false;
    default:
      return true;
  }
}

// The keeper: participants.cc, Watch and ReapSlot.
inline void StepAsKeeper(const State& state, Bug bug, Step& step) {
  const Party& me = state.party[kKeeper];
  uint8_t& (*mask)(Party&) = [](Party& party) -> uint8_t& { return party.other[0]; };
  switch (me.pc) {
    case 0:
      step.Go(1, [&](State& next, Party& party) { party.seen = next.word[kDeaths]; });
      break;
    case 1: {  // looks at all life words
      bool must_wait = false;
      for (int i = 0; i < kProcesses; ++i) {
        if ((state.word[LifeOf(i)] & kOwnerDied) == 0) continue;
        if (!LooksDead(state, i, bug)) {
          must_wait = true;  // sleeps on that thread's word, too: this step becomes possible when it has ended
          continue;
        }
        step.Go(2, [&](State&, Party& party) { party.other[1] = static_cast<uint8_t>(i); });
        return;
      }
      if (must_wait) return;
      step.Go(5, [&](State& next, Party& party) {
        mask(party) = 0;
        for (int i = 0; i < kProcesses; ++i) {
          if (next.word[LifeOf(i)] != 0) mask(party) |= static_cast<uint8_t>(1 << i);
        }
      });
      break;
    }
    case 2:
      step.Wake(4, kDeaths, kParties, [](State& next, Party&) { ++next.word[kDeaths]; });
      break;
    case 4:
      step.Go(0, [](State& next, Party& party) {
        next.word[LifeOf(party.other[1])] = 0;
        party.other[1] = 0;
      });
      break;
    case 5:
      step.Queue(kDeaths, true, me.seen, 0, 6);
      break;
    case 6: {  // the life words, which change by a mark only, in one step
      bool differs = false;
      for (int i = 0; i < kProcesses; ++i) {
        if ((me.other[0] & (1 << i)) != 0 && state.word[LifeOf(i)] != (kWaiters | (i + 1))) differs = true;
      }
      step.Go(differs && !me.woken ? 0 : 9, [&](State&, Party& party) {
        if (differs && !party.woken) {
          party.queued = 0;
        } else if (!party.woken) {
          party.queued |= static_cast<uint8_t>(party.other[0] << LifeOf(0));
        }
      });
      break;
    }
    case 9:
      step.Asleep(0);
      break;
    default:
      FAIL();
  }
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

}  // namespace shoal::shm_model

#endif  // SHOAL_SHM_MODEL_PARTICIPANTS_MODEL_H_
