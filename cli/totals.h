#ifndef SHOAL_CLI_TOTALS_H_
#define SHOAL_CLI_TOTALS_H_

#include <cstdint>

namespace shoal::cli_internal {

// How far a run has come.
struct Totals {
  uint64_t calls = 0;        // that have ended
  uint64_t failed = 0;       // of these
  uint64_t input_bytes = 0;  // of the lines of these
};

}  // namespace shoal::cli_internal

#endif  // SHOAL_CLI_TOTALS_H_
