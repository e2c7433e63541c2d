#include "shoal/process/cpu_count.h"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

namespace shoal {
namespace {

int CpusOfAffinity() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;  // more than 1,024 CPUs: the mask does not fit
  return std::max(1, CPU_COUNT(&set));
}

// Every group on the way up to the root may limit.
int CpusOfControlGroups() {
  std::ifstream groups("/proc/self/cgroup");
  std::string line;
  int limit = 0;
  while (std::getline(groups, line)) {
    if (line.rfind("0::", 0) != 0) continue;  // version 2 has the one line "0::/path"
    for (std::string path = line.substr(3);; path.resize(path.rfind('/'))) {
      std::ifstream file("/sys/fs/cgroup" + path + "/cpu.max");
      std::string quota;
      if (std::getline(file, quota)) {
        const int cpus = process_internal::CpusOfQuota(quota);
        if (cpus > 0) limit = limit == 0 ? cpus : std::min(limit, cpus);
      }
      if (path.find('/') == std::string::npos) break;
    }
  }
  return limit;
}

}  // namespace

namespace process_internal {

int CpusOfQuota(const std::string& cpu_max) {
  std::istringstream text(cpu_max);
  long quota = 0;
  long period = 0;
  if (!(text >> quota >> period) || quota <= 0 || period <= 0) return 0;
  return static_cast<int>(std::min<long>((quota + period - 1) / period, 1 << 20));
}

}  // namespace process_internal

int CpuCount() {
  const int affinity = CpusOfAffinity();
  const int quota = CpusOfControlGroups();
  return quota == 0 ? affinity : std::min(affinity, quota);
}

}  // namespace shoal
