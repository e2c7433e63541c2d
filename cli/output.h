#ifndef SHOAL_CLI_OUTPUT_H_
#define SHOAL_CLI_OUTPUT_H_

#include <string_view>

#include "shoal/cli/stop.h"
#include "shoal/sync/deadline.h"

namespace shoal::cli_internal {

inline constexpr int kExitBrokenPipe = 128 + 13;  // as the shell reports an end by SIGPIPE

// Standard output, written so that a reader that has stopped reading cannot keep the program from ending.
//
// Thread safety: one thread at a time.
// Blocking:      Write, until all is written; once the run is to stop, at most a second in all.
// Errors:        ask the run to stop: kExitBrokenPipe if nobody reads any more, 2 and a sentence on standard error otherwise.
class Output {
 public:
  explicit Output(Stop& stop);

  // REQUIRES: SIGPIPE is ignored.
  void Write(std::string_view text);

  bool is_terminal() const { return is_terminal_; }

 private:
  bool WaitForRoom();
  void Fail(int error);

  Stop& stop_;
  bool regular_ = false;
  bool is_terminal_ = false;
  bool failed_ = false;
  sync_internal::Deadline give_up_ = sync_internal::Deadline::Infinite();  // known once the run is to stop
};

}  // namespace shoal::cli_internal

#endif  // SHOAL_CLI_OUTPUT_H_
