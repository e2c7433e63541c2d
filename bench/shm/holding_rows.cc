// bench/shm/holding_rows.cc: how permits and borrows are measured.
//
// A hand-over is timed from just before the giver lets go until just after the taker has it, on two processors; the taker is known to
// be at it (spinning, or asleep) when the giver lets go. A bound in microseconds stands as a peer that takes exactly so long.

#include "shoal/bench/shm/holding_rows.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "shoal/bench/compare/sync_contestants.h"
#include "shoal/shm/array.h"
#include "shoal/shm/permit_pool.h"
#include "shoal/shm/segment.h"
#include "shoal/sync/check.h"
#include "shoal/sync/deadline.h"

namespace shoal::bench {
namespace {

using sync_internal::Deadline;

Segment MadeSegment(size_t limit_bytes) {
  auto segment = Segment::Create({.limit_bytes = limit_bytes});
  SHOAL_CHECK(segment.ok(), "a benchmark needs a segment");
  return *std::move(segment);
}

template <class T, class... Args>
T* Made(const Segment& segment, Args... args) {
  auto made = segment.New<T>(args...);
  SHOAL_CHECK(made.ok(), "a benchmark needs an object");
  static auto* const kept = new std::vector<Shared<T>>;  // the segments of a benchmark live as long as it
  kept->push_back(*std::move(made));
  return &*kept->back();
}

void RunOn(int processor) {
  cpu_set_t allowed;
  SHOAL_CHECK(sched_getaffinity(0, sizeof(allowed), &allowed) == 0, "a process has processors");
  int found = -1;
  for (int i = 0; i < CPU_SETSIZE && processor >= 0; ++i) {
    if (CPU_ISSET(i, &allowed)) {
      found = i;
      --processor;
    }
  }
  CPU_ZERO(&allowed);
  CPU_SET(found, &allowed);
  SHOAL_CHECK(sched_setaffinity(0, sizeof(allowed), &allowed) == 0, "a process chooses among its processors");
}

template <class Body>
pid_t Started(int processor, Body body) {
  const pid_t pid = fork();
  SHOAL_CHECK(pid >= 0, "a benchmark needs to fork");
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  RunOn(processor);
  body();
  _exit(0);
}

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

void Nap(long nanoseconds) {
  const timespec length = {.tv_sec = 0, .tv_nsec = nanoseconds};
  nanosleep(&length, nullptr);
}

// ---- permits ------------------------------------------------------------------------------------------------------------------

struct OurPermit {
  OurPermit() : pool(Made<PermitPool>(MadeSegment(size_t{1} << 20), 1u)) {}
  void Take() { mine = pool->TryAcquire(); }
  void Await() {
    auto got = pool->Acquire();
    SHOAL_CHECK(got.ok(), "a permit can be acquired");
    mine = *std::move(got);
  }
  void GiveBack() { mine.reset(); }

  PermitPool* pool;
  std::optional<Permit> mine;
};

template <class S>
struct InMapping {
  template <class... Args>
  explicit InMapping(Args... args) {
    Segment segment = MadeSegment(size_t{1} << 20);
    peer = new (shm_internal::ObjectIn<S>(segment, segment.Allocate(sizeof(S), 64).value())) S(args...);
    static auto* const kept = new std::vector<Segment>;
    kept->push_back(std::move(segment));
  }
  S* peer;
};

struct PosixPermit : InMapping<PosixSemaphore> {
  PosixPermit() : InMapping(1u) {}
  void Take() { peer->Acquire(); }
  void GiveBack() { peer->Release(); }
};

// A robust mutex that is held in its owner's code.
struct RobustPermit : InMapping<RobustMutex> {
  void Take() { peer->Take(); }
  void Await() { peer->Take(); }
};

struct Stages {
  std::atomic<int> stage{0};
  std::atomic<int64_t> at{0};
  void Await(int wanted) const {
    while (stage.load(std::memory_order_acquire) != wanted) sched_yield();
  }
  void SpinUntil(int wanted) const {
    while (stage.load(std::memory_order_acquire) != wanted) __builtin_ia32_pause();
  }
  void Set(int value) { stage.store(value, std::memory_order_release); }
};

Stages* MadeStages() {
  static Segment* const segment = new Segment(MadeSegment(size_t{1} << 20));
  return new (shm_internal::ObjectIn<Stages>(*segment, segment->Allocate(128, 128).value())) Stages();
}

template <class P>
Round Uncontended(const Settings& settings) {
  return [permit = std::make_shared<P>(), calls = settings.Items(50'000)] {
    return SecondsPerItem(calls, [&] {
      for (size_t i = 0; i < calls; ++i) {
        permit->Take();
        permit->GiveBack();
      }
    });
  };
}

// Seconds from the kill of a holder, in its own code, until a sleeper has what it held.
template <class P>
double ReturnedByDeath(P& permit, Stages& stages) {
  stages.Set(0);
  const pid_t holder = Started(0, [&] {
    permit.Await();
    stages.Set(1);
    for (;;) pause();
  });
  stages.Await(1);
  const pid_t sleeper = Started(0, [&] {
    stages.Set(2);
    permit.Await();
    stages.at.store(Deadline::Now(), std::memory_order_release);
  });
  stages.Await(2);
  while (!Sleeps(holder) || !Sleeps(sleeper)) sched_yield();
  Nap(5'000'000);
  const int64_t killed_at = Deadline::Now();
  kill(holder, SIGKILL);
  waitpid(sleeper, nullptr, 0);
  waitpid(holder, nullptr, 0);
  return static_cast<double>(stages.at.load(std::memory_order_acquire) - killed_at) * 1e-9;
}

template <class P>
Round Death(const Settings& settings) {
  return [deaths = settings.Items(40)] {
    std::vector<double> seconds;
    Stages* const stages = MadeStages();
    for (size_t i = 0; i < deaths; ++i) {
      P permit;
      seconds.push_back(ReturnedByDeath(permit, *stages));
    }
    return Median(std::move(seconds));
  };
}

// ---- arrays -------------------------------------------------------------------------------------------------------------------

using Numbers = Array<double>;

// Seconds from giving a whole array back until another process has it.
Round HandOff(const Settings& settings, size_t bytes, bool asleep) {
  const size_t length = bytes / sizeof(double);
  Numbers* const array = Made<Numbers>(MadeSegment(2 * bytes + (size_t{1} << 20)), length);
  return [=, count = settings.Items(asleep ? 400 : 4000)] {
    Stages& stages = *MadeStages();
    const pid_t taker = Started(1, [&] {
      for (size_t i = 0; i < count; ++i) {
        stages.SpinUntil(static_cast<int>(3 * i + 1));
        stages.Set(static_cast<int>(3 * i + 2));
        std::optional<Borrowed<double>> mine;
        if (asleep) {
          mine = array->BorrowMut(0, length, absl::InfiniteDuration()).value();
        } else {
          while (!mine.has_value()) mine = array->TryBorrowMut(0, length);
        }
        stages.at.store(Deadline::Now(), std::memory_order_release);
        mine->span()[0] += 1;
        mine.reset();
        stages.Set(static_cast<int>(3 * i + 3));
      }
    });
    cpu_set_t before;
    SHOAL_CHECK(sched_getaffinity(0, sizeof(before), &before) == 0, "a process has processors");
    RunOn(0);
    std::vector<double> seconds;
    for (size_t i = 0; i < count; ++i) {
      std::optional<Borrowed<double>> mine = array->BorrowMut(0, length, absl::InfiniteDuration()).value();
      stages.Set(static_cast<int>(3 * i + 1));
      stages.SpinUntil(static_cast<int>(3 * i + 2));
      if (asleep) {
        while (!Sleeps(taker)) {
        }
      } else {
        for (int spin = 0; spin < 200; ++spin) __builtin_ia32_pause();
      }
      const int64_t begin = Deadline::Now();
      mine.reset();
      stages.SpinUntil(static_cast<int>(3 * i + 3));
      seconds.push_back(static_cast<double>(stages.at.load(std::memory_order_acquire) - begin) * 1e-9);
    }
    waitpid(taker, nullptr, 0);
    SHOAL_CHECK(sched_setaffinity(0, sizeof(before), &before) == 0, "a process chooses among its processors");
    return Median(std::move(seconds));
  };
}

Peer Bound(const char* name, double seconds) {
  return {name, 1.0, [seconds] { return seconds; }};
}

void Kernel(std::span<double> elements) {
  for (double& element : elements) element = element * 0.999 + 1.0;
}

constexpr size_t kKernelLength = size_t{1} << 17;
constexpr size_t kCopied = (size_t{64} << 20) / sizeof(double);

std::vector<Work> ArrayWorks(const Settings& settings) {
  std::vector<Work> works;
  for (const size_t bytes : {size_t{1} << 10, size_t{64} << 20}) {
    const std::string size = bytes < 1 << 20 ? "1 KiB" : "64 MiB";
    works.push_back({.name = absl::StrCat("Array of ", size, ", handed to a process that spins"),
                     .quantity = Quantity::kTime,
                     .ours = HandOff(settings, bytes, /*asleep=*/false),
                     .peers = {Bound("3 us", 3e-6)}});
    works.push_back({.name = absl::StrCat("Array of ", size, ", handed to a process that sleeps"),
                     .quantity = Quantity::kTime,
                     .ours = HandOff(settings, bytes, /*asleep=*/true),
                     .peers = {Bound("10 us", 10e-6)}});
  }
  const auto memory = std::make_shared<std::vector<double>>(kKernelLength);
  Numbers* const array = Made<Numbers>(MadeSegment(size_t{4} << 20), kKernelLength);
  const size_t times = settings.Items(100);
  works.push_back({.name = "Array, a kernel over a borrowed span of 1 MiB",
                   .quantity = Quantity::kTime,
                   .slices = 21,
                   .ours =
                       [=] {
                         auto mine = array->BorrowMut(0, kKernelLength).value();
                         return SecondsPerItem(times, [&] {
                           for (size_t i = 0; i < times; ++i) Kernel(mine.span());
                         });
                       },
                   .peers = {{"the same over a vector", 1.05, [=] {
                                return SecondsPerItem(times, [&] {
                                  for (size_t i = 0; i < times; ++i) Kernel(*memory);
                                });
                              }}}});
  const size_t copied = settings.quick ? kKernelLength : kCopied;
  Numbers* const large = Made<Numbers>(MadeSegment(size_t{80} << 20), copied);
  static Segment& plain_segment = *new Segment(MadeSegment(size_t{80} << 20));  // lives as long as the benchmark
  auto* const plain =
      reinterpret_cast<double*>(plain_segment.BytesAt(plain_segment.Allocate(copied * 8, 4096).value(), copied * 8).data());
  const auto values = std::make_shared<std::vector<double>>(copied, 1.0);
  works.push_back({.name = "Array, 64 MiB written and read",
                   .quantity = Quantity::kRate,
                   .slices = 5,
                   .ours =
                       [=] {
                         return SecondsPerItem(1, [&] {
                           SHOAL_CHECK(large->Write(0, *values).ok() && large->Read(0, std::span<double>(*values)).ok(),
                                       "an array can be written and read");
                         });
                       },
                   .peers = {{"memcpy in and out", 0.9, [=] {
                                return SecondsPerItem(1, [&] {
                                  std::memcpy(plain, values->data(), copied * sizeof(double));
                                  std::memcpy(values->data(), plain, copied * sizeof(double));
                                });
                              }}}});
  return works;
}

std::vector<Work> PermitWorks(const Settings& settings) {
  std::vector<Work> works;
  works.push_back(
      {.name = "PermitPool, acquire + give back",
       .quantity = Quantity::kTime,
       .slices = 21,
       .ours = Uncontended<OurPermit>(settings),
       .peers = {{"POSIX semaphore (whose permits do not return)", std::nullopt, Uncontended<PosixPermit>(settings)}}});
  works.push_back({.name = "Permit, holder killed in its own code, a sleeper has it, on 1 CPU",
                   .quantity = Quantity::kTime,
                   .ours = Death<OurPermit>(settings),
                   .peers = {{"pthread robust", 3.0, Death<RobustPermit>(settings)}}});
  return works;
}

}  // namespace

absl::StatusOr<std::vector<Row>> HoldingRows(const Settings& settings) {
  std::vector<Row> rows;
  for (const auto& make : {&PermitWorks, &ArrayWorks}) {
    for (const Work& work : make(settings)) {
      absl::StatusOr<std::vector<Row>> measured = Measure(work, settings);
      if (!measured.ok()) return measured.status();
      rows.insert(rows.end(), measured->begin(), measured->end());
    }
  }
  return rows;
}

}  // namespace shoal::bench
