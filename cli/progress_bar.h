#ifndef SHOAL_CLI_PROGRESS_BAR_H_
#define SHOAL_CLI_PROGRESS_BAR_H_

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "shoal/cli/totals.h"
#include "shoal/sync/deadline.h"

namespace shoal::cli_internal {

// Shows on standard error how far a run has come, ten times a second, if that is a terminal. If not, nothing is written at all.
//
// Thread safety:   WithoutBar from any thread.
// Blocking:        the destructor, until the last line is drawn; it stays, and the cursor is below it.
class ProgressBar {
 public:
  // `totals` is called on a thread of the bar's. `input_bytes`: of the whole input, if known.
  ProgressBar(std::function<Totals()> totals, std::optional<uint64_t> input_bytes);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // Calls `write`, which writes to the same terminal, while the bar is not there and cannot come back.
  void WithoutBar(const std::function<void()>& write);

 private:
  void Run();
  void Draw(const char* end);

  const std::function<Totals()> totals_;
  const std::optional<uint64_t> input_bytes_;
  const int64_t begun_ = sync_internal::Deadline::Now();
  std::mutex mutex_;
  std::condition_variable changed_;
  bool finished_ = false;  // guarded by mutex_
  bool shown_ = false;     // guarded by mutex_
  std::thread thread_;
};

}  // namespace shoal::cli_internal

#endif  // SHOAL_CLI_PROGRESS_BAR_H_
