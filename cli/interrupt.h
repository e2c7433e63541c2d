#ifndef SHOAL_CLI_INTERRUPT_H_
#define SHOAL_CLI_INTERRUPT_H_

#include <signal.h>

#include <functional>
#include <mutex>
#include <thread>

#include "shoal/cli/stop.h"
#include "shoal/shm/unique_fd.h"

namespace shoal::cli_internal {

// Turns Ctrl-C (SIGINT), SIGTERM, SIGHUP, and the end of whoever reads standard output into a wish to stop, and makes it come
// true. Signals that were ignored when the program began stay ignored (nohup, background jobs).
//
// Before SetOnStop there is nothing to stop in order: the process ends at once, with the exit code.
//
// Thread safety:   made by the first thread, before there are others: they inherit its blocked signals. SetOnStop, Finish: any.
// Blocking:        Finish and the destructor, until on_stop has returned if it runs.
class Interrupt {
 public:
  explicit Interrupt(Stop& stop);
  ~Interrupt() { Finish(); }
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  // `on_stop` runs once, on a thread of its own, when the run is to stop, whoever wished it.
  void SetOnStop(std::function<void()> on_stop);

  // After this on_stop will not be called.
  void Finish();

 private:
  void Watch();
  void ReadSignals();
  void ActOnStop();

  Stop& stop_;
  shm_internal::UniqueFd signals_;
  shm_internal::UniqueFd finished_;
  std::mutex mutex_;
  std::function<void()> on_stop_;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace shoal::cli_internal

#endif  // SHOAL_CLI_INTERRUPT_H_
