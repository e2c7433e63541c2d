// The command line program: subcommands and their options. What they do is in the files named after them.

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/cli/functions_command.h"
#include "shoal/cli/map_command.h"

namespace shoal::cli_internal {
namespace {

constexpr char kVersion[] = "shoal 0.1.0";
constexpr int kUnusable = 2;  // exit code: wrong usage, no plug-in, no input

constexpr char kExamples[] = R"(
Examples:
  shoal functions primes.so             what the plug-in primes.so offers
  seq 1000 | shoal map primes.so is_prime
  shoal map --help                      how lines become calls

Exit codes:
  0  everything went well        2  wrong usage, no plug-in, no input
  1  some calls failed           128 + n  ended by signal n (130: Ctrl-C))";

constexpr char kFunctionsExamples[] = R"(
Example:
  $ shoal functions primes.so
  is_prime(uint64) -> bool
      Whether n is prime.)";

constexpr char kMapHelp[] = R"(
Lines:
  Each line of the input that is not blank is the JSON argument of one call; an
  array of the arguments if the function takes several, [] if it takes none.
  (An array of just the argument will also do, unless it may be an array.)

  numbers, bool, string      as JSON has them; a value out of its type's range
                             is an error, and so is 3.0 for an integer
  vector, array, tuple, pair an array
  struct                     an array of its fields, in order
  map                        an object; if the keys are no strings, an array of
                             [key, value] pairs
  optional                   null or the value

Results:
  One line each, in the order of the input: the JSON of the result, null for a
  function that returns nothing. A call that failed has the line
  {"error": "...", "index": 7}, where 7 counts the calls from 0; the others go on.
  With --unordered the lines come as the calls end:
  {"index": 7, "result": ...} or {"index": 7, "error": "..."}.
  What the function prints goes to standard error.

Examples:
  seq 1000 | shoal map primes.so is_prime
  shoal map primes.so is_prime numbers.txt more.txt
  find . -type f -printf '"%p"\n' | shoal map words.so count --unordered
  shoal map thumbs.so shrink list.jsonl --timeout 10 --retries 0 > done.jsonl)";

// The standard descriptors that are closed must not become those of the first files we open. Opened the wrong way round, their
// use still fails.
void FillStandardDescriptors() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (fcntl(fd, F_GETFD) < 0) [[maybe_unused]]
      const int filled = open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
  }
}

// Paths are the caller's, also where `bazel run` starts us in a folder of its own.
bool GoWhereTheCallerIs() {
  const char* const folder = std::getenv("BUILD_WORKING_DIRECTORY");
  if (folder == nullptr || chdir(folder) == 0) return true;
  std::fprintf(stderr, "shoal: cannot go to the folder BUILD_WORKING_DIRECTORY, %s: %s\n", folder, strerrordesc_np(errno));
  return false;
}

int Complain(const absl::Status& status) {
  std::fprintf(stderr, "shoal: %s\n", std::string(status.message()).c_str());
  return kUnusable;
}

int RunFunctions(const std::string& plugin) {
  const absl::StatusOr<std::string> list = ListFunctions(plugin);
  if (!list.ok()) return Complain(list.status());
  if (std::fputs(list->c_str(), stdout) >= 0 && std::fflush(stdout) == 0) return 0;
  return Complain(absl::UnavailableError("cannot write the list"));
}

int RunMap(const MapArguments& arguments) {
  const absl::StatusOr<int> code = Map(arguments);
  return code.ok() ? *code : Complain(code.status());
}

// A range that does not clutter the help.
template <class T>
CLI::Validator Between(T least, T most) {
  return CLI::Range(least, most).description("");
}

void AddMapOptions(CLI::App& map, MapArguments& arguments, double& timeout_seconds, bool& unordered) {
  constexpr int kMost = std::numeric_limits<int>::max();
  map.add_option("PLUGIN", arguments.plugin, "the plug-in, a shared library")->required();
  map.add_option("FUNCTION", arguments.function, "one of its functions")->required();
  map.add_option("FILE", arguments.files, "files of lines; - or none: standard input");
  map.add_option("--workers", arguments.workers, "worker processes (default: one per CPU)")
      ->check(Between(1, 1024))
      ->type_name("N");
  map.add_flag("--unordered", unordered, "print results as they come, with their index");
  map.add_option("--retries", arguments.retries, "how often a call is run again when its worker died (default: 1)")
      ->check(Between(0, kMost))
      ->type_name("N");
  map.add_option("--timeout", timeout_seconds, "how long one call may take (default: for ever)")
      ->check(Between(1e-3, 1e9))
      ->type_name("SECONDS");
  map.add_option("--chunk", arguments.chunk, "calls that go to a worker together (default: as it fits)")
      ->check(Between(1, 100'000))
      ->type_name("N");
}

int Main(int argc, char** argv) {
  FillStandardDescriptors();
  CLI::App app("Runs the functions of a plug-in in worker processes, once per line of input.", "shoal");
  app.set_version_flag("--version", kVersion);
  app.footer(kExamples);
  app.require_subcommand(1);

  std::string plugin;
  CLI::App* const functions = app.add_subcommand("functions", "List name, signature and help of a plug-in's functions.");
  functions->add_option("PLUGIN", plugin, "the plug-in, a shared library")->required();
  functions->footer(kFunctionsExamples);

  MapArguments arguments;
  double timeout_seconds = 0;
  bool unordered = false;
  CLI::App* const map = app.add_subcommand("map", "Call a function once per line of the input, in parallel.");
  AddMapOptions(*map, arguments, timeout_seconds, unordered);
  map->footer(kMapHelp);

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help_or_version) {
    return app.exit(help_or_version);
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "shoal: %s (shoal --help tells more)\n", error.what());
    return kUnusable;
  }
  if (!GoWhereTheCallerIs()) return kUnusable;
  if (functions->parsed()) return RunFunctions(plugin);
  arguments.ordered = !unordered;
  if (timeout_seconds > 0) arguments.timeout = absl::Seconds(timeout_seconds);
  return RunMap(arguments);
}

}  // namespace
}  // namespace shoal::cli_internal

int main(int argc, char** argv) { return shoal::cli_internal::Main(argc, argv); }
