#ifndef SHOAL_SHM_WITH_RESULT_H_
#define SHOAL_SHM_WITH_RESULT_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace shoal::shm_internal {

// What Mutex::With and its kin return for a function that returns R.
template <class R>
struct WithResult {
  using Type = absl::StatusOr<R>;
};
template <>
struct WithResult<void> {
  using Type = absl::Status;
};
template <>
struct WithResult<absl::Status> {
  using Type = absl::Status;
};
template <class T>
struct WithResult<absl::StatusOr<T>> {
  using Type = absl::StatusOr<T>;
};

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_WITH_RESULT_H_
