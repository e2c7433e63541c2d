#ifndef SHOAL_POOL_MAP_JOB_H_
#define SHOAL_POOL_MAP_JOB_H_

#include <cstddef>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "shoal/pool/future.h"
#include "shoal/pool/job.h"

namespace shoal::pool_internal {

// All calls of one Map. `Encoder` appends the arguments of item i; the caller of Map keeps what it looks at.
template <class R, class Encoder>
class MapJob final : public Job {
 public:
  MapJob(const JobOptions& options, size_t items, Encoder encoder)
      : Job(options), encoder_(std::move(encoder)), left_(items) {
    if constexpr (!std::is_void_v<R>) results_.resize(items);
  }

  void Encode(size_t item, std::string& out) override { encoder_(item, out); }

  void Finish(size_t item, const TaskOutcome& outcome) override {
    --left_;
    Outcome<R> result = DecodeOutcome<R>(outcome);
    if (result.ok()) {
      if constexpr (!std::is_void_v<R>) results_[item] = *std::move(result);
    } else if (item < first_failure_) {
      first_failure_ = item;
      if constexpr (std::is_void_v<R>) {
        failure_ = result;
      } else {
        failure_ = result.status();
      }
    }
  }

  bool done() const { return left_ == 0; }

  // All results in the order of the inputs, or the failure of the first input that failed. REQUIRES: done().
  auto TakeResults() {
    using Results = std::conditional_t<std::is_void_v<R>, absl::Status, absl::StatusOr<Values>>;
    if (first_failure_ != kNone) {
      absl::Status failure(failure_.code(), absl::StrCat("item ", first_failure_, ": ", failure_.message()));
      failure_.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) { failure.SetPayload(url, payload); });
      return Results(failure);
    }
    if constexpr (std::is_void_v<R>) {
      return Results();
    } else {
      return Results(std::move(results_));
    }
  }

 private:
  static constexpr size_t kNone = std::numeric_limits<size_t>::max();
  using Values = std::vector<std::conditional_t<std::is_void_v<R>, char, R>>;

  Encoder encoder_;
  size_t left_;
  Values results_;
  size_t first_failure_ = kNone;
  absl::Status failure_;
};

}  // namespace shoal::pool_internal

#endif  // SHOAL_POOL_MAP_JOB_H_
