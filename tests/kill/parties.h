#ifndef SHOAL_TESTS_KILL_PARTIES_H_
#define SHOAL_TESTS_KILL_PARTIES_H_

#include <sys/types.h>

#include <functional>
#include <vector>

namespace shoal::tests {

// A child of the driver. It ends with it.
class Party {
 public:
  static Party Start(const std::function<void()>& body);  // and then _exit(0)

  Party(Party&& other) noexcept;
  Party& operator=(Party&& other) noexcept;
  ~Party();  // REQUIRES: ended

  bool ended() const { return ended_; }
  bool parked() const { return parked_; }              // stopped
  bool asleep() const { return !ended_ && !parked_; }  // after AwaitRest

  bool returned() const;            // it has ended by itself, with exit code 0
  int exit_code_or_0() const;       // what it ended with, if it did by itself
  bool was_killed() const;          // by SIGKILL, its own or the driver's
  int fatal_signal_or_0() const;    // other than that: it crashed
  bool died_of_breakpoint() const;  // where all signals are blocked, one ends it instead of stopping it

  void Stop();
  void Continue();
  void KillAndReap();

 private:
  friend void AwaitRest(const std::vector<Party*>& parties);

  explicit Party(pid_t pid) : pid_(pid) {}
  void Poll();
  long SlicesIfAsleep();

  pid_t pid_ = 0;
  int stat_fd_ = -1;
  int schedstat_fd_ = -1;
  bool ended_ = false;
  bool parked_ = false;
  int status_ = 0;
};

// Waits until every party has ended, is parked, or sleeps with all its threads, all at one moment; and this process's other
// threads sleep, too.
void AwaitRest(const std::vector<Party*>& parties);

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_KILL_PARTIES_H_
