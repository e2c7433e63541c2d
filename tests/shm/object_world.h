#ifndef SHOAL_TESTS_SHM_OBJECT_WORLD_H_
#define SHOAL_TESTS_SHM_OBJECT_WORLD_H_

#include <unistd.h>

#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "shoal/shm/section.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/unique_fd.h"
#include "shoal/sync/check.h"
#include "shoal/sync/robust_list.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal::tests {

// A `T` in a segment, and the parties that use it. In the world of two mappings this process is attached twice, and the parties at
// one mapping are other participants than those at the other.
template <class T>
class InSegment {
 public:
  // make(where, section): a Status.
  template <class Make>
  InSegment(World world, size_t limit_bytes, Make make) : world_(world), segments_(Attached(world, limit_bytes)) {
    auto offset = segments_[0].Allocate(sizeof(T), 64);
    SHOAL_CHECK(offset.ok(), "a test needs shared memory");
    for (Segment& segment : segments_) views_.push_back(shm_internal::ObjectIn<T>(segment, *offset));
    auto section = shm_internal::SectionAt(views_[0]);
    SHOAL_CHECK(section.ok(), "a test's thread has a place in the segment");
    (*section)->Open(std::span<sync_internal::RobustWord* const>());
    const absl::Status made = make(views_[0], **section);
    SHOAL_CHECK(made.ok(), "a test's object can be made");
    (*section)->Commit();
  }

  T& operator*() const { return *views_[0]; }
  T* operator->() const { return views_[0]; }
  T& view(int number) const { return *views_[static_cast<size_t>(number) % views_.size()]; }
  Segment& segment() { return segments_[0]; }

  // Starts body(object, number).
  Party Start(int number, std::function<void(T&, int)> body) const {
    T& own = view(number);
    return Party(world_, [&own, number, body = std::move(body)] { body(own, number); });
  }

  // Runs `count` parties to their end.
  void Run(int count, std::function<void(T&, int)> body) const {
    std::vector<Party> parties;
    for (int i = 0; i < count; ++i) parties.push_back(Start(i, body));
    for (Party& party : parties) party.Join();
  }

  // Lets go of the segment: what still keeps it mapped does so by itself.
  void Forget() { segments_.clear(); }

 private:
  static std::vector<Segment> Attached(World world, size_t limit_bytes) {
    std::vector<Segment> segments;
    auto made = Segment::Create({.limit_bytes = limit_bytes});
    SHOAL_CHECK(made.ok(), "a test needs a segment");
    segments.push_back(*std::move(made));
    if (world == World::kTwoMappings) {
      auto again = Segment::Attach(shm_internal::UniqueFd(dup(segments[0].fd())));
      SHOAL_CHECK(again.ok(), "a segment can be attached twice");
      segments.push_back(*std::move(again));
    }
    return segments;
  }

  World world_;
  std::vector<Segment> segments_;
  std::vector<T*> views_;
};

// A word from one process to another: that it has come so far.
class Cue {
 public:
  Cue() { SHOAL_CHECK(pipe(fds_) == 0, "a test needs a pipe"); }
  ~Cue() {
    close(fds_[0]);
    close(fds_[1]);
  }
  Cue(const Cue&) = delete;
  Cue& operator=(const Cue&) = delete;
  void Give() const { SHOAL_CHECK(write(fds_[1], "c", 1) == 1, "a test gives its cue"); }
  void Await() const {
    char byte;
    SHOAL_CHECK(read(fds_[0], &byte, 1) == 1, "a test gets its cue");
  }

 private:
  int fds_[2];
};

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_SHM_OBJECT_WORLD_H_
