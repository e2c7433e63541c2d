// bench/shm/rw_lock_rows.cc: RwLock beside pthread_rwlock_t and Boost's interprocess_sharable_mutex.
//
// One field is read, or changed in a section; nobody else wants the lock. The others have no owner that could die: a reader or writer that
// is killed leaves them locked for ever. Processor time of this thread; a round is the median of short goes that alternate.

#include "shoal/bench/shm/rw_lock_rows.h"

#include <pthread.h>
#include <time.h>

#include <cstdint>
#include <new>
#include <optional>
#include <vector>

#include "boost/interprocess/sync/interprocess_sharable_mutex.hpp"
#include "shoal/shm/rw_lock.h"
#include "shoal/shm/segment.h"
#include "shoal/sync/check.h"
#include "shoal/sync/status.h"

namespace shoal::bench {
namespace {

struct Field {
  int64_t value = 0;
};
struct Pthread {
  Pthread() {
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_rwlock_init(&lock, &attributes);
  }
  pthread_rwlock_t lock;
  int64_t value = 0;
};
struct Boost {
  boost::interprocess::interprocess_sharable_mutex lock;
  int64_t value = 0;
};

double ProcessorSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

template <class Body>
Round Repeating(size_t items, Body body) {
  return [=] {
    const double begin = ProcessorSeconds();
    for (size_t i = 0; i < items; ++i) body();
    return (ProcessorSeconds() - begin) / static_cast<double>(items);
  };
}

void Use(int64_t value) { asm volatile("" ::"r"(value) : "memory"); }

template <class T>
absl::StatusOr<T*> Make(const Segment& segment) {
  SHOAL_ASSIGN_OR_RETURN(const size_t at, segment.Allocate(sizeof(T), 64));
  return new (shm_internal::ObjectIn<T>(segment, at)) T;
}

}  // namespace

absl::StatusOr<std::vector<Row>> RwLockRows(const Settings& settings) {
  SHOAL_ASSIGN_OR_RETURN(const Segment segment, Segment::Create({.limit_bytes = size_t{4} << 20}));
  SHOAL_ASSIGN_OR_RETURN(auto* const ours, Make<RwLock<Field>>(segment));
  SHOAL_ASSIGN_OR_RETURN(auto* const pthread, Make<Pthread>(segment));
  SHOAL_ASSIGN_OR_RETURN(auto* const boost, Make<Boost>(segment));
  const size_t items = settings.Items(20'000);
  const Work works[] = {
      {.name = "RwLock<T> read, T of 8 bytes",
       .quantity = Quantity::kTime,
       .slices = 21,
       .ours = Repeating(items,
                         [=] {
                           auto guard = ours->Read();
                           SHOAL_CHECK(guard.ok(), "nobody else has it");
                           Use((*guard)->value);
                         }),
       .peers = {{"pthread_rwlock", std::nullopt,
                  Repeating(items,
                            [=] {
                              pthread_rwlock_rdlock(&pthread->lock);
                              Use(pthread->value);
                              pthread_rwlock_unlock(&pthread->lock);
                            })},
                 {"Boost sharable mutex", std::nullopt,
                  Repeating(items,
                            [=] {
                              boost->lock.lock_sharable();
                              Use(boost->value);
                              boost->lock.unlock_sharable();
                            })}}},
      {.name = "RwLock<T> section, T of 8 bytes, one field changed",
       .quantity = Quantity::kTime,
       .slices = 21,
       .ours = Repeating(items,
                         [=] {
                           auto guard = ours->Write();
                           SHOAL_CHECK(guard.ok(), "nobody else has it");
                           ++(*guard)->value;
                         }),
       .peers = {{"pthread_rwlock", std::nullopt,
                  Repeating(items,
                            [=] {
                              pthread_rwlock_wrlock(&pthread->lock);
                              ++pthread->value;
                              pthread_rwlock_unlock(&pthread->lock);
                            })},
                 {"Boost sharable mutex", std::nullopt,
                  Repeating(items,
                            [=] {
                              boost->lock.lock();
                              ++boost->value;
                              boost->lock.unlock();
                            })}}},
  };
  std::vector<Row> rows;
  for (const Work& work : works) {
    SHOAL_ASSIGN_OR_RETURN(const std::vector<Row> measured, Measure(work, settings));
    rows.insert(rows.end(), measured.begin(), measured.end());
  }
  return rows;
}

}  // namespace shoal::bench
