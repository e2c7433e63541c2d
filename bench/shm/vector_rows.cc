// bench/shm/vector_rows.cc: Vector<int> beside Boost.Interprocess's.
//
// Ours is changed inside a section, which could be taken back at any moment; a go is one section. Boost's has neither lock nor journal
// around it. Memory is warm: the first go of each is not counted. Processor time of this thread.

#include "shoal/bench/shm/vector_rows.h"

#include <sys/mman.h>
#include <time.h>

#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include "boost/interprocess/allocators/allocator.hpp"
#include "boost/interprocess/containers/vector.hpp"
#include "boost/interprocess/indexes/iset_index.hpp"
#include "boost/interprocess/managed_external_buffer.hpp"
#include "boost/interprocess/mem_algo/rbtree_best_fit.hpp"
#include "boost/interprocess/sync/mutex_family.hpp"
#include "shoal/shm/mutex.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/vector.h"
#include "shoal/sync/check.h"
#include "shoal/sync/status.h"

namespace shoal::bench {
namespace {

namespace interprocess = boost::interprocess;
using Buffer = interprocess::basic_managed_external_buffer<char, interprocess::rbtree_best_fit<interprocess::mutex_family>,
                                                           interprocess::iset_index>;
using BoostVector = interprocess::vector<int, interprocess::allocator<int, Buffer::segment_manager>>;

constexpr size_t kSegmentBytes = size_t{64} << 20;

class Boost {
 public:
  Boost() {
    memory_ = mmap(nullptr, kSegmentBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    SHOAL_CHECK(memory_ != MAP_FAILED, "a benchmark needs shared memory");
    buffer_ = Buffer(interprocess::create_only, memory_, kSegmentBytes);
    vector_ = buffer_.construct<BoostVector>(interprocess::anonymous_instance)(buffer_.get_segment_manager());
  }
  ~Boost() { munmap(memory_, kSegmentBytes); }
  Boost(const Boost&) = delete;
  Boost& operator=(const Boost&) = delete;
  BoostVector& vector() { return *vector_; }

 private:
  void* memory_;
  Buffer buffer_;
  BoostVector* vector_;
};

double ProcessorSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Seconds for one of `items`, of which each go does so many.
template <class Go>
double SecondsOf(size_t items, Go go) {
  constexpr int kGoes = 8;
  go();
  const double begin = ProcessorSeconds();
  for (int i = 0; i < kGoes; ++i) go();
  return (ProcessorSeconds() - begin) / static_cast<double>(items) / kGoes;
}

// Adds them up through operator[].
template <class V>
__attribute__((noinline)) int64_t Sum(const V& vector) {
  int64_t sum = 0;
  for (size_t i = 0; i < vector.size(); ++i) sum += vector[i];
  return sum;
}
// In an order that no compiler can foresee.
template <class V>
__attribute__((noinline)) int64_t SumOf(const V& vector, const std::vector<uint32_t>& order) {
  int64_t sum = 0;
  for (const uint32_t i : order) sum += vector[i];
  return sum;
}

// Whatever memory holds may have changed after it: what was added up is added up again.
void Use(int64_t value) { asm volatile("" ::"r"(value) : "memory"); }

}  // namespace

absl::StatusOr<std::vector<Row>> VectorRows(const Settings& settings) {
  SHOAL_ASSIGN_OR_RETURN(const Segment segment, Segment::Create({.limit_bytes = kSegmentBytes}));
  SHOAL_ASSIGN_OR_RETURN(const size_t mutex_at, segment.Allocate(sizeof(Mutex<Vector<int>>), 64));
  auto* const mutex = new (segment.At<Mutex<Vector<int>>>(mutex_at)) Mutex<Vector<int>>;
  const auto boost = std::make_shared<Boost>();
  const size_t items = settings.Items(1'000'000);
  std::vector<uint32_t> order(items);
  uint64_t random = 1;
  for (uint32_t& index : order) {
    random = random * 6364136223846793005 + 1442695040888963407;
    index = static_cast<uint32_t>((random >> 33) % items);
  }

  const auto fill_ours = [=](bool from_nothing) {
    const absl::Status filled = mutex->With([=](Vector<int>& vector) -> absl::Status {
      SHOAL_RETURN_IF_ERROR(vector.Clear());
      if (from_nothing) SHOAL_RETURN_IF_ERROR(vector.ShrinkToFit());
      for (size_t i = 0; i < items; ++i) SHOAL_RETURN_IF_ERROR(vector.PushBack(static_cast<int>(i)));
      return absl::OkStatus();
    });
    SHOAL_CHECK(filled.ok(), "there is memory for a benchmark");
  };
  const auto fill_boost = [=](bool from_nothing) {
    BoostVector& vector = boost->vector();
    vector.clear();
    if (from_nothing) vector.shrink_to_fit();
    for (size_t i = 0; i < items; ++i) vector.push_back(static_cast<int>(i));
  };
  const auto read_ours = [=](auto sum) {
    auto guard = mutex->Lock();
    SHOAL_CHECK(guard.ok(), "nobody else has it");
    const Vector<int>& vector = **guard;
    return SecondsOf(items, [&] { Use(sum(vector)); });
  };
  const auto read_boost = [=](auto sum) { return SecondsOf(items, [&] { Use(sum(boost->vector())); }); };
  const auto in_turn = [](const auto& vector) { return Sum(vector); };
  const auto anywhere = [&order](const auto& vector) { return SumOf(vector, order); };

  const char* const peer = "Boost.Interprocess";
  const Work works[] = {
      {.name = "Vector<int> push_back, 1e6, warm",
       .quantity = Quantity::kTime,
       .ours = [=] { return SecondsOf(items, [=] { fill_ours(false); }); },
       .peers = {{peer, 1.5, [=] { return SecondsOf(items, [=] { fill_boost(false); }); }}}},
      {.name = "Vector<int> push_back, 1e6, growing from nothing",
       .quantity = Quantity::kTime,
       .ours = [=] { return SecondsOf(items, [=] { fill_ours(true); }); },
       .peers = {{peer, std::nullopt, [=] { return SecondsOf(items, [=] { fill_boost(true); }); }}}},
      {.name = "Vector<int> read, one after the other",
       .quantity = Quantity::kTime,
       .ours = [=] { return read_ours(in_turn); },
       .peers = {{peer, 1.1, [=] { return read_boost(in_turn); }}}},
      {.name = "Vector<int> read, in any order",
       .quantity = Quantity::kTime,
       .ours = [=] { return read_ours(anywhere); },
       .peers = {{peer, 1.1, [=] { return read_boost(anywhere); }}}},
  };
  std::vector<Row> rows;
  for (const Work& work : works) {
    if (work.name.find("read") != std::string::npos) {
      fill_ours(false);
      fill_boost(false);
    }
    SHOAL_ASSIGN_OR_RETURN(const std::vector<Row> measured, Measure(work, settings));
    rows.insert(rows.end(), measured.begin(), measured.end());
  }
  return rows;
}

}  // namespace shoal::bench
