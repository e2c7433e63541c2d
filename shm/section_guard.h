#ifndef SHOAL_SHM_SECTION_GUARD_H_
#define SHOAL_SHM_SECTION_GUARD_H_

#include <pthread.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "shoal/shm/section.h"
#include "shoal/sync/check.h"
#include "shoal/sync/robust_list.h"
#include "shoal/sync/robust_lock.h"
#include "shoal/sync/status.h"

namespace shoal::shm_internal {

// The open section of one lock, and its end: what MutexGuard and RwLock's write guard are made of. Knows no types: `root` is the
// object that the lock protects, whose own bytes are saved when the section opens.
class SectionGuard final {
 public:
  SectionGuard(Section& section, sync_internal::RobustWord& lock, void* root, size_t root_bytes, bool recovered)
      : section_(&section),
        lock_(&lock),
        root_(root),
        root_bytes_(root_bytes),
        owner_(this_thread_sections.serial),
        exceptions_(*this_thread_sections.exceptions),
        recovered_(recovered) {
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state_);
  }
  SectionGuard(SectionGuard&& other) noexcept
      : section_(std::exchange(other.section_, nullptr)),
        lock_(other.lock_),
        root_(other.root_),
        root_bytes_(other.root_bytes_),
        owner_(other.owner_),
        exceptions_(other.exceptions_),
        cancel_state_(other.cancel_state_),
        recovered_(other.recovered_) {}
  SectionGuard& operator=(SectionGuard&& other) noexcept {
    if (this != &other) {
      End();
      section_ = std::exchange(other.section_, nullptr);
      lock_ = other.lock_;
      root_ = other.root_;
      root_bytes_ = other.root_bytes_;
      owner_ = other.owner_;
      exceptions_ = other.exceptions_;
      cancel_state_ = other.cancel_state_;
      recovered_ = other.recovered_;
    }
    return *this;
  }
  ~SectionGuard() { End(); }

  bool held() const { return section_ != nullptr; }
  bool recovered() const { return recovered_; }

  // Commits, or rolls back if an exception that was not there at the beginning is in flight; gives the lock up.
  void End() {
    if (section_ != nullptr) Finish(*this_thread_sections.exceptions <= exceptions_);
  }
  void RollbackAndEnd() {
    if (section_ != nullptr) Finish(/*commit=*/false);
  }

  // Brings back the last committed state; the lock stays held, with a new section.
  void Rollback() {
    if (section_ == nullptr || !Mine()) return;
    section_->Rollback();
    Reopen();
  }

 private:
  bool Mine() const {
    if (__builtin_expect(owner_ == sync_internal::ThisThread().serial, 1)) return true;
    // In a forked child the section is the parent's: leave it alone.
    SHOAL_CHECK(owner_ >> 32 != sync_internal::ThisThread().epoch,
                "the guard of a critical section is used and destroyed by the thread that locked");
    return false;
  }

  void Reopen() {
    section_->Open(*lock_);
    SHOAL_CHECK(section_->Save(root_, root_bytes_).ok(), "what a journal had room for, it has room for again");
  }

  void Finish(bool commit) {
    Section& section = *std::exchange(section_, nullptr);
    if (!Mine()) return;
    if (__builtin_expect(commit, 1)) {
      section.Commit();
    } else {
      section.Rollback();
    }
    this_thread_sections.open = nullptr;
    sync_internal::Release(sync_internal::ThisThread(), *lock_);
    pthread_setcancelstate(cancel_state_, nullptr);
  }

  Section* section_;  // null: not held
  sync_internal::RobustWord* lock_;
  void* root_;
  size_t root_bytes_;
  uint64_t owner_;       // the serial of the thread that locked
  unsigned exceptions_;  // in flight when the section opened
  int cancel_state_ = 0;
  bool recovered_;
};

// Takes `lock`, opens a section and saves `root`. Errors: as LockAndOpen.
inline absl::StatusOr<SectionGuard> LockSection(sync_internal::RobustWord& lock, void* root, size_t root_bytes,
                                                absl::Duration timeout) {
  bool recovered = false;
  Section* section = TryLockAndOpenFast(lock);
  if (__builtin_expect(section == nullptr, 0)) {
    SHOAL_ASSIGN_OR_RETURN(section, LockAndOpen(lock, sync_internal::Deadline::After(timeout), &recovered));
  }
  SectionGuard guard(*section, lock, root, root_bytes, recovered);
  if (absl::Status saved = section->Save(root, root_bytes); __builtin_expect(!saved.ok(), 0)) return saved;
  return guard;
}

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_SECTION_GUARD_H_
