#ifndef SHOAL_TESTS_KILL_DRIVER_H_
#define SHOAL_TESTS_KILL_DRIVER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <new>
#include <string>
#include <vector>

namespace shoal::tests {

// Kills a process at every instruction of an operation, and lets survivors judge.
//
// An operation is a named body that one process, the victim, runs on shared memory. It dies of SIGKILL after k instructions of it,
// for every k until the body ends, or for a sample of those k where others can tell the difference (stepping.h). Beside it there
// may be
//
//   sleepers   who are asleep, or done, when it starts; each must be done in the end
//   late ones  who come when the victim has gone to sleep itself, and queue behind it
//   a waker    who acts then: so the victim dies after it was woken, too; and in its sleep, and stopped in its sleep
//   a thief    who acts while the victim is parked at k, and holds what it got until after the victim's death
//   a paused   sleeper, parked after j instructions of its own while the victim runs and dies, then resumed
//   a rescuer  who acts after the death; it may be killed after j instructions too, and then another one comes
//
// Nobody is timed. The driver waits until all who live are at rest: asleep with all their threads at one and the same moment, seen
// twice with no time slice used in between. Whoever sleeps then although he could go on, hangs. A survivor that crashes, or ends
// with a Verdict as its exit code, has found something half done.

enum class Verdict : uint8_t { kFine, kLost, kHalfDone, kLeaked };

// Where a thief waits, with what it holds, for the victim to be dead.
class Gate {
 public:
  // `*victim_is_doomed` is seen by all parties.
  Gate(int read_fd, int write_fd, std::atomic<bool>* victim_is_doomed)
      : read_fd_(read_fd), write_fd_(write_fd), victim_is_doomed_(victim_is_doomed) {}
  void Hold() const;
  void Open() const;

  // The driver kills a parked victim when all others are at rest: a thief that finds it doomed before it has come here was held up
  // by it. (Whether the process is still there tells nothing: the kernel frees what it had locked before it is gone.)
  bool victim_is_doomed() const { return *victim_is_doomed_; }
  void DoomVictim(bool doomed) const { *victim_is_doomed_ = doomed; }

 private:
  int read_fd_;
  int write_fd_;
  std::atomic<bool>* victim_is_doomed_;
};

// One cast of parties. All bodies run in processes of their own, on one shared T that `setup` constructed in zeroed memory. They
// are forked from one process of the operation's own, which runs `warm` once and `setup` before each death: what it makes in a
// segment is there for all of them, at the same address. A process's threads do not survive the fork; a body that needs one of its
// own, as a participant does, makes it in `prepare`.
struct Operation {
  using Body = std::function<void(void*)>;

  std::string name;
  size_t size_bytes = 0;
  Body setup;                      // before the parties come
  std::function<void()> warm;      // makes what a process makes once and its children inherit
  Body prepare;                    // in the victim, before the sleepers come
  std::vector<Body> sleepers;      // in this order; each is at rest before the next begins
  Body body;                       // in the victim, stepped
  bool body_wakes_itself = false;  // by a timeout: its sleep is not where it ends
  std::vector<Body> late_sleepers;
  Body waker;                                     // optional
  std::function<void(void*, const Gate&)> thief;  // optional
  bool pause_first_sleeper = false;               // the first sleeper is parked after j instructions, for many j
  bool kill_rescuer_too = false;
  Body rescuer;  // after it all sleepers must be done
  // With everybody at rest after the death: is it right that `asleep` parties sleep?
  std::function<bool(const void*, int asleep)> may_sleep;
  std::function<Verdict(void*)> check;  // by a survivor, when all are done
  Body clean;                           // optional: after the last death, what lies outside of memory and nobody has taken away
  // Switches a protection off, to show that it is one: the victim clears its list_op_pending as it dies.
  bool forget_pending = false;
};

struct Tally {
  std::string name;
  int64_t length = 0;   // of the body, in instructions, if every one is taken
  int64_t visible = 0;  // boundaries where others can tell a death from one an instruction before (stepping.h)
  bool long_body = false;  // longer than kLongBody
  int64_t points = 0;      // deaths
  int64_t hangs = 0;
  int64_t lost = 0;
  int64_t half_done = 0;
  int64_t leaked = 0;
  std::string first_failure;  // where

  bool clean() const { return hangs + lost + half_done + leaked == 0; }
  void Add(const Tally& other);
};

// Which points: every one, or about `sample` visible ones for each of the parties that may be beside the victim, chosen by `seed`.
// Pairs of k and j are always a sample, for there are a hundred thousand of each operation.
struct Points {
  int64_t sample = 0;  // 0: every one
  uint64_t seed = 0;
  bool until_found = false;  // the first failure ends it
};

// Of a body with more instructions than this, "every one" means every visible one.
constexpr int64_t kLongBody = 20'000;

Tally KillAtEveryInstruction(const Operation& operation, const Points& points);

// The same for many, as many at once as `jobs` says; each in a process of its own. `done` is told as they end.
std::vector<Tally> KillSideBySide(const std::vector<Operation>& operations, const Points& points, int jobs,
                                  const std::function<void(const Tally&)>& done = nullptr);

// Table rows, one per name; the last sums up. A long body's length has a mark: there the visible points stand for all.
std::string Table(const std::vector<Tally>& tallies);

// Wraps bodies on a T into bodies on bytes.
template <class T>
Operation::Body On(void (*body)(T&)) {
  return [body](void* shared) { body(*static_cast<T*>(shared)); };
}

template <class T>
Operation OperationOn(std::string name) {
  Operation operation;
  operation.name = std::move(name);
  operation.size_bytes = sizeof(T);
  operation.setup = [](void* shared) { new (shared) T; };
  operation.may_sleep = [](const void*, int) { return true; };
  operation.check = [](void*) { return Verdict::kFine; };
  return operation;
}

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_KILL_DRIVER_H_
