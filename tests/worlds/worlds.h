#ifndef SHOAL_TESTS_WORLDS_WORLDS_H_
#define SHOAL_TESTS_WORLDS_WORLDS_H_

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <new>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "shoal/sync/check.h"

namespace shoal::tests {

// Where the parties of a test live. The same body runs in each:
//   kThreads      threads on one mapping (ThreadSanitizer sees them)
//   kTwoMappings  threads, every other one on a second mapping of the same memory (no absolute address survives)
//   kProcesses    forked processes (a death is a death)
enum class World { kThreads, kTwoMappings, kProcesses };

inline constexpr World kAllWorlds[] = {World::kThreads, World::kTwoMappings, World::kProcesses};
std::string WorldName(const ::testing::TestParamInfo<World>& info);

// Zeroed shared memory that is mapped twice; unmapped with this object.
class TwiceMapped {
 public:
  explicit TwiceMapped(size_t size_bytes);
  ~TwiceMapped();
  TwiceMapped(const TwiceMapped&) = delete;
  TwiceMapped& operator=(const TwiceMapped&) = delete;

  void* view(int which) const { return views_[which]; }

 private:
  size_t size_bytes_;
  void* views_[2];
};

// A party that runs; Join it. A process party ends with _exit and reports the test failures it had.
class Party {
 public:
  Party(World world, std::function<void()> body);
  Party(Party&& other) noexcept
      : world_(other.world_),
        thread_(std::move(other.thread_)),
        tid_(other.tid_),
        joined_(std::exchange(other.joined_, true)) {}
  Party& operator=(Party&&) = delete;
  ~Party();

  // Waits until the thread or process sleeps in the kernel. It may wake at once, of course; for states that last.
  void AwaitAsleep() const;

  // Waits for its end; a failed expectation in it is a failure here.
  void Join();

  // Ends a process party with SIGKILL and reaps it. REQUIRES: World::kProcesses.
  void Kill();

  pid_t tid() const { return tid_; }

 private:
  World world_;
  std::thread thread_;
  pid_t tid_ = 0;
  bool joined_ = false;
};

// The state letter of /proc/<tid>/stat; '\0' if there is none.
char ProcessState(pid_t tid);

// Waits for a state that must come. A watchdog ends a test that waits for ever: the test's own size.
void Await(const std::function<bool()>& condition);

// A `T` in shared memory, constructed in the first mapping, and the parties that use it.
template <class T>
class Shared {
 public:
  template <class... Args>
  explicit Shared(World world, Args&&... args) : world_(world), memory_(sizeof(T)) {
    new (memory_.view(0)) T(std::forward<Args>(args)...);
  }

  T& operator*() const { return *static_cast<T*>(memory_.view(0)); }
  T* operator->() const { return &**this; }
  T& view(int which) const { return *static_cast<T*>(memory_.view(which)); }

  // Starts body(shared, number).
  Party Start(int number, std::function<void(T&, int)> body) const {
    T& own = view(world_ == World::kTwoMappings ? number % 2 : 0);
    return Party(world_, [&own, number, body = std::move(body)] { body(own, number); });
  }

  // Runs `count` parties to their end.
  void Run(int count, std::function<void(T&, int)> body) const {
    std::vector<Party> parties;
    for (int i = 0; i < count; ++i) parties.push_back(Start(i, body));
    for (Party& party : parties) party.Join();
  }

  World world() const { return world_; }

 private:
  World world_;
  TwiceMapped memory_;
};

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_WORLDS_WORLDS_H_
