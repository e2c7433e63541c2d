// The machine of pipe_end.cc, step by step as there, explored exhaustively; and the same with bugs seeded on purpose, which must be
// found. A machine that is changed is changed here too.

#include <array>
#include <cstdint>

#include "gtest/gtest.h"
#include "shoal/shm/model/participants_model.h"
#include "shoal/sync/model/explorer.h"

namespace shoal::ipc_model {
namespace {

using shm_model::Bug;
using shm_model::kDeaths;
using shm_model::kKeeper;
using shm_model::kParties;
using shm_model::LooksDead;
using sync_model::kDone;
using sync_model::Party;
using sync_model::Result;
using sync_model::State;
using sync_model::Step;

// Party 0 sends so many messages and then closes; party 1 receives until the end, or closes sooner; party 2 only waits until something can
// be received, beside party 1, as a relay does. With `closer`, party 2 is a thread of the sender's process instead, and closes its end beside
// whatever the sender is doing.
constexpr int kSender = 0;
constexpr int kReceiver = 1;
constexpr int kWatcher = 2;
constexpr int kCloser = 2;

// In `shared`.
constexpr int kEndOf(int party) { return party; }  // 1: closed
constexpr int kSent = 2;                           // messages that were sent
constexpr int kTaken = 3;                          // that were received
constexpr int kWrong = 4;
constexpr int kWritten = 9;  // with `closer`: the sender's note of how far it is, stored after the exchange
constexpr int kOwed = 10;    // what had been sent when the end was closed beside the sender
constexpr int kOwnsOf(int party) { return 6 + party; }  // 1: it has its end; before that somebody else answers for it

constexpr uint8_t kFull = 1;
constexpr uint8_t kAsleepHere = 2;  // the waiters bit
constexpr uint8_t kEnded = 4;
constexpr uint8_t kMarks = kAsleepHere | kEnded;
constexpr uint8_t Empty(uint8_t lap) { return static_cast<uint8_t>(lap << 3); }
constexpr uint8_t Full(uint8_t lap) { return static_cast<uint8_t>(lap << 3 | kFull); }

struct PipeMachine {
  Bug bug = Bug::kNone;
  uint8_t cells = 1;        // 1 or 2
  uint8_t receives = 0xff;  // so many, and then the receiver closes
  bool closer = false;
  bool impatient = false;  // the watcher has a deadline

  int CellOf(uint8_t position) const { return position % cells == 0 ? 0 : 6; }
  uint8_t LapOf(uint8_t position) const { return position / cells; }
  // What the cell holds while the party has nothing to do there, and when it has.
  uint8_t NotYet(int party, uint8_t position) const {
    return party == kSender ? Full(static_cast<uint8_t>(LapOf(position) - 1) & 0x1f) : Empty(LapOf(position));
  }
  uint8_t Now(int party, uint8_t position) const {
    return party == kSender ? Empty(LapOf(position)) : Full(LapOf(position));
  }
  bool CanGo(const State& state, int party, uint8_t position) const {
    return (state.word[CellOf(position)] & ~kMarks) == Now(party, position);
  }
  static int PeerOf(int party) { return party == kSender ? kReceiver : kSender; }
  // 0: it lives; 1: closed; 2: dead.
  uint8_t LookAtPeer(const State& state, int party, Bug as) const {
    const int peer = PeerOf(party);
    if (state.shared[kEndOf(peer)] != 0) return 1;
    return state.shared[kOwnsOf(peer)] != 0 && LooksDead(state, peer, as) ? 2 : 0;
  }
  bool OwnEndIsClosed(const State& state, int party) const {
    return closer && party == kSender && state.shared[kEndOf(kSender)] != 0;
  }
  // The watcher looks where the receiver is.
  uint8_t Position(const State& state, int party) const {
    if (closer && party != kReceiver) return state.shared[kWritten];
    return party == kSender ? state.shared[kSent] : state.shared[kTaken];
  }

  // Registers: seen is the cell before an exchange, other[1] `deaths`, other[2] what was seen of the peer, other[3] the position,
  // other[4]: whether the end of the messages was seen.
  void Next(const State& state, int self, Step& step) const {
    if (self == kKeeper) return StepAsKeeper(state, bug, step);
    if (!StepAsParticipant(state, self, bug, step)) return;
    if (closer && self == kCloser) return StepAsCloser(state, step);
    const Party& me = state.party[self];
    const uint8_t position = me.other[3];
    const int cell = CellOf(position);
    const auto read_deaths = [](State& next, Party& party) { party.other[1] = next.word[kDeaths]; };
    switch (me.pc) {
      case 3:
        step.Go(bug == Bug::kEndSecond ? 5 : 4, [&](State& next, Party& party) {
          if (bug != Bug::kDeathsReadLate) read_deaths(next, party);
          party.other[3] = Position(next, self);
          next.shared[kOwnsOf(self)] = 1;
        });
        break;
      case 4:  // the other end, and then the cell
        step.Go(bug == Bug::kEndSecond ? 6 : 5, [&](State& next, Party& party) {
          party.other[2] = OwnEndIsClosed(next, self) ? 1 : LookAtPeer(next, self, bug);
        });
        break;
      case 5:
        if (bug == Bug::kEndSecond) {
          step.Go(CanGo(state, self, position) ? GoesTo(self) : 4);
        } else if (self == kSender && me.other[2] != 0) {
          step.Go(kDone);
        } else if (CanGo(state, self, position)) {
          step.Go(GoesTo(self));
        } else if (me.other[2] != 0) {
          End(self, step);
        } else {
          step.Go(6);
        }
        break;
      case 6:  // SayThatSomebodySleeps
        if (bug == Bug::kEndSecond && me.other[2] != 0) {
          End(self, step);
          break;
        }
        LookAtWord(state, self, step);
        break;
      case 20:  // marked: has anybody closed? The other end first,
        step.Go(state.shared[kEndOf(PeerOf(self))] != 0 ? 3 : 21, Forget);
        break;
      case 21:  // then its own
        step.Go(OwnEndIsClosed(state, self) ? 3 : 22, Forget);
        break;
      case 22: {
        if (state.word[cell] != me.seen) {
          LookAtWord(state, self, step);
          break;
        }
        const bool marked = (me.seen & kEnded) != 0;
        step.Go(marked && bug != Bug::kMarkNotPutBack ? 23 : 7, [&](State& next, Party& party) {
          next.word[cell] = static_cast<uint8_t>(NotYet(self, position) | kAsleepHere);
          party.seen = 0;
        });
        break;
      }
      case 23:  // the mark was taken away: has anybody closed meanwhile?
        step.Go(state.shared[kEndOf(PeerOf(self))] != 0 ? 25 : 24);
        break;
      case 24:
        step.Go(OwnEndIsClosed(state, self) ? 25 : 7);
        break;
      case 25:
        step.Go(bug == Bug::kPutBackWakesNobody ? 3 : 26, [&](State& next, Party&) { next.word[cell] |= kEnded; });
        break;
      case 26:
        step.Wake(3, cell, kParties, [](State&, Party&) {});
        break;
      case 7:  // the marks make this look needless, also beside a closer (without it, no hang is found)
        step.Go(state.shared[kEndOf(PeerOf(self))] != 0 || OwnEndIsClosed(state, self) ? 3 : 8,
                [&](State& next, Party& party) {
                  if (bug == Bug::kDeathsReadLate) read_deaths(next, party);
                });
        break;
      case 8:
        step.Queue(cell, true, static_cast<uint8_t>(NotYet(self, position) | kAsleepHere), 3, 9);
        break;
      case 9:
        step.Queue(kDeaths, bug != Bug::kDeathsNotCompared, me.other[1], 3, 11);
        break;
      case 11:
        if (impatient && self == kWatcher) {
          step.Go(kDone, [](State&, Party& party) {
            party.queued = 0;
            party.woken = false;
          });
        }
        if (bug == Bug::kDeathsNotCompared && (me.queued & 1 << kDeaths) != 0) {
          step.Go(11, [](State&, Party& party) { party.queued &= static_cast<uint8_t>(~(1 << kDeaths)); });
        } else {
          step.Asleep(3);
        }
        break;
      case 12:  // wakes, and then exchanges
        step.Wake(13, cell, (state.word[cell] & kAsleepHere) != 0 ? kParties : 0, [](State&, Party&) {});
        break;
      case 13:  // the exchange: the message is sent, or the room is given back
        step.Go(closer && self == kSender ? 19
                : bug == Bug::kWakeFirst  ? 15
                                          : 14,
                [&](State& next, Party& party) {
                  party.seen = next.word[cell];
                  next.word[cell] =
                      self == kSender ? Full(LapOf(position)) : Empty(static_cast<uint8_t>(LapOf(position) + 1));
                  if (self == kSender) {
                    ++next.shared[kSent];
                  } else {
                    if (next.shared[kTaken] >= next.shared[kSent]) next.shared[kWrong] = 1;
                    ++next.shared[kTaken];
                  }
                });
        break;
      case 14:
        step.Wake(15, cell, (me.seen & kAsleepHere) != 0 && bug != Bug::kNoBaton ? kParties : 0, [](State&, Party&) {});
        break;
      case 15: {
        const bool last = self == kSender ? me.rounds == 1 : state.shared[kTaken] >= receives;
        const uint8_t closes = closer && self == kSender ? kDone : bug == Bug::kTruthSecond ? 17 : 16;
        step.Go(last ? closes : 3, [&](State&, Party& party) {
          if (self == kSender) --party.rounds;
          party.seen = 0;
          party.other[1] = party.other[2] = 0;
        });
        break;
      }
      case 16:  // closes: first the word
        step.Go(bug == Bug::kTruthSecond ? kDone : 17, [&](State& next, Party& party) {
          next.shared[kEndOf(self)] = 1;
          party.other[3] = Position(next, self);
        });
        break;
      case 17:  // then the mark where anybody can sleep: at its own position
        step.Go(18, [&](State& next, Party& party) {
          if (bug == Bug::kTruthSecond) party.other[3] = Position(next, self);
          uint8_t& word = next.word[CellOf(party.other[3])];
          word =
              bug == Bug::kMarkForgotten ? static_cast<uint8_t>(word & ~kAsleepHere) : static_cast<uint8_t>(word | kEnded);
        });
        break;
      case 18:
        step.Wake(bug == Bug::kTruthSecond ? 16 : kDone, cell, kParties, [](State&, Party&) {});
        break;
      case 19:
        step.Go(14, [](State& next, Party&) { ++next.shared[kWritten]; });
        break;
      default:
        FAIL();
    }
  }

  static void Forget(State&, Party& party) {
    if (party.pc == 3) party.seen = 0;
  }
  // What is in the cell's word decides whether to sleep, to look again, or what to change.
  void LookAtWord(const State& state, int self, Step& step) const {
    const Party& me = state.party[self];
    const uint8_t word = state.word[CellOf(me.other[3])];
    const uint8_t not_yet = NotYet(self, me.other[3]);
    uint8_t pc = (word & kEnded) != 0 ? 20 : 22;
    if ((word & ~kMarks) != not_yet) pc = 3;
    if (word == (not_yet | kAsleepHere)) pc = 7;
    step.Go(pc, [&](State&, Party& party) { party.seen = pc >= 20 ? word : uint8_t{0}; });
  }

  // Close beside a Send: the sender may be one further than its note says, and the receiver may sleep there.
  void StepAsCloser(const State& state, Step& step) const {
    const Party& me = state.party[kCloser];
    const auto mark = [&](uint8_t pc, uint8_t ahead) {
      step.Go(pc, [&](State& next, Party& party) {
        uint8_t& word = next.word[CellOf(static_cast<uint8_t>(party.other[3] + ahead))];
        word = bug == Bug::kMarkForgotten ? static_cast<uint8_t>(word & ~kAsleepHere) : static_cast<uint8_t>(word | kEnded);
      });
    };
    const auto wake = [&](uint8_t pc, uint8_t ahead) {
      step.Wake(pc, CellOf(static_cast<uint8_t>(me.other[3] + ahead)), kParties, [](State&, Party&) {});
    };
    const auto close = [&](uint8_t pc) {
      step.Go(pc, [](State& next, Party&) {
        next.shared[kEndOf(kSender)] = 1;
        next.shared[kOwed] = next.shared[kSent];
      });
    };
    switch (me.pc) {
      case 3:
        if (bug == Bug::kTruthSecond) return step.Go(4);
        return close(4);
      case 4:
        return step.Go(5, [&](State& next, Party& party) { party.other[3] = Position(next, kSender); });
      case 5:
        return mark(6, 0);
      case 6:
        return wake(bug == Bug::kOneWord ? kDone : 7, 0);
      case 7:
        return mark(8, 1);
      case 8:
        return wake(bug == Bug::kTruthSecond ? 9 : kDone, 1);
      default:
        return close(kDone);
    }
  }

  uint8_t GoesTo(int self) const { return self == kWatcher ? kDone : bug == Bug::kWakeFirst ? 12 : 13; }

  // The messages have ended: everything that was sent has been received. (The watcher only sees that there is an end.)
  void End(int self, Step& step) const {
    step.Go(kDone, [&](State& next, Party& party) {
      if (self == kReceiver) party.other[4] = 1;
      if (self == kReceiver && Missed(next)) next.shared[kWrong] = 1;
    });
  }

  // Something that was sent before the end has not been received. (What is sent beside a Close comes before it or too late.)
  bool Missed(const State& state) const {
    return closer ? state.shared[kTaken] < state.shared[kOwed] : state.shared[kTaken] != state.shared[kSent];
  }
  bool Bad(const State& state) const {
    return state.shared[kWrong] != 0 || state.shared[kSent] > state.shared[kTaken] + cells ||
           (state.party[kReceiver].other[4] != 0 && Missed(state));
  }
  bool MaySleep(const State& state, int party) const {
    if (party == kKeeper) return true;
    return !CanGo(state, party, Position(state, party)) && LookAtPeer(state, party, Bug::kNone) == 0 &&
           !OwnEndIsClosed(state, party);
  }
};

struct Cast {
  uint8_t cells = 1;
  uint8_t messages = 2;
  uint8_t receives = 0xff;
  int processes = 2;
  int newcomer = -1;
  uint8_t deaths = 0;
  bool closer = false;
  bool impatient = false;
  uint8_t marks = 0;  // that are there while both ends are open, nobody's
};

Result Explore(Bug bug, const Cast& cast) {
  const PipeMachine machine{
      .bug = bug, .cells = cast.cells, .receives = cast.receives, .closer = cast.closer, .impatient = cast.impatient};
  State initial = shm_model::AllJoined(cast.processes, cast.newcomer, cast.messages, cast.deaths);
  initial.word[machine.CellOf(0)] = cast.marks;
  if (cast.messages == 0) initial.party[kSender].pc = 16;  // only closes
  for (int i = 0; i < cast.processes; ++i) initial.shared[kOwnsOf(i)] = i != cast.newcomer;
  if (cast.deaths == 0 && cast.newcomer < 0) initial.party[kKeeper].pc = kDone;  // it would only sleep
  return sync_model::Explorer(machine, kParties).Run(initial);
}

constexpr Cast kCloses = {.processes = 3};
constexpr Cast kTwoCells = {.cells = 2, .messages = 4, .processes = 3};
constexpr Cast kReceiverCloses = {.messages = 3, .receives = 1};
constexpr Cast kReceiverClosesTwoCells = {.cells = 2, .messages = 4, .receives = 1};
constexpr Cast kOneDeath = {.messages = 3, .processes = 3, .deaths = 1};
constexpr Cast kOneDeathTwoCells = {.cells = 2, .messages = 3, .processes = 3, .deaths = 1};
constexpr Cast kTwoDeaths = {.processes = 3, .deaths = 2};
constexpr Cast kNewcomer = {.newcomer = 0, .deaths = 1};
constexpr Cast kClosedBesideSend = {.cells = 1, .messages = 3, .processes = 3, .closer = true};
constexpr Cast kClosedBesideSendTwoCells = {.cells = 2, .messages = 4, .processes = 3, .closer = true};

constexpr Cast kImpatient = {.cells = 1, .messages = 2, .processes = 3, .impatient = true};
constexpr Cast kMarked = {.messages = 1, .processes = 3, .marks = kEnded};
constexpr Cast kMarkedAsBoth = {.messages = 1, .processes = 3, .marks = kMarks};
constexpr Cast kMarkedAndCloses = {.messages = 0, .processes = 3, .marks = kMarks};
constexpr Cast kMarkedOneDeath = {.messages = 1, .processes = 3, .deaths = 1, .marks = kMarks};
constexpr Cast kMarkedClosedBesideSend = {.messages = 2, .processes = 3, .closer = true, .marks = kMarks};

TEST(PipeModelTest, AMarkThatIsNobodysGoesAndWhoeverClosesIsSeen) {
  shm_model::ExpectSound("2 messages, a watcher that goes", Explore(Bug::kNone, kImpatient));
  shm_model::ExpectSound("1 message, a watcher, marked as ended", Explore(Bug::kNone, kMarked));
  shm_model::ExpectSound("1 message, a watcher, marked as both", Explore(Bug::kNone, kMarkedAsBoth));
  shm_model::ExpectSound("a watcher, marked as both, the sender closes", Explore(Bug::kNone, kMarkedAndCloses));
  shm_model::ExpectSound("1 message, a watcher, marked, 1 death", Explore(Bug::kNone, kMarkedOneDeath));
  shm_model::ExpectSound("2 messages, marked, closed beside the sender", Explore(Bug::kNone, kMarkedClosedBesideSend));
}

TEST(PipeModelTest, SeededBugsOfAMarkThatGoesAreFound) {
  for (const Bug bug : {Bug::kMarkNotPutBack, Bug::kPutBackWakesNobody}) {
    shm_model::ExpectFound("pipe with a mark", bug, Explore(bug, kMarkedAndCloses));
  }
}

TEST(PipeModelTest, NobodyHangsAndNothingIsLost) {
  shm_model::ExpectSound("2 messages, 1 cell, a watcher, the sender closes", Explore(Bug::kNone, kCloses));
  shm_model::ExpectSound("4 messages, 2 cells, a watcher, the sender closes", Explore(Bug::kNone, kTwoCells));
  shm_model::ExpectSound("1 cell, the receiver closes after 1 of 3", Explore(Bug::kNone, kReceiverCloses));
  shm_model::ExpectSound("2 cells, the receiver closes after 1 of 4", Explore(Bug::kNone, kReceiverClosesTwoCells));
  shm_model::ExpectSound("3 messages, 1 cell, a watcher, 1 death", Explore(Bug::kNone, kOneDeath));
  shm_model::ExpectSound("3 messages, 2 cells, a watcher, 1 death", Explore(Bug::kNone, kOneDeathTwoCells));
  shm_model::ExpectSound("2 messages, 1 cell, a watcher, 2 deaths", Explore(Bug::kNone, kTwoDeaths));
  shm_model::ExpectSound("2 messages, the sender is new, 1 death", Explore(Bug::kNone, kNewcomer));
  shm_model::ExpectSound("3 messages, 1 cell, closed beside the sender", Explore(Bug::kNone, kClosedBesideSend));
  shm_model::ExpectSound("4 messages, 2 cells, closed beside the sender", Explore(Bug::kNone, kClosedBesideSendTwoCells));
}

TEST(PipeModelTest, SeededBugsOfAClosingBesideASendAreFound) {
  // kOneWord: only the cell at the closer's own position is marked.
  for (const Bug bug : {Bug::kTruthSecond, Bug::kOneWord, Bug::kEndSecond}) {
    Result result = Explore(bug, kClosedBesideSend);
    if (!result.found()) result = Explore(bug, kClosedBesideSendTwoCells);
    shm_model::ExpectFound("pipe closed beside a send", bug, result);
  }
}

TEST(PipeModelTest, SeededBugsAreFound) {
  for (const Bug bug : {Bug::kDeathsNotCompared, Bug::kDeathsReadLate, Bug::kAttachWithoutBump, Bug::kGoneNotAwaited,
                        Bug::kTruthSecond, Bug::kWakeFirst, Bug::kNoBaton, Bug::kEndSecond, Bug::kMarkForgotten}) {
    Result result;
    for (const Cast& cast :
         {kCloses, kReceiverCloses, kOneDeath, kNewcomer, kTwoDeaths, kTwoCells, kReceiverClosesTwoCells}) {
      result = Explore(bug, cast);
      if (result.found()) break;
    }
    shm_model::ExpectFound("pipe", bug, result);
  }
}

}  // namespace
}  // namespace shoal::ipc_model
