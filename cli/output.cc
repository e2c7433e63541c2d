#include "shoal/cli/output.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>

#include "absl/time/time.h"

namespace shoal::cli_internal {
namespace {

using sync_internal::Deadline;

constexpr absl::Duration kGrace = absl::Seconds(1);  // for a reader that is alive and slow, after Ctrl-C

}  // namespace

Output::Output(Stop& stop) : stop_(stop), is_terminal_(isatty(STDOUT_FILENO) == 1) {
  struct stat about;
  regular_ = fstat(STDOUT_FILENO, &about) == 0 && S_ISREG(about.st_mode);
}

// False: it is time to give up.
bool Output::WaitForRoom() {
  struct pollfd any[] = {{.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0},
                         {.fd = stop_.fd(), .events = POLLIN, .revents = 0}};
  for (;;) {
    const bool stopping = stop_.requested();
    if (stopping && give_up_.infinite()) give_up_ = Deadline::After(kGrace);
    const int64_t left = std::max<int64_t>(0, absl::ToInt64Milliseconds(give_up_.Remaining()));
    const int ready = poll(any, stopping ? 1 : 2, stopping ? static_cast<int>(left) : -1);
    if (ready > 0 && any[0].revents != 0) return true;
    if (ready == 0) return false;
  }
}

void Output::Fail(int error) {
  failed_ = true;
  if (error == EPIPE) {
    stop_.Request(kExitBrokenPipe);
  } else {
    if (!stop_.requested()) std::fprintf(stderr, "shoal: cannot write the results: %s\n", strerrordesc_np(error));
    stop_.Request(2);
  }
}

void Output::Write(std::string_view text) {
  while (!text.empty() && !failed_) {
    if (!regular_ && !WaitForRoom()) {
      failed_ = true;
      return;
    }
    // A pipe that poll calls writable takes PIPE_BUF bytes without blocking, and promises no more.
    const size_t most = regular_ ? text.size() : std::min<size_t>(text.size(), PIPE_BUF);
    const ssize_t written = write(STDOUT_FILENO, text.data(), most);
    if (written >= 0) {
      text.remove_prefix(static_cast<size_t>(written));
    } else if (errno != EINTR && errno != EAGAIN) {
      Fail(errno);
    }
  }
}

}  // namespace shoal::cli_internal
