#ifndef SHOAL_SHM_HEAP_CACHE_H_
#define SHOAL_SHM_HEAP_CACHE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "shoal/shm/size_classes.h"

namespace shoal::shm_internal {

// What one thread remembers of a heap: its slabs, and some free blocks in them. Lies in its own memory and is lost with it;
// nothing in it is believed without a look at the shared tags.
//
// Thread safety:  used by the thread that has the slot, and only in calls of one Heap.
// Ownership:      pass it to Heap::Release before the slot goes to somebody else. After a fork the child must not use it.
class HeapCache {
 public:
  // `slot`: this thread's number, from 1 to kMaxSlot. Nobody alive has the same one for the same heap.
  explicit HeapCache(uint32_t slot) : slot_(slot) {}
  HeapCache(const HeapCache&) = delete;
  HeapCache& operator=(const HeapCache&) = delete;

  uint32_t slot() const { return slot_; }

 private:
  friend class Heap;

  struct Place {
    uint32_t page;
    uint32_t index;  // of the block in its slab
  };

  // Of one size class.
  struct Shelf {
    static constexpr uint32_t kRoom = 64;

    uint32_t count = 0;
    uint32_t slab = 0;                // where the next search for free blocks begins: which of `slabs`,
    uint32_t block = 0;               // and which block of it
    std::array<Place, kRoom> places;  // the first `count` are blocks that were free when they were put here
    std::vector<uint32_t> slabs;      // pages
  };

  uint32_t slot_;
  bool adopted_ = false;  // the slabs that an earlier holder of the slot left behind
  std::array<Shelf, kSizeClassCount> shelves_;
};

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_HEAP_CACHE_H_
