// Waiting for several objects at once.

#include "shoal/ipc/wait.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <deque>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shoal/ipc/connection.h"
#include "shoal/ipc/pipe.h"
#include "shoal/shm/segment.h"
#include "shoal/sync/event.h"
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
          if (with_descriptor) {
            events_->one.Set();
          } else {
            events_->one.Set();
            events_->one.Clear();
          }
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
