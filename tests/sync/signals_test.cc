// Signals that interrupt a sleep change nothing: every primitive sleeps on, until what it waits for comes.

#include <signal.h>

#include <atomic>
#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "shoal/sync/barrier.h"
#include "shoal/sync/bounded_semaphore.h"
#include "shoal/sync/condition.h"
#include "shoal/sync/event.h"
#include "shoal/sync/guard.h"
#include "shoal/sync/lock.h"
#include "shoal/sync/rlock.h"
#include "shoal/sync/semaphore.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal {
namespace {

using tests::Await;
using tests::Party;
using tests::Shared;
using tests::World;

struct Room {
  Lock lock;
  RLock rlock;
  Condition changed;
  Event event;
  Semaphore semaphore{0};
  BoundedSemaphore bounded{1};
  Barrier barrier{2};
  std::atomic<bool> ready{false};
  std::atomic<bool> done{false};
};

// A party in `sleep` is interrupted again and again, and has not gone on; then `wake`, and it does.
void InterruptAndWake(const Shared<Room>& shared, std::function<void(Room&)> sleep, std::function<void(Room&)> wake) {
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  sigaction(SIGUSR1, &action, nullptr);
  Party sleeper = shared.Start(0, [sleep](Room& room, int) {
    sleep(room);
    room.done = true;
  });
  for (int i = 0; i < 10; ++i) {
    sleeper.AwaitAsleep();
    EXPECT_FALSE(shared->done.load());
    kill(sleeper.tid(), SIGUSR1);
  }
  wake(*shared);
  sleeper.Join();
  EXPECT_TRUE(shared->done.load());
}

TEST(SignalsTest, ALock) {
  Shared<Room> shared(World::kProcesses);
  absl::StatusOr<Guard> guard = shared->lock.Acquire();
  ASSERT_TRUE(guard.ok());
  InterruptAndWake(
      shared, [](Room& room) { EXPECT_TRUE(room.lock.Acquire().ok()); }, [&](Room&) { EXPECT_TRUE(guard->Release().ok()); });
}

TEST(SignalsTest, AnRLock) {
  Shared<Room> shared(World::kProcesses);
  absl::StatusOr<Guard> guard = shared->rlock.Acquire();
  ASSERT_TRUE(guard.ok());
  InterruptAndWake(
      shared, [](Room& room) { EXPECT_TRUE(room.rlock.Acquire(absl::Hours(1)).ok()); },
      [&](Room&) { EXPECT_TRUE(guard->Release().ok()); });
}

TEST(SignalsTest, ACondition) {
  Shared<Room> shared(World::kProcesses);
  InterruptAndWake(
      shared,
      [](Room& room) {
        absl::StatusOr<Guard> guard = room.lock.Acquire();
        ASSERT_TRUE(guard.ok());
        EXPECT_TRUE(room.changed.Wait(*guard).ok());
        EXPECT_TRUE(room.ready.load());
      },
      [](Room& room) {
        absl::StatusOr<Guard> guard = room.lock.Acquire();
        ASSERT_TRUE(guard.ok());
        room.ready = true;
        EXPECT_TRUE(room.changed.Notify(*guard).ok());
      });
}

TEST(SignalsTest, AnEvent) {
  Shared<Room> shared(World::kProcesses);
  InterruptAndWake(
      shared, [](Room& room) { EXPECT_TRUE(room.event.Wait(absl::Hours(1)).ok()); }, [](Room& room) { room.event.Set(); });
}

TEST(SignalsTest, ASemaphore) {
  Shared<Room> shared(World::kProcesses);
  InterruptAndWake(
      shared, [](Room& room) { EXPECT_TRUE(room.semaphore.Acquire().ok()); },
      [](Room& room) { EXPECT_TRUE(room.semaphore.Release().ok()); });
}

TEST(SignalsTest, ABoundedSemaphore) {
  Shared<Room> shared(World::kProcesses);
  ASSERT_TRUE(shared->bounded.TryAcquire());
  InterruptAndWake(
      shared, [](Room& room) { EXPECT_TRUE(room.bounded.Acquire(absl::Hours(1)).ok()); },
      [](Room& room) { EXPECT_TRUE(room.bounded.Release().ok()); });
}

TEST(SignalsTest, ABarrier) {
  Shared<Room> shared(World::kProcesses);
  InterruptAndWake(
      shared, [](Room& room) { EXPECT_TRUE(room.barrier.Wait().ok()); },
      [](Room& room) { EXPECT_TRUE(room.barrier.Wait().ok()); });
  EXPECT_FALSE(shared->barrier.broken());
}

}  // namespace
}  // namespace shoal
