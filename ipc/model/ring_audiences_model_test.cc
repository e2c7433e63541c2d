// Who sleeps at a message ring, and who wakes them: the getters, the claimers, who have no cell, and the publishers, who have one and wait
// for room. Step by step as in message_ring.cc and message_ring_wait.h, explored exhaustively; and the same with bugs seeded on purpose,
// which must be found. A machine that is changed is changed here too.
//
// What is taken, in which order, and what a sweep compares, is explored in message_ring_model_test.cc: here that is one step.

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
  kOneAudience,  // claimers and publishers sleep on one word
  kTakeWakesNoPublisher,
  kTakeWakesNoClaimer,
  kFreeWakesNobody,     // a cell is freed, and no claimer is told
  kAbandonWakesNobody,  // nor if it is a publisher that gives up
  kNoLastLook,          // whoever was woken at the deadline does not look again
  kNoRecheck,           // nobody looks again after the announcement
  kWakeFirst,           // the bit is looked at before the change
  kDeathsNotCompared,   // a sleeper does not sleep on `deaths`
  kDeathsReadLate,      // it reads `deaths` after its look
  kSweepWakesNobody,    // whoever frees a dead one's cell wakes no claimer
};
const char* Name(Bug bug) {
  static constexpr const char* kNames[] = {"none",
                                           "one audience for both",
                                           "who takes wakes no publisher",
                                           "who takes wakes no claimer",
                                           "who frees a cell wakes nobody",
                                           "who gives up wakes nobody",
                                           "no last look",
                                           "no look after the announcement",
                                           "wake before the change",
                                           "deaths not compared",
                                           "deaths read late",
                                           "a sweep wakes nobody"};
  return kNames[static_cast<int>(bug)];
}

constexpr int kGetters = 0;  // words
constexpr int kClaimers = 6;
constexpr int kPublishers = 7;

// In `shared`: cells first.
constexpr int kMostCells = 3;
constexpr int kTail = 3;   // so many were put
constexpr int kTaken = 4;  // by position: taken for the first time
constexpr int kSwept = 6;
constexpr int kBroken = 7;  // something that must not be has been
constexpr int kRead = 8;    // by position: read to the end

enum CellState : uint8_t { kFree = 0, kClaimed = 1, kOffered = 2, kTakenCell = 3, kReturned = 5, kClearing = 6 };
constexpr uint8_t Of(CellState state, int owner, int position) {
  return static_cast<uint8_t>(state << 5 | owner << 3 | position);
}
constexpr CellState StateOf(uint8_t word) { return static_cast<CellState>(word >> 5); }
constexpr int OwnerOf(uint8_t word) { return word >> 3 & 3; }
constexpr int PositionOf(uint8_t word) { return word & 7; }

enum class Does : uint8_t { kNothing, kPut, kGet };
struct Role {
  Does does = Does::kNothing;
  uint8_t rounds = 1;
  bool may_time_out = false;
  bool mortal = false;
  bool keeps = false;  // what it gets, it reads in place, for ever
};
constexpr uint8_t kStart[] = {kDone, 3, 50};

// Registers: other[3]: the cell that it has, +1, and above it the tail that it saw. Flags:
constexpr uint8_t kAnnounced = 4;

struct AudienceMachine {
  Bug bug = Bug::kNone;
  int cells = 2;
  int capacity = 1;
  std::array<Role, kProcesses> roles = {};

  static int Held(const Party& party) { return (party.other[3] & 3) - 1; }
  static int TailSeen(const Party& party) { return party.other[3] >> 2; }
  int PublishersWord() const { return bug == Bug::kOneAudience ? kClaimers : kPublishers; }

  // The message `capacity` places before the tail waits still.
  bool IsFull(const State& state, int tail) const {
    if (tail < capacity) return false;
    for (int cell = 0; cell < cells; ++cell) {
      const uint8_t word = state.shared[cell];
      if (StateOf(word) == kOffered && PositionOf(word) == tail - capacity) return true;
    }
    return false;
  }
  bool NeedsSweep(const State& state, int cell) const {
    const uint8_t word = state.shared[cell];
    const bool owned = StateOf(word) == kClaimed || StateOf(word) == kTakenCell || StateOf(word) == kClearing;
    return owned && shm_model::LooksDead(state, OwnerOf(word), shm_model::Bug::kNone);
  }
  int FreeCell(const State& state) const {
    for (int cell = 0; cell < cells; ++cell) {
      if (state.shared[cell] == 0) return cell;
    }
    return -1;
  }
  // Returned ones first, then in order; -1: none.
  int NextMessage(const State& state) const {
    int best = -1;
    for (const CellState wanted : {kReturned, kOffered}) {
      for (int cell = 0; cell < cells; ++cell) {
        const uint8_t word = state.shared[cell];
        if (StateOf(word) != wanted) continue;
        if (best < 0 || PositionOf(word) < PositionOf(state.shared[best])) best = cell;
      }
      if (best >= 0) break;
    }
    return best;
  }

  void Next(const State& state, int self, Step& step) const {
    if (self == kKeeper) return shm_model::StepAsKeeper(state, shm_model::Bug::kNone, step);
    if (roles[self].mortal && !shm_model::StepAsParticipant(state, self, shm_model::Bug::kNone, step)) return;
    if (StepInWake(state, self, step)) return;
    if (state.party[self].pc >= 80) return StepInAwait(state, self, step);
    if (roles[self].does == Does::kPut) return StepAsPutter(state, self, step);
    StepAsGetter(state, self, step);
  }

  // ---- AwaitSlowly: `look` is where try_once is; it ends in `found`, or in 86 ---------------------------------------------------------

  int AudienceOf(const Party& me, int self) const {
    return roles[self].does == Does::kGet ? kGetters : Held(me) >= 0 ? PublishersWord() : kClaimers;
  }
  uint8_t LookOf(const Party& me, int self) const { return roles[self].does == Does::kGet ? 50 : Held(me) >= 0 ? 20 : 3; }
  void StepInAwait(const State& state, int self, Step& step) const {
    const Party& me = state.party[self];
    const int word = AudienceOf(me, self);
    switch (me.pc) {
      case 80:
        step.Go(state.word[kDeaths] == state.shared[kSwept] ? 84 : 81,
                [](State& next, Party& party) { party.other[1] = next.word[kDeaths]; });
        break;
      case 81:  // TakeBackFromTheDead, a cell at a time
        for (int cell = 0; cell < cells; ++cell) {
          if (!NeedsSweep(state, cell)) continue;
          const bool back = StateOf(state.shared[cell]) == kTakenCell;
          return step.Go(82, [&](State& next, Party& party) {
            next.shared[cell] = back ? Of(kReturned, 0, PositionOf(next.shared[cell])) : Of(kClearing, self, 0);
            party.other[4] = static_cast<uint8_t>(cell);
            if (back) CallWake(party, kGetters, 81);
          });
        }
        step.Go(84, [](State& next, Party& party) { next.shared[kSwept] = party.other[1]; });
        break;
      case 82:
        step.Go(81, [&](State& next, Party& party) {
          next.shared[party.other[4]] = 0;
          party.other[4] = 0;
          if (bug != Bug::kSweepWakesNobody) CallWake(party, kClaimers, 81);
        });
        break;
      case 84:
        step.Go(bug == Bug::kNoRecheck ? 87 : LookOf(me, self), [&](State& next, Party& party) {
          Announce(next, party, word);
          party.other[2] |= kAnnounced;
        });
        break;
      case 86:  // nothing
        if ((me.other[2] & kLastLook) != 0) return step.Go(95);
        step.Go(bug == Bug::kDeathsReadLate ? 91 : 87);
        break;
      case 91:
        step.Go(87, [](State& next, Party& party) { party.other[1] = next.word[kDeaths]; });
        break;
      case 87:
        QueueIfNotMoved(state, self, step, word, 90, 88);
        break;
      case 88:
        if (bug == Bug::kDeathsNotCompared) return step.Go(89);
        step.Queue(kDeaths, true, me.other[1], 90, 89);
        break;
      case 89:
        EndSleep(state, self, step, 90, roles[self].may_time_out);
        break;
      case 90: {
        const bool over = bug == Bug::kNoLastLook && (me.other[2] & kLastLook) != 0;
        step.Go(over ? 95 : 80, [](State&, Party& party) {
          party.seen = party.other[1] = 0;
          party.other[2] &= static_cast<uint8_t>(~kAnnounced);
        });
        break;
      }
      case 95:  // the deadline has passed: what it has claimed, it abandons
        step.Go(kDone, [&](State& next, Party& party) {
          const int cell = Held(party);
          Forget(party);
          if (cell < 0) return;
          next.shared[cell] = 0;
          if (bug != Bug::kAbandonWakesNobody) CallWake(party, kClaimers, kDone);
        });
        break;
      default:
        FAIL() << int{me.pc};
    }
  }
  static void Forget(Party& party) { party.seen = party.other[1] = party.other[2] = party.other[3] = 0; }
  // What a try_once comes to.
  void Nothing(const Party& me, Step& step) const { step.Go((me.other[2] & kAnnounced) != 0 ? 86 : 80); }
  // It has found something: the baton, if it has slept.
  void Found(Party& party, int word, uint8_t pc) const {
    const bool slept = (party.other[2] & kSlept) != 0;
    party.seen = party.other[1] = party.other[2] = 0;
    party.pc = pc;
    if (slept) CallWake(party, word, pc);
  }

  // ---- Claim, Publish -------------------------------------------------------------------------------------------------------------------

  void StepAsPutter(const State& state, int self, Step& step) const {
    const Party& me = state.party[self];
    switch (me.pc) {
      case 3:  // LookForRoom
        if (IsFull(state, state.shared[kTail])) return Nothing(me, step);
        step.Go(4);
        break;
      case 4: {
        const int cell = FreeCell(state);
        if (cell < 0) return Nothing(me, step);
        step.Go(0, [&](State& next, Party& party) {
          next.shared[cell] = Of(kClaimed, self, 0);
          Found(party, kClaimers, 20);
          party.other[3] = static_cast<uint8_t>(cell + 1);
        });
        break;
      }
      case 20:  // TryPublish
        step.Go(21, [](State& next, Party& party) {
          party.other[3] = static_cast<uint8_t>((party.other[3] & 3) | next.shared[kTail] << 2);
        });
        break;
      case 21: {
        const bool full = IsFull(state, TailSeen(me));
        if (state.shared[kTail] != TailSeen(me)) return step.Go(20);
        const uint8_t nothing = (me.other[2] & kAnnounced) != 0 ? 86 : 80;
        step.Go(full                     ? nothing
                : bug == Bug::kWakeFirst ? 0
                                         : 22,
                [&](State&, Party& party) {
                  if (full) {
                    party.other[3] &= 3;
                  } else if (bug == Bug::kWakeFirst) {
                    CallWake(party, kGetters, 22);
                  }
                });
        break;
      }
      case 22:
        if (state.shared[kTail] != TailSeen(me)) return step.Go(20);
        step.Go(0, [&](State& next, Party& party) {
          next.shared[Held(party)] = Of(kOffered, 0, next.shared[kTail]);
          ++next.shared[kTail];
          int waiting = 0;
          for (int cell = 0; cell < cells; ++cell) waiting += StateOf(next.shared[cell]) == kOffered ? 1 : 0;
          if (waiting > capacity) next.shared[kBroken] = 1;
          party.other[3] = 0;
          Found(party, PublishersWord(), 23);
        });
        break;
      case 23:
        step.Go(0, [&](State&, Party& party) {
          party.pc = 24;
          if (bug != Bug::kWakeFirst) CallWake(party, kGetters, 24);
        });
        break;
      case 24:
        step.Go(me.rounds == 1 ? kDone : 3, [](State&, Party& party) { --party.rounds; });
        break;
      default:
        FAIL() << int{me.pc};
    }
  }

  // ---- Take, Abandon --------------------------------------------------------------------------------------------------------------------

  void StepAsGetter(const State& state, int self, Step& step) const {
    const Party& me = state.party[self];
    switch (me.pc) {
      case 50: {  // LookForMessage
        const int cell = NextMessage(state);
        if (cell < 0) return Nothing(me, step);
        step.Go(0, [&](State& next, Party& party) {
          const int position = PositionOf(next.shared[cell]);
          const bool again = StateOf(next.shared[cell]) == kReturned;
          const uint8_t bit = static_cast<uint8_t>(1 << position);
          // Taken for the first time once, and in order.
          if (again != ((next.shared[kTaken] & bit) != 0) || next.shared[kTaken] + 1 < bit) next.shared[kBroken] = 1;
          next.shared[kTaken] |= bit;
          next.shared[cell] = Of(kTakenCell, self, position);
          Found(party, kGetters, 60);
          party.other[3] = static_cast<uint8_t>(cell + 1);
        });
        break;
      }
      case 60:
        step.Go(0, [&](State&, Party& party) {
          party.pc = 61;
          if (bug != Bug::kTakeWakesNoPublisher) CallWake(party, PublishersWord(), 61);
        });
        break;
      case 61:
        step.Go(0, [&](State&, Party& party) {
          party.pc = roles[self].keeps ? kDone : 62;
          if (bug != Bug::kTakeWakesNoClaimer && bug != Bug::kOneAudience) CallWake(party, kClaimers, party.pc);
        });
        break;
      case 62:  // read, and free
        step.Go(0, [&](State& next, Party& party) {
          uint8_t& word = next.shared[Held(party)];
          const uint8_t bit = static_cast<uint8_t>(1 << PositionOf(word));
          if ((next.shared[kRead] & bit) != 0) next.shared[kBroken] = 1;
          next.shared[kRead] |= bit;
          word = 0;
          party.other[3] = 0;
          party.pc = 63;
          if (bug != Bug::kFreeWakesNobody) CallWake(party, kClaimers, 63);
        });
        break;
      case 63:
        step.Go(me.rounds == 1 ? kDone : 50, [](State&, Party& party) { --party.rounds; });
        break;
      default:
        FAIL() << int{me.pc};
    }
  }

  bool Bad(const State& state) const { return state.shared[kBroken] != 0; }

  bool MaySleep(const State& state, int party) const {
    if (party == kKeeper) return true;
    for (int cell = 0; cell < cells; ++cell) {
      if (NeedsSweep(state, cell)) return false;
    }
    if (roles[party].does == Does::kGet) return NextMessage(state) < 0;
    const bool full = IsFull(state, state.shared[kTail]);
    return full || (Held(state.party[party]) < 0 && FreeCell(state) < 0);
  }
};

struct Cast {
  std::array<Role, kProcesses> roles = {};
  int cells = 2;
  int capacity = 1;
  bool begins_full = false;
  uint8_t deaths = 0;
  uint8_t spurious = 0;
};

Result Explore(Bug bug, const Cast& cast) {
  int processes = 0;
  while (processes < kProcesses && cast.roles[processes].does != Does::kNothing) ++processes;
  const AudienceMachine machine{.bug = bug, .cells = cast.cells, .capacity = cast.capacity, .roles = cast.roles};
  State initial = shm_model::AllJoined(processes, /*newcomer=*/-1, 1, cast.deaths);
  for (int i = 0; i < processes; ++i) {
    initial.party[i].pc = kStart[static_cast<int>(cast.roles[i].does)];
    initial.party[i].rounds = cast.roles[i].rounds;
  }
  if (cast.begins_full) {
    initial.shared[0] = Of(kOffered, 0, 0);
    initial.shared[kTail] = 1;
  }
  if (cast.deaths == 0) initial.party[kKeeper].pc = kDone;  // it would only sleep
  initial.shared[kSpuriousLeft] = cast.spurious;
  return sync_model::Explorer(machine, kParties).Run(initial);
}

constexpr Role Puts(uint8_t rounds) { return {.does = Does::kPut, .rounds = rounds}; }
constexpr Role Gets(uint8_t rounds) { return {.does = Does::kGet, .rounds = rounds}; }
constexpr Role kPutsUntil = {.does = Does::kPut, .may_time_out = true};
constexpr Role kGetsUntil = {.does = Does::kGet, .may_time_out = true};
constexpr Role kGetsAndKeeps = {.does = Does::kGet, .keeps = true};
constexpr Role kPutsAndDies = {.does = Does::kPut, .mortal = true};
constexpr Role kGetsAndDies = {.does = Does::kGet, .mortal = true};

constexpr NamedCast<Cast> kCasts[] = {
    {"1 puts 3, 1 gets 3", {.roles = {Puts(3), Gets(3)}, .spurious = 1}},
    {"2 put, 1 gets 2", {.roles = {Puts(1), Puts(1), Gets(2)}, .spurious = 1}},
    {"2 put, 1 gets 3, full", {.roles = {Puts(1), Puts(1), Gets(3)}, .begins_full = true}},
    {"2 put, 1 gets 3, full, one cell", {.roles = {Puts(1), Puts(1), Gets(3)}, .cells = 1, .begins_full = true}},
    {"2 put, 1 until a deadline, 1 gets 1", {.roles = {Puts(1), kPutsUntil, Gets(1)}}},
    {"2 put 3, 1 gets 1 and keeps it", {.roles = {Puts(2), Puts(1), kGetsAndKeeps}}},
    {"2 put 3, 1 until a deadline, 1 gets 1 and keeps it", {.roles = {Puts(2), kPutsUntil, kGetsAndKeeps}}},
    {"2 get, 1 until a deadline, 1 puts", {.roles = {Gets(1), kGetsUntil, Puts(1)}}},
    {"2 put, 1 dies, 1 gets 1", {.roles = {Puts(1), kPutsAndDies, Gets(1)}, .deaths = 1}},
    {"2 put, 1 dies, 1 gets 1, one cell", {.roles = {Puts(1), kPutsAndDies, Gets(1)}, .cells = 1, .deaths = 1}},
    {"1 puts, 2 get, 1 dies", {.roles = {Puts(1), kGetsAndDies, Gets(1)}, .deaths = 1}},
    {"1 puts, 1 gets and dies, full", {.roles = {Puts(1), kGetsAndDies}, .begins_full = true, .deaths = 1}},
};

TEST(RingAudiencesModelTest, NobodySleepsBesideWhatItWaitsFor) {
  ExpectSoundInAll(kCasts, &Explore);
}

TEST(RingAudiencesModelTest, SeededBugsAreFound) {
  ExpectFoundInAny(Bug::kSweepWakesNobody, &Name, kCasts, &Explore);
}

}  // namespace
}  // namespace shoal::ipc_model
