#ifndef SHOAL_SHM_CONTAINER_WORLD_H_
#define SHOAL_SHM_CONTAINER_WORLD_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/heap.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/section.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/size_classes.h"

namespace shoal::shm_internal {

// A T in a Mutex in a segment of its own, for tests of containers.
template <class T>
class ContainerWorld {
 public:
  explicit ContainerWorld(size_t limit_bytes = size_t{1} << 20) {
    auto segment = Segment::Create({.limit_bytes = limit_bytes});
    if (!segment.ok()) {
      ADD_FAILURE() << segment.status();
      return;
    }
    segment_.emplace(*std::move(segment));
    mutex_ = new (segment_->At<Mutex<T>>(segment_->Allocate(sizeof(Mutex<T>), 64).value())) Mutex<T>;
    EXPECT_TRUE(Change([](T&) { return absl::OkStatus(); }).ok());  // makes the journal
    blocks_at_first_ = Blocks();
  }

  Mutex<T>& mutex() { return *mutex_; }
  const Segment& segment() const { return *segment_; }

  // Runs `body(T&)` in a section, which commits if it returns OK.
  template <class Body>
  absl::Status Change(Body body) {
    return mutex_->With([&](T& root) -> absl::Status { return body(root); });
  }
  // The same in a section that is rolled back.
  template <class Body>
  void InVain(Body body) {
    const absl::Status status = Change([&](T& root) {
      body(root);
      return absl::AbortedError("in vain");
    });
    EXPECT_EQ(status.code(), absl::StatusCode::kAborted) << status;
  }
  // Reads, in a section of its own. The object is const.
  template <class Body>
  void Look(Body body) {
    EXPECT_TRUE(Change([&](const T& root) {
                  body(root);
                  return absl::OkStatus();
                }).ok());
  }

  // Blocks that containers own now.
  uint64_t OwnedBlocks() const { return Blocks() - blocks_at_first_ - ballast_.size(); }

  // Takes all the memory there is, to be given back by Relieve.
  void FillUp() {
    Attachment& attachment = *Attachment::Of(mutex_);
    HeapCache& cache = SectionAt(mutex_).value()->cache();
    const auto take_all = [&](size_t bytes) {
      for (;;) {
        auto block = attachment.heap().Allocate(cache, bytes, 16, [](Block) { return true; });
        if (!block.ok()) return;
        ballast_.push_back(*block);
      }
    };
    for (size_t bytes = size_t{1} << 19; bytes >= kHeapPageBytes; bytes /= 2) take_all(bytes);
    for (const SizeClass& size_class : kSizeClasses) take_all(size_class.block_bytes);
  }
  void Relieve() {
    Attachment& attachment = *Attachment::Of(mutex_);
    for (const Block block : ballast_) attachment.heap().Free(&SectionAt(mutex_).value()->cache(), block);
    ballast_.clear();
  }

 private:
  uint64_t Blocks() const { return Attachment::Of(mutex_)->heap().Usage().allocated_blocks; }

  std::optional<Segment> segment_;
  Mutex<T>* mutex_ = nullptr;
  std::vector<Block> ballast_;
  uint64_t blocks_at_first_ = 0;
};

// How many bytes of its journal the open section of this thread has used.
inline size_t JournalUsed() { return ThisThreadSections().open->mark(); }

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_CONTAINER_WORLD_H_
