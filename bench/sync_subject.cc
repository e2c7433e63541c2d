// bench/sync_subject.cc: how the primitives are measured.
//
// What nobody else touches is measured on the processor time of one thread. A round is the median of several short goes, which
// alternate with the peers', so that neither other programs nor a processor that changes its pace favours anybody.
//
// What wakes somebody depends on *where* that one runs more than on anything a primitive does: to wake a process on an idle processor
// of a virtual machine takes several times as long as on the same one. So all parties are pinned, ours and the peers' alike, and there
// is a row for each placement: all on one processor, or dealt out over two. Only those who hammer on one lock run where they like, as
// programs do: a locker that may use one processor only does not look before it sleeps. Every process makes what it makes once (our thread's
// record, stacks, pages) before it is measured.

#include "shoal/bench/sync_subject.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <iterator>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shoal/bench/compare/sync_contestants.h"
#include "shoal/sync/check.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/futex.h"
#include "shoal/sync/status.h"

namespace shoal::bench {
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

// ---- who runs where -----------------------------------------------------------------------------------------------------------

enum class Placement { kOneProcessor, kTwoProcessors, kAnywhere };

std::string Named(const char* work, Placement placement) {
  return absl::StrCat(work, placement == Placement::kOneProcessor ? ", on 1 CPU" : ", on 2 CPUs");
}

// The first two processors this program may use; one and the same where there is only one.
std::pair<int, int> Processors() {
  cpu_set_t allowed;
  SHOAL_CHECK(sched_getaffinity(0, sizeof(allowed), &allowed) == 0, "a process has processors");
  int first = -1;
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (!CPU_ISSET(i, &allowed)) continue;
    if (first >= 0) return {first, i};
    first = i;
  }
  return {first, first};
}

// While it lives this process is where the placement puts party number `party`, and so are the children it makes.
class Placed {
 public:
  Placed(Placement placement, int party) {
    SHOAL_CHECK(sched_getaffinity(0, sizeof(before_), &before_) == 0, "a process has processors");
    if (placement == Placement::kAnywhere) return;
    const auto [first, second] = Processors();
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(placement == Placement::kTwoProcessors && party % 2 == 1 ? second : first, &one);
    Set(one);
  }
  ~Placed() { Set(before_); }
  Placed(const Placed&) = delete;
  Placed& operator=(const Placed&) = delete;

 private:
  static void Set(const cpu_set_t& set) {
    SHOAL_CHECK(sched_setaffinity(0, sizeof(set), &set) == 0, "a process chooses among its processors");
  }

  cpu_set_t before_;
};

// What a process makes once.
template <class T>
void WarmLock() {
  const auto own = std::make_unique<T>();
  int64_t value = 0;
  own->Section(value);
}

// A child, warm, that runs `body` as party number `party`, and ends.
template <class Body>
pid_t StartParty(Placement placement, int party, Body body) {
  const Placed placed(placement, party);
  const pid_t pid = fork();
  SHOAL_CHECK(pid >= 0, "a benchmark needs to fork");
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  body();
  _exit(0);
}

// ---- nobody else about -----------------------------------------------------------------------------------------------------------

double ProcessorSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Processor time per call.
template <class Call>
double Uncontended(size_t calls, Call call) {
  const double begin = ProcessorSeconds();
  for (size_t i = 0; i < calls; ++i) call();
  return (ProcessorSeconds() - begin) / static_cast<double>(calls);
}

constexpr int kManySlices = 41;
constexpr int kSlices = 5;
constexpr size_t kCallsPerSlice = 50'000;

template <class T>
Round UncontendedSection(const Settings& settings) {
  struct Room {
    T lock;
    int64_t value = 0;
  };
  return [room = std::make_shared<InSharedMemory<Room>>(), calls = settings.Items(kCallsPerSlice)] {
    return Uncontended(calls, [&lock = (*room)->lock, &value = (*room)->value] { lock.Section(value); });
  };
}

template <class S>
Round UncontendedPermit(const Settings& settings) {
  return [semaphore = std::make_shared<InSharedMemory<S>>(1u), calls = settings.Items(kCallsPerSlice)] {
    return Uncontended(calls, [&] {
      (*semaphore)->Acquire();
      (*semaphore)->Release();
    });
  };
}

template <class E>
Round UncontendedEvent(const Settings& settings) {
  return [event = std::make_shared<InSharedMemory<E>>(), calls = settings.Items(kCallsPerSlice)] {
    return Uncontended(calls, [&] {
      (*event)->Set();
      (*event)->WaitAndClear();
    });
  };
}

// ---- everybody at once -----------------------------------------------------------------------------------------------------------

struct alignas(128) Count {
  std::atomic<int64_t> value{0};
};

struct Hammered {
  static constexpr int kMost = 8;
  std::atomic<int> ready{0};
  std::atomic<bool> stop{false};
  alignas(128) int64_t guarded = 0;
  Count done[kMost];
};

struct Served {
  double seconds_each;  // per section, of all together
  double least, most;   // sections of the least and of the most served
};

// What a process does in a section, and between two: steps of Compute.
struct Pace {
  int64_t inside = 0;
  int64_t outside = 0;
};

template <class T>
Served Hammer(int processes, double seconds, Pace pace = {}) {
  InSharedMemory<T> lock;
  InSharedMemory<Hammered> hammered;
  std::vector<pid_t> children;
  for (int i = 0; i < processes; ++i) {
    children.push_back(StartParty(Placement::kAnywhere, i, [&] {
      WarmLock<T>();
      hammered->ready.fetch_add(1, std::memory_order_relaxed);  // relaxed: a cue
      int64_t count = 0;
      // relaxed, both: a cue, and a figure
      while (!hammered->stop.load(std::memory_order_relaxed)) {
        lock->Section(hammered->guarded, pace.inside);
        Compute(pace.outside);
        hammered->done[i].value.store(++count, std::memory_order_relaxed);
      }
    }));
  }
  while (hammered->ready.load(std::memory_order_relaxed) != processes) sched_yield();  // relaxed: a cue
  const auto counts = [&] {
    std::vector<double> done;
    for (int i = 0; i < processes; ++i) {
      done.push_back(static_cast<double>(hammered->done[i].value.load(std::memory_order_relaxed)));  // relaxed: a figure
    }
    return done;
  };
  const std::vector<double> before = counts();
  const int64_t begin = Deadline::Now();
  const auto nanoseconds = static_cast<int64_t>(seconds * 1e9);
  timespec length = {.tv_sec = nanoseconds / 1'000'000'000, .tv_nsec = nanoseconds % 1'000'000'000};
  nanosleep(&length, nullptr);
  std::vector<double> done = counts();
  const double took = static_cast<double>(Deadline::Now() - begin) * 1e-9;
  hammered->stop.store(true, std::memory_order_relaxed);  // relaxed: a cue
  for (const pid_t pid : children) waitpid(pid, nullptr, 0);

  double total = 0;
  for (size_t i = 0; i < done.size(); ++i) total += done[i] -= before[i];
  const auto [least, most] = std::minmax_element(done.begin(), done.end());
  return {.seconds_each = took / std::max(total, 1.0), .least = std::max(*least, 1.0), .most = std::max(*most, 1.0)};
}

template <class T>
Round HammeredSection(const Settings& settings, int processes, Pace pace = {}) {
  return
      [processes, pace, seconds = settings.quick ? 0.005 : 0.1] { return Hammer<T>(processes, seconds, pace).seconds_each; };
}

// ---- one wakes the other -----------------------------------------------------------------------------------------------------------

// Seconds for there and back between two processes that both block.
template <class Ping, class Pong>
double RoundTrip(size_t trips, Placement placement, Ping ping, Pong pong) {
  constexpr size_t kWarm = 100;
  const pid_t pid = StartParty(placement, 1, [&] {
    for (size_t i = 0; i < kWarm + trips; ++i) pong();
  });
  const Placed placed(placement, 0);
  for (size_t i = 0; i < kWarm; ++i) ping();
  const double seconds = SecondsPerItem(trips, [&] {
    for (size_t i = 0; i < trips; ++i) ping();
  });
  waitpid(pid, nullptr, 0);
  return seconds;
}

template <class S>
Round PermitRoundTrip(const Settings& settings, Placement placement) {
  return [trips = settings.Items(1'000), placement] {
    InSharedMemory<S> there(0u);
    InSharedMemory<S> back(0u);
    return RoundTrip(
        trips, placement, [&] { there->Release(), back->Acquire(); }, [&] { there->Acquire(), back->Release(); });
  };
}

// What blocking costs at least if no death may be missed: a sleeper that compares two words in one system call, and nothing else.
class BareSleepOnTwoWords {
 public:
  explicit BareSleepOnTwoWords(unsigned permits) : permits_(permits) {}
  void Acquire() {
    uint32_t one = 1;
    // acquire: with Release; on failure relaxed: it sleeps then
    while (!permits_.compare_exchange_strong(one, 0, std::memory_order_acquire, std::memory_order_relaxed)) {
      sync_internal::SleepWhile({{&beacon_, 0}, {&permits_, 0}}, Deadline::Infinite());
      one = 1;
    }
  }
  void Release() {
    permits_.store(1, std::memory_order_release);  // release: with Acquire
    sync_internal::Wake(permits_, 1);
  }

 private:
  sync_internal::FutexWord beacon_{0};
  sync_internal::FutexWord permits_;
};

template <class E>
Round EventRoundTrip(const Settings& settings, Placement placement) {
  return [trips = settings.Items(1'000), placement] {
    InSharedMemory<E> there;
    InSharedMemory<E> back;
    return RoundTrip(
        trips, placement, [&] { there->Set(), back->WaitAndClear(); }, [&] { there->WaitAndClear(), back->Set(); });
  };
}

template <class B>
Round BarrierCycle(const Settings& settings, Placement placement, int parties) {
  return [cycles = settings.Items(1'000), placement, parties] {
    InSharedMemory<B> barrier(parties);
    constexpr size_t kWarm = 100;
    std::vector<pid_t> children;
    for (int i = 1; i < parties; ++i) {
      children.push_back(StartParty(placement, i, [&] {
        for (size_t cycle = 0; cycle < kWarm + cycles; ++cycle) barrier->Wait();
      }));
    }
    const Placed placed(placement, 0);
    for (size_t i = 0; i < kWarm; ++i) barrier->Wait();
    const double seconds = SecondsPerItem(cycles, [&] {
      for (size_t i = 0; i < cycles; ++i) barrier->Wait();
    });
    for (const pid_t pid : children) waitpid(pid, nullptr, 0);
    return seconds;
  };
}

// ---- a death -----------------------------------------------------------------------------------------------------------------------

bool Sleeps(pid_t pid) {
  char text[512];
  snprintf(text, sizeof(text), "/proc/%d/stat", pid);
  const int fd = open(text, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const ssize_t length = read(fd, text, sizeof(text) - 1);
  close(fd);
  text[std::max<ssize_t>(length, 0)] = '\0';
  const char* const name_end = strrchr(text, ')');
  return name_end != nullptr && strncmp(name_end, ") S", 3) == 0;
}

// So long that what a process has run so far no longer counts with the scheduler when it is woken.
void Nap() {
  const timespec length = {.tv_sec = 0, .tv_nsec = 5'000'000};
  nanosleep(&length, nullptr);
}

struct Handed {
  std::atomic<int> stage{0};
  std::atomic<int64_t> taken_at{0};
};

// Seconds from the kill of a holder until a sleeper holds the lock; everybody on one processor.
template <class T>
double HandedOverByDeath() {
  InSharedMemory<T> lock;
  InSharedMemory<Handed> handed;
  const Placed placed(Placement::kOneProcessor, 0);
  const auto await = [&](int stage) {
    while (handed->stage.load(std::memory_order_acquire) != stage) sched_yield();  // EDGE bench.stage (acquire)
  };
  const pid_t holder = StartParty(Placement::kOneProcessor, 0, [&] {
    lock->Take();
    handed->stage.store(1, std::memory_order_release);  // EDGE bench.stage (release)
    for (;;) pause();
  });
  await(1);
  const pid_t sleeper = StartParty(Placement::kOneProcessor, 0, [&] {
    WarmLock<T>();
    Nap();
    handed->stage.store(2, std::memory_order_release);  // EDGE bench.stage (release)
    lock->Take();
    handed->taken_at.store(Deadline::Now(), std::memory_order_release);  // EDGE bench.stage (release)
  });
  await(2);
  while (!Sleeps(holder) || !Sleeps(sleeper)) sched_yield();
  Nap();
  const int64_t killed_at = Deadline::Now();
  kill(holder, SIGKILL);
  waitpid(sleeper, nullptr, 0);
  waitpid(holder, nullptr, 0);
  return static_cast<double>(handed->taken_at.load(std::memory_order_acquire) - killed_at) *
         1e-9;  // EDGE bench.stage (acquire)
}

template <class T>
Round Death(const Settings& settings) {
  return [deaths = settings.Items(40)] {
    std::vector<double> seconds;
    for (size_t i = 0; i < deaths; ++i) seconds.push_back(HandedOverByDeath<T>());
    return Median(std::move(seconds));
  };
}

// ---- the works ---------------------------------------------------------------------------------------------------------------------

std::vector<Work> LockWorks(const Settings& settings) {
  std::vector<Work> works;
  works.push_back({.name = "Lock, acquire + release",
                   .quantity = Quantity::kTime,
                   .slices = kManySlices,
                   .ours = UncontendedSection<OurLock>(settings),
                   .peers = {{"pthread robust", 0.85, UncontendedSection<RobustMutex>(settings)},
                             {"Boost interprocess_mutex", 0.9, UncontendedSection<BoostMutex>(settings)},
                             {"pthread process-shared", std::nullopt, UncontendedSection<PlainMutex>(settings)}}});
  for (const int processes : {2, 8}) {
    works.push_back(
        {.name = absl::StrCat("Lock, ", processes, " processes hammering"),
         .quantity = Quantity::kRate,
         .slices = kSlices,
         .ours = HammeredSection<OurLock>(settings, processes),
         .peers = {{"pthread robust", 1.5, HammeredSection<RobustMutex>(settings, processes)},
                   {"Boost interprocess_mutex", std::nullopt, HammeredSection<BoostMutex>(settings, processes)}}});
  }
  // Sections like those that programs have. Here spinning pays, and above it costs.
  for (const int processes : {2, 4}) {
    for (const int64_t steps : {300, 1000}) {
      const Pace pace = {.inside = steps, .outside = steps};
      works.push_back(
          {.name = absl::StrCat("Lock, ", processes, " processes, about ", steps, " ns inside and outside"),
           .quantity = Quantity::kRate,
           .slices = kSlices,
           .ours = HammeredSection<OurLock>(settings, processes, pace),
           .peers = {{"pthread robust", std::nullopt, HammeredSection<RobustMutex>(settings, processes, pace)}}});
    }
  }
  // The "peer" is the other process: what it got in the same two seconds.
  const double seconds = settings.quick ? 0.01 : 2;
  const auto served = std::make_shared<Served>();
  works.push_back({.name = "Lock, 2 processes hammering for 2 s, the least served",
                   .quantity = Quantity::kRate,
                   .ours =
                       [served, seconds] {
                         *served = Hammer<OurLock>(2, seconds);
                         return seconds / served->least;
                       },
                   .peers = {{"the most served", 0.5, [served, seconds] { return seconds / served->most; }}}});
  works.push_back({.name = "Lock, holder killed, a sleeper has it, on 1 CPU",
                   .quantity = Quantity::kTime,
                   .ours = Death<OurLock>(settings),
                   .peers = {{"pthread robust", 1.2, Death<RobustMutex>(settings)}}});
  return works;
}

std::vector<Work> OtherWorks(const Settings& settings) {
  std::vector<Work> works;
  works.push_back({.name = "Semaphore, acquire + release",
                   .quantity = Quantity::kTime,
                   .slices = kManySlices,
                   .ours = UncontendedPermit<OurSemaphore>(settings),
                   .peers = {{"POSIX semaphore", 1.0, UncontendedPermit<PosixSemaphore>(settings)}}});
  works.push_back({.name = "Event, set + wait + clear",
                   .quantity = Quantity::kTime,
                   .slices = kManySlices,
                   .ours = UncontendedEvent<OurEvent>(settings),
                   .peers = {{"pthread mutex + condition", std::nullopt, UncontendedEvent<PthreadEvent>(settings)}}});
  for (const Placement placement : {Placement::kOneProcessor, Placement::kTwoProcessors}) {
    works.push_back(
        {.name = Named("Semaphore, blocking round trip", placement),
         .quantity = Quantity::kTime,
         .slices = kSlices,
         .ours = PermitRoundTrip<OurSemaphore>(settings, placement),
         .peers = {{"POSIX semaphore", 1.1, PermitRoundTrip<PosixSemaphore>(settings, placement)},
                   {"a bare sleep on 2 words", std::nullopt, PermitRoundTrip<BareSleepOnTwoWords>(settings, placement)}}});
    works.push_back(
        {.name = Named("Event, blocking round trip", placement),
         .quantity = Quantity::kTime,
         .slices = kSlices,
         .ours = EventRoundTrip<OurEvent>(settings, placement),
         .peers = {{"pthread mutex + condition", std::nullopt, EventRoundTrip<PthreadEvent>(settings, placement)}}});
    for (const int parties : {2, 4}) {
      works.push_back(
          {.name = Named(absl::StrCat("Barrier, cycle of ", parties).c_str(), placement),
           .quantity = Quantity::kTime,
           .slices = kSlices,
           .ours = BarrierCycle<OurBarrier>(settings, placement, parties),
           .peers = {{"pthread barrier", std::nullopt, BarrierCycle<PthreadBarrier>(settings, placement, parties)}}});
    }
  }
  return works;
}

}  // namespace

absl::StatusOr<std::vector<Row>> MeasureSync(const Settings& settings) {
  std::vector<Work> works = LockWorks(settings);
  for (Work& work : OtherWorks(settings)) works.push_back(std::move(work));
  std::vector<Row> rows;
  for (const Work& work : works) {
    SHOAL_ASSIGN_OR_RETURN(std::vector<Row> more, Measure(work, settings));
    rows.insert(rows.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  }
  return rows;
}

}  // namespace shoal::bench
