#ifndef SHOAL_SHM_READ_HOLD_H_
#define SHOAL_SHM_READ_HOLD_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/shm/lingering.h"
#include "shoal/shm/section.h"
#include "shoal/sync/check.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/read_write_lock.h"
#include "shoal/sync/robust_list.h"

// What RwLock is made of, without its type: the right to read, and what a section of its writer holds.

namespace shoal::shm_internal {

// The right to read what `lock` protects, for one thread.
class ReadHold final {
 public:
  // Errors: as SectionAt; as ReadWriteLock::AcquireRead; DataLoss: what a dead writer left makes no sense.
  static absl::StatusOr<ReadHold> Take(sync_internal::ReadWriteLock& lock, absl::Duration timeout) {
    sync_internal::Thread& self = sync_internal::ThisThread();
    Section* const place = PlaceOrNull(self, &lock);
    if (__builtin_expect(place != nullptr, 1)) {
      sync_internal::RobustWord* const held = lock.TryReadFast(self);
      if (__builtin_expect(held != nullptr, 1)) return ReadHold(*place, lock, *held, /*recovered=*/false);
    }
    return TakeSlowly(self, lock, sync_internal::Deadline::After(timeout));
  }

  ReadHold(ReadHold&& other) noexcept
      : place_(std::exchange(other.place_, nullptr)),
        lock_(other.lock_),
        held_(other.held_),
        owner_(other.owner_),
        recovered_(other.recovered_) {}
  ReadHold& operator=(ReadHold&& other) noexcept {
    if (this != &other) {
      End();
      place_ = std::exchange(other.place_, nullptr);
      lock_ = other.lock_;
      held_ = other.held_;
      owner_ = other.owner_;
      recovered_ = other.recovered_;
    }
    return *this;
  }
  ~ReadHold() { End(); }

  bool held() const { return place_ != nullptr; }
  bool recovered() const { return recovered_; }

  // Nothing to take back.
  void RollbackAndEnd() { End(); }
  absl::Status Commit() {
    End();
    return absl::OkStatus();
  }
  void End() {
    if (place_ == nullptr) return;
    Section& place = *std::exchange(place_, nullptr);
    sync_internal::Thread& self = sync_internal::ThisThread();
    if (__builtin_expect(owner_ != self.serial, 0)) {
      SHOAL_CHECK(owner_ >> 32 != self.epoch, "a guard is destroyed by the thread that read");
      return;  // a forked child: it is the parent who reads
    }
    lock_->ReleaseRead(self, *held_);
    if (__builtin_expect(AnyLingers(place.attachment()), 0)) LetGoOfLingering(std::shared_ptr<Attachment>(place.shared_attachment()), lock_);
    place.Unpin();
  }

 private:
  ReadHold(Section& place, sync_internal::ReadWriteLock& lock, sync_internal::RobustWord& held, bool recovered)
      : place_(&place), lock_(&lock), held_(&held), owner_(ThisThreadSections().serial), recovered_(recovered) {
    place.Pin();
  }
  static absl::StatusOr<ReadHold> TakeSlowly(sync_internal::Thread& self, sync_internal::ReadWriteLock& lock,
                                             sync_internal::Deadline deadline);

  Section* place_;  // null: not held
  sync_internal::ReadWriteLock* lock_;
  sync_internal::RobustWord* held_;
  uint64_t owner_;  // the serial of the thread that reads
  bool recovered_;
};

// Takes `lock` to write, and undoes what a dead writer had open. Errors: as LockAndRecover.
absl::Status WriteAndRecover(Section& section, sync_internal::ReadWriteLock& lock, sync_internal::Deadline deadline,
                             bool* recovered);

// What the section of an RwLock's writer holds; see section_guard.h.
class WriteLock final {
 public:
  WriteLock(sync_internal::ReadWriteLock& lock, void* object, size_t bytes)
      : lock_(&lock), word_(&lock.turnstile()), object_(object), bytes_(bytes) {}

  void* object() const { return object_; }

  Section* TryOpenFast() const { return nullptr; }
  absl::Status Take(Section& section, sync_internal::Deadline deadline, bool* recovered) const {
    return WriteAndRecover(section, *lock_, deadline, recovered);
  }
  void Release(sync_internal::Thread& self) const { lock_->ReleaseWrite(self); }
  void Open(Section& section) const { section.Open(*word_); }
  absl::Status Save(Section& section) const { return section.Save(object_, bytes_); }
  std::array<sync_internal::RobustWord*, 1> words() const { return {word_}; }

 private:
  sync_internal::ReadWriteLock* lock_;
  sync_internal::RobustWord* word_;
  void* object_;
  size_t bytes_;
};

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_READ_HOLD_H_
