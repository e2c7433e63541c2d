#ifndef SHOAL_PROCESS_CPU_COUNT_H_
#define SHOAL_PROCESS_CPU_COUNT_H_

#include <string>

namespace shoal {

// How many CPUs this process may use: its affinity mask, and no more than the quota of its control group (rounded up). At
// least 1. Looks anew at each call; thread-safe; never blocks for long (it reads a few small files).
int CpuCount();

namespace process_internal {

// How many whole CPUs the text of a cpu.max file ("150000 100000", "max 100000") allows; 0 where it sets no limit.
int CpusOfQuota(const std::string& cpu_max);

}  // namespace process_internal
}  // namespace shoal

#endif  // SHOAL_PROCESS_CPU_COUNT_H_
