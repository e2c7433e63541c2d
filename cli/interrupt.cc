#include "shoal/cli/interrupt.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <utility>

#include "shoal/cli/output.h"
#include "shoal/sync/check.h"

namespace shoal::cli_internal {
namespace {

constexpr int kExitSignalled = 128;  // plus the signal's number, as the shell has it

sigset_t SignalsToWatch() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction action;
    // Blocked, they would arrive although they are ignored.
    if (sigaction(signal, nullptr, &action) == 0 && action.sa_handler != SIG_IGN) sigaddset(&signals, signal);
  }
  return signals;
}

}  // namespace

Interrupt::Interrupt(Stop& stop) : stop_(stop), finished_(eventfd(0, EFD_CLOEXEC)) {
  signal(SIGPIPE, SIG_IGN);  // a write says so itself
  const sigset_t signals = SignalsToWatch();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signals_ = shm_internal::UniqueFd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  SHOAL_CHECK(signals_.valid() && finished_.valid(), "no descriptor is left to watch for signals");
  thread_ = std::thread([this] { Watch(); });
}

void Interrupt::SetOnStop(std::function<void()> on_stop) {
  const std::lock_guard lock(mutex_);
  on_stop_ = std::move(on_stop);
}

void Interrupt::Finish() {
  if (!thread_.joinable()) return;
  eventfd_write(finished_.get(), 1);
  thread_.join();
}

void Interrupt::Watch() {
  struct pollfd any[] = {{.fd = signals_.get(), .events = POLLIN, .revents = 0},
                         {.fd = stop_.fd(), .events = POLLIN, .revents = 0},
                         {.fd = finished_.get(), .events = POLLIN, .revents = 0},
                         // No events: told only when its reader is gone, also while there is nothing to write.
                         {.fd = STDOUT_FILENO, .events = 0, .revents = 0}};
  for (;;) {
    if (poll(any, 4, -1) < 0) continue;
    if (any[2].revents != 0) return;
    if (any[0].revents != 0) ReadSignals();
    if ((any[3].revents & POLLERR) != 0) stop_.Request(kExitBrokenPipe);
    if (any[3].revents != 0) any[3].fd = -1;  // said once is enough
    if (stop_.requested()) {
      ActOnStop();
      any[1].fd = -1;
    }
  }
}

void Interrupt::ReadSignals() {
  struct signalfd_siginfo info;
  if (read(signals_.get(), &info, sizeof info) == sizeof info)
    stop_.Request(kExitSignalled + static_cast<int>(info.ssi_signo));
}

void Interrupt::ActOnStop() {
  std::function<void()> on_stop;
  {
    const std::lock_guard lock(mutex_);
    if (!on_stop_) _exit(stop_.exit_code());  // workers follow their parent by themselves
    on_stop = std::exchange(on_stop_, [] {});
  }
  on_stop();
}

}  // namespace shoal::cli_internal
