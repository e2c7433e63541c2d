#ifndef SHOAL_SYNC_MODEL_EXPLORER_H_
#define SHOAL_SYNC_MODEL_EXPLORER_H_

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace shoal::sync_model {

// Explores every interleaving of a few parties that run a word machine, with death as one more transition of each.
//
// The machine is written as a table of atomic steps (one store, one read-modify-write, one phase of a system call each). The
// kernel is modelled as it is:
//   - futex_waitv compares and queues word by word, in the order given; a wake may come between two of them;
//   - a wake takes any of the queued, and takes it off that word only: until it runs it can absorb a wake of another word, too;
//   - a death marks the words in the thread's list that it owns, waking one sleeper if WAITERS is set, and then the same for
//     list_op_pending, of which it wakes one sleeper also if the word has no owner.
// It ends with the first state in which nobody can move although somebody sleeps that should not, or in which `Bad` holds.

inline constexpr int kMaxParties = 5;
inline constexpr int kMaxWords = 8;

inline constexpr uint8_t kWaiters = 0x80;
inline constexpr uint8_t kOwnerDied = 0x40;
inline constexpr uint8_t kOwner = 0x07;  // party number + 1
inline constexpr int8_t kNothing = -1;

struct Party {
  uint8_t pc = 0;
  uint8_t seen = 0;           // a register
  uint8_t other[6] = {};      // more registers
  uint8_t rounds = 0;         // work left
  int8_t pending = kNothing;  // the word in list_op_pending
  int8_t listed = kNothing;   // the word in the robust list
  int8_t also_listed[2] = {kNothing, kNothing};  // further ones
  uint8_t queued = 0;         // bit i: queued on word i
  bool woken = false;
  bool dead = false;
};

struct State {
  uint8_t word[kMaxWords] = {};
  uint8_t shared[12] = {};  // what the words guard, or what only the check looks at
  Party party[kMaxParties];
  uint8_t deaths_left = 0;
};

inline constexpr uint8_t kDone = 255;

// What `Next` of a machine makes its successors with.
class Step {
 public:
  Step(const State& state, int self, std::vector<State>& out) : state_(state), self_(self), out_(out) {}

  // One successor. A machine may call it several times for a choice.
  template <class F>
  void Go(uint8_t pc, F&& change) {
    State next = state_;
    next.party[self_].pc = pc;
    change(next, next.party[self_]);
    out_.push_back(next);
  }
  void Go(uint8_t pc) {
    Go(pc, [](State&, Party&) {});
  }

  // The first half of a sleep on {a, b} and the second; `woken` and `changed` say where to go on.
  void Queue(int word, bool compare, uint8_t expected, uint8_t changed, uint8_t next) {
    const bool differs = compare && state_.word[word] != expected;
    const bool was_woken = state_.party[self_].woken;
    Go(differs && !was_woken ? changed : next, [&](State&, Party& me) {
      if (differs && !was_woken) {
        me.queued = 0;
      } else if (!differs && !was_woken) {
        me.queued |= static_cast<uint8_t>(1 << word);
      }
    });
  }
  // Asleep: can go on only when woken.
  void Asleep(uint8_t woken) {
    if (!state_.party[self_].woken) return;
    Go(woken, [](State&, Party& me) {
      me.woken = false;
      me.queued = 0;
    });
  }

  // One successor for every choice of up to `count` sleepers of `word`, after `change`.
  template <class F>
  void Wake(uint8_t pc, int word, int count, F&& change) {
    State next = state_;
    next.party[self_].pc = pc;
    change(next, next.party[self_]);
    WakeAny(next, word, count, out_);
  }

  static void WakeAny(const State& state, int word, int count, std::vector<State>& out) {
    bool any = false;
    for (int i = 0; count > 0 && i < kMaxParties; ++i) {
      if ((state.party[i].queued & (1 << word)) == 0) continue;
      any = true;
      State next = state;
      next.party[i].queued &= static_cast<uint8_t>(~(1 << word));
      next.party[i].woken = true;
      WakeAny(next, word, count - 1, out);
    }
    if (!any) out.push_back(state);
  }

 private:
  const State& state_;
  const int self_;
  std::vector<State>& out_;
};

struct Result {
  int64_t states = 0;
  bool hang = false;
  bool bad = false;
  bool found() const { return hang || bad; }
};

// Machine: static void Next(const State&, int party, Step&); bool Bad(const State&); bool MaySleep(const State&, int party).
template <class Machine>
class Explorer {
 public:
  Explorer(const Machine& machine, int parties) : machine_(machine), parties_(parties) {}

  Result Run(const State& initial) {
    std::vector<State> stack = {initial};
    std::unordered_set<std::string> known = {Key(initial)};
    Result result;
    std::vector<State> next;
    while (!stack.empty()) {
      const State state = stack.back();
      stack.pop_back();
      ++result.states;
      if (machine_.Bad(state)) {
        result.bad = true;
        return result;
      }
      next.clear();
      for (int i = 0; i < parties_; ++i) {
        const Party& party = state.party[i];
        if (party.dead || party.pc == kDone) continue;
        Step step(state, i, next);
        machine_.Next(state, i, step);
      }
      if (next.empty()) {
        for (int i = 0; i < parties_; ++i) {
          const Party& party = state.party[i];
          if (!party.dead && party.pc != kDone && !machine_.MaySleep(state, i)) result.hang = true;
        }
        if (result.hang) return result;
      }
      if (state.deaths_left > 0) {
        for (int i = 0; i < parties_; ++i) {
          if (!state.party[i].dead && state.party[i].pc != kDone) Die(state, i, next);
        }
      }
      for (const State& each : next) {
        if (known.insert(Key(each)).second) stack.push_back(each);
      }
    }
    return result;
  }

 private:
  static std::string Key(const State& state) {
    static_assert(std::has_unique_object_representations_v<uint8_t>);
    return std::string(reinterpret_cast<const char*>(&state), sizeof(state));
  }

  // What the kernel does when thread `i` dies: the list, then list_op_pending.
  static void Die(const State& state, int i, std::vector<State>& out) {
    State next = state;
    Party& me = next.party[i];
    --next.deaths_left;
    const int8_t list[] = {me.listed, me.also_listed[0], me.also_listed[1]};
    const int8_t pending = me.pending;
    const uint8_t rounds = me.rounds;
    me = Party{};
    me.rounds = rounds;
    me.dead = true;
    std::vector<State> after_list = {next};
    for (const int8_t listed : list) {
      if (listed == kNothing || listed == pending) continue;
      const std::vector<State> before = std::move(after_list);
      after_list.clear();
      for (const State& each : before) Mark(each, i, listed, /*is_pending=*/false, after_list);
    }
    for (const State& each : after_list) {
      if (pending != kNothing) {
        Mark(each, i, pending, /*is_pending=*/true, out);
      } else {
        out.push_back(each);
      }
    }
  }

  static void Mark(const State& state, int i, int word, bool is_pending, std::vector<State>& out) {
    const uint8_t value = state.word[word];
    if (is_pending && (value & kOwner) == 0) {
      Step::WakeAny(state, word, 1, out);
    } else if ((value & kOwner) == i + 1) {
      State next = state;
      next.word[word] = static_cast<uint8_t>((value & kWaiters) | kOwnerDied);
      Step::WakeAny(next, word, (value & kWaiters) != 0 ? 1 : 0, out);
    } else {
      out.push_back(state);
    }
  }

  const Machine& machine_;
  const int parties_;
};

}  // namespace shoal::sync_model

#endif  // SHOAL_SYNC_MODEL_EXPLORER_H_
