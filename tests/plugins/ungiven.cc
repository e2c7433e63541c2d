// A shared library with a copy of shoal of its own that nobody gave the program's table: no plug-in, or one of another build.

#include <cstddef>

#include "absl/status/status.h"
#include "shoal/plugins/plugin.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/section.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/unique_fd.h"
#include "shoal/sync/lock.h"
#include "shoal/tests/plugins/ledger.h"

using shoal::Lock;
using shoal::Mutex;
using shoal::tests::Ledger;

#define EXPORTED extern "C" __attribute__((visibility("default")))

// Each returns the code of its status.
EXPORTED int AttachAndLock(int fd, size_t offset) {
  auto segment = shoal::Segment::Attach(shoal::shm_internal::UniqueFd(fd));
  if (!segment.ok()) return segment.status().raw_code();
  return segment->At<Mutex<Ledger>>(offset)->Lock().status().raw_code();
}
EXPORTED int Change(Ledger* ledger) {
  return shoal::shm_internal::OpenSectionOrNull(ledger, sizeof(*ledger)) != nullptr
             ? 0
             : shoal::shm_internal::NoOpenSection(ledger).raw_code();
}
EXPORTED int LockMutex(Mutex<Ledger>* mutex) { return mutex->Lock().status().raw_code(); }
EXPORTED int AcquireLock(Lock* lock) { return lock->Acquire().status().raw_code(); }

// As an entry would, told by a program of another build.
EXPORTED bool MeetProgram(const shoal_host* host) {
  return shoal::plugins_internal::DescribePlugin(host, [](shoal::Catalog&) {})->error == nullptr;
}
