// bench/shm/section_rows.cc: what failure atomicity costs.
//
// A section that changes one field of a T, against a Lock that is taken and given up around the same change. Both lie in the same
// segment; nobody else wants them. Processor time of this thread; a round is the median of short goes that alternate.

#include "shoal/bench/shm/section_rows.h"

#include <time.h>

#include <cstdint>
#include <memory>
#include <new>
#include <string>

#include "absl/strings/str_cat.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/segment.h"
#include "shoal/sync/check.h"
#include "shoal/sync/lock.h"
#include "shoal/sync/status.h"

namespace shoal::bench {
namespace {

template <size_t bytes>
struct Sized {
  int64_t fields[bytes / sizeof(int64_t)] = {};
};

struct Locked {
  Lock lock;
  int64_t value = 0;
};

double ProcessorSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

template <class Body>
double SecondsOf(size_t items, Body body) {
  const double begin = ProcessorSeconds();
  for (size_t i = 0; i < items; ++i) body();
  return (ProcessorSeconds() - begin) / static_cast<double>(items);
}

template <size_t bytes>
absl::Status Compare(const Settings& settings, double target, std::vector<Row>& rows) {
  using Guarded = Mutex<Sized<bytes>>;
  SHOAL_ASSIGN_OR_RETURN(const Segment segment, Segment::Create({.limit_bytes = size_t{4} << 20}));
  SHOAL_ASSIGN_OR_RETURN(const size_t mutex_at, segment.Allocate(sizeof(Guarded), 64));
  SHOAL_ASSIGN_OR_RETURN(const size_t locked_at, segment.Allocate(sizeof(Locked), 64));
  auto* const mutex = new (segment.At<Guarded>(mutex_at)) Guarded;
  auto* const locked = new (shm_internal::ObjectIn<Locked>(segment, locked_at)) Locked;
  const size_t items = settings.Items(20'000);
  const Work work = {
      .name = absl::StrCat("Mutex<T> section, T of ", bytes, " bytes, one field changed"),
      .quantity = Quantity::kTime,
      .slices = 21,
      .ours =
          [=] {
            return SecondsOf(items, [=] {
              auto guard = mutex->Lock();
              SHOAL_CHECK(guard.ok(), "nobody else has it");
              ++(*guard)->fields[0];
            });
          },
      .peers = {{"Lock alone", target,
                 [=] {
                   return SecondsOf(items, [=] {
                     auto guard = locked->lock.Acquire();
                     SHOAL_CHECK(guard.ok(), "nobody else has it");
                     ++locked->value;
                   });
                 }}},
  };
  SHOAL_ASSIGN_OR_RETURN(const std::vector<Row> measured, Measure(work, settings));
  rows.insert(rows.end(), measured.begin(), measured.end());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Row>> SectionRows(const Settings& settings) {
  std::vector<Row> rows;
  SHOAL_RETURN_IF_ERROR(Compare<8>(settings, 1.25, rows));
  SHOAL_RETURN_IF_ERROR(Compare<256>(settings, 1.4, rows));
  SHOAL_RETURN_IF_ERROR(Compare<4096>(settings, 3.5, rows));
  return rows;
}

}  // namespace shoal::bench
