// Kills a process at every instruction of every registered operation and prints a table; all zeros is the promise.
//
//   bazel run -c opt //tests:kill_every_instruction -- --all            every operation at every instruction
//   bazel run -c opt //tests:kill_every_instruction -- --group=sync     those of one row of all_operations.cc
//   bazel run -c opt //tests:kill_every_instruction -- --only=Barrier   those whose name contains it
//   bazel run -c opt //tests:kill_every_instruction -- --sample=50 --seed=7
//   bazel run -c opt //tests:kill_every_instruction -- --broken         what must fail: peers, and protections switched off
//
// Operations run side by side, as many at once as --jobs= says (2).

#include <stdio.h>
#include <stdlib.h>

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shoal/tests/kill/all_operations.h"
#include "shoal/tests/kill/driver.h"
#include "shoal/tests/kill/stepping.h"

int main(int argc, char** argv) {
  using namespace shoal::tests;  // NOLINT: a main function
  UsePlainStringInstructions(argv);
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
      broken = points.until_found = true;
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
  const std::vector<Tally> tallies = KillSideBySide(operations, points, jobs, [](const Tally& tally) {
    fprintf(stderr, "%s: %ld\n", tally.name.c_str(), tally.points);
  });
  fputs(Table(tallies).c_str(), stdout);
  const bool as_they_should =
      std::all_of(tallies.begin(), tallies.end(), [&](const Tally& tally) { return tally.clean() != broken; });
  return as_they_should ? 0 : 1;
}
