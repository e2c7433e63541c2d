// Messages of a pipe that are read, and written, where they lie, and what others may do meanwhile.

#include <poll.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "shoal/ipc/connection.h"
#include "shoal/ipc/pipe.h"
#include "shoal/ipc/wait.h"
#include "shoal/tests/ipc/pipe_world.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal {
namespace {

using tests::Party;
using tests::PipeWorld;
using tests::World;

constexpr absl::Duration kAtOnce = absl::ZeroDuration();

bool IsReadable(int fd) {
  pollfd entry = {.fd = fd, .events = POLLIN, .revents = 0};
  return poll(&entry, 1, 0) == 1;
}

// Sends so many messages that the next one's cell is that of the first, which is received in place; the others are received.
ReceivedMessage<int> ComeRound(Connection<int>& from, Connection<int>& to, int capacity) {
  EXPECT_TRUE(from.Send(0, kAtOnce).ok());
  auto first = to.RecvInPlace(kAtOnce);
  EXPECT_TRUE(first.ok()) << first.status();
  for (int i = 1; i < capacity; ++i) {
    EXPECT_TRUE(from.Send(i, kAtOnce).ok());
    EXPECT_EQ(to.Recv(kAtOnce).value(), i);
  }
  return *std::move(first);
}

TEST(PipeInPlaceTest, BehindAMessageThatIsReadInPlaceThereIsNothing) {
  for (const uint32_t capacity : {1u, 2u, 64u}) {
    PipeWorld world(World::kThreads);
    auto [near, far] = world.Make<int>({.capacity = capacity});
    const int fd = near.fd().value();
    for (int lap = 0; lap < 3; ++lap) {
      std::optional<ReceivedMessage<int>> held = ComeRound(far, near, static_cast<int>(capacity));
      EXPECT_TRUE(absl::IsDeadlineExceeded(near.Recv(kAtOnce).status()));
      EXPECT_TRUE(absl::IsDeadlineExceeded(near.RecvInPlace(kAtOnce).status()));
      EXPECT_TRUE(absl::IsDeadlineExceeded(far.Send(7, kAtOnce)));
      const auto polled = near.Poll();
      ASSERT_TRUE(polled.ok()) << polled.status();
      EXPECT_FALSE(*polled);
      EXPECT_TRUE(Wait({near}, kAtOnce)->empty());
      EXPECT_FALSE(IsReadable(fd));
      EXPECT_EQ(**held, 0);
      held.reset();
      EXPECT_TRUE(absl::IsDeadlineExceeded(near.Recv(kAtOnce).status()));
      EXPECT_TRUE(far.Send(7, kAtOnce).ok());
      EXPECT_EQ(near.Recv(kAtOnce).value(), 7);
      // Round again to the same cell.
      for (uint32_t i = 1; i < capacity; ++i) {
        ASSERT_TRUE(far.Send(1, kAtOnce).ok());
        ASSERT_TRUE(near.Recv(kAtOnce).ok());
      }
    }
  }
}

class PipeInPlaceWorlds : public testing::TestWithParam<World> {
 protected:
  PipeWorld world_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(All, PipeInPlaceWorlds, testing::ValuesIn(tests::kAllWorlds), tests::WorldName);

// A receiver and a sender sleep at one cell, where a message is read; and beside them one who waits, and one who polls a descriptor.
TEST_P(PipeInPlaceWorlds, WhoSleepsBehindItGoesOnWhenItIsGivenBack) {
  for (const uint32_t capacity : {1u, 4u}) {
    auto [near, far] = world_.Make<int>({.capacity = capacity});
    std::optional<ReceivedMessage<int>> held = ComeRound(far, near, static_cast<int>(capacity));
    Party sender = world_.Start<int, int>(1, std::move(far), [](Connection<int>& end) {
      EXPECT_TRUE(end.Send(42).ok());
      EXPECT_EQ(end.Recv().value(), 1);  // so that what it sent is not the last
    });
    std::atomic<int> done = 0;
    Party receiver(World::kThreads, [&end = near, &done] {
      EXPECT_EQ(end.Recv().value(), 42);
      ++done;
    });
    Party waiter(World::kThreads, [&end = near] { EXPECT_TRUE(Wait({end}).ok()); });
    sender.AwaitAsleep();
    receiver.AwaitAsleep();
    waiter.AwaitAsleep();
    EXPECT_EQ(done, 0);
    held.reset();
    receiver.Join();
    EXPECT_TRUE(near.Send(1).ok());
    sender.Join();
    near.Close();
    waiter.Join();
  }
}

TEST_P(PipeInPlaceWorlds, ItsDescriptorCanBeReadWhenSomethingComesBehindIt) {
  auto [near, far] = world_.Make<int>({.capacity = 2});
  std::optional<ReceivedMessage<int>> held = ComeRound(far, near, 2);
  const int fd = near.fd().value();
  Party sender = world_.Start<int, int>(1, std::move(far), [](Connection<int>& end) {
    EXPECT_TRUE(end.Send(42).ok());
    EXPECT_TRUE(absl::IsCancelled(end.Recv().status()));
  });
  sender.AwaitAsleep();
  EXPECT_FALSE(IsReadable(fd));
  held.reset();
  tests::Await([&] { return IsReadable(fd); });
  EXPECT_EQ(near.Recv(kAtOnce).value(), 42);
  near.Close();
  sender.Join();
}

TEST_P(PipeInPlaceWorlds, WhoSleepsBehindItIsWokenByAClose) {
  for (const bool own : {true, false}) {
    auto [near, far] = world_.Make<int>({.capacity = 2});
    const ReceivedMessage<int> held = ComeRound(far, near, 2);
    std::atomic<bool>* const close = shm_internal::ObjectIn<std::atomic<bool>>(world_.segment(), *world_.segment().Allocate(8, 8));
    close->store(false);
    Party peer = world_.Start<int, int>(1, std::move(far), [close](Connection<int>& end) {
      tests::Await([&] { return close->load(); });
      end.Close();
    });
    Party receiver(World::kThreads, [&end = near] { EXPECT_TRUE(absl::IsCancelled(end.Recv().status())); });
    receiver.AwaitAsleep();
    if (own) near.Close();
    close->store(true);
    peer.Join();
    receiver.Join();
  }
}

TEST(PipeInPlaceTest, WhoSleepsBehindItIsWokenByADeath) {
  PipeWorld world(World::kProcesses);
  auto [near, far] = world.Make<int>({.capacity = 2});
  const ReceivedMessage<int> held = ComeRound(far, near, 2);
  Party peer = world.Start<int, int>(1, std::move(far), [](Connection<int>& end) { EXPECT_TRUE(end.Send(1).ok()); });
  Party receiver(World::kThreads, [&end = near] { EXPECT_TRUE(absl::IsUnavailable(end.Recv().status())); });
  peer.AwaitAsleep();
  receiver.AwaitAsleep();
  peer.Kill();
  receiver.Join();
}

TEST(PipeInPlaceTest, WhatNobodyWouldReceiveIsNotPublished) {
  PipeWorld world(World::kThreads);
  for (const bool own : {false, true}) {
    auto [near, far] = world.Make<int>();
    auto loan = near.Loan();
    ASSERT_TRUE(loan.ok()) << loan.status();
    **loan = 42;
    (own ? near : far).Close();
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(absl::IsFailedPrecondition(loan->Publish()));
    EXPECT_EQ(**loan, 42) << "it is as it was";
  }
}

TEST(PipeInPlaceTest, WhatADeadOneWouldReceiveIsNotPublished) {
  PipeWorld world(World::kProcesses);
  auto ends = world.Make<int>();
  Connection<int>& near = ends.first;
  Party peer = world.Start<int, int>(1, std::move(ends.second), [](Connection<int>& end) {
    EXPECT_EQ(end.Recv().value(), 1);
    static_cast<void>(end.Recv());
  });
  auto loan = near.Loan();
  ASSERT_TRUE(loan.ok()) << loan.status();
  **loan = 1;
  EXPECT_TRUE(loan->Publish().ok());
  loan = near.Loan();
  ASSERT_TRUE(loan.ok()) << loan.status();
  peer.AwaitAsleep();
  peer.Kill();
  tests::Await([&] { return near.Poll().value(); });  // its death has been noticed
  EXPECT_TRUE(absl::IsUnavailable(loan->Publish())) << "as Send would say";
  { const auto dropped = *std::move(loan); }
  EXPECT_TRUE(absl::IsUnavailable(near.Send(1)));
}

// With one cell every message is received where the next one will be: between the two steps of that a look from outside sees the old one.
TEST(PipeInPlaceTest, WhoPollsBesideAReceiverSeesNoDamage) {
  PipeWorld world(World::kThreads);
  auto [near, far] = world.Make<int>({.capacity = 1});
  std::atomic<bool> over = false;
  std::thread poller([&over, &end = near] {
    while (!over) {
      const auto polled = end.Poll();
      ASSERT_TRUE(polled.ok()) << polled.status();
    }
  });
  for (int i = 0; i < 100'000; ++i) {
    ASSERT_TRUE(far.Send(i).ok());
    ASSERT_EQ(near.Recv().value(), i);
  }
  over = true;
  poller.join();
}

}  // namespace
}  // namespace shoal
