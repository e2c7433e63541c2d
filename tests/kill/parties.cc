#include "shoal/tests/kill/parties.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "shoal/sync/check.h"

namespace shoal::tests {
namespace {

constexpr long kRunning = -1;

// Rereads an open file of /proc. Opening it costs as much as what the kernel writes into it.
bool Reread(int fd, char* text, size_t size_bytes) {
  const ssize_t length = pread(fd, text, size_bytes - 1, 0);
  if (length <= 0) return false;
  text[length] = '\0';
  return true;
}

// How often a thread has run, if it sleeps now.
long SlicesIfAsleep(int stat_fd, int schedstat_fd, long* threads) {
  char text[512];
  if (!Reread(stat_fd, text, sizeof(text))) return kRunning;
  const char* const name_end = strrchr(text, ')');
  if (name_end == nullptr || name_end[2] != 'S') return kRunning;
  if (threads != nullptr) {
    const char* field = name_end + 2;  // the third; the twentieth is the number of threads
    for (int i = 3; i < 20 && field != nullptr; ++i) field = strchr(field + 1, ' ');
    *threads = field != nullptr ? atol(field) : 1;
  }
  long run, wait, slices;
  if (!Reread(schedstat_fd, text, sizeof(text))) return kRunning;
  return sscanf(text, "%ld %ld %ld", &run, &wait, &slices) == 3 ? slices : kRunning;
}

int OpenProc(pid_t pid, const char* name) {
  char path[128];
  snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
  return open(path, O_RDONLY | O_CLOEXEC);
}

// The same of all threads of a process but one.
long SlicesIfOthersAreAsleep(pid_t pid, pid_t but) {
  char path[64];
  snprintf(path, sizeof(path), "/proc/%d/task", pid);
  DIR* const tasks = opendir(path);
  if (tasks == nullptr) return kRunning;
  long sum = 0;
  while (const dirent* const entry = readdir(tasks)) {
    const pid_t tid = atoi(entry->d_name);
    if (tid == 0 || tid == but) continue;
    snprintf(path, sizeof(path), "task/%d/stat", tid);
    const int stat_fd = OpenProc(pid, path);
    snprintf(path, sizeof(path), "task/%d/schedstat", tid);
    const int schedstat_fd = OpenProc(pid, path);
    const long slices = SlicesIfAsleep(stat_fd, schedstat_fd, nullptr);
    if (stat_fd >= 0) close(stat_fd);
    if (schedstat_fd >= 0) close(schedstat_fd);
    if (slices == kRunning) {
      sum = kRunning;
      break;
    }
    sum += slices;
  }
  closedir(tasks);
  return sum;
}

}  // namespace

Party Party::Start(const std::function<void()>& body) {
  const pid_t pid = fork();
  SHOAL_CHECK(pid >= 0, "the driver needs to fork");
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // nobody is left behind when the driver itself is stopped
    body();
    _exit(0);
  }
  return Party(pid);
}

Party::Party(Party&& other) noexcept { *this = std::move(other); }

Party& Party::operator=(Party&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(stat_fd_, other.stat_fd_);
  std::swap(schedstat_fd_, other.schedstat_fd_);
  std::swap(ended_, other.ended_);
  std::swap(parked_, other.parked_);
  std::swap(status_, other.status_);
  return *this;
}

Party::~Party() {
  if (stat_fd_ >= 0) close(stat_fd_);
  if (schedstat_fd_ >= 0) close(schedstat_fd_);
}

bool Party::returned() const { return ended_ && WIFEXITED(status_) && WEXITSTATUS(status_) == 0; }
int Party::exit_code_or_0() const { return ended_ && WIFEXITED(status_) ? WEXITSTATUS(status_) : 0; }
bool Party::was_killed() const { return ended_ && WIFSIGNALED(status_) && WTERMSIG(status_) == SIGKILL; }
int Party::fatal_signal_or_0() const {
  const int signal = ended_ && WIFSIGNALED(status_) ? WTERMSIG(status_) : 0;
  // A breakpoint where all signals are blocked ends a process, too; not where it was meant to.
  return signal != SIGKILL && signal != SIGTRAP ? signal : 0;
}

bool Party::died_of_breakpoint() const { return ended_ && WIFSIGNALED(status_) && WTERMSIG(status_) == SIGTRAP; }

void Party::Poll() {
  if (ended_) return;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG | WUNTRACED) != pid_) return;
  if (WIFSTOPPED(status)) {
    parked_ = true;
  } else {
    ended_ = true;
    status_ = status;
  }
}

void Party::Stop() {
  if (ended_ || parked_) return;
  kill(pid_, SIGSTOP);
  int status = 0;
  SHOAL_CHECK(waitpid(pid_, &status, WUNTRACED) == pid_, "the driver watches its children");
  parked_ = WIFSTOPPED(status);
  ended_ = !parked_;
  status_ = status;
}

void Party::Continue() {
  parked_ = false;
  kill(pid_, SIGCONT);
}

void Party::KillAndReap() {
  if (ended_) return;
  kill(pid_, SIGKILL);
  SHOAL_CHECK(waitpid(pid_, &status_, 0) == pid_, "the driver reaps its children");
  ended_ = true;
}

long Party::SlicesIfAsleep() {
  if (stat_fd_ < 0) stat_fd_ = OpenProc(pid_, "stat");
  if (schedstat_fd_ < 0) schedstat_fd_ = OpenProc(pid_, "schedstat");
  long threads = 1;
  const long slices = tests::SlicesIfAsleep(stat_fd_, schedstat_fd_, &threads);
  if (slices == kRunning || threads <= 1) return slices;
  const long others = SlicesIfOthersAreAsleep(pid_, pid_);
  return others == kRunning ? kRunning : slices + others;
}

void AwaitRest(const std::vector<Party*>& parties) {
  static const int own_stat_fd = OpenProc(getpid(), "stat");  // the driver forks no driver
  const auto own_slices = [] {
    char text[512];
    if (!Reread(own_stat_fd, text, sizeof(text))) return kRunning;
    const char* field = strrchr(text, ')');
    for (int i = 2; i < 20 && field != nullptr; ++i) field = strchr(field + 1, ' ');
    return field == nullptr || atol(field) <= 1 ? 0 : SlicesIfOthersAreAsleep(getpid(), gettid());
  };
  std::vector<long> before(parties.size());
  for (;;) {
    sched_yield();
    bool at_rest = true;
    for (size_t i = 0; at_rest && i < parties.size(); ++i) {
      parties[i]->Poll();
      before[i] = parties[i]->asleep() ? parties[i]->SlicesIfAsleep() : 0;
      at_rest = before[i] != kRunning;
    }
    if (!at_rest) continue;
    const long own_before = own_slices();
    bool somebody_sleeps = own_before != 0;
    at_rest = own_before != kRunning;
    for (size_t i = 0; at_rest && i < parties.size(); ++i) {
      if (!parties[i]->asleep()) continue;
      somebody_sleeps = true;
      at_rest = parties[i]->SlicesIfAsleep() == before[i];
    }
    if (at_rest && (!somebody_sleeps || own_slices() == own_before)) return;
  }
}

}  // namespace shoal::tests
