#ifndef SHOAL_BENCH_COMPARE_CPYTHON_H_
#define SHOAL_BENCH_COMPARE_CPYTHON_H_

#include <stdio.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace shoal::bench {

// CPython's multiprocessing.Pool: a Python program that measures itself, one round whenever it is asked, so that its rounds
// can alternate with ours. See cpython_pool.py for what can be asked.
//
// Thread safety: one thread at a time.
class CPython final {
 public:
  // NotFound: no interpreter. `script` is the path of cpython_pool.py.
  static absl::StatusOr<CPython> Start(const std::string& script);

  CPython(CPython&& other) noexcept;
  CPython& operator=(CPython&&) = delete;
  ~CPython();

  // Seconds per item of one round of `work` with that many items.
  absl::StatusOr<double> Measure(std::string_view work, size_t items);

  // "3.11.2"
  const std::string& version() const { return version_; }

 private:
  struct Closer {
    void operator()(FILE* file) const { fclose(file); }
  };
  using File = std::unique_ptr<FILE, Closer>;

  CPython() = default;
  absl::Status Spawn(const std::string& script);
  absl::StatusOr<std::string> ReadLine();

  pid_t pid_ = -1;
  File requests_;
  File answers_;
  std::string version_;
};

}  // namespace shoal::bench

#endif  // SHOAL_BENCH_COMPARE_CPYTHON_H_
