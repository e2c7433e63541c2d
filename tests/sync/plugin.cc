// A shared object that uses a lock, as a plug-in does; see tls_test.sh.

#include "absl/status/statusor.h"
#include "shoal/sync/guard.h"
#include "shoal/sync/lock.h"

extern "C" bool AcquireAndRelease(shoal::Lock& lock) {
  const absl::StatusOr<shoal::Guard> guard = lock.Acquire();
  return guard.ok();
}
