#ifndef SHOAL_SHM_WITH_RESULT_H_
#define SHOAL_SHM_WITH_RESULT_H_

#include <type_traits>
#include <utility>

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

// Runs f(objects...) in the open section of `guard` and ends it: commits, or rolls back if `f` returns a status that is not OK, or
// throws. Returns what `f` returns, as a StatusOr; a Status where it returns one or nothing.
template <class Guard, class F, class... T>
auto RunInSection(Guard& guard, F&& f, T&... objects) {
  using R = std::invoke_result_t<F, T&...>;
  using Result = typename WithResult<R>::Type;
  try {
    if constexpr (std::is_void_v<R>) {
      std::forward<F>(f)(objects...);
      guard.End();
      return absl::OkStatus();
    } else {
      Result result(std::forward<F>(f)(objects...));
      if (result.ok()) {
        guard.End();
      } else {
        guard.RollbackAndEnd();
      }
      return result;
    }
  } catch (...) {  // pthread_exit comes this way too, and is no exception in flight
    guard.RollbackAndEnd();
    throw;
  }
}

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_WITH_RESULT_H_
