#ifndef SHOAL_TESTS_POOL_POOL_FIXTURE_H_
#define SHOAL_TESTS_POOL_POOL_FIXTURE_H_

#include <sys/types.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "shoal/pool/pool.h"

namespace shoal {

inline std::string PluginPath(const std::string& name) { return "tests/pool/" + name + ".so"; }

inline Pool TasksPool(PoolOptions options = {}) {
  if (options.workers == 0) options.workers = 2;
  options.plugins = {PluginPath("tasks")};
  absl::StatusOr<Pool> pool = Pool::Create(std::move(options));
  if (!pool.ok()) {
    ADD_FAILURE() << pool.status();
    abort();
  }
  return *std::move(pool);
}

template <class Sig>
Function<Sig> GetOrDie(const Pool& pool, const std::string& name) {
  absl::StatusOr<Function<Sig>> function = pool.Get<Sig>(name);
  if (!function.ok()) {
    ADD_FAILURE() << function.status();
    abort();
  }
  return *std::move(function);
}

// A path in the test's own folder that does not exist yet.
inline std::string FreshPath(const std::string& name) {
  static int number = 0;
  const std::string path = testing::TempDir() + "/" + name + "." + std::to_string(getpid()) + "." + std::to_string(++number);
  unlink(path.c_str());
  return path;
}

// Waits for a state of the system. (A test's watchdog is Bazel's.)
template <class Condition>
void WaitUntil(Condition condition) {
  while (!condition()) usleep(200);
}

}  // namespace shoal

#endif  // SHOAL_TESTS_POOL_POOL_FIXTURE_H_
