#ifndef SHOAL_SHM_SECTION_GUARD_H_
#define SHOAL_SHM_SECTION_GUARD_H_

#include <pthread.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/shm/section.h"
#include "shoal/sync/check.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/lock_holder.h"
#include "shoal/sync/robust_list.h"
#include "shoal/sync/robust_lock.h"
#include "shoal/sync/status.h"

// What opens a section, and its end: what MutexGuard and its kin are made of. Knows no types. What a section holds is a `Locks`, a
// small value that can:
//
//   Section* TryOpenFast() const;            takes the locks and opens a section, if that is all there is to do; else null
//   absl::Status Take(Section&, Deadline, bool* recovered) const;    takes them; undoes what a dead owner had open
//   void Release(Thread&) const;             gives them up
//   void Open(Section&) const;               opens a section that holds them
//   absl::Status Save(Section&) const;       saves the objects that they protect
//   std::span<RobustWord* const> words() const;

namespace shoal::shm_internal {

// The lock of one Mutex, and the object that it protects.
class MutexLock final {
 public:
  MutexLock(sync_internal::RobustWord& lock, void* object, size_t bytes) : lock_(&lock), object_(object), bytes_(bytes) {}

  Section* TryOpenFast() const { return TryLockAndOpenFast(*lock_); }
  absl::Status Take(Section& section, sync_internal::Deadline deadline, bool* recovered) const {
    return LockAndRecover(section, *lock_, deadline, recovered);
  }
  void Release(sync_internal::Thread& self) const { sync_internal::Release(self, *lock_); }
  void Open(Section& section) const { section.Open(*lock_); }
  absl::Status Save(Section& section) const { return section.Save(object_, bytes_); }
  std::span<sync_internal::RobustWord* const> words() const { return {&lock_, 1}; }

 private:
  sync_internal::RobustWord* lock_;
  void* object_;
  size_t bytes_;
};

// An open section, and the locks it holds.
template <class Locks>
class SectionGuard final {
 public:
  // Takes the locks, opens a section and saves the objects.
  // Errors: FailedPrecondition: a section is open in this thread; as SectionAt, Lock::Acquire, LockAndRecover, Section::Save.
  static absl::StatusOr<SectionGuard> Take(const Locks& locks, absl::Duration timeout) {
    bool recovered = false;
    Section* section = locks.TryOpenFast();
    if (__builtin_expect(section == nullptr, 0)) {
      SHOAL_ASSIGN_OR_RETURN(section, TakeSlowly(locks, sync_internal::Deadline::After(timeout), recovered));
    }
    SectionGuard guard(*section, locks, recovered);
    if (absl::Status saved = locks.Save(*section); __builtin_expect(!saved.ok(), 0)) return saved;
    return guard;
  }

  SectionGuard(SectionGuard&& other) noexcept
      : section_(std::exchange(other.section_, nullptr)),
        locks_(other.locks_),
        owner_(other.owner_),
        exceptions_(other.exceptions_),
        cancel_state_(other.cancel_state_),
        recovered_(other.recovered_) {}
  SectionGuard& operator=(SectionGuard&& other) noexcept {
    if (this != &other) {
      End();
      section_ = std::exchange(other.section_, nullptr);
      locks_ = other.locks_;
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

  // Commits, or rolls back if an exception that was not there at the beginning is in flight; gives the locks up.
  void End() {
    if (section_ == nullptr) return;
    const unsigned* const exceptions = ThisThreadSections().exceptions;  // null: another thread, as Finish will find out
    Finish(exceptions == nullptr || *exceptions <= exceptions_);
  }
  void RollbackAndEnd() {
    if (section_ != nullptr) Finish(/*commit=*/false);
  }

  // Brings back the last committed state; the locks stay held, with a new section.
  void Rollback() {
    if (section_ == nullptr || !Mine()) return;
    section_->Rollback();
    locks_.Open(*section_);
    SHOAL_CHECK(locks_.Save(*section_).ok(), "what a journal had room for, it has room for again");
  }

  // The section as a Condition sees it: given up is committed.
  class Holder final : public sync_internal::LockHolder {
   public:
    explicit Holder(SectionGuard& guard) : guard_(guard) {}

    absl::Status FindLocks(std::span<sync_internal::RobustWord* const>& locks) override {
      if (!guard_.held() || guard_.owner_ != sync_internal::ThisThread().serial) {
        return sync_internal::MakeStatus(absl::StatusCode::kFailedPrecondition,
                                         guard_.held() ? "another thread, or the parent of this process, opened this section"
                                                       : "this guard holds no lock");
      }
      locks = guard_.locks_.words();
      return absl::OkStatus();
    }
    void GiveUp() override {
      section_ = std::exchange(guard_.section_, nullptr);
      section_->Commit();
      ThisThreadSections().open = nullptr;
      guard_.locks_.Release(sync_internal::ThisThread());
    }
    absl::Status TakeAgain() override {
      bool recovered = false;
      absl::Status status = guard_.locks_.Take(*section_, sync_internal::Deadline::Infinite(), &recovered);
      if (status.ok()) {
        OpenSection(guard_.locks_, *section_);
        guard_.section_ = section_;
        guard_.recovered_ = recovered;
        status = guard_.locks_.Save(*section_);
        if (!status.ok()) guard_.End();
      } else {
        pthread_setcancelstate(guard_.cancel_state_, nullptr);
      }
      return status;
    }

   private:
    SectionGuard& guard_;
    Section* section_ = nullptr;
  };

 private:
  SectionGuard(Section& section, const Locks& locks, bool recovered)
      : section_(&section),
        locks_(locks),
        owner_(ThisThreadSections().serial),
        exceptions_(*ThisThreadSections().exceptions),
        recovered_(recovered) {
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state_);
  }

  __attribute__((noinline, cold)) static absl::StatusOr<Section*> TakeSlowly(const Locks& locks,
                                                                             sync_internal::Deadline deadline,
                                                                             bool& recovered) {
    SHOAL_ASSIGN_OR_RETURN(Section* const section, SectionToOpenAt(locks.words().front()));
    SHOAL_RETURN_IF_ERROR(locks.Take(*section, deadline, &recovered));
    OpenSection(locks, *section);
    return section;
  }

  static void OpenSection(const Locks& locks, Section& section) {
    locks.Open(section);
    ThisThreadSections().open = &section;
  }

  bool Mine() const {
    if (__builtin_expect(owner_ == sync_internal::ThisThread().serial, 1)) return true;
    // In a forked child the section is the parent's: leave it alone.
    SHOAL_CHECK(owner_ >> 32 != sync_internal::ThisThread().epoch,
                "the guard of a critical section is used and destroyed by the thread that locked");
    return false;
  }

  void Finish(bool commit) {
    Section& section = *std::exchange(section_, nullptr);
    if (!Mine()) return;
    if (__builtin_expect(commit, 1)) {
      section.Commit();
    } else {
      section.Rollback();
    }
    ThisThreadSections().open = nullptr;
    locks_.Release(sync_internal::ThisThread());
    pthread_setcancelstate(cancel_state_, nullptr);
  }

  Section* section_;  // null: not held
  Locks locks_;
  uint64_t owner_;       // the serial of the thread that locked
  unsigned exceptions_;  // in flight when the section opened
  int cancel_state_ = 0;
  bool recovered_;
};

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_SECTION_GUARD_H_
