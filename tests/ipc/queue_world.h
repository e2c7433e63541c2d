#ifndef SHOAL_TESTS_IPC_QUEUE_WORLD_H_
#define SHOAL_TESTS_IPC_QUEUE_WORLD_H_

#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "shoal/ipc/queue.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/unique_fd.h"
#include "shoal/sync/check.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal::tests {

// All that can be allocated of a segment, to be written over.
inline std::span<std::byte> HeapOf(const Segment& segment) {
  const auto attachment = shm_internal::Attachment::Of(&segment.deaths());
  return {attachment->base() + attachment->areas().first_page, segment.limit_bytes()};
}

// A queue in a segment, and the parties that find it there. In the world of two mappings this process is attached twice, and the
// parties at one mapping are other participants than those at the other. `Q`: Queue<T>, or one of its kin.
template <class Q>
class QueueWorld {
 public:
  // make(segment): a StatusOr<Q>.
  template <class Make>
  QueueWorld(World world, Make make, size_t limit_bytes = size_t{16} << 20) : world_(world) {
    auto made = Segment::Create({.limit_bytes = limit_bytes});
    SHOAL_CHECK(made.ok(), "a test needs a segment");
    segments_.push_back(*std::move(made));
    if (world == World::kTwoMappings) {
      auto again = Segment::Attach(shm_internal::UniqueFd(dup(segments_[0].fd())));
      SHOAL_CHECK(again.ok(), "a segment can be attached twice");
      segments_.push_back(*std::move(again));
    }
    auto queue = make(segments_[0]);
    SHOAL_CHECK(queue.ok() && queue->PublishAs("queue").ok(), "a test's queue can be made");
    queue_ = *std::move(queue);
    for (Segment& segment : segments_) {
      const size_t offset = &segment == &segments_[0] ? *segments_[0].Allocate(kCounters * 8, 64) : counters_;
      counters_ = offset;
    }
  }

  Q& operator*() { return queue_; }
  Q* operator->() { return &queue_; }
  const Segment& segment() const { return segments_[0]; }
  const Segment& segment(int number) const { return segments_[static_cast<size_t>(number) % segments_.size()]; }

  // A number that the parties share.
  static constexpr int kCounters = 64;
  std::atomic<int64_t>& counter(int which) const {
    return shm_internal::ObjectIn<std::atomic<int64_t>>(segments_[0], counters_)[which];
  }

  // Starts body(queue, number).
  Party Start(int number, std::function<void(Q&, int)> body) const {
    return Party(world_, [&segment = segment(number), number, body = std::move(body)] {
      auto queue = Q::Find(segment, "queue");
      ASSERT_TRUE(queue.ok()) << queue.status();
      body(*queue, number);
    });
  }

  // Runs `count` parties to their end.
  void Run(int count, std::function<void(Q&, int)> body) const {
    std::vector<Party> parties;
    for (int i = 0; i < count; ++i) parties.push_back(Start(i, body));
    for (Party& party : parties) party.Join();
  }

 private:
  World world_;
  std::vector<Segment> segments_;
  Q queue_;
  size_t counters_ = 0;
};

// One with a Queue of these options.
template <class T>
QueueWorld<Queue<T>> QueueOf(World world, QueueOptions options) {
  return QueueWorld<Queue<T>>(world, [options](const Segment& segment) mutable {
    options.segment = &segment;
    return Queue<T>::Create(options);
  });
}

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_IPC_QUEUE_WORLD_H_
