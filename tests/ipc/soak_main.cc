// Producers and consumers that are killed at random, for as long as one likes:
//
//   bazel run -c opt //tests/ipc:soak -- --seconds=60 --seed=7

#include <stdio.h>
#include <stdlib.h>

#include <random>
#include <string_view>

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
  const shoal::tests::SoakReport report = shoal::tests::Soak(absl::Seconds(seconds), seed);
  printf("%s\n", report.InWords().c_str());
  return report.clean() ? 0 : 1;
}
