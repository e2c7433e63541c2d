// What a pool does when nothing goes wrong, and with wrong use.

#include "shoal/pool/pool.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <list>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shoal/sync/status.h"
#include "tests/pool/pool_fixture.h"

namespace shoal {
namespace {

using testing::HasSubstr;

struct Point {
  double x = 0;
  double y = 0;
};
struct Route {
  std::string name;
  std::vector<Point> points;
  std::map<std::string, std::optional<int64_t>> tags;
};

// The numbers from 0 to `end` - 1, made when they are asked for; `*taken` is the last.
struct Numbers {
  struct Iterator {
    using value_type = uint64_t;
    using difference_type = std::ptrdiff_t;
    const Numbers* numbers = nullptr;
    uint64_t n = 0;
    uint64_t operator*() const {
      if (numbers->taken != nullptr) *numbers->taken = n;
      return n;
    }
    Iterator& operator++() {
      ++n;
      return *this;
    }
    void operator++(int) { ++n; }
    bool operator==(std::default_sentinel_t) const { return n == numbers->end_; }
  };
  Iterator begin() const { return {this, 0}; }
  std::default_sentinel_t end() const { return {}; }

  uint64_t end_ = ~uint64_t{0};
  uint64_t* taken = nullptr;
};

TEST(PoolTest, ApplyRunsAFunctionInAnotherProcess) {
  Pool pool = TasksPool();
  const auto pid = GetOrDie<int64_t()>(pool, "pid").Apply();
  ASSERT_TRUE(pid.ok()) << pid.status();
  EXPECT_NE(*pid, getpid());
}

TEST(PoolTest, ValuesOfManyTypesTravelBothWays) {
  Pool pool = TasksPool();
  EXPECT_EQ(*GetOrDie<double(double, float)>(pool, "add").Apply(1.5, 0.25f), 1.75);
  EXPECT_EQ(*(GetOrDie<std::string(std::string, std::string, int8_t)>(pool, "join").Apply("a", "bc", 2)), "abcbc");
  EXPECT_TRUE(GetOrDie<void()>(pool, "nothing").Apply().ok());
  EXPECT_EQ(GetOrDie<Point(Point)>(pool, "mirror").Apply({1, 2})->x, 2);
  EXPECT_EQ(*GetOrDie<int32_t(int32_t)>(pool, "lambda").Apply(41), 42);
  const auto route = GetOrDie<Route(Route)>(pool, "reverse").Apply({"r", {{1, 2}, {3, 4}}, {{"a", 1}, {"b", {}}}});
  ASSERT_TRUE(route.ok()) << route.status();
  EXPECT_EQ(route->points[0].x, 3);
  EXPECT_EQ(route->tags.at("b"), std::nullopt);
  EXPECT_EQ(route->tags.at("a"), 1);
}

TEST(PoolTest, MapGivesAllResultsInTheOrderOfTheInputs) {
  Pool pool = TasksPool();
  const auto square = GetOrDie<uint64_t(uint64_t)>(pool, "square");
  for (const size_t chunk : {0, 1, 7, 100000}) {
    std::vector<uint64_t> inputs(5000);
    std::iota(inputs.begin(), inputs.end(), 0);
    const auto results = square.Map(inputs, {.chunk = chunk});
    ASSERT_TRUE(results.ok()) << results.status();
    ASSERT_EQ(results->size(), inputs.size());
    for (const uint64_t n : inputs) ASSERT_EQ((*results)[n], n * n);
  }
  EXPECT_TRUE(square.Map(std::vector<uint64_t>{})->empty());
  EXPECT_EQ(*square.Map(std::list<uint64_t>{1, 2, 3}), (std::vector<uint64_t>{1, 4, 9}));
  EXPECT_EQ(*square.Map({2, 3}), (std::vector<uint64_t>{4, 9}));
  EXPECT_EQ(*square.Map(Numbers{.end_ = 4}), (std::vector<uint64_t>{0, 1, 4, 9}));
}

TEST(PoolTest, StarMapTakesTuples) {
  Pool pool = TasksPool();
  const auto add = GetOrDie<double(double, float)>(pool, "add");
  const std::vector<std::tuple<double, float>> inputs = {{1, 2}, {3, 4}};
  EXPECT_EQ(*add.StarMap(inputs), (std::vector<double>{3, 7}));
}

TEST(PoolTest, MapReportsTheFirstInputThatFailedAfterAllHaveEnded) {
  Pool pool = TasksPool();
  const auto half = GetOrDie<int32_t(int32_t)>(pool, "half");
  const auto results = half.Map({2, 3, 4, 5});
  EXPECT_EQ(results.status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(results.status().message()), HasSubstr("item 1: it is odd"));
  EXPECT_FALSE(MadeByShoal(results.status())) << "the function's own status is not ours";
  EXPECT_EQ(pool.stats().pending, 0u);
}

TEST(PoolTest, FunctionsThatReturnAStatusGiveThatStatus) {
  Pool pool = TasksPool();
  const auto check = GetOrDie<void(bool)>(pool, "check");
  EXPECT_TRUE(check.Apply(true).ok());
  EXPECT_EQ(check.Apply(false), absl::NotFoundError("not good"));
  EXPECT_TRUE(pool.Get<absl::Status(bool)>("check").ok());
  EXPECT_EQ(*GetOrDie<absl::StatusOr<int32_t>(int32_t)>(pool, "half").Apply(6), 3);
}

TEST(PoolTest, FuturesAreKeptAndAskedAsOftenAsOneLikes) {
  Pool pool = TasksPool();
  const auto square = GetOrDie<uint64_t(uint64_t)>(pool, "square");
  std::vector<Future<uint64_t>> futures;
  for (uint64_t n = 0; n < 1000; ++n) futures.push_back(square.Submit(n));
  for (uint64_t n = 1000; n-- > 0;) {
    EXPECT_EQ(*futures[n].Get(), n * n);
    EXPECT_TRUE(futures[n].done());
    EXPECT_EQ(*futures[n].Get(absl::ZeroDuration()), n * n);
  }
}

TEST(PoolTest, AFutureThatIsNotDoneTimesOutAndLosesNothing) {
  Pool pool = TasksPool();
  const std::string go = FreshPath("go");
  auto future = GetOrDie<uint64_t(std::string, uint64_t)>(pool, "wait_for_file").Submit(go, 5);
  EXPECT_EQ(future.Get(absl::ZeroDuration()).status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(future.Get(absl::Milliseconds(2)).status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(future.Get(-absl::InfiniteDuration()).status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_FALSE(future.done());
  close(open(go.c_str(), O_CREAT | O_WRONLY, 0600));
  EXPECT_EQ(*future.Get(), 5u);
}

TEST(PoolTest, WhatNoWorkerHasYetCanBeCancelled) {
  Pool pool = TasksPool({.workers = 1});
  const std::string go = FreshPath("go");
  const auto wait = GetOrDie<uint64_t(std::string, uint64_t)>(pool, "wait_for_file");
  auto first = wait.Submit(go, 1);
  auto second = wait.Submit(go, 2);
  EXPECT_TRUE(second.Cancel());
  EXPECT_FALSE(second.Cancel());
  EXPECT_EQ(second.Get().status().code(), absl::StatusCode::kCancelled);
  EXPECT_FALSE(first.Cancel()) << "a worker has it";
  close(open(go.c_str(), O_CREAT | O_WRONLY, 0600));
  EXPECT_EQ(*first.Get(), 1u);
}

// Short tasks make the pool hand many to each worker ahead; then one of them turns out to be long.
TEST(PoolTest, WhatWaitsBehindALongTaskGoesToIdleWorkers) {
  Pool pool = TasksPool({.workers = 2});
  const auto wait = GetOrDie<uint64_t(std::string, uint64_t)>(pool, "wait_for_file");
  const std::string there = "/";
  const std::string go = FreshPath("go");
  for (int round = 0; round < 5; ++round) {
    std::vector<std::tuple<std::string, uint64_t>> inputs(2000, {there, 1});
    ASSERT_TRUE(wait.StarMap(inputs).ok());
    std::get<0>(inputs[700]) = go;
    auto stream = wait.IMapUnordered(inputs, {.window = inputs.size()});
    for (size_t i = 0; i + 1 < inputs.size(); ++i) {
      const auto result = stream.Next();
      ASSERT_TRUE(result.has_value() && result->ok());
      ASSERT_NE(stream.index(), 700u);
    }
    close(open(go.c_str(), O_CREAT | O_WRONLY, 0600));
    EXPECT_TRUE(stream.Next()->ok());
    EXPECT_EQ(stream.index(), 700u);
    EXPECT_FALSE(stream.Next().has_value());
    unlink(go.c_str());
  }
  EXPECT_EQ(pool.stats().worker_deaths, 0u);
}

TEST(PoolTest, CallbacksRunOnceAndMayUseThePool) {
  Pool pool = TasksPool();
  const auto square = GetOrDie<uint64_t(uint64_t)>(pool, "square");
  std::atomic<uint64_t> sum{0};
  std::vector<Future<uint64_t>> futures;
  for (uint64_t n = 1; n <= 20; ++n) {
    futures.push_back(square.Submit(n));
    futures.back().OnDone([&](const absl::StatusOr<uint64_t>& result) {
      sum += square.Submit(*result).Get().value();  // waits for another task, from inside a callback
      throw std::runtime_error("callbacks may throw");
    });
  }
  WaitUntil([&] { return sum.load() == 722666; });  // the sum of the fourth powers of 1 to 20
  std::atomic<int> calls{0};
  futures[0].OnDone([&](const absl::StatusOr<uint64_t>&) { ++calls; });
  EXPECT_EQ(calls.load(), 1) << "the call has ended: at once";
}

TEST(PoolTest, ACallbackMayHoldTheLastReferenceToThePool) {
  std::atomic<bool> gone{false};
  {
    auto pool = std::make_shared<Pool>(TasksPool());
    const auto square = GetOrDie<uint64_t(uint64_t)>(*pool, "square");
    auto future = square.Submit(2);
    future.OnDone([pool, &gone](const absl::StatusOr<uint64_t>&) mutable {
      pool.reset();
      gone = true;
    });
  }
  WaitUntil([&] { return gone.load(); });
}

TEST(PoolTest, ThePoolIsGoneOnlyAfterItsCallbacks) {
  const std::string done = FreshPath("done");
  const std::string go = FreshPath("go");
  bool ran = false;
  std::thread opener;
  {
    Pool pool = TasksPool();
    // Not done before it has its callback, which would run in this thread.
    auto future = GetOrDie<uint64_t(std::string, uint64_t)>(pool, "wait_for_file").Submit(done, 2);
    future.OnDone([&](const absl::StatusOr<uint64_t>&) {
      WaitUntil([&] { return access(go.c_str(), F_OK) == 0; });
      ran = true;
    });
    close(open(done.c_str(), O_CREAT | O_WRONLY, 0600));
    opener = std::thread([&] { close(open(go.c_str(), O_CREAT | O_WRONLY, 0600)); });
  }
  EXPECT_TRUE(ran);
  opener.join();
}

// Property: a callback that waits for ever keeps neither waiters nor deadlines from their work.
TEST(PoolTest, ACallbackThatWaitsHoldsUpOnlyCallbacks) {
  const std::string go = FreshPath("go");  // outlives the pool, as whatever its callbacks look at must
  Pool pool = TasksPool({.workers = 2, .task_timeout = absl::Seconds(1)});
  const auto square = GetOrDie<uint64_t(uint64_t)>(pool, "square");
  auto first = square.Submit(1);
  for (bool at_once = true; at_once;) {  // the call had ended: in this thread, which is not the one that is to be held up
    at_once = false;
    first = square.Submit(1);
    first.OnDone([&, here = std::this_thread::get_id()](const absl::StatusOr<uint64_t>&) {
      if (std::this_thread::get_id() == here) {
        at_once = true;
      } else {
        WaitUntil([&] { return access(go.c_str(), F_OK) == 0; });
      }
    });
  }
  EXPECT_EQ(*first.Get(), 1u);
  EXPECT_EQ(GetOrDie<std::string(std::string)>(pool, "do").Apply("hang").status().code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(*square.Apply(3), 9u);
  close(open(go.c_str(), O_CREAT | O_WRONLY, 0600));
}

// A thread that waited beside the leader, and is done at the same moment, must leave a leader behind.
TEST(PoolTest, TheLeadIsNeverLost) {
  Pool pool = TasksPool({.workers = 2});
  const auto wait = GetOrDie<uint64_t(std::string, uint64_t)>(pool, "wait_for_file");
  for (int round = 0; round < 20; ++round) {
    const std::string first_go = FreshPath("first");
    const std::string second_go = FreshPath("second");
    auto shared = wait.Submit(first_go, 1);
    std::atomic<bool> called{false};
    wait.Submit(second_go, 2).OnDone([&](const absl::StatusOr<uint64_t>&) { called = true; });
    std::thread waiters[2];
    for (std::thread& waiter : waiters) waiter = std::thread([&] { EXPECT_EQ(*shared.Get(), 1u); });
    close(open(first_go.c_str(), O_CREAT | O_WRONLY, 0600));
    for (std::thread& waiter : waiters) waiter.join();
    close(open(second_go.c_str(), O_CREAT | O_WRONLY, 0600));
    WaitUntil([&] { return called.load(); });  // nobody waits for it: only a leader can see to it
  }
}

TEST(PoolTest, ClosingThePoolDuringAStreamLosesNothingThatWasTaken) {
  Pool pool = TasksPool({.workers = 1});
  const auto wait = GetOrDie<uint64_t(std::string, uint64_t)>(pool, "wait_for_file");
  const std::string go = FreshPath("go");
  std::vector<std::tuple<std::string, uint64_t>> inputs(50, {go, 7});
  std::get<0>(inputs[0]) = "/";
  auto stream = wait.IMap(inputs, {.window = 20});
  EXPECT_EQ(**stream.Next(), 7u);
  ASSERT_TRUE(pool.Close().ok());
  close(open(go.c_str(), O_CREAT | O_WRONLY, 0600));
  size_t values = 1;
  size_t refused = 0;
  while (const auto result = stream.Next()) {
    values += result->ok();
    refused += result->status().code() == absl::StatusCode::kFailedPrecondition;
  }
  EXPECT_EQ(values + refused, inputs.size());
  EXPECT_GT(values, 0u);
  EXPECT_TRUE(pool.Join().ok());
}

// Going through the input runs the user's code: in the user's thread, without a lock of ours.
TEST(PoolTest, AnInputThatUsesThePoolItselfIsFine) {
  Pool pool = TasksPool();
  const auto square = GetOrDie<uint64_t(uint64_t)>(pool, "square");
  struct Squares {
    struct Iterator {
      using value_type = uint64_t;
      using difference_type = std::ptrdiff_t;
      const Function<uint64_t(uint64_t)>* square = nullptr;
      uint64_t n = 0;
      uint64_t operator*() const { return square->Apply(n).value(); }
      Iterator& operator++() {
        ++n;
        return *this;
      }
      void operator++(int) { ++n; }
      bool operator==(std::default_sentinel_t) const { return n == 5; }
    };
    Iterator begin() const { return {square, 0}; }
    std::default_sentinel_t end() const { return {}; }
    const Function<uint64_t(uint64_t)>* square;
  };
  EXPECT_EQ(*square.Map(Squares{&square}), (std::vector<uint64_t>{0, 1, 16, 81, 256}));
}

TEST(PoolTest, ATimeoutOfCenturiesIsNone) {
  Pool pool = TasksPool({.task_timeout = absl::Seconds(1e10)});
  EXPECT_EQ(*GetOrDie<uint64_t(uint64_t)>(pool, "square").Apply(3), 9u);
}

TEST(PoolTest, ManyThreadsShareAPool) {
  Pool pool = TasksPool();
  const auto square = GetOrDie<uint64_t(uint64_t)>(pool, "square");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (uint64_t n = 0; n < 200; ++n) {
        if (t % 2 == 0) {
          EXPECT_EQ(*square.Apply(n), n * n);
        } else {
          EXPECT_EQ(*square.Map({n, n + 1}), (std::vector<uint64_t>{n * n, (n + 1) * (n + 1)}));
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(PoolTest, IMapTakesItsInputLazilyAndGivesResultsInOrder) {
  Pool pool = TasksPool();
  const auto square = GetOrDie<uint64_t(uint64_t)>(pool, "square");
  uint64_t taken = 0;
  auto stream = square.IMap(Numbers{.taken = &taken}, {.window = 16});
  for (uint64_t n = 0; n < 1000; ++n) {
    const auto result = stream.Next();
    ASSERT_TRUE(result.has_value() && result->ok());
    EXPECT_EQ(**result, n * n);
    EXPECT_LE(taken, n + 16);
  }
}

TEST(PoolTest, IMapGoesOnAfterAFailedItemAndEndsForGood) {
  Pool pool = TasksPool();
  const auto half = GetOrDie<int32_t(int32_t)>(pool, "half");
  auto stream = half.IMap(std::vector<int32_t>{2, 3, 4});
  EXPECT_EQ(**stream.Next(), 1);
  EXPECT_EQ(stream.Next()->status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(**stream.Next(), 2);
  EXPECT_FALSE(stream.Next().has_value());
  EXPECT_FALSE(stream.Next().has_value());
}

TEST(PoolTest, IMapUnorderedGivesEachResultOnceWithItsIndex) {
  Pool pool = TasksPool();
  const auto square = GetOrDie<uint64_t(uint64_t)>(pool, "square");
  std::vector<uint64_t> inputs(500);
  std::iota(inputs.begin(), inputs.end(), 0);
  auto stream = square.IMapUnordered(inputs, {.window = 10});
  std::set<uint64_t> seen;
  for (const auto& result : stream) {
    EXPECT_EQ(*result, stream.index() * stream.index());
    seen.insert(stream.index());
  }
  EXPECT_EQ(seen.size(), inputs.size());
}

TEST(PoolTest, AStreamThatIsDroppedLeavesThePoolUsable) {
  Pool pool = TasksPool();
  const auto square = GetOrDie<uint64_t(uint64_t)>(pool, "square");
  { EXPECT_EQ(**square.IMap(Numbers{}).Next(), 0u); }
  EXPECT_EQ(*square.Apply(4), 16u);
}

TEST(PoolTest, LargeArgumentsAndResultsPassThroughSmallRings) {
  Pool pool = TasksPool();
  EXPECT_EQ(*GetOrDie<uint64_t(std::string)>(pool, "length").Apply(std::string(20'000'000, 'a')), 20'000'000u);
  EXPECT_EQ(GetOrDie<std::string(uint64_t)>(pool, "fill").Apply(20'000'000)->size(), 20'000'000u);
  const auto length = GetOrDie<uint64_t(std::string)>(pool, "length");
  std::vector<std::string> inputs;
  for (size_t i = 0; i < 40; ++i) inputs.push_back(std::string(i * 50'000, 'b'));
  const auto lengths = length.Map(inputs);
  ASSERT_TRUE(lengths.ok()) << lengths.status();
  for (size_t i = 0; i < 40; ++i) EXPECT_EQ((*lengths)[i], i * 50'000);
  EXPECT_EQ(*GetOrDie<uint64_t(std::vector<uint32_t>)>(pool, "sum").Apply(std::vector<uint32_t>(1'000'000, 2)), 2'000'000u);
}

TEST(PoolTest, WhatExceedsTheLimitIsRefusedAndTheRestGoesOn) {
  Pool pool = TasksPool({.max_message_bytes = 1000});
  EXPECT_EQ(GetOrDie<uint64_t(std::string)>(pool, "length").Apply(std::string(2000, 'a')).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(GetOrDie<std::string(uint64_t)>(pool, "fill").Apply(2000).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(GetOrDie<std::string(uint64_t)>(pool, "fill").Apply(900)->size(), 900u);
}

TEST(PoolTest, AWrongSignatureOrNameIsRefusedInWords) {
  Pool pool = TasksPool();
  const auto wrong = pool.Get<uint64_t(int32_t)>("square");
  EXPECT_EQ(wrong.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(wrong.status().message()),
              HasSubstr("the plug-in has square(uint64) -> uint64, not square(int32) -> uint64"));
  const auto unknown = pool.Get<uint64_t(uint64_t)>("cube");
  EXPECT_EQ(unknown.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(unknown.status().message()), HasSubstr("square"));
}

TEST(PoolTest, OptionsThatMakeNoSenseAreInvalid) {
  const std::vector<std::string> plugins = {PluginPath("tasks")};
  for (const PoolOptions& options :
       std::vector<PoolOptions>{{.workers = -1, .plugins = plugins},
                                {.workers = 100000, .plugins = plugins},
                                {.workers = 1, .plugins = {}},
                                {.workers = 1, .plugins = plugins, .task_timeout = absl::ZeroDuration()},
                                {.workers = 1, .plugins = plugins, .max_retries = -1},
                                {.workers = 1, .plugins = plugins, .max_tasks_per_worker = 0},
                                {.workers = 1, .plugins = plugins, .max_message_bytes = 0}}) {
    const auto pool = Pool::Create(options);
    EXPECT_EQ(pool.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_TRUE(MadeByShoal(pool.status()));
  }
}

TEST(PoolTest, AClosedPoolFinishesWhatItHasAndTakesNothingNew) {
  Pool pool = TasksPool();
  const auto square = GetOrDie<uint64_t(uint64_t)>(pool, "square");
  EXPECT_EQ(pool.Join().code(), absl::StatusCode::kFailedPrecondition);
  auto future = square.Submit(3);
  EXPECT_TRUE(pool.Close().ok());
  EXPECT_TRUE(pool.Close().ok());
  EXPECT_EQ(square.Apply(1).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(square.Map({1}).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(pool.Join().ok());
  EXPECT_TRUE(pool.Join().ok());
  EXPECT_EQ(*future.Get(), 9u);
  EXPECT_TRUE(pool.stats().workers.empty());
}

TEST(PoolTest, JoinTimesOutWhileTasksRunAndLosesNothing) {
  Pool pool = TasksPool();
  const std::string go = FreshPath("go");
  auto future = GetOrDie<uint64_t(std::string, uint64_t)>(pool, "wait_for_file").Submit(go, 5);
  ASSERT_TRUE(pool.Close().ok());
  EXPECT_EQ(pool.Join(absl::Milliseconds(5)).code(), absl::StatusCode::kDeadlineExceeded);
  close(open(go.c_str(), O_CREAT | O_WRONLY, 0600));
  EXPECT_TRUE(pool.Join().ok());
  EXPECT_EQ(*future.Get(), 5u);
}

TEST(PoolTest, TheDestructorFinishesWhatWasSubmitted) {
  std::vector<Future<uint64_t>> futures;
  {
    Pool pool = TasksPool();
    const auto square = GetOrDie<uint64_t(uint64_t)>(pool, "square");
    for (uint64_t n = 0; n < 100; ++n) futures.push_back(square.Submit(n));
  }
  for (uint64_t n = 0; n < 100; ++n) EXPECT_EQ(*futures[n].Get(), n * n);
}

TEST(PoolTest, TerminateEndsEveryTaskAsCancelledAlsoForThreadsThatWait) {
  Pool pool = TasksPool();
  const auto act = GetOrDie<std::string(std::string)>(pool, "do");
  std::vector<Future<std::string>> futures;
  for (int i = 0; i < 10; ++i) futures.push_back(act.Submit("hang"));
  std::vector<std::thread> waiting;
  for (int i = 0; i < 3; ++i) {
    waiting.emplace_back(
        [&, i] { EXPECT_EQ(futures[static_cast<size_t>(i)].Get().status().code(), absl::StatusCode::kCancelled); });
  }
  EXPECT_TRUE(pool.Terminate().ok());
  EXPECT_TRUE(pool.Terminate().ok());
  for (std::thread& thread : waiting) thread.join();
  for (auto& future : futures) EXPECT_EQ(future.Get().status().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(pool.stats().workers.empty());
  EXPECT_EQ(act.Apply("x").status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(PoolTest, TheInitializerRunsOnceInEachWorker) {
  Pool pool = TasksPool({.workers = 1, .initializer = "initialise"});
  const auto calls = GetOrDie<int32_t()>(pool, "calls");
  EXPECT_EQ(*calls.Apply(), 1001);
  EXPECT_EQ(*calls.Apply(), 1002);
}

TEST(PoolTest, WorkersAreReplacedAfterTheirNumberOfTasks) {
  Pool pool = TasksPool({.workers = 2, .max_tasks_per_worker = 10});
  const auto pid = GetOrDie<int64_t()>(pool, "pid");
  std::map<int64_t, int> tasks;
  for (int i = 0; i < 100; ++i) ++tasks[*pid.Apply()];
  for (const auto& [worker, count] : tasks) EXPECT_LE(count, 10) << worker;
  std::vector<std::tuple<>> nothing(95);
  const auto pids = pid.StarMap(nothing);
  ASSERT_TRUE(pids.ok()) << pids.status();
  EXPECT_EQ(pool.stats().worker_deaths, 0u) << "retired, not dead";
}

TEST(PoolTest, WorkersInheritOnlyWhatTheyNeed) {
  const int careless = open("/dev/null", O_RDONLY);  // not close-on-exec
  Pool pool = TasksPool();
  // Standard input, output, error; the pool's segment; the parent's pidfd; the process tree's segment.
  EXPECT_EQ(*GetOrDie<int64_t()>(pool, "open_descriptors").Apply(), 6);
  close(careless);
}

TEST(PoolTest, InAForkOfItsProcessAPoolRefusesAndDisturbsNobody) {
  Pool pool = TasksPool();
  const auto square = GetOrDie<uint64_t(uint64_t)>(pool, "square");
  const std::string go = FreshPath("go");
  auto under_way = GetOrDie<uint64_t(std::string, uint64_t)>(pool, "wait_for_file").Submit(go, 1);
  // The fork may come at any moment, also while another thread holds a lock of the pool's.
  std::jthread busy([&](const std::stop_token& enough) {
    while (!enough.stop_requested()) EXPECT_TRUE(square.Map({1, 2, 3}).ok());
  });
  for (int round = 0; round < 20; ++round) {
    const pid_t child = fork();
    if (child == 0) {
      constexpr auto kRefused = absl::StatusCode::kFailedPrecondition;
      const bool refused = square.Apply(2).status().code() == kRefused && square.Map({1}).status().code() == kRefused &&
                           under_way.Get().status().code() == kRefused && !under_way.Cancel() &&
                           pool.Close().code() == kRefused && pool.Terminate().code() == kRefused &&
                           pool.stats().workers.empty();
      { const Pool dropped = std::move(pool); }
      _exit(refused ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  busy.request_stop();
  close(open(go.c_str(), O_CREAT | O_WRONLY, 0600));
  EXPECT_EQ(*under_way.Get(), 1u);
}

TEST(PoolTest, APluginMayBeWrittenInC) {
  auto pool = Pool::Create({.workers = 1, .plugins = {PluginPath("c_plugin")}});
  ASSERT_TRUE(pool.ok()) << pool.status();
  EXPECT_EQ(*GetOrDie<uint64_t(uint64_t)>(*pool, "increment").Apply(41), 42u);
  const auto silent = GetOrDie<uint64_t()>(*pool, "silent").Apply();
  EXPECT_THAT(std::string(silent.status().message()), HasSubstr("left no result"));
}

TEST(PoolTest, SeveralPluginsAreOnePoolUnlessTheirNamesMeet) {
  auto both = Pool::Create({.workers = 1, .plugins = {PluginPath("tasks"), PluginPath("c_plugin")}});
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_EQ(*GetOrDie<uint64_t(uint64_t)>(*both, "increment").Apply(1), 2u);
  EXPECT_EQ(*GetOrDie<uint64_t(uint64_t)>(*both, "square").Apply(3), 9u);
  const auto twice = Pool::Create({.workers = 1, .plugins = {PluginPath("tasks"), PluginPath("tasks")}});
  EXPECT_EQ(twice.status().code(), absl::StatusCode::kAlreadyExists);
}

}  // namespace
}  // namespace shoal
