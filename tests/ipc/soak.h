#ifndef SHOAL_TESTS_IPC_SOAK_H_
#define SHOAL_TESTS_IPC_SOAK_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace shoal::tests {

enum class SoakKind {
  kQueue,     // with `acknowledge`: what a dead consumer had not done is delivered again
  kJoinable,  // the same; in the end Join returns
  kSimple,    // without: a dead consumer loses one message at most
};

struct SoakPlan {
  SoakKind kind = SoakKind::kQueue;
  // Besides stopping some. Without kills messages lie in the cells, and the others must go on while some are stopped; with them, who is
  // stopped may have a lock of the segment that those need who look after the dead.
  bool kills = true;
};

struct SoakReport {
  int64_t kills = 0;
  int64_t stops = 0;        // processes that were stopped
  int64_t waits = 0;        // times that the others did not go on until those were continued
  int64_t put = 0;          // Put has returned
  int64_t delivered = 0;
  int64_t redelivered = 0;  // and marked as such
  int64_t lost = 0;         // put, and never delivered
  int64_t may_be_lost = 0;  // by consumers that were killed
  int64_t unmarked = 0;     // delivered twice, and the second time not marked
  int64_t after_done = 0;   // delivered again although Done had returned
  int64_t torn = 0;
  bool wedged = false;      // nothing moved for long
  bool clean() const { return lost <= may_be_lost && unmarked + after_done + torn == 0 && !wedged; }
  std::string InWords() const;
};

// Four producers and four consumers, killed and started anew, stopped and continued at random; a ledger beside the queue remembers what
// each has seen.
SoakReport Soak(const SoakPlan& plan, absl::Duration length, uint64_t seed);

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_IPC_SOAK_H_
