// The machine of event.cc, step by step as there, explored exhaustively; and the same with bugs seeded on purpose, which must be
// found. A machine that is changed is changed here too.

#include <cstdint>

#include "gtest/gtest.h"
#include "shoal/sync/model/explorer.h"
#include "shoal/sync/model/seeded_bugs.h"

namespace shoal::sync_model {
namespace {

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

TEST(EventModelTest, NobodySleepsThroughASet) {
  ExpectSound("event: 3 wait, 1 sets, clears, sets, 1 sets, 2 deaths", ExploreEvent(Bug::kNone, 3, 2, 2));
}

TEST(EventModelTest, SeededBugsAreFound) {
  for (const Bug bug : {Bug::kNoRecheck, Bug::kWakeBeforeStore, Bug::kStoreThenWake}) {
    ExpectFound("event", bug, ExploreEvent(bug, 3, 1, 2));
  }
}

}  // namespace
}  // namespace shoal::sync_model
