#ifndef SHOAL_TESTS_KILL_ONE_DEATH_H_
#define SHOAL_TESTS_KILL_ONE_DEATH_H_

#include <string>
#include <vector>

#include "shoal/tests/kill/driver.h"
#include "shoal/tests/kill/parties.h"
#include "shoal/tests/kill/stepping.h"

namespace shoal::tests {

enum class Kind {
  kPlain,
  kThief,       // acts while the victim is parked
  kPaused,      // a sleeper is, while the victim runs and dies
  kRescuerToo,  // is killed, and another one comes
  kAsleep,      // the victim is killed in its sleep, and the waker comes after that
  kStopped,     // the victim is stopped in its sleep, the waker wakes whom it can, the victim is killed
};

const char* NameOf(Kind kind);

// What a party does with its body.
struct Part {
  enum class How { kFreely, kRecordSteps, kRecordEvents, kTo };

  How how = How::kFreely;
  Trace* trace = nullptr;  // to write to
  Target target;
};

struct Plan {
  Kind kind = Kind::kPlain;
  Part victim;
  Part second;  // of kPaused: the first sleeper; of kRescuerToo: the first rescuer
};

struct Outcome {
  bool hang = false;
  Verdict verdict = Verdict::kFine;
  std::string crash;   // which survivor did, and how; a crash counts as half done
  bool killed = true;  // the victim: else it ended before its target

  bool fine() const { return !hang && verdict == Verdict::kFine; }
};

// Plays the operation once, from `setup` to `check`, with one death in it (or two).
Outcome OneDeath(const Operation& operation, void* shared, const Gate& gate, const Plan& plan);

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_KILL_ONE_DEATH_H_
