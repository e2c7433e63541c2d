#ifndef SHOAL_POOL_POOL_OPTIONS_H_
#define SHOAL_POOL_POOL_OPTIONS_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace shoal {

struct PoolOptions {
  int workers = 0;                   // worker processes; 0: as many as CpuCount()
  std::vector<std::string> plugins;  // paths of plug-ins; every worker loads all of them
  std::string initializer;           // a function without arguments that each worker runs once, before its first task
  absl::Duration task_timeout = absl::InfiniteDuration();  // for one task, from the moment a worker begins it
  int max_retries = 1;                                     // how often a task is run again after the worker that ran it died
  // A worker is replaced after this many tasks, so that what a plug-in leaks is bounded. Nothing: never.
  std::optional<uint64_t> max_tasks_per_worker;
  uint64_t max_message_bytes = uint64_t{1} << 30;  // of one task's arguments, and of one result
  bool worker_output_to_stderr = false;            // what tasks print goes to this program's standard error
};

// A function that the plug-ins of a pool offer.
struct FunctionInfo {
  std::string name;
  std::string signature;  // its code; equal codes mean equal types (ipc/wire_type.h)
  std::string help;
};

struct PoolStats {
  std::vector<pid_t> workers;  // those alive
  size_t pending = 0;          // tasks that have not ended
  uint64_t done = 0;           // tasks that have ended, in whatever way
  uint64_t retried = 0;        // runs that were repeated because a worker died
  uint64_t worker_deaths = 0;  // workers that ended unasked
};

}  // namespace shoal

#endif  // SHOAL_POOL_POOL_OPTIONS_H_
