#include "shoal/tests/worlds/worlds.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace shoal::tests {

std::string WorldName(const ::testing::TestParamInfo<World>& info) {
  switch (info.param) {
    case World::kThreads:
      return "Threads";
    case World::kTwoMappings:
      return "TwoMappings";
    case World::kProcesses:
      return "Processes";
  }
  return "";
}

TwiceMapped::TwiceMapped(size_t size_bytes) : size_bytes_(size_bytes) {
  const int fd = memfd_create("shoal test", MFD_CLOEXEC);
  SHOAL_CHECK(fd >= 0 && ftruncate(fd, static_cast<off_t>(size_bytes)) == 0, "a test needs shared memory");
  for (void*& view : views_) {
    view = mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    SHOAL_CHECK(view != MAP_FAILED, "a test needs shared memory");
  }
  close(fd);
}

TwiceMapped::~TwiceMapped() {
  for (void* view : views_) munmap(view, size_bytes_);
}

Party::Party(World world, std::function<void()> body) : world_(world) {
  if (world == World::kProcesses) {
    tid_ = fork();
    SHOAL_CHECK(tid_ >= 0, "a test needs to fork");
    if (tid_ == 0) {
      body();
      _exit(::testing::Test::HasFailure() ? 1 : 0);
    }
    return;
  }
  std::atomic<pid_t> tid{0};
  thread_ = std::thread([&tid, body = std::move(body)] {
    tid.store(static_cast<pid_t>(syscall(SYS_gettid)), std::memory_order_release);  // party.start (release)
    body();
  });
  // EDGE party.start: the thread's release → its maker's acquire; `tid` lives until then.
  Await([&] { return tid.load(std::memory_order_acquire) != 0; });  // party.start (acquire)
  tid_ = tid.load(std::memory_order_relaxed);                       // relaxed: seen above
}

Party::~Party() { SHOAL_CHECK(joined_, "a test joins or kills its parties"); }

void Party::AwaitAsleep() const {
  Await([this] { return ProcessState(tid_) == 'S'; });
}

void Party::Join() {
  joined_ = true;
  if (world_ != World::kProcesses) {
    thread_.join();
    return;
  }
  int status = 0;
  SHOAL_CHECK(waitpid(tid_, &status, 0) == tid_, "a party is joined once");
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "party " << tid_ << " ended with status " << status;
}

void Party::Kill() {
  SHOAL_CHECK(world_ == World::kProcesses, "only a process can be killed");
  joined_ = true;
  kill(tid_, SIGKILL);
  SHOAL_CHECK(waitpid(tid_, nullptr, 0) == tid_, "a party is reaped once");
}

char ProcessState(pid_t tid) {
  char path[32];
  snprintf(path, sizeof(path), "/proc/%d/stat", tid);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return '\0';
  char text[512];
  const ssize_t length = read(fd, text, sizeof(text) - 1);
  close(fd);
  if (length <= 0) return '\0';
  text[length] = '\0';
  const char* const name_end = strrchr(text, ')');
  return name_end == nullptr ? '\0' : name_end[2];
}

void Await(const std::function<bool()>& condition) {
  while (!condition()) sched_yield();
}

}  // namespace shoal::tests
