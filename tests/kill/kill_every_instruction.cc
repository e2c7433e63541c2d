// Kills a process at every instruction of every registered operation and prints a table; all zeros is the promise.
//
//   bazel run -c opt //tests:kill_every_instruction -- --all            every operation at every instruction
//   bazel run -c opt //tests:kill_every_instruction -- --only=Barrier   those whose name contains it
//   bazel run -c opt //tests:kill_every_instruction -- --sample=50 --seed=7
//   bazel run -c opt //tests:kill_every_instruction -- --hanging        what must hang: peers, and protections switched off

#include <stdio.h>
#include <stdlib.h>

#include <random>
#include <string_view>
#include <vector>

#include "shoal/tests/kill/driver.h"
#include "shoal/tests/kill/sync_operations.h"

int main(int argc, char** argv) {
  using namespace shoal::tests;  // NOLINT: a main function
  Points points{.sample = 20, .seed = std::random_device()()};
  std::string_view only;
  bool hanging = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--all") {
      points.sample = 0;
    } else if (argument == "--hanging") {
      hanging = true;
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
  bool clean = true;
  std::vector<Tally> tallies;
  for (const Operation& operation : hanging ? SyncOperationsThatHang() : SyncOperations()) {
    if (operation.name.find(only) == std::string::npos) continue;
    tallies.push_back(KillAtEveryInstruction(operation, points));
    clean = clean && tallies.back().clean();
    fprintf(stderr, "%s: %ld\n", tallies.back().name.c_str(), tallies.back().points);
  }
  fputs(Table(tallies).c_str(), stdout);
  return clean != hanging ? 0 : 1;
}
