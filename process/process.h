#ifndef SHOAL_PROCESS_PROCESS_H_
#define SHOAL_PROCESS_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/process/exit_status.h"

namespace shoal {

struct ProcessOptions {
  std::string program;                 // path of an executable file
  std::string name;                    // argv[0]; the program's path if empty
  std::vector<std::string> arguments;  // argv[1] and so on
  // Descriptors that the child gets, as 3, 4, 5 … in this order, and behind them the one of Segment::Default(). All others but 0, 1
  // and 2 are closed in it.
  std::vector<int> inherited_descriptors;
  bool output_to_stderr = false;  // what the child writes to its standard output goes to our standard error
  bool blocks_interrupt = false;  // the child starts with SIGINT blocked, until it says otherwise
};

// A child process: started, watched and ended. It is spawned (posix_spawn), never a fork of this program.
//
//   SHOAL_ASSIGN_OR_RETURN(Process child, Process::Start({.program = "/bin/true"}));
//   SHOAL_RETURN_IF_ERROR(child.Join());
//
// Thread safety:   all calls may run concurrently; the child is reaped once, by whichever of them meets its end.
// Process safety:  belongs to the process that started it.
// Crash safety:    the child's death is learned from the kernel (pidfd). The child outlives its parent unless it watches it.
// Blocking:        Join, until the child ends or the timeout passes. The destructor of a running child kills it and waits.
// Errors:          Start: NotFound, PermissionDenied, ResourceExhausted as the system says. Join: DeadlineExceeded.
//                  FailedPrecondition: used after it was moved from.
// Ownership:       move-only; no zombie and no descriptor outlives the object.
// The child has the caller's Segment::Default(), environment and working folder, /dev/null as standard input, default signal handling, no
// blocked signals.
class Process final {
 public:
  static absl::StatusOr<Process> Start(const ProcessOptions& options);

  Process(Process&&) noexcept;
  Process& operator=(Process&&) noexcept;
  ~Process();

  absl::Status Join(absl::Duration timeout = absl::InfiniteDuration()) const;
  bool alive() const;

  // The exit code, or minus the signal that killed it; nothing while it runs.
  std::optional<int> exit_code() const;

  // How it ended, with words for messages; nothing while it runs.
  std::optional<process_internal::ExitStatus> exit_status() const;

  // SIGTERM, SIGKILL, SIGINT. A child that has ended is left alone: OK.
  absl::Status Terminate() const;
  absl::Status Kill() const;
  absl::Status Interrupt() const;

  pid_t pid() const;

  // The child's pidfd: readable once it has ended. Closed with this object.
  int sentinel() const;

 private:
  struct State;
  explicit Process(std::unique_ptr<State> state);
  absl::Status Send(int signal) const;

  std::unique_ptr<State> state_;
};

}  // namespace shoal

#endif  // SHOAL_PROCESS_PROCESS_H_
