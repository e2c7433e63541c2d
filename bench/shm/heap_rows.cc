// bench/shm/heap_rows.cc: a segment's heap beside its peers.
//
// Nanoseconds per call of this thread's processor time (what else runs on the machine is not counted), or of the clock where
// threads compete. Every block is recorded before it is taken, as a journal does; Boost.Interprocess, which has no such thing,
// takes and gives back under its mutex.

#include "shoal/bench/shm/heap_rows.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "boost/interprocess/indexes/iset_index.hpp"
#include "boost/interprocess/managed_external_buffer.hpp"
#include "boost/interprocess/mem_algo/rbtree_best_fit.hpp"
#include "boost/interprocess/sync/mutex_family.hpp"
#include "shoal/shm/heap_world.h"
#include "shoal/sync/check.h"
#include "shoal/sync/status.h"

namespace shoal::bench {
namespace {

using shm_internal::Block;
using shm_internal::HeapCache;
using shm_internal::HeapWorld;

constexpr size_t kSegmentBytes = size_t{256} << 20;

// ---- what is compared: each has a Thread, by which one thread allocates and frees ---------------------------------------------------

class Ours {
 public:
  using Name = Block;
  class Thread {
   public:
    Thread(Ours& ours, uint32_t number) : heap_(ours.world_.heap()), cache_(number + 1) {}
    Block Allocate(size_t size_bytes) {
      absl::StatusOr<Block> block = heap_.Allocate(cache_, size_bytes, 16, [this](Block recorded) {
        journal_ = recorded;
        asm volatile("" ::: "memory");  // it is in memory before the block is taken
        return true;
      });
      SHOAL_CHECK(block.ok(), "there is memory for a benchmark");
      return *block;
    }
    void Free(Block block) { heap_.Free(&cache_, block); }

   private:
    const shm_internal::Heap& heap_;
    HeapCache cache_;
    Block journal_;
  };

 private:
  HeapWorld world_{kSegmentBytes / shm_internal::kHeapPageBytes};
};

class Boost {
 public:
  using Name = void*;
  class Thread {
   public:
    Thread(Boost& boost, uint32_t) : segment_(boost.segment_) {}
    void* Allocate(size_t size_bytes) { return segment_.allocate(size_bytes); }
    void Free(void* block) { segment_.deallocate(block); }

   private:
    using Segment = boost::interprocess::basic_managed_external_buffer<
        char, boost::interprocess::rbtree_best_fit<boost::interprocess::mutex_family>, boost::interprocess::iset_index>;
    friend class Boost;
    Segment& segment_;
  };

  Boost() {
    memory_ = mmap(nullptr, kSegmentBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    SHOAL_CHECK(memory_ != MAP_FAILED, "a benchmark needs shared memory");
    segment_ = Thread::Segment(boost::interprocess::create_only, memory_, kSegmentBytes);
  }
  ~Boost() { munmap(memory_, kSegmentBytes); }
  Boost(const Boost&) = delete;
  Boost& operator=(const Boost&) = delete;

 private:
  void* memory_;
  Thread::Segment segment_;
};

class Malloc {
 public:
  using Name = void*;
  class Thread {
   public:
    Thread(Malloc&, uint32_t) {}
    void* Allocate(size_t size_bytes) {
      void* block = malloc(size_bytes);
      asm volatile("" : "+r"(block)::"memory");  // it is not optimised away
      return block;
    }
    void Free(void* block) { free(block); }
  };
};

// ---- how it is measured -------------------------------------------------------------------------------------------------------------

int64_t NowOn(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

struct Cost {  // seconds per call
  double allocate;
  double free;
};

// Allocates `live` blocks, then frees them in another order; again and again.
template <class H>
Cost InTurns(size_t calls, size_t size_bytes, size_t live) {
  H heap;
  typename H::Thread thread(heap, 0);
  std::vector<typename H::Name> blocks(live);
  std::vector<size_t> order(live);
  for (size_t i = 0; i < live; ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), std::mt19937_64(1));
  const int turns = static_cast<int>(calls / live) + 1;
  int64_t allocating = 0, freeing = 0;
  for (int turn = -2; turn < turns; ++turn) {  // the first two are not counted
    const int64_t begin = NowOn(CLOCK_THREAD_CPUTIME_ID);
    for (size_t i = 0; i < live; ++i) blocks[i] = thread.Allocate(size_bytes);
    const int64_t middle = NowOn(CLOCK_THREAD_CPUTIME_ID);
    for (const size_t i : order) thread.Free(blocks[i]);
    const int64_t end = NowOn(CLOCK_THREAD_CPUTIME_ID);
    if (turn < 0) continue;
    allocating += middle - begin;
    freeing += end - middle;
  }
  const double counted = static_cast<double>(turns) * static_cast<double>(live) * 1e9;
  return {static_cast<double>(allocating) / counted, static_cast<double>(freeing) / counted};
}
// One block at a time.
template <class H>
double Pairs(size_t pairs, size_t size_bytes) {
  H heap;
  typename H::Thread thread(heap, 0);
  int64_t begin = 0;
  for (int64_t i = -1000; i < static_cast<int64_t>(pairs); ++i) {
    if (i == 0) begin = NowOn(CLOCK_THREAD_CPUTIME_ID);
    thread.Free(thread.Allocate(size_bytes));
  }
  return static_cast<double>(NowOn(CLOCK_THREAD_CPUTIME_ID) - begin) / static_cast<double>(pairs) * 1e-9;
}

// 5,000 live blocks of 1 to 2,000 bytes, one of them replaced each time.
template <class H>
double Replacing(H& heap, size_t steps, uint32_t number, clockid_t clock) {
  typename H::Thread thread(heap, number);
  std::mt19937 random(number);
  std::vector<typename H::Name> blocks(5000);
  for (auto& block : blocks) block = thread.Allocate(random() % 2000 + 1);
  const int64_t begin = NowOn(clock);
  for (size_t i = 0; i < steps; ++i) {
    auto& block = blocks[random() % blocks.size()];
    thread.Free(block);
    block = thread.Allocate(random() % 2000 + 1);
  }
  const double each = static_cast<double>(NowOn(clock) - begin) / static_cast<double>(steps) * 1e-9;
  for (auto& block : blocks) thread.Free(block);
  return each;
}
template <class H>
double ReplacingAlone(size_t steps) {
  H heap;
  return Replacing(heap, steps, 0, CLOCK_THREAD_CPUTIME_ID);
}
template <class H>
double ReplacingTogether(size_t steps) {
  H heap;
  double other = 0;
  std::thread second([&] { other = Replacing(heap, steps, 1, CLOCK_MONOTONIC); });
  const double one = Replacing(heap, steps, 0, CLOCK_MONOTONIC);
  second.join();
  return (one + other) / 2;
}

// ---- the table ------------------------------------------------------------------------------------------------------------------------

// `measure` is called with an H of each: measure.operator()<Ours>().
template <class Measure>
Work Compared(std::string name, Measure measure, std::optional<double> boost_target = std::nullopt) {
  return {.name = std::move(name),
          .quantity = Quantity::kTime,
          .ours = [=] { return measure.template operator()<Ours>(); },
          .peers = {{"Boost.Interprocess", boost_target, [=] { return measure.template operator()<Boost>(); }},
                    {"malloc", std::nullopt, [=] { return measure.template operator()<Malloc>(); }}}};
}

}  // namespace

absl::StatusOr<std::vector<Row>> HeapRows(const Settings& settings) {
  const size_t calls = settings.Items(400'000);
  const size_t steps = settings.Items(300'000);
  const Work works[] = {
      Compared(
          "allocate(64), 10,000 live", [=]<class H>() { return InTurns<H>(calls, 64, 10'000).allocate; }, 0.15),
      Compared(
          "free(64), 10,000 live, shuffled", [=]<class H>() { return InTurns<H>(calls, 64, 10'000).free; }, 0.25),
      Compared("allocate + free, 64 bytes", [=]<class H>() { return Pairs<H>(calls, 64); }),
      Compared("replace one of 5,000 blocks, 1 to 2,000 bytes", [=]<class H>() { return ReplacingAlone<H>(steps); }),
      Compared("the same in 2 threads (clock)", [=]<class H>() { return ReplacingTogether<H>(steps); }),
  };
  std::vector<Row> rows;
  for (const Work& work : works) {
    SHOAL_ASSIGN_OR_RETURN(const std::vector<Row> measured, Measure(work, settings));
    rows.insert(rows.end(), measured.begin(), measured.end());
  }
  return rows;
}

}  // namespace shoal::bench
