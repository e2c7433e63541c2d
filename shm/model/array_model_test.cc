// The machine of borrows.cc, step by step as there, explored exhaustively; and the same with bugs seeded on purpose, which must be
// found. A machine that is changed is changed here too.

#include <array>
#include <cstdint>

#include "gtest/gtest.h"
#include "shoal/shm/model/participants_model.h"
#include "shoal/sync/model/explorer.h"

namespace shoal::shm_model {
namespace {

constexpr uint8_t kSequence = 0x7f;
constexpr int kMarks = 6;     // of the words: the marked elements
constexpr int kNotTold = 7;   // somebody was lent what is half changed, and was not told
constexpr int kHalfDone = 4;  // of `shared`: the elements that somebody is changing, or was when it died
constexpr uint8_t kHolds = 13;

struct Wish {
  uint8_t elements = 0;  // a bit each
  bool writes = false;
};

struct ArrayMachine {
  Bug bug = Bug::kNone;
  std::array<Wish, kProcesses> wishes;

  // The place of a process is in `shared`, by its number: 1, lent. Registers: seen is `changes_`, other[1] `deaths`, other[2] what it
  // was told to be abandoned.
  void Next(const State& state, int self, Step& step) const {
    if (self == kKeeper) return StepAsKeeper(state, bug, step);
    if (!StepAsParticipant(state, self, bug, step)) return;
    const Party& me = state.party[self];
    const Wish& wish = wishes[self];
    const auto read_deaths = [](State& next, Party& party) { party.other[1] = next.word[kDeaths]; };
    switch (me.pc) {
      case 3:
        step.Go(5, [&](State& next, Party& party) {
          if (bug != Bug::kDeathsReadLate) read_deaths(next, party);
        });
        break;
      case 5:  // a look, under the lock
        TakeOr(6, state, self, step);
        break;
      case 6:
        step.Go(bug == Bug::kNoRecheck ? 8 : 7, [](State& next, Party& party) {
          next.word[kChanges] |= kWaiters;
          party.seen = next.word[kChanges];
        });
        break;
      case 7:
        TakeOr(8, state, self, step);
        break;
      case 8:
        step.Go(9, [&](State& next, Party& party) {
          if (bug == Bug::kDeathsReadLate) read_deaths(next, party);
        });
        break;
      case 9:
        step.Queue(kChanges, true, me.seen, 3, 10);
        break;
      case 10:
        step.Queue(kDeaths, bug != Bug::kDeathsNotCompared, me.other[1], 3, 11);
        break;
      case 11:
        if (bug == Bug::kDeathsNotCompared && (me.queued & 1 << kDeaths) != 0) {
          step.Go(11, [](State&, Party& party) { party.queued &= static_cast<uint8_t>(~(1 << kDeaths)); });
        } else {
          step.Asleep(3);
        }
        break;
      case 12:  // the place is published; the marks go
        step.Go(bug == Bug::kMarkFirst ? 19 : kHolds,
                [&](State& next, Party&) { next.word[kMarks] &= static_cast<uint8_t>(~wish.elements); });
        break;
      case 19:  // with the bug: the place is published only now
        step.Go(kHolds, [&](State& next, Party&) { next.shared[self] = 1; });
        break;
      case kHolds:
        step.Go(20, [&](State& next, Party& party) {
          if ((next.shared[kHalfDone] & wish.elements) != 0 && party.other[2] == 0) next.word[kNotTold] = 1;
          if (wish.writes) next.shared[kHalfDone] |= wish.elements;
        });
        break;
      case 20:  // is done with them
        step.Go(bug == Bug::kTruthSecond ? 15 : 14, [&](State& next, Party&) {
          if (wish.writes) next.shared[kHalfDone] &= static_cast<uint8_t>(~wish.elements);
        });
        break;
      case 14:
        step.Go(bug == Bug::kTruthSecond ? 18
                : bug == Bug::kWakeFirst ? 16
                                         : 15,
                [&](State& next, Party& party) {
                  next.shared[self] = 0;
                  party.seen = next.word[kChanges];
                });
        break;
      case 15:
        step.Go(bug == Bug::kWakeFirst ? 18 : 16, [](State& next, Party& party) {
          party.seen = next.word[kChanges];
          next.word[kChanges] = (next.word[kChanges] + 1) & kSequence;
        });
        break;
      case 16:
        step.Wake(bug == Bug::kTruthSecond ? 14
                  : bug == Bug::kWakeFirst ? 15
                                           : 18,
                  kChanges, (me.seen & kWaiters) != 0 ? kParties : 0, [](State&, Party&) {});
        break;
      case 18:
        step.Go(kDone, [](State&, Party& party) {
          party.seen = 0;
          party.other[0] = party.other[1] = party.other[2] = 0;
        });
        break;
      default:
        FAIL();
    }
  }

  bool Excludes(int a, int b) const {
    return a != b && (wishes[a].elements & wishes[b].elements) != 0 && (wishes[a].writes || wishes[b].writes);
  }
  bool IsFree(const State& state, int self, Bug as) const {
    for (int i = 0; i < kProcesses; ++i) {
      if (state.shared[i] != 0 && Excludes(self, i) && !LooksDead(state, i, as)) return false;
    }
    return true;
  }

  void TakeOr(uint8_t none, const State& state, int self, Step& step) const {
    if (!IsFree(state, self, bug)) return step.Go(none);
    step.Go(wishes[self].writes ? 12 : kHolds, [&](State& next, Party& party) {
      for (int i = 0; i < kProcesses; ++i) {
        if (next.shared[i] == 0 || !LooksDead(next, i, bug)) continue;
        next.shared[i] = 0;
        if (wishes[i].writes && bug != Bug::kMarkForgotten) next.word[kMarks] |= wishes[i].elements;
      }
      party.other[2] = next.word[kMarks] & wishes[self].elements;
      if (bug != Bug::kMarkFirst || !wishes[self].writes) next.shared[self] = 1;
      party.seen = party.other[1] = 0;
    });
  }

  bool Bad(const State& state) const {
    if (state.word[kNotTold] != 0) return true;
    for (int a = 0; a < kProcesses; ++a) {
      for (int b = 0; b < a; ++b) {
        if (Excludes(a, b) && Uses(state, a) && Uses(state, b)) return true;
      }
    }
    return false;
  }
  static bool Uses(const State& state, int party) { return !state.party[party].dead && state.party[party].pc == 20; }
  bool MaySleep(const State& state, int party) const { return party == kKeeper || !IsFree(state, party, Bug::kNone); }
};

struct Cast {
  int processes = 3;
  std::array<Wish, kProcesses> wishes;
  int newcomer = -1;
  uint8_t deaths = 0;
};

Result Explore(Bug bug, const Cast& cast) {
  const ArrayMachine machine{.bug = bug, .wishes = cast.wishes};
  return sync_model::Explorer(machine, kParties).Run(AllJoined(cast.processes, cast.newcomer, /*rounds=*/1, cast.deaths));
}

constexpr Wish kLow = {.elements = 0b011, .writes = true};
constexpr Wish kHigh = {.elements = 0b110, .writes = true};
constexpr Wish kReads = {.elements = 0b010};

constexpr Cast kTwoDeaths = {.wishes = {kLow, kHigh, kReads}, .deaths = 2};
// A death that could still come keeps a state from being the last: so fewer deaths find other hangs.
constexpr Cast kOneDeath = {.wishes = {kLow, kHigh, kReads}, .deaths = 1};
constexpr Cast kNewcomer = {.processes = 2, .wishes = {kLow, kReads}, .newcomer = 0, .deaths = 1};

TEST(ArrayModelTest, NobodyHangsNobodyInterferesAndWhatIsHalfDoneIsTold) {
  ExpectSound("two that write and one that reads, 2 deaths", Explore(Bug::kNone, kTwoDeaths));
  ExpectSound("two that write and one that reads, 1 death", Explore(Bug::kNone, kOneDeath));
  ExpectSound("a new one that writes and one that reads, 1 death", Explore(Bug::kNone, kNewcomer));
}

TEST(ArrayModelTest, SeededBugsAreFound) {
  for (const Bug bug : {Bug::kDeathsNotCompared, Bug::kDeathsReadLate, Bug::kAttachWithoutBump, Bug::kGoneNotAwaited,
                        Bug::kTruthSecond, Bug::kWakeFirst, Bug::kNoRecheck, Bug::kMarkForgotten, Bug::kMarkFirst}) {
    Result result;
    for (const Cast& cast : {kNewcomer, kTwoDeaths}) {
      result = Explore(bug, cast);
      if (result.found()) break;
    }
    ExpectFound("array", bug, result);
  }
}

}  // namespace
}  // namespace shoal::shm_model
