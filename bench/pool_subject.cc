#include "shoal/bench/pool_subject.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <future>
#include <iterator>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "shoal/bench/compare/cpython.h"
#include "shoal/bench/compare/fork_pipe_pool.h"
#include "shoal/bench/compare/forked_primes.h"
#include "shoal/bench/compare/future_pool.h"
#include "shoal/bench/runfile.h"
#include "shoal/pool/function.h"
#include "shoal/pool/future.h"
#include "shoal/pool/pool.h"
#include "shoal/process/process.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/status.h"

namespace shoal::bench {
namespace {

using sync_internal::MakeStatus;

constexpr int kWorkers = 2;

// Those of examples/primes, and of cpython_pool.py.
constexpr std::array<uint64_t, 6> kNumbers = {1112272535095293, 1112582705942171, 1112272535095291,
                                              1115280095190773, 1115797848077099, 11099726899285419};
constexpr std::array<bool, 6> kPrime = {false, true, true, false, false, false};

uint64_t Noop(uint64_t value) { return value; }

std::vector<uint64_t> UpTo(size_t items) {
  std::vector<uint64_t> inputs(items);
  std::iota(inputs.begin(), inputs.end(), uint64_t{0});
  return inputs;
}

// A fast pool that computes something else would win every comparison.
absl::Status Check(bool right) {
  if (right) return absl::OkStatus();
  return MakeStatus(absl::StatusCode::kDataLoss, "the results are wrong");
}

// Runs `body`, which returns a status, and gives the seconds per item.
template <class Body>
absl::StatusOr<double> Timed(size_t items, Body body) {
  absl::Status status;
  const double seconds = SecondsPerItem(items, [&] { status = body(); });
  SHOAL_RETURN_IF_ERROR(status);
  return seconds;
}

// What all works below use. The pools stay for all of them: how they start is a work of its own.
struct Contestants {
  Pool pool;
  Function<uint64_t(uint64_t)> noop;
  ForkPipePool one_by_one;
  ForkPipePool coalescing;
  FuturePool threads;
  CPython python;
};

absl::StatusOr<Pool> StartPool(const std::string& plugin) {
  return Pool::Create({.workers = kWorkers, .plugins = {plugin}});
}

std::string NoopPlugin() { return Runfile("bench/plugins/noop/noop.so"); }
std::string PrimesPlugin() { return Runfile("examples/primes/primes.so"); }

Peer PythonPeer(Contestants& all, std::string work, size_t items, std::optional<double> target = std::nullopt) {
  return {.name = absl::StrCat("CPython ", all.python.version(), " Pool"),
          .target = target,
          .round = [&all, work = std::move(work), items] { return all.python.Measure(work, items); }};
}

absl::StatusOr<double> MapOurs(const Contestants& all, size_t items, const MapOptions& options) {
  const std::vector<uint64_t> inputs = UpTo(items);
  return Timed(items, [&]() -> absl::Status {
    SHOAL_ASSIGN_OR_RETURN(const std::vector<uint64_t> results, all.noop.Map(inputs, options));
    return Check(results == inputs);
  });
}

absl::StatusOr<double> MapForked(ForkPipePool& pool, size_t items) {
  const std::vector<uint64_t> inputs = UpTo(items);
  return Timed(items, [&]() -> absl::Status {
    SHOAL_ASSIGN_OR_RETURN(const std::vector<uint64_t> results, pool.Map(inputs));
    return Check(results == inputs);
  });
}

Work MapChunk1(Contestants& all, const Settings& settings) {
  const size_t items = settings.Items(200'000);
  return {
      .name = "Map, chunk 1",
      .quantity = Quantity::kRate,
      .ours = [&all, items] { return MapOurs(all, items, {.chunk = 1}); },
      .peers = {{.name = "fork + pipes", .target = 2, .round = [&all, items] { return MapForked(all.one_by_one, items); }},
                {.name = "fork + pipes, 64 per call",
                 .target = std::nullopt,
                 .round = [&all, items] { return MapForked(all.coalescing, items); }},
                PythonPeer(all, "map_chunk_1", settings.Items(4'000), 50)}};
}

Work MapDefault(Contestants& all, const Settings& settings) {
  const size_t items = settings.Items(400'000);
  return {.name = "Map, default chunk",
          .quantity = Quantity::kRate,
          .ours = [&all, items] { return MapOurs(all, items, {}); },
          .peers = {PythonPeer(all, "map_default", items, 3)}};
}

absl::StatusOr<double> SubmitOurs(const Contestants& all, size_t items) {
  return Timed(items, [&]() -> absl::Status {
    std::vector<Future<uint64_t>> futures;
    futures.reserve(items);
    for (size_t i = 0; i < items; ++i) futures.push_back(all.noop.Submit(i));
    uint64_t sum = 0;
    for (const Future<uint64_t>& future : futures) {
      SHOAL_ASSIGN_OR_RETURN(const uint64_t result, future.Get());
      sum += result;
    }
    return Check(sum == uint64_t{items} * (items - 1) / 2);
  });
}

absl::StatusOr<double> SubmitThreads(Contestants& all, size_t items) {
  return Timed(items, [&]() -> absl::Status {
    std::vector<std::future<uint64_t>> futures;
    futures.reserve(items);
    for (size_t i = 0; i < items; ++i) futures.push_back(all.threads.Submit(Noop, i));
    uint64_t sum = 0;
    for (std::future<uint64_t>& future : futures) sum += future.get();
    return Check(sum == uint64_t{items} * (items - 1) / 2);
  });
}

Work SubmitAll(Contestants& all, const Settings& settings) {
  const size_t items = settings.Items(50'000);
  return {
      .name = "Submit, then Get of each future",
      .quantity = Quantity::kRate,
      .ours = [&all, items] { return SubmitOurs(all, items); },
      .peers = {{.name = "std::future, threads", .target = 1, .round = [&all, items] { return SubmitThreads(all, items); }},
                PythonPeer(all, "submit", settings.Items(2'000))}};
}

// `apply` returns a StatusOr of its argument.
template <class Apply>
absl::StatusOr<double> RoundTrips(size_t items, Apply apply) {
  bool right = true;
  const double seconds = MedianSeconds(items, [&](size_t i) {
    const absl::StatusOr<uint64_t> result = apply(i);
    right = right && result.ok() && *result == i;
  });
  SHOAL_RETURN_IF_ERROR(Check(right));
  return seconds;
}

Work OneAtATime(Contestants& all, const Settings& settings) {
  const size_t items = settings.Items(5'000);
  return {
      .name = "one at a time, median round trip",
      .quantity = Quantity::kTime,
      .ours = [&all, items] { return RoundTrips(items, [&](uint64_t i) { return all.noop.Apply(i); }); },
      .peers = {{.name = "fork + pipes",
                 .target = 1.3,
                 .round = [&all, items] { return RoundTrips(items, [&](uint64_t i) { return all.one_by_one.Apply(i); }); }},
                PythonPeer(all, "apply", settings.Items(500))}};
}

absl::StatusOr<double> StartOurs(size_t items) {
  const std::string plugin = NoopPlugin();
  return Timed(items, [&]() -> absl::Status {
    for (size_t i = 0; i < items; ++i) {
      SHOAL_ASSIGN_OR_RETURN(const Pool pool, StartPool(plugin));
      SHOAL_ASSIGN_OR_RETURN(const auto noop, pool.Get<uint64_t(uint64_t)>("noop"));
      SHOAL_ASSIGN_OR_RETURN(const uint64_t result, noop.Apply(i));
      SHOAL_RETURN_IF_ERROR(Check(result == i));
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<double> StartForked(size_t items) {
  return Timed(items, [&]() -> absl::Status {
    for (size_t i = 0; i < items; ++i) {
      SHOAL_ASSIGN_OR_RETURN(ForkPipePool pool, ForkPipePool::Start(Noop, {.workers = kWorkers}));
      SHOAL_ASSIGN_OR_RETURN(const uint64_t result, pool.Apply(i));
      SHOAL_RETURN_IF_ERROR(Check(result == i));
    }
    return absl::OkStatus();
  });
}

Work PoolStart(Contestants& all, const Settings& settings) {
  const size_t items = settings.Items(10);
  return {.name = "pool start, one task, close",
          .quantity = Quantity::kTime,
          .ours = [items] { return StartOurs(items); },
          .peers = {{.name = "fork + pipes", .target = std::nullopt, .round = [items] { return StartForked(items); }},
                    PythonPeer(all, "start", settings.Items(2))}};
}

constexpr char kTrivialProgram[] = "/bin/true";

absl::StatusOr<double> ProcessOurs(size_t items) {
  return Timed(items, [&]() -> absl::Status {
    for (size_t i = 0; i < items; ++i) {
      SHOAL_ASSIGN_OR_RETURN(const Process process, Process::Start({.program = kTrivialProgram}));
      SHOAL_RETURN_IF_ERROR(process.Join());
      SHOAL_RETURN_IF_ERROR(Check(process.exit_code() == 0));
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<double> ProcessSpawned(size_t items) {
  return Timed(items, [&]() -> absl::Status {
    std::string program = kTrivialProgram;
    char* const argv[] = {program.data(), nullptr};
    for (size_t i = 0; i < items; ++i) {
      pid_t child = -1;
      const int error = posix_spawn(&child, kTrivialProgram, nullptr, nullptr, argv, environ);
      if (error != 0) return sync_internal::ErrnoStatus(error, "posix_spawn");
      int status = -1;
      waitpid(child, &status, 0);
      SHOAL_RETURN_IF_ERROR(Check(status == 0));
    }
    return absl::OkStatus();
  });
}

Work ProcessStart(const Settings& settings) {
  const size_t items = settings.Items(100);
  return {.name = "process start of /bin/true, join",
          .quantity = Quantity::kTime,
          .ours = [items] { return ProcessOurs(items); },
          .peers = {{.name = "posix_spawn", .target = 2.5, .round = [items] { return ProcessSpawned(items); }}}};
}

absl::StatusOr<double> PrimesOurs() {
  const std::string plugin = PrimesPlugin();
  return Timed(1, [&]() -> absl::Status {
    SHOAL_ASSIGN_OR_RETURN(const Pool pool, StartPool(plugin));
    SHOAL_ASSIGN_OR_RETURN(const auto is_prime, pool.Get<bool(uint64_t)>("is_prime"));
    SHOAL_ASSIGN_OR_RETURN(const std::vector<bool> answers, is_prime.Map(kNumbers));
    return Check(std::ranges::equal(answers, kPrime));
  });
}

absl::StatusOr<double> PrimesForked() {
  return Timed(1, [&]() -> absl::Status {
    SHOAL_ASSIGN_OR_RETURN(const std::vector<bool> answers, ForkedPrimes(kNumbers, kWorkers));
    return Check(std::ranges::equal(answers, kPrime));
  });
}

Work Primes(Contestants& all) {
  return {.name = "six primality checks, with the start",
          .quantity = Quantity::kTime,
          .ours = PrimesOurs,
          .peers = {{.name = "fork, shared counter", .target = 1.15, .round = PrimesForked}, PythonPeer(all, "primes", 1)}};
}

absl::StatusOr<std::unique_ptr<Contestants>> StartContestants() {
  SHOAL_ASSIGN_OR_RETURN(CPython python, CPython::Start(Runfile("bench/compare/cpython_pool.py")));
  SHOAL_ASSIGN_OR_RETURN(ForkPipePool one_by_one, ForkPipePool::Start(Noop, {.workers = kWorkers}));
  SHOAL_ASSIGN_OR_RETURN(ForkPipePool coalescing, ForkPipePool::Start(Noop, {.workers = kWorkers, .coalesce = true}));
  SHOAL_ASSIGN_OR_RETURN(Pool pool, StartPool(NoopPlugin()));
  SHOAL_ASSIGN_OR_RETURN(auto noop, pool.Get<uint64_t(uint64_t)>("noop"));
  return std::unique_ptr<Contestants>(new Contestants{.pool = std::move(pool),
                                                      .noop = std::move(noop),
                                                      .one_by_one = std::move(one_by_one),
                                                      .coalescing = std::move(coalescing),
                                                      .threads = FuturePool(kWorkers),
                                                      .python = std::move(python)});
}

}  // namespace

absl::StatusOr<std::vector<Row>> MeasurePool(const Settings& settings) {
  SHOAL_ASSIGN_OR_RETURN(const std::unique_ptr<Contestants> all, StartContestants());
  const Work works[] = {MapChunk1(*all, settings),
                        MapDefault(*all, settings),
                        SubmitAll(*all, settings),
                        OneAtATime(*all, settings),
                        PoolStart(*all, settings),
                        ProcessStart(settings),
                        Primes(*all)};
  std::vector<Row> rows;
  for (const Work& work : works) {
    SHOAL_ASSIGN_OR_RETURN(std::vector<Row> more, Measure(work, settings));
    rows.insert(rows.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  }
  return rows;
}

}  // namespace shoal::bench
