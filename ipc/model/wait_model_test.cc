// The machine of wait.cc over two queues, with those who get and put beside it, step by step as there, explored exhaustively; and the same
// with bugs seeded on purpose, which must be found. A machine that is changed is changed here too.
//
// A queue is a number of messages: how they come in and out of a ring is explored in message_ring_model_test.cc. What is explored here is
// who is told of them. The second queue may be one in a Mutex (locked_queue_watch.h), whose watchers are woken all.

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
  kNotPassedOn,            // a waiter passes no wake on
  kPassedOnIfNothingCame,  // it does only if it returns empty-handed
  kFirstIsPassedOn,        // it does at the first object only
  kNoRecheck,              // it does not look again after it has announced itself
  kSecondNotAnnounced,     // it sleeps on the second object's word as it was before the look
  kDeathsNotCompared,      // a sleeper does not sleep on `deaths`
  kDeathsReadLate,         // it reads `deaths` after its look
  kWakeFirst,              // the bit is looked at before the message is put
  kLockedWakesOne,         // a putter of a queue in a Mutex wakes one watcher
};
const char* Name(Bug bug) {
  static constexpr const char* kNames[] = {"none",
                                           "not passed on",
                                           "passed on if nothing came",
                                           "only the first is passed on",
                                           "no look after the announcement",
                                           "second not announced",
                                           "deaths not compared",
                                           "deaths read late",
                                           "wake before the change",
                                           "one watcher woken"};
  return kNames[static_cast<int>(bug)];
}

constexpr int kWordOf[] = {0, 6};

// In `shared`.
constexpr int kMessagesIn[] = {0, 1};
constexpr int kLock = 2;  // of a queue in a Mutex: party + 1

enum class Does : uint8_t { kNothing, kPut, kGet, kWait, kWaitAndTake };
struct Role {
  Does does = Does::kNothing;
  int first = 0;   // the queue of the first round
  int second = 0;  // and of others
  uint8_t rounds = 1;
  bool may_time_out = false;
};
constexpr uint8_t kStart[] = {kDone, 20, 30, 3, 3};

// Flags of a waiter, beside kSlept and kLastLook.
constexpr uint8_t Ready(int queue) { return static_cast<uint8_t>(4 << queue); }
constexpr uint8_t kAnyReady = 4 | 8;
constexpr uint8_t kOnlyFirst = 16;  // announced

struct WaitMachine {
  Bug bug = Bug::kNone;
  bool locked = false;
  std::array<Role, kProcesses> roles = {};

  bool IsLocked(int queue) const { return locked && queue == 1; }
  // Whether the lock can be had: a dead holder's section is undone, and it had put nothing.
  bool CanLock(const State& state) const {
    const int holder = state.shared[kLock];
    return holder == 0 || shm_model::LooksDead(state, holder - 1, shm_model::Bug::kNone);
  }
  // A look takes the lock of a queue that has one.
  bool CanLook(const State& state, int queue) const { return !IsLocked(queue) || CanLock(state); }

  void Next(const State& state, int self, Step& step) const {
    if (self == kKeeper) return shm_model::StepAsKeeper(state, shm_model::Bug::kNone, step);
    if (!shm_model::StepAsParticipant(state, self, shm_model::Bug::kNone, step)) return;
    if (StepInWake(state, self, step)) return;
    switch (roles[self].does) {
      case Does::kPut:
        return StepAsPutter(state, self, step);
      case Does::kGet:
        return StepAsGetter(state, self, step);
      default:
        return StepAsWaiter(state, self, step);
    }
  }

  // wait.cc, WaitForWords. Registers: other[2]: flags.
  void StepAsWaiter(const State& state, int self, Step& step) const {
    const Party& me = state.party[self];
    const auto read_deaths = [](State& next, Party& party) { party.other[1] = next.word[kDeaths]; };
    const auto is_ready = [&](int queue) { return state.shared[kMessagesIn[queue]] != 0; };
    const int queue = me.pc >= 14 ? me.pc & 1 : me.pc >= 6 ? (me.pc - 6) / 2 : me.pc - 4;
    switch (me.pc) {
      case 3:
        step.Go(4, [&](State& next, Party& party) {
          party.seen = 0;
          if (bug != Bug::kDeathsReadLate) read_deaths(next, party);
        });
        break;
      case 4:  // looks at each
      case 5: {
        if (!CanLook(state, queue)) return;
        const bool any = (me.other[2] & kAnyReady) != 0 || is_ready(queue);
        const bool returns = queue == 1 && (any || (me.other[2] & kLastLook) != 0);
        step.Go(returns ? 19 : me.pc + 1, [&](State&, Party& party) {
          if (is_ready(queue)) party.other[2] |= Ready(queue);
          if (bug == Bug::kSecondNotAnnounced && queue == 1) party.seen |= 1 << kWordOf[1];
        });
        break;
      }
      case 6:  // announces itself at each,
      case 8:
        step.Go(bug == Bug::kNoRecheck ? me.pc + 2 : me.pc + 1, [&](State& next, Party& party) {
          if (bug == Bug::kSecondNotAnnounced && queue == 1) return;
          Announce(next, party, kWordOf[queue]);
        });
        break;
      case 7:  // and looks again
      case 9:
        if (!CanLook(state, queue)) return;
        if (!is_ready(queue)) return step.Go(me.pc + 1);
        step.Go(queue == 0 ? 3 : 16, [](State&, Party& party) { party.other[2] |= kOnlyFirst; });
        break;
      case 10:
        step.Go(11, [&](State& next, Party& party) {
          if (bug == Bug::kDeathsReadLate) read_deaths(next, party);
        });
        break;
      case 11:
        step.Queue(kDeaths, bug != Bug::kDeathsNotCompared, me.other[1], 14, 12);
        break;
      case 12:
        QueueIfNotMoved(state, self, step, kWordOf[0], 14, 13);
        break;
      case 13:
        QueueIfNotMoved(state, self, step, kWordOf[1], 14, 18);
        break;
      case 18:
        if (bug == Bug::kDeathsNotCompared && (me.queued & 1 << kDeaths) != 0) {
          return step.Go(18, [](State&, Party& party) { party.queued &= static_cast<uint8_t>(~(1 << kDeaths)); });
        }
        EndSleep(state, self, step, 14, roles[self].may_time_out);
        break;
      case 14:  // what came
      case 15:
        if (!CanLook(state, queue)) return;
        step.Go(me.pc + 1, [&](State&, Party& party) {
          if (is_ready(queue)) party.other[2] |= Ready(queue);
          party.seen = party.other[1] = 0;
        });
        break;
      case 16:  // withdraws from each
      case 17: {
        const uint8_t next_pc = me.pc == 16 && (me.other[2] & kOnlyFirst) == 0 ? 17 : 21;
        const bool passes = !IsLocked(queue) && is_ready(queue) && bug != Bug::kNotPassedOn &&
                            !(bug == Bug::kPassedOnIfNothingCame && (me.other[2] & kAnyReady) != 0) &&
                            !(bug == Bug::kFirstIsPassedOn && queue == 1);
        step.Go(next_pc, [&](State&, Party& party) {
          party.other[2] &= static_cast<uint8_t>(~kOnlyFirst);
          party.seen = party.other[1] = 0;
          if (passes) CallWake(party, kWordOf[queue], next_pc);
        });
        break;
      }
      case 21:
        step.Go((me.other[2] & kAnyReady) != 0 ? 19 : 3);
        break;
      case 19: {  // returns
        const auto over = [](Party& party) {
          const uint8_t sentenced = party.other[0];
          for (uint8_t& other : party.other) other = 0;
          party.other[0] = sentenced;
          party.seen = 0;
        };
        if (roles[self].does == Does::kWait || (me.other[2] & kAnyReady) == 0) {
          return step.Go(kDone, [&](State&, Party& party) { over(party); });
        }
        const int from = (me.other[2] & Ready(0)) != 0 ? 0 : 1;
        const bool got = is_ready(from);  // another may have been quicker
        step.Go(got && me.rounds == 1 ? kDone : 3, [&](State& next, Party& party) {
          over(party);
          if (!got) return;
          --next.shared[kMessagesIn[from]];
          --party.rounds;
        });
        break;
      }
      default:
        FAIL() << int{me.pc};
    }
  }

  int QueueOf(const Party& me, int self) const {
    return me.rounds == roles[self].rounds ? roles[self].first : roles[self].second;
  }

  // RingPort::Publish; LockedHandle::PutUntil.
  void StepAsPutter(const State& state, int self, Step& step) const {
    const Party& me = state.party[self];
    const int queue = QueueOf(me, self);
    const auto put = [&](State& next, Party& party) {
      ++next.shared[kMessagesIn[queue]];
      if (IsLocked(queue)) next.shared[kLock] = 0;
      if (bug == Bug::kWakeFirst) {
        party.pc = 22;
      } else {
        CallWake(party, kWordOf[queue], 22, IsLocked(queue) && bug != Bug::kLockedWakesOne);
      }
    };
    switch (me.pc) {
      case 20:
        if (IsLocked(queue)) {
          if (!CanLock(state)) return;
          return step.Go(23, [&](State& next, Party&) { next.shared[kLock] = static_cast<uint8_t>(self + 1); });
        }
        if (bug != Bug::kWakeFirst) return step.Go(0, put);
        step.Go(0, [&](State&, Party& party) { CallWake(party, kWordOf[queue], 24); });
        break;
      case 23:  // commits, and unlocks
      case 24:
        step.Go(0, put);
        break;
      case 22:
        step.Go(me.rounds == 1 ? kDone : 20, [](State&, Party& party) { --party.rounds; });
        break;
      default:
        FAIL() << int{me.pc};
    }
  }

  // RingPort::Take, AwaitSlowly.
  void StepAsGetter(const State& state, int self, Step& step) const {
    const Party& me = state.party[self];
    const int queue = QueueOf(me, self);
    const bool there = state.shared[kMessagesIn[queue]] != 0;
    const auto take = [&](State& next, Party& party) {
      --next.shared[kMessagesIn[queue]];
      party.other[1] = party.seen = 0;
    };
    switch (me.pc) {
      case 30:
        if (there) return step.Go(37, take);
        step.Go(31);
        break;
      case 31:
        step.Go(32, [](State& next, Party& party) { party.other[1] = next.word[kDeaths]; });
        break;
      case 32:
        step.Go(33, [&](State& next, Party& party) { Announce(next, party, kWordOf[queue]); });
        break;
      case 33:
        if (there) {
          return step.Go(37, [&](State& next, Party& party) {
            take(next, party);
            if ((party.other[2] & kSlept) != 0) CallWake(party, kWordOf[queue], 37);
          });
        }
        step.Go((me.other[2] & kLastLook) != 0 ? 37 : 34);
        break;
      case 34:
        QueueIfNotMoved(state, self, step, kWordOf[queue], 31, 35);
        break;
      case 35:
        step.Queue(kDeaths, true, me.other[1], 31, 36);
        break;
      case 36:
        EndSleep(state, self, step, 31, roles[self].may_time_out);
        break;
      case 37:
        step.Go(me.rounds == 1 || (me.other[2] & kLastLook) != 0 ? kDone : 30, [](State&, Party& party) {
          --party.rounds;
          party.other[1] = party.other[2] = party.seen = 0;
        });
        break;
      default:
        FAIL() << int{me.pc};
    }
  }

  bool Bad(const State&) const { return false; }
  bool MaySleep(const State& state, int party) const {
    if (party == kKeeper) return true;
    if (roles[party].does == Does::kGet) return state.shared[kMessagesIn[QueueOf(state.party[party], party)]] == 0;
    return state.shared[kMessagesIn[0]] == 0 && state.shared[kMessagesIn[1]] == 0;
  }
};

struct Cast {
  std::array<Role, kProcesses> roles = {};
  bool locked = false;
  uint8_t deaths = 0;
  uint8_t spurious = 0;
};

Result Explore(Bug bug, const Cast& cast) {
  int processes = 0;
  while (processes < kProcesses && cast.roles[processes].does != Does::kNothing) ++processes;
  const WaitMachine machine{.bug = bug, .locked = cast.locked, .roles = cast.roles};
  State initial = shm_model::AllJoined(processes, /*newcomer=*/-1, 1, cast.deaths);
  for (int i = 0; i < processes; ++i) {
    initial.party[i].pc = kStart[static_cast<int>(cast.roles[i].does)];
    initial.party[i].rounds = cast.roles[i].rounds;
  }
  if (cast.deaths == 0) initial.party[kKeeper].pc = kDone;  // it would only sleep
  initial.shared[kSpuriousLeft] = cast.spurious;
  return sync_model::Explorer(machine, kParties).Run(initial);
}

constexpr Role kPutsSecond = {.does = Does::kPut, .first = 1};
constexpr Role kPutsBoth = {.does = Does::kPut, .first = 1, .second = 0, .rounds = 2};
constexpr Role kPutsTwo = {.does = Does::kPut, .first = 1, .second = 1, .rounds = 2};
constexpr Role kGetsFirst = {.does = Does::kGet, .first = 0};
constexpr Role kGetsSecond = {.does = Does::kGet, .first = 1};
constexpr Role kImpatientGetter = {.does = Does::kGet, .first = 1, .may_time_out = true};
constexpr Role kWaits = {.does = Does::kWait};
constexpr Role kImpatient = {.does = Does::kWait, .may_time_out = true};
constexpr Role kWaitsAndTakes = {.does = Does::kWaitAndTake};
constexpr Role kWaitsAndTakesBoth = {.does = Does::kWaitAndTake, .rounds = 2};

constexpr NamedCast<Cast> kCasts[] = {
    {"1 waits and takes both, 1 puts", {.roles = {kWaitsAndTakesBoth, kPutsBoth}, .spurious = 1}},
    {"1 waits, 1 gets, 1 puts; a spurious wake", {.roles = {kWaits, kGetsSecond, kPutsSecond}, .spurious = 1}},
    {"1 waits until a deadline, 1 gets, 1 puts", {.roles = {kImpatient, kGetsSecond, kPutsSecond}}},
    {"1 waits until a deadline, 1 gets until one, 1 puts", {.roles = {kImpatient, kImpatientGetter, kPutsSecond}}},
    {"1 waits, 1 gets, 1 puts into both", {.roles = {kWaits, kGetsSecond, kPutsBoth}}},
    {"2 wait, 1 puts", {.roles = {kWaits, kWaits, kPutsSecond}}},
    {"1 waits and takes, 1 gets, 1 puts two", {.roles = {kWaitsAndTakes, kGetsSecond, kPutsTwo}}},
    {"1 waits, 1 puts, 1 death", {.roles = {kWaits, kPutsSecond}, .deaths = 1}},
    {"in a Mutex: 2 wait, 1 puts", {.roles = {kWaits, kWaits, kPutsSecond}, .locked = true}},
    {"in a Mutex: 1 waits, 2 put, 1 death", {.roles = {kWaits, kPutsSecond, kPutsSecond}, .locked = true, .deaths = 1}},
    {"1 waits, 1 gets, 1 puts, 1 death", {.roles = {kWaits, kGetsSecond, kPutsSecond}, .deaths = 1}},
    {"1 waits, 1 gets from each, 1 puts into both", {.roles = {kWaits, kGetsFirst, kGetsSecond, kPutsBoth}}},
};

TEST(WaitModelTest, NobodySleepsBesideWhatItWaitsFor) {
  ExpectSoundInAll(kCasts, &Explore);
}

TEST(WaitModelTest, SeededBugsAreFound) {
  ExpectFoundInAny(Bug::kLockedWakesOne, &Name, kCasts, &Explore);
}

}  // namespace
}  // namespace shoal::ipc_model
