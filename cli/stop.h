#ifndef SHOAL_CLI_STOP_H_
#define SHOAL_CLI_STOP_H_

#include <atomic>

#include "shoal/shm/unique_fd.h"

namespace shoal::cli_internal {

// The wish to end a run before its input ends, and why: an exit code. The first wish counts.
//
// Thread safety: all calls from any thread. Blocking: none; fd() becomes readable with the wish, for poll(2).
class Stop {
 public:
  Stop();

  void Request(int exit_code);
  bool requested() const { return exit_code() != 0; }
  int exit_code() const;  // 0: nobody wants it to end
  int fd() const { return event_.get(); }

 private:
  shm_internal::UniqueFd event_;
  std::atomic<int> exit_code_{0};
};

}  // namespace shoal::cli_internal

#endif  // SHOAL_CLI_STOP_H_
