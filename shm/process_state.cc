#include "shoal/shm/process_state.h"

#include <pthread.h>

#include <array>

#include "shoal/sync/robust_list.h"

//  EDGE process.state: the first to make it, release → whoever looks, acquire. Publishes the state.

namespace shoal::shm_internal {
namespace {

// In the order in which they are taken.
std::array<std::mutex*, 5> Mutexes(ProcessState& state) {
  return {&state.default_mutex, &state.joining, &state.claiming, &state.mutex, &state.reapers_mutex};
}

void LockAll() {
  for (std::mutex* const mutex : Mutexes(*ProcessStateOrNull())) mutex->lock();
}

void UnlockAll() {
  for (std::mutex* const mutex : Mutexes(*ProcessStateOrNull())) mutex->unlock();
}

// The parent's threads are not the child's.
void UnlockAllInChild() {
  ProcessStateOrNull()->reapers.clear();
  UnlockAll();
}

}  // namespace

ProcessState* ProcessStateOrNull() {
  static std::atomic<void*>* const place = sync_internal::AboveOrNull();
  if (place == nullptr) return nullptr;
  void* known = place->load(std::memory_order_acquire);  // process.state (acquire)
  if (known != nullptr) return static_cast<ProcessState*>(known);
  auto* const made = new ProcessState;
  // process.state (acq_rel); process.state (acquire) on failure: somebody was first
  if (!place->compare_exchange_strong(known, made, std::memory_order_acq_rel, std::memory_order_acquire)) {
    delete made;
    return static_cast<ProcessState*>(known);
  }
  pthread_atfork(LockAll, UnlockAll, UnlockAllInChild);
  return made;
}

absl::Status NoProcessState() { return sync_internal::MakeRoom(sync_internal::ThisThread()); }

}  // namespace shoal::shm_internal
