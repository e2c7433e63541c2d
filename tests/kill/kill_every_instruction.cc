// Kills a process at every instruction of every registered operation and prints a table; all zeros is the promise.
//
//   bazel run -c opt //tests:kill_every_instruction -- --all            every operation at every instruction
//   bazel run -c opt //tests:kill_every_instruction -- --group=sync     those of one row of all_operations.cc
//   bazel run -c opt //tests:kill_every_instruction -- --only=Barrier   those whose name contains it
//   bazel run -c opt //tests:kill_every_instruction -- --sample=50 --seed=7
//   bazel run -c opt //tests:kill_every_instruction -- --broken         what must fail: peers, and protections switched off
//
// Operations run side by side, as many at once as --jobs= says (2).

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shoal/sync/check.h"
#include "shoal/tests/kill/all_operations.h"
#include "shoal/tests/kill/driver.h"

namespace shoal::tests {
namespace {

// What a worker process hands back.
struct Handed {
  bool finished;
  int64_t points, hangs, lost, half_done, leaked;
  char first_failure[96];
};

std::vector<Tally> RunSideBySide(const std::vector<Operation>& operations, const Points& points, int jobs) {
  const size_t size_bytes = sizeof(Handed) * (operations.size() + 1);
  void* const memory = mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  SHOAL_CHECK(memory != MAP_FAILED, "the driver needs shared memory");
  auto* const handed = static_cast<Handed*>(memory);
  int running = 0;
  for (size_t i = 0; i < operations.size(); ++i) {
    if (running == jobs) {
      wait(nullptr);
      --running;
    }
    if (fork() == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      const Tally tally = KillAtEveryInstruction(operations[i], points);
      handed[i] = {.finished = true,
                   .points = tally.points,
                   .hangs = tally.hangs,
                   .lost = tally.lost,
                   .half_done = tally.half_done,
                   .leaked = tally.leaked,
                   .first_failure = {}};
      snprintf(handed[i].first_failure, sizeof(handed[i].first_failure), "%s", tally.first_failure.c_str());
      fprintf(stderr, "%s: %ld\n", tally.name.c_str(), tally.points);
      _exit(0);
    }
    ++running;
  }
  while (running-- > 0) wait(nullptr);
  std::vector<Tally> tallies;
  for (size_t i = 0; i < operations.size(); ++i) {
    const Handed& counts = handed[i];
    tallies.push_back({.name = operations[i].name,
                       .points = counts.points,
                       .hangs = counts.hangs,
                       .lost = counts.lost,
                       .half_done = counts.half_done,
                       .leaked = counts.leaked,
                       .first_failure = counts.first_failure});
    if (!counts.finished) {
      tallies.back().hangs = 1;
      tallies.back().first_failure = "the worker that ran it died";
    }
  }
  return tallies;
}

}  // namespace
}  // namespace shoal::tests

int main(int argc, char** argv) {
  using namespace shoal::tests;  // NOLINT: a main function
  Points points{.sample = 20, .seed = std::random_device()()};
  std::string_view group;
  std::string_view only;
  bool broken = false;
  int jobs = 2;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--all") {
      points.sample = 0;
    } else if (argument == "--broken") {
      broken = true;
    } else if (argument.substr(0, 8) == "--group=") {
      group = argument.substr(8);
    } else if (argument.substr(0, 7) == "--jobs=") {
      jobs = std::max(1, atoi(argv[i] + 7));
    } else if (argument.substr(0, 7) == "--only=") {
      only = argument.substr(7);
    } else if (argument.substr(0, 9) == "--sample=") {
      points.sample = atoll(argv[i] + 9);
    } else if (argument.substr(0, 7) == "--seed=") {
      points.seed = strtoull(argv[i] + 7, nullptr, 10);
    } else {
      fprintf(stderr, "unknown argument %s\n", argv[i]);
      return 2;
    }
  }
  printf("seed %lu\n", points.seed);
  fflush(stdout);
  std::vector<Operation> operations;
  for (const OperationGroup& of : AllOperations()) {
    const OperationGroup::Make make = broken ? of.broken : of.operations;
    if (make == nullptr || (!group.empty() && of.name != group)) continue;
    for (Operation& operation : make()) {
      if (operation.name.find(only) != std::string::npos) operations.push_back(std::move(operation));
    }
  }
  const std::vector<Tally> tallies = RunSideBySide(operations, points, jobs);
  fputs(Table(tallies).c_str(), stdout);
  const bool as_they_should =
      std::all_of(tallies.begin(), tallies.end(), [&](const Tally& tally) { return tally.clean() != broken; });
  return as_they_should ? 0 : 1;
}
