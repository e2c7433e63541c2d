#ifndef SHOAL_SHM_SHARED_H_
#define SHOAL_SHM_SHARED_H_

#include <cstddef>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "shoal/shm/objects.h"
#include "shoal/shm/shareable.h"
#include "shoal/shm/stored.h"
#include "shoal/shm/type_table.h"
#include "shoal/sync/check.h"

namespace shoal {

class Segment;

namespace shm_internal {

// For what puts another face on a Shared.
struct HandleAccess {
  template <class T>
  static const Handle& Of(const T& shared) {
    return shared.handle_;
  }
};

}  // namespace shm_internal

// A counted handle to an object in a segment. Segment::New makes the first; the object, and its memory, go with the last one, in
// whatever process that is.
//
//   SHOAL_ASSIGN_OR_RETURN(Shared<Mutex<Account>> account, segment.New<Mutex<Account>>());
//   Shared<Mutex<Account>> another = account;
//   auto guard = another->Lock();
//
// It may lie in a process's own memory, where it keeps the segment mapped too, and in shared memory: in a field or a container of what
// a Mutex or RwLock of the same segment guards, where it changes inside the section only, and with it. Objects that hold handles to
// each other in a circle keep each other alive.
//
// Thread safety:   as a std::shared_ptr: two threads may use two handles to one object; the object is Concurrent.
// Process safety:  in a child made by fork, the parent's handles are dead: destroying one does nothing, copying one gives nothing, and
//                  to use one ends the process.
// Crash safety:    a dead holder's handles are dropped, by the others' keepers or Segment::Reap; a section that is undone, or rolled
//                  back, never had the handles that it stored, and has those that it dropped.
// Blocking:        the first handle to an object in a process, the last one, and each stored one wait for a short lock.
// Ownership:       the last handle destroys the object before its destruction returns, or, inside a section, before that ends. Destructors
//                  of T do not run: what it owns is found by its layout. A guard, a Borrowed or a Permit of the object keeps it, too,
//                  until it is released (of the locks of sync, until this process's next last handle of any object goes after that, or Reap;
//                  and who sleeps in a Condition with a guard of such a lock keeps a handle). To take more of it needs a handle, and so
//                  does a class of one's own with a Mutex in it.
// Errors:          Assign tells them. FailedPrecondition: no section is open where it is stored, or the object lies in another segment:
//                  where a copy, = or Reset cannot say so, the process ends. ResourceExhausted: no memory for the journal, too many
//                  processes: after a copy, = or Reset the handle reads as it did before, and the section that is open in this thread
//                  cannot commit any more. It is rolled back at its end: With, WithAll, Update, New and a guard's Commit return the
//                  status; a guard that only goes, with nobody to tell, ends the process, and so does a copy outside of any section.
//                  DataLoss: a stored handle is damaged: it reads as empty, and so do copies.
// Layout:          8 bytes; docs/memory_format.md.
template <class T>
class Shared final {
 public:
  Shared() = default;
  Shared(const Shared& other) { shm_internal::SettleCopy(handle_.CopyFrom(other.handle_, Type())); }
  Shared(Shared&& other) noexcept { shm_internal::SettleCopy(handle_.MoveFrom(other.handle_, Type())); }
  Shared& operator=(const Shared& other) {
    shm_internal::SettleCopy(Assign(other));
    return *this;
  }
  Shared& operator=(Shared&& other) noexcept {
    if (this == &other) return *this;
    const absl::Status assigned = Assign(other);
    if (assigned.ok()) {
      other.Reset();
    } else {
      shm_internal::SettleCopy(assigned);
    }
    return *this;
  }
  ~Shared() {
    if (handle_.word() != 0) handle_.Destroy();
  }

  // Names what `other` names from now on. An error leaves it as it was.
  [[nodiscard]] absl::Status Assign(const Shared& other) { return handle_.Assign(other.handle_, Type()); }
  // Names nothing from now on.
  void Reset() { shm_internal::SettleCopy(handle_.Assign(shm_internal::Handle(), Type())); }

  // The object; null: it names none. It lives as long as this handle, or another, names it.
  T* get() const {
    [[maybe_unused]] constexpr bool checked = CheckConcurrent<T>();
    return reinterpret_cast<T*>(handle_.Object(Type()));
  }
  T* operator->() const { return &**this; }
  T& operator*() const {
    T* const object = get();
    SHOAL_CHECK(object != nullptr, "a handle that is used names an object, and was not inherited by fork");
    return *object;
  }
  explicit operator bool() const { return get() != nullptr; }

  // Whether both name the same object.
  friend bool operator==(const Shared& left, const Shared& right) { return left.handle_.SameAs(right.handle_); }

 private:
  friend class Segment;
  friend struct shm_internal::StoredAccess;
  friend struct shm_internal::HandleAccess;

  explicit Shared(shm_internal::Hold* hold) : handle_(hold) {}

  static const shm_internal::TypeDescription& Type() { return shm_internal::DescriptionOf<T>(); }

  // For StoredAccess.
  static absl::Status Construct(shm_internal::Section&, Shared* where) {
    new (static_cast<void*>(where)) shm_internal::Handle;
    return absl::OkStatus();
  }
  static absl::Status Construct(shm_internal::Section& section, Shared* where, const Shared& other) {
    auto* const made = new (static_cast<void*>(where)) shm_internal::Handle;
    return made->Construct(section, other.handle_, Type());
  }
  static void Relocate(shm_internal::Section&, Shared* from, Shared* to) { from->handle_.Relocate(to->handle_); }
  static absl::Status Dispose(shm_internal::Disposal& disposal, Shared& object) {
    return object.handle_.Drop(disposal.section());
  }

  shm_internal::Handle handle_;
};

template <class T>
struct ShareableTraits<Shared<T>> : SharedType<SharedKind::kHandle, T> {
  static constexpr std::string_view kName = "Shared";
};

}  // namespace shoal

#endif  // SHOAL_SHM_SHARED_H_
