// The machine of permits.cc (both semaphores), step by step as there, explored exhaustively; and the same with bugs seeded on
// purpose, which must be found. A machine that is changed is changed here too.

#include <cstdint>

#include "gtest/gtest.h"
#include "shoal/sync/model/explorer.h"
#include "shoal/sync/model/seeded_bugs.h"

namespace shoal::sync_model {
namespace {

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

}  // namespace
}  // namespace shoal::sync_model
