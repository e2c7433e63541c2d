// The bank for as long as one likes:
//
//   bazel run -c opt //tests/shm:bank -- --seconds=60 [--seed=N]

#include <stdlib.h>

#include <cstdio>
#include <random>
#include <string_view>

#include "shoal/tests/shm/bank.h"

int main(int argc, char** argv) {
  shoal::tests::BankPlan plan{.seed = std::random_device()(), .seconds = 10};
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with("--seconds=")) {
      plan.seconds = atof(argv[i] + 10);
    } else if (argument.starts_with("--seed=")) {
      plan.seed = strtoull(argv[i] + 7, nullptr, 10);
    } else {
      fprintf(stderr, "usage: bank [--seconds=10] [--seed=N]\n");
      return 2;
    }
  }
  printf("seed %lu\n", plan.seed);
  fflush(stdout);
  const auto undisturbed = shoal::tests::RunBank({.seed = plan.seed});
  const auto report = shoal::tests::RunBank(plan);
  printf("%ld kills, %ld sections, %ld recoveries; %zu blocks of %zu bytes, undisturbed %zu of %zu\n", report.kills,
         report.sections, report.recoveries, report.owned_blocks, report.owned_bytes, undisturbed.owned_blocks,
         undisturbed.owned_bytes);
  const bool right = report.wrong.empty() && undisturbed.wrong.empty() && report.owned_blocks == undisturbed.owned_blocks &&
                     report.owned_bytes == undisturbed.owned_bytes;
  if (!right) printf("WRONG: %s%s\n", undisturbed.wrong.c_str(), report.wrong.c_str());
  puts(right ? "nothing is lost" : "something is lost");
  return right ? 0 : 1;
}
