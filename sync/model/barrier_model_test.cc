// The machine of barrier.cc, step by step as there, explored exhaustively; and the same with bugs seeded on purpose, which must be
// found. A machine that is changed is changed here too.

#include <cstdint>

#include "gtest/gtest.h"
#include "shoal/sync/model/explorer.h"
#include "shoal/sync/model/seeded_bugs.h"

namespace shoal::sync_model {
namespace {

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
