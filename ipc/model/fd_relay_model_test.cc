// The machine of fd_relay.cc, with who polls its descriptor and who puts and gets elsewhere, step by step as there, explored exhaustively;
// and the same with bugs seeded on purpose, which must be found. A machine that is changed is changed here too.
//
// The queue is a number of messages, as in wait_model_test.cc.

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
  kNotPassedOn,        // the relay passes no wake on
  kNoRecheck,          // it does not look again after it has announced itself
  kDeathsNotCompared,  // it does not sleep on `deaths`
  kDeathsReadLate,     // it reads `deaths` after its look
  kNoMutex,            // state and descriptor are changed by two at once
  kRelayNotWoken,      // whoever has emptied the descriptor does not wake the relay
  kStateNotCompared,   // a relay that has told sleeps without comparing the state
  kEndNotAwaited,      // a relay that watches does not sleep on the state
};
const char* Name(Bug bug) {
  static constexpr const char* kNames[] = {"none",
                                           "not passed on",
                                           "no look after the announcement",
                                           "deaths not compared",
                                           "deaths read late",
                                           "no mutex",
                                           "relay not woken",
                                           "state not compared",
                                           "end not awaited"};
  return kNames[static_cast<int>(bug)];
}

// Words, beside `deaths` and the life words.
constexpr int kGetters = 0;
constexpr int kState = 6;
constexpr int kDescriptor = 7;  // 1: readable
constexpr uint8_t kWatching = 0;
constexpr uint8_t kTold = 1;
constexpr uint8_t kOver = 2;

// In `shared`.
constexpr int kMessages = 0;
constexpr int kMutex = 1;  // party + 1

// kPoll is a thread of the relay's process, and so is who ends the relay.
enum class Does : uint8_t { kNothing, kRelay, kPoll, kEnd, kPut, kGet };
struct Role {
  Does does = Does::kNothing;
  uint8_t rounds = 1;
  bool may_time_out = false;
};
constexpr uint8_t kStart[] = {kDone, 3, 20, 50, 40, 30};

struct RelayMachine {
  Bug bug = Bug::kNone;
  std::array<Role, kProcesses> roles = {};
  bool relay_dies = false;  // with its process: nobody there polls

  bool MayDie(int party) const {
    const Does does = roles[party].does;
    return does == Does::kPut || does == Does::kGet || (does == Does::kRelay && relay_dies);
  }
  bool CanLock(const State& state) const { return state.shared[kMutex] == 0 || bug == Bug::kNoMutex; }

  void Next(const State& state, int self, Step& step) const {
    if (self == kKeeper) return shm_model::StepAsKeeper(state, shm_model::Bug::kNone, step);
    if (MayDie(self) && !shm_model::StepAsParticipant(state, self, shm_model::Bug::kNone, step)) return;
    if (StepInWake(state, self, step)) return;
    switch (roles[self].does) {
      case Does::kRelay:
        return StepAsRelay(state, self, step);
      case Does::kPoll:
        return StepAsPoller(state, self, step);
      case Does::kGet:
        return StepAsGetter(state, self, step);
      case Does::kPut:
        if (state.party[self].pc != 40) return step.Go(kDone);
        return step.Go(0, [](State& next, Party& party) {
          ++next.shared[kMessages];
          CallWake(party, kGetters, static_cast<uint8_t>(--party.rounds == 0 ? 41 : 40));
        });
      default:  // the destructor
        if (state.party[self].pc == 50) return step.Go(51, [](State& next, Party&) { next.word[kState] = kOver; });
        return step.Wake(kDone, kState, kParties, [](State&, Party&) {});
    }
  }

  // FdRelay::Run.
  void StepAsRelay(const State& state, int self, Step& step) const {
    const Party& me = state.party[self];
    const bool is_ready = state.shared[kMessages] != 0;
    const auto unlock = [](State& next, Party&) { next.shared[kMutex] = 0; };
    const auto read_deaths = [](State& next, Party& party) { party.other[1] = next.word[kDeaths]; };
    switch (me.pc) {
      case 3:
        step.Go(state.word[kState] == kOver   ? kDone
                : state.word[kState] == kTold ? 4
                                              : 6,
                [](State&, Party& party) { party.other[1] = party.other[2] = party.seen = 0; });
        break;
      case 4:  // it has told
        step.Queue(kState, bug != Bug::kStateNotCompared, kTold, 3, 5);
        break;
      case 5:
        EndSleep(state, self, step, 3, false);
        break;
      case 6:
        step.Go(7, [&](State& next, Party& party) {
          if (bug != Bug::kDeathsReadLate) read_deaths(next, party);
        });
        break;
      case 7:  // TellIfReady
        if (!CanLock(state)) return;
        if (state.word[kState] != kWatching) return step.Go(3);
        step.Go(8, [&](State& next, Party&) { next.shared[kMutex] = static_cast<uint8_t>(self + 1); });
        break;
      case 8:
        if (is_ready) return step.Go(9);
        step.Go(11, unlock);
        break;
      case 9:
        if (state.word[kState] != kWatching) return step.Go(3, unlock);
        step.Go(10, [](State& next, Party&) { next.word[kState] = kTold; });
        break;
      case 10:
        step.Go(3, [&](State& next, Party& party) {
          next.word[kDescriptor] = 1;
          unlock(next, party);
        });
        break;
      case 11:
        step.Go(bug == Bug::kNoRecheck ? 14 : 12, [](State& next, Party& party) { Announce(next, party, kGetters); });
        break;
      case 12:
        if (is_ready) {
          return step.Go(3, [](State&, Party& party) { party.other[1] = party.seen = 0; });
        }
        step.Go(bug == Bug::kDeathsReadLate ? 13 : 14);
        break;
      case 13:
        step.Go(14, read_deaths);
        break;
      case 14:
        QueueIfNotMoved(state, self, step, kGetters, 18, 15);
        break;
      case 15:
        if (bug == Bug::kEndNotAwaited) return step.Go(16);
        step.Queue(kState, true, kWatching, 18, 16);
        break;
      case 16:
        if (bug == Bug::kDeathsNotCompared) return step.Go(17);
        step.Queue(kDeaths, true, me.other[1], 18, 17);
        break;
      case 17:
        EndSleep(state, self, step, 18, false);
        break;
      case 18:  // withdraws
        step.Go(3, [&](State&, Party& party) {
          party.other[1] = party.other[2] = party.seen = 0;
          if (is_ready && bug != Bug::kNotPassedOn) CallWake(party, kGetters, 3);
        });
        break;
      default:
        FAIL() << int{me.pc};
    }
  }

  // Polls the descriptor, and takes without waiting: RingPort::Take, TellRelay.
  void StepAsPoller(const State& state, int self, Step& step) const {
    const Party& me = state.party[self];
    const auto unlock = [](State& next, Party&) { next.shared[kMutex] = 0; };
    const uint8_t over = me.rounds == 0 ? kDone : 20;
    switch (me.pc) {
      case 20:
        if (state.word[kDescriptor] != 0) step.Go(21);
        break;
      case 21:
        step.Go(22, [](State& next, Party& party) {
          if (next.shared[kMessages] == 0) return;
          --next.shared[kMessages];
          --party.rounds;
        });
        break;
      case 22:  // Consumed
        if (!CanLock(state)) return;
        step.Go(23, [&](State& next, Party&) { next.shared[kMutex] = static_cast<uint8_t>(self + 1); });
        break;
      case 23: {
        const bool is_ready = state.shared[kMessages] != 0;
        if (state.word[kState] != kTold || is_ready) return step.Go(over, unlock);
        step.Go(24);
        break;
      }
      case 24:
        step.Go(25, [](State& next, Party&) { next.word[kDescriptor] = 0; });
        break;
      case 25:
        if (state.word[kState] != kTold) return step.Go(over, unlock);
        step.Go(bug == Bug::kRelayNotWoken ? 27 : 26, [](State& next, Party&) { next.word[kState] = kWatching; });
        break;
      case 26:
        step.Wake(27, kState, kParties, [](State&, Party&) {});
        break;
      case 27:
        step.Go(over, unlock);
        break;
      default:
        FAIL() << int{me.pc};
    }
  }

  // RingPort::Take in another process.
  void StepAsGetter(const State& state, int self, Step& step) const {
    const Party& me = state.party[self];
    const bool there = state.shared[kMessages] != 0;
    const auto take = [](State& next, Party& party) {
      --next.shared[kMessages];
      party.other[1] = party.seen = 0;
    };
    switch (me.pc) {
      case 30:
        if (there) return step.Go(kDone, take);
        step.Go(31);
        break;
      case 31:
        step.Go(32, [](State& next, Party& party) { party.other[1] = next.word[kDeaths]; });
        break;
      case 32:
        step.Go(33, [](State& next, Party& party) { Announce(next, party, kGetters); });
        break;
      case 33:
        if (there) {
          return step.Go(37, [&](State& next, Party& party) {
            take(next, party);
            if ((party.other[2] & kSlept) != 0) CallWake(party, kGetters, 37);
          });
        }
        step.Go((me.other[2] & kLastLook) != 0 ? 37 : 34);
        break;
      case 34:
        QueueIfNotMoved(state, self, step, kGetters, 31, 35);
        break;
      case 35:
        step.Queue(kDeaths, true, me.other[1], 31, 36);
        break;
      case 36:
        EndSleep(state, self, step, 31, roles[self].may_time_out);
        break;
      case 37:
        step.Go(kDone, [](State&, Party& party) { party.other[1] = party.other[2] = party.seen = 0; });
        break;
      default:
        FAIL() << int{me.pc};
    }
  }

  // State and descriptor say the same. (Otherwise whoever polls would be told for ever of nothing, or never of something.)
  bool Bad(const State& state) const {
    return state.shared[kMutex] == 0 && state.word[kState] != kOver && state.word[kState] != state.word[kDescriptor];
  }
  bool MaySleep(const State& state, int party) const {
    switch (party == kKeeper ? Does::kNothing : roles[party].does) {
      case Does::kRelay:
        if (state.word[kState] == kTold) return state.word[kDescriptor] == 1;
        return state.word[kState] == kWatching && state.shared[kMessages] == 0;
      case Does::kPoll:  // a relay that is over tells of nothing
        return state.shared[kMessages] == 0 || state.word[kState] == kOver;
      case Does::kGet:
        return state.shared[kMessages] == 0;
      default:
        return true;
    }
  }
};

struct Cast {
  std::array<Role, kProcesses> roles = {};
  uint8_t deaths = 0;
  uint8_t spurious = 0;
  bool relay_dies = false;
};

Result Explore(Bug bug, const Cast& cast) {
  int processes = 0;
  while (processes < kProcesses && cast.roles[processes].does != Does::kNothing) ++processes;
  const RelayMachine machine{.bug = bug, .roles = cast.roles, .relay_dies = cast.relay_dies};
  State initial = shm_model::AllJoined(processes, /*newcomer=*/-1, 1, cast.deaths);
  for (int i = 0; i < processes; ++i) {
    initial.party[i].pc = kStart[static_cast<int>(cast.roles[i].does)];
    initial.party[i].rounds = cast.roles[i].rounds;
  }
  if (cast.deaths == 0) initial.party[kKeeper].pc = kDone;  // it would only sleep
  initial.shared[kSpuriousLeft] = cast.spurious;
  return sync_model::Explorer(machine, kParties).Run(initial);
}

constexpr Role kRelay = {.does = Does::kRelay};
constexpr Role kPolls = {.does = Does::kPoll};
constexpr Role kPollsForTwo = {.does = Does::kPoll, .rounds = 2};
constexpr Role kEnds = {.does = Does::kEnd};
constexpr Role kPuts = {.does = Does::kPut};
constexpr Role kPutsTwo = {.does = Does::kPut, .rounds = 2};
constexpr Role kGets = {.does = Does::kGet};
constexpr Role kGetsUntil = {.does = Does::kGet, .may_time_out = true};

constexpr NamedCast<Cast> kCasts[] = {
    {"1 polls for two, 1 puts them", {.roles = {kRelay, kPollsForTwo, kPutsTwo}, .spurious = 1}},
    {"1 polls, 1 gets, 1 puts one", {.roles = {kRelay, kPolls, kGets, kPuts}, .spurious = 1}},
    {"1 polls, 1 gets, 1 puts two", {.roles = {kRelay, kPolls, kGets, kPutsTwo}}},
    {"1 polls for two, 1 gets until a deadline, 1 puts two", {.roles = {kRelay, kPollsForTwo, kGetsUntil, kPutsTwo}}},
    {"2 poll, 1 puts two", {.roles = {kRelay, kPolls, kPolls, kPutsTwo}}},
    {"nobody polls: 1 gets, 1 puts, and the relay ends", {.roles = {kRelay, kEnds, kGets, kPuts}, .spurious = 1}},
    {"nobody polls: 1 gets, 1 puts, 1 death", {.roles = {kRelay, kGets, kPuts}, .deaths = 1, .relay_dies = true}},
    {"1 polls, 1 puts, 1 death", {.roles = {kRelay, kPolls, kPuts}, .deaths = 1}},
    {"1 polls, 1 gets, 1 puts, 1 death", {.roles = {kRelay, kPolls, kGets, kPuts}, .deaths = 1}},
};

TEST(FdRelayModelTest, NobodySleepsBesideWhatItWaitsFor) {
  ExpectSoundInAll(kCasts, &Explore);
}

TEST(FdRelayModelTest, SeededBugsAreFound) {
  ExpectFoundInAny(Bug::kEndNotAwaited, &Name, kCasts, &Explore);
}

}  // namespace
}  // namespace shoal::ipc_model
