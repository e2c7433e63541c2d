// The machine of message_ring.cc and audience.h, step by step as there, explored exhaustively; and the same with bugs seeded on purpose,
// which must be found. A machine that is changed is changed here too.

#include <stdio.h>

#include <array>
#include <cstdint>

#include "gtest/gtest.h"
#include "shoal/ipc/model/audience_model.h"
#include "shoal/shm/model/participants_model.h"
#include "shoal/sync/model/explorer.h"

namespace shoal::ipc_model {
namespace {

using shm_model::AllJoined;
using shm_model::kDeaths;
using shm_model::kDeathsLeft;
using shm_model::kKeeper;
using shm_model::kParties;
using shm_model::kProcesses;
using sync_model::Explorer;
using sync_model::kDone;
using sync_model::Party;
using sync_model::Result;
using sync_model::State;
using sync_model::Step;

enum class Bug : uint8_t {
  kNone,
  kPositionAtClaim,     // a cell has its position from before it was claimed
  kPutFirst,            // the order names the cell before the cell's word says where
  kOfferedIsDropped,    // a dead producer's message is given up although it was put
  kTakenIsDropped,      // a dead taker's message is given up
  kSweepBlindly,        // what a dead one had is taken back although the word has changed
  kDeathsNotCompared,   // a sleeper does not sleep on `deaths`
  kDeathsReadLate,      // it reads `deaths` after its look
  kGoneNotAwaited,      // a keeper tells of a death while threads of the dead still run
  kNoRecheck,           // a sleeper does not look again after it has announced itself
  kWakeFirst,           // the bit is looked at before the message is put
  kAnnounceKeepsWord,   // who announces himself beside another does not change the word
  kBitClearedBlindly,   // the bit is taken away although somebody has announced himself
  kBitForgottenAtWake,  // the bit is taken away by a wake that finds one of two
};
const char* Name(Bug bug) {
  static constexpr const char* kNames[] = {"none",
                                           "position from before the claim",
                                           "order before the word",
                                           "a put message is dropped",
                                           "a taken message is dropped",
                                           "sweep without a comparison",
                                           "deaths not compared",
                                           "deaths read late",
                                           "running threads not awaited",
                                           "no look after the announcement",
                                           "wake before the change",
                                           "announcement keeps the word",
                                           "bit cleared blindly",
                                           "bit forgotten at a wake"};
  return kNames[static_cast<int>(bug)];
}

// Words.
constexpr int kGetters = 0;
constexpr int kPutters = 6;

// In `shared`: cells, order by position, and the hints that matter.
constexpr int kCellsAt[] = {0, 1};
constexpr int kCells = 2;
constexpr int kOrderAt[] = {2, 3, 4};
constexpr int kPositions = 3;
constexpr int kReturned = 6;
constexpr int kSwept = 7;
constexpr int kTakenAt = 8;  // two bits for each position: how often its message was read to the end
constexpr int kBroken = 9;   // something that must not be has been
constexpr int kFilled = 10;  // by cell: whole
constexpr int kPassed = 11;  // by position: a getter has taken it for taken

enum CellState : uint8_t { kFree = 0, kClaimed = 1, kOffered = 2, kTaken = 3, kReturnedCell = 4, kClearing = 5 };
constexpr uint8_t Of(CellState state, int owner, int position) {
  return static_cast<uint8_t>(state << 5 | owner << 3 | position);
}
constexpr CellState StateOf(uint8_t word) { return static_cast<CellState>(word >> 5); }
constexpr int OwnerOf(uint8_t word) { return word >> 3 & 3; }
constexpr int PositionOf(uint8_t word) { return word & 7; }

struct RingMachine {
  Bug bug = Bug::kNone;
  int capacity = 1;
  std::array<bool, kProcesses> puts = {};  // the others take

  static uint8_t& Cell(State& state, int cell) { return state.shared[kCellsAt[cell]]; }
  static uint8_t CellOf(const State& state, int cell) { return state.shared[kCellsAt[cell]]; }
  static uint8_t OrderOf(const State& state, int position) {
    return position < kPositions ? state.shared[kOrderAt[position]] : uint8_t{0};
  }
  static int TailOf(const State& state) {
    int tail = 0;
    while (OrderOf(state, tail) != 0) ++tail;
    return tail;
  }
  static bool IsPut(const State& state, int cell, uint8_t word) { return OrderOf(state, PositionOf(word)) == cell + 1; }
  // Whether the message at `position` waits in the order; its cell.
  static bool Waits(const State& state, int position, int& cell) {
    const uint8_t entry = OrderOf(state, position);
    if (entry == 0) return false;
    cell = entry - 1;
    const uint8_t word = CellOf(state, cell);
    return StateOf(word) == kOffered && PositionOf(word) == position;
  }
  bool IsFull(const State& state, int tail) const {
    int cell = 0;
    return tail >= capacity && Waits(state, tail - capacity, cell);
  }
  bool NeedsSweep(const State& state, int cell, Bug as) const {
    const uint8_t word = CellOf(state, cell);
    if (word == 0) return false;
    if (StateOf(word) == kReturnedCell) return (state.shared[kReturned] & 1) == 0;
    if (!shm_model::LooksDead(state, OwnerOf(word),
                              as == Bug::kGoneNotAwaited ? shm_model::Bug::kGoneNotAwaited : shm_model::Bug::kNone)) {
      return false;
    }
    return StateOf(word) != kOffered || bug == Bug::kOfferedIsDropped || !IsPut(state, cell, word);
  }

  // Registers: other[1] is `deaths`, other[2]: has slept, other[3]: a cell, other[4]: its word, or another word, other[5]: a position.
  void Next(const State& state, int self, Step& step) const {
    const shm_model::Bug participants =
        bug == Bug::kGoneNotAwaited ? shm_model::Bug::kGoneNotAwaited : shm_model::Bug::kNone;
    if (self == kKeeper) return shm_model::StepAsKeeper(state, participants, step);
    if (!shm_model::StepAsParticipant(state, self, participants, step)) return;
    const Party& me = state.party[self];
    const int audience = puts[self] ? kPutters : kGetters;
    const int others = puts[self] ? kGetters : kPutters;
    const uint8_t look = 10;
    // What is in a register and will not be looked at again makes states that are no others.
    const auto forget = [](State&, Party& party) { party.other[3] = party.other[4] = 0; };
    const auto forget_more = [](State&, Party& party) {
      party.seen = party.other[5] = party.other[4] = 0;
      if (party.pc >= 50) party.other[1] = 0;
    };
    switch (me.pc) {
      // ---- every look begins with `deaths`, and a sweep if it is not the one that was swept -----------------------------------
      case 3:
        step.Go(state.word[kDeaths] == state.shared[kSwept] ? 9 : 4, [&](State& next, Party& party) {
          party.seen = 0;
          if (bug != Bug::kDeathsReadLate) party.other[1] = next.word[kDeaths];
        });
        break;
      case 4:  // the next cell of a dead one, if any
        for (int cell = 0; cell < kCells; ++cell) {
          if (!NeedsSweep(state, cell, bug)) continue;
          const bool only_flag = StateOf(CellOf(state, cell)) == kReturnedCell;
          return step.Go(only_flag ? 7 : 5, [&](State& next, Party& party) {
            party.other[3] = static_cast<uint8_t>(cell);
            party.other[4] = CellOf(next, cell);
          });
        }
        step.Go(9, [&](State& next, Party& party) { next.shared[kSwept] = party.other[1]; });
        break;
      case 5: {
        const uint8_t seen = me.other[4];
        if (CellOf(state, me.other[3]) != seen && bug != Bug::kSweepBlindly) return step.Go(4);
        const bool back = StateOf(seen) == kTaken && bug != Bug::kTakenIsDropped;
        step.Go(back ? 7 : 6, [&](State& next, Party& party) {
          Cell(next, party.other[3]) = back ? Of(kReturnedCell, 0, PositionOf(seen)) : Of(kClearing, self, PositionOf(seen));
          // What was put, and not read to the end, must not go.
          if (!back && (StateOf(seen) == kTaken || (StateOf(seen) == kOffered && IsPut(next, party.other[3], seen)))) {
            next.shared[kBroken] = 1;
          }
        });
        break;
      }
      case 6:  // given up: free, and a putter is woken
        step.Go(40, [&](State& next, Party& party) {
          Cell(next, party.other[3]) = 0;
          next.shared[kFilled] &= static_cast<uint8_t>(~(1 << party.other[3]));
          party.other[3] = 0;
          party.other[5] = 4;  // where to go on
          party.other[4] = kPutters;
        });
        break;
      case 7:  // the flag, and a getter is woken
        step.Go(40, [&](State& next, Party& party) {
          next.shared[kReturned] = static_cast<uint8_t>((next.shared[kReturned] & 1) != 0 ? next.shared[kReturned] + 2
                                                                                          : next.shared[kReturned] + 1);
          party.other[3] = 0;
          party.other[5] = 4;
          party.other[4] = kGetters;
        });
        break;
      case 9:  // who has slept, or found nothing, announces itself before it looks
        if (me.other[2] == 0) return step.Go(look);
        step.Go(look, [&](State& next, Party& party) {
          if (bug == Bug::kAnnounceKeepsWord && (next.word[audience] & kBit) != 0) {
            party.seen = static_cast<uint8_t>(1 << audience);
          } else {
            Announce(next, party, audience);
          }
        });
        break;
      case look:
        if (puts[self]) {
          LookForRoom(state, self, step);
        } else {
          LookForMessage(state, self, step);
        }
        break;
      case 11:  // nothing: sleep, or announce and look once more
        if (me.other[2] == 0 && bug != Bug::kNoRecheck) {
          return step.Go(3, [](State&, Party& party) { party.other[2] = 1; });
        }
        step.Go(12, [&](State& next, Party& party) {
          if (me.other[2] == 0) Announce(next, party, audience);
          party.other[2] = 1;
          if (bug == Bug::kDeathsReadLate) party.other[1] = next.word[kDeaths];
        });
        break;
      case 12:
        QueueIfNotMoved(state, self, step, audience, 3, 13);
        break;
      case 13:
        step.Queue(kDeaths, bug != Bug::kDeathsNotCompared, me.other[1], 3, 14);
        break;
      case 14:
        if (bug == Bug::kDeathsNotCompared && (me.queued & 1 << kDeaths) != 0) {
          step.Go(14, [](State&, Party& party) { party.queued &= static_cast<uint8_t>(~(1 << kDeaths)); });
        } else {
          step.Asleep(3);
        }
        break;

      // ---- putting: the cell is claimed, other[3] -----------------------------------------------------------------------------
      case 20:  // filled
        step.Go(bug == Bug::kWakeFirst ? 40 : 21, [&](State& next, Party& party) {
          next.shared[kFilled] |= static_cast<uint8_t>(1 << party.other[3]);
          party.other[5] = 21;
          party.other[4] = static_cast<uint8_t>(others);
        });
        break;
      case 21: {
        const int tail = bug == Bug::kPositionAtClaim && PositionOf(CellOf(state, me.other[3])) == TailOf(state)
                             ? PositionOf(CellOf(state, me.other[3]))
                             : TailOf(state);
        if (IsFull(state, tail)) return step.Go(29);
        step.Go(bug == Bug::kPutFirst ? 23 : 22, [&](State&, Party& party) { party.other[5] = static_cast<uint8_t>(tail); });
        break;
      }
      case 22:
        step.Go(bug == Bug::kPutFirst ? 24 : 23, [&](State& next, Party& party) {
          Cell(next, party.other[3]) = Of(kOffered, self, party.other[5]);
          if ((next.shared[kPassed] & 1 << party.other[5]) != 0) next.shared[kBroken] = 1;
        });
        break;
      case 23:
        if (OrderOf(state, me.other[5]) != 0) return step.Go(21);
        step.Go(bug == Bug::kPutFirst ? 22 : 24, [&](State& next, Party& party) {
          next.shared[kOrderAt[party.other[5]]] = static_cast<uint8_t>(party.other[3] + 1);
        });
        break;
      case 24:
        step.Go(bug == Bug::kWakeFirst ? 50 : 40, [&](State&, Party& party) {
          party.other[3] = 0;
          party.other[5] = 50;
          party.other[4] = static_cast<uint8_t>(others);
        });
        break;
      case 29:  // full after all: gives the cell back, and begins again (the code keeps it while it sleeps)
        step.Go(40, [&](State& next, Party& party) {
          Cell(next, party.other[3]) = 0;
          next.shared[kFilled] &= static_cast<uint8_t>(~(1 << party.other[3]));
          party.other[3] = 0;
          party.other[5] = 3;
          party.other[4] = kPutters;
        });
        break;

      // ---- taking: other[3] is the cell, other[4] its word ----------------------------------------------------------------------
      case 30: {
        if (CellOf(state, me.other[3]) != me.other[4]) return step.Go(look, forget);
        step.Go(31, [&](State& next, Party& party) {
          Cell(next, party.other[3]) = Of(kTaken, self, PositionOf(party.other[4]));
          if ((next.shared[kFilled] & 1 << party.other[3]) == 0) next.shared[kBroken] = 1;
        });
        break;
      }
      case 31:  // read to the end, and free: one step, as for others it is
        step.Go(40, [&](State& next, Party& party) {
          const int position = PositionOf(CellOf(next, party.other[3]));
          next.shared[kTakenAt] = static_cast<uint8_t>(next.shared[kTakenAt] + (1 << 2 * position));
          if ((next.shared[kTakenAt] >> 2 * position & 3) > 1) next.shared[kBroken] = 1;
          Cell(next, party.other[3]) = 0;
          next.shared[kFilled] &= static_cast<uint8_t>(~(1 << party.other[3]));
          party.other[3] = 0;
          party.other[5] = 50;
          party.other[4] = static_cast<uint8_t>(others);
        });
        break;
      case 35:  // no returned message was found: the flag goes
        step.Go(look, [&](State& next, Party& party) {
          if (next.shared[kReturned] == party.other[4]) {
            next.shared[kReturned] = static_cast<uint8_t>((next.shared[kReturned] | 1) + 1);
          }
          forget(next, party);
        });
        break;

      // ---- Audience::Wake of word other[4], and then on to other[5] ---------------------------------------------------------------
      case 40:
        if ((state.word[me.other[4]] & kBit) == 0) return step.Go(me.other[5], forget_more);
        step.Go(41, [](State&, Party& party) { party.seen = static_cast<uint8_t>(1 << party.other[4]); });
        break;
      case 41: {
        const int word = me.other[4];
        bool anybody = false;
        for (int i = 0; i < kParties; ++i) anybody = anybody || (state.party[i].queued & 1 << word) != 0;
        step.Wake(anybody ? me.other[5] : 42, word, 1, [&](State& next, Party& party) {
          const uint8_t seen = party.seen;
          Move(next, word);
          party.seen = seen;
          if (anybody) forget_more(next, party);
          if (bug == Bug::kBitForgottenAtWake) next.word[word] = 0;
        });
        break;
      }
      case 42:
        step.Go(me.other[5], [&](State& next, Party& party) {
          if (party.seen != 0 || bug == Bug::kBitClearedBlindly) {
            Move(next, party.other[4]);
            next.word[party.other[4]] = 0;
          }
          forget_more(next, party);
        });
        break;

      case 50:  // the baton: who has slept wakes the next
        step.Go(me.other[2] != 0 && bug != Bug::kBitForgottenAtWake ? 40 : 51, [&](State&, Party& party) {
          party.other[5] = 51;
          party.other[4] = static_cast<uint8_t>(audience);
        });
        break;
      case 51:
        step.Go(me.rounds > 1 ? 3 : kDone, [](State&, Party& party) {
          const uint8_t sentenced = party.other[0];
          party.seen = 0;
          for (uint8_t& other : party.other) other = 0;
          --party.rounds;
          if (party.rounds != 0) party.other[0] = sentenced;
        });
        break;
      default:
        FAIL() << int{me.pc};
    }
  }

  void LookForRoom(const State& state, int self, Step& step) const {
    const int tail = TailOf(state);
    if (IsFull(state, tail)) return step.Go(11);
    for (int cell = 0; cell < kCells; ++cell) {
      if (CellOf(state, cell) != 0) continue;
      if (bug == Bug::kPositionAtClaim) {
        // The position is read first, and the claim comes later with it.
        const uint8_t known = state.party[self].other[5];
        if (known == 0) {
          return step.Go(10, [&](State&, Party& party) { party.other[5] = static_cast<uint8_t>(tail + 1); });
        }
        return step.Go(20, [&](State& next, Party& party) {
          party.other[3] = static_cast<uint8_t>(cell);
          Cell(next, cell) = Of(kOffered, self, known - 1);
          party.other[5] = 0;
        });
      }
      return step.Go(20, [&](State& next, Party& party) {
        party.other[3] = static_cast<uint8_t>(cell);
        Cell(next, cell) = Of(kClaimed, self, 0);
      });
    }
    step.Go(11);
  }

  // Finds, and remembers what it saw: the compare-exchange is the next step.
  void LookForMessage(const State& state, int, Step& step) const {
    const auto found = [&](int cell) {
      step.Go(30, [&](State& next, Party& party) {
        party.other[3] = static_cast<uint8_t>(cell);
        party.other[4] = CellOf(next, cell);
      });
    };
    if ((state.shared[kReturned] & 1) != 0) {
      int oldest = -1;
      for (int cell = 0; cell < kCells; ++cell) {
        const uint8_t word = CellOf(state, cell);
        if (StateOf(word) != kReturnedCell) continue;
        if (oldest < 0 || PositionOf(word) < PositionOf(CellOf(state, oldest))) oldest = cell;
      }
      if (oldest >= 0) return found(oldest);
      return step.Go(35, [&](State& next, Party& party) { party.other[4] = next.shared[kReturned]; });
    }
    for (int position = 0; position < kPositions; ++position) {
      int cell = 0;
      if (Waits(state, position, cell)) return found(cell);
    }
    step.Go(11, [&](State& next, Party&) {
      // Where the order comes second, nothing is passed that is not over.
      if (bug != Bug::kPutFirst) return;
      for (int position = 0; position < kPositions; ++position) {
        if (OrderOf(next, position) != 0) next.shared[kPassed] |= static_cast<uint8_t>(1 << position);
      }
    });
  }

  bool Bad(const State& state) const { return state.shared[kBroken] != 0; }

  bool MaySleep(const State& state, int party) const {
    if (party == kKeeper) return true;
    if (puts[party]) {
      if (IsFull(state, TailOf(state))) return true;
      for (int cell = 0; cell < kCells; ++cell) {
        const uint8_t word = CellOf(state, cell);
        if (word == 0) return false;
        if (NeedsSweep(state, cell, Bug::kNone)) return false;
      }
      return true;
    }
    for (int cell = 0; cell < kCells; ++cell) {
      const uint8_t word = CellOf(state, cell);
      if (StateOf(word) == kReturnedCell || (StateOf(word) == kOffered && IsPut(state, cell, word))) return false;
      if (StateOf(word) == kTaken && shm_model::LooksDead(state, OwnerOf(word), shm_model::Bug::kNone)) return false;
    }
    return true;
  }
};

struct Cast {
  int capacity = 1;
  int processes = 3;
  std::array<bool, kProcesses> puts = {};
  uint8_t rounds = 1;
  uint8_t deaths = 0;
  uint8_t last_rounds = 0;  // of the last process, if others than of all
};

Result Explore(Bug bug, const Cast& cast) {
  const RingMachine machine{.bug = bug, .capacity = cast.capacity, .puts = cast.puts};
  State initial = AllJoined(cast.processes, /*newcomer=*/-1, cast.rounds, cast.deaths);
  if (cast.last_rounds != 0) initial.party[cast.processes - 1].rounds = cast.last_rounds;
  if (cast.deaths == 0) initial.party[kKeeper].pc = kDone;  // it would only sleep
  return Explorer(machine, kParties).Run(initial);
}

constexpr Cast kOneAndOne = {.capacity = 1, .processes = 2, .puts = {true, false}, .rounds = 2, .deaths = 1};
constexpr Cast kOneAndOneDie = {.capacity = 1, .processes = 2, .puts = {true, false}, .deaths = 2};
constexpr Cast kTwoPut = {.capacity = 1, .processes = 3, .puts = {true, true, false}};
constexpr Cast kTwoPutOneTakesBoth = {.capacity = 1, .processes = 3, .puts = {true, true, false}, .last_rounds = 2};
constexpr Cast kTwoTake = {.capacity = 2, .processes = 3, .puts = {true, false, false}};
constexpr Cast kTwoTakeOfTwo = {.capacity = 2, .processes = 3, .puts = {false, false, true}, .last_rounds = 2};
constexpr Cast kTwoPutAndOneDies = {.capacity = 1, .processes = 3, .puts = {true, true, false}, .deaths = 1};
constexpr Cast kTwoTakeAndOneDies = {.capacity = 2, .processes = 3, .puts = {true, false, false}, .deaths = 1};

void ExpectSound(const char* what, const Result& result) {
  printf("%-60s %9ld states\n", what, result.states);
  fflush(stdout);
  EXPECT_FALSE(result.hang) << what;
  EXPECT_FALSE(result.bad) << what;
}

TEST(MessageRingModelTest, NothingIsLostOrTornAndNobodyHangs) {
  ExpectSound("1 puts and 1 takes twice, room for 1, 1 death", Explore(Bug::kNone, kOneAndOne));
  ExpectSound("1 puts, 1 takes, 2 deaths", Explore(Bug::kNone, kOneAndOneDie));
  ExpectSound("2 put, 1 takes, room for 1", Explore(Bug::kNone, kTwoPut));
  ExpectSound("2 put, 1 takes twice, room for 1", Explore(Bug::kNone, kTwoPutOneTakesBoth));
  ExpectSound("1 puts, 2 take", Explore(Bug::kNone, kTwoTake));
  ExpectSound("1 puts twice, 2 take", Explore(Bug::kNone, kTwoTakeOfTwo));
  ExpectSound("1 puts, 2 take, 1 death", Explore(Bug::kNone, kTwoTakeAndOneDies));
  ExpectSound("2 put, 1 takes, 1 death, room for 1", Explore(Bug::kNone, kTwoPutAndOneDies));
}

TEST(MessageRingModelTest, SeededBugsAreFound) {
  for (int i = 1; i <= static_cast<int>(Bug::kBitForgottenAtWake); ++i) {
    const Bug bug = static_cast<Bug>(i);
    Result result;
    for (const Cast& cast : {kOneAndOneDie, kTwoTake, kOneAndOne, kTwoPut, kTwoTakeOfTwo, kTwoPutOneTakesBoth,
                             kTwoTakeAndOneDies, kTwoPutAndOneDies}) {
      result = Explore(bug, cast);
      if (result.found()) break;
    }
    printf("%-40s %s after %ld states\n", Name(bug), result.found() ? "found" : "NOT FOUND", result.states);
    fflush(stdout);
    EXPECT_TRUE(result.found()) << Name(bug);
  }
}

}  // namespace
}  // namespace shoal::ipc_model
