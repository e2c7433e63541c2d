// The claim (wire.h), explored exhaustively: a pool hands three tasks to a worker, may take back at any moment what the worker has
// not begun, hands that to somebody else, and goes on; the worker may be killed before any step.
//
// Property: when everybody is at rest, every task has ended exactly once; and unless the worker died, every task has run exactly
// once. Protections are then switched off one by one, and the explorer must find what they prevent.

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

constexpr uint8_t kTasks = 3;
constexpr uint8_t kMostTakeBacks = 2;
constexpr size_t kFrames = 8;

struct Seeds {
  bool worker_begins_unasked = false;  // a store instead of a compare-exchange
  bool pool_closes_unasked = false;    // the pool stores the closed claim it computed from an earlier look
  bool pool_trusts_results = false;    // takes back all but the front by what it has received, not by the claim
  bool resume_before_skipped = false;  // the worker opens the claim again at once, not at the pool's resume frame
};

enum Frame : uint8_t { kNoFrame = 0, kFirstTask = 1, kResume = 100 };  // kFirstTask + i: task number i + 1
enum WorkerStep : uint8_t { kTakeFrame, kClaim, kRun, kPublish };
enum PoolStep : uint8_t { kLookAround, kClose };

struct State {
  // shared
  uint8_t begun = 0;
  uint8_t closed = 0;
  uint8_t ring[kFrames] = {1, 2, 3};
  uint8_t ring_head = 0;
  uint8_t ring_tail = kTasks;
  uint8_t results = 0;  // published by the worker, by number of tasks: bit i
  // the worker
  uint8_t step = kTakeFrame;
  uint8_t holds = 0;  // the task it works on
  uint8_t own_begun = 0;
  uint8_t dead = 0;
  // the pool
  uint8_t pool = kLookAround;
  uint8_t seen_begun = 0;
  uint8_t in_flight = 0b111;  // bit i: task i + 1 is at the worker
  uint8_t received = 0;
  uint8_t take_backs = 0;
  // what happened
  uint8_t runs[kTasks] = {};
  uint8_t ends[kTasks] = {};

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

  // All states that one step leads to. `by_choice`: only a death or a take-back, which need not happen.
  void Next(const State& state, std::vector<State>& must, std::vector<State>& by_choice) const {
    if (state.dead == 0) {
      State killed = state;
      killed.dead = 1;
      by_choice.push_back(killed);
      StepWorker(state, must);
    }
    StepPool(state, must, by_choice);
  }

 private:
  static void End(State& state, uint8_t task) { ++state.ends[task - 1]; }

  // Somebody else runs a task that was taken back, or whose worker died.
  static void RunElsewhere(State& state, uint8_t task) {
    ++state.runs[task - 1];
    End(state, task);
  }

  void StepWorker(const State& from, std::vector<State>& next) const {
    State to = from;
    switch (from.step) {
      case kTakeFrame: {
        if (from.ring_head == from.ring_tail) return;
        const uint8_t frame = from.ring[to.ring_head++];
        if (frame == kResume) {
          to.begun = from.own_begun;
          to.closed = 0;
        } else {
          to.holds = frame;
          to.step = kClaim;
        }
        break;
      }
      case kClaim: {
        const bool open = from.closed == 0 && from.begun == from.own_begun;
        if (open || seeds_.worker_begins_unasked) {
          to.begun = to.own_begun = from.holds;
          to.closed = 0;
          to.step = kRun;
        } else {
          if (seeds_.resume_before_skipped) to.closed = 0;
          to.step = kTakeFrame;
        }
        break;
      }
      case kRun:
        ++to.runs[from.holds - 1];
        to.step = kPublish;
        break;
      case kPublish:
        to.results |= static_cast<uint8_t>(1 << (from.holds - 1));
        to.step = kTakeFrame;
        break;
    }
    next.push_back(to);
  }

  void StepPool(const State& from, std::vector<State>& must, std::vector<State>& by_choice) const {
    State to = from;
    if (from.pool == kClose) {
      const bool still = from.closed == 0 && from.begun == from.seen_begun;
      if (still || seeds_.pool_closes_unasked) {
        to.begun = from.seen_begun;
        to.closed = 1;
        for (uint8_t task = 1; task <= kTasks; ++task) {
          const uint8_t bit = static_cast<uint8_t>(1 << (task - 1));
          if ((from.in_flight & bit) == 0) continue;
          const bool front = (from.in_flight & static_cast<uint8_t>(bit - 1)) == 0;
          const bool take = seeds_.pool_trusts_results ? !front : task > from.seen_begun;
          if (!take) continue;
          to.in_flight &= static_cast<uint8_t>(~bit);
          RunElsewhere(to, task);
        }
        to.ring[to.ring_tail++] = kResume;
      }
      to.pool = kLookAround;
      must.push_back(to);
      return;
    }
    const auto fresh = static_cast<uint8_t>(from.results & ~from.received);
    if (fresh != 0) {
      to.received |= fresh;
      for (uint8_t task = 1; task <= kTasks; ++task) {
        if ((fresh >> (task - 1) & 1) == 0) continue;
        End(to, task);
        to.in_flight &= static_cast<uint8_t>(~(1 << (task - 1)));
      }
      must.push_back(to);
    } else if (from.dead != 0) {
      if (from.in_flight == 0) return;
      to.in_flight = 0;
      for (uint8_t task = 1; task <= kTasks; ++task) {
        if ((from.in_flight >> (task - 1) & 1) != 0) RunElsewhere(to, task);
      }
      must.push_back(to);
    } else if (from.take_backs < kMostTakeBacks && from.in_flight != 0 && from.closed == 0) {
      ++to.take_backs;
      to.seen_begun = from.begun;
      to.pool = kClose;
      by_choice.push_back(to);
    }
  }

  const Seeds seeds_;
};

struct Explored {
  size_t states = 0;
  size_t lost = 0;       // at rest, and a task has not ended
  size_t twice = 0;      // a task ended twice
  size_t run_again = 0;  // a task ran twice although nobody died
};

Explored Explore(const Seeds& seeds) {
  const Model model(seeds);
  Explored explored;
  std::unordered_set<State, Hash> seen = {State()};
  std::vector<State> to_do = {State()};
  while (!to_do.empty()) {
    const State state = to_do.back();
    to_do.pop_back();
    std::vector<State> must;
    std::vector<State> by_choice;
    model.Next(state, must, by_choice);
    for (uint8_t task = 0; task < kTasks; ++task) {
      explored.lost += must.empty() && state.ends[task] == 0;
      explored.twice += state.ends[task] > 1;
      explored.run_again += state.dead == 0 && state.runs[task] > 1;
    }
    must.insert(must.end(), by_choice.begin(), by_choice.end());
    for (const State& successor : must) {
      if (seen.insert(successor).second) to_do.push_back(successor);
    }
  }
  explored.states = seen.size();
  return explored;
}

size_t Bad(const Explored& explored) { return explored.lost + explored.twice + explored.run_again; }

TEST(ClaimModelTest, EveryTaskEndsOnceAndRunsOnceUnlessItsWorkerDied) {
  const Explored explored = Explore({});
  EXPECT_EQ(explored.lost, 0u);
  EXPECT_EQ(explored.twice, 0u);
  EXPECT_EQ(explored.run_again, 0u);
  EXPECT_GT(explored.states, 500u);
  RecordProperty("states", static_cast<int>(explored.states));
}

TEST(ClaimModelTest, EachProtectionIsNeeded) {
  EXPECT_GT(Bad(Explore({.worker_begins_unasked = true})), 0u);
  EXPECT_GT(Bad(Explore({.pool_closes_unasked = true})), 0u);
  EXPECT_GT(Bad(Explore({.pool_trusts_results = true})), 0u);
  EXPECT_GT(Bad(Explore({.resume_before_skipped = true})), 0u);
}

}  // namespace
}  // namespace shoal::pool_internal
