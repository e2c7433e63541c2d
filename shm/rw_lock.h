#ifndef SHOAL_SHM_RW_LOCK_H_
#define SHOAL_SHM_RW_LOCK_H_

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
#include "shoal/shm/read_hold.h"
#include "shoal/shm/section.h"
#include "shoal/shm/section_guard.h"
#include "shoal/shm/shareable.h"
#include "shoal/shm/stored.h"
#include "shoal/shm/with_result.h"
#include "shoal/sync/read_write_lock.h"

namespace shoal {

template <class T>
class RwLock;

namespace shm_internal {
struct LockAllAccess;
}  // namespace shm_internal

// The right to read what an RwLock owns, beside other readers. What is read stays as it is until the guard is released.
//
// Thread safety:   belongs to the thread that read.
// Process safety:  lies in its owner's memory only. In a child made by fork the parent's guards are dead.
// Crash safety:    its owner's death ends it.
// Errors:          destroying it in another thread than the one that read ends the process; so does to reach the object through it
//                  after Release, or moved away.
template <class T>
class [[nodiscard]] ReadGuard final {
 public:
  ReadGuard(ReadGuard&&) noexcept = default;
  ReadGuard& operator=(ReadGuard&&) noexcept = default;

  const T& operator*() const { return *operator->(); }
  const T* operator->() const {
    shm_internal::CheckHeld(held());
    return object_;
  }

  // A writer had died in its section, which this reader has undone.
  bool recovered() const { return hold_.recovered(); }

  // Ends it now rather than at the end of the scope. The object must not be looked at any more.
  void Release() { hold_.End(); }
  bool held() const { return hold_.held(); }

 private:
  friend class RwLock<T>;
  ReadGuard(shm_internal::ReadHold hold, const T& object) : hold_(std::move(hold)), object_(&object) {}

  shm_internal::ReadHold hold_;
  const T* object_;
};

// The right to change what an RwLock owns, alone, inside one failure-atomic section. Everything on MutexGuard's card holds.
template <class T>
class [[nodiscard]] WriteGuard final : public shm_internal::GuardOfObject<T, shm_internal::WriteLock> {
 public:
  WriteGuard(WriteGuard&&) noexcept = default;
  WriteGuard& operator=(WriteGuard&&) noexcept = default;

 private:
  friend class RwLock<T>;
  template <class Locks>
  friend class shm_internal::SectionGuard;
  using typename shm_internal::GuardOfSection<shm_internal::WriteLock>::Section;
  explicit WriteGuard(Section section) : shm_internal::GuardOfObject<T, shm_internal::WriteLock>(std::move(section)) {}
};

// Owns a T that threads of any processes read at the same time, or one of them changes in a failure-atomic section.
//
//   struct Prices { double bid; double ask; };
//   SHOAL_ASSIGN_OR_RETURN(Shared<RwLock<Prices>> prices, segment.New<RwLock<Prices>>());
//   SHOAL_ASSIGN_OR_RETURN(ReadGuard<Prices> guard, prices->Read());
//   const double spread = guard->ask - guard->bid;
//
// For what is read much more often than written, and for longer than a Mutex takes: readers do not slow each other down, a writer
// looks at 32 cache lines.
//
// Thread safety:   every call may run concurrently with every other. Not for signal handlers.
// Process safety:  lies in a Segment; a T that must not be shared does not compile.
// Crash safety:    a reader that dies is gone. A writer that dies in its section leaves the last committed state: the next one,
//                  reader or writer, undoes the section. The death of a sleeper or of the one that wakes leaves nobody asleep.
// Blocking:        Read sleeps while somebody writes or waits to; Write until those who read are done. Neither starves: no
//                  reader that comes after a writer reads before it, and the readers that wait for a writer read before the next one.
//                  32 read at once; more wait.
// Memory ordering: what a writer did is visible to those who read or write after it; what a reader read, it read before the next
//                  writer.
// Errors:          DeadlineExceeded; FailedPrecondition: this thread reads it already (it can neither read it twice at once nor
//                  write it meanwhile: it would wait for itself), or it is not in a segment, or of another pid namespace; Write
//                  also: this thread has a section open. ResourceExhausted, DataLoss: as Mutex.
//                  Other objects may be read and locked while this one is read. Whoever does so in different orders can wait in a
//                  circle, as with all locks; those who write through LockAll cannot.
// Allocation:      as Mutex.
// Layout:          T, then, at a multiple of 64, 4160 bytes.
template <class T>
class RwLock final {
 public:
  RwLock() : object_{} { CheckRoot<T>(); }
  template <class First, class... Rest>
  requires(!std::same_as<std::remove_cvref_t<First>, RwLock> && !std::is_array_v<T>) explicit RwLock(First&& first, Rest&&... rest)
      : object_(shm_internal::MakeValue<T>(std::forward<First>(first), std::forward<Rest>(rest)...)) {
    CheckRoot<T>();
  }
  template <class First, class... Rest>
  requires(!std::same_as<std::remove_cvref_t<First>, RwLock> && std::is_array_v<T>) explicit RwLock(First&& first, Rest&&... rest)
      : object_{std::forward<First>(first), std::forward<Rest>(rest)...} {
    CheckRoot<T>();
  }
  // How Segment::New makes one. A container is built of what a container's element is built of; so are the first fields of a struct.
  template <class... Args>
  static absl::Status ConstructInSegment(RwLock* where, shm_internal::Section& section, Args&&... args) {
    if constexpr (SharedValue<T> || !Guardable<T>) {
      ::new (static_cast<void*>(where)) RwLock(std::forward<Args>(args)...);
      return absl::OkStatus();
    } else {
      ::new (static_cast<void*>(where)) RwLock;
      return shm_internal::Construct(section, &where->object_, std::forward<Args>(args)...);
    }
  }
  RwLock(const RwLock&) = delete;
  RwLock& operator=(const RwLock&) = delete;

  [[nodiscard]] absl::StatusOr<ReadGuard<T>> Read(absl::Duration timeout = absl::InfiniteDuration()) {
    auto hold = shm_internal::ReadHold::Take(lock_, timeout);
    if (__builtin_expect(!hold.ok(), 0)) return std::move(hold).status();
    return ReadGuard<T>(*std::move(hold), object_);
  }
  [[nodiscard]] absl::StatusOr<WriteGuard<T>> Write(absl::Duration timeout = absl::InfiniteDuration()) {
    return WriteGuard<T>::Section::template Take<WriteGuard<T>>({lock_, &object_, sizeof(T)}, timeout);
  }

  // If that needs no waiting; nullopt also wherever Read or Write has an error.
  [[nodiscard]] std::optional<ReadGuard<T>> TryRead() {
    auto guard = Read(absl::ZeroDuration());
    if (!guard.ok()) return std::nullopt;
    return *std::move(guard);
  }
  [[nodiscard]] std::optional<WriteGuard<T>> TryWrite() {
    auto guard = Write(absl::ZeroDuration());
    if (!guard.ok()) return std::nullopt;
    return *std::move(guard);
  }

  // Reads, and returns what f(const T&) returns, as a StatusOr; a Status where it returns one or nothing. No pointers, references or
  // views: these do not compile.
  template <class F>
  auto WithRead(F&& f, absl::Duration timeout = absl::InfiniteDuration()) {
    using Result = typename shm_internal::WithResult<std::invoke_result_t<F, const T&>>::Type;
    auto guard = Read(timeout);
    if (!guard.ok()) return Result(std::move(guard).status());
    return Result(shm_internal::RunInSection(guard->hold_, std::forward<F>(f), **guard));
  }

  // Writes, runs f(T&) and commits. Rolls back if `f` returns a status that is not OK, or throws. Returns as WithRead.
  template <class F>
  auto WithWrite(F&& f, absl::Duration timeout = absl::InfiniteDuration()) {
    using Result = typename shm_internal::WithResult<std::invoke_result_t<F, T&>>::Type;
    auto guard = Write(timeout);
    if (!guard.ok()) return Result(std::move(guard).status());
    return Result(shm_internal::RunInSection(guard->section_, std::forward<F>(f), object_));
  }

  // Whether anybody writes, or waits for the readers to leave; and how many read, or wait to. Both may have changed by the time
  // the caller looks at the answer.
  bool written() const { return lock_.written(); }
  int readers() const { return lock_.readers(); }

 private:
  friend struct shm_internal::LockAllAccess;

  T object_;  // first: who knows the layout but not T finds the parts of the T at the RwLock's address
  sync_internal::ReadWriteLock lock_ = {};
};

template <class T>
struct ShareableTraits<RwLock<T>> : SharedType<SharedKind::kConcurrent, T> {
  static constexpr std::string_view kName = "RwLock";
};

}  // namespace shoal

#endif  // SHOAL_SHM_RW_LOCK_H_
