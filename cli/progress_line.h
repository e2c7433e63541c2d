#ifndef SHOAL_CLI_PROGRESS_LINE_H_
#define SHOAL_CLI_PROGRESS_LINE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "shoal/cli/totals.h"

namespace shoal::cli_internal {

// How far a run has come, as one line of at most `width` characters:
//
//    42% [########............]  1,234 done, 2 failed, 567/s, 0:12 left
//
// Without `input_bytes`, what the input has in all, nobody knows the end: count, failures, rate and the time so far. The share is
// that of the input's bytes, so lines of very unequal work make the time left a guess.
//
// Thread safety: pure function.
std::string ProgressLine(const Totals& totals, std::optional<uint64_t> input_bytes, absl::Duration elapsed, size_t width);

}  // namespace shoal::cli_internal

#endif  // SHOAL_CLI_PROGRESS_LINE_H_
