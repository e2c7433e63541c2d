#ifndef SHOAL_PROCESS_EXIT_STATUS_H_
#define SHOAL_PROCESS_EXIT_STATUS_H_

#include <string>

namespace shoal::process_internal {

// How a process ended.
struct ExitStatus {
  enum class Kind { kExited, kSignalled, kUnknown };
  Kind kind = Kind::kUnknown;
  int value = 0;  // the exit code or the signal

  // The exit code, or minus the signal; -255 where nobody knows (the system was told to forget children: SIGCHLD ignored).
  int code() const;

  // "exited with code 3", "was killed by SIGSEGV (Segmentation fault)".
  std::string Describe() const;

  bool operator==(const ExitStatus&) const = default;
};

}  // namespace shoal::process_internal

#endif  // SHOAL_PROCESS_EXIT_STATUS_H_
