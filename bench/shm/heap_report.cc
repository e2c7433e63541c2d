// A segment's heap beside its peers, in one run, interleaved: work, ours, peer, ratio, target, and whether it meets it.
//
//   bazel run -c opt //bench/shm:heap_report
//   bazel run -c opt //bench/shm:heap_report -- --rounds=21 --only=free
//
// Nanoseconds per call of this thread's processor time (what else runs on the machine is not counted), or of the clock where
// threads compete; a ratio is ours / peer. Rounds alternate between ours and the peer; the figures are medians, with the smallest
// and the largest ratio behind them. Every block is recorded before it is taken, as a journal does; Boost.Interprocess, which
// has no such thing, takes and gives back under its mutex.

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include <algorithm>
#include <functional>
#include <random>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "boost/interprocess/indexes/iset_index.hpp"
#include "boost/interprocess/managed_external_buffer.hpp"
#include "boost/interprocess/mem_algo/rbtree_best_fit.hpp"
#include "boost/interprocess/sync/mutex_family.hpp"
#include "shoal/shm/heap_world.h"
#include "shoal/sync/check.h"

namespace shoal {
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

struct Cost {
  double allocate;
  double free;
};

// Allocates `live` blocks, then frees them in another order; again and again.
template <class H>
Cost InTurns(size_t size_bytes, size_t live) {
  H heap;
  typename H::Thread thread(heap, 0);
  std::vector<typename H::Name> blocks(live);
  std::vector<size_t> order(live);
  for (size_t i = 0; i < live; ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), std::mt19937_64(1));
  const int turns = static_cast<int>(400'000 / live);
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
  const double calls = static_cast<double>(turns) * static_cast<double>(live);
  return {static_cast<double>(allocating) / calls, static_cast<double>(freeing) / calls};
}
template <class H, size_t live = 10'000>
double Allocating() {
  return InTurns<H>(64, live).allocate;
}
template <class H, size_t live = 10'000>
double Freeing() {
  return InTurns<H>(64, live).free;
}

// One block at a time.
template <class H>
double Pairs(size_t size_bytes) {
  H heap;
  typename H::Thread thread(heap, 0);
  constexpr int kPairs = 500'000;
  int64_t begin = 0;
  for (int i = -1000; i < kPairs; ++i) {
    if (i == 0) begin = NowOn(CLOCK_THREAD_CPUTIME_ID);
    thread.Free(thread.Allocate(size_bytes));
  }
  return static_cast<double>(NowOn(CLOCK_THREAD_CPUTIME_ID) - begin) / kPairs;
}

// 5,000 live blocks of 1 to 2,000 bytes, one of them replaced each time.
template <class H>
double Replacing(H& heap, uint32_t number, clockid_t clock) {
  typename H::Thread thread(heap, number);
  std::mt19937 random(number);
  std::vector<typename H::Name> blocks(5000);
  for (auto& block : blocks) block = thread.Allocate(random() % 2000 + 1);
  constexpr int kSteps = 300'000;
  const int64_t begin = NowOn(clock);
  for (int i = 0; i < kSteps; ++i) {
    auto& block = blocks[random() % blocks.size()];
    thread.Free(block);
    block = thread.Allocate(random() % 2000 + 1);
  }
  const double each = static_cast<double>(NowOn(clock) - begin) / kSteps;
  for (auto& block : blocks) thread.Free(block);
  return each;
}
template <class H>
double ReplacingAlone() {
  H heap;
  return Replacing(heap, 0, CLOCK_THREAD_CPUTIME_ID);
}
template <class H>
double ReplacingTogether() {
  H heap;
  double other = 0;
  std::thread second([&] { other = Replacing(heap, 1, CLOCK_MONOTONIC); });
  const double one = Replacing(heap, 0, CLOCK_MONOTONIC);
  second.join();
  return (one + other) / 2;
}

// ---- the table ------------------------------------------------------------------------------------------------------------------------

struct Row {
  const char* work;
  const char* peer_name;
  double target;  // 0: none, a figure only
  std::function<double()> ours;
  std::function<double()> peer;
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void Print(const Row& row, int rounds) {
  std::vector<double> ours, peer, ratios;
  for (int i = 0; i < rounds; ++i) {
    ours.push_back(row.ours());
    peer.push_back(row.peer());
    ratios.push_back(ours.back() / peer.back());
  }
  const double ratio = Median(ratios);
  char target[16] = "-";
  if (row.target != 0) snprintf(target, sizeof(target), "<= %.2f", row.target);
  printf("%-44s %9.2f %-4s %-26s %9.2f   %5.2f (%.2f to %.2f)  %-8s %s\n", row.work, Median(ours), "ns", row.peer_name,
         Median(peer), ratio, *std::min_element(ratios.begin(), ratios.end()),
         *std::max_element(ratios.begin(), ratios.end()), target,
         row.target == 0       ? "-"
         : ratio <= row.target ? "meets"
                               : "falls short");
  fflush(stdout);
}

std::vector<Row> Rows() {
  return {
      {"allocate(64), 10,000 live", "Boost.Interprocess", 0.15, Allocating<Ours>, Allocating<Boost>},
      {"free(64), 10,000 live, shuffled", "Boost.Interprocess", 0.25, Freeing<Ours>, Freeing<Boost>},
      {"allocate(64), 10,000 live", "malloc", 0, Allocating<Ours>, Allocating<Malloc>},
      {"free(64), 10,000 live, shuffled", "malloc", 0, Freeing<Ours>, Freeing<Malloc>},
      {"allocate(64), 50 live", "Boost.Interprocess", 0, Allocating<Ours, 50>, Allocating<Boost, 50>},
      {"free(64), 50 live", "Boost.Interprocess", 0, Freeing<Ours, 50>, Freeing<Boost, 50>},
      {"allocate + free, 64 bytes", "Boost.Interprocess", 0, [] { return Pairs<Ours>(64); },
       [] { return Pairs<Boost>(64); }},
      {"allocate + free, 64 bytes", "malloc", 0, [] { return Pairs<Ours>(64); }, [] { return Pairs<Malloc>(64); }},
      {"allocate + free, 100,000 bytes", "Boost.Interprocess", 0, [] { return Pairs<Ours>(100'000); },
       [] { return Pairs<Boost>(100'000); }},
      {"replace one of 5,000, 1 to 2,000 bytes", "Boost.Interprocess", 0, ReplacingAlone<Ours>, ReplacingAlone<Boost>},
      {"replace one of 5,000, 1 to 2,000 bytes", "malloc", 0, ReplacingAlone<Ours>, ReplacingAlone<Malloc>},
      {"the same in 2 threads (clock)", "Boost.Interprocess", 0, ReplacingTogether<Ours>, ReplacingTogether<Boost>},
  };
}

}  // namespace
}  // namespace shoal

int main(int argc, char** argv) {
  int rounds = 7;
  std::string_view only;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.substr(0, 9) == "--rounds=") {
      rounds = std::max(1, atoi(argv[i] + 9));
    } else if (argument.substr(0, 7) == "--only=") {
      only = argument.substr(7);
    } else {
      fprintf(stderr, "unknown argument %s\n", argv[i]);
      return 2;
    }
  }
  printf("%-44s %9s %-4s %-26s %9s   %-23s %-8s\n", "work", "ours", "", "peer", "", "ratio (spread)", "target");
  for (const shoal::Row& row : shoal::Rows()) {
    if (std::string_view(row.work).find(only) != std::string_view::npos) shoal::Print(row, rounds);
  }
  return 0;
}
