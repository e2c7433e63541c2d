#ifndef SHOAL_TESTS_WORLDS_SEGMENT_WORLD_H_
#define SHOAL_TESTS_WORLDS_SEGMENT_WORLD_H_

#include <unistd.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "shoal/shm/segment.h"
#include "shoal/shm/unique_fd.h"
#include "shoal/sync/check.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal::tests {

// A `T` in a segment of its own that is attached twice, constructed through the first mapping, and the parties that use it.
template <class T>
class SharedInSegment {
 public:
  template <class... Args>
  explicit SharedInSegment(World world, Args&&... args) : world_(world) {
    auto segment = Segment::Create({.limit_bytes = size_t{8} << 20});
    SHOAL_CHECK(segment.ok(), "a segment can be made");
    views_[0] = std::make_unique<Segment>(*std::move(segment));
    auto again = Segment::Attach(shm_internal::UniqueFd(dup(views_[0]->fd())));
    SHOAL_CHECK(again.ok(), "and attached a second time");
    views_[1] = std::make_unique<Segment>(*std::move(again));
    auto offset = views_[0]->Allocate(sizeof(T), alignof(T));
    SHOAL_CHECK(offset.ok(), "there is memory");
    offset_ = *offset;
    new (&view(0)) T(std::forward<Args>(args)...);
  }

  T& operator*() const { return view(0); }
  T* operator->() const { return &view(0); }
  T& view(int which) const { return *shm_internal::ObjectIn<T>(*views_[which], offset_); }
  const Segment& segment(int which = 0) const { return *views_[which]; }

  // Starts body(shared, number).
  Party Start(int number, std::function<void(T&, int)> body) const {
    T& own = view(world_ == World::kTwoMappings ? number % 2 : 0);
    return Party(world_, [&own, number, body = std::move(body)] { body(own, number); });
  }

  // Runs `count` parties to their end.
  void Run(int count, std::function<void(T&, int)> body) const {
    std::vector<Party> parties;
    for (int i = 0; i < count; ++i) parties.push_back(Start(i, body));
    for (Party& party : parties) party.Join();
  }

  World world() const { return world_; }

 private:
  World world_;
  std::unique_ptr<Segment> views_[2];
  size_t offset_ = 0;
};

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_WORLDS_SEGMENT_WORLD_H_
