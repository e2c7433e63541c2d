#ifndef SHOAL_IPC_MESSAGE_RING_WAIT_H_
#define SHOAL_IPC_MESSAGE_RING_WAIT_H_

#include <cstdint>

#include "shoal/ipc/audience.h"
#include "shoal/ipc/long_look.h"
#include "shoal/ipc/message_ring.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/futex.h"

// How the ring's callers wait; for the sources of the ring only.

namespace shoal::ipc_internal {

// A look at the ring costs some nanoseconds, a sleep and a wake several thousand: whoever finds nothing looks again for about as long
// before it sleeps. The pauses between the looks double, for each look takes a line from those who are about to write to it; after
// some, there are several messages to be found at once. (A pause takes 40 ns on the machine where this was measured; with a first look
// after 16 of them a stream was slower by a tenth to a third, and a round trip no faster.)
inline constexpr int kFewestPauses = 32;
inline constexpr int kMostPauses = 64;

// try_once() is kNothing as long as there is nothing. Returns that when the deadline has passed.
template <class TryOnce>
RingPort::Look RingPort::AwaitSlowly(Audience& audience, sync_internal::Deadline deadline, TryOnce try_once) {
  const sync_internal::FutexWord& deaths_word = deaths();
  LongLook& long_look = &audience == &ring_->getters_ ? getters_long_look_ : others_long_look_;
  for (bool slept = false;; slept = true) {
    const bool last_look = deadline.passed();
    // participants.deaths (acquire): a death that the look misses changes it
    const uint32_t seen_deaths = deaths_word.load(std::memory_order_acquire);
    TakeBackFromTheDead(seen_deaths);
    if (!slept) {
      for (int pauses = kFewestPauses;; pauses *= 2) {
        if (const Look look = try_once(); look != Look::kNothing) {
          long_look.FoundSoon();
          return look;
        }
        if (last_look) return Look::kNothing;
        if (pauses > kMostPauses || !LookingIsOfUse()) break;
        for (int i = 0; i < pauses; ++i) __builtin_ia32_pause();
      }
      Look look = Look::kNothing;
      const auto found = [&] { return (look = try_once()) != Look::kNothing; };
      if (LookingIsOfUse() && long_look.IsDue() && LookForLong(deadline, found)) return look;
    }
    const uint32_t seen = audience.Announce();
    if (const Look look = try_once(); look != Look::kNothing) {
      if (slept) audience.Wake();  // others may sleep beside what is left
      return look;
    }
    if (last_look) return Look::kNothing;
    sync_internal::SleepWhile({{&audience.word(), seen}, {&deaths_word, seen_deaths}}, deadline);
  }
}

}  // namespace shoal::ipc_internal

#endif  // SHOAL_IPC_MESSAGE_RING_WAIT_H_
