#ifndef SHOAL_SHM_SHAREABLE_SYNC_H_
#define SHOAL_SHM_SHAREABLE_SYNC_H_

#include <string_view>

#include "shoal/shm/shareable.h"
#include "shoal/sync/barrier.h"
#include "shoal/sync/bounded_semaphore.h"
#include "shoal/sync/condition.h"
#include "shoal/sync/event.h"
#include "shoal/sync/lock.h"
#include "shoal/sync/rlock.h"
#include "shoal/sync/semaphore.h"

// The primitives of sync, which knows nothing of shm, as parts of shared objects.

namespace shoal {

template <>
struct ShareableTraits<Lock> : SharedType<SharedKind::kConcurrent> {
  static constexpr std::string_view kName = "Lock";
};
template <>
struct ShareableTraits<RLock> : SharedType<SharedKind::kConcurrent> {
  static constexpr std::string_view kName = "RLock";
};
template <>
struct ShareableTraits<Condition> : SharedType<SharedKind::kConcurrent> {
  static constexpr std::string_view kName = "Condition";
};
template <>
struct ShareableTraits<Event> : SharedType<SharedKind::kConcurrent> {
  static constexpr std::string_view kName = "Event";
};
template <>
struct ShareableTraits<Semaphore> : SharedType<SharedKind::kConcurrent> {
  static constexpr std::string_view kName = "Semaphore";
};
template <>
struct ShareableTraits<BoundedSemaphore> : SharedType<SharedKind::kConcurrent> {
  static constexpr std::string_view kName = "BoundedSemaphore";
};
template <>
struct ShareableTraits<Barrier> : SharedType<SharedKind::kConcurrent> {
  static constexpr std::string_view kName = "Barrier";
};

}  // namespace shoal

#endif  // SHOAL_SHM_SHAREABLE_SYNC_H_
