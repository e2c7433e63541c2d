#ifndef SHOAL_SHM_SLEEP_IN_GUARD_H_
#define SHOAL_SHM_SLEEP_IN_GUARD_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "shoal/sync/robust_list.h"

namespace shoal::shm_internal {

class Holds;

// A guard that has given its locks up, to take them again after a Condition's sleep: until then it uses the objects that they lie in.
class SleepInGuard final {
 public:
  SleepInGuard() = default;
  SleepInGuard(const SleepInGuard&) = delete;
  SleepInGuard& operator=(const SleepInGuard&) = delete;
  ~SleepInGuard() { End(); }

  // `holds`: of this process, in the segment of the locks; null: it holds nothing there. `locks` stay where they are until End.
  void Begin(Holds* holds, std::span<sync_internal::RobustWord* const> locks);
  void End();

  // For Holds:
  bool IsIn(const std::byte* object, size_t bytes) const;
  const SleepInGuard* next() const { return next_; }
  void LinkBefore(SleepInGuard*& first);
  void Unlink(SleepInGuard*& first);

 private:
  Holds* holds_ = nullptr;  // null: it does not sleep, or this process holds nothing
  std::span<sync_internal::RobustWord* const> locks_;
  SleepInGuard* next_ = nullptr;
  SleepInGuard* before_ = nullptr;
};

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_SLEEP_IN_GUARD_H_
