#include "shoal/sync/status.h"

#include <cstring>
#include <new>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace shoal {

bool MadeByShoal(const absl::Status& status) { return status.GetPayload(kOriginPayload).has_value(); }

namespace sync_internal {

absl::Status MakeStatus(absl::StatusCode code, absl::string_view message) noexcept {
  try {
    absl::Status status(code, message);
    status.SetPayload(kOriginPayload, absl::Cord("shoal"));
    return status;
  } catch (const std::bad_alloc&) {
    return absl::Status(code, "");  // allocates nothing
  }
}

absl::Status ErrnoStatus(int error, absl::string_view what) {
  // ErrnoToStatus knows which code an errno stands for; the message is ours.
  return MakeStatus(absl::ErrnoToStatusCode(error), absl::StrCat(what, ": ", strerrordesc_np(error)));
}

absl::Status NoMemoryStatus() noexcept {
  return MakeStatus(absl::StatusCode::kResourceExhausted, "this process has no memory of its own for what it was to do");
}

}  // namespace sync_internal
}  // namespace shoal
