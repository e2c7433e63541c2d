#ifndef SHOAL_SHM_SECTION_GUARD_H_
#define SHOAL_SHM_SECTION_GUARD_H_

#include <pthread.h>

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/shm/lingering.h"
#include "shoal/shm/membership.h"
#include "shoal/shm/section.h"
#include "shoal/shm/sleep_in_guard.h"
#include "shoal/sync/check.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/lock_holder.h"
#include "shoal/sync/robust_list.h"
#include "shoal/sync/robust_lock.h"
#include "shoal/sync/status.h"

// What opens a section, and its end: what MutexGuard and its kin are made of. Knows no types. What a section holds is a `Locks`, a
// small value that can:
//
//   Section* TryOpenFast() const;            takes the locks, opens a section and saves the objects, if that is all there is to do;
//                                            else null
//   absl::Status Take(Section&, Deadline, bool* recovered) const;    takes them; undoes what a dead owner had open
//   void Release(Thread&) const;             gives them up
//   Released BeginRelease(Thread&) const;    the same in two calls, if it can: sync/robust_lock.h
//   void FinishRelease(Thread&, Released) const;
//   void Open(Section&) const;               opens a section that holds them
//   absl::Status Save(Section&) const;       saves the objects that they protect
//   std::array<RobustWord*, n> words() const;
//
// What is always done is inlined and hands no address of a guard to anybody, so that a guard can stay in registers: each store between
// taking a lock and giving it up is one that the release waits for.

namespace shoal::shm_internal {

// The lock of one Mutex, which lies behind the object that it protects.
template <size_t bytes>
class MutexLock final {
 public:
  explicit MutexLock(void* object) : object_(static_cast<std::byte*>(object)) {}

  void* object() const { return object_; }
  sync_internal::RobustWord& lock() const { return *reinterpret_cast<sync_internal::RobustWord*>(object_ + kLockAt); }

  Section* TryOpenFast() const { return TryLockAndOpenFast(lock(), object_, bytes); }
  absl::Status Take(Section& section, sync_internal::Deadline deadline, bool* recovered) const {
    return LockAndRecover(section, lock(), deadline, recovered);
  }
  void Release(sync_internal::Thread& self) const { sync_internal::Release(self, lock()); }
  sync_internal::Released BeginRelease(sync_internal::Thread& self) const {
    return sync_internal::BeginRelease(self, lock());
  }
  void FinishRelease(sync_internal::Thread& self, sync_internal::Released so_far) const {
    sync_internal::FinishRelease(self, lock(), so_far);
  }
  void Open(Section& section) const { section.Open(lock()); }
  absl::Status Save(Section& section) const { return section.Save(object_, bytes); }
  std::array<sync_internal::RobustWord*, 1> words() const { return {&lock()}; }

  static constexpr size_t kLockAt = (bytes + alignof(sync_internal::RobustWord) - 1) / alignof(sync_internal::RobustWord) *
                                    alignof(sync_internal::RobustWord);

 private:
  std::byte* object_;
};

// An open section, and the locks it holds.
template <class Locks>
class SectionGuard final {
 public:
  // Takes the locks, opens a section and saves the objects.
  // Errors: FailedPrecondition: a section is open in this thread; as SectionAt, Lock::Acquire, LockAndRecover, Section::Save.
  // `Guard`: what is made of a SectionGuard.
  template <class Guard>
  __attribute__((always_inline)) static absl::StatusOr<Guard> Take(const Locks& locks, absl::Duration timeout) {
    Section* const section = locks.TryOpenFast();
    if (__builtin_expect(section != nullptr, 1)) return Guard(SectionGuard(*section, locks, /*recovered=*/false));
    return TakeSlowly<Guard>(locks, timeout);
  }

  SectionGuard(SectionGuard&& other) noexcept
      : section_(std::exchange(other.section_, nullptr)), locks_(other.locks_), recovered_(other.recovered_) {}
  SectionGuard& operator=(SectionGuard&& other) noexcept {
    if (this != &other) {
      End();
      section_ = std::exchange(other.section_, nullptr);
      locks_ = other.locks_;
      recovered_ = other.recovered_;
    }
    return *this;
  }
  ~SectionGuard() { End(); }

  bool held() const { return section_ != nullptr; }
  bool recovered() const { return recovered_; }
  const Locks& locks() const { return locks_; }

  // Commits, or rolls back if an exception that was not there at the beginning is in flight, or the thread is being ended; gives the
  // locks up. A section that has failed is rolled back, too: Commit tells, where End has nobody to tell.
  __attribute__((always_inline)) void End() {
    if (section_ != nullptr && !EndOf(*std::exchange(section_, nullptr), locks_)) LostUnasked();
  }
  __attribute__((always_inline)) absl::Status Commit() {
    if (section_ == nullptr) return absl::OkStatus();
    Section& section = *std::exchange(section_, nullptr);
    if (__builtin_expect(EndOf(section, locks_), 1)) return absl::OkStatus();
    absl::Status why = section.TakeFailure();
    LetGoAfter(section, locks_);
    return why;
  }
  void RollbackAndEnd() {
    if (section_ != nullptr) EndSlowlyForGood(*std::exchange(section_, nullptr), locks_, /*commit=*/false);
  }

  // Brings back the last committed state; the locks stay held, with a new section.
  void Rollback() {
    if (section_ == nullptr || !Mine(*section_)) return;
    section_->RollbackToGoOn();
    locks_.Open(*section_);
    SHOAL_CHECK(locks_.Save(*section_).ok(), "what a journal had room for, it has room for again");
  }

  // The section as a Condition sees it: given up is committed.
  class Holder final : public sync_internal::LockHolder {
   public:
    explicit Holder(SectionGuard& guard) : guard_(guard), words_(guard.locks_.words()) {}

    absl::Status FindLocks(std::span<sync_internal::RobustWord* const>& locks) override {
      if (!guard_.held() || guard_.section_->owner() != sync_internal::ThisThread().serial) {
        return sync_internal::MakeStatus(absl::StatusCode::kFailedPrecondition,
                                         guard_.held() ? "another thread, or the parent of this process, opened this section"
                                                       : "this guard holds no lock");
      }
      locks = words_;
      return guard_.section_->failure();
    }
    void GiveUp() override {
      section_ = std::exchange(guard_.section_, nullptr);
      sleep_.Begin(HoldsOrNull(section_->attachment()), words_);
      EndSlowly(*section_, guard_.locks_, /*commit=*/true);
    }
    absl::Status TakeAgain() override {
      bool recovered = false;
      absl::Status status = guard_.locks_.Take(*section_, sync_internal::Deadline::Infinite(), &recovered);
      sleep_.End();
      if (!status.ok()) {
        LetGoAfter(*section_, guard_.locks_);
        return status;
      }
      OpenSection(guard_.locks_, *section_);
      guard_.section_ = section_;
      guard_.recovered_ = recovered;
      status = guard_.locks_.Save(*section_);
      if (!status.ok()) guard_.End();
      return status;
    }

   private:
    SectionGuard& guard_;
    decltype(std::declval<const Locks&>().words()) words_;
    Section* section_ = nullptr;
    SleepInGuard sleep_;
  };

 private:
  SectionGuard(Section& section, const Locks& locks, bool recovered)
      : section_(&section), locks_(locks), recovered_(recovered) {}

  template <class Guard>
  __attribute__((noinline, cold)) static absl::StatusOr<Guard> TakeSlowly(Locks locks, absl::Duration timeout) {
    const auto deadline = sync_internal::Deadline::After(timeout);
    SHOAL_ASSIGN_OR_RETURN(Section* const section, SectionToOpenAt(locks.words().front()));
    bool recovered = false;
    SHOAL_RETURN_IF_ERROR(locks.Take(*section, deadline, &recovered));
    OpenSection(locks, *section);
    SectionGuard guard(*section, locks, recovered);
    if (absl::Status saved = locks.Save(*section); !saved.ok()) return saved;
    return Guard(std::move(guard));
  }

  static void OpenSection(const Locks& locks, Section& section) {
    ThreadSections& mine = ThisThreadSections();
    locks.Open(section);
    mine.open = &section;
    Section::Circumstances& now = section.circumstances();
    now = {.exceptions = *mine.exceptions, .thread_ended = MayBeEnding(mine)};
    // relaxed: a constant, or changed by this thread
    if ((mine.ending->load(std::memory_order_relaxed) & kCannotTell) == 0) return;
    now.no_cancellation = true;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &now.cancel_state);
  }

  static bool Mine(const Section& section) {
    const sync_internal::Thread& self = sync_internal::ThisThread();
    if (__builtin_expect(section.owner() == self.serial, 1)) return true;
    // In a forked child the section is the parent's: leave it alone.
    SHOAL_CHECK(section.owner() >> 32 != self.epoch,
                "the guard of a critical section is used and destroyed by the thread that locked");
    return false;
  }

  // Whether it did what it should: false: it has failed. What is mostly all calls no function but as its last act, so it has no frame:
  // what is pushed is stored, and the release would wait for it.
  __attribute__((noinline)) static bool EndOf(Section& section, Locks locks) {
    if constexpr (requires { locks.BeginRelease(sync_internal::ThisThread()); }) {
      sync_internal::Thread* const self = sync_internal::ThisThreadOrNull();
      if (__builtin_expect(self != nullptr, 1)) {
        ThreadSections& mine = SectionsOf(*self);
        if (__builtin_expect(EndsPlainly(section, *self, mine) && section.CommitsByOneStore(), 1)) {
          section.CommitByOneStore();
          mine.open = nullptr;
          const sync_internal::Released so_far = locks.BeginRelease(*self);
          if (__builtin_expect(so_far != sync_internal::Released::kYes, 0)) return FinishEnd(section, locks, so_far);
          return __builtin_expect(AnyLingers(section.attachment()), 0) ? LetGoSlowly(section, locks) : true;
        }
      }
    }
    return EndOfAny(section, locks);
  }
  static bool EndsPlainly(Section& section, const sync_internal::Thread& self, const ThreadSections& mine) {
    return section.owner() == self.serial && *mine.exceptions == 0 && !MayBeEnding(mine) &&
           section.circumstances().exceptions == 0;
  }
  __attribute__((noinline, cold)) static bool FinishEnd(Section& closed, Locks locks, sync_internal::Released so_far) {
    locks.FinishRelease(sync_internal::ThisThread(), so_far);
    LetGoAfter(closed, locks);
    return true;
  }
  __attribute__((noinline)) static bool EndOfAny(Section& section, Locks locks) {
    sync_internal::Thread& self = sync_internal::ThisThread();
    ThreadSections& mine = SectionsOf(self);
    if (__builtin_expect(!EndsPlainly(section, self, mine), 0)) {
      return EndSlowlyForGood(section, locks, /*commit=*/true);
    }
    const bool committed = section.Commit();
    mine.open = nullptr;
    locks.Release(self);
    if (!committed) return false;  // who takes the failure lets go
    LetGoAfter(section, locks);
    return true;
  }

  // `commit`: unless there is a reason not to. False: it has failed, and was rolled back.
  __attribute__((noinline, cold)) static bool EndSlowlyForGood(Section& section, Locks locks, bool commit) {
    if (!Mine(section)) return true;
    if (!EndSlowly(section, locks, commit)) return false;
    LetGoAfter(section, locks);
    return true;
  }
  // The same for a guard that may come back to the objects.
  __attribute__((noinline, cold)) static bool EndSlowly(Section& section, Locks locks, bool commit) {
    if (!Mine(section)) return true;
    ThreadSections& mine = ThisThreadSections();
    const Section::Circumstances then = std::exchange(section.circumstances(), {});
    bool done = true;
    if (commit && *mine.exceptions <= then.exceptions && (then.thread_ended || !MayBeEnding(mine))) {
      done = section.Commit();
    } else {
      section.Rollback();
    }
    mine.open = nullptr;
    locks.Release(sync_internal::ThisThread());
    if (then.no_cancellation) pthread_setcancelstate(then.cancel_state, nullptr);
    return done;
  }

  // The objects may be nobody's any more.
  static void LetGoAfter(Section& closed, const Locks& locks) {
    if (__builtin_expect(AnyLingers(closed.attachment()), 0)) LetGoSlowly(closed, locks);
  }
  // Always true.
  __attribute__((noinline, cold)) static bool LetGoSlowly(Section& closed, Locks locks) {
    const std::shared_ptr<Attachment> attachment = closed.shared_attachment();
    for (const sync_internal::RobustWord* const lock : locks.words()) LetGoOfLingering(attachment, lock);
    return true;
  }

  [[noreturn]] __attribute__((noinline, cold)) static void LostUnasked() {
    sync_internal::CheckFailed(
        "the section has committed",
        "a handle could not be stored for lack of memory, so it was rolled back, and nobody asked: With and "
        "Commit tell, and so does Shared::Assign");
  }

  Section* section_;  // null: not held
  Locks locks_;
  bool recovered_;
};

// Whoever reaches an object through a guard holds its lock. `held`: that of the guard.
inline void CheckHeld(bool held) {
  SHOAL_CHECK(held, "a guard that is used was not released before, nor moved away, nor has a Condition::Wait lost its lock");
}

// What users see of it: MutexGuard and its kin are derived from this.
template <class Locks>
class GuardOfSection {
 public:
  // The last holder died inside its section, which has been undone.
  bool recovered() const { return section_.recovered(); }

  // Takes back what this section has changed. The locks stay held, and the objects may be changed again; but what Edit, FindMut and the
  // like have given before must be asked for again: the section that follows has not saved what it points to.
  void Rollback() { section_.Rollback(); }

  // Commits and unlocks now rather than at the end of the scope. The objects must not be used any more.
  void Release() { section_.End(); }
  // The same, and says whether it did. ResourceExhausted: a handle could not be stored by "=" (see Shared): everything is taken back.
  [[nodiscard]] absl::Status Commit() { return section_.Commit(); }
  bool held() const { return section_.held(); }

 protected:
  using Section = SectionGuard<Locks>;
  explicit GuardOfSection(Section section) : section_(std::move(section)) {}
  friend typename Section::Holder LockHolderOf(GuardOfSection& guard) { return typename Section::Holder(guard.section_); }

  Section section_;
};

// The same, of the lock of one T.
template <class T, class Locks>
class GuardOfObject : public GuardOfSection<Locks> {
 public:
  T& operator*() const { return *operator->(); }
  T* operator->() const {
    CheckHeld(this->held());
    return static_cast<T*>(this->section_.locks().object());
  }

 protected:
  using GuardOfSection<Locks>::GuardOfSection;
};

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_SECTION_GUARD_H_
