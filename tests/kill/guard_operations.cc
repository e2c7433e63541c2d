#include "shoal/tests/kill/guard_operations.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/journal.h"
#include "shoal/shm/layout.h"
#include "shoal/shm/lock_all.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/rw_lock.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/value.h"
#include "shoal/sync/check.h"
#include "shoal/sync/condition.h"
#include "shoal/sync/event.h"
#include "shoal/tests/kill/census.h"

namespace shoal::tests {
namespace {

// Whoever changes one adds 1 to `left` and then to `right`; whoever changes several adds 1 to the `pair` of each.
struct Root {
  int64_t left = 0;
  int64_t right = 0;
  int64_t pair = 0;
  int64_t items = 0;
};

struct Twice {
  int64_t left = 0;
  int64_t right = 0;
};

// What lies in the segment, which all parties have mapped at one address.
struct Objects {
  Mutex<Root> a;
  Mutex<Root> b;
  RwLock<Root> c;
  Value<Twice> value;
  Condition changed;  // used with a
  Condition written;  // used with c
};

struct Room {
  Objects* objects;
  Event go;                  // a holder's cue
  std::atomic<int> holding;  // parties that hold something until then; they are not killed
  std::atomic<int> sent;     // a notification was sent in full
  std::atomic<bool> torn;
};

const Room& In(const void* shared) { return *static_cast<const Room*>(shared); }

Segment* segment = nullptr;

void SetUp(Room& room) {
  delete segment;
  auto made = Segment::Create({.limit_bytes = size_t{1} << 20});
  SHOAL_CHECK(made.ok(), "a segment can be made");
  segment = new Segment(*std::move(made));
  room.objects = new (shm_internal::ObjectIn<Objects>(*segment, segment->Allocate(sizeof(Objects), alignof(Objects)).value())) Objects;
}

void Change(Room& room, Root& root) {
  if (root.left != root.right) room.torn = true;
  ++root.left;
  ++root.right;
}

// ---- one Mutex ---------------------------------------------------------------------------------------------------------------

void ChangeA(Room& room) {
  auto guard = room.objects->a.Lock();
  SHOAL_CHECK(guard.ok(), "a mutex can be locked");
  Change(room, **guard);
}
void ChangeB(Room& room) {
  auto guard = room.objects->b.Lock();
  SHOAL_CHECK(guard.ok(), "a mutex can be locked");
  Change(room, **guard);
}
void ChangeAForAMoment(Room& room) {
  auto guard = room.objects->a.Lock(absl::Microseconds(200));
  if (guard.ok()) Change(room, **guard);
}

// ---- the RwLock --------------------------------------------------------------------------------------------------------------

void Look(Room& room, const Root& root) {
  if (root.left != root.right) room.torn = true;
}
void ReadC(Room& room) {
  auto guard = room.objects->c.Read();
  SHOAL_CHECK(guard.ok(), "it can be read");
  Look(room, **guard);
}
void ReadCForAMoment(Room& room) {
  auto guard = room.objects->c.Read(absl::Microseconds(200));
  if (guard.ok()) Look(room, **guard);
}
void WriteC(Room& room) {
  auto guard = room.objects->c.Write();
  SHOAL_CHECK(guard.ok(), "it can be written");
  Change(room, **guard);
}
void WriteCForAMoment(Room& room) {
  auto guard = room.objects->c.Write(absl::Microseconds(200));
  if (guard.ok()) Change(room, **guard);
}

// ---- several -----------------------------------------------------------------------------------------------------------------

void ChangeAAndB(Room& room) {
  auto guard = LockAll(room.objects->b, room.objects->a);
  SHOAL_CHECK(guard.ok(), "two can be locked");
  auto& [b, a] = *guard;
  if (a.pair - b.pair != 0) room.torn = true;
  ++a.pair;
  Change(room, a);
  Change(room, b);
  ++b.pair;
}
void ChangeAll(Room& room) {
  auto guard = LockAll(room.objects->c, room.objects->a, room.objects->b);
  SHOAL_CHECK(guard.ok(), "three can be locked");
  auto& [c, a, b] = *guard;
  if (a.pair != b.pair) room.torn = true;
  ++a.pair;
  Change(room, c);
  ++b.pair;
}
void ChangeAAndBForAMoment(Room& room) {
  auto guard = LockAll(absl::Microseconds(200), room.objects->a, room.objects->b);
  if (guard.ok()) Change(room, guard->get<0>());
}

// ---- functions in a section -----------------------------------------------------------------------------------------------

absl::Status InVain() { return absl::CancelledError("the function wants to have it undone"); }

void ChangeAWith(Room& room) {
  const absl::Status changed = room.objects->a.With([&room](Root& a) { Change(room, a); });
  SHOAL_CHECK(changed.ok(), "a mutex can be locked");
}
void ChangeAWithInVain(Room& room) {
  const absl::Status changed = room.objects->a.With([&room](Root& a) {
    Change(room, a);
    ++a.left;
    return InVain();
  });
  SHOAL_CHECK(absl::IsCancelled(changed), "With returns what its function does");
}
void WriteCWith(Room& room) {
  const absl::Status changed = room.objects->c.WithWrite([&room](Root& c) { Change(room, c); });
  SHOAL_CHECK(changed.ok(), "it can be written");
}
void ReadCWith(Room& room) {
  const absl::Status read = room.objects->c.WithRead([&room](const Root& c) { Look(room, c); });
  SHOAL_CHECK(read.ok(), "it can be read");
}
void ChangeAAndBWith(Room& room) {
  const auto change = [&room](Root& b, Root& a) {
    if (a.pair != b.pair) room.torn = true;
    ++a.pair;
    Change(room, a);
    Change(room, b);
    ++b.pair;
  };
  SHOAL_CHECK(WithAll(change, room.objects->b, room.objects->a).ok(), "two can be locked");
}
void ChangeAAndBWithInVain(Room& room) {
  const auto change = [](Root& a, Root&) {
    ++a.pair;
    return InVain();
  };
  SHOAL_CHECK(absl::IsCancelled(WithAll(change, room.objects->a, room.objects->b)),
              "WithAll returns what its function does");
}

void LookAtValue(Room& room) {
  const absl::StatusOr<Twice> now = room.objects->value.Get();
  SHOAL_CHECK(now.ok(), "a value can be read");
  if (now->left != now->right) room.torn = true;
}
void SetValue(Room& room) {
  LookAtValue(room);
  SHOAL_CHECK(room.objects->value.Set({.left = 7, .right = 7}).ok(), "a value can be set");
}
void UpdateValue(Room& room) {
  const absl::Status updated = room.objects->value.Update([&room](Twice& value) {
    if (value.left != value.right) room.torn = true;
    ++value.left;
    ++value.right;
  });
  SHOAL_CHECK(updated.ok(), "a value can be updated");
}
void UpdateValueInVain(Room& room) {
  const absl::Status updated = room.objects->value.Update([](Twice& value) {
    ++value.left;
    return InVain();
  });
  SHOAL_CHECK(absl::IsCancelled(updated), "Update returns what its function does");
  LookAtValue(room);
}

// ---- held from `prepare` until the stepped body, or until the cue ------------------------------------------------------------

struct Held {
  std::unique_ptr<MutexGuard<Root>> a;
  std::unique_ptr<ReadGuard<Root>> reads;
  std::unique_ptr<WriteGuard<Root>> writes;
  std::unique_ptr<AllGuard<Root, Root>> both;
};
Held& held = *new Held;

template <class Guard>
std::unique_ptr<Guard> Keep(absl::StatusOr<Guard> guard) {
  SHOAL_CHECK(guard.ok(), "what is free can be taken");
  return std::make_unique<Guard>(*std::move(guard));
}
void TakeA(Room& room) {
  held.a = Keep(room.objects->a.Lock());
  Change(room, **held.a);
}
void TakeToRead(Room& room) { held.reads = Keep(room.objects->c.Read()); }
void TakeToWrite(Room& room) {
  held.writes = Keep(room.objects->c.Write());
  Change(room, **held.writes);
}
void TakeAAndB(Room& room) {
  held.both = Keep(LockAll(room.objects->a, room.objects->b));
  ++held.both->get<0>().pair;
  ++held.both->get<1>().pair;
}
void GiveABack(Room&) { held.a->Release(); }
void RollABack(Room&) {
  held.a->Rollback();
  held.a->Release();
}
void EndReading(Room&) { held.reads->Release(); }
void EndWriting(Room&) { held.writes->Release(); }
void GiveBothBack(Room&) { held.both->Release(); }

void AwaitGo(Room& room) {
  room.holding.fetch_add(1);
  SHOAL_CHECK(room.go.Wait().ok(), "a holder holds");
  room.holding.fetch_sub(1);
}
void HoldAUntilGo(Room& room) {
  auto guard = Keep(room.objects->a.Lock());
  AwaitGo(room);
  Change(room, **guard);
}
void HoldBUntilGo(Room& room) {
  auto guard = Keep(room.objects->b.Lock());
  AwaitGo(room);
  Change(room, **guard);
}
void ReadUntilGo(Room& room) {
  auto guard = Keep(room.objects->c.Read());
  AwaitGo(room);
  Look(room, **guard);
}
void WriteUntilGo(Room& room) {
  auto guard = Keep(room.objects->c.Write());
  AwaitGo(room);
  Change(room, **guard);
}
void Go(Room& room) { room.go.Set(); }

// Leaves everything as a thread that died in the middle of it would; by a child of the victim, before that is stepped.
template <void (*take)(Room&)>
void DieHolding(Room& room) {
  const pid_t child = fork();
  if (child == 0) {
    take(room);
    kill(getpid(), SIGKILL);
  }
  SHOAL_CHECK(waitpid(child, nullptr, 0) == child, "a child dies");
}

// ---- Condition ---------------------------------------------------------------------------------------------------------------

void ConsumeFromA(Room& room) {
  auto guard = Keep(room.objects->a.Lock());
  SHOAL_CHECK(room.objects->changed.Wait(*guard, [&] { return (*guard)->items > 0; }).ok(), "an item comes in the end");
  --(*guard)->items;
  Change(room, **guard);
}
void ConsumeFromC(Room& room) {
  auto guard = Keep(room.objects->c.Write());
  SHOAL_CHECK(room.objects->written.Wait(*guard, [&] { return (*guard)->items > 0; }).ok(), "an item comes in the end");
  --(*guard)->items;
  Change(room, **guard);
}
void ConsumeForAMoment(Room& room) {
  auto guard = Keep(room.objects->a.Lock());
  (void)room.objects->changed.Wait(*guard, [&] { return (*guard)->items > 0; }, absl::Microseconds(200));
  if ((*guard)->items > 0) --(*guard)->items;
  Change(room, **guard);
}
template <int n>
void ProduceToA(Room& room) {
  auto guard = Keep(room.objects->a.Lock());
  room.sent = 0;
  (*guard)->items += n;
  Change(room, **guard);
  SHOAL_CHECK(room.objects->changed.Notify(*guard, n).ok(), "a condition can be notified");
  room.sent = 1;
}
template <int n>
void ProduceToC(Room& room) {
  auto guard = Keep(room.objects->c.Write());
  room.sent = 0;
  (*guard)->items += n;
  SHOAL_CHECK(room.objects->written.Notify(*guard, n).ok(), "a condition can be notified");
  room.sent = 1;
}
// With both locks, of which the condition's is one.
void ProduceWithBoth(Room& room) {
  auto guard = Keep(LockAll(room.objects->a, room.objects->b));
  room.sent = 0;
  guard->get<0>().items += 1;
  SHOAL_CHECK(room.objects->changed.Notify(*guard).ok(), "a condition can be notified");
  room.sent = 1;
}

// ---- the cast ----------------------------------------------------------------------------------------------------------------

void Warm() {
  static Room& own = *new Room{};
  Segment* const before = std::exchange(segment, nullptr);
  SetUp(own);
  ChangeAll(own);
  ChangeAAndB(own);
  ReadC(own);
  WriteC(own);
  UpdateValue(own);
  ConsumeForAMoment(own);
  (void)own.go.Wait(absl::Nanoseconds(1));
  {
    auto guard = Keep(own.objects->c.Write());
    (void)own.objects->c.Read(absl::ZeroDuration());
  }
  segment = before;
}

template <void (*take)(Room&)>
std::function<void(void*, const Gate&)> Thief() {
  return [](void* shared, const Gate& gate) {
    take(*static_cast<Room*>(shared));
    gate.Hold();
    held = {};
  };
}

void Rescue(Room& room) {
  Go(room);
  ReadC(room);
  ChangeAll(room);
  ChangeAAndB(room);
  UpdateValue(room);
}

Verdict Judge(void* shared) {
  Room& room = *static_cast<Room*>(shared);
  if (room.torn) return Verdict::kHalfDone;
  auto guard = LockAll(absl::ZeroDuration(), room.objects->a, room.objects->b, room.objects->c);
  if (!guard.ok()) return Verdict::kLeaked;
  auto& [a, b, c] = *guard;
  if (a.left != a.right || b.left != b.right || c.left != c.right || a.pair != b.pair) return Verdict::kHalfDone;
  guard->Release();
  const absl::StatusOr<Twice> value = room.objects->value.Get(absl::ZeroDuration());
  if (!value.ok()) return Verdict::kLeaked;
  if (value->left != value->right) return Verdict::kHalfDone;
  return AnySectionIsOpen(*shm_internal::Attachment::Of(room.objects)) ? Verdict::kHalfDone : Verdict::kFine;
}

using Party = void (*)(Room&);

// Whoever sleeps at rest waits, by however many steps, for a party that holds something until its cue.
Operation Registered(std::string name, Party prepare, std::vector<Party> sleepers, Party body,
                     std::vector<Party> late = {}) {
  Operation operation = OperationOn<Room>(std::move(name));
  operation.setup = [](void* shared) { SetUp(*new (shared) Room{}); };
  operation.warm = Warm;
  if (prepare != nullptr) operation.prepare = On(prepare);
  for (const Party party : sleepers) operation.sleepers.push_back(On(party));
  operation.body = On(body);
  for (const Party party : late) operation.late_sleepers.push_back(On(party));
  operation.waker = On(Go);
  operation.rescuer = On(Rescue);
  operation.kill_rescuer_too = sleepers.empty() && late.empty();  // what it makes good is the same with an audience
  operation.may_sleep = [](const void* shared, int) { return In(shared).holding.load() > 0; };
  operation.check = Judge;
  return operation;
}

Operation WithThief(Operation operation, std::function<void(void*, const Gate&)> thief) {
  operation.thief = std::move(thief);
  return operation;
}
Operation ThatWakesItself(Operation operation) {
  operation.body_wakes_itself = true;
  operation.kill_rescuer_too = false;
  return operation;
}
Operation WithPause(Operation operation) {
  operation.pause_first_sleeper = true;
  return operation;
}

// Waiters sleep while there is nothing for them, or while nobody has been told.
template <class Owner>
Operation Notified(Operation operation, Party waker, Party rescuer, Owner owner) {
  operation.waker = On(waker);
  operation.rescuer = On(rescuer);
  operation.may_sleep = [owner](const void* shared, int) {
    const auto& root = reinterpret_cast<const Root&>(In(shared).objects->*owner);  // at its owner's address
    return root.items == 0 || In(shared).sent.load() == 0;
  };
  return operation;
}

}  // namespace

std::vector<Operation> GuardOperations() {
  std::vector<Operation> operations = {
      WithThief(Registered("Mutex section, 2 want it too", TakeA, {ChangeA, ChangeA}, GiveABack), Thief<TakeA>()),
      WithPause(Registered("Mutex section, 1 wants it too, paused", TakeA, {ChangeA}, GiveABack)),
      Registered("Mutex section, rolled back, 1 wants it too", TakeA, {ChangeA}, RollABack),
      WithThief(Registered("Mutex lock, asleep and woken, 1 behind", nullptr, {HoldAUntilGo}, ChangeA, {ChangeA}),
                Thief<TakeA>()),
      ThatWakesItself(Registered("Mutex lock, timed out, 1 behind", nullptr, {HoldAUntilGo, ChangeA}, ChangeAForAMoment)),

      WithThief(Registered("LockAll of 2", nullptr, {}, ChangeAAndB), Thief<TakeAAndB>()),
      WithThief(Registered("LockAll of 3", nullptr, {}, ChangeAll), Thief<TakeToWrite>()),
      Registered("LockAll of 2, 3 want them too", TakeAAndB, {ChangeB, ChangeAAndB, ChangeA}, GiveBothBack),
      Registered("LockAll of 2, asleep for the second, 2 behind", nullptr, {HoldBUntilGo}, ChangeAAndB, {ChangeA, ChangeAAndB}),
      Registered("LockAll of 3, asleep for readers, 2 behind", nullptr, {ReadUntilGo}, ChangeAll, {ReadC, ChangeA}),
      ThatWakesItself(
          Registered("LockAll of 2, timed out, 1 behind", nullptr, {HoldBUntilGo, ChangeB}, ChangeAAndBForAMoment)),

      WithThief(Registered("RwLock read", nullptr, {}, ReadC), Thief<TakeToWrite>()),
      WithThief(Registered("RwLock read, a writer waits", TakeToRead, {WriteC}, EndReading), Thief<TakeToWrite>()),
      Registered("RwLock read, a writer and a reader wait", TakeToRead, {WriteC, ReadC}, EndReading),
      WithThief(Registered("RwLock read, asleep and woken, 2 behind", nullptr, {WriteUntilGo}, ReadC, {WriteC, ReadC}),
                Thief<TakeToWrite>()),
      ThatWakesItself(Registered("RwLock read, timed out, 1 behind", nullptr, {WriteUntilGo, ReadC}, ReadCForAMoment)),
      WithThief(Registered("RwLock write", nullptr, {}, WriteC), Thief<TakeToRead>()),
      WithThief(Registered("RwLock write, 3 wait", TakeToWrite, {ReadC, WriteC, ReadC}, EndWriting), Thief<TakeToWrite>()),
      WithPause(Registered("RwLock write, a reader waits, paused", TakeToWrite, {ReadC}, EndWriting)),
      WithPause(Registered("RwLock read, a writer waits, paused", TakeToRead, {WriteC}, EndReading)),
      WithThief(Registered("RwLock write, asleep and woken, 2 behind", nullptr, {ReadUntilGo}, WriteC, {ReadC, WriteC}),
                Thief<TakeToRead>()),
      ThatWakesItself(Registered("RwLock write, timed out, 1 behind", nullptr, {ReadUntilGo, ReadC}, WriteCForAMoment)),

      Registered("Mutex with, asleep and woken, 1 behind", nullptr, {HoldAUntilGo}, ChangeAWith, {ChangeAWith}),
      Registered("Mutex with, rolled back", ChangeA, {}, ChangeAWithInVain),
      Registered("RwLock with write, a reader holds it, 1 behind", nullptr, {ReadUntilGo}, WriteCWith, {WriteCWith}),
      Registered("RwLock with read", ReadC, {}, ReadCWith),
      Registered("WithAll of 2", ChangeAAndB, {}, ChangeAAndBWith),
      Registered("WithAll of 2, rolled back", ChangeAAndB, {}, ChangeAAndBWithInVain),
      Registered("WithAll of 2, asleep for the second, 1 behind", nullptr, {HoldBUntilGo}, ChangeAAndBWith, {ChangeAWith}),
      Registered("Value, set", UpdateValue, {}, SetValue),
      Registered("Value, updated", UpdateValue, {}, UpdateValue),
      Registered("Value, updated in vain", UpdateValue, {}, UpdateValueInVain),

      Registered("recovery by Mutex lock", DieHolding<TakeA>, {}, ChangeA),
      Registered("recovery of LockAll by one", DieHolding<TakeAAndB>, {}, ChangeB),
      Registered("recovery of LockAll by LockAll", DieHolding<TakeAAndB>, {}, ChangeAAndB),
      Registered("recovery of RwLock by a reader", DieHolding<TakeToWrite>, {}, ReadC),
      Registered("recovery of RwLock by a writer", DieHolding<TakeToWrite>, {}, WriteC),
      Registered("recovery of RwLock from a reader", DieHolding<TakeToRead>, {}, ReadC),

      Notified(Registered("Condition notify in a section, 2 wait", nullptr, {ConsumeFromA, ConsumeFromA}, ProduceToA<1>),
               Go, ProduceToA<2>, &Objects::a),
      Notified(Registered("Condition notify with LockAll, 1 waits", nullptr, {ConsumeFromA}, ProduceWithBoth), Go,
               ProduceToA<2>, &Objects::a),
      Notified(Registered("Condition wait in a section, 1 waits too", nullptr, {}, ConsumeFromA, {ConsumeFromA}),
               ProduceToA<1>, ProduceToA<2>, &Objects::a),
      Notified(Registered("Condition wait with RwLock write, 1 waits too", nullptr, {}, ConsumeFromC, {ConsumeFromC}),
               ProduceToC<1>, ProduceToC<2>, &Objects::c),
      ThatWakesItself(Notified(Registered("Condition wait in a section, timed out, 1 waits too", nullptr, {ConsumeFromA},
                                          ConsumeForAMoment),
                               Go, ProduceToA<2>, &Objects::a)),
  };
  return operations;
}

std::vector<Operation> GuardOperationsThatHang() {
  // Of a lock's own protections: while the writer is being released, its word is in no list.
  Operation operation = Registered("RwLock write, 1 reader waits, no pending word", TakeToWrite, {ReadC}, EndWriting);
  operation.forget_pending = true;
  return {operation};
}

}  // namespace shoal::tests
