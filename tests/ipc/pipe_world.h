#ifndef SHOAL_TESTS_IPC_PIPE_WORLD_H_
#define SHOAL_TESTS_IPC_PIPE_WORLD_H_

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "shoal/ipc/connection.h"
#include "shoal/ipc/pipe.h"
#include "shoal/shm/pipe_ends.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/unique_fd.h"
#include "shoal/sync/check.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal::tests {

// A segment, and parties that are each given an end of a pipe in it. In the world of two mappings the parties with odd numbers are at
// another mapping than this test, and are another participant.
class PipeWorld {
 public:
  explicit PipeWorld(World world) : world_(world) {
    auto made = Segment::Create({.limit_bytes = size_t{256} << 20});
    SHOAL_CHECK(made.ok(), "a test needs a segment");
    segments_.push_back(*std::move(made));
    if (world != World::kTwoMappings) return;
    auto again = Segment::Attach(shm_internal::UniqueFd(dup(segments_[0].fd())));
    SHOAL_CHECK(again.ok(), "a segment can be attached twice");
    segments_.push_back(*std::move(again));
  }

  const Segment& segment(int number = 0) const { return segments_[static_cast<size_t>(number) % segments_.size()]; }

  template <class A, class B = A>
  std::pair<Connection<A, B>, Connection<B, A>> Make(PipeOptions options = {}) const {
    options.segment = &segment();
    auto made = Pipe<A, B>(options);
    SHOAL_CHECK(made.ok(), "a test needs a pipe");
    return *std::move(made);
  }

  // Starts body(end), which has taken over `end`.
  template <class A, class B>
  Party Start(int number, Connection<A, B> end, std::function<void(Connection<A, B>&)> body) const {
    auto ticket = end.HandOver();
    SHOAL_CHECK(ticket.ok(), "an end can be handed over");
    auto taken = std::make_shared<std::atomic<bool>>(false);
    Party party(world_, [this, number, name = ticket->number(), body = std::move(body), taken] {
      auto mine = Connection<A, B>::Take(segment(number), name);
      SHOAL_CHECK(mine.ok(), "an end that was handed over can be taken");
      taken->store(true);
      body(*mine);
    });
    // The ticket answers for the end until then.
    if (world_ == World::kProcesses) {
      const uint64_t name = shm_internal::TicketNumber::Name(ticket->number());
      const shm_internal::PipeEnds& ends = EndsOf(name);
      Await([&] { return StateOf(ends, name) != shm_internal::EndState::kHandedOver; });
    } else {
      Await([&] { return taken->load(); });
    }
    return party;
  }

 private:
  const shm_internal::PipeEnds& EndsOf(uint64_t name) const {
    return *shm_internal::ObjectIn<shm_internal::PipeEnds>(segments_[0], shm_internal::StoredEnd::Offset(name) + 64);
  }
  static shm_internal::EndState StateOf(const shm_internal::PipeEnds& ends, uint64_t name) {
    return shm_internal::EndWord::State(ends.end[shm_internal::StoredEnd::Side(name)].load());
  }

  World world_;
  std::vector<Segment> segments_;
};

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_IPC_PIPE_WORLD_H_
