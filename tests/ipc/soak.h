#ifndef SHOAL_TESTS_IPC_SOAK_H_
#define SHOAL_TESTS_IPC_SOAK_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace shoal::tests {

struct SoakReport {
  int64_t kills = 0;
  int64_t put = 0;          // Put has returned
  int64_t delivered = 0;
  int64_t redelivered = 0;  // and marked as such
  int64_t lost = 0;         // put, and never delivered
  int64_t unmarked = 0;     // delivered twice, and the second time not marked
  int64_t after_done = 0;   // delivered again although Done had returned
  int64_t torn = 0;
  bool wedged = false;      // nothing moved for long
  bool clean() const { return lost + unmarked + after_done + torn == 0 && !wedged; }
  std::string InWords() const;
};

// Four producers and four consumers of a queue with `acknowledge`, killed and started anew at random; a ledger beside the queue
// remembers what each has seen.
SoakReport Soak(absl::Duration length, uint64_t seed);

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_IPC_SOAK_H_
