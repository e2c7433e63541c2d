#include "shoal/ipc/long_look.h"

#include <unistd.h>

namespace shoal::ipc_internal {

bool LookingIsOfUse() {
  // Not this thread's own processors: one that is pinned to one of them waits for one that may be pinned to another.
  static const bool several = sysconf(_SC_NPROCESSORS_ONLN) > 1;
  return several;
}

}  // namespace shoal::ipc_internal
