#include "shoal/bench/compare/cpython.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "shoal/shm/unique_fd.h"
#include "shoal/sync/status.h"

namespace shoal::bench {
namespace {

using shm_internal::UniqueFd;
using sync_internal::ErrnoStatus;
using sync_internal::MakeStatus;

// Debian's, and no other that happens to come first in PATH: numbers of different days should be about the same program.
constexpr char kInterpreter[] = "/usr/bin/python3";

}  // namespace

absl::StatusOr<CPython> CPython::Start(const std::string& script) {
  CPython python;
  SHOAL_RETURN_IF_ERROR(python.Spawn(script));
  SHOAL_ASSIGN_OR_RETURN(python.version_, python.ReadLine());
  return python;
}

absl::Status CPython::Spawn(const std::string& script) {
  std::array<int, 2> requests;
  std::array<int, 2> answers;
  if (pipe2(requests.data(), O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe2");
  const UniqueFd its_input(requests[0]);
  requests_.reset(fdopen(requests[1], "w"));
  if (pipe2(answers.data(), O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe2");
  answers_.reset(fdopen(answers[0], "r"));
  const UniqueFd its_output(answers[1]);  // closed here when it has its own: else its end would go unnoticed

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, its_input.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, its_output.get(), STDOUT_FILENO);
  std::string interpreter = kInterpreter;
  std::string path = script;
  std::array<char*, 3> argv = {interpreter.data(), path.data(), nullptr};
  const int error = posix_spawn(&pid_, kInterpreter, &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error == 0) return absl::OkStatus();
  pid_ = -1;
  return ErrnoStatus(error, absl::StrCat("cannot run ", kInterpreter));
}

CPython::CPython(CPython&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      requests_(std::move(other.requests_)),
      answers_(std::move(other.answers_)),
      version_(std::move(other.version_)) {}

CPython::~CPython() {
  if (pid_ < 0) return;
  requests_.reset();  // it ends at the end of its input
  waitpid(pid_, nullptr, 0);
}

absl::StatusOr<std::string> CPython::ReadLine() {
  std::array<char, 256> line;
  if (fgets(line.data(), line.size(), answers_.get()) == nullptr) {
    return MakeStatus(absl::StatusCode::kUnavailable, "the Python program ended; its message is above");
  }
  return std::string(absl::StripSuffix(line.data(), "\n"));
}

absl::StatusOr<std::vector<double>> CPython::MeasureAll(std::string_view work, size_t items) {
  fprintf(requests_.get(), "%.*s %zu\n", static_cast<int>(work.size()), work.data(), items);
  fflush(requests_.get());
  SHOAL_ASSIGN_OR_RETURN(const std::string line, ReadLine());
  std::vector<double> seconds;
  for (const absl::string_view number : absl::StrSplit(line, ' ')) {
    if (!absl::SimpleAtod(number, &seconds.emplace_back())) {
      return MakeStatus(absl::StatusCode::kUnavailable, absl::StrCat("the Python program said: ", line));
    }
  }
  return seconds;
}

absl::StatusOr<double> CPython::Measure(std::string_view work, size_t items) {
  SHOAL_ASSIGN_OR_RETURN(const std::vector<double> seconds, MeasureAll(work, items));
  return seconds[0];
}

}  // namespace shoal::bench
