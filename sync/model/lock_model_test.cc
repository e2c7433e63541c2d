// The machine of robust_lock.cc (Lock, RLock, and what Condition takes again), step by step as there, explored exhaustively; and the
// same with bugs seeded on purpose, which must be found. A machine that is changed is changed here too.

#include <cstdint>

#include "gtest/gtest.h"
#include "shoal/sync/model/explorer.h"
#include "shoal/sync/model/seeded_bugs.h"

namespace shoal::sync_model {
namespace {

struct LockMachine {
  Bug bug = Bug::kNone;
  bool one_gives_up = false;  // party 0 may time out

  static constexpr int kWord = 0;
  static constexpr int kBeacon = 1;

  void Next(const State& state, int self, Step& step) const {
    const Party& me = state.party[self];
    const uint8_t own = static_cast<uint8_t>(self + 1);
    const uint8_t word = state.word[kWord];
    const int first = bug == Bug::kStateBeforeBeacon ? kWord : kBeacon;
    const int second = bug == Bug::kStateBeforeBeacon ? kBeacon : kWord;
    const auto expected = [&](int which) { return which == kWord ? me.seen : uint8_t{0}; };
    const auto compares = [&](int which) { return which == kBeacon || bug != Bug::kNoRecheck; };
    switch (me.pc) {
      case 0:  // SetPending(word)
        step.Go(1, [&](State&, Party& next) { next.pending = bug == Bug::kPendingLate ? kNothing : kWord; });
        break;
      case 1:  // load
        if ((word & kOwner) != 0 && one_gives_up && self == 0) {
          step.Go(15);  // DeadlineExceeded
        }
        step.Go((word & kOwner) == 0 ? 2 : (word & kWaiters) == 0 ? 3 : 4, [&](State&, Party& next) { next.seen = word; });
        break;
      case 2:  // CAS to (waiters, self)
        if (word != me.seen) {
          step.Go(1);
        } else {
          step.Go(bug == Bug::kPendingLate ? 16 : 8,
                  [&](State& next, Party&) { next.word[kWord] = static_cast<uint8_t>((word & kWaiters) | own); });
        }
        break;
      case 16:  // the seeded bug's late SetPending
        step.Go(8, [](State&, Party& next) { next.pending = kWord; });
        break;
      case 3:  // CAS: set waiters
        if (word != me.seen) {
          step.Go(1);
        } else {
          step.Go(4, [&](State& next, Party& party) {
            next.word[kWord] |= kWaiters;
            party.seen |= kWaiters;
          });
        }
        break;
      case 4:  // SetPending(beacon)
        step.Go(5, [&](State&, Party& next) {
          next.pending = bug == Bug::kPendingIsTheWord ? kWord : bug == Bug::kNothingPending ? kNothing : kBeacon;
        });
        break;
      case 5:
        step.Queue(first, compares(first), expected(first), 7, 6);
        break;
      case 6:
        step.Queue(second, compares(second), expected(second), 7, 17);
        break;
      case 17:
        step.Asleep(18);
        if (one_gives_up && self == 0 && !me.woken) {
          step.Go(7, [](State&, Party& next) { next.queued = 0; });  // the deadline passed
        }
        break;
      case 18:  // fetch_or waiters
        step.Go(7, [&](State& next, Party&) {
          if (bug != Bug::kWaitersForgotten) next.word[kWord] |= kWaiters;
        });
        break;
      case 7:  // SetPending(word)
        step.Go(1, [](State&, Party& next) { next.pending = kWord; });
        break;
      case 8:  // Link
        step.Go(9, [](State&, Party& next) { next.listed = kWord; });
        break;
      case 9:  // ClearPending; the section begins
        step.Go(10, [](State& next, Party& party) {
          party.pending = kNothing;
          ++next.shared[0];
        });
        break;
      case 10:  // the section ends; SetPending(word)
        step.Go(11, [](State& next, Party& party) {
          party.pending = kWord;
          --next.shared[0];
        });
        break;
      case 11:  // Unlink
        step.Go(12, [&](State&, Party& next) {
          next.listed = kNothing;
          if (bug == Bug::kPendingClearedEarly) next.pending = kNothing;
        });
        break;
      case 12:  // CAS to free
        if (word == own) {
          step.Go(15, [](State& next, Party&) { next.word[kWord] = 0; });
        } else {
          step.Go(bug == Bug::kStoreThenWake ? 13 : bug == Bug::kWakeBeforeStore ? 19 : 14);
        }
        break;
      case 14:  // FUTEX_WAKE_OP
        step.Wake(15, kWord, 1, [](State& next, Party&) { next.word[kWord] = 0; });
        break;
      case 13:  // the seeded bug's store, then its wake
        step.Go(20, [](State& next, Party&) { next.word[kWord] = 0; });
        break;
      case 20:
        step.Wake(15, kWord, 1, [](State&, Party&) {});
        break;
      case 19:  // the seeded bug's wake, then its store
        step.Wake(21, kWord, 1, [](State&, Party&) {});
        break;
      case 21:
        step.Go(15, [](State& next, Party&) { next.word[kWord] = 0; });
        break;
      case 15:  // ClearPending
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

  // Two in the section. (A dead one's count is taken back by whoever takes the lock over: see below.)
  bool Bad(const State& state) const {
    int inside = 0;
    for (const Party& party : state.party) inside += !party.dead && party.pc == 10;
    return inside > 1;
  }
  bool MaySleep(const State&, int) const { return false; }
};

Result ExploreLock(Bug bug, int parties, int rounds, int deaths, bool one_gives_up = false) {
  State initial;
  initial.deaths_left = static_cast<uint8_t>(deaths);
  for (int i = 0; i < parties; ++i) initial.party[i].rounds = static_cast<uint8_t>(rounds);
  const LockMachine machine{.bug = bug, .one_gives_up = one_gives_up};
  return Explorer(machine, parties).Run(initial);
}

TEST(LockModelTest, NobodyHangsAndOneHolds) {
  ExpectSound("lock: 3 parties, 2 deaths", ExploreLock(Bug::kNone, 3, 1, 2));
  ExpectSound("lock: 3 parties, 2 rounds, 1 death", ExploreLock(Bug::kNone, 3, 2, 1));
  ExpectSound("lock: 3 parties, 2 deaths, one may give up", ExploreLock(Bug::kNone, 3, 1, 2, true));
  ExpectSound("lock: 4 parties, 1 death", ExploreLock(Bug::kNone, 4, 1, 1));
}

TEST(LockModelTest, SeededBugsAreFound) {
  for (const Bug bug :
       {Bug::kNoRecheck, Bug::kWakeBeforeStore, Bug::kPendingClearedEarly, Bug::kPendingLate, Bug::kWaitersForgotten}) {
    ExpectFound("lock", bug, ExploreLock(bug, 3, 1, 2));
  }
  // A thief is needed: a fourth party, or one that comes again.
  for (const Bug bug : {Bug::kStoreThenWake, Bug::kPendingIsTheWord, Bug::kNothingPending, Bug::kStateBeforeBeacon}) {
    Result result = ExploreLock(bug, 4, 1, 1);
    if (!result.found()) result = ExploreLock(bug, 3, 2, 2);
    ExpectFound("lock", bug, result);
  }
}

}  // namespace
}  // namespace shoal::sync_model
