#include "shoal/cli/progress_bar.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "shoal/cli/progress_line.h"

namespace shoal::cli_internal {
namespace {

constexpr char kClearLine[] = "\r\x1b[K";

size_t TerminalWidth() {
  struct winsize size;
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 2) return 79;
  return size.ws_col - size_t{1};  // a full line would wrap
}

void Say(std::string_view text) { [[maybe_unused]] const ssize_t ignored = write(STDERR_FILENO, text.data(), text.size()); }

}  // namespace

ProgressBar::ProgressBar(std::function<Totals()> totals, std::optional<uint64_t> input_bytes)
    : totals_(std::move(totals)), input_bytes_(input_bytes) {
  if (isatty(STDERR_FILENO) == 1) thread_ = std::thread([this] { Run(); });
}

ProgressBar::~ProgressBar() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    finished_ = true;
    changed_.notify_one();
  }
  thread_.join();
}

void ProgressBar::Run() {
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, std::chrono::milliseconds(100), [this] { return finished_; })) Draw("");
  Draw("\n");
}

// REQUIRES: mutex_ is held.
void ProgressBar::Draw(const char* end) {
  const absl::Duration elapsed = absl::Nanoseconds(sync_internal::Deadline::Now() - begun_);
  Say(absl::StrCat(kClearLine, ProgressLine(totals_(), input_bytes_, elapsed, TerminalWidth()), end));
  shown_ = true;
}

void ProgressBar::WithoutBar(const std::function<void()>& write) {
  const std::lock_guard lock(mutex_);  // the bar is drawn under it
  if (std::exchange(shown_, false)) Say(kClearLine);
  write();
}

}  // namespace shoal::cli_internal
