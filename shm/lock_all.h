#ifndef SHOAL_SHM_LOCK_ALL_H_
#define SHOAL_SHM_LOCK_ALL_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/shm/layout.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/rw_lock.h"
#include "shoal/shm/section_guard.h"
#include "shoal/shm/shareable.h"
#include "shoal/shm/with_result.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/read_write_lock.h"
#include "shoal/sync/robust_list.h"

namespace shoal {
namespace shm_internal {

// One of several locks, and the object it protects.
struct OneOfSeveral {
  sync_internal::RobustWord* word;
  sync_internal::ReadWriteLock* read_write;  // null: a Mutex
  void* object;
  size_t bytes;
};

// Takes all, in this order, and undoes what their dead owners had open; or none. Errors: FailedPrecondition: two are the same, or they
// do not lie in one segment; as LockAndRecover. REQUIRES: sorted by address.
absl::Status TakeSeveral(Section& section, std::span<const OneOfSeveral> locks, sync_internal::Deadline deadline,
                         bool* recovered);
void ReleaseSeveral(sync_internal::Thread& self, std::span<const OneOfSeveral> locks);

// What a section of several locks holds; see section_guard.h.
template <size_t count>
class SeveralLocks final {
 public:
  explicit SeveralLocks(std::array<OneOfSeveral, count> locks) : locks_(locks) {
    std::sort(locks_.begin(), locks_.end(),
              [](const OneOfSeveral& a, const OneOfSeveral& b) { return std::less<>()(a.word, b.word); });
    for (size_t i = 0; i < count; ++i) words_[i] = locks_[i].word;
  }

  Section* TryOpenFast() const { return nullptr; }
  absl::Status Take(Section& section, sync_internal::Deadline deadline, bool* recovered) const {
    return TakeSeveral(section, locks_, deadline, recovered);
  }
  void Release(sync_internal::Thread& self) const { ReleaseSeveral(self, locks_); }
  void Open(Section& section) const { section.Open(words_); }
  absl::Status Save(Section& section) const {
    for (const OneOfSeveral& lock : locks_) {
      if (absl::Status saved = section.Save(lock.object, lock.bytes); !saved.ok()) return saved;
    }
    return absl::OkStatus();
  }
  std::array<sync_internal::RobustWord*, count> words() const { return words_; }

 private:
  std::array<OneOfSeveral, count> locks_;
  std::array<sync_internal::RobustWord*, count> words_;
};

struct LockAllAccess {
  template <class T>
  static T& Object(Mutex<T>& mutex) {
    return mutex.object_;
  }
  template <class T>
  static T& Object(RwLock<T>& lock) {
    return lock.object_;
  }
  template <class T>
  static OneOfSeveral Lock(Mutex<T>& mutex) {
    return {&mutex.lock_, nullptr, &mutex.object_, sizeof(T)};
  }
  template <class T>
  static OneOfSeveral Lock(RwLock<T>& lock) {
    return {&lock.lock_.turnstile(), &lock.lock_, &lock.object_, sizeof(T)};
  }
};

template <class M>
concept OwnerOfObject = requires(M& m) {
  LockAllAccess::Lock(m);
};

template <class M>
using GuardedBy = std::remove_reference_t<decltype(LockAllAccess::Object(std::declval<M&>()))>;

}  // namespace shm_internal

// The right to change what several Mutexes and RwLocks own, inside one failure-atomic section: it commits and rolls back as one.
// Everything on MutexGuard's card holds. A Condition can be notified with it, but not waited for.
//
//   auto& [from, to] = *guard;
template <class... T>
class [[nodiscard]] AllGuard final : public shm_internal::GuardOfSection<shm_internal::SeveralLocks<sizeof...(T)>> {
 public:
  AllGuard(AllGuard&&) noexcept = default;
  AllGuard& operator=(AllGuard&&) noexcept = default;

  // The object of the i-th argument of LockAll.
  template <size_t i>
  auto& get() const {
    shm_internal::CheckHeld(this->held());
    return *std::get<i>(objects_);
  }

 private:
  friend struct LockAllCalls;
  using Base = shm_internal::GuardOfSection<shm_internal::SeveralLocks<sizeof...(T)>>;
  using typename Base::Section;
  AllGuard(Section section, T&... objects) : Base(std::move(section)), objects_(&objects...) {}

  std::tuple<T*...> objects_;
};

// What stands behind LockAll and WithAll.
struct LockAllCalls {
  template <class... M>
  static absl::StatusOr<AllGuard<shm_internal::GuardedBy<M>...>> Lock(absl::Duration timeout, M&... owners) {
    using Guard = AllGuard<shm_internal::GuardedBy<M>...>;
    static_assert(sizeof...(M) <= shm_internal::kMaxLocks, "a section holds at most 16 locks");
    const std::array<shm_internal::OneOfSeveral, sizeof...(M)> locks = {shm_internal::LockAllAccess::Lock(owners)...};
    using Section = typename Guard::Section;
    auto section = Section::template Take<Section>(shm_internal::SeveralLocks<sizeof...(M)>(locks), timeout);
    if (!section.ok()) return std::move(section).status();
    return Guard(*std::move(section), shm_internal::LockAllAccess::Object(owners)...);
  }
  template <class F, class... M>
  static auto With(F&& f, absl::Duration timeout, M&... owners) {
    using Result = typename shm_internal::WithResult<std::invoke_result_t<F, shm_internal::GuardedBy<M>&...>>::Type;
    auto guard = Lock(timeout, owners...);
    if (!guard.ok()) return Result(std::move(guard).status());
    return Result(
        shm_internal::RunInSection(guard->section_, std::forward<F>(f), shm_internal::LockAllAccess::Object(owners)...));
  }
};

// Locks several Mutexes, and RwLocks to write, of one segment, and opens one section for them all. Whoever takes locks this way, in
// whatever order he names them, waits for nobody who waits for him. With a timeout as the first argument, that is how long it
// waits for all.
//
//   SHOAL_ASSIGN_OR_RETURN(auto guard, LockAll(*checking, *savings));
//   auto& [checking_account, savings_account] = guard;
//   checking_account.balance -= 5;
//   savings_account.balance += 5;  // killed between the two, neither has happened
//
// Errors: as Mutex::Lock; FailedPrecondition also: two of them are the same, or they lie in several segments. Then, and when the time
//         is over, none is locked.
template <shm_internal::OwnerOfObject... M>
requires(sizeof...(M) > 0) [[nodiscard]] auto LockAll(M&... owners) {
  return LockAllCalls::Lock(absl::InfiniteDuration(), owners...);
}
template <shm_internal::OwnerOfObject... M>
requires(sizeof...(M) > 0) [[nodiscard]] auto LockAll(absl::Duration timeout, M&... owners) {
  return LockAllCalls::Lock(timeout, owners...);
}

// Locks all, runs f(T&...) and commits. Rolls back if `f` returns a status that is not OK, or throws. Returns what `f` returns, as a
// StatusOr; a Status where it returns one or nothing. No pointers, references or views: these do not compile.
template <class F, shm_internal::OwnerOfObject... M>
requires(sizeof...(M) > 0) auto WithAll(F&& f, M&... owners) {
  return LockAllCalls::With(std::forward<F>(f), absl::InfiniteDuration(), owners...);
}
template <class F, shm_internal::OwnerOfObject... M>
requires(sizeof...(M) > 0) auto WithAll(absl::Duration timeout, F&& f, M&... owners) {
  return LockAllCalls::With(std::forward<F>(f), timeout, owners...);
}

}  // namespace shoal

template <class... T>
struct std::tuple_size<shoal::AllGuard<T...>> : std::integral_constant<size_t, sizeof...(T)> {};
template <size_t i, class... T>
struct std::tuple_element<i, shoal::AllGuard<T...>> {
  using type = std::tuple_element_t<i, std::tuple<T...>>;
};

#endif  // SHOAL_SHM_LOCK_ALL_H_
