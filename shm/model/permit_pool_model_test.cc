// The machine of permit_pool.cc, step by step as there, explored exhaustively; and the same with bugs seeded on purpose, which must
// be found. A machine that is changed is changed here too.

#include <array>
#include <cstdint>

#include "gtest/gtest.h"
#include "shoal/shm/model/participants_model.h"
#include "shoal/sync/model/explorer.h"

namespace shoal::shm_model {
namespace {

constexpr uint8_t kSeveral = 0x40;
constexpr uint8_t kSequence = 0x3f;
constexpr int kSeveralWord = 6;

struct PermitPoolMachine {
  Bug bug = Bug::kNone;
  uint8_t total = 1;
  std::array<uint8_t, kProcesses> wanted = {1, 1, 1, 1};
  uint8_t keeps = 0;  // by process: a bit for who never gives back

  // The cell of a process is in `shared`, by its number. Registers: seen is `changes_`, other[1] is `deaths`, other[2]: has slept.
  void Next(const State& state, int self, Step& step) const {
    if (self == kKeeper) return StepAsKeeper(state, bug, step);
    if (!StepAsParticipant(state, self, bug, step)) return;
    const Party& me = state.party[self];
    const uint8_t bit = wanted[self] == 1 ? kWaiters : kSeveral;
    // With the bug all sleep on one word, and are woken through it.
    const int word = wanted[self] == 1 || bug == Bug::kOneWord ? kChanges : kSeveralWord;
    const auto read_deaths = [](State& next, Party& party) { party.other[1] = next.word[kDeaths]; };
    const auto announce = [&](State& next, Party& party) {
      next.word[kChanges] |= bit;
      party.seen = next.word[word];
    };
    const bool slept = me.other[2] != 0;
    switch (me.pc) {
      case 3:
        step.Go(slept && bug != Bug::kWaitersForgotten ? 4 : 5, [&](State& next, Party& party) {
          if (bug != Bug::kDeathsReadLate) read_deaths(next, party);
        });
        break;
      case 4:  // who has slept
        step.Go(5, announce);
        break;
      case 5:  // a look, under the lock
        TakeOr(slept && bug != Bug::kWaitersForgotten ? 8 : 6, state, self, step);
        break;
      case 6:
        step.Go(bug == Bug::kNoRecheck ? 8 : 7, announce);
        break;
      case 7:
        TakeOr(8, state, self, step);
        break;
      case 8:
        step.Go(9, [&](State& next, Party& party) {
          party.other[2] = 1;
          if (bug == Bug::kDeathsReadLate) read_deaths(next, party);
        });
        break;
      case 9:
        step.Queue(word, true, me.seen, 3, 10);
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
      case 12:  // the baton
        step.Wake(13, kChanges, (state.word[kChanges] & kWaiters) != 0 ? 1 : 0, [](State&, Party&) {});
        break;
      case 13:  // holds it
        if ((keeps & (1 << self)) == 0) step.Go(bug == Bug::kTruthSecond ? 15 : 14);
        break;
      case 14:
        step.Go(bug == Bug::kTruthSecond ? 18
                : bug == Bug::kWakeFirst ? 16
                                         : 15,
                [&](State& next, Party& party) {
                  // Nothing, if it was taken for dead and its permits were taken back.
                  if (next.shared[self] >= wanted[self])
                    next.shared[self] = static_cast<uint8_t>(next.shared[self] - wanted[self]);
                  party.seen = next.word[kChanges];
                });
        break;
      case 15:
        step.Go(bug == Bug::kWakeFirst ? 18 : 16, [](State& next, Party& party) {
          party.seen = next.word[kChanges];
          next.word[kChanges] = (next.word[kChanges] + 1) & kSequence;
        });
        break;
      case 16: {
        const uint8_t after = bug == Bug::kTruthSecond ? 14 : bug == Bug::kWakeFirst ? 15 : 18;
        const bool all = bug == Bug::kOneWord && (me.seen & kSeveral) != 0;
        const int count = all ? kParties : (me.seen & kWaiters) == 0 ? 0 : wanted[self];
        step.Wake((me.seen & kSeveral) != 0 && bug != Bug::kOneWord ? 17 : after, kChanges, count, [](State&, Party&) {});
        break;
      }
      case 17:
        step.Wake(bug == Bug::kTruthSecond ? 14
                  : bug == Bug::kWakeFirst ? 15
                                           : 18,
                  kSeveralWord, kParties, [](State& next, Party&) { ++next.word[kSeveralWord]; });
        break;
      case 18:
        step.Go(me.rounds > 1 ? 3 : kDone, [](State&, Party& party) {
          party.seen = 0;
          party.other[1] = party.other[2] = 0;
          --party.rounds;
          if (party.rounds == 0) party.other[0] = 0;
        });
        break;
      default:
        FAIL();
    }
  }

  int Free(const State& state, Bug as) const {
    int free = total;
    for (int i = 0; i < kProcesses; ++i) {
      if (!LooksDead(state, i, as)) free -= state.shared[i];
    }
    return free;
  }

  // The dead are taken back from on the way, as far as it matters: what they had is not counted.
  void TakeOr(uint8_t none, const State& state, int self, Step& step) const {
    const int free = Free(state, bug);
    if (free < wanted[self]) return step.Go(none);
    step.Go(free > wanted[self] && bug != Bug::kNoBaton ? 12 : 13, [&](State& next, Party& party) {
      for (int i = 0; i < kProcesses; ++i) {
        if (LooksDead(state, i, bug)) next.shared[i] = 0;
      }
      next.shared[self] = static_cast<uint8_t>(next.shared[self] + wanted[self]);
      party.seen = party.other[1] = party.other[2] = 0;
    });
  }

  // More in use than there are, by threads that run.
  bool Bad(const State& state) const {
    int used = 0;
    for (int i = 0; i < kProcesses; ++i) {
      const Party& party = state.party[i];
      if (!party.dead && (party.pc == 12 || party.pc == 13)) used += wanted[i];
    }
    return used > total;
  }
  bool MaySleep(const State& state, int party) const {
    return party == kKeeper || state.party[party].pc == 13 || Free(state, Bug::kNone) < wanted[party];
  }
};

struct Cast {
  uint8_t total = 1;
  int processes = 3;
  std::array<uint8_t, kProcesses> wanted = {1, 1, 1, 1};
  uint8_t keeps = 0;
  int newcomer = -1;
  uint8_t deaths = 0;
};

Result Explore(Bug bug, const Cast& cast) {
  PermitPoolMachine machine{.bug = bug, .total = cast.total, .wanted = cast.wanted, .keeps = cast.keeps};
  return sync_model::Explorer(machine, kParties).Run(AllJoined(cast.processes, cast.newcomer, /*rounds=*/1, cast.deaths));
}

constexpr Cast kTwoDeaths = {.deaths = 2};
// A death that could still come keeps a state from being the last: so fewer deaths find other hangs.
constexpr Cast kOneDeath = {.deaths = 1};
constexpr Cast kNewcomer = {.processes = 2, .newcomer = 0, .deaths = 1};
constexpr Cast kOneWantsMore = {.total = 2, .processes = 4, .wanted = {1, 1, 2, 1}, .keeps = 0b1010};
constexpr Cast kTwoKeep = {.total = 2, .processes = 4, .keeps = 0b1100};

TEST(PermitPoolModelTest, NobodyHangsBesideAPermitAndNoneIsGivenTwice) {
  ExpectSound("1 permit, 3 processes, 2 deaths", Explore(Bug::kNone, kTwoDeaths));
  ExpectSound("1 permit, 3 processes, 1 death", Explore(Bug::kNone, kOneDeath));
  ExpectSound("1 permit, 2 processes, one is new, 1 death", Explore(Bug::kNone, kNewcomer));
  ExpectSound("2 permits, 4 processes, one wants both", Explore(Bug::kNone, kOneWantsMore));
  ExpectSound("2 permits, 4 processes, two keep theirs, no death", Explore(Bug::kNone, kTwoKeep));
}

TEST(PermitPoolModelTest, SeededBugsAreFound) {
  for (const Bug bug :
       {Bug::kDeathsNotCompared, Bug::kDeathsReadLate, Bug::kAttachWithoutBump, Bug::kGoneNotAwaited, Bug::kTruthSecond,
        Bug::kWakeFirst, Bug::kNoRecheck, Bug::kNoBaton, Bug::kWaitersForgotten, Bug::kOneWord}) {
    Result result;
    for (const Cast& cast : {kNewcomer, kOneWantsMore, kTwoKeep, kTwoDeaths}) {
      result = Explore(bug, cast);
      if (result.found()) break;
    }
    ExpectFound("permit pool", bug, result);
  }
}

}  // namespace
}  // namespace shoal::shm_model
