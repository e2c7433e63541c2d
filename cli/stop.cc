#include "shoal/cli/stop.h"

#include <sys/eventfd.h>

#include "shoal/sync/check.h"

// EDGE stop.reason  Request() release → exit_code() acquire: whoever sees the wish sees what led to it

namespace shoal::cli_internal {

Stop::Stop() : event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  SHOAL_CHECK(event_.valid(), "no descriptor is left for an eventfd");
}

void Stop::Request(int exit_code) {
  int nobody = 0;
  // stop.reason (release); relaxed on failure: the first wish stands, and is not looked at here
  exit_code_.compare_exchange_strong(nobody, exit_code, std::memory_order_release, std::memory_order_relaxed);
  eventfd_write(event_.get(), 1);  // never reset: every poll from now on sees it
}

int Stop::exit_code() const { return exit_code_.load(std::memory_order_acquire); }  // stop.reason (acquire)

}  // namespace shoal::cli_internal
