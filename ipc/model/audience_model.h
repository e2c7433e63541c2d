#ifndef SHOAL_IPC_MODEL_AUDIENCE_MODEL_H_
#define SHOAL_IPC_MODEL_AUDIENCE_MODEL_H_

#include <cstdint>

#include "shoal/sync/model/explorer.h"

// audience.h, step by step, for the machines whose parties sleep with it; and how a sleep ends.

namespace shoal::ipc_model {

using sync_model::Party;
using sync_model::State;
using sync_model::Step;

// A word is its waiters bit. Of its sequence only matters whether it is still what somebody has seen, and each knows that by itself: bit w
// of `seen` says that word w has not moved since. So no sequence wraps around here, and states that differ in nothing else are one.
inline constexpr uint8_t kBit = 1;
inline void Move(State& state, int word) {
  for (Party& party : state.party) party.seen &= static_cast<uint8_t>(~(1 << word));
}

// Registers that all machines with this header share: other[0] is the participant's; other[1]: `deaths` as it was read; other[2]: flags;
// other[4] and other[5] are those of a wake.
inline constexpr uint8_t kSlept = 1;
inline constexpr uint8_t kLastLook = 2;

inline void Announce(State& state, Party& party, int word) {
  Move(state, word);
  state.word[word] = kBit;
  party.seen |= static_cast<uint8_t>(1 << word);
}

// A sleeper is queued on the word if that has not moved.
inline void QueueIfNotMoved(const State& state, int self, Step& step, int word, uint8_t changed, uint8_t next) {
  const bool same = (state.party[self].seen & 1 << word) != 0;
  step.Queue(word, /*compare=*/true, same ? state.word[word] : static_cast<uint8_t>(~state.word[word]), changed, next);
}

// ---- Audience::Wake, as a call of three steps --------------------------------------------------------------------------------------

inline constexpr uint8_t kLooksAtBit = 240;
inline constexpr uint8_t kAddsAndWakes = 241;
inline constexpr uint8_t kTakesBitAway = 242;
inline constexpr uint8_t kEverybody = 0x80;  // beside the word

// The party goes on at `back`.
inline void CallWake(Party& party, int word, uint8_t back, bool everybody = false) {
  party.pc = kLooksAtBit;
  party.other[4] = static_cast<uint8_t>(word | (everybody ? kEverybody : 0));
  party.other[5] = back;
}

// Whether the party is in such a call: then it has made the step.
inline bool StepInWake(const State& state, int self, Step& step) {
  const Party& me = state.party[self];
  const int word = me.other[4] & 0x7f;
  // What is in a register and will not be looked at again makes states that are no others.
  const auto back = [](State&, Party& party) { party.seen = party.other[4] = party.other[5] = 0; };
  switch (me.pc) {
    case kLooksAtBit:
      if ((state.word[word] & kBit) == 0) {
        step.Go(me.other[5], back);
      } else {
        step.Go(kAddsAndWakes, [&](State&, Party& party) { party.seen |= static_cast<uint8_t>(1 << word); });
      }
      return true;
    case kAddsAndWakes: {
      bool anybody = false;
      for (const Party& party : state.party) anybody = anybody || (party.queued & 1 << word) != 0;
      const int count = (me.other[4] & kEverybody) != 0 ? sync_model::kMaxParties : 1;
      step.Wake(anybody ? me.other[5] : kTakesBitAway, word, count, [&](State& next, Party& party) {
        const uint8_t seen = party.seen;
        Move(next, word);
        party.seen = seen;  // what it was itself, it knows
        if (anybody) back(next, party);
      });
      return true;
    }
    case kTakesBitAway:
      step.Go(me.other[5], [&](State& next, Party& party) {
        if ((party.seen & 1 << word) != 0) {
          Move(next, word);
          next.word[word] = 0;
        }
        back(next, party);
      });
      return true;
    default:
      return false;
  }
}

// ---- the end of a sleep ------------------------------------------------------------------------------------------------------------

// In `shared`: so many sleeps may still end for no reason.
inline constexpr int kSpuriousLeft = 11;

// Woken; or for no reason; or at the deadline, which may also have passed for one who was woken.
inline void EndSleep(const State& state, int self, Step& step, uint8_t pc, bool may_time_out) {
  const auto over = [](Party& party, uint8_t flags) {
    party.woken = false;
    party.queued = 0;
    party.seen = 0;
    party.other[2] |= static_cast<uint8_t>(kSlept | flags);
  };
  const bool woken = state.party[self].woken;
  if (woken || state.shared[kSpuriousLeft] != 0) {
    step.Go(pc, [&](State& next, Party& party) {
      if (!woken) --next.shared[kSpuriousLeft];
      over(party, 0);
    });
  }
  if (may_time_out) step.Go(pc, [&](State&, Party& party) { over(party, kLastLook); });
}

}  // namespace shoal::ipc_model

#endif  // SHOAL_IPC_MODEL_AUDIENCE_MODEL_H_
