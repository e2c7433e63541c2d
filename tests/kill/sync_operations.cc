#include "shoal/tests/kill/sync_operations.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/sync/barrier.h"
#include "shoal/sync/bounded_semaphore.h"
#include "shoal/sync/check.h"
#include "shoal/sync/condition.h"
#include "shoal/sync/event.h"
#include "shoal/sync/guard.h"
#include "shoal/sync/lock.h"
#include "shoal/sync/rlock.h"
#include "shoal/sync/semaphore.h"

namespace shoal::tests {
namespace {

// What the parties share; each operation uses a part of it.
struct Room {
  Lock lock;
  RLock rlock;
  Condition changed;
  Event event;
  Event go;  // a holder's cue
  Semaphore semaphore{0};
  BoundedSemaphore bounded{2};
  Barrier barrier{3};
  pthread_mutex_t mutex;

  // Guarded by the lock in use. An owner changes `first`, then `second`; unequal, the section was left in the middle.
  int64_t first = 0;
  int64_t second = 0;
  int64_t items = 0;
  int64_t taking = 0;  // an item taken in a section that is not over

  std::atomic<int> sent{0};     // the victim's call was over: a notification was sent in full
  std::atomic<int> passed{0};   // parties that got through a barrier
  std::atomic<int> aborted{0};  // parties that were sent away from it
};

const Room& In(const void* shared) { return *static_cast<const Room*>(shared); }

// What a process makes once is made before it is stepped.
void Warm() {
  static Room& own = *new Room;
  {
    absl::StatusOr<Guard> guard = own.lock.Acquire();
    (void)own.lock.Acquire(absl::ZeroDuration());
  }
  {
    absl::StatusOr<Guard> guard = own.lock.Acquire();
    (void)own.changed.Wait(*guard, absl::Nanoseconds(1));
  }
  (void)own.semaphore.Acquire(absl::Nanoseconds(1));
  (void)own.event.Wait(absl::Nanoseconds(1));
  (void)own.barrier.Wait(absl::ZeroDuration());
}

template <class L>
L& LockOf(Room& room);
template <>
Lock& LockOf<Lock>(Room& room) {
  return room.lock;
}
template <>
RLock& LockOf<RLock>(Room& room) {
  return room.rlock;
}

// ---- Lock and RLock ----------------------------------------------------------------------------------------------------------

// A section: repairs what a dead owner left, then changes both numbers.
void Change(Room& room, const Guard& guard) {
  if (guard.owner_died()) room.second = room.first;
  SHOAL_CHECK(room.first == room.second, "an abandoned section is announced");
  ++room.first;
  ++room.second;
}

template <class L>
void Section(Room& room) {
  absl::StatusOr<Guard> guard = LockOf<L>(room).Acquire();
  SHOAL_CHECK(guard.ok(), "a lock can be acquired");
  Change(room, *guard);
}

void SectionAtDepthTwo(Room& room) {
  absl::StatusOr<Guard> outer = room.rlock.Acquire();
  absl::StatusOr<Guard> inner = room.rlock.Acquire();
  SHOAL_CHECK(outer.ok() && inner.ok(), "a lock can be acquired");
  Change(room, *outer);
}

// Made in `prepare`, ended in the stepped body.
Guard* held = nullptr;
Guard* held_inner = nullptr;

template <class L>
void TakeIt(Room& room) {
  held = new Guard(*LockOf<L>(room).Acquire());
}
void TakeItTwice(Room& room) {
  TakeIt<RLock>(room);
  held_inner = new Guard(*room.rlock.Acquire());
}
void GiveItBack(Room&) { (void)held->Release(); }
void GiveItBackTwice(Room&) {
  (void)held_inner->Release();
  (void)held->Release();
}

template <class L>
void HoldUntilGo(Room& room) {
  absl::StatusOr<Guard> guard = LockOf<L>(room).Acquire();
  SHOAL_CHECK(guard.ok() && room.go.Wait().ok(), "a holder holds");
}

template <class L>
void AcquireForAMoment(Room& room) {
  absl::StatusOr<Guard> guard = LockOf<L>(room).Acquire(absl::Microseconds(200));
  if (guard.ok()) Change(room, *guard);
}

void Go(Room& room) { room.go.Set(); }

template <class L>
void GoAndSection(Room& room) {
  room.go.Set();
  Section<L>(room);
}

// A thread's list with more than one entry in it, ours and one of glibc's, which goes in the middle.
void TakeMutex(Room& room) {
  if (pthread_mutex_lock(&room.mutex) == EOWNERDEAD) pthread_mutex_consistent(&room.mutex);
}
void TakeAndGiveMutex(Room& room) {
  TakeMutex(room);
  pthread_mutex_unlock(&room.mutex);
}
void SectionAmongOthers(Room& room) {
  absl::StatusOr<Guard> below = room.rlock.Acquire();
  TakeMutex(room);
  absl::StatusOr<Guard> above = room.lock.Acquire();
  SHOAL_CHECK(below.ok() && above.ok(), "a lock can be acquired");
  Change(room, *above);
  pthread_mutex_unlock(&room.mutex);
  (void)below->Release();
}
// Whatever the dead one held is there to be taken, by whoever comes.
Verdict AllAreFree(void* shared) {
  Room& room = *static_cast<Room*>(shared);
  const bool free = room.lock.TryAcquire().has_value() && room.rlock.TryAcquire().has_value();
  const int taken = pthread_mutex_trylock(&room.mutex);
  return free && (taken == 0 || taken == EOWNERDEAD) ? Verdict::kFine : Verdict::kLeaked;
}

template <class L>
std::function<void(void*, const Gate&)> Thief() {
  return [](void* shared, const Gate& gate) {
    Room& room = *static_cast<Room*>(shared);
    absl::StatusOr<Guard> guard = LockOf<L>(room).Acquire();
    SHOAL_CHECK(guard.ok(), "a thief gets the lock");
    gate.Hold();
    Change(room, *guard);
  };
}

template <class L>
Operation LockOperation(std::string name) {
  Operation operation = OperationOn<Room>(std::move(name));
  operation.warm = Warm;
  operation.rescuer = On(GoAndSection<L>);
  operation.kill_rescuer_too = true;
  operation.thief = Thief<L>();
  operation.may_sleep = [](const void* shared, int) { return LockOf<L>(const_cast<Room&>(In(shared))).locked(); };
  operation.check = [](void* shared) {
    Room& room = *static_cast<Room*>(shared);
    const std::optional<Guard> guard = LockOf<L>(room).TryAcquire();
    if (!guard.has_value()) return Verdict::kLeaked;
    return room.first == room.second || guard->owner_died() ? Verdict::kFine : Verdict::kHalfDone;
  };
  return operation;
}

template <class L>
void AddLockOperations(const std::string& name, std::vector<Operation>& operations) {
  {
    Operation operation = LockOperation<L>(name + " acquire, release");
    operation.body = On(Section<L>);
    operations.push_back(operation);
  }
  {
    Operation operation = LockOperation<L>(name + " release, 1 sleeper");
    operation.prepare = On(TakeIt<L>);
    operation.sleepers = {On(Section<L>)};
    operation.body = On(GiveItBack);
    operation.pause_first_sleeper = true;
    operations.push_back(operation);
    operation.name = name + " release, 2 sleepers";
    operation.sleepers.push_back(On(Section<L>));
    operations.push_back(operation);
  }
  {
    Operation operation = LockOperation<L>(name + " acquire, asleep and woken, alone");
    operation.sleepers = {On(HoldUntilGo<L>)};
    operation.body = On(Section<L>);
    operation.waker = On(Go);
    operations.push_back(operation);
    operation.name = name + " acquire, asleep and woken, 2 behind";
    operation.late_sleepers = {On(Section<L>), On(Section<L>)};
    operations.push_back(operation);
    operation.name = name + " acquire, asleep and woken, 1 before, 1 behind";
    operation.sleepers.push_back(On(Section<L>));
    operation.late_sleepers.pop_back();
    operations.push_back(operation);
  }
  {
    Operation operation = LockOperation<L>(name + " acquire, timed out");
    operation.sleepers = {On(HoldUntilGo<L>)};
    operation.body = On(AcquireForAMoment<L>);
    operation.body_wakes_itself = true;
    operations.push_back(operation);
    operation.name = name + " acquire, timed out, 1 sleeper";
    operation.sleepers.push_back(On(Section<L>));
    operations.push_back(operation);
  }
}

// ---- semaphores --------------------------------------------------------------------------------------------------------------

Semaphore& TheSemaphore(Room& room, const Semaphore*) { return room.semaphore; }
BoundedSemaphore& TheSemaphore(Room& room, const BoundedSemaphore*) { return room.bounded; }
template <class S>
S& SemaphoreOf(Room& room) {
  return TheSemaphore(room, static_cast<const S*>(nullptr));
}

template <class S>
void TakeOne(Room& room) {
  SHOAL_CHECK(SemaphoreOf<S>(room).Acquire().ok(), "a permit can be acquired");
}
template <class S>
void TakeOneForAMoment(Room& room) {
  (void)SemaphoreOf<S>(room).Acquire(absl::Microseconds(200));
}
template <class S, int n>
void Give(Room& room) {
  (void)SemaphoreOf<S>(room).Release(n);  // the bounded one may be full
}

template <class S>
Operation SemaphoreOperation(std::string name) {
  Operation operation = OperationOn<Room>(std::move(name));
  operation.warm = Warm;
  operation.setup = [](void* shared) {
    Room& room = *new (shared) Room;
    while (room.bounded.TryAcquire()) {
    }
  };
  operation.may_sleep = [](const void* shared, int) { return SemaphoreOf<S>(const_cast<Room&>(In(shared))).value() == 0; };
  operation.thief = [](void* shared, const Gate& gate) {
    Room& room = *static_cast<Room*>(shared);
    const bool taken = SemaphoreOf<S>(room).TryAcquire();
    gate.Hold();
    if (taken) (void)SemaphoreOf<S>(room).Release();
  };
  return operation;
}

template <class S>
void TakeOneAndSay(Room& room) {
  TakeOne<S>(room);
  room.sent.store(1, std::memory_order_relaxed);  // relaxed: read when this process is dead
}
template <class S>
void GiveOneAndSay(Room& room) {
  Give<S, 1>(room);
  room.sent.store(1, std::memory_order_relaxed);  // relaxed: as above
}

// The permits that are left when all are done: `without` what the victim's call does, or `with` it. A call that has said that it was
// over has done it.
template <class S>
std::function<Verdict(void*)> ValueIs(uint32_t without, uint32_t with) {
  return [without, with](void* shared) {
    Room& room = *static_cast<Room*>(shared);
    const uint32_t value = SemaphoreOf<S>(room).value();
    if (value != without && value != with) return Verdict::kHalfDone;
    // relaxed: the victim is dead
    return room.sent.load(std::memory_order_relaxed) != 0 && value != with ? Verdict::kLost : Verdict::kFine;
  };
}

template <class S>
void AddSemaphoreOperations(const std::string& name, std::vector<Operation>& operations) {
  {
    Operation operation = SemaphoreOperation<S>(name + " release");
    operation.body = On(GiveOneAndSay<S>);
    operation.check = ValueIs<S>(0, 1);
    operations.push_back(operation);
  }
  {
    Operation operation = SemaphoreOperation<S>(name + " acquire");
    operation.prepare = On(Give<S, 1>);
    operation.body = On(TakeOneAndSay<S>);
    operation.check = ValueIs<S>(1, 0);
    operations.push_back(operation);
  }
  {
    Operation operation = SemaphoreOperation<S>(name + " release(2), 2 sleepers");
    operation.sleepers = {On(TakeOne<S>), On(TakeOne<S>)};
    operation.body = On(Give<S, 2>);
    operation.pause_first_sleeper = true;
    operation.rescuer = On(Give<S, 2>);
    operation.check = ValueIs<S>(0, 2);
    operations.push_back(operation);
  }
  {
    Operation operation = SemaphoreOperation<S>(name + " acquire, asleep and woken, 2 behind");
    operation.body = On(TakeOne<S>);
    operation.late_sleepers = {On(TakeOne<S>), On(TakeOne<S>)};
    operation.waker = On(Give<S, 2>);
    operation.rescuer = On(Give<S, 1>);
    operation.check = ValueIs<S>(1, 0);
    operations.push_back(operation);
  }
  {
    Operation operation = SemaphoreOperation<S>(name + " acquire, timed out, 1 sleeper");
    operation.sleepers = {On(TakeOne<S>)};
    operation.body = On(TakeOneForAMoment<S>);
    operation.body_wakes_itself = true;
    operation.rescuer = On(Give<S, 1>);
    operation.check = ValueIs<S>(0, 0);
    operations.push_back(operation);
  }
}

// ---- Event -------------------------------------------------------------------------------------------------------------------

void SetIt(Room& room) { room.event.Set(); }
void ClearIt(Room& room) { room.event.Clear(); }
void WaitForIt(Room& room) { SHOAL_CHECK(room.event.Wait().ok(), "an event is set in the end"); }
void WaitAMoment(Room& room) { (void)room.event.Wait(absl::Microseconds(200)); }

Operation EventOperation(std::string name) {
  Operation operation = OperationOn<Room>(std::move(name));
  operation.warm = Warm;
  operation.rescuer = On(SetIt);
  operation.may_sleep = [](const void* shared, int) { return !In(shared).event.IsSet(); };
  operation.check = [](void* shared) { return In(shared).event.IsSet() ? Verdict::kFine : Verdict::kLost; };
  return operation;
}

void AddEventOperations(std::vector<Operation>& operations) {
  {
    Operation operation = EventOperation("Event set");
    operation.body = On(SetIt);
    operations.push_back(operation);
    operation.name = "Event set, 2 sleepers";
    operation.sleepers = {On(WaitForIt), On(WaitForIt)};
    operation.pause_first_sleeper = true;
    operation.kill_rescuer_too = true;
    operations.push_back(operation);
  }
  {
    Operation operation = EventOperation("Event clear");
    operation.prepare = On(SetIt);
    operation.body = On(ClearIt);
    operations.push_back(operation);
    operation.name = "Event clear, of one that is clear, 2 sleepers";
    operation.prepare = nullptr;
    operation.sleepers = {On(WaitForIt), On(WaitForIt)};
    operations.push_back(operation);
  }
  {
    Operation operation = EventOperation("Event wait, asleep and woken, 1 behind");
    operation.body = On(WaitForIt);
    operation.late_sleepers = {On(WaitForIt)};
    operation.waker = On(SetIt);
    operations.push_back(operation);
  }
  {
    Operation operation = EventOperation("Event wait, timed out, 1 sleeper");
    operation.sleepers = {On(WaitForIt)};
    operation.body = On(WaitAMoment);
    operation.body_wakes_itself = true;
    operations.push_back(operation);
  }
}

// ---- Condition ---------------------------------------------------------------------------------------------------------------

// Undoes what a dead consumer had begun, as a section of shm would.
void RollBack(Room& room, const Guard& guard) {
  if (!guard.owner_died()) return;
  room.items += room.taking;
  room.taking = 0;
}

absl::StatusOr<Guard> Enter(Room& room) {
  absl::StatusOr<Guard> guard = room.lock.Acquire();
  SHOAL_CHECK(guard.ok(), "a lock can be acquired");
  RollBack(room, *guard);
  return guard;
}

void Consume(Room& room) {
  absl::StatusOr<Guard> guard = Enter(room);
  const absl::Status status = room.changed.Wait(*guard, [&] {
    RollBack(room, *guard);
    return room.items > 0;
  });
  SHOAL_CHECK(status.ok(), "an item comes in the end");
  room.taking = 1;
  std::atomic_signal_fence(std::memory_order_seq_cst);  // seq_cst: in program order, as a journal would be
  --room.items;
  std::atomic_signal_fence(std::memory_order_seq_cst);  // seq_cst: as above
  room.taking = 0;                                      // the commit
}

void ConsumeForAMoment(Room& room) {
  absl::StatusOr<Guard> guard = Enter(room);
  (void)room.changed.Wait(
      *guard, [&] { return room.items > 0; }, absl::Microseconds(200));
}

template <int n>
void Produce(Room& room) {
  absl::StatusOr<Guard> guard = Enter(room);
  room.sent.store(0, std::memory_order_relaxed);  // relaxed: read when everybody is at rest
  room.items += n;
  SHOAL_CHECK(n == 1 ? room.changed.Notify(*guard).ok() : room.changed.NotifyAll(*guard).ok(), "a notification is sent");
  room.sent.store(1, std::memory_order_relaxed);  // relaxed: read when this process is dead
}

Operation ConditionOperation(std::string name) {
  Operation operation = OperationOn<Room>(std::move(name));
  operation.warm = Warm;
  operation.rescuer = On(Produce<3>);
  operation.kill_rescuer_too = true;
  operation.thief = [](void* shared, const Gate& gate) {
    absl::StatusOr<Guard> guard = Enter(*static_cast<Room*>(shared));
    gate.Hold();
  };
  // A producer that died before its notification was sent has told nobody.
  operation.may_sleep = [](const void* shared, int) {
    const Room& room = In(shared);
    // relaxed: everybody is at rest
    return room.sent.load(std::memory_order_relaxed) == 0 || room.items + room.taking == 0;
  };
  operation.check = [](void* shared) {
    Room& room = *static_cast<Room*>(shared);
    std::optional<Guard> guard = room.lock.TryAcquire();
    if (!guard.has_value()) return Verdict::kLeaked;
    RollBack(room, *guard);
    return room.items >= 0 && room.taking == 0 ? Verdict::kFine : Verdict::kHalfDone;
  };
  return operation;
}

void AddConditionOperations(std::vector<Operation>& operations) {
  {
    Operation operation = ConditionOperation("Condition notify, nobody waits");
    operation.body = On(Produce<1>);
    operations.push_back(operation);
    operation.name = "Condition notify, 2 sleepers";
    operation.sleepers = {On(Consume), On(Consume)};
    operation.pause_first_sleeper = true;
    operations.push_back(operation);
    operation.name = "Condition notify_all, 2 sleepers";
    operation.body = On(Produce<2>);
    operations.push_back(operation);
  }
  {
    Operation operation = ConditionOperation("Condition wait, asleep and woken, alone");
    operation.body = On(Consume);
    operation.waker = On(Produce<1>);
    operations.push_back(operation);
    operation.name = "Condition wait, asleep and woken, 1 behind";
    operation.late_sleepers = {On(Consume)};
    operations.push_back(operation);
    operation.name = "Condition wait, asleep and woken, 1 before, 1 behind";
    operation.sleepers = {On(Consume)};
    operations.push_back(operation);
  }
  {
    Operation operation = ConditionOperation("Condition wait, timed out, 1 sleeper");
    operation.sleepers = {On(Consume)};
    operation.body = On(ConsumeForAMoment);
    operation.body_wakes_itself = true;
    operations.push_back(operation);
  }
}

// ---- Barrier -----------------------------------------------------------------------------------------------------------------

void Count(Room& room, const absl::StatusOr<int>& index) {
  // relaxed, both: read when everybody is done
  (index.ok() ? room.passed : room.aborted).fetch_add(1, std::memory_order_relaxed);
}

void Meet(Room& room) { Count(room, room.barrier.Wait()); }
void MeetWithAction(Room& room) {
  Count(room, room.barrier.Wait([&room] {
    ++room.first;
    ++room.second;
  }));
}
void MeetForAMoment(Room& room) { Count(room, room.barrier.Wait(absl::Microseconds(200))); }
void AbortIt(Room& room) { room.barrier.Abort(); }
void ResetIt(Room& room) { room.barrier.Reset(); }

Operation BarrierOperation(std::string name) {
  Operation operation = OperationOn<Room>(std::move(name));
  operation.warm = Warm;
  operation.rescuer = On(AbortIt);
  operation.kill_rescuer_too = true;
  // Whoever waits for a party that never came; but not beside the dead.
  operation.may_sleep = [](const void* shared, int asleep) {
    const Barrier& barrier = In(shared).barrier;
    return !barrier.broken() && barrier.waiting() == asleep;
  };
  operation.check = [](void* shared) {
    Room& room = *static_cast<Room*>(shared);
    room.barrier.Reset();
    if (room.barrier.broken() || room.barrier.waiting() != 0) return Verdict::kLeaked;
    // Of one cycle, all go on or all are sent away.
    const bool both = room.passed.load(std::memory_order_relaxed) != 0 &&  // relaxed: everybody is done
                      room.aborted.load(std::memory_order_relaxed) != 0;   // relaxed: as above
    return both ? Verdict::kHalfDone : Verdict::kFine;
  };
  return operation;
}

void AddBarrierOperations(std::vector<Operation>& operations) {
  {
    Operation operation = BarrierOperation("Barrier wait, the first to come");
    operation.body = On(Meet);
    operations.push_back(operation);
    operation.name = "Barrier wait, the second of 3, then asleep";
    operation.sleepers = {On(Meet)};
    operation.pause_first_sleeper = true;
    operations.push_back(operation);
    operation.name = "Barrier wait, asleep and woken by the third";
    operation.waker = On(Meet);
    operations.push_back(operation);
    operation.name = "Barrier wait, timed out, 1 sleeper";
    operation.waker = nullptr;
    operation.body = On(MeetForAMoment);
    operation.body_wakes_itself = true;
    operations.push_back(operation);
  }
  {
    Operation operation = BarrierOperation("Barrier wait, the last, 2 sleepers");
    operation.sleepers = {On(Meet), On(Meet)};
    operation.pause_first_sleeper = true;
    operation.body = On(Meet);
    operations.push_back(operation);
    operation.name = "Barrier wait with action, the last, 2 sleepers";
    operation.body = On(MeetWithAction);
    operations.push_back(operation);
    operation.name = "Barrier abort, 2 sleepers";
    operation.body = On(AbortIt);
    operations.push_back(operation);
    operation.name = "Barrier reset, 2 sleepers";
    operation.body = On(ResetIt);
    operations.push_back(operation);
  }
  {
    Operation operation = BarrierOperation("Barrier abort, nobody waits");
    operation.body = On(AbortIt);
    operations.push_back(operation);
    operation.name = "Barrier reset, nobody waits";
    operation.prepare = On(AbortIt);
    operation.body = On(ResetIt);
    operations.push_back(operation);
  }
}

// ---- what must be found ------------------------------------------------------------------------------------------------------

void MakeMutex(Room& room) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&room.mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
}

}  // namespace

std::vector<Operation> SyncOperations() {
  std::vector<Operation> operations;
  AddLockOperations<Lock>("Lock", operations);
  AddLockOperations<RLock>("RLock", operations);
  {
    Operation operation = LockOperation<RLock>("RLock acquire, release at depth 2");
    operation.body = On(SectionAtDepthTwo);
    operations.push_back(operation);
    operation.name = "RLock release at depth 2, 2 sleepers";
    operation.prepare = On(TakeItTwice);
    operation.sleepers = {On(Section<RLock>), On(Section<RLock>)};
    operation.body = On(GiveItBackTwice);
    operations.push_back(operation);
  }
  {
    Operation operation = LockOperation<RLock>("RLock at depth 2, asleep and woken, 1 behind");
    operation.sleepers = {On(HoldUntilGo<RLock>)};
    operation.body = On(SectionAtDepthTwo);
    operation.late_sleepers = {On(Section<RLock>)};
    operation.waker = On(Go);
    operations.push_back(operation);
  }
  {
    Operation operation = OperationOn<Room>("Lock, RLock, pthread robust mutex: acquire, release");
    operation.warm = [] {
      Warm();
      static Room& own = *new Room;
      MakeMutex(own);
      SectionAmongOthers(own);
    };
    operation.setup = [](void* shared) { MakeMutex(*new (shared) Room); };
    operation.body = On(SectionAmongOthers);
    operation.rescuer = On(SectionAmongOthers);
    operation.kill_rescuer_too = true;
    operation.check = AllAreFree;
    operations.push_back(operation);
  }
  AddEventOperations(operations);
  AddSemaphoreOperations<Semaphore>("Semaphore", operations);
  AddSemaphoreOperations<BoundedSemaphore>("BoundedSemaphore", operations);
  AddConditionOperations(operations);
  AddBarrierOperations(operations);
  return operations;
}

std::vector<Operation> SyncOperationsThatHang() {
  std::vector<Operation> operations;
  {
    Operation operation = OperationOn<Room>("pthread robust mutex unlock, 1 sleeper, a thief");
    operation.setup = [](void* shared) { MakeMutex(*new (shared) Room); };
    operation.prepare = On(TakeMutex);
    operation.sleepers = {On(TakeAndGiveMutex)};
    operation.body = [](void* shared) { pthread_mutex_unlock(&static_cast<Room*>(shared)->mutex); };
    operation.thief = [](void* shared, const Gate& gate) {
      Room& room = *static_cast<Room*>(shared);
      TakeMutex(room);
      gate.Hold();
      pthread_mutex_unlock(&room.mutex);
    };
    // Nobody asks for it again, and everybody who had it has given it back: the sleeper could go on.
    operations.push_back(operation);
  }
  for (Operation operation : SyncOperations()) {
    if (operation.name != "Lock release, 2 sleepers" && operation.name != "Semaphore release(2), 2 sleepers" &&
        operation.name != "Barrier abort, 2 sleepers") {
      continue;
    }
    operation.name += ", list_op_pending forgotten";
    operation.forget_pending = true;
    operation.thief = nullptr;
    operation.pause_first_sleeper = false;
    operation.kill_rescuer_too = false;
    operations.push_back(operation);
  }
  return operations;
}

}  // namespace shoal::tests
