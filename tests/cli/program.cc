#include "shoal/tests/cli/program.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

namespace shoal::cli_tests {
namespace {

using shm_internal::UniqueFd;

std::pair<UniqueFd, UniqueFd> Pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) std::abort();
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// Under the sanitizers a crash must still be the crash it is, and memory be given back.
constexpr char kSanitizerOptions[] =
    "handle_segv=0:handle_abort=0:detect_leaks=0:quarantine_size_mb=1:abort_on_error=1:allocator_may_return_null=1";

// Where programs have their temporary files: the current test's folder.
std::string& TemporaryOfPrograms() {
  static std::string folder;
  return folder;
}

std::vector<std::string> Environment(const std::vector<std::string>& additions) {
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    if (text.starts_with("ASAN_OPTIONS=") || text.starts_with("BUILD_WORKING_DIRECTORY=") || text.starts_with("TMPDIR=")) {
      continue;
    }
    environment.emplace_back(text);
  }
  environment.push_back("TMPDIR=" + TemporaryOfPrograms());
  environment.push_back(std::string("ASAN_OPTIONS=") + kSanitizerOptions);
  environment.insert(environment.end(), additions.begin(), additions.end());
  return environment;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::string Slurp(const std::string& path) {
  std::ostringstream content;
  content << std::ifstream(path).rdbuf();
  return content.str();
}

std::vector<std::string> NamedSharedMemory() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator("/dev/shm")) {
    // Others on this machine have theirs.
    if (entry.path().filename().string().find("shoal") != std::string::npos) names.push_back(entry.path());
  }
  return names;
}

}  // namespace

Program::Program(const std::vector<std::string>& arguments) : Program(arguments, Options()) {}

Program::Program(const std::vector<std::string>& arguments, const Options& options) {
  UniqueFd child_in;
  UniqueFd child_out;
  if (options.in < 0) std::tie(child_in, in_) = Pipe();
  if (options.out < 0) std::tie(out_, child_out) = Pipe();
  if (options.err < 0) err_ = FileWith("");

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, options.in < 0 ? child_in.get() : options.in, 0);
  posix_spawn_file_actions_adddup2(&actions, options.out < 0 ? child_out.get() : options.out, 1);
  posix_spawn_file_actions_adddup2(&actions, options.err < 0 ? err_.get() : options.err, 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  sigset_t ordinary;
  sigfillset(&ordinary);
  if (options.ignores_interrupt) {
    signal(SIGINT, SIG_IGN);  // inherited
    sigdelset(&ordinary, SIGINT);
  }
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &ordinary);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);

  std::vector<std::string> argv = arguments;
  std::vector<std::string> environment = Environment(options.environment);
  const int error =
      posix_spawnp(&pid_, argv[0].c_str(), &actions, &attributes, Pointers(argv).data(), Pointers(environment).data());
  EXPECT_EQ(error, 0) << argv[0];
  if (options.ignores_interrupt) signal(SIGINT, SIG_DFL);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
}

Program::~Program() {
  if (ended_) return;
  Signal(SIGKILL);
  waitpid(pid_, nullptr, 0);
}

std::vector<pid_t> Program::Workers() const {
  std::vector<pid_t> workers;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string status = Slurp(entry.path() / "status");  // empty if it has just ended
    if (status.starts_with("Name:\tshoal-worker\n") &&
        status.find("\nPPid:\t" + std::to_string(pid_) + "\n") != std::string::npos) {
      workers.push_back(std::stoi(name));
    }
  }
  return workers;
}

void Program::Signal(int signal) const { kill(-pid_, signal); }
void Program::Kill() const { kill(pid_, SIGKILL); }

void Program::Write(std::string_view text) const {
  while (!text.empty()) {
    const ssize_t written = write(in_.get(), text.data(), text.size());
    ASSERT_GT(written, 0);
    text.remove_prefix(static_cast<size_t>(written));
  }
}

std::string Program::ReadLine() {
  for (;;) {
    if (const size_t newline = read_ahead_.find('\n'); newline != std::string::npos) {
      std::string line = read_ahead_.substr(0, newline);
      read_ahead_.erase(0, newline + 1);
      return line;
    }
    char block[65536];
    const ssize_t size = read(out_.get(), block, sizeof block);
    if (size <= 0) return "";
    read_ahead_.append(block, static_cast<size_t>(size));
  }
}

Ended Program::Wait() {
  in_.reset();
  Ended result{.code = 0, .out = std::move(read_ahead_), .err = {}};
  char block[65536];
  ssize_t size;
  while (out_.valid() && (size = read(out_.get(), block, sizeof block)) > 0)
    result.out.append(block, static_cast<size_t>(size));
  int status = 0;
  EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
  ended_ = true;
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  if (err_.valid()) result.err = ContentOf(err_.get());
  return result;
}

Ended RunProgram(const std::vector<std::string>& arguments, std::string_view input) {
  return RunProgram(arguments, input, {});
}

Ended RunProgram(const std::vector<std::string>& arguments, std::string_view input,
                 const std::vector<std::string>& environment) {
  const UniqueFd in = FileWith(input);
  Program program(arguments, {.in = in.get(), .environment = environment});
  return program.Wait();
}

shm_internal::UniqueFd FileWith(std::string_view content) {
  UniqueFd file(memfd_create("test", MFD_CLOEXEC));
  EXPECT_EQ(write(file.get(), content.data(), content.size()), static_cast<ssize_t>(content.size()));
  lseek(file.get(), 0, SEEK_SET);
  return file;
}

std::string ContentOf(int fd) {
  std::string content;
  char block[65536];
  ssize_t size;
  while ((size = pread(fd, block, sizeof block, static_cast<off_t>(content.size()))) > 0) {
    content.append(block, static_cast<size_t>(size));
  }
  return content;
}

void WaitUntil(const std::function<bool()>& it_is_so) {
  while (!it_is_so()) sched_yield();
}

pid_t WaitForPid(const std::string& path) {
  std::string content;
  WaitUntil([&] {
    content = Slurp(path);
    return content.ends_with('\n');
  });
  return std::stoi(content);
}

ProgramTest::ProgramTest() {
  prctl(PR_SET_CHILD_SUBREAPER, 1);  // what a program leaves behind becomes ours
  signal(SIGPIPE, SIG_IGN);
  for (std::string* const folder : {&folder_, &temporary_}) {
    std::string pattern = testing::TempDir() + "/shoal.XXXXXX";
    EXPECT_NE(mkdtemp(pattern.data()), nullptr) << pattern;
    *folder = pattern;
  }
  TemporaryOfPrograms() = temporary_;
}

ProgramTest::~ProgramTest() {
  siginfo_t info{};
  EXPECT_TRUE(waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 && errno == ECHILD) << "a process was left behind";
  EXPECT_EQ(NamedSharedMemory(), std::vector<std::string>());
  EXPECT_TRUE(std::filesystem::is_empty(temporary_));
  std::filesystem::remove_all(temporary_);
  std::filesystem::remove_all(folder_);
}

void ProgramTest::WaitForOrphans() {
  while (wait(nullptr) > 0 || errno != ECHILD) {
  }
}

}  // namespace shoal::cli_tests
