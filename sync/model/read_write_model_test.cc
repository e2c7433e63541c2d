// The machine of read_write_lock.cc, step by step as there, explored exhaustively with one or two words for readers; and the same with
// bugs seeded on purpose, which must be found. A machine that is changed is changed here too.

#include <cstdint>

#include "gtest/gtest.h"
#include "shoal/sync/model/explorer.h"
#include "shoal/sync/model/seeded_bugs.h"

namespace shoal::sync_model {
namespace {

struct ReadWriteMachine {
  Bug bug = Bug::kNone;
  int writers = 0;  // parties below this number write, the others read
  int slots = 0;    // words for readers
  bool last_gives_up = false;

  static constexpr int kTurn = 0;
  static constexpr int kBeacon = 1;
  static constexpr int kCycle = 2;
  static constexpr int Word(int slot) { return 3 + 2 * slot; }
  static constexpr int WaitsFor(int slot) { return 4 + 2 * slot; }
  static constexpr int kTorn = 0;  // shared[...]: a section has begun and is neither over nor undone

  // Registers of a party beside `seen`, the cycle that it waits for, or writes in.
  enum : int { kTurnSeen = 0, kDied = 1, kSlot = 2, kAlone = 3, kSeenWord = 4, kInTheWay = 5 };
  static bool Odd(uint8_t cycle) { return (cycle & 1) != 0; }

  void Next(const State& state, int self, Step& step) const {
    const Party& me = state.party[self];
    const uint8_t own = static_cast<uint8_t>(self + 1);
    const bool writes = self < writers;
    const int slot = me.other[kSlot];
    // A reader without a word waits for the turnstile as a writer does.
    const bool has_word = !writes && me.other[kAlone] == 0;
    switch (me.pc) {
      case 0:
        if (writes) {
          step.Go(6);
        } else {
          step.Go(1, [&](State&, Party& next) { next.other[kSlot] = static_cast<uint8_t>(self % slots); });
        }
        break;
      // ---- a reader takes a word
      case 1:
        for (int i = 0; i < slots; ++i) {  // looks for a free one, beginning with its own
          const int at = (self + i) % slots;
          if ((state.word[Word(at)] & kOwner) != 0) continue;
          step.Go(2, [&](State&, Party& next) {
            next.other[kSlot] = static_cast<uint8_t>(at);
            next.pending = static_cast<int8_t>(Word(at));
          });
          return;
        }
        step.Go(6, [](State&, Party& next) { next.other[kAlone] = 1; });
        break;
      case 2:  // CAS
        if ((state.word[Word(slot)] & kOwner) != 0) {
          step.Go(1, [](State&, Party& next) { next.pending = kNothing; });
        } else {
          step.Go(3, [&](State& next, Party&) {
            uint8_t& word = next.word[Word(slot)];
            if ((word & kOwnerDied) != 0) next.word[WaitsFor(slot)] = 0;  // in the code a moment later, but by then it is ours
            word = static_cast<uint8_t>((word & kWaiters) | own);
          });
        }
        break;
      case 3:  // Link
        step.Go(me.other[kAlone] != 0 ? 70 : 4, [&](State&, Party& next) {
          next.listed = static_cast<int8_t>(Word(slot));
          next.pending = kNothing;
        });
        break;
      case 4:  // looks at the cycle
        step.Go(Odd(state.word[kCycle]) ? 5 : 30, [](State& next, Party& party) { party.seen = next.word[kCycle]; });
        break;
      case 5:
        step.Go(71, [&](State& next, Party&) { next.word[WaitsFor(slot)] = me.seen; });
        break;
      case 71:  // tells the writer
        if ((state.word[Word(slot)] & kWaiters) != 0 && bug != Bug::kWaitNotTold) {
          step.Wake(6, WaitsFor(slot), kMaxParties, [](State&, Party&) {});
        } else {
          step.Go(6);
        }
        break;
      // ---- AcquireUnless, of the turnstile
      case 6:
        step.Go(7, [](State&, Party& next) { next.pending = kTurn; });
        break;
      case 7:
        step.Go((state.word[kTurn] & kOwner) == 0 ? 8 : 9,
                [](State& next, Party& party) { party.other[kTurnSeen] = next.word[kTurn]; });
        break;
      case 8:  // CAS
        if (state.word[kTurn] != me.other[kTurnSeen]) {
          step.Go(7);
        } else {
          step.Go(20, [&](State& next, Party& party) {
            party.other[kDied] = next.word[kTurn] & kOwnerDied;
            next.word[kTurn] = static_cast<uint8_t>((next.word[kTurn] & kWaiters) | own);
          });
        }
        break;
      case 9:  // the cycle is over?
        if (has_word && state.word[kCycle] != me.seen) {
          step.Go(30, [](State&, Party& next) { next.pending = kNothing; });
        } else {
          step.Go(10);
          if (GivesUp(self)) step.Go(has_word ? 31 : 35, [](State&, Party& next) { next.pending = kNothing; });
        }
        break;
      case 10:
        if ((me.other[kTurnSeen] & kWaiters) != 0) {
          step.Go(11);
        } else if (state.word[kTurn] != me.other[kTurnSeen]) {
          step.Go(7);
        } else {
          step.Go(11, [](State& next, Party& party) {
            next.word[kTurn] |= kWaiters;
            party.other[kTurnSeen] |= kWaiters;
          });
        }
        break;
      case 11:
        step.Go(12, [](State&, Party& next) { next.pending = kBeacon; });
        break;
      case 12:
        step.Queue(kBeacon, true, 0, 16, 13);
        break;
      case 13:
        step.Queue(kTurn, true, me.other[kTurnSeen], 16, has_word ? 14 : 15);
        break;
      case 14:
        step.Queue(kCycle, true, me.seen, 16, 15);
        break;
      case 15:
        step.Asleep(17);
        if (GivesUp(self) && !me.woken) step.Go(16, [](State&, Party& next) { next.queued = 0; });
        break;
      case 17:
        step.Go(16, [](State& next, Party&) { next.word[kTurn] |= kWaiters; });
        break;
      case 16:
        step.Go(7, [](State&, Party& next) { next.pending = kTurn; });
        break;
      case 20:  // Link, ClearPending
        step.Go(me.other[kDied] != 0 ? 22 : has_word ? 24 : 40, [](State&, Party& next) {
          next.also_listed[0] = kTurn;
          next.pending = kNothing;
        });
        break;
      // ---- MakeGood
      case 22:
        if (bug == Bug::kDeathNotPassedOn) {
          step.Go(23);
        } else {
          step.Wake(23, kCycle, kMaxParties, [](State&, Party&) {});
        }
        break;
      case 23:
        step.Go(has_word ? 24 : 40, [&](State& next, Party&) {
          if (bug != Bug::kNotMadeGood || writes) next.shared[kTorn] = 0;
        });
        break;
      // ---- LeaveTurnstile; other[kInTheWay]: the cycle was odd
      case 24:
        step.Go(25, [](State& next, Party& party) {
          party.other[kInTheWay] = Odd(next.word[kCycle]);
          if (Odd(next.word[kCycle])) ++next.word[kCycle];
        });
        break;
      case 25:
        step.Go(26, [](State&, Party& next) { next.pending = kTurn; });
        break;
      case 26:
        step.Go(27, [](State&, Party& next) { next.also_listed[0] = kNothing; });
        break;
      case 27:
        if (state.word[kTurn] == own) {
          step.Go(29, [](State& next, Party&) { next.word[kTurn] = 0; });
        } else {
          step.Go(bug == Bug::kReleaseBeforeWake ? 18 : me.other[kInTheWay] != 0 ? 28 : 19);
        }
        break;
      case 28:
        step.Wake(19, kCycle, kMaxParties, [](State&, Party&) {});
        break;
      case 19:  // FUTEX_WAKE_OP
        step.Wake(29, kTurn, 1, [](State& next, Party&) { next.word[kTurn] = 0; });
        break;
      case 18:  // the seeded bug's order
        step.Wake(21, kTurn, 1, [](State& next, Party&) { next.word[kTurn] = 0; });
        break;
      case 21:
        step.Wake(29, kCycle, kMaxParties, [](State&, Party&) {});
        break;
      case 29:
        step.Go(writes || me.listed == kNothing ? 35 : 30, [](State&, Party& next) { next.pending = kNothing; });
        break;
      // ---- reads; ReleaseRead
      case 30:
        step.Go(31, [&](State& next, Party&) { next.word[WaitsFor(slot)] = 0; });
        break;
      case 31:
        step.Go(32, [&](State& next, Party& party) {
          next.word[WaitsFor(slot)] = 0;
          party.pending = static_cast<int8_t>(Word(slot));
        });
        break;
      case 32:
        step.Go(33, [](State&, Party& next) { next.listed = kNothing; });
        break;
      case 33:
        if (state.word[Word(slot)] == own) {
          step.Go(35, [&](State& next, Party&) { next.word[Word(slot)] = 0; });
        } else {
          step.Wake(35, Word(slot), 1, [&](State& next, Party&) { next.word[Word(slot)] = 0; });
        }
        break;
      case 35:
        step.Go(me.rounds > 1 ? 0 : kDone, [](State&, Party& next) {
          const uint8_t rounds = static_cast<uint8_t>(next.rounds - 1);
          next = Party{.pc = next.pc, .rounds = rounds};
        });
        break;
      // ---- BeginWrite
      case 40:
        step.Go(41, [&](State& next, Party& party) {
          party.seen = next.word[kCycle];
          party.other[kSlot] = 0;
          party.other[kInTheWay] = 0;
          if (Odd(party.seen)) return;
          ++party.seen;
          if (bug != Bug::kLooksBeforeStore) next.word[kCycle] = party.seen;
        });
        break;
      // ---- AwaitReaders; other[kInTheWay]: bit for each slot
      case 41:
        if (slot == slots) {
          step.Go(44);
        } else if ((state.word[Word(slot)] & kOwner) != 0) {
          step.Go(42, [&](State& next, Party& party) { party.other[kSeenWord] = next.word[Word(slot)]; });
        } else if (writes) {
          step.Go(41, [](State&, Party& next) { ++next.other[kSlot]; });
        } else {
          step.Go(72, [&](State&, Party& next) { next.pending = static_cast<int8_t>(Word(slot)); });
        }
        break;
      case 72:  // a free word for the reader that has none
        if ((state.word[Word(slot)] & kOwner) != 0) {
          step.Go(41, [](State&, Party& next) { next.pending = kNothing; });
        } else {
          step.Go(3, [&](State& next, Party&) {
            next.word[Word(slot)] = static_cast<uint8_t>((next.word[Word(slot)] & kWaiters) | own);
          });
        }
        break;
      case 70:
        step.Go(24, [&](State& next, Party&) { next.word[WaitsFor(slot)] = 0; });
        break;
      case 42:
        if (state.word[WaitsFor(slot)] == me.seen && bug != Bug::kWaitersInTheWay) {
          step.Go(41, [](State&, Party& next) { ++next.other[kSlot]; });
        } else {
          // The value it had is compared again: what it is now. (It can only become the cycle that is looked for.)
          step.Go(43);
        }
        break;
      case 43:
        if ((state.word[Word(slot)] & kOwner) != (me.other[kSeenWord] & kOwner)) {
          step.Go(41);  // another owner, or none
        } else {
          step.Go(41, [&](State& next, Party& party) {
            next.word[Word(slot)] |= kWaiters;
            party.other[kInTheWay] |= static_cast<uint8_t>(1 << slot);
            ++party.other[kSlot];
          });
        }
        break;
      case 44:
        if (me.other[kInTheWay] == 0) {
          step.Go(writes ? 50 : 36, [&](State& next, Party& party) {
            if (bug == Bug::kLooksBeforeStore) next.word[kCycle] = party.seen;
          });
        } else {
          step.Go(45, [](State&, Party& next) { next.other[kSlot] = 0; });
          if (GivesUp(self)) step.Go(24);
        }
        break;
      case 45:  // the kernel compares and queues: the word, then waits_for
        if (slot == slots) {
          step.Go(48);
        } else if ((me.other[kInTheWay] & (1 << slot)) == 0) {
          step.Go(45, [](State&, Party& next) { ++next.other[kSlot]; });
        } else if (me.woken) {
          step.Go(48);
        } else if ((state.word[Word(slot)] & kOwner) == 0 || (state.word[Word(slot)] & kWaiters) == 0) {
          step.Go(49);
        } else {
          step.Go(46, [&](State&, Party& next) { next.queued |= static_cast<uint8_t>(1 << Word(slot)); });
        }
        break;
      case 46:
        if (!me.woken && state.word[WaitsFor(slot)] == me.seen && bug != Bug::kWaitersInTheWay) {
          step.Go(49);
        } else {
          step.Go(45, [&](State&, Party& next) {
            if (!next.woken) next.queued |= static_cast<uint8_t>(1 << WaitsFor(slot));
            ++next.other[kSlot];
          });
        }
        break;
      case 48:
        step.Asleep(49);
        if (GivesUp(self) && !me.woken) step.Go(24, [](State&, Party& next) { next.queued = 0; });
        break;
      case 49:
        step.Go(41, [](State&, Party& next) {
          next.queued = 0;
          next.woken = false;
          next.other[kSlot] = 0;
          next.other[kInTheWay] = 0;
        });
        break;
      // ---- writes: the section is open, then it is committed
      case 50:
        step.Go(51, [](State& next, Party&) { next.shared[kTorn] = 1; });
        break;
      case 51:
        step.Go(24, [](State& next, Party&) { next.shared[kTorn] = 0; });
        break;
      // ---- reads alone, by the turnstile
      case 36:
        step.Go(24);
        break;
      default:
        FAIL() << int{me.pc};
    }
  }

  bool GivesUp(int self) const { return last_gives_up && self == writers - 1; }

  bool Bad(const State& state) const {
    int writing = 0;
    int reading = 0;
    bool passed_over = false;
    for (int i = 0; i < kMaxParties; ++i) {
      const Party& party = state.party[i];
      if (party.dead || party.pc == kDone) continue;
      writing += party.pc == 51 || party.pc == 50;
      reading += party.pc == 30 || party.pc == 36;
    }
    // A reader that waits for one writer is not kept waiting by the next.
    for (int i = 0; i < writers; ++i) {
      if (state.party[i].dead || state.party[i].pc != 51) continue;
      for (int j = writers; j < kMaxParties; ++j) {
        const Party& party = state.party[j];
        const bool waits = !party.dead && party.other[kAlone] == 0 && ((party.pc >= 5 && party.pc <= 17) || party.pc == 71);
        passed_over |= waits && party.seen != state.word[kCycle];
      }
    }
    return writing > 1 || (writing != 0 && reading != 0) || (reading != 0 && state.shared[kTorn] != 0) || passed_over;
  }
  bool MaySleep(const State&, int) const { return false; }
};

Result Explore(Bug bug, int writers, int readers, int slots, int deaths, int rounds = 1, bool last_gives_up = false) {
  State initial;
  initial.deaths_left = static_cast<uint8_t>(deaths);
  for (int i = 0; i < writers + readers; ++i) initial.party[i].rounds = static_cast<uint8_t>(rounds);
  const ReadWriteMachine machine{.bug = bug, .writers = writers, .slots = slots, .last_gives_up = last_gives_up};
  return Explorer(machine, writers + readers).Run(initial);
}

TEST(ReadWriteModelTest, NobodyHangsAndWritersAreAlone) {
  ExpectSound("read-write: 1 writer, 2 readers, 2 deaths", Explore(Bug::kNone, 1, 2, 2, 2));
  ExpectSound("read-write: 2 writers, 1 reader, 2 deaths", Explore(Bug::kNone, 2, 1, 1, 2));
  ExpectSound("read-write: 1 writer, 2 readers, 1 word, 2 deaths", Explore(Bug::kNone, 1, 2, 1, 2));
  ExpectSound("read-write: 1 writer, 1 reader, 2 rounds, 1 death", Explore(Bug::kNone, 1, 1, 1, 1, 2));
  ExpectSound("read-write: 2 writers, 1 reader, 1 death, one may give up", Explore(Bug::kNone, 2, 1, 1, 1, 1, true));
}

TEST(ReadWriteModelTest, SeededBugsAreFound) {
  for (const Bug bug : {Bug::kLooksBeforeStore, Bug::kWaitNotTold, Bug::kWaitersInTheWay}) {
    ExpectFound("read-write", bug, Explore(bug, 1, 1, 1, 0));
  }
  ExpectFound("read-write", Bug::kNotMadeGood, Explore(Bug::kNotMadeGood, 1, 1, 1, 1));
  for (const Bug bug : {Bug::kDeathNotPassedOn, Bug::kReleaseBeforeWake}) {
    Result result = Explore(bug, 1, 2, 2, 2);
    if (!result.found()) result = Explore(bug, 2, 1, 1, 2);
    ExpectFound("read-write", bug, result);
  }
}

}  // namespace
}  // namespace shoal::sync_model
