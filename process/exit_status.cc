#include "shoal/process/exit_status.h"

#include <signal.h>
#include <string.h>

#include "absl/strings/str_cat.h"

namespace shoal::process_internal {
namespace {

std::string SignalName(int signal) {
  const char* const name = sigabbrev_np(signal);
  if (name == nullptr) return absl::StrCat("signal ", signal);
  return absl::StrCat("SIG", name, " (", sigdescr_np(signal), ")");
}

}  // namespace

int ExitStatus::code() const {
  switch (kind) {
    case Kind::kExited:
      return value;
    case Kind::kSignalled:
      return -value;
    case Kind::kUnknown:
      return -255;
  }
  return -255;
}

std::string ExitStatus::Describe() const {
  switch (kind) {
    case Kind::kExited:
      return absl::StrCat("exited with code ", value);
    case Kind::kSignalled:
      return absl::StrCat("was killed by ", SignalName(value));
    case Kind::kUnknown:
      return "ended, and nobody knows how (this program ignores SIGCHLD, or waits for all its children elsewhere)";
  }
  return "ended";
}

}  // namespace shoal::process_internal
