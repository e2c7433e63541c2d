// The machine of condition.cc with consumers that roll back, and producers, step by step as there, explored exhaustively; and the same
// with bugs seeded on purpose, which must be found. The lock is that of lock_model_test.cc, here in one step. A machine that is
// changed is changed here too.

#include <cstdint>

#include "gtest/gtest.h"
#include "shoal/sync/model/explorer.h"
#include "shoal/sync/model/seeded_bugs.h"

namespace shoal::sync_model {
namespace {

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

TEST(ConditionModelTest, NoNotificationIsSwallowed) {
  ExpectSound("condition: 3 consumers, 2 producers, 2 deaths", ExploreCondition(Bug::kNone, 3, 2, 2));
}

TEST(ConditionModelTest, SeededBugsAreFound) {
  for (const Bug bug : {Bug::kNoRecheck, Bug::kDeathsNotCounted, Bug::kWakeOne}) {
    ExpectFound("condition", bug, ExploreCondition(bug, 3, 2, 2));
  }
}

}  // namespace
}  // namespace shoal::sync_model
