#ifndef SHOAL_BENCH_COMPARE_SYNC_CONTESTANTS_H_
#define SHOAL_BENCH_COMPARE_SYNC_CONTESTANTS_H_

#include <pthread.h>
#include <semaphore.h>

#include <cstdint>

#include "absl/status/statusor.h"
#include "boost/interprocess/sync/interprocess_mutex.hpp"
#include "shoal/sync/barrier.h"
#include "shoal/sync/check.h"
#include "shoal/sync/event.h"
#include "shoal/sync/guard.h"
#include "shoal/sync/lock.h"
#include "shoal/sync/semaphore.h"

namespace shoal::bench {

// Something to do for `steps` times about a nanosecond, on registers alone.
inline void Compute(int64_t steps) {
  uint64_t value = 1;
  for (int64_t i = 0; i < steps; ++i) asm volatile("imul $3, %0, %0" : "+r"(value));
}

// The primitives of sync and what one would take instead, behind the same calls, inline as a user would have them. All of them lie
// in shared memory.

struct OurLock {
  Lock lock;
  void Section(int64_t& value, int64_t steps = 0) {
    absl::StatusOr<Guard> guard = lock.Acquire();
    SHOAL_CHECK(guard.ok(), "a lock can be acquired");
    ++value;
    Compute(steps);
  }
  // For ever: until this process dies.
  void Take() {
    absl::StatusOr<Guard> guard = lock.Acquire();
    SHOAL_CHECK(guard.ok(), "a lock can be acquired");
    new Guard(*std::move(guard));
  }
};

struct PthreadMutex {
  pthread_mutex_t mutex;
  explicit PthreadMutex(bool robust) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (robust) pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&mutex, &attributes);
  }
  void Section(int64_t& value, int64_t steps = 0) {
    pthread_mutex_lock(&mutex);
    ++value;
    Compute(steps);
    pthread_mutex_unlock(&mutex);
  }
  void Take() { pthread_mutex_lock(&mutex); }
};
struct RobustMutex : PthreadMutex {
  RobustMutex() : PthreadMutex(true) {}
};
struct PlainMutex : PthreadMutex {
  PlainMutex() : PthreadMutex(false) {}
};

struct BoostMutex {
  boost::interprocess::interprocess_mutex mutex;
  void Section(int64_t& value, int64_t steps = 0) {
    mutex.lock();
    ++value;
    Compute(steps);
    mutex.unlock();
  }
};

struct OurSemaphore {
  Semaphore semaphore;
  explicit OurSemaphore(unsigned initial) : semaphore(initial) {}
  void Acquire() { SHOAL_CHECK(semaphore.Acquire().ok(), "a permit can be acquired"); }
  void Release() { SHOAL_CHECK(semaphore.Release().ok(), "a permit can be released"); }
};

struct PosixSemaphore {
  sem_t semaphore;
  explicit PosixSemaphore(unsigned initial) { sem_init(&semaphore, 1, initial); }
  void Acquire() {
    while (sem_wait(&semaphore) != 0) {
    }
  }
  void Release() { sem_post(&semaphore); }
};

struct OurEvent {
  Event event;
  void Set() { event.Set(); }
  void WaitAndClear() {
    SHOAL_CHECK(event.Wait().ok(), "an event is set in the end");
    event.Clear();
  }
};

// What one writes without an Event: a flag, a mutex and a condition.
struct PthreadEvent {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  bool set = false;
  PthreadEvent() {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&mutex, &attributes);
    pthread_condattr_t condition;
    pthread_condattr_init(&condition);
    pthread_condattr_setpshared(&condition, PTHREAD_PROCESS_SHARED);
    pthread_cond_init(&changed, &condition);
  }
  void Set() {
    pthread_mutex_lock(&mutex);
    set = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
  }
  void WaitAndClear() {
    pthread_mutex_lock(&mutex);
    while (!set) pthread_cond_wait(&changed, &mutex);
    set = false;
    pthread_mutex_unlock(&mutex);
  }
};

struct OurBarrier {
  Barrier barrier;
  explicit OurBarrier(int parties) : barrier(parties) {}
  void Wait() { SHOAL_CHECK(barrier.Wait().ok(), "nobody breaks this barrier"); }
};

struct PthreadBarrier {
  pthread_barrier_t barrier;
  explicit PthreadBarrier(int parties) {
    pthread_barrierattr_t attributes;
    pthread_barrierattr_init(&attributes);
    pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&barrier, &attributes, static_cast<unsigned>(parties));
  }
  void Wait() { pthread_barrier_wait(&barrier); }
};

}  // namespace shoal::bench

#endif  // SHOAL_BENCH_COMPARE_SYNC_CONTESTANTS_H_
