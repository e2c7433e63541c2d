#ifndef SHOAL_POOL_MAP_OPTIONS_H_
#define SHOAL_POOL_MAP_OPTIONS_H_

#include <cstddef>
#include <optional>

#include "absl/time/time.h"

namespace shoal {

struct MapOptions {
  size_t chunk = 0;   // items that go to one worker together; 0: chosen from how long they take
  size_t window = 0;  // IMap: items taken from the input and not yet given out, at most; 0: enough to keep all workers busy
  std::optional<absl::Duration> timeout;  // for one item; default: the pool's task_timeout
  std::optional<int> max_retries;         // default: the pool's
};

}  // namespace shoal

#endif  // SHOAL_POOL_MAP_OPTIONS_H_
