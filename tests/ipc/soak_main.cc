// Producers and consumers that are killed and stopped at random, for as long as one likes, one kind of queue after the other:
//
//   bazel run -c opt //tests/ipc:soak -- --seconds=60 --seed=7

#include <stdio.h>
#include <stdlib.h>

#include <iterator>
#include <random>
#include <string_view>
#include <utility>

#include "absl/time/time.h"
#include "shoal/tests/ipc/soak.h"

int main(int argc, char** argv) {
  int seconds = 10;
  uint64_t seed = std::random_device()();
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with("--seconds=")) {
      seconds = atoi(argv[i] + 10);
    } else if (argument.starts_with("--seed=")) {
      seed = strtoull(argv[i] + 7, nullptr, 10);
    } else {
      fprintf(stderr, "usage: soak [--seconds=N] [--seed=N]\n");
      return 2;
    }
  }
  printf("seed %lu\n", seed);
  fflush(stdout);
  using shoal::tests::SoakKind;
  constexpr std::pair<const char*, shoal::tests::SoakPlan> kRuns[] = {{"Queue", {SoakKind::kQueue}},
                                                                      {"JoinableQueue", {SoakKind::kJoinable}},
                                                                      {"SimpleQueue", {SoakKind::kSimple}},
                                                                      {"Queue, stopped only", {SoakKind::kQueue, false}}};
  bool clean = true;
  for (const auto& [name, plan] : kRuns) {
    const shoal::tests::SoakReport report = shoal::tests::Soak(plan, absl::Seconds(seconds) / std::size(kRuns), seed);
    printf("%s: %s\n", name, report.InWords().c_str());
    fflush(stdout);
    clean = clean && report.clean();
  }
  return clean ? 0 : 1;
}
