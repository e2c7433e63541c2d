#ifndef SHOAL_BENCH_COMPARE_CPYTHON_H_
#define SHOAL_BENCH_COMPARE_CPYTHON_H_

#include <stdio.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace shoal::bench {

// A Python program that measures itself, one round whenever it is asked, so that its rounds can alternate with ours: cpython_pool.py of
// multiprocessing.Pool, cpython_ipc.py of multiprocessing.Queue and Pipe. Each says at its head what it can be asked.
//
// Thread safety: one thread at a time.
class CPython final {
 public:
  // NotFound: no interpreter. `script` is the program's path.
  static absl::StatusOr<CPython> Start(const std::string& script);

  CPython(CPython&& other) noexcept;
  CPython& operator=(CPython&&) = delete;
  ~CPython();

  // Seconds per item of one round of `work` with that many items.
  absl::StatusOr<double> Measure(std::string_view work, size_t items);
  // The same of what answers with several numbers.
  absl::StatusOr<std::vector<double>> MeasureAll(std::string_view work, size_t items);

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
