// Waiting for several objects at once.

#include "shoal/ipc/wait.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <deque>
#include <filesystem>
#include <iterator>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shoal/ipc/connection.h"
#include "shoal/ipc/fd_relay.h"
#include "shoal/ipc/lifo_queue.h"
#include "shoal/ipc/pipe.h"
#include "shoal/ipc/queue.h"
#include "shoal/ipc/wait_hook.h"
#include "shoal/shm/segment.h"
#include "shoal/sync/event.h"
#include "shoal/sync/futex.h"
#include "shoal/tests/ipc/pipe_world.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using tests::Party;
using tests::PipeWorld;
using tests::World;

constexpr absl::Duration kAtOnce = absl::ZeroDuration();

// Events that all parties see.
struct Events {
  Event one;
  Event two;
};

// A pipe(2).
struct Descriptors {
  Descriptors() { EXPECT_EQ(pipe2(fds, O_CLOEXEC), 0); }
  ~Descriptors() {
    close(fds[0]);
    close(fds[1]);
  }
  int fds[2];
};

class WaitWorlds : public testing::TestWithParam<World> {
 protected:
  PipeWorld world_{GetParam()};
  tests::Shared<Events> events_{GetParam()};
  Descriptors descriptors_;
};
INSTANTIATE_TEST_SUITE_P(All, WaitWorlds, testing::ValuesIn(tests::kAllWorlds), tests::WorldName);

TEST_P(WaitWorlds, AllThatAreReadyAreReturnedInOrder) {
  auto [a, b] = world_.Make<int>();
  auto [c, d] = world_.Make<int>();
  EXPECT_THAT(Wait({a, c, events_->one, descriptors_.fds[0]}, kAtOnce).value(), IsEmpty());
  EXPECT_THAT(Wait({a, c, events_->one}, kAtOnce).value(), IsEmpty());
  EXPECT_THAT(Wait({a, c, events_->one}, absl::Milliseconds(1)).value(), IsEmpty());
  EXPECT_THAT(Wait({a, c, events_->one, descriptors_.fds[0]}, absl::Milliseconds(1)).value(), IsEmpty());
  ASSERT_TRUE(d.Send(1).ok());
  events_->one.Set();
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(Wait({a, c, events_->one}).value(), ElementsAre(1, 2));
    EXPECT_THAT(Wait({a, c, events_->one, descriptors_.fds[0]}).value(), ElementsAre(1, 2));
  }
  ASSERT_EQ(write(descriptors_.fds[1], "x", 1), 1);
  { const auto closed = std::move(b); }
  EXPECT_THAT(Wait({a, descriptors_.fds[0], c, events_->two}).value(), ElementsAre(0, 1, 2));
  EXPECT_EQ(c.Recv().value(), 1);
  EXPECT_THAT(Wait({c, events_->two}, kAtOnce).value(), IsEmpty());
  EXPECT_THAT(Wait({c, events_->two, descriptors_.fds[0]}, kAtOnce).value(), ElementsAre(2));
}

// One sleeps beside all of them, and is woken through each.
TEST_P(WaitWorlds, ASleeperIsWokenThroughAnyOfThem) {
  for (const bool with_descriptor : {false, true}) {
    for (int through = 0; through < (with_descriptor ? 5 : 4); ++through) {
      auto [a, b] = world_.Make<int>();
      auto [c, d] = world_.Make<int>();
      events_->one.Clear();
      Party sleeper = world_.Start<int, int>(
          1, std::move(b), [&, through, with_descriptor, fd = descriptors_.fds[0]](Connection<int>& end) {
            Events& events = events_.view(1);
            std::vector<Waitable> any_of = {events.two, end, events.one};
            if (with_descriptor) any_of.push_back(fd);
            const auto ready = Wait(any_of);
            ASSERT_TRUE(ready.ok()) << ready.status();
            const size_t expected = through == 0 || through == 1 ? 1 : through == 4 ? 3 : 2;
            EXPECT_THAT(*ready, ElementsAre(expected));
          });
      sleeper.AwaitAsleep();
      switch (through) {
        case 0:
          ASSERT_TRUE(a.Send(1).ok());
          break;
        case 1:
          a.Close();
          break;
        case 2:
          events_->one.Set();
          break;
        case 3:  // it was set, even if it is not any more
          events_->one.Set();
          events_->one.Clear();
          break;
        case 4:
          ASSERT_EQ(write(descriptors_.fds[1], "x", 1), 1);
          break;
      }
      sleeper.Join();
    }
  }
}

class WaitTest : public testing::Test {
 protected:
  PipeWorld world_{World::kProcesses};
  Event event_;
};

// What an event was in an earlier call says nothing in the next.
TEST_F(WaitTest, KeptWaitablesAreLookedAtAnew) {
  const Descriptors descriptors;
  const std::vector<Waitable> any_of = {event_, descriptors.fds[0]};
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(Wait(any_of, kAtOnce).value(), IsEmpty());
    Party sleeper(World::kThreads, [&] { EXPECT_THAT(Wait(any_of).value(), ElementsAre(0)); });
    sleeper.AwaitAsleep();
    event_.Set();
    sleeper.Join();
    EXPECT_THAT(Wait(std::vector<Waitable>(any_of)).value(), ElementsAre(0));
    event_.Clear();
    Party child(World::kProcesses, [&] {
      EXPECT_THAT(Wait(any_of, kAtOnce).value(), IsEmpty());
      event_.Set();
      EXPECT_THAT(Wait(any_of).value(), ElementsAre(0));
    });
    child.Join();
  }
}

// Of one object that several threads wait for, each is told.
TEST_F(WaitTest, AKeptWaitableIsForManyAtOnce) {
  const Descriptors descriptors;
  const std::vector<Waitable> any_of = {event_, descriptors.fds[0]};
  EXPECT_THAT(Wait(any_of, absl::Milliseconds(1)).value(), IsEmpty());  // its thread is there
  for (int i = 0; i < 20; ++i) {
    std::vector<Party> sleepers;
    for (int j = 0; j < 3; ++j) {
      sleepers.emplace_back(World::kThreads, [&] { EXPECT_THAT(Wait(any_of).value(), ElementsAre(0)); });
      sleepers.back().AwaitAsleep();
    }
    event_.Set();
    event_.Clear();
    EXPECT_THAT(Wait(any_of, kAtOnce).value(), IsEmpty());
    for (Party& sleeper : sleepers) sleeper.Join();
  }
}

// What a relay tells those who have joined it is there until they have gone; nobody who comes later takes it for his own.
TEST_F(WaitTest, ARelayTellsAllWhoHaveJoined) {
  const auto is_readable = [](int fd) { return !Wait({fd}, kAtOnce).value().empty(); };
  const auto relay = ipc_internal::FdRelay::Start(ipc_internal::HookOf(event_)).value();
  ASSERT_TRUE(relay->Join());
  ASSERT_TRUE(relay->Join());
  EXPECT_FALSE(is_readable(relay->fd()));
  event_.Set();
  event_.Clear();
  EXPECT_THAT(Wait({relay->fd()}).value(), ElementsAre(0));
  EXPECT_FALSE(relay->Join());
  relay->Leave();
  EXPECT_FALSE(relay->Join());
  EXPECT_TRUE(is_readable(relay->fd()));
  relay->Leave();
  ASSERT_TRUE(relay->Join());
  EXPECT_FALSE(is_readable(relay->fd()));
  relay->Leave();
}

// Something that comes and goes: no look ever finds it, but it counts how often it came.
struct Fleeting {
  bool announce = true;                          // what the announcement says
  int comes_before = 0;                          // which announcement; 0: none
  mutable int announced = 0;
  mutable uint32_t came = 0;
  sync_internal::FutexWord changing{1'000'000};  // never what a sleeper expects: nobody sleeps

  Fleeting() = default;
  Fleeting(const Fleeting&) = delete;
  ipc_internal::WaitHook wait_hook() const {
    static constexpr ipc_internal::WaitOps kOps = {
        .deaths = [](const void*) -> const sync_internal::FutexWord* { return nullptr; },
        .ready = [](const void*) { return false; },
        .announce =
            [](const void* object, sync_internal::FutexExpectation* sleep_on) {
              const auto& self = *static_cast<const Fleeting*>(object);
              if (++self.announced == self.comes_before) ++self.came;
              *sleep_on = {&self.changing, self.came};
              return self.announce;
            },
        .was_ready =
            [](const void* object, const sync_internal::FutexExpectation& seen) {
              return static_cast<const Fleeting*>(object)->came != seen.expected;
            },
        .withdraw = nullptr,
        .fd = nullptr,
        .consumed = nullptr,
    };
    return {.object = this, .ops = &kOps};
  }
};

// Set when it was announced, and cleared before the next look.
TEST_F(WaitTest, WhatTheAnnouncementFoundIsReady) {
  Fleeting object;
  object.announce = false;
  EXPECT_THAT(Wait({object, event_}).value(), ElementsAre(0));
}
// Set and cleared between one sleep of a call and the next.
TEST_F(WaitTest, WhatCameBetweenTwoSleepsIsReady) {
  Fleeting object;
  object.comes_before = 2;
  EXPECT_THAT(Wait({object, event_}).value(), ElementsAre(0));
}

// It follows the end, and says so when that has gone.
TEST_F(WaitTest, AKeptWaitableOfAnEndThatHasGoneSaysSo) {
  const Descriptors descriptors;
  auto [a, b] = world_.Make<int>();
  auto [way, there] = world_.Make<Connection<int>>();
  std::vector<Waitable> kept = {a};
  ASSERT_TRUE(b.Send(1).ok());
  Connection<int> moved = std::move(a);
  EXPECT_THAT(Wait(kept).value(), ElementsAre(0));
  ASSERT_TRUE(way.Send(std::move(moved)).ok());
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Wait(kept).status().code(), absl::StatusCode::kFailedPrecondition);
    kept.push_back(descriptors.fds[0]);
  }
  Connection<int> received = there.Recv().value();
  EXPECT_EQ(Wait(kept).status().code(), absl::StatusCode::kFailedPrecondition);
  kept = {received};
  EXPECT_THAT(Wait(kept).value(), ElementsAre(0));
  received.Close();
  EXPECT_EQ(Wait(kept).status().code(), absl::StatusCode::kFailedPrecondition);
}

// That of a queue is a handle.
TEST_F(WaitTest, AKeptWaitableHoldsItsQueue) {
  auto segment = Segment::Create().value();
  auto ring = Queue<int>::Create({.segment = &segment}).value();
  auto stack = LifoQueue<int>::Create({.segment = &segment}).value();
  ASSERT_TRUE(stack.Put(1).ok());
  const std::vector<Waitable> kept = {ring, stack};
  ring = Queue<int>();
  stack = LifoQueue<int>();
  EXPECT_THAT(Wait(kept).value(), ElementsAre(1));
  Party child(World::kProcesses,
              [&] { EXPECT_EQ(Wait(kept).status().code(), absl::StatusCode::kFailedPrecondition); });
  child.Join();
}

size_t Threads() {
  const auto tasks = std::filesystem::directory_iterator("/proc/self/task");
  return static_cast<size_t>(std::distance(begin(tasks), end(tasks)));
}

// A thread is started only for a call that must sleep.
TEST_F(WaitTest, ALookStartsNoThread) {
  const Descriptors descriptors;
  const Waitable kept = event_;
  const size_t before = Threads();
  EXPECT_THAT(Wait(std::vector<Waitable>{kept, descriptors.fds[0]}, kAtOnce).value(), IsEmpty());
  ASSERT_EQ(write(descriptors.fds[1], "x", 1), 1);
  const std::vector<Waitable> any_of = {event_, descriptors.fds[0]};
  EXPECT_THAT(Wait(any_of).value(), ElementsAre(1));
  event_.Set();
  EXPECT_THAT(Wait(any_of).value(), ElementsAre(0, 1));
  EXPECT_EQ(Threads(), before);
}

TEST_F(WaitTest, ManyAtOnceAndNotMore) {
  std::deque<Event> events(120);
  std::vector<Waitable> any_of(events.begin(), events.end());
  EXPECT_THAT(Wait(any_of, kAtOnce).value(), IsEmpty());
  EXPECT_THAT(Wait(any_of, absl::Milliseconds(1)).value(), IsEmpty());
  events[119].Set();
  EXPECT_THAT(Wait(any_of).value(), ElementsAre(119));
  any_of.emplace_back(event_);
  EXPECT_EQ(Wait(any_of).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(WaitTest, OfManySegmentsTheDeathsHaveToFit) {
  std::deque<Segment> segments;
  std::deque<Connection<int>> ends;
  std::deque<Connection<int>> others;
  for (int i = 0; i < 9; ++i) {
    segments.push_back(Segment::Create({.limit_bytes = size_t{1} << 20}).value());
    auto [a, b] = Pipe<int>({.segment = &segments.back()}).value();
    ends.push_back(std::move(a));
    others.push_back(std::move(b));
  }
  std::vector<Waitable> any_of(ends.begin(), ends.end());
  EXPECT_THAT(Wait(any_of, absl::Milliseconds(1)).value(), IsEmpty());
  std::deque<Event> events(111);
  any_of.insert(any_of.end(), events.begin(), events.end());
  EXPECT_EQ(Wait(any_of, kAtOnce).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(WaitTest, WhatMakesNoSenseIsRefused) {
  const std::vector<Waitable> nothing;
  EXPECT_EQ(Wait(nothing).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Wait(nothing, absl::Milliseconds(1)).value(), IsEmpty());
  EXPECT_THAT(Wait(nothing, -absl::Seconds(1)).value(), IsEmpty());
  auto [a, b] = world_.Make<int>();
  EXPECT_EQ(Wait({a, event_, a}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Wait({event_, event_}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Wait({0, 0}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Wait({-1}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Wait({987654}).status().code(), absl::StatusCode::kInvalidArgument);
  a.Close();
  EXPECT_EQ(Wait({a}).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Wait({Connection<int>()}).status().code(), absl::StatusCode::kFailedPrecondition);
  auto [reader, writer] = world_.Make<int>({.duplex = false});
  EXPECT_EQ(Wait({writer}).status().code(), absl::StatusCode::kFailedPrecondition);
}

// With a descriptor among them and without.
TEST_F(WaitTest, ADeathWakesWhoWaits) {
  for (const bool with_descriptor : {false, true}) {
    const Descriptors descriptors;
    auto [near, far] = world_.Make<int>();
    Party victim = world_.Start<int, int>(1, std::move(far), [](Connection<int>&) {
      for (;;) pause();
    });
    Party sleeper = world_.Start<int, int>(2, std::move(near), [&, with_descriptor](Connection<int>& end) {
      std::vector<Waitable> any_of = {event_, end};
      if (with_descriptor) any_of.push_back(descriptors.fds[0]);
      EXPECT_THAT(Wait(any_of).value(), ElementsAre(1));
      EXPECT_TRUE(absl::IsUnavailable(end.Recv().status()));
    });
    victim.AwaitAsleep();
    sleeper.AwaitAsleep();
    victim.Kill();
    sleeper.Join();
  }
}

TEST_F(WaitTest, AProcessIsWaitedForByItsSentinel) {
  Party child(World::kProcesses, [] {
    for (;;) pause();
  });
  const int sentinel = static_cast<int>(syscall(SYS_pidfd_open, child.tid(), 0));
  ASSERT_GE(sentinel, 0);
  EXPECT_THAT(Wait({event_, sentinel}, kAtOnce).value(), IsEmpty());
  child.Kill();
  EXPECT_THAT(Wait({event_, sentinel}).value(), ElementsAre(1));
  close(sentinel);
}

}  // namespace
}  // namespace shoal
