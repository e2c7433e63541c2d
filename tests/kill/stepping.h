#ifndef SHOAL_TESTS_KILL_STEPPING_H_
#define SHOAL_TESTS_KILL_STEPPING_H_

#include <cstddef>
#include <cstdint>
#include <functional>

namespace shoal::tests {

// How a process stops in the middle of a body: it does so to itself, at a boundary between two instructions.
//
// In steps: the trap flag raises SIGTRAP after each instruction (20 us each); an int3 is a way past many of them (2 us).
// In events: shared memory and the page of the thread's robust list are read-only, and system calls are trapped; so a signal comes
// only where others could see a difference. An event after which shared bytes or the list differ from before, or that is a system
// call, is *visible*: a death between two visible events looks like one at the first of them.

// Where a body goes, boundary by boundary. Lies in memory that is shared with whoever wants to know (MakeOwnShared).
struct Trace {
  static constexpr int64_t kMax = int64_t{1} << 18;
  static constexpr uint64_t kVisible = uint64_t{1} << 63;

  int64_t length;     // boundaries seen; number 0 is before the body
  bool ended;         // the body returned
  uint64_t at[kMax];  // the instruction that comes next, and whether the boundary is visible

  uint64_t pc(int64_t k) const { return at[k] & ~kVisible; }
  bool visible(int64_t k) const { return (at[k] & kVisible) != 0; }
};

void RecordSteps(const std::function<void()>& body, Trace& trace, int64_t limit);  // of the first `limit` instructions
void RecordEvents(const std::function<void()>& body, Trace& trace);

// Where to stop: after an event, or `steps` instructions after one is about to run for the `occurrence`th time.
struct Target {
  int64_t event = -1;
  uint64_t pc = 0;  // 0: from the beginning
  int64_t occurrence = 1;
  int64_t steps = 0;
};

// The cheapest way to boundary k of a trace of steps.
Target WayTo(const Trace& steps, int64_t k);

enum class AtTarget { kDie, kDieForgetful, kPark };  // forgetful: without its list_op_pending

// Runs `body` to its target. Who is parked there (SIGSTOP) and continued runs on freely.
void RunTo(const std::function<void()>& body, const Target& target, AtTarget action);

// memset and memcpy choose their instructions by processor and length, and some repeat one instruction for every byte. This
// starts the program anew with others, unless that is done already.
void UsePlainStringInstructions(char** argv);

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_KILL_STEPPING_H_
