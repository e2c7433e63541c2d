// Functions that go wrong in every way there is; most of them at 13 only, and are the identity otherwise.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/plugins/plugin.h"

namespace {

constexpr int64_t kUnlucky = 13;

int64_t ThrowError(int64_t n) {
  if (n == kUnlucky) throw std::runtime_error("13 brings \"bad luck\"");
  return n;
}

int64_t ThrowNumber(int64_t n) {
  if (n == kUnlucky) throw 42;
  return n;
}

absl::StatusOr<int64_t> ReturnStatus(int64_t n) {
  if (n == kUnlucky) return absl::NotFoundError("there is no 13th floor");
  return n;
}

int64_t Abort(int64_t n) {
  if (n == kUnlucky) std::abort();
  return n;
}

int64_t Segfault(int64_t n) {
  if (n == kUnlucky) {
    void* const page = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *static_cast<volatile char*>(page) = 1;
  }
  return n;
}

int64_t Exit(int64_t n) {
  if (n == kUnlucky) std::exit(3);
  return n;
}

int64_t LoopForEver(int64_t n) {
  // relaxed: never written; a loop without side effects would be undefined
  static std::atomic<bool> for_ever = true;
  while (n == kUnlucky && for_ever.load(std::memory_order_relaxed)) {
  }
  return n;
}

// Never returns to the first caller with this path, and leaves its pid in the file there; returns to all others. With no path it
// returns at once.
int64_t HangOnce(const std::string& path) {
  if (path.empty()) return 0;
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return 1;
  const std::string line = std::to_string(getpid()) + "\n";
  if (write(file, line.data(), line.size()) < 0) std::abort();
  for (;;) pause();
}

void Print(const std::string& text) { std::puts(text.c_str()); }

double NoNumber() { return std::numeric_limits<double>::quiet_NaN(); }
std::string NoText() { return "\xff"; }
int64_t Sum(int64_t a, int64_t b) { return a + b; }
std::vector<uint8_t> Zeros(uint32_t count) { return std::vector<uint8_t>(count); }
std::string Echo(const std::string& text) { return text; }

}  // namespace

SHOAL_PLUGIN(catalog) {
  catalog.Add("throw_error", ThrowError, "Throws a std::runtime_error.");
  catalog.Add("throw_number", ThrowNumber, "Throws an int.");
  catalog.Add("return_status", ReturnStatus, "Returns a status.");
  catalog.Add("abort", Abort, "Aborts.");
  catalog.Add("segfault", Segfault, "Writes where nobody may.");
  catalog.Add("exit", Exit, "Ends its process.");
  catalog.Add("loop_for_ever", LoopForEver, "Never returns.");
  catalog.Add("hang_once", HangOnce, "Hangs the first time it is called with a path.");
  catalog.Add("print", Print, "Prints a line and returns nothing.");
  catalog.Add("no_number", NoNumber, "Returns what JSON cannot hold.");
  catalog.Add("no_text", NoText, "Returns what JSON cannot hold.");
  catalog.Add("sum", Sum, "The sum of two numbers.\nTwo lines of help.");
  catalog.Add("zeros", Zeros, "As many zeros.");
  catalog.Add("echo", Echo, "The text itself.");
}
