#ifndef SHOAL_SHM_FAILING_ALLOCATIONS_H_
#define SHOAL_SHM_FAILING_ALLOCATIONS_H_

#include <cstdint>

namespace shoal::shm_internal {

// For tests: a process without memory of its own. A binary that names this has an operator new that fails, for the thread that says so.
//
//   auto result = WithAllocations(0, [&] { return queue.Get(); });  // none succeeds while it runs

inline constexpr int64_t kAllAllocations = -1;

// So many allocations of this thread succeed from now on.
void AllowAllocations(int64_t count);

template <class F>
auto WithAllocations(int64_t count, F&& call) {
  AllowAllocations(count);
  auto result = call();
  AllowAllocations(kAllAllocations);
  return result;
}

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_FAILING_ALLOCATIONS_H_
