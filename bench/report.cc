// Numbers beside those of others, measured in one run, printed as ratios:
//
//   bazel run -c opt //bench:report -- pool
//
// A new subject is a row of kSubjects.

#include <stdio.h>
#include <stdlib.h>

#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/bench/ipc_subject.h"
#include "shoal/bench/measure.h"
#include "shoal/bench/pool_subject.h"
#include "shoal/bench/shm_subject.h"
#include "shoal/bench/sync_subject.h"
#include "shoal/bench/table.h"

namespace shoal::bench {
namespace {

struct Subject {
  std::string_view name;
  const char* what;
  absl::StatusOr<std::vector<Row>> (*measure)(const Settings&);
};

constexpr Subject kSubjects[] = {
    {.name = "sync", .what = "locks and other primitives, between processes", .measure = MeasureSync},
    {.name = "shm", .what = "memory that processes share: heap, sections, containers", .measure = MeasureShm},
    {.name = "ipc", .what = "values between processes: queues", .measure = MeasureIpc},
    {.name = "pool", .what = "tasks and their results, by worker processes", .measure = MeasurePool},
};
constexpr std::string_view kAll = "all";

int Usage() {
  fprintf(stderr,
          "usage: report SUBJECT [--rounds=N] [--only=TEXT] [--quick]\n"
          "  --rounds=N  at least 1; the default is 7\n"
          "  --only=TEXT works whose name contains it\n"
          "  --quick     few items and one round: shows that everything runs, not how fast\n"
          "subjects:\n"
          "  all         one after the other\n");
  for (const Subject& subject : kSubjects) fprintf(stderr, "  %-10s  %s\n", subject.name.data(), subject.what);
  return 2;
}

bool Known(std::string_view name) {
  if (name == kAll) return true;
  for (const Subject& subject : kSubjects) {
    if (subject.name == name) return true;
  }
  return false;
}

int Main(int argc, char** argv) {
  constexpr std::string_view kRounds = "--rounds=";
  constexpr std::string_view kOnly = "--only=";
  Settings settings;
  std::optional<std::string_view> wanted;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--quick") {
      settings.quick = true;
    } else if (argument.starts_with(kRounds) && atoi(argv[i] + kRounds.size()) > 0) {
      settings.rounds = atoi(argv[i] + kRounds.size());
    } else if (argument.starts_with(kOnly)) {
      settings.only = argument.substr(kOnly.size());
    } else if (!wanted.has_value() && !argument.starts_with("-")) {
      wanted = argument;
    } else {
      fprintf(stderr, "report: what does \"%s\" mean?\n", argv[i]);
      return Usage();
    }
  }
  if (!wanted.has_value()) {
    fprintf(stderr, "report: about which subject?\n");
    return Usage();
  }
  if (!Known(*wanted)) {
    fprintf(stderr, "report: no subject \"%s\"\n", wanted->data());
    return Usage();
  }

  printf("%s", FormatCircumstances(settings).c_str());
  for (const Subject& subject : kSubjects) {
    if (*wanted != kAll && *wanted != subject.name) continue;
    printf("\n%s: %s\n\n", subject.name.data(), subject.what);
    fflush(stdout);
    const absl::StatusOr<std::vector<Row>> rows = subject.measure(settings);
    if (!rows.ok()) {
      fprintf(stderr, "report: %s\n", rows.status().ToString().c_str());
      return 1;
    }
    printf("%s", FormatTable(*rows).c_str());
  }
  return 0;
}

}  // namespace
}  // namespace shoal::bench

int main(int argc, char** argv) { return shoal::bench::Main(argc, argv); }
