#include "shoal/shm/sleep_in_guard.h"

#include <algorithm>
#include <utility>

#include "shoal/shm/holds.h"

namespace shoal::shm_internal {

void SleepInGuard::Begin(Holds* holds, std::span<sync_internal::RobustWord* const> locks) {
  holds_ = holds;
  locks_ = locks;
  if (holds_ != nullptr) holds_->Add(*this);
}

void SleepInGuard::End() {
  if (Holds* const holds = std::exchange(holds_, nullptr); holds != nullptr) holds->Remove(*this);
}

bool SleepInGuard::IsIn(const std::byte* object, size_t bytes) const {
  return std::any_of(locks_.begin(), locks_.end(), [&](const sync_internal::RobustWord* lock) {
    const auto* const at = reinterpret_cast<const std::byte*>(lock);
    return object <= at && at < object + bytes;
  });
}

void SleepInGuard::LinkBefore(SleepInGuard*& first) {
  next_ = first;
  before_ = nullptr;
  if (next_ != nullptr) next_->before_ = this;
  first = this;
}
void SleepInGuard::Unlink(SleepInGuard*& first) {
  (before_ != nullptr ? before_->next_ : first) = next_;
  if (next_ != nullptr) next_->before_ = before_;
}

}  // namespace shoal::shm_internal
