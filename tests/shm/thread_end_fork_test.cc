// A fork while another thread finds out where glibc notes the end of threads: the child finds out for itself.

#include <dlfcn.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "gtest/gtest.h"
#include "shoal/shm/thread_end.h"

namespace {

std::atomic<bool> in_trial{false};
std::atomic<bool> forked{false};
thread_local bool stops_in_trial = false;

}  // namespace

// In the program, so it is the one that everybody calls.
extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*), void* argument) {
  if (stops_in_trial) {
    in_trial = true;
    in_trial.notify_all();
    forked.wait(false);
  }
  static const auto real = reinterpret_cast<decltype(&pthread_create)>(dlsym(RTLD_NEXT, "pthread_create"));
  return real(thread, attributes, run, argument);
}

namespace shoal::shm_internal {
namespace {

TEST(ThreadEndForkTest, AForkInTheMidstOfTheTrialLeavesNobodyWaiting) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer takes a forked child's threads for those of its parent";
#endif
  std::thread first([] {
    stops_in_trial = true;
    EXPECT_NE(ThreadEndWordOrNull(), nullptr);
  });
  in_trial.wait(false);
  const pid_t child = fork();
  if (child == 0) {
    alarm(30);  // only ever ends a child that hangs
    _exit(ThreadEndWordOrNull() != nullptr ? 0 : 1);
  }
  forked = true;
  forked.notify_all();
  first.join();
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_NE(ThreadEndWordOrNull(), nullptr);
}

}  // namespace
}  // namespace shoal::shm_internal
