// bench/shm/hash_map_rows.cc: HashMap<int, int> beside boost::unordered_map in Boost.Interprocess's memory.
//
// Each go begins with an empty map, puts the same keys in, in the same order, and gives all memory back. Ours is filled inside one section,
// which could be taken back at any moment, or in a section for each insert; Boost's has no journal, and a lock only where sections are
// compared. absl::flat_hash_map, in memory of the process alone, is what can be reached without any of it.
//
// Keys are found in another order than they were put in. Processor time of this thread; of two processes, the clock's.

#include "shoal/bench/shm/hash_map_rows.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/hash/hash.h"
#include "boost/interprocess/allocators/allocator.hpp"
#include "boost/interprocess/indexes/iset_index.hpp"
#include "boost/interprocess/managed_external_buffer.hpp"
#include "boost/interprocess/mem_algo/rbtree_best_fit.hpp"
#include "boost/interprocess/sync/interprocess_mutex.hpp"
#include "boost/interprocess/sync/mutex_family.hpp"
#include "boost/interprocess/sync/scoped_lock.hpp"
#include "boost/unordered_map.hpp"
#include "shoal/shm/hash_map.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/segment.h"
#include "shoal/sync/check.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/status.h"

namespace shoal::bench {
namespace {

namespace interprocess = boost::interprocess;
using Buffer = interprocess::basic_managed_external_buffer<char, interprocess::rbtree_best_fit<interprocess::mutex_family>,
                                                           interprocess::iset_index>;
using BoostMap = boost::unordered_map<int, int, boost::hash<int>, std::equal_to<int>,
                                      interprocess::allocator<std::pair<const int, int>, Buffer::segment_manager>>;
using OurMap = HashMap<int, int>;

constexpr size_t kSegmentBytes = size_t{256} << 20;

double ProcessorSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}
template <class Body>
double SecondsOf(size_t items, Body body) {
  const double begin = ProcessorSeconds();
  body();
  return (ProcessorSeconds() - begin) / static_cast<double>(items);
}

struct Keys {
  std::vector<int> in;       // in the order in which they are put in
  std::vector<int> another;  // the same
  explicit Keys(size_t count) {
    std::mt19937 random(1);
    for (size_t i = 0; i < count; ++i) in.push_back(static_cast<int>(i * 2'654'435'761u));  // odd: no key twice
    another = in;
    std::shuffle(another.begin(), another.end(), random);
  }
};

// ---- what is compared, behind the same calls ----------------------------------------------------------------------------------------

class Ours {
 public:
  Ours() {
    auto segment = Segment::Create({.limit_bytes = kSegmentBytes});
    SHOAL_CHECK(segment.ok(), "a benchmark needs a segment");
    segment_.emplace(*std::move(segment));
    mutex_ = new (segment_->At<Mutex<OurMap>>(segment_->Allocate(sizeof(Mutex<OurMap>), 64).value())) Mutex<OurMap>;
  }
  void Clear() {
    Section([](OurMap& map) { return map.Clear(); });
  }
  double Fill(const std::vector<int>& keys) {
    return SecondsOf(keys.size(), [&] {
      Section([&](OurMap& map) -> absl::Status {
        for (const int key : keys) SHOAL_RETURN_IF_ERROR(map.Set(key, key));
        return absl::OkStatus();
      });
    });
  }
  double FillOneByOne(const std::vector<int>& keys) {
    return SecondsOf(keys.size(), [&] {
      for (const int key : keys) Set(key);
    });
  }
  void Set(int key) {
    auto guard = mutex_->Lock();
    SHOAL_CHECK(guard.ok() && (*guard)->Set(key, key).ok(), "there is memory for a benchmark");
  }
  bool Find(int key) {
    auto guard = mutex_->Lock();
    SHOAL_CHECK(guard.ok(), "a mutex can be locked");
    return std::as_const(**guard).Contains(key);
  }
  double FindAll(const std::vector<int>& keys) {
    auto guard = mutex_->Lock();
    SHOAL_CHECK(guard.ok(), "a mutex can be locked");
    const OurMap& map = **guard;
    int64_t sum = 0;
    const double seconds = SecondsOf(keys.size(), [&] {
      for (const int key : keys) sum += *map.Find(key);
    });
    asm volatile("" : : "r"(sum));
    return seconds;
  }

 private:
  template <class Body>
  void Section(Body body) {
    SHOAL_CHECK(mutex_->With([&](OurMap& map) -> absl::Status { return body(map); }).ok(),
                "there is memory for a benchmark");
  }
  std::optional<Segment> segment_;
  Mutex<OurMap>* mutex_;
};

class Boost {
 public:
  Boost() {
    memory_ = mmap(nullptr, kSegmentBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    SHOAL_CHECK(memory_ != MAP_FAILED, "a benchmark needs shared memory");
    buffer_ = Buffer(interprocess::create_only, memory_, kSegmentBytes);
    mutex_ = buffer_.construct<interprocess::interprocess_mutex>(interprocess::anonymous_instance)();
    Clear();
  }
  ~Boost() { munmap(memory_, kSegmentBytes); }
  Boost(const Boost&) = delete;
  Boost& operator=(const Boost&) = delete;

  void Clear() {
    if (map_ != nullptr) buffer_.destroy_ptr(map_);
    map_ = buffer_.construct<BoostMap>(interprocess::anonymous_instance)(0, boost::hash<int>(), std::equal_to<int>(),
                                                                         buffer_.get_segment_manager());
  }
  double Fill(const std::vector<int>& keys) {
    return SecondsOf(keys.size(), [&] {
      for (const int key : keys) (*map_)[key] = key;
    });
  }
  double FillOneByOne(const std::vector<int>& keys) {
    return SecondsOf(keys.size(), [&] {
      for (const int key : keys) Set(key);
    });
  }
  void Set(int key) {
    const interprocess::scoped_lock lock(*mutex_);
    (*map_)[key] = key;
  }
  bool Find(int key) {
    const interprocess::scoped_lock lock(*mutex_);
    return map_->find(key) != map_->end();
  }
  double FindAll(const std::vector<int>& keys) {
    int64_t sum = 0;
    const double seconds = SecondsOf(keys.size(), [&] {
      for (const int key : keys) sum += map_->find(key)->second;
    });
    asm volatile("" : : "r"(sum));
    return seconds;
  }

 private:
  void* memory_;
  Buffer buffer_;
  interprocess::interprocess_mutex* mutex_;
  BoostMap* map_ = nullptr;
};

// Shared memory that is given out once and never taken back.
template <class T>
struct SharedMemoryOnce {
  using value_type = T;
  SharedMemoryOnce() = default;
  template <class U>
  explicit SharedMemoryOnce(const SharedMemoryOnce<U>&) {}
  T* allocate(size_t count) {
    void* const memory =
        mmap(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    SHOAL_CHECK(memory != MAP_FAILED, "a benchmark needs shared memory");
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, size_t count) { munmap(memory, count * sizeof(T)); }
  template <class U>
  bool operator==(const SharedMemoryOnce<U>&) const {
    return true;
  }
};

template <class Map>
class WithoutSafety {
 public:
  void Clear() { map_ = {}; }
  double Fill(const std::vector<int>& keys) {
    return SecondsOf(keys.size(), [&] {
      for (const int key : keys) map_[key] = key;
    });
  }
  double FindAll(const std::vector<int>& keys) {
    int64_t sum = 0;
    const double seconds = SecondsOf(keys.size(), [&] {
      for (const int key : keys) sum += map_.find(key)->second;
    });
    asm volatile("" : : "r"(sum));
    return seconds;
  }

 private:
  Map map_;
};
using OwnMemory = WithoutSafety<absl::flat_hash_map<int, int>>;
using SharedMemory = WithoutSafety<
    absl::flat_hash_map<int, int, absl::Hash<int>, std::equal_to<int>, SharedMemoryOnce<std::pair<const int, int>>>>;

// ---- rounds -------------------------------------------------------------------------------------------------------------------------

template <class Map>
Round Filling(std::shared_ptr<const Keys> keys) {
  return [map = std::make_shared<Map>(), keys] {
    const double seconds = map->Fill(keys->in);
    map->Clear();
    return seconds;
  };
}
template <class Map>
Round FillingOneByOne(std::shared_ptr<const Keys> keys) {
  return [map = std::make_shared<Map>(), keys] {
    const double seconds = map->FillOneByOne(keys->in);
    map->Clear();
    return seconds;
  };
}
template <class Map>
Round Finding(std::shared_ptr<const Keys> keys) {
  const auto map = std::make_shared<Map>();
  const auto filled = std::make_shared<bool>();
  return [map, keys, filled] {
    if (!std::exchange(*filled, true)) map->Fill(keys->in);
    return map->FindAll(keys->another);
  };
}

// Two processes, each with half of the items: 9 of 10 look for a key, one sets one.
template <class Map>
Round Sharing(std::shared_ptr<const Keys> keys, size_t items) {
  const auto map = std::make_shared<Map>();
  const auto filled = std::make_shared<bool>();
  return [map, keys, items, filled]() -> absl::StatusOr<double> {
    if (!std::exchange(*filled, true)) map->Fill(keys->in);
    const auto work = [&](uint32_t seed) {
      std::minstd_rand random(seed);
      size_t found = 0;
      for (size_t i = 0; i < items / 2; ++i) {
        const uint32_t chosen = static_cast<uint32_t>(random());
        const int key = keys->in[chosen % keys->in.size()];
        if (chosen / keys->in.size() % 10 == 0) {
          map->Set(key);
        } else {
          found += map->Find(key);
        }
      }
      return found != 0;
    };
    return SecondsPerItem(items, [&] {
      const pid_t pid = fork();
      SHOAL_CHECK(pid >= 0, "a process can be started");
      const bool done = work(pid == 0 ? 2 : 3);
      if (pid == 0) _exit(done ? 0 : 1);
      int status = 0;
      SHOAL_CHECK(done && waitpid(pid, &status, 0) == pid && status == 0, "both have found something");
    });
  };
}

}  // namespace

absl::StatusOr<std::vector<Row>> HashMapRows(const Settings& settings) {
  const auto keys = std::make_shared<const Keys>(settings.Items(1'000'000));
  const auto fewer = std::make_shared<const Keys>(settings.Items(100'000));
  const char* const boost = "Boost.Interprocess";
  const char* const absl = "absl::flat_hash_map, own memory";
  // Made and gone one after the other, so that none stands in the way of another.
  const std::function<Work()> works[] = {
      [&] {
        return Work{.name = "HashMap<int, int> insert, 1e6 in a section",
                    .quantity = Quantity::kTime,
                    .ours = Filling<Ours>(keys),
                    .peers = {{boost, 0.2, Filling<Boost>(keys)}, {absl, std::nullopt, Filling<OwnMemory>(keys)}}};
      },
      [&] {
        return Work{.name = "HashMap<int, int> find, of 1e6",
                    .quantity = Quantity::kTime,
                    .ours = Finding<Ours>(keys),
                    .peers = {{boost, 0.2, Finding<Boost>(keys)},
                              {absl, std::nullopt, Finding<OwnMemory>(keys)},
                              {"absl::flat_hash_map, shared memory", std::nullopt, Finding<SharedMemory>(keys)}}};
      },
      [&] {
        return Work{.name = "HashMap<int, int> a section per insert, 1e6",
                    .quantity = Quantity::kTime,
                    .ours = FillingOneByOne<Ours>(keys),
                    .peers = {{"Boost map + mutex", 0.3, FillingOneByOne<Boost>(keys)}}};
      },
      [&] {
        const size_t items = settings.Items(400'000);
        return Work{.name = "HashMap<int, int> 2 processes, 90 % find, of 1e5",
                    .quantity = Quantity::kRate,
                    .ours = Sharing<Ours>(fewer, items),
                    .peers = {{"Boost map + mutex", 2.0, Sharing<Boost>(fewer, items)}}};
      },
  };
  std::vector<Row> rows;
  for (const std::function<Work()>& work : works) {
    SHOAL_ASSIGN_OR_RETURN(const std::vector<Row> measured, Measure(work(), settings));
    rows.insert(rows.end(), measured.begin(), measured.end());
  }
  return rows;
}

}  // namespace shoal::bench
