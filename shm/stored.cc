// shm/stored.cc: how what an object owns is given up.
//
// A disposal changes no byte of what it walks through: it names blocks in the journal, to be given back when the section commits. So
// there is no state between "all of it" and "nothing of it", and a walk that fails takes its records back.
//
//  If the thread dies …                      the others see …
//   while it walks                            the section is undone: no block was given back
//   while the section commits                 the next owner gives the rest back, as its journal says
//
// The links that it follows lie in shared memory. Containers check each against the segment; here the number of blocks is bounded, as
// links that lead round in circles name blocks without end.

#include "shoal/shm/stored.h"

#include <cstddef>
#include <new>

#include "absl/strings/str_cat.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/size_classes.h"

namespace shoal::shm_internal {

absl::Status Disposal::Free(const void* block) {
  const Attachment& attachment = section_.attachment();
  const size_t most = attachment.size_bytes() / kBlockAlignment;
  if (++freed_ > most) {
    return sync_internal::MakeStatus(
        absl::StatusCode::kDataLoss,
        absl::StrCat("an object owns more than ", most, " blocks, more than its segment can have: its links are damaged"));
  }
  return section_.Free(attachment.OffsetOf(block));
}

absl::Status Disposal::RunAll() {
  while (!pending_.empty()) {
    Pending rest = pending_.back();
    pending_.pop_back();
    const auto below = static_cast<ptrdiff_t>(pending_.size());
    SHOAL_RETURN_IF_ERROR(rest.go_on(*this, rest));
    // Below what it has added. Nothing is left of the last one, so that a list needs one place only.
    if (rest.next < rest.count) pending_.insert(pending_.begin() + below, rest);
  }
  return absl::OkStatus();
}

absl::Status Disposal::Run() {
  absl::Status status;
  try {
    status = RunAll();
  } catch (const std::bad_alloc&) {
    status = sync_internal::NoMemoryStatus();
  }
  if (!status.ok()) {
    section_.CancelSince(mark_);
    pending_.clear();
  }
  return status;
}

}  // namespace shoal::shm_internal
