// The machine of message_ring_owed.cc and message_ring_deaths.cc, step by step as there, explored exhaustively: tasks that are taken and
// not done, who dies with them, and who waits until all are done; and the same with bugs seeded on purpose, which must be found. A machine
// that is changed is changed here too.
//
// A Join that finds all done tells of every loss counted by then, except those that a Join which returned before this one began has told
// of. So whoever is under way when a task is lost tells of it; if nobody is, the next one does; and whoever begins after that does not.
//
// Taking and putting are one step each, and a returned message is seen without the ring's `returned`: message_ring_model_test.cc has
// those. There is always room.

#include <algorithm>
#include <array>
#include <cstdint>

#include "gtest/gtest.h"
#include "shoal/ipc/model/audience_model.h"
#include "shoal/ipc/model/casts.h"
#include "shoal/shm/model/participants_model.h"
#include "shoal/sync/model/explorer.h"

namespace shoal::ipc_model {
namespace {

using shm_model::kDeaths;
using shm_model::kKeeper;
using shm_model::kParties;
using shm_model::kProcesses;
using sync_model::kDone;
using sync_model::Result;

enum class Bug : uint8_t {
  kNone,
  kTailNotCompared,    // whether something was put during a look at the cells is not asked
  kReturnedIsDone,     // a returned message is not waited for
  kTellFirst,          // whether anybody joins is looked at before the cell is free
  kSweepTellsNobody,   // who clears what a dead taker had not done tells nobody who joins
  kOneJoinerWoken,     // of those who join one is woken, and wakes nobody
  kNoRecheck,          // a joiner does not look again after it has announced itself
  kDeathsNotCompared,  // it does not sleep on `deaths`
  kDeathsReadLate,     // it reads `deaths` after its look
  kOwedIsDropped,      // in a ring that delivers again, what a dead taker had not done is given up
  kCountedSecond,      // a lost message is counted after it is given up
  kCountedByEach,      // it is counted by each who finds it
  kToldReadLate,       // what has been told of is read when all is done
  kToldBefore,         // a joiner says that it has told of losses, and then waits
  kToldNotAdvanced,    // it does not say that it has told of them
  kToldSet,            // it says so of fewer than another has already
};
const char* Name(Bug bug) {
  static constexpr const char* kNames[] = {"none",
                                           "tail not compared",
                                           "returned counts as done",
                                           "told before the cell is free",
                                           "a sweep tells nobody",
                                           "one joiner woken",
                                           "no look after the announcement",
                                           "deaths not compared",
                                           "deaths read late",
                                           "an owed message is dropped",
                                           "counted after it is given up",
                                           "counted by each who finds it",
                                           "told read late",
                                           "told before the wait",
                                           "told not advanced",
                                           "told set, not maximised"};
  return kNames[static_cast<int>(bug)];
}

constexpr int kGetters = 0;  // words
constexpr int kJoiners = 6;

// In `shared`: cells first.
constexpr int kMostCells = 2;
constexpr int kReallyTold = 2;  // the most that a Join has returned with
constexpr int kTail = 3;
constexpr int kFinished = 4;  // by position: done, or lost
constexpr int kSwept = 6;
constexpr int kBroken = 7;  // something that must not be has been
constexpr int kLost = 8;    // the ring's count
constexpr int kReallyLost = 9;
constexpr int kTold = 10;  // the ring's

enum CellState : uint8_t { kFree = 0, kClaimed = 1, kOffered = 2, kTaken = 3, kOwed = 4, kReturned = 5, kClearing = 6 };
constexpr uint8_t Of(CellState state, int owner, int position) {
  return static_cast<uint8_t>(state << 5 | owner << 3 | position);
}
constexpr CellState StateOf(uint8_t word) { return static_cast<CellState>(word >> 5); }
constexpr int OwnerOf(uint8_t word) { return word >> 3 & 3; }
constexpr int PositionOf(uint8_t word) { return word & 7; }

// kJoin puts as many tasks as it has, then joins; kWork does tasks; kHelp says of tasks of others that they are done; kLook looks once, when
// somebody has died, and so takes back from the dead (ReadyToTake); and elsewhere tasks may be put, taken and lost (kLose).
enum class Does : uint8_t { kNothing, kJoin, kWork, kHelp, kLook, kLose };
struct Role {
  Does does = Does::kNothing;
  uint8_t tasks = 0;
  uint8_t joins = 1;
  bool puts_another = false;  // in its first task
  bool may_time_out = false;
  bool mortal = false;
};
constexpr uint8_t kStart[] = {kDone, 90, 50, 66, 51, 98};

// Registers. other[2]: flags, and above them the tail as it was, and what had been told when this Join began.
int TailSeen(const Party& party) { return party.other[2] >> 2 & 7; }
void SeeTail(Party& party, int tail) { party.other[2] = static_cast<uint8_t>((party.other[2] & ~(7 << 2)) | tail << 2); }
int ToldSeen(const Party& party) { return party.other[2] >> 5; }
void SeeTold(Party& party, int told) { party.other[2] = static_cast<uint8_t>((party.other[2] & 0x1f) | told << 5); }
// other[3]: the cell that it has, the cell that it looks at, that it sweeps; what the sweep has returned. A joiner has no cell, but there
// what had really been told when this Join began.
constexpr uint8_t kSomethingReturned = 0x40;
int CellIn(const Party& party, int shift) { return party.other[3] >> shift & 3; }
void SetCell(Party& party, int shift, int cell) {
  party.other[3] = static_cast<uint8_t>((party.other[3] & ~(3 << shift)) | cell << shift);
}
constexpr int kHas = 0;
constexpr int kLooksAt = 2;
constexpr int kSweeps = 4;
constexpr int kWasTold = kHas;
// other[4], while it makes no wake: where NobodyOwes returns to; the losses that a joiner tells of. other[5], likewise: a cell's word; what
// it has seen of what was told.

struct JoinMachine {
  Bug bug = Bug::kNone;
  int cells = 2;
  bool redelivers = false;
  uint8_t overcounted =
      0;  // losses may be: a sweeper dies between its count and its end, or somebody says then that it is done
  std::array<Role, kProcesses> roles = {};

  bool LooksDead(const State& state, int party) const { return shm_model::LooksDead(state, party, shm_model::Bug::kNone); }
  bool HasOwner(uint8_t word) const {
    const CellState state = StateOf(word);
    return state == kClaimed || state == kTaken || state == kOwed || state == kClearing;
  }
  bool NeedsSweep(const State& state, int cell) const {
    const uint8_t word = state.shared[cell];
    return HasOwner(word) && LooksDead(state, OwnerOf(word));
  }
  bool IsOwed(uint8_t word, Bug as) const {
    const CellState state = StateOf(word);
    return state == kOffered || state == kTaken || state == kOwed || (state == kReturned && as != Bug::kReturnedIsDone);
  }
  bool AnythingIsOwed(const State& state) const {
    bool any = false;
    for (int cell = 0; cell < cells; ++cell) any = any || IsOwed(state.shared[cell], Bug::kNone);
    return any;
  }
  // What a taker takes next, or -1.
  int Next(const State& state) const {
    int best = -1;
    for (const CellState wanted : {kReturned, kOffered}) {
      for (int cell = 0; cell < cells; ++cell) {
        const uint8_t word = state.shared[cell];
        if (StateOf(word) != wanted) continue;
        if (best < 0 || PositionOf(word) < PositionOf(state.shared[best])) best = cell;
      }
      if (best >= 0) return best;
    }
    return -1;
  }

  void Next(const State& state, int self, Step& step) const {
    if (self == kKeeper) return shm_model::StepAsKeeper(state, shm_model::Bug::kNone, step);
    if (roles[self].mortal && !shm_model::StepAsParticipant(state, self, shm_model::Bug::kNone, step)) return;
    if (StepInWake(state, self, step)) return;
    const uint8_t pc = state.party[self].pc;
    if (pc >= 110) return StepInGivingUp(state, self, step);
    if (pc >= 100) return StepInLook(state, self, step);
    if (pc >= 80 && pc < 90) return StepInSweep(state, self, step);
    if (roles[self].does == Does::kJoin) return StepAsJoiner(state, self, step);
    return StepAsWorker(state, self, step);
  }

  void Put(State& next, int cell) const {
    next.shared[cell] = Of(kOffered, 0, next.shared[kTail]);
    ++next.shared[kTail];
  }
  // -1: none.
  int FreeCell(const State& state) const {
    for (int cell = 0; cell < cells; ++cell) {
      if (state.shared[cell] == 0) return cell;
    }
    return -1;
  }
  void Finish(State& next, uint8_t word) const {
    const uint8_t bit = static_cast<uint8_t>(1 << PositionOf(word));
    if ((next.shared[kFinished] & bit) != 0) next.shared[kBroken] = 1;
    next.shared[kFinished] |= bit;
  }

  // ---- NobodyOwes: returns to other[4], or to one less if somebody owes ---------------------------------------------------------------

  void CallLook(Party& party, uint8_t back) const {
    party.pc = 100;
    party.other[4] = back;
  }
  void StepInLook(const State& state, int self, Step& step) const {
    const Party& me = state.party[self];
    const int cell = CellIn(me, kLooksAt);
    const auto over = [](Party& party) {
      SeeTail(party, 0);
      SetCell(party, kLooksAt, 0);
      party.other[4] = 0;
    };
    switch (me.pc) {
      case 100:
        step.Go(101, [](State& next, Party& party) { SeeTail(party, next.shared[kTail]); });
        break;
      case 101:
        if (IsOwed(state.shared[cell], bug)) {
          return step.Go(me.other[4] - 1, [&](State&, Party& party) { over(party); });
        }
        step.Go(cell + 1 == cells ? 102 : 101,
                [&](State&, Party& party) { SetCell(party, kLooksAt, cell + 1 == cells ? 0 : cell + 1); });
        break;
      case 102: {
        const bool same = state.shared[kTail] == TailSeen(me) || bug == Bug::kTailNotCompared;
        step.Go(same ? me.other[4] : 100, [&](State& next, Party& party) {
          const bool joins = roles[self].does == Does::kJoin && me.other[4] < 80;
          if (same && joins && AnythingIsOwed(next)) next.shared[kBroken] = 1;
          if (same) over(party);
        });
        break;
      }
      default:
        FAIL() << int{me.pc};
    }
  }

  // ---- Clear, of the cell in other[3] with the word in other[5]; then on to `back`, which the party's work tells -----------------------

  void StepInGivingUp(const State& state, int self, Step& step) const {
    const Party& me = state.party[self];
    const bool sweeps = me.pc >= 120;
    const uint8_t base = sweeps ? 120 : 110;
    const int cell = CellIn(me, sweeps ? kSweeps : kHas);
    const uint8_t back = sweeps ? 87 : 69;
    // What was seen of the bit before the cell was given up (kSlept is free there).
    const bool too_soon = bug == Bug::kTellFirst && !sweeps && (me.other[2] & kSlept) == 0;
    const bool tells = !(sweeps && bug == Bug::kSweepTellsNobody) && !too_soon;
    switch (me.pc - base) {
      case 0:  // the compare-exchange
        if (state.shared[cell] != me.other[5]) {
          if (sweeps && StateOf(me.other[5]) == kOwed) return step.Go(87);  // LoseOwed: it is done
          return step.Go(sweeps ? 80 : 66, [](State&, Party& party) { party.other[5] = 0; });
        }
        step.Go(base + 1, [&](State& next, Party& party) {
          const uint8_t seen = next.shared[cell];
          if (IsOwed(seen, Bug::kNone)) {
            Finish(next, seen);
            const bool lost = sweeps && !redelivers && StateOf(seen) == kOwed;
            if (lost) ++next.shared[kReallyLost];
            if (sweeps && !lost) next.shared[kBroken] = 1;
          }
          next.shared[cell] = Of(kClearing, self, PositionOf(seen));
          const bool count = bug == Bug::kCountedSecond && sweeps && StateOf(seen) == kOwed;
          party.other[5] = count ? 1 : 0;
        });
        break;
      case 1:  // free
        step.Go(bug == Bug::kCountedSecond ? base + 2 : base + 3, [&](State& next, Party&) { next.shared[cell] = 0; });
        break;
      case 2:
        step.Go(base + 3, [](State& next, Party& party) {
          next.shared[kLost] = static_cast<uint8_t>(next.shared[kLost] + party.other[5]);
          party.other[5] = 0;
        });
        break;
      case 3:  // TellThatLessIsOwed
        if ((state.word[kJoiners] & kBit) == 0 || !tells) return step.Go(back);
        step.Go(0, [&](State&, Party& party) { CallLook(party, static_cast<uint8_t>(base + 6)); });
        break;
      case 5:  // somebody owes
        step.Go(back);
        break;
      case 6:
        step.Wake(back, kJoiners, bug == Bug::kOneJoinerWoken ? 1 : kParties,
                  [](State& next, Party&) { Move(next, kJoiners); });
        break;
      default:
        FAIL() << int{me.pc};
    }
  }

  // ---- TakeBackFromTheDead; then on with the announcement -----------------------------------------------------------------------------

  uint8_t AfterSweep(int self) const {
    return roles[self].does == Does::kJoin ? 71 : roles[self].does == Does::kLook ? kDone : 52;
  }
  void StepInSweep(const State& state, int self, Step& step) const {
    const Party& me = state.party[self];
    const int cell = CellIn(me, kSweeps);
    const uint8_t word = state.shared[cell];
    switch (me.pc) {
      case 80: {
        if (cell == cells) return step.Go((me.other[3] & kSomethingReturned) != 0 ? 88 : 89);
        if (!NeedsSweep(state, cell)) {
          return step.Go(80, [&](State&, Party& party) {
            if (StateOf(word) == kReturned) party.other[3] |= kSomethingReturned;
            SetCell(party, kSweeps, cell + 1);
          });
        }
        const bool owed = StateOf(word) == kOwed;
        const bool again = StateOf(word) == kTaken || (owed && redelivers && bug != Bug::kOwedIsDropped);
        const bool counts = owed && !again && bug != Bug::kCountedSecond;
        const uint8_t counting = bug == Bug::kCountedByEach ? 83 : 82;
        step.Go(again ? 81 : counts ? counting : 120, [&](State&, Party& party) { party.other[5] = word; });
        break;
      }
      case 81:
        if (word != me.other[5]) return step.Go(80);
        step.Go(80, [&](State& next, Party& party) {
          next.shared[cell] = Of(kReturned, 0, PositionOf(me.other[5]));
          party.other[3] |= kSomethingReturned;
          SetCell(party, kSweeps, cell + 1);
          party.other[5] = 0;
        });
        break;
      case 82:  // makes it its own, so that one counts it
        if (word != me.other[5]) return step.Go(80);
        step.Go(83,
                [&](State& next, Party& party) { party.other[5] = next.shared[cell] = Of(kOwed, self, PositionOf(word)); });
        break;
      case 83:
        step.Go(120, [](State& next, Party&) { ++next.shared[kLost]; });
        break;
      case 87:  // given up: the next cell
        step.Go(80, [&](State&, Party& party) {
          SetCell(party, kSweeps, cell + 1);
          party.other[5] = 0;
        });
        break;
      case 88:
        step.Go(0, [](State&, Party& party) { CallWake(party, kGetters, 89); });
        break;
      case 89:
        step.Go(AfterSweep(self), [](State& next, Party& party) {
          next.shared[kSwept] = party.other[1];
          SetCell(party, kSweeps, 0);
          party.other[3] &= static_cast<uint8_t>(~kSomethingReturned);
        });
        break;
      default:
        FAIL() << int{me.pc};
    }
  }
  void ReadDeaths(const State& state, int self, Step& step) const {
    step.Go(state.word[kDeaths] == state.shared[kSwept] ? AfterSweep(self) : 80,
            [](State& next, Party& party) { party.other[1] = next.word[kDeaths]; });
  }

  // ---- Join ------------------------------------------------------------------------------------------------------------------------------

  void StepAsJoiner(const State& state, int self, Step& step) const {
    const Party& me = state.party[self];
    const auto look = [&](uint8_t back) { step.Go(0, [&](State&, Party& party) { CallLook(party, back); }); };
    switch (me.pc) {
      case 90: {  // puts its tasks
        if (me.rounds == 0) return step.Go(74, [&](State&, Party& party) { party.rounds = roles[self].joins; });
        step.Go(0, [&](State& next, Party& party) {
          Put(next, FreeCell(next));
          --party.rounds;
          CallWake(party, kGetters, 90);
        });
        break;
      }
      case 74:  // Join: what has been told of by now
        step.Go(70, [&](State& next, Party& party) {
          SeeTold(party, next.shared[kTold]);
          SetCell(party, kWasTold, next.shared[kReallyTold]);
          if (bug == Bug::kToldBefore) next.shared[kTold] = next.shared[kLost];
        });
        break;
      case 70:
        ReadDeaths(state, self, step);
        break;
      case 71:
        if ((me.other[2] & kSlept) != 0) return step.Go(72);
        look(76);
        break;
      case 75:  // not yet
        step.Go(72);
        break;
      case 72:
        step.Go(bug == Bug::kNoRecheck ? 91 : 73, [](State& next, Party& party) { Announce(next, party, kJoiners); });
        break;
      case 73:
        look(78);
        break;
      case 77:  // not yet
        if ((me.other[2] & kLastLook) != 0) return step.Go(95);
        step.Go(bug == Bug::kDeathsReadLate ? 94 : 91);
        break;
      case 94:
        step.Go(91, [](State& next, Party& party) { party.other[1] = next.word[kDeaths]; });
        break;
      case 91:
        QueueIfNotMoved(state, self, step, kJoiners, 97, 92);
        break;
      case 92:
        if (bug == Bug::kDeathsNotCompared) return step.Go(93);
        step.Queue(kDeaths, true, me.other[1], 97, 93);
        break;
      case 93:
        EndSleep(state, self, step, 97, roles[self].may_time_out);
        break;
      case 97:
        step.Go(70, [](State&, Party& party) { party.seen = party.other[1] = 0; });
        break;
      case 78:  // nobody owes: the baton
        step.Go(76, [&](State&, Party& party) {
          if ((party.other[2] & kSlept) != 0 && bug != Bug::kOneJoinerWoken) CallWake(party, kJoiners, 76);
        });
        break;
      case 76: {  // how many are lost, and what this Join tells of them
        const int number = state.shared[kLost];
        const int told = bug == Bug::kToldReadLate ? state.shared[kTold] : ToldSeen(me);
        const bool tells = number > told;
        step.Go(tells ? 79 : 95, [&](State& next, Party& party) {
          const int should = number - CellIn(party, kWasTold);
          if ((tells ? number - told : 0) != should || number < next.shared[kReallyLost]) next.shared[kBroken] = 1;
          if (tells) party.other[4] = static_cast<uint8_t>(number);
        });
        break;
      }
      case 79:    // TellOfLost: what has been told of is loaded
      case 96: {  // the compare-exchange, which loads it if it fails; after the last of them nothing is shared
        const uint8_t number = me.other[4];
        const uint8_t told = state.shared[kTold];
        const bool swaps = me.pc == 96 && (told == me.other[5] || bug == Bug::kToldSet);
        const bool over = swaps || told >= number || bug == Bug::kToldNotAdvanced;
        step.Go(over ? 95 : 96, [&](State& next, Party& party) {
          party.other[5] = told;
          if (swaps) next.shared[kTold] = number;
          if (over) next.shared[kReallyTold] = std::max(next.shared[kReallyTold], number);
        });
        break;
      }
      case 95:
        step.Go(me.rounds == 1 ? kDone : 74, [](State&, Party& party) {
          --party.rounds;
          party.seen = party.other[1] = party.other[2] = party.other[3] = party.other[4] = party.other[5] = 0;
        });
        break;
      default:
        FAIL() << int{me.pc};
    }
  }
  // ---- Take, FinishAsOwed, TaskDone --------------------------------------------------------------------------------------------------

  void StepAsWorker(const State& state, int self, Step& step) const {
    const Party& me = state.party[self];
    const int cell = Next(state);
    const auto take = [&](State& next, Party& party) {
      next.shared[cell] = Of(kTaken, self, PositionOf(next.shared[cell]));
      SetCell(party, kHas, cell);
      party.other[1] = party.seen = 0;
    };
    switch (me.pc) {
      case 50:
        if (cell >= 0) return step.Go(55, take);
        step.Go(51);
        break;
      case 51:
        if (roles[self].does == Does::kLook && state.word[kDeaths] == state.shared[kSwept]) return;
        ReadDeaths(state, self, step);
        break;
      case 52:
        step.Go(53, [](State& next, Party& party) { Announce(next, party, kGetters); });
        break;
      case 53:
        if (cell >= 0) {
          return step.Go(55, [&](State& next, Party& party) {
            take(next, party);
            if ((party.other[2] & kSlept) != 0) CallWake(party, kGetters, 55);
          });
        }
        step.Go(54);
        break;
      case 54:
        QueueIfNotMoved(state, self, step, kGetters, 62, 60);
        break;
      case 60:
        step.Queue(kDeaths, true, me.other[1], 62, 61);
        break;
      case 61:
        EndSleep(state, self, step, 62, false);
        break;
      case 62:
        step.Go(51, [](State&, Party& party) { party.seen = party.other[1] = 0; });
        break;
      case 55: {
        const bool another = roles[self].puts_another && me.rounds == roles[self].tasks;
        step.Go(another ? 56 : 58, [](State& next, Party& party) {
          uint8_t& word = next.shared[CellIn(party, kHas)];
          word = Of(kOwed, OwnerOf(word), PositionOf(word));
          party.other[2] = 0;
        });
        break;
      }
      case 56:  // a task of its own: a cell, and the message
        step.Go(57, [&](State& next, Party& party) {
          const int free = FreeCell(next);
          SetCell(party, kLooksAt, free);
          next.shared[free] = Of(kClaimed, self, 0);
        });
        break;
      case 57:
        step.Go(0, [&](State& next, Party& party) {
          Put(next, CellIn(party, kLooksAt));
          SetCell(party, kLooksAt, 0);
          CallWake(party, kGetters, 58);
        });
        break;
      case 58:  // TaskDone: what is its own, which somebody else may have said to be done,
        step.Go(110, [&](State& next, Party& party) {
          party.other[5] = Own(state, self);
          if (bug == Bug::kTellFirst && (next.word[kJoiners] & kBit) != 0) party.other[2] |= kSlept;
        });
        break;
      case 66: {  // or the oldest of anybody
        int oldest = -1;
        for (int each = 0; each < cells; ++each) {
          const uint8_t word = state.shared[each];
          if (StateOf(word) != kOwed) continue;
          if (oldest < 0 || PositionOf(word) < PositionOf(state.shared[oldest])) oldest = each;
        }
        if (oldest < 0) return step.Go(69);
        step.Go(110, [&](State& next, Party& party) {
          SetCell(party, kHas, oldest);
          party.other[5] = next.shared[oldest];
        });
        break;
      }
      case 98:
        step.Go(me.rounds == 1 ? kDone : 98, [](State& next, Party& party) {
          ++next.shared[kLost];
          ++next.shared[kReallyLost];
          --party.rounds;
        });
        break;
      case 69: {
        const uint8_t again = roles[self].does == Does::kHelp ? 66 : 50;
        step.Go(me.rounds == 1 ? kDone : again, [](State&, Party& party) {
          --party.rounds;
          party.other[2] = party.other[3] = party.other[5] = 0;
        });
        break;
      }
      default:
        FAIL() << int{me.pc};
    }
  }
  // The word that it left in the cell that it has: nobody else changes it but to say that it is done.
  uint8_t Own(const State& state, int self) const {
    const uint8_t word = state.shared[CellIn(state.party[self], kHas)];
    return StateOf(word) == kOwed && OwnerOf(word) == self ? word : Of(kOwed, self, 7);
  }

  // A loss is counted once.
  bool Bad(const State& state) const {
    int may_be_lost = state.shared[kReallyLost] + overcounted;
    for (int cell = 0; cell < cells; ++cell) may_be_lost += StateOf(state.shared[cell]) == kOwed ? 1 : 0;
    return state.shared[kBroken] != 0 || state.shared[kLost] > may_be_lost;
  }

  bool MaySleep(const State& state, int party) const {
    if (party == kKeeper || roles[party].does == Does::kLook) return true;
    for (int cell = 0; cell < cells; ++cell) {
      if (NeedsSweep(state, cell)) return false;
    }
    return roles[party].does == Does::kJoin ? AnythingIsOwed(state) : Next(state) < 0;
  }
};

struct Cast {
  std::array<Role, kProcesses> roles = {};
  int cells = 1;
  bool redelivers = false;
  uint8_t deaths = 0;
  uint8_t overcounted = 0;
  uint8_t spurious = 0;
};

Result Explore(Bug bug, const Cast& cast) {
  int processes = 0;
  while (processes < kProcesses && cast.roles[processes].does != Does::kNothing) ++processes;
  const JoinMachine machine{
      .bug = bug, .cells = cast.cells, .redelivers = cast.redelivers, .overcounted = cast.overcounted, .roles = cast.roles};
  State initial = shm_model::AllJoined(processes, /*newcomer=*/-1, 1, cast.deaths);
  for (int i = 0; i < processes; ++i) {
    initial.party[i].pc = kStart[static_cast<int>(cast.roles[i].does)];
    initial.party[i].rounds = cast.roles[i].tasks;
  }
  if (cast.deaths == 0) initial.party[kKeeper].pc = kDone;  // it would only sleep
  initial.shared[kSpuriousLeft] = cast.spurious;
  return sync_model::Explorer(machine, kParties).Run(initial);
}

constexpr Role Joins(uint8_t tasks, uint8_t joins = 1) { return {.does = Does::kJoin, .tasks = tasks, .joins = joins}; }
constexpr Role Works(uint8_t tasks) { return {.does = Does::kWork, .tasks = tasks}; }
constexpr Role Dies(uint8_t tasks) { return {.does = Does::kWork, .tasks = tasks, .mortal = true}; }
constexpr Role kPutsAnother = {.does = Does::kWork, .tasks = 2, .puts_another = true};
constexpr Role kPutsOneMore = {.does = Does::kWork, .tasks = 1, .puts_another = true};
constexpr Role kHelps = {.does = Does::kHelp, .tasks = 1};
constexpr Role kLooks = {.does = Does::kLook};
constexpr Role kLooksAndDies = {.does = Does::kLook, .mortal = true};
constexpr Role Loses(uint8_t tasks) { return {.does = Does::kLose, .tasks = tasks}; }
constexpr Role JoinsUntil(uint8_t joins) { return {.does = Does::kJoin, .tasks = 1, .joins = joins, .may_time_out = true}; }
constexpr Role kJoinsAndDies = {.does = Does::kJoin, .mortal = true};

// Those with most states last.
constexpr NamedCast<Cast> kCasts[] = {
    {"2 tasks, 1 works", {.roles = {Joins(2), Works(2)}, .cells = 2, .spurious = 1}},
    {"1 task that puts another, 1 works", {.roles = {Joins(1), kPutsAnother}, .cells = 2}},
    {"1 task that puts another, 2 work", {.roles = {Joins(1), kPutsOneMore, Works(1)}, .cells = 2}},
    {"1 task, 2 join, 1 until a deadline, 1 works", {.roles = {JoinsUntil(1), Joins(0), Works(1)}}},
    {"1 task, 1 works, 1 says it is done, too", {.roles = {Joins(1), Works(1), kHelps}}},
    {"2 lost elsewhere, 1 joins twice, 1 once", {.roles = {Joins(0, 2), Joins(0), Loses(2)}}},
    {"1 lost elsewhere, 1 joins twice until a deadline", {.roles = {JoinsUntil(2), Works(1), Loses(1)}}},
    {"1 lost elsewhere, 2 join, 1 dies", {.roles = {Joins(0), kJoinsAndDies, Loses(1)}, .deaths = 1}},
    {"lost: 1 task, 1 joins twice, 1 dies", {.roles = {Joins(1, 2), Dies(1)}, .deaths = 1}},
    {"lost: 1 task, 1 dies, and another elsewhere", {.roles = {Joins(1, 2), Dies(1), Loses(1)}, .deaths = 1}},
    {"lost: 1 task, 1 dies, 1 looks", {.roles = {Joins(1), Dies(1), kLooks}, .deaths = 1}},
    {"lost: 1 task, 1 dies, 1 says it is done", {.roles = {Joins(1), Dies(1), kHelps}, .deaths = 1, .overcounted = 1}},
    {"2 tasks, 2 work", {.roles = {Joins(2), Works(1), Works(1)}, .cells = 2, .spurious = 1}},
    {"delivered again: 1 task, 1 dies, 1 works", {.roles = {Joins(1), Dies(1), Works(1)}, .redelivers = true, .deaths = 1}},
    {"lost: 1 task, 1 dies, 2 join", {.roles = {Joins(1), Dies(1), Joins(0)}, .deaths = 1}},
    {"lost: 1 task, 1 dies, 1 looks and dies", {.roles = {Joins(1), Dies(1), kLooksAndDies}, .deaths = 2, .overcounted = 1}},
};

TEST(JoinModelTest, NobodySleepsWhenAllIsDoneAndNobodyReturnsBefore) {
  ExpectSoundInAll(kCasts, &Explore);
}

TEST(JoinModelTest, SeededBugsAreFound) {
  ExpectFoundInAny(Bug::kToldSet, &Name, kCasts, &Explore);
}

}  // namespace
}  // namespace shoal::ipc_model
