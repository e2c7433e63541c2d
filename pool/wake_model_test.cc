// The word machine by which a pool's leader sleeps and is woken, explored exhaustively: every interleaving of a leader, two
// workers that publish results and may die before any step, and the keeper of the leader's process.
//
// Property: the leader never rests for ever while a result it has not seen, or a death it has not handled, is there. A state in
// which nobody can take a step and the leader is not done is a hang. Each protection is then switched off, and the hang that it
// prevents must be found: a model that finds nothing proves nothing.
//
// What the steps stand for: sync/doorbell.h (Arm, Ring, Sleep), Engine::Lead, Keeper::Run. Memory is sequentially consistent here;
// that the real code may count on it where it matters is what the fences in Arm and Ring are for, and `ring_looks_first` is what
// happens without the one in Ring.

#include <cstdint>
#include <cstring>
#include <functional>
#include <string_view>
#include <type_traits>
#include <unordered_set>
#include <vector>

#include "gtest/gtest.h"

namespace shoal::pool_internal {
namespace {

constexpr int kWorkers = 2;
constexpr uint8_t kResults = 2;  // of each worker

// What can be switched off.
struct Seeds {
  bool no_second_look = false;        // the leader sleeps without looking once more after arming the bell
  bool ring_looks_first = false;      // a worker looks at the bell before its result is visible
  bool sleep_without_deaths = false;  // the leader sleeps on the bell alone
  bool deaths_read_late = false;      // the leader reads `deaths` after it has looked, not before
  bool keeper_counts_first = false;   // the keeper changes `deaths` before it has noted who ended
  bool ring_wakes_apart = false;      // disarm and wake are two steps, and the leader compares the bell alone
};

enum LeaderStep : uint8_t { kRead, kLook, kArm, kLookAgain, kSleep, kAsleep, kDone };
enum WorkerStep : uint8_t { kPublish, kRing, kWake, kEnded };
enum SawBell : uint8_t { kNotYet, kQuiet, kArmed };
enum KeeperStep : uint8_t { kWatch, kNote, kCount, kTell };

struct State {
  // shared words
  uint8_t armed = 0;
  uint8_t deaths = 0;
  uint8_t published[kWorkers] = {};
  // the leader
  uint8_t leader = kRead;
  uint8_t deaths_seen = 0;
  uint8_t received[kWorkers] = {};
  uint8_t handled[kWorkers] = {};
  // the workers
  uint8_t worker[kWorkers] = {};
  uint8_t saw_bell[kWorkers] = {};  // of ring_looks_first
  uint8_t dead[kWorkers] = {};
  // the keeper
  uint8_t keeper = kWatch;
  uint8_t subject = 0;
  uint8_t told[kWorkers] = {};   // the kernel's news of this worker's end has been taken
  uint8_t noted[kWorkers] = {};  // in the keeper's list

  bool operator==(const State& other) const { return std::memcmp(this, &other, sizeof *this) == 0; }
};
static_assert(std::has_unique_object_representations_v<State>, "states are compared and hashed as bytes");

struct Hash {
  size_t operator()(const State& state) const {
    return std::hash<std::string_view>()({reinterpret_cast<const char*>(&state), sizeof state});
  }
};

class Model {
 public:
  explicit Model(Seeds seeds) : seeds_(seeds) {}

  // All states that one step leads to.
  std::vector<State> Next(const State& state) const {
    std::vector<State> next;
    StepLeader(state, next);
    for (int i = 0; i < kWorkers; ++i) StepWorker(state, i, next);
    StepKeeper(state, next);
    return next;
  }

 private:
  // Takes in what is there. Returns whether anything was.
  static bool Look(State& state) {
    bool progress = false;
    for (int i = 0; i < kWorkers; ++i) {
      progress = progress || state.received[i] != state.published[i] || state.noted[i] != state.handled[i];
      state.received[i] = state.published[i];
      state.handled[i] = state.noted[i];
    }
    return progress;
  }

  static bool Everything(const State& state) {
    for (int i = 0; i < kWorkers; ++i) {
      if (state.received[i] < kResults && state.handled[i] == 0) return false;
    }
    return true;
  }

  void StepLeader(const State& from, std::vector<State>& next) const {
    State to = from;
    switch (from.leader) {
      case kRead:
        to.deaths_seen = from.deaths;
        to.leader = kLook;
        break;
      case kLook: {
        const bool progress = Look(to);
        to.leader = Everything(to) ? kDone : progress ? kRead : kArm;
        break;
      }
      case kArm:
        to.armed = 1;
        to.leader = seeds_.no_second_look ? kSleep : kLookAgain;
        break;
      case kLookAgain: {
        const bool progress = Look(to);
        if (progress) to.armed = 0;
        to.leader = Everything(to) ? kDone : progress ? kRead : kSleep;
        break;
      }
      case kSleep: {
        // futex_waitv compares and sleeps in one step.
        if (seeds_.deaths_read_late) to.deaths_seen = from.deaths;
        const bool deaths_changed = !seeds_.sleep_without_deaths && from.deaths != to.deaths_seen;
        to.leader = from.armed == 0 || deaths_changed ? kRead : kAsleep;
        if (to.leader == kRead) to.armed = 0;
        break;
      }
      default:
        return;
    }
    next.push_back(to);
  }

  static void Wake(State& state) {
    if (state.leader != kAsleep) return;
    state.armed = 0;
    state.leader = kRead;
  }

  void StepWorker(const State& from, int i, std::vector<State>& next) const {
    if (from.dead[i] != 0) return;
    State killed = from;  // before any step, also after the last: an idle worker
    killed.dead[i] = 1;
    next.push_back(killed);

    State to = from;
    switch (from.worker[i]) {
      case kPublish:
        if (seeds_.ring_looks_first && from.saw_bell[i] == kNotYet) {
          to.saw_bell[i] = from.armed != 0 ? kArmed : kQuiet;
          break;
        }
        ++to.published[i];
        to.worker[i] = kRing;
        break;
      case kRing: {
        const bool armed = seeds_.ring_looks_first ? from.saw_bell[i] == kArmed : from.armed != 0;
        to.saw_bell[i] = kNotYet;
        to.worker[i] = from.published[i] < kResults ? kPublish : kEnded;
        if (armed && seeds_.ring_wakes_apart) {
          to.armed = 0;
          to.worker[i] = kWake;
        } else if (armed) {  // FUTEX_WAKE_OP: both in one step
          to.armed = 0;
          Wake(to);
        }
        break;
      }
      case kWake:
        Wake(to);
        to.worker[i] = from.published[i] < kResults ? kPublish : kEnded;
        break;
      default:
        return;
    }
    next.push_back(to);
  }

  void StepKeeper(const State& from, std::vector<State>& next) const {
    State to = from;
    const auto note = [&] { to.noted[from.subject] = 1; };
    const auto count = [&] { ++to.deaths; };
    switch (from.keeper) {
      case kWatch:
        for (uint8_t i = 0; i < kWorkers; ++i) {
          if (from.dead[i] == 0 || from.told[i] != 0) continue;
          to = from;
          to.told[i] = 1;
          to.subject = i;
          to.keeper = kNote;
          next.push_back(to);
        }
        return;
      case kNote:
        seeds_.keeper_counts_first ? count() : note();
        to.keeper = seeds_.keeper_counts_first ? kTell : kCount;
        break;
      case kCount:
        seeds_.keeper_counts_first ? note() : count();
        to.keeper = seeds_.keeper_counts_first ? kWatch : kTell;
        break;
      case kTell:
        if (!seeds_.sleep_without_deaths) Wake(to);
        to.keeper = seeds_.keeper_counts_first ? kCount : kWatch;
        break;
    }
    next.push_back(to);
  }

  const Seeds seeds_;
};

struct Explored {
  size_t states = 0;
  size_t hangs = 0;
};

Explored Explore(const Seeds& seeds) {
  const Model model(seeds);
  Explored explored;
  std::unordered_set<State, Hash> seen = {State()};
  std::vector<State> to_do = {State()};
  while (!to_do.empty()) {
    const State state = to_do.back();
    to_do.pop_back();
    const std::vector<State> next = model.Next(state);
    // At rest means: nobody can step of its own accord. That somebody might yet be killed is no reason to wait.
    bool rest = state.leader != kDone;
    for (const State& successor : next) {
      rest = rest && std::memcmp(successor.dead, state.dead, sizeof state.dead) != 0;
      if (seen.insert(successor).second) to_do.push_back(successor);
    }
    explored.hangs += rest;
  }
  explored.states = seen.size();
  return explored;
}

TEST(WakeModelTest, TheLeaderNeverRestsWhileThereIsSomethingForIt) {
  const Explored explored = Explore({});
  EXPECT_EQ(explored.hangs, 0u);
  EXPECT_GT(explored.states, 10'000u);
  RecordProperty("states", static_cast<int>(explored.states));
}

TEST(WakeModelTest, EachProtectionIsNeeded) {
  EXPECT_GT(Explore({.no_second_look = true}).hangs, 0u);
  EXPECT_GT(Explore({.ring_looks_first = true}).hangs, 0u);
  EXPECT_GT(Explore({.sleep_without_deaths = true}).hangs, 0u);
  EXPECT_GT(Explore({.deaths_read_late = true}).hangs, 0u);
  EXPECT_GT(Explore({.keeper_counts_first = true}).hangs, 0u);
}

// That disarming and waking are one system call is not what saves the leader: the keeper does, if the worker dies between
// the two. It saves the time until the kernel tells of the death.
TEST(WakeModelTest, TheKeeperMakesUpForAWakeThatDiedWithItsWaker) {
  EXPECT_EQ(Explore({.ring_wakes_apart = true}).hangs, 0u);
  EXPECT_GT(Explore({.sleep_without_deaths = true, .ring_wakes_apart = true}).hangs, 0u);
}

}  // namespace
}  // namespace shoal::pool_internal
