// What journal.cc claims of sections over several locks, explored exhaustively: whoever of the next owners of its locks comes first
// undoes a dead thread's section; a slower one, or one that comes when the first was killed too, harms nothing that has been
// committed since. The locks are in one step here (robust_lock.cc has a model of its own). A machine that is changed is changed here
// too.

#include <cstdint>
#include <initializer_list>

#include "gtest/gtest.h"
#include "shoal/sync/model/explorer.h"
#include "shoal/sync/model/seeded_bugs.h"

namespace shoal::sync_model {
namespace {

// Each party takes its locks in order, recovers after each, opens a section, adds 1 to each of its objects, commits, gives the locks
// up, and does it all again while it has rounds left.
struct RecoveryMachine {
  Bug bug = Bug::kNone;
  int parties = 0;
  uint8_t wants[kMaxParties] = {};  // bit i: lock i, of two

  // Words 0 and 1 are the locks, 2 to 4 the replay locks of the parties' slots. shared[...]:
  static constexpr int kObject = 0;     // + lock
  static constexpr int kCommitted = 2;  // + lock: what it was when the last section with it was over
  static constexpr int kHead = 4;       // + party: the locks of the open section, as bits; 0: closed
  static constexpr int kOld = 7;        // + party: the old bytes, 4 bits for each lock
  static constexpr int Replay(int party) { return 2 + party; }

  // Registers.
  enum : int { kNext = 0, kOf = 1, kPart = 2, kDied = 3 };

  bool Wants(int self, int lock) const { return (wants[self] & (1 << lock)) != 0; }
  static uint8_t Old(const State& state, int party, int lock) {
    return static_cast<uint8_t>(state.shared[kOld + party] >> (4 * lock) & 15);
  }

  void Next(const State& state, int self, Step& step) const {
    const Party& me = state.party[self];
    const uint8_t own = static_cast<uint8_t>(self + 1);
    const int lock = me.other[kNext];
    const int of = me.other[kOf];
    switch (me.pc) {
      case 0:  // the next lock
        if (lock == 2) {
          step.Go(10, [](State&, Party& next) { next.other[kPart] = 0; });
        } else if (!Wants(self, lock)) {
          step.Go(0, [](State&, Party& next) { ++next.other[kNext]; });
        } else if ((state.word[lock] & kOwner) == 0) {
          step.Go((state.word[lock] & kOwnerDied) != 0 ? 1 : 0, [&](State& next, Party& party) {
            next.word[lock] = own;
            party.also_listed[lock] = static_cast<int8_t>(lock);
            party.other[kOf] = 0;
            if ((state.word[lock] & kOwnerDied) == 0) ++party.other[kNext];
          });
        }
        break;
      // ---- RecoverSection: all slots, one after the other
      case 1:
        if (of == parties) {
          step.Go(0, [](State&, Party& next) { ++next.other[kNext]; });
        } else if ((state.shared[kHead + of] & (1 << lock)) == 0) {
          step.Go(1, [](State&, Party& next) { ++next.other[kOf]; });
        } else {
          step.Go(bug == Bug::kNoReplayLock ? 4 : 2, [&](State& next, Party& party) {
            party.other[kPart] = 0;
            party.seen = next.shared[kHead + of];
          });
        }
        break;
      case 2:
        if ((state.word[Replay(of)] & kOwner) != 0) break;  // sleeps
        step.Go(3, [&](State& next, Party& party) {
          next.word[Replay(of)] = own;
          party.listed = static_cast<int8_t>(Replay(of));
        });
        break;
      case 3:  // looks again
        step.Go((state.shared[kHead + of] & (1 << lock)) != 0 ? 4 : 6,
                [&](State& next, Party& party) { party.seen = next.shared[kHead + of]; });
        break;
      case 4:  // the old bytes, one object after the other
        if (me.other[kPart] == 0 && bug == Bug::kClosedFirst) {
          step.Go(7, [&](State& next, Party&) { next.shared[kHead + of] = 0; });
        } else if (me.other[kPart] == 2) {
          step.Go(5);
        } else {
          step.Go(4, [&](State& next, Party& party) {
            const int part = party.other[kPart]++;
            if ((party.seen & (1 << part)) != 0) next.shared[kObject + part] = Old(next, of, part);
          });
        }
        break;
      case 7:  // the seeded bug's undoing
        if (me.other[kPart] == 2) {
          step.Go(6);
        } else {
          step.Go(7, [&](State& next, Party& party) {
            const int part = party.other[kPart]++;
            if ((party.seen & (1 << part)) != 0) next.shared[kObject + part] = Old(next, of, part);
          });
        }
        break;
      case 5:
        step.Go(6, [&](State& next, Party&) { next.shared[kHead + of] = 0; });
        break;
      case 6:
        step.Go(1, [&](State& next, Party& party) {
          if (bug != Bug::kNoReplayLock) next.word[Replay(of)] = 0;
          party.listed = kNothing;
          ++party.other[kOf];
        });
        break;
      // ---- its own section
      case 10:  // saves all, opens
        step.Go(11, [&](State& next, Party&) {
          next.shared[kOld + self] = static_cast<uint8_t>(next.shared[kObject] | next.shared[kObject + 1] << 4);
          next.shared[kHead + self] = wants[self];
        });
        break;
      case 11:
      case 12:
        step.Go(static_cast<uint8_t>(me.pc + 1), [&](State& next, Party&) {
          if (Wants(self, me.pc - 11)) ++next.shared[kObject + me.pc - 11];
        });
        break;
      case 13:  // commits
        step.Go(14, [&](State& next, Party&) {
          next.shared[kHead + self] = 0;
          for (int i = 0; i < 2; ++i) {
            if (Wants(self, i)) ++next.shared[kCommitted + i];
          }
        });
        break;
      case 14:
      case 15:  // gives one up
        step.Go(static_cast<uint8_t>(me.pc + 1), [&](State& next, Party& party) {
          const int given = me.pc - 14;
          if (!Wants(self, given)) return;
          next.word[given] = 0;
          party.also_listed[given] = kNothing;
        });
        break;
      case 16:
        step.Go(me.rounds > 1 ? 0 : kDone, [](State&, Party& next) {
          const uint8_t rounds = static_cast<uint8_t>(next.rounds - 1);
          next = Party{.pc = next.pc, .rounds = rounds};
        });
        break;
      default:
        FAIL() << int{me.pc};
    }
  }

  // Whoever begins a section finds its objects as the last committed ones left them.
  bool Bad(const State& state) const {
    for (int i = 0; i < parties; ++i) {
      if (state.party[i].dead || state.party[i].pc != 10) continue;
      for (int lock = 0; lock < 2; ++lock) {
        if (Wants(i, lock) && state.shared[kObject + lock] != state.shared[kCommitted + lock]) return true;
      }
    }
    return false;
  }
  bool MaySleep(const State&, int) const { return false; }
};

Result Explore(Bug bug, std::initializer_list<uint8_t> wants, int deaths, int rounds) {
  RecoveryMachine machine{.bug = bug};
  State initial;
  initial.deaths_left = static_cast<uint8_t>(deaths);
  for (const uint8_t each : wants) {
    initial.party[machine.parties].rounds = static_cast<uint8_t>(rounds);
    machine.wants[machine.parties++] = each;
  }
  return Explorer(machine, machine.parties).Run(initial);
}

constexpr uint8_t kA = 1;
constexpr uint8_t kB = 2;
constexpr uint8_t kBoth = 3;

TEST(RecoveryModelTest, NothingCommittedIsLostAndNothingHalfDoneIsSeen) {
  ExpectSound("recovery: a and b; a; b; 2 deaths", Explore(Bug::kNone, {kBoth, kA, kB}, 2, 2));
  ExpectSound("recovery: a and b, twice; b; 2 deaths", Explore(Bug::kNone, {kBoth, kBoth, kB}, 2, 2));
  ExpectSound("recovery: a and b, by three; 2 deaths", Explore(Bug::kNone, {kBoth, kBoth, kBoth}, 2, 2));
}

TEST(RecoveryModelTest, SeededBugsAreFound) {
  for (const Bug bug : {Bug::kNoReplayLock, Bug::kClosedFirst}) {
    ExpectFound("recovery", bug, Explore(bug, {kBoth, kA, kB}, 2, 2));
  }
  // One death is enough for two recoverers to get into each other's way.
  ExpectFound("recovery, 1 death", Bug::kNoReplayLock, Explore(Bug::kNoReplayLock, {kBoth, kA, kB}, 1, 2));
}

}  // namespace
}  // namespace shoal::sync_model
