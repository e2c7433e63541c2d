// A plug-in whose functions do what tests need, the bad things above all.

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/plugins/plugin.h"

namespace {

struct Point {
  double x = 0;
  double y = 0;
};
struct Route {
  std::string name;
  std::vector<Point> points;
  std::map<std::string, std::optional<int64_t>> tags;
};

Route Reverse(Route route) { return {route.name, {route.points.rbegin(), route.points.rend()}, route.tags}; }
uint64_t Square(uint64_t n) { return n * n; }
double Add(double a, float b) { return a + static_cast<double>(b); }
std::string Join(std::string_view a, const std::string& b, int8_t times) {
  std::string all(a);
  for (; times > 0; --times) all += b;
  return all;
}
void Nothing() {}
Point Mirror(const Point& p) { return {p.y, p.x}; }
int64_t Pid() { return getpid(); }
absl::StatusOr<int32_t> Half(int32_t n) {
  if (n % 2 != 0) return absl::OutOfRangeError("it is odd");
  return n / 2;
}
absl::Status Check(bool good) { return good ? absl::OkStatus() : absl::NotFoundError("not good"); }

struct Oddity {
  int number;
};

// Does what `how` says, and returns it if that is nothing bad.
std::string Do(const std::string& how) {
  if (how == "throw") throw std::runtime_error("it broke");
  if (how == "throw odd") throw Oddity{3};
  if (how == "abort") abort();
  if (how == "segv") {
    signal(SIGSEGV, SIG_DFL);  // a sanitizer's handler would turn the signal into an exit
    raise(SIGSEGV);
  }
  if (how == "exit") exit(3);
  if (how == "exit 0") exit(0);
  if (how == "kill") raise(SIGKILL);
  if (how == "end thread") pthread_exit(nullptr);
  if (how == "hang") {
    for (;;) pause();
  }
  if (how == "spin") {
    for (std::atomic<int> i{0};; i.fetch_add(1)) {
    }
  }
  if (how == "fork") {
    // The child of the worker goes on as if it were the worker; it has nothing to write to and must disturb nobody.
    if (fork() == 0) return "child";
  }
  if (how == "block all") {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, nullptr);
    for (;;) pause();
  }
  return how;
}

// Waits until `path` exists, then returns n. So a test decides when a task ends.
uint64_t WaitForFile(const std::string& path, uint64_t n) {
  while (access(path.c_str(), F_OK) != 0) sched_yield();
  return n;
}

// Says on a pipe that it runs, then waits for ever.
void SayAndHang(const std::string& path) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (file >= 0) close(file);
  for (;;) pause();
}

std::string Fill(uint64_t size) { return std::string(size, 'x'); }
uint64_t Length(const std::string& text) { return text.size(); }
uint64_t Sum(const std::vector<uint32_t>& numbers) {
  uint64_t sum = 0;
  for (const uint32_t n : numbers) sum += n;
  return sum;
}

int calls = 0;
void Initialise() { calls = 1000; }
void FailToInitialise() { throw std::runtime_error("no database"); }
int32_t Calls() { return ++calls; }

int64_t OpenDescriptors() {
  int64_t count = 0;
  for (int fd = 0; fd < 1024; ++fd) count += fcntl(fd, F_GETFD) >= 0;
  return count;
}

bool Print(const std::string& text) { return printf("%s\n", text.c_str()) > 0; }

}  // namespace

SHOAL_PLUGIN(catalog) {
  catalog.Add("reverse", Reverse);
  catalog.Add("square", Square, "n * n");
  catalog.Add("add", Add);
  catalog.Add("join", Join);
  catalog.Add("nothing", Nothing);
  catalog.Add("mirror", Mirror);
  catalog.Add("pid", Pid);
  catalog.Add("half", Half);
  catalog.Add("check", Check);
  catalog.Add("do", Do);
  catalog.Add("wait_for_file", WaitForFile);
  catalog.Add("say_and_hang", SayAndHang);
  catalog.Add("fill", Fill);
  catalog.Add("length", Length);
  catalog.Add("sum", Sum);
  catalog.Add("initialise", Initialise);
  catalog.Add("fail_to_initialise", FailToInitialise);
  catalog.Add("calls", Calls);
  catalog.Add("open_descriptors", OpenDescriptors);
  catalog.Add("print", Print);
  catalog.Add("lambda", [](int32_t n) noexcept { return n + 1; });
}
