#ifndef SHOAL_SHM_MUTEX_H_
#define SHOAL_SHM_MUTEX_H_

#include <concepts>
#include <cstddef>
#include <new>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/shm/section.h"
#include "shoal/shm/section_guard.h"
#include "shoal/shm/shareable.h"
#include "shoal/shm/stored.h"
#include "shoal/shm/with_result.h"
#include "shoal/sync/robust_list.h"
#include "shoal/sync/robust_lock.h"

namespace shoal {

template <class T>
class Mutex;

namespace shm_internal {
struct LockAllAccess;
}  // namespace shm_internal

// The right to change what a Mutex owns, inside one failure-atomic section: all that is changed, in the object and in the containers
// reached from it, happens when the guard is released, or not at all.
//
// Thread safety:   belongs to the thread that locked.
// Process safety:  lies in its owner's memory only. In a child made by fork the parent's guards are dead.
// Crash safety:    killed at any instruction, the next owner finds the object as of the last commit, and recovered() says so.
//                  Only what is reached from the object rolls back: a message sent or a file written from inside stays.
//                  Condition::Wait commits before it sleeps; afterwards recovered() speaks of the last holder then.
// Ownership:       releasing it commits; if an exception that was not in flight at Lock is in flight, or the thread is being ended by
//                  pthread_exit or pthread_cancel, it rolls back. An early return commits what there is: Mutex::With rolls back on
//                  a status.
// Errors:          destroying it in another thread than the one that locked ends the process; so does to reach the object through it
//                  when it holds nothing: after Release, moved away, after a Condition::Wait that could not take the lock again.
template <class T>
class [[nodiscard]] MutexGuard final : public shm_internal::GuardOfObject<T, shm_internal::MutexLock<sizeof(T)>> {
 public:
  MutexGuard(MutexGuard&&) noexcept = default;
  MutexGuard& operator=(MutexGuard&&) noexcept = default;

 private:
  friend class Mutex<T>;
  template <class Locks>
  friend class shm_internal::SectionGuard;
  using Locks = shm_internal::MutexLock<sizeof(T)>;
  using typename shm_internal::GuardOfSection<Locks>::Section;
  explicit MutexGuard(Section section) : shm_internal::GuardOfObject<T, Locks>(std::move(section)) {}
};

// Owns a T that threads of any processes change, one at a time, in failure-atomic sections.
//
//   struct Account { int64_t balance; int64_t transfers; };
//   SHOAL_ASSIGN_OR_RETURN(Shared<Mutex<Account>> account, segment.New<Mutex<Account>>());
//   SHOAL_ASSIGN_OR_RETURN(MutexGuard<Account> guard, account->Lock());
//   guard->balance -= 5;
//   guard->transfers += 1;  // killed between the two, neither has happened
//
// Thread safety:   every call may run concurrently with every other. Not for signal handlers.
// Process safety:  lies in a Segment; a T that must not be shared does not compile.
// Crash safety:    a holder that dies in its section leaves the last committed state to the next one. The death of a sleeper or of
//                  the one that wakes leaves nobody asleep.
// Blocking:        Lock sleeps until the holder releases or dies. One section per thread: several mutexes are taken with LockAll.
// Memory ordering: what the last holder did is visible to the next one.
// Errors:          DeadlineExceeded; FailedPrecondition: this thread has a section open, or the mutex does not lie in a segment, or
//                  the segment is another pid namespace's; ResourceExhausted: too many threads use the segment, or no memory for
//                  the journal; DataLoss: the shared bytes make no sense.
// Allocation:      a journal for each thread and segment, once; more where a section changes more than that holds.
// Layout:          T, then 40 bytes: the T begins where the Mutex does.
template <class T>
class Mutex final {
 public:
  Mutex() : object_{} { CheckRoot<T>(); }
  template <class First, class... Rest>
  requires(!std::same_as<std::remove_cvref_t<First>, Mutex> && !std::is_array_v<T>) explicit Mutex(First&& first, Rest&&... rest)
      : object_(shm_internal::MakeValue<T>(std::forward<First>(first), std::forward<Rest>(rest)...)) {
    CheckRoot<T>();
  }
  template <class First, class... Rest>
  requires(!std::same_as<std::remove_cvref_t<First>, Mutex> && std::is_array_v<T>) explicit Mutex(First&& first, Rest&&... rest)
      : object_{std::forward<First>(first), std::forward<Rest>(rest)...} {
    CheckRoot<T>();
  }
  // How Segment::New makes one. A container is built of what a container's element is built of; so are the first fields of a struct.
  template <class... Args>
  static absl::Status ConstructInSegment(Mutex* where, shm_internal::Section& section, Args&&... args) {
    if constexpr (SharedValue<T> || !Guardable<T>) {
      ::new (static_cast<void*>(where)) Mutex(std::forward<Args>(args)...);
      return absl::OkStatus();
    } else {
      ::new (static_cast<void*>(where)) Mutex;
      return shm_internal::Construct(section, &where->object_, std::forward<Args>(args)...);
    }
  }
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  // always_inline: in the caller the result need not go through memory.
  [[nodiscard]] __attribute__((always_inline)) absl::StatusOr<MutexGuard<T>> Lock(
      absl::Duration timeout = absl::InfiniteDuration()) {
    static_assert(sizeof(Mutex) - MutexGuard<T>::Locks::kLockAt - sizeof(lock_) < alignof(Mutex),
                  "nothing is between the two");
    return MutexGuard<T>::Section::template Take<MutexGuard<T>>(typename MutexGuard<T>::Locks(&object_), timeout);
  }

  // Locks if that needs no waiting; nullopt also wherever Lock has an error.
  [[nodiscard]] std::optional<MutexGuard<T>> TryLock() {
    auto guard = Lock(absl::ZeroDuration());
    if (!guard.ok()) return std::nullopt;
    return *std::move(guard);
  }

  // Locks, runs f(T&) and commits. Rolls back if `f` returns a status that is not OK, or throws.
  // Returns what `f` returns, as a StatusOr; a Status where it returns one or nothing. No pointers, references or views: these do not
  // compile.
  template <class F>
  auto With(F&& f, absl::Duration timeout = absl::InfiniteDuration()) {
    using Result = typename shm_internal::WithResult<std::invoke_result_t<F, T&>>::Type;
    auto guard = Lock(timeout);
    if (!guard.ok()) return Result(std::move(guard).status());
    return Result(shm_internal::RunInSection(guard->section_, std::forward<F>(f), object_));
  }

  // Whether anybody holds it. It may have changed by the time the caller looks at the answer.
  bool locked() const {
    // relaxed: a hint; nothing may be concluded about the object
    return !sync_internal::IsFree(lock_.word.load(std::memory_order_relaxed));
  }

 private:
  friend struct shm_internal::LockAllAccess;

  T object_;  // first: who knows the layout but not T finds the parts of the T at the Mutex's address
  sync_internal::RobustWord lock_ = {};
};

template <class T>
struct ShareableTraits<Mutex<T>> : SharedType<SharedKind::kConcurrent, T> {
  static constexpr std::string_view kName = "Mutex";
};

}  // namespace shoal

#endif  // SHOAL_SHM_MUTEX_H_
