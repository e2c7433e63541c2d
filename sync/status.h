#ifndef SHOAL_SYNC_STATUS_H_
#define SHOAL_SYNC_STATUS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace shoal {

// The payload that every status made by this library carries. A status without it came from somewhere else, usually from a
// user's own task function, and is passed on as it is.
inline constexpr absl::string_view kOriginPayload = "shoal.dev/origin";

// Whether `status` was made by this library (and not by a user's function that ran in a worker).
bool MadeByShoal(const absl::Status& status);

namespace sync_internal {

// A status of ours: `code`, `message` and the origin payload. Cold paths only: it allocates. If there is no memory, the code is all it says.
absl::Status MakeStatus(absl::StatusCode code, absl::string_view message) noexcept;

// The same, with errno's code and text behind `what`: "cannot map 4096 bytes: Out of memory".
absl::Status ErrnoStatus(int error, absl::string_view what);

// ResourceExhausted: this process has no memory of its own. If there is none for a message either, the code is all it says.
absl::Status NoMemoryStatus() noexcept;

}  // namespace sync_internal
}  // namespace shoal

// Leaves the calling function with the status of `expression` unless it is OK. (Debian's Abseil has no such macros yet.)
#define SHOAL_RETURN_IF_ERROR(expression)                               \
  do {                                                                  \
    if (absl::Status shoal_status = (expression); !shoal_status.ok()) { \
      return shoal_status;                                              \
    }                                                                   \
  } while (false)

// Declares or assigns `target` from the value of a StatusOr expression, or leaves the function with its status.
#define SHOAL_ASSIGN_OR_RETURN(target, expression) \
  SHOAL_ASSIGN_OR_RETURN_NAMED(SHOAL_CONCATENATED(shoal_status_or_, __LINE__), target, expression)
#define SHOAL_ASSIGN_OR_RETURN_NAMED(name, target, expression) \
  auto name = (expression);                                    \
  if (!name.ok()) return std::move(name).status();             \
  target = *std::move(name)
#define SHOAL_CONCATENATED(a, b) SHOAL_CONCATENATED_NOW(a, b)
#define SHOAL_CONCATENATED_NOW(a, b) a##b

#endif  // SHOAL_SYNC_STATUS_H_
