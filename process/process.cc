#include "shoal/process/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shoal/process/exit_status.h"
#include "shoal/shm/inheritance.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/unique_fd.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/status.h"

namespace shoal {

using process_internal::ExitStatus;
using shm_internal::UniqueFd;
using sync_internal::Deadline;
using sync_internal::ErrnoStatus;
using sync_internal::MakeStatus;

namespace {

constexpr int kFirstInherited = 3;

// posix_spawn's two attribute objects, freed in any case.
class SpawnPlan {
 public:
  SpawnPlan() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }

  void Signals(bool blocks_interrupt) {
    sigset_t blocked;
    sigemptyset(&blocked);
    if (blocks_interrupt) sigaddset(&blocked, SIGINT);
    sigset_t all;
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &blocked);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }

  // The three standard descriptors are always open in the child, also where this process has closed its own: a child must
  // not find its first file as its standard output.
  void StandardDescriptors(bool output_to_stderr) {
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!IsOpen(STDERR_FILENO)) posix_spawn_file_actions_addopen(&actions_, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    if (output_to_stderr) {
      posix_spawn_file_actions_adddup2(&actions_, STDERR_FILENO, STDOUT_FILENO);
    } else if (!IsOpen(STDOUT_FILENO)) {
      posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    }
  }

  absl::Status Inherit(const std::vector<int>& descriptors) {
    const int end = kFirstInherited + static_cast<int>(descriptors.size());
    for (size_t i = 0; i < descriptors.size(); ++i) {
      // First out of the range of the targets: placing one must not overwrite another that is still to be placed.
      const int moved = fcntl(descriptors[i], F_DUPFD_CLOEXEC, end);
      if (moved < 0) return ErrnoStatus(errno, absl::StrCat("cannot hand descriptor ", descriptors[i], " to a child"));
      moved_.emplace_back(moved);
      posix_spawn_file_actions_adddup2(&actions_, moved, kFirstInherited + static_cast<int>(i));
    }
    posix_spawn_file_actions_addclosefrom_np(&actions_, end);
    return absl::OkStatus();
  }

  int Spawn(pid_t* pid, const std::string& program, char* const argv[], char* const environment[]) {
    return posix_spawn(pid, program.c_str(), &actions_, &attributes_, argv, environment);
  }

 private:
  static bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
  std::vector<UniqueFd> moved_;
};

// Ours, with `variable` ("NAME=VALUE") for whatever there was of that name; without it where that is empty.
std::vector<char*> EnvironmentWith(std::string& variable) {
  const std::string name = absl::StrCat(shm_internal::kInheritanceVariable, "=");
  std::vector<char*> environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    if (std::string_view(*entry).substr(0, name.size()) != name) environment.push_back(*entry);
  }
  if (!variable.empty()) environment.push_back(variable.data());
  environment.push_back(nullptr);
  return environment;
}

ExitStatus FromWait(const siginfo_t& info) {
  return {.kind = info.si_code == CLD_EXITED ? ExitStatus::Kind::kExited : ExitStatus::Kind::kSignalled,
          .value = info.si_status};
}

int PollTimeout(Deadline deadline) {
  if (deadline.infinite()) return -1;
  const int64_t left = std::max<int64_t>(0, deadline.nanoseconds() - Deadline::Now());
  return static_cast<int>(std::min<int64_t>((left + 999'999) / 1'000'000, 1'000'000));
}

absl::Status MovedFrom() { return MakeStatus(absl::StatusCode::kFailedPrecondition, "this Process object was moved from"); }

}  // namespace

struct Process::State {
  const pid_t parent = getpid();
  pid_t pid = 0;
  UniqueFd pidfd;
  std::mutex mutex;
  std::optional<ExitStatus> status;  // guarded by mutex

  // Reaps the child if it has ended.
  std::optional<ExitStatus> Poll() {
    const std::lock_guard lock(mutex);
    if (status.has_value()) return status;
    siginfo_t info{};
    if (waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &info, WEXITED | WNOHANG) == 0) {
      if (info.si_pid != 0) status = FromWait(info);
    } else if (errno == ECHILD) {
      // Somebody else reaped it: SIGCHLD is ignored, or another part of the program waits for all children.
      struct pollfd ended = {.fd = pidfd.get(), .events = POLLIN, .revents = 0};
      if (poll(&ended, 1, 0) == 1) status = ExitStatus{};
    }
    return status;
  }
};

absl::StatusOr<Process> Process::Start(const ProcessOptions& options) {
  SpawnPlan plan;
  plan.Signals(options.blocks_interrupt);
  plan.StandardDescriptors(options.output_to_stderr);
  // The tree's own segment comes behind what was asked for. A child whose parent has none makes one, if it can.
  std::vector<int> descriptors = options.inherited_descriptors;
  std::string inheritance;
  if (const int tree = Segment::Default().fd(); tree >= 0) {
    inheritance = shm_internal::InheritanceOf(tree, kFirstInherited + static_cast<int>(descriptors.size()));
    descriptors.push_back(tree);
  }
  SHOAL_RETURN_IF_ERROR(plan.Inherit(descriptors));

  std::vector<std::string> arguments = {options.name.empty() ? options.program : options.name};
  arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const std::vector<char*> environment = EnvironmentWith(inheritance);

  auto state = std::make_unique<State>();
  if (const int error = plan.Spawn(&state->pid, options.program, argv.data(), environment.data()); error != 0) {
    return ErrnoStatus(error, absl::StrCat("cannot start ", options.program));
  }
  // No race: the pid belongs to our unreaped child. (With SIGCHLD ignored it may be gone already; then this says so.)
  state->pidfd = UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, state->pid, 0)));
  if (!state->pidfd.valid()) {
    const int error = errno;
    kill(state->pid, SIGKILL);
    waitpid(state->pid, nullptr, 0);
    return ErrnoStatus(error, absl::StrCat("cannot watch the process of ", options.program));
  }
  return Process(std::move(state));
}

Process::Process(std::unique_ptr<State> state) : state_(std::move(state)) {}
Process::Process(Process&&) noexcept = default;
Process& Process::operator=(Process&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}

Process::~Process() {
  // In a fork of the parent this is a copy: the child is not ours to end.
  if (state_ == nullptr || getpid() != state_->parent || state_->Poll().has_value()) return;
  Kill().IgnoreError();
  Join().IgnoreError();
}

absl::Status Process::Join(absl::Duration timeout) const {
  if (state_ == nullptr) return MovedFrom();
  const Deadline deadline = Deadline::After(timeout);
  while (!state_->Poll().has_value()) {
    struct pollfd ended = {.fd = state_->pidfd.get(), .events = POLLIN, .revents = 0};
    const int ready = poll(&ended, 1, PollTimeout(deadline));
    if (ready == 0 && deadline.passed() && !state_->Poll().has_value()) {
      return MakeStatus(absl::StatusCode::kDeadlineExceeded, absl::StrCat("process ", state_->pid, " still runs"));
    }
  }
  return absl::OkStatus();
}

bool Process::alive() const { return state_ != nullptr && !state_->Poll().has_value(); }

std::optional<ExitStatus> Process::exit_status() const { return state_ == nullptr ? std::nullopt : state_->Poll(); }

std::optional<int> Process::exit_code() const {
  const auto status = exit_status();
  return status.has_value() ? std::optional<int>(status->code()) : std::nullopt;
}

absl::Status Process::Send(int signal) const {
  if (state_ == nullptr) return MovedFrom();
  if (getpid() != state_->parent) {
    return MakeStatus(absl::StatusCode::kFailedPrecondition, "a process belongs to the process that started it");
  }
  // Through the pidfd: it can only ever mean our child, also after the pid has been given to another process.
  if (syscall(SYS_pidfd_send_signal, state_->pidfd.get(), signal, nullptr, 0) != 0 && errno != ESRCH) {
    return ErrnoStatus(errno, absl::StrCat("cannot signal process ", state_->pid));
  }
  return absl::OkStatus();
}

absl::Status Process::Terminate() const { return Send(SIGTERM); }
absl::Status Process::Kill() const { return Send(SIGKILL); }
absl::Status Process::Interrupt() const { return Send(SIGINT); }
pid_t Process::pid() const { return state_ == nullptr ? 0 : state_->pid; }
int Process::sentinel() const { return state_ == nullptr ? -1 : state_->pidfd.get(); }

}  // namespace shoal
