// sync beside its peers, in one run, interleaved: work, ours, peer, ratio, target, and whether it meets it.
//
//   bazel run -c opt //bench/sync:report
//   bazel run -c opt //bench/sync:report -- --rounds=9 --only=Lock
//
// A ratio is ours / peer in the unit of the row: for ns and µs smaller is better, for M/s larger. Rounds alternate between ours
// and the peer; the figures are medians, with the smallest and the largest of ours behind them.

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "boost/interprocess/sync/interprocess_mutex.hpp"
#include "shoal/sync/barrier.h"
#include "shoal/sync/check.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/event.h"
#include "shoal/sync/guard.h"
#include "shoal/sync/lock.h"
#include "shoal/sync/semaphore.h"

namespace shoal {
namespace {

using sync_internal::Deadline;

template <class T>
class InSharedMemory {
 public:
  template <class... Args>
  explicit InSharedMemory(Args&&... args) {
    void* const memory = mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    SHOAL_CHECK(memory != MAP_FAILED, "a benchmark needs shared memory");
    object_ = new (memory) T(args...);
  }
  ~InSharedMemory() { munmap(static_cast<void*>(object_), sizeof(T)); }
  InSharedMemory(const InSharedMemory&) = delete;
  InSharedMemory& operator=(const InSharedMemory&) = delete;
  T& operator*() const { return *object_; }
  T* operator->() const { return object_; }

 private:
  T* object_;
};

// ---- what is compared -----------------------------------------------------------------------------------------------------------

struct OurLock {
  Lock lock;
  void Section(int64_t& value) {
    absl::StatusOr<Guard> guard = lock.Acquire();
    SHOAL_CHECK(guard.ok(), "a lock can be acquired");
    ++value;
  }
};

struct PthreadMutex {
  pthread_mutex_t mutex;
  explicit PthreadMutex(bool robust) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (robust) pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&mutex, &attributes);
  }
  void Section(int64_t& value) {
    pthread_mutex_lock(&mutex);
    ++value;
    pthread_mutex_unlock(&mutex);
  }
};
struct RobustMutex : PthreadMutex {
  RobustMutex() : PthreadMutex(true) {}
};
struct PlainMutex : PthreadMutex {
  PlainMutex() : PthreadMutex(false) {}
};

struct BoostMutex {
  boost::interprocess::interprocess_mutex mutex;
  void Section(int64_t& value) {
    mutex.lock();
    ++value;
    mutex.unlock();
  }
};

struct OurSemaphore {
  Semaphore semaphore;
  explicit OurSemaphore(unsigned initial) : semaphore(initial) {}
  void Acquire() { SHOAL_CHECK(semaphore.Acquire().ok(), "a permit can be acquired"); }
  void Release() { SHOAL_CHECK(semaphore.Release().ok(), "a permit can be released"); }
};
struct PosixSemaphore {
  sem_t semaphore;
  explicit PosixSemaphore(unsigned initial) { sem_init(&semaphore, 1, initial); }
  void Acquire() {
    while (sem_wait(&semaphore) != 0) {
    }
  }
  void Release() { sem_post(&semaphore); }
};

struct OurEvent {
  Event event;
  void Set() { event.Set(); }
  void WaitAndClear() {
    SHOAL_CHECK(event.Wait().ok(), "an event is set in the end");
    event.Clear();
  }
};
// What one writes without an Event: a flag, a mutex and a condition.
struct PthreadEvent {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  bool set = false;
  PthreadEvent() {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&mutex, &attributes);
    pthread_condattr_t condition;
    pthread_condattr_init(&condition);
    pthread_condattr_setpshared(&condition, PTHREAD_PROCESS_SHARED);
    pthread_cond_init(&changed, &condition);
  }
  void Set() {
    pthread_mutex_lock(&mutex);
    set = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
  }
  void WaitAndClear() {
    pthread_mutex_lock(&mutex);
    while (!set) pthread_cond_wait(&changed, &mutex);
    set = false;
    pthread_mutex_unlock(&mutex);
  }
};

struct OurBarrier {
  Barrier barrier;
  explicit OurBarrier(int parties) : barrier(parties) {}
  void Wait() { SHOAL_CHECK(barrier.Wait().ok(), "nobody breaks this barrier"); }
};
struct PthreadBarrier {
  pthread_barrier_t barrier;
  explicit PthreadBarrier(int parties) {
    pthread_barrierattr_t attributes;
    pthread_barrierattr_init(&attributes);
    pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&barrier, &attributes, static_cast<unsigned>(parties));
  }
  void Wait() { pthread_barrier_wait(&barrier); }
};

// ---- how it is measured -----------------------------------------------------------------------------------------------------------

int64_t NowOn(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

// Nanoseconds per call of `work`, in this thread; on CLOCK_THREAD_CPUTIME_ID where nothing blocks, so that what else runs on the
// machine is not counted.
double NanosecondsEach(clockid_t clock, int64_t calls, const std::function<void(int64_t)>& work) {
  const int64_t begin = NowOn(clock);
  work(calls);
  return static_cast<double>(NowOn(clock) - begin) / static_cast<double>(calls);
}

template <class T>
double UncontendedSection() {
  InSharedMemory<T> lock;
  int64_t value = 0;
  const auto work = [&](int64_t calls) {
    for (int64_t i = 0; i < calls; ++i) lock->Section(value);
  };
  work(10'000);
  return NanosecondsEach(CLOCK_THREAD_CPUTIME_ID, 2'000'000, work);
}

template <class S>
double UncontendedPermit() {
  InSharedMemory<S> semaphore(1u);
  const auto work = [&](int64_t calls) {
    for (int64_t i = 0; i < calls; ++i) {
      semaphore->Acquire();
      semaphore->Release();
    }
  };
  work(10'000);
  return NanosecondsEach(CLOCK_THREAD_CPUTIME_ID, 2'000'000, work);
}

struct alignas(128) Count {
  std::atomic<int64_t> value{0};
};
struct Hammered {
  std::atomic<bool> stop{false};
  alignas(128) int64_t guarded = 0;
  Count done[16];
};

double least_share = 0;  // of the last HammeredSections: the least served process against the most served

// Million sections per second, by `processes` at once.
template <class T>
double HammeredSections(int processes, int64_t nanoseconds) {
  InSharedMemory<T> lock;
  InSharedMemory<Hammered> hammered;
  std::vector<pid_t> children;
  for (int i = 0; i < processes; ++i) {
    const pid_t pid = fork();
    SHOAL_CHECK(pid >= 0, "a benchmark needs to fork");
    if (pid == 0) {
      int64_t count = 0;
      // relaxed, both: figures
      while (!hammered->stop.load(std::memory_order_relaxed)) {
        lock->Section(hammered->guarded);
        hammered->done[i].value.store(++count, std::memory_order_relaxed);
      }
      _exit(0);
    }
    children.push_back(pid);
  }
  const auto sum = [&](int64_t& least, int64_t& most) {
    int64_t total = 0;
    least = INT64_MAX;
    most = 0;
    for (int i = 0; i < processes; ++i) {
      const int64_t own = hammered->done[i].value.load(std::memory_order_relaxed);  // relaxed: a figure
      total += own;
      least = std::min(least, own);
      most = std::max(most, own);
    }
    return total;
  };
  const int64_t begin = Deadline::Now();
  timespec length = {.tv_sec = nanoseconds / 1'000'000'000, .tv_nsec = nanoseconds % 1'000'000'000};
  nanosleep(&length, nullptr);
  int64_t least, most;
  const int64_t total = sum(least, most);
  const int64_t took = Deadline::Now() - begin;
  hammered->stop.store(true, std::memory_order_relaxed);  // relaxed: a cue
  for (const pid_t pid : children) waitpid(pid, nullptr, 0);
  least_share = most == 0 ? 0 : static_cast<double>(least) / static_cast<double>(most);
  return static_cast<double>(total) * 1000 / static_cast<double>(took);
}

// Microseconds for there and back between two processes that both block.
double RoundTrip(const std::function<void()>& ping, const std::function<void()>& pong) {
  constexpr int kTrips = 20'000;
  const pid_t pid = fork();
  SHOAL_CHECK(pid >= 0, "a benchmark needs to fork");
  if (pid == 0) {
    for (int i = 0; i < kTrips; ++i) pong();
    _exit(0);
  }
  const double nanoseconds = NanosecondsEach(CLOCK_MONOTONIC, kTrips, [&](int64_t trips) {
    for (int64_t i = 0; i < trips; ++i) ping();
  });
  waitpid(pid, nullptr, 0);
  return nanoseconds / 1000;
}

template <class S>
double PermitRoundTrip() {
  InSharedMemory<S> there(0u), back(0u);
  return RoundTrip([&] { there->Release(), back->Acquire(); }, [&] { there->Acquire(), back->Release(); });
}

template <class E>
double EventRoundTrip() {
  InSharedMemory<E> there, back;
  return RoundTrip([&] { there->Set(), back->WaitAndClear(); }, [&] { there->WaitAndClear(), back->Set(); });
}

// Microseconds per cycle.
template <class B>
double BarrierCycle(int parties) {
  InSharedMemory<B> barrier(parties);
  constexpr int kCycles = 10'000;
  std::vector<pid_t> children;
  for (int i = 1; i < parties; ++i) {
    const pid_t pid = fork();
    SHOAL_CHECK(pid >= 0, "a benchmark needs to fork");
    if (pid == 0) {
      for (int cycle = 0; cycle < kCycles; ++cycle) barrier->Wait();
      _exit(0);
    }
    children.push_back(pid);
  }
  const double nanoseconds = NanosecondsEach(CLOCK_MONOTONIC, kCycles, [&](int64_t cycles) {
    for (int64_t i = 0; i < cycles; ++i) barrier->Wait();
  });
  for (const pid_t pid : children) waitpid(pid, nullptr, 0);
  return nanoseconds / 1000;
}

// Microseconds from the kill of a holder to a sleeper holding the lock; the median of a few.
struct Handed {
  std::atomic<int> held{0};
  std::atomic<int64_t> taken_at{0};
};

template <class T>
double HandedOverByDeath(const std::function<void(T&)>& take) {
  std::vector<double> samples;
  for (int i = 0; i < 40; ++i) {
    InSharedMemory<T> lock;
    InSharedMemory<Handed> handed;
    const pid_t holder = fork();
    if (holder == 0) {
      take(*lock);
      handed->held.store(1, std::memory_order_release);  // EDGE bench.held (release)
      for (;;) pause();
    }
    while (handed->held.load(std::memory_order_acquire) == 0) sched_yield();  // EDGE bench.held (acquire)
    const pid_t sleeper = fork();
    if (sleeper == 0) {
      handed->held.store(2, std::memory_order_release);  // EDGE bench.held (release)
      take(*lock);
      handed->taken_at.store(Deadline::Now(), std::memory_order_release);  // EDGE bench.held (release)
      _exit(0);
    }
    while (handed->held.load(std::memory_order_acquire) != 2) sched_yield();  // EDGE bench.held (acquire)
    timespec moment = {.tv_sec = 0, .tv_nsec = 2'000'000};  // it sleeps by then; if not, the figure is a little better
    nanosleep(&moment, nullptr);
    const int64_t killed_at = Deadline::Now();
    kill(holder, SIGKILL);
    waitpid(sleeper, nullptr, 0);
    waitpid(holder, nullptr, 0);
    samples.push_back(static_cast<double>(handed->taken_at.load(std::memory_order_acquire) - killed_at) / 1000);  // as above
  }
  std::nth_element(samples.begin(), samples.begin() + samples.size() / 2, samples.end());
  return samples[samples.size() / 2];
}

void TakeOurs(OurLock& lock) {
  static Guard* const guard = new Guard(*lock.lock.Acquire());
  (void)guard;
}
void TakePthread(RobustMutex& lock) { pthread_mutex_lock(&lock.mutex); }

// ---- the table --------------------------------------------------------------------------------------------------------------------

struct Row {
  const char* work;
  const char* peer_name;
  const char* unit;
  double target;  // 0: none, a figure only
  bool larger_is_better;
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
  const char* verdict = "-";
  char target[16] = "-";
  if (row.target != 0) {
    snprintf(target, sizeof(target), "%s %.2f", row.larger_is_better ? ">=" : "<=", row.target);
    verdict = (row.larger_is_better ? ratio >= row.target : ratio <= row.target) ? "meets" : "falls short";
  }
  printf("%-44s %9.2f %-4s %-26s %9.2f   %5.2f (%.2f to %.2f)  %-8s %s\n", row.work, Median(ours), row.unit, row.peer_name,
         Median(peer), ratio, *std::min_element(ratios.begin(), ratios.end()),
         *std::max_element(ratios.begin(), ratios.end()), target, verdict);
  fflush(stdout);
}

std::vector<Row> Rows() {
  constexpr int64_t kHammer = 200'000'000;
  return {
      {"Lock, uncontended acquire + release", "pthread robust", "ns", 0.85, false, UncontendedSection<OurLock>,
       UncontendedSection<RobustMutex>},
      {"Lock, uncontended acquire + release", "Boost interprocess_mutex", "ns", 0.9, false, UncontendedSection<OurLock>,
       UncontendedSection<BoostMutex>},
      {"Lock, uncontended acquire + release", "pthread process-shared", "ns", 0, false, UncontendedSection<OurLock>,
       UncontendedSection<PlainMutex>},
      {"Lock, 2 processes hammering", "pthread robust", "M/s", 1.5, true,
       [] { return HammeredSections<OurLock>(2, kHammer); }, [] { return HammeredSections<RobustMutex>(2, kHammer); }},
      {"Lock, 8 processes hammering", "pthread robust", "M/s", 1.5, true,
       [] { return HammeredSections<OurLock>(8, kHammer); }, [] { return HammeredSections<RobustMutex>(8, kHammer); }},
      {"Lock, 2 processes hammering", "Boost interprocess_mutex", "M/s", 0, true,
       [] { return HammeredSections<OurLock>(2, kHammer); }, [] { return HammeredSections<BoostMutex>(2, kHammer); }},
      {"Lock, holder killed, a sleeper has it", "pthread robust", "us", 1.2, false,
       [] { return HandedOverByDeath<OurLock>(TakeOurs); }, [] { return HandedOverByDeath<RobustMutex>(TakePthread); }},
      {"Semaphore, uncontended acquire + release", "POSIX semaphore", "ns", 1.0, false, UncontendedPermit<OurSemaphore>,
       UncontendedPermit<PosixSemaphore>},
      {"Semaphore, blocking round trip", "POSIX semaphore", "us", 1.1, false, PermitRoundTrip<OurSemaphore>,
       PermitRoundTrip<PosixSemaphore>},
      {"Event, blocking round trip", "pthread mutex + condition", "us", 0, false, EventRoundTrip<OurEvent>,
       EventRoundTrip<PthreadEvent>},
      {"Barrier, cycle of 2 processes", "pthread barrier", "us", 0, false, [] { return BarrierCycle<OurBarrier>(2); },
       [] { return BarrierCycle<PthreadBarrier>(2); }},
      {"Barrier, cycle of 4 processes", "pthread barrier", "us", 0, false, [] { return BarrierCycle<OurBarrier>(4); },
       [] { return BarrierCycle<PthreadBarrier>(4); }},
  };
}

}  // namespace
}  // namespace shoal

int main(int argc, char** argv) {
  int rounds = 5;
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
  if (std::string_view("Lock, fairness").find(only) != std::string_view::npos) {
    shoal::HammeredSections<shoal::OurLock>(2, 2'000'000'000);
    printf("%-44s %9.2f      (least served / most served process over 2 s)  >= 0.50 %s\n", "Lock, fairness, 2 processes",
           shoal::least_share, shoal::least_share >= 0.5 ? "meets" : "falls short");
  }
  return 0;
}
