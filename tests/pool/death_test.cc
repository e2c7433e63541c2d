// Whatever a worker does, the others' tasks are unaffected, and its own end with a reason.

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shoal/pool/pool.h"
#include "shoal/sync/status.h"
#include "tests/pool/pool_fixture.h"

namespace shoal {
namespace {

using testing::AllOf;
using testing::HasSubstr;

using Act = std::string(std::string);

bool Exists(pid_t pid) { return kill(pid, 0) == 0; }

int EntriesOf(const char* folder) {
  int count = 0;
  DIR* const opened = opendir(folder);
  while (readdir(opened) != nullptr) ++count;
  closedir(opened);
  return count;
}

// One bad input among many: that one ends as `code` with all of `words`; every other is right.
void ExpectOneBad(const std::string& how, absl::StatusCode code, std::vector<std::string> words, PoolOptions options = {}) {
  SCOPED_TRACE(how);
  Pool pool = TasksPool(std::move(options));
  const auto act = GetOrDie<Act>(pool, "do");
  std::vector<std::string> inputs(50, "fine");
  inputs[20] = how;
  size_t index = 0;
  auto stream = act.IMap(inputs);
  for (const auto& result : stream) {
    if (index++ != 20) {
      EXPECT_TRUE(result.ok() && *result == "fine") << result.status();
      continue;
    }
    EXPECT_EQ(result.status().code(), code) << result.status();
    for (const std::string& word : words) EXPECT_THAT(std::string(result.status().message()), HasSubstr(word));
  }
  EXPECT_EQ(index, inputs.size());
  EXPECT_EQ(*act.Apply("after"), "after");
}

TEST(DeathTest, ATaskThatThrowsEndsWithTypeAndText) {
  ExpectOneBad("throw", absl::StatusCode::kUnknown, {"do threw std::runtime_error: it broke"});
  ExpectOneBad("throw odd", absl::StatusCode::kUnknown, {"Oddity"});
}

TEST(DeathTest, ATaskThatEndsItsProcessEndsWithHowAndTheLastAttempt) {
  ExpectOneBad("abort", absl::StatusCode::kUnavailable, {"was killed by SIGABRT", "while it ran do (attempt 2)"});
  ExpectOneBad("segv", absl::StatusCode::kUnavailable, {"was killed by SIGSEGV (Segmentation fault)"});
  ExpectOneBad("kill", absl::StatusCode::kUnavailable, {"was killed by SIGKILL"});
  ExpectOneBad("exit", absl::StatusCode::kUnavailable, {"exited with code 3"});
  ExpectOneBad("exit 0", absl::StatusCode::kUnavailable, {"exited with code 0"});
  ExpectOneBad("end thread", absl::StatusCode::kUnavailable, {"exited with code 70"});
  ExpectOneBad("abort", absl::StatusCode::kUnavailable, {"was killed by SIGABRT (Aborted) while it ran do"},
               {.max_retries = 0});
}

TEST(DeathTest, ATaskThatNeverReturnsEndsAtItsDeadline) {
  for (const char* how : {"hang", "spin", "block all"}) {
    ExpectOneBad(how, absl::StatusCode::kDeadlineExceeded, {"do did not return within its deadline of 300ms"},
                 {.task_timeout = absl::Milliseconds(300)});
  }
}

TEST(DeathTest, TheDeadlineCountsFromTheBeginningOfATaskNotFromItsSubmission) {
  Pool pool = TasksPool({.workers = 1, .task_timeout = absl::Seconds(10)});
  const auto act = GetOrDie<Act>(pool, "do");
  // A short deadline for the one that hangs: the tasks behind it wait that long and are fine.
  std::vector<Future<std::string>> behind;
  auto stream = act.IMap(std::vector<std::string>{"hang"}, {.timeout = absl::Milliseconds(200)});
  std::thread first([&] { EXPECT_EQ(stream.Next()->status().code(), absl::StatusCode::kDeadlineExceeded); });
  for (int i = 0; i < 20; ++i) behind.push_back(act.Submit("fine"));
  for (auto& future : behind) EXPECT_EQ(*future.Get(), "fine");
  first.join();
}

// The one in front has no deadline, the one behind it has; nothing else is waiting.
TEST(DeathTest, TheDeadlineOfATaskBehindOneWithoutIsKept) {
  Pool pool = TasksPool({.workers = 1});
  const auto act = GetOrDie<Act>(pool, "do");
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(act.Apply("fine").ok());  // short tasks: the next two go to the worker together
  const auto wait = GetOrDie<uint64_t(std::string, uint64_t)>(pool, "wait_for_file");
  const std::string go = FreshPath("go");
  auto front = wait.Submit(go, 1);
  auto stream = act.IMap(std::vector<std::string>{"hang"}, {.timeout = absl::Milliseconds(100)});
  std::thread opener([&] { close(open(go.c_str(), O_CREAT | O_WRONLY, 0600)); });
  EXPECT_EQ(stream.Next()->status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(*front.Get(), 1u);
  opener.join();
}

TEST(DeathTest, AChildThatATaskForksDisturbsNobody) {
  Pool pool = TasksPool();
  const auto act = GetOrDie<Act>(pool, "do");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(*act.Apply("fork"), "fork");
  EXPECT_EQ(*act.Map({"a", "b", "c"}), (std::vector<std::string>{"a", "b", "c"}));
}

TEST(DeathTest, TheTaskOfAKilledWorkerIsRunAgain) {
  Pool pool = TasksPool({.workers = 2});
  const auto wait = GetOrDie<uint64_t(std::string, uint64_t)>(pool, "wait_for_file");
  const std::string go = FreshPath("go");
  std::vector<Future<uint64_t>> futures;
  for (uint64_t n = 0; n < 10; ++n) futures.push_back(wait.Submit(go, n));
  const std::vector<pid_t> workers = pool.stats().workers;
  ASSERT_EQ(workers.size(), 2u);
  ASSERT_EQ(kill(workers[0], SIGKILL), 0);
  WaitUntil([&] { return pool.stats().worker_deaths == 1; });
  close(open(go.c_str(), O_CREAT | O_WRONLY, 0600));
  for (uint64_t n = 0; n < 10; ++n) EXPECT_EQ(*futures[n].Get(), n);
}

TEST(DeathTest, WithoutRetriesExactlyTheTaskItHadIsLost) {
  Pool pool = TasksPool({.workers = 1, .max_retries = 0});
  const std::string running = FreshPath("running");
  auto victim = GetOrDie<void(std::string)>(pool, "say_and_hang").Submit(running);
  const auto square = GetOrDie<uint64_t(uint64_t)>(pool, "square");
  std::vector<Future<uint64_t>> others;
  for (uint64_t n = 0; n < 100; ++n) others.push_back(square.Submit(n));
  WaitUntil([&] { return access(running.c_str(), F_OK) == 0; });
  const pid_t worker = pool.stats().workers.at(0);
  ASSERT_EQ(kill(worker, SIGKILL), 0);
  const absl::Status lost = victim.Get();
  EXPECT_EQ(lost.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(MadeByShoal(lost));
  EXPECT_THAT(std::string(lost.message()),
              AllOf(HasSubstr(absl::StrCat("worker ", worker)), HasSubstr("SIGKILL"), HasSubstr("say_and_hang")));
  for (uint64_t n = 0; n < 100; ++n) EXPECT_EQ(*others[n].Get(), n * n);
}

TEST(DeathTest, AnIdleWorkerThatIsKilledCostsNobodyATask) {
  Pool pool = TasksPool({.workers = 2, .max_retries = 0});
  const auto square = GetOrDie<uint64_t(uint64_t)>(pool, "square");
  for (int round = 0; round < 5; ++round) {
    WaitUntil([&] { return pool.stats().workers.size() == 2; });
    const auto before = pool.stats().worker_deaths;
    for (const pid_t worker : pool.stats().workers) kill(worker, SIGKILL);
    EXPECT_EQ(*square.Apply(5), 25u);
    WaitUntil([&] { return pool.stats().worker_deaths == before + 2; });
  }
}

TEST(DeathTest, ReplacementsFindThePluginAlsoFromAnotherFolder) {
  Pool pool = TasksPool({.workers = 1, .max_retries = 0});
  const auto act = GetOrDie<Act>(pool, "do");
  char before[4096];
  ASSERT_NE(getcwd(before, sizeof before), nullptr);
  ASSERT_EQ(chdir("/"), 0);
  EXPECT_EQ(act.Apply("abort").status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(*act.Apply("fine"), "fine");
  ASSERT_EQ(chdir(before), 0);
}

TEST(DeathTest, AStoppedWorkerIsReplacedAtTheDeadlineOfItsTask) {
  Pool pool = TasksPool({.workers = 1, .task_timeout = absl::Milliseconds(200)});
  const auto square = GetOrDie<uint64_t(uint64_t)>(pool, "square");
  ASSERT_EQ(*square.Apply(2), 4u);
  ASSERT_EQ(kill(pool.stats().workers.at(0), SIGSTOP), 0);
  EXPECT_EQ(*square.Apply(3), 9u) << "it had not begun: another worker runs it";
}

TEST(DeathTest, WhatAStoppedWorkerHasNotBegunGoesToAnother) {
  Pool pool = TasksPool({.workers = 2, .max_tasks_per_worker = 10});
  const auto square = GetOrDie<uint64_t(uint64_t)>(pool, "square");
  WaitUntil([&] { return pool.stats().workers.size() == 2 && square.Map({1, 2, 3, 4}).ok(); });
  const pid_t stopped = pool.stats().workers.at(0);
  ASSERT_EQ(kill(stopped, SIGSTOP), 0);
  for (uint64_t n = 0; n < 100; ++n)
    ASSERT_EQ(*square.Map({n, n + 1, n + 2}), (std::vector<uint64_t>{n * n, (n + 1) * (n + 1), (n + 2) * (n + 2)}));
  ASSERT_EQ(kill(stopped, SIGCONT), 0);
  // It goes on as if nothing had been, and is retired in its turn.
  WaitUntil([&] {
    EXPECT_TRUE(square.Apply(1).ok());
    const std::vector<pid_t> now = pool.stats().workers;
    return std::find(now.begin(), now.end(), stopped) == now.end();
  });
}

// Property: with enough retries, random SIGKILLs change no result and lose none.
TEST(DeathTest, WorkersKilledAtRandomChangeNoResult) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  Pool pool = TasksPool({.workers = 3, .max_retries = 1000});
  const auto square = GetOrDie<uint64_t(uint64_t)>(pool, "square");
  const std::jthread killer([&](const std::stop_token& done) {
    while (!done.stop_requested()) {
      const std::vector<pid_t> workers = pool.stats().workers;
      if (!workers.empty()) kill(workers[random() % workers.size()], SIGKILL);
      for (unsigned pause = random() % 4000; pause > 0 && !done.stop_requested(); --pause) sched_yield();
    }
  });
  std::vector<uint64_t> inputs(20'000);
  for (uint64_t i = 0; i < inputs.size(); ++i) inputs[i] = i;
  for (int round = 0; round < 5; ++round) {
    const auto results = square.Map(inputs);
    ASSERT_TRUE(results.ok()) << results.status();
    for (const uint64_t n : inputs) ASSERT_EQ((*results)[n], n * n);
  }
  EXPECT_GT(pool.stats().worker_deaths, 0u);
}

TEST(DeathTest, NothingIsLeftBehindByAPool) {
  const int descriptors = EntriesOf("/proc/self/fd");
  const int threads = EntriesOf("/proc/self/task");
  std::vector<pid_t> workers;
  for (const bool terminate : {false, true}) {
    Pool pool = TasksPool({.workers = 3, .max_retries = 0});
    workers = pool.stats().workers;
    const auto act = GetOrDie<Act>(pool, "do");
    EXPECT_FALSE(act.Apply("abort").ok());
    EXPECT_EQ(*act.Apply("fine"), "fine");
    if (terminate) {
      auto future = act.Submit("hang");
      EXPECT_TRUE(pool.Terminate().ok());
      EXPECT_FALSE(future.Get().ok());
    }
  }
  for (const pid_t worker : workers) EXPECT_FALSE(Exists(worker));
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "no zombie";
  EXPECT_EQ(EntriesOf("/proc/self/fd"), descriptors);
  EXPECT_EQ(EntriesOf("/proc/self/task"), threads);
}

void ExpectNoPool(const std::string& plugin, absl::StatusCode code, const std::string& words, PoolOptions options = {}) {
  SCOPED_TRACE(plugin);
  options.workers = 2;
  options.plugins = {plugin};
  const auto pool = Pool::Create(std::move(options));
  EXPECT_EQ(pool.status().code(), code) << pool.status();
  EXPECT_TRUE(MadeByShoal(pool.status()));
  EXPECT_THAT(std::string(pool.status().message()), HasSubstr(words));
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "no process is left";
}

TEST(DeathTest, WhatCannotBeLoadedIsSaidInOneSentence) {
  ExpectNoPool("/nonexistent.so", absl::StatusCode::kNotFound, "/nonexistent.so: No such file");
  ExpectNoPool("/etc/passwd", absl::StatusCode::kFailedPrecondition, "/etc/passwd is not a shoal plug-in");
  ExpectNoPool("/", absl::StatusCode::kFailedPrecondition, "it is not a regular file");
  ExpectNoPool(PluginPath("other_abi"), absl::StatusCode::kFailedPrecondition, "was built for version 42");
  ExpectNoPool(PluginPath("no_entry"), absl::StatusCode::kFailedPrecondition, "without a SHOAL_PLUGIN block");
  ExpectNoPool(PluginPath("takes_a_name_twice"), absl::StatusCode::kFailedPrecondition, "\"one\": the name is taken");
  ExpectNoPool(PluginPath("has_a_recursive_type"), absl::StatusCode::kFailedPrecondition, "contains itself");
  ExpectNoPool(PluginPath("throws"), absl::StatusCode::kFailedPrecondition, "threw: no licence");
  ExpectNoPool(PluginPath("crashes"), absl::StatusCode::kUnavailable, "was killed by SIGABRT (Aborted) while it loaded");
  ExpectNoPool(PluginPath("tasks"), absl::StatusCode::kFailedPrecondition, "no database",
               {.initializer = "fail_to_initialise"});
  ExpectNoPool(PluginPath("tasks"), absl::StatusCode::kNotFound, "no plug-in has the initializer",
               {.initializer = "no_such"});
  ExpectNoPool(PluginPath("tasks"), absl::StatusCode::kFailedPrecondition, "must not take arguments",
               {.initializer = "square"});
}

// A program with a pool, in a process of its own: prints its workers' pids and keeps them busy until it is killed.
[[noreturn]] void HoldAPool(int report) {
  Pool pool = TasksPool({.workers = 3});
  const auto act = GetOrDie<Act>(pool, "do");
  std::vector<Future<std::string>> futures;
  for (const char* how : {"spin", "hang", "block all", "fine"}) futures.push_back(act.Submit(how));
  WaitUntil([&] { return pool.stats().workers.size() == 3; });
  for (const pid_t worker : pool.stats().workers) {
    if (write(report, &worker, sizeof worker) != sizeof worker) abort();
  }
  for (;;) pause();
}

TEST(DeathTest, NoWorkerOutlivesItsParentWhateverItIsDoing) {
  int report[2];
  ASSERT_EQ(pipe2(report, O_CLOEXEC), 0);
  const pid_t holder = fork();
  if (holder == 0) HoldAPool(report[1]);
  std::vector<int> workers;
  for (int i = 0; i < 3; ++i) {
    pid_t pid = 0;
    ASSERT_EQ(read(report[0], &pid, sizeof pid), static_cast<ssize_t>(sizeof pid));
    workers.push_back(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    ASSERT_GE(workers.back(), 0);
  }
  ASSERT_EQ(kill(holder, SIGKILL), 0);
  const absl::Time killed = absl::Now();
  ASSERT_EQ(waitpid(holder, nullptr, 0), holder);
  for (const int worker : workers) {
    struct pollfd ended = {.fd = worker, .events = POLLIN, .revents = 0};
    ASSERT_EQ(poll(&ended, 1, 10'000), 1) << "watchdog";
    close(worker);
  }
  EXPECT_LT(absl::Now() - killed, absl::Seconds(1));
  close(report[0]);
  close(report[1]);
}

}  // namespace
}  // namespace shoal
