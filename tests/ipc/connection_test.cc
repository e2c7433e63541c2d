// Pipes between threads, between mappings and between processes; ends that close, die and travel.

#include "shoal/ipc/connection.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shoal/ipc/pipe.h"
#include "shoal/ipc/pipe_core.h"
#include "shoal/ipc/pipe_end.h"
#include "shoal/ipc/queue.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/pipe_ends.h"
#include "shoal/shm/section.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/type_table.h"
#include "shoal/tests/ipc/pipe_world.h"
#include "shoal/tests/kill/member_without_keeper.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal {
namespace {

using tests::Await;
using tests::Party;
using tests::PipeWorld;
using tests::World;
using testing::HasSubstr;

constexpr absl::Duration kAtOnce = absl::ZeroDuration();

struct Message {
  uint64_t number = 0;
  uint64_t copies[7] = {};
};
Message MessageOf(uint64_t number) {
  Message message{.number = number};
  for (uint64_t& copy : message.copies) copy = number;
  return message;
}
bool IsWhole(const Message& message) {
  for (const uint64_t copy : message.copies) {
    if (copy != message.number) return false;
  }
  return true;
}
std::string TextOf(uint64_t number) { return std::string(number % 700, static_cast<char>('a' + number % 26)); }

class ConnectionWorlds : public testing::TestWithParam<World> {
 protected:
  PipeWorld world_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(All, ConnectionWorlds, testing::ValuesIn(tests::kAllWorlds), tests::WorldName);

// Every message arrives once, whole, in the order in which it was sent; with rings of every small size, spinning or not.
TEST_P(ConnectionWorlds, MessagesArriveOnceWholeAndInOrder) {
  for (const uint32_t capacity : {1u, 2u, 64u}) {
    for (const bool spin : {true, false}) {
      constexpr uint64_t kMessages = 3000;
      auto [near, far] = world_.Make<Message>({.capacity = capacity, .spin = spin});
      Party sender = world_.Start<Message, Message>(1, std::move(far), [](Connection<Message>& end) {
        for (uint64_t i = 0; i < kMessages; ++i) ASSERT_TRUE(end.Send(MessageOf(i)).ok());
      });
      for (uint64_t i = 0; i < kMessages; ++i) {
        const auto message = near.Recv();
        ASSERT_TRUE(message.ok()) << message.status();
        ASSERT_EQ(message->number, i);
        ASSERT_TRUE(IsWhole(*message));
      }
      sender.Join();
      EXPECT_FALSE(near.Recv().ok());
    }
  }
}

TEST_P(ConnectionWorlds, TextsOfEveryLengthGoBackAndForth) {
  constexpr uint64_t kMessages = 1500;
  auto [near, far] = world_.Make<std::string>({.capacity = 4});
  Party echo = world_.Start<std::string, std::string>(1, std::move(far), [](Connection<std::string>& end) {
    for (;;) {
      auto text = end.Recv();
      if (!text.ok()) {
        EXPECT_TRUE(absl::IsCancelled(text.status())) << text.status();
        return;
      }
      ASSERT_TRUE(end.Send(*std::move(text)).ok());
    }
  });
  for (uint64_t i = 0; i < kMessages; ++i) {
    ASSERT_TRUE(near.Send(TextOf(i)).ok());
    if (i >= 3) {
      ASSERT_EQ(near.Recv().value(), TextOf(i - 3));
    }
  }
  for (uint64_t i = kMessages - 3; i < kMessages; ++i) EXPECT_EQ(near.Recv().value(), TextOf(i));
  near.Close();
  echo.Join();
}

TEST_P(ConnectionWorlds, AReceiverThatSleepsIsWokenByAMessage) {
  auto [near, far] = world_.Make<int>();
  Party receiver =
      world_.Start<int, int>(1, std::move(far), [](Connection<int>& end) { EXPECT_EQ(end.Recv().value(), 1); });
  receiver.AwaitAsleep();
  ASSERT_TRUE(near.Send(1).ok());
  receiver.Join();
}

TEST_P(ConnectionWorlds, ASenderThatSleepsIsWokenByRoom) {
  auto [near, far] = world_.Make<int>({.capacity = 1});
  Party sender = world_.Start<int, int>(1, std::move(far), [](Connection<int>& end) {
    EXPECT_TRUE(end.Send(1).ok());
    EXPECT_TRUE(end.Send(2).ok());
  });
  sender.AwaitAsleep();
  EXPECT_EQ(near.Recv().value(), 1);
  EXPECT_EQ(near.Recv().value(), 2);
  sender.Join();
}

TEST_P(ConnectionWorlds, WhoSleepsIsWokenByAClose) {
  {
    auto [near, far] = world_.Make<int>();
    Party receiver = world_.Start<int, int>(
        1, std::move(far), [](Connection<int>& end) { EXPECT_TRUE(absl::IsCancelled(end.Recv().status())); });
    receiver.AwaitAsleep();
    near.Close();
    receiver.Join();
  }
  {
    auto [near, far] = world_.Make<int>({.capacity = 1});
    Party sender = world_.Start<int, int>(1, std::move(far), [](Connection<int>& end) {
      EXPECT_TRUE(end.Send(1).ok());
      EXPECT_TRUE(absl::IsFailedPrecondition(end.Send(2)));
    });
    sender.AwaitAsleep();
    near.Close();
    sender.Join();
  }
  {
    auto [near, far] = world_.Make<int>();
    Party poller =
        world_.Start<int, int>(1, std::move(far), [](Connection<int>& end) { EXPECT_TRUE(end.Poll(absl::InfiniteDuration()).value()); });
    poller.AwaitAsleep();
    { const auto gone = std::move(near); }
    poller.Join();
  }
  {  // While messages are read in place, a sender sleeps beside the first of them.
    auto [near, far] = world_.Make<int>({.capacity = 4});
    Party sender = world_.Start<int, int>(1, std::move(far), [](Connection<int>& end) {
      absl::Status status;
      while (status.ok()) status = end.Send(1);
      EXPECT_TRUE(absl::IsFailedPrecondition(status));
    });
    const auto one = near.RecvInPlace().value();
    const auto two = near.RecvInPlace().value();
    sender.AwaitAsleep();
    near.Close();
    sender.Join();
  }
}

TEST_P(ConnectionWorlds, AnEndTravelsToAnotherPartyWithWhatIsInIt) {
  auto [carrier, other] = world_.Make<Connection<int>>();
  auto [near, far] = world_.Make<int>();
  Party party = world_.Start<Connection<int>, Connection<int>>(1, std::move(other), [](Connection<Connection<int>>& end) {
    Connection<int> mine = end.Recv().value();
    EXPECT_EQ(mine.Recv().value(), 1);
    EXPECT_TRUE(mine.Send(2).ok());
    EXPECT_EQ(mine.Recv().value(), 3);
    ASSERT_TRUE(end.Send(std::move(mine)).ok());
  });
  ASSERT_TRUE(near.Send(1).ok());
  ASSERT_TRUE(carrier.Send(std::move(far)).ok());
  EXPECT_EQ(near.Recv().value(), 2);
  ASSERT_EQ(near.Send(3), absl::OkStatus());
  Connection<int> back = carrier.Recv().value();
  ASSERT_TRUE(back.Send(4).ok());
  EXPECT_EQ(near.Recv().value(), 4);
  party.Join();
  ASSERT_TRUE(near.Send(5).ok());
  EXPECT_EQ(back.Recv().value(), 5);
}

// ---- threads ------------------------------------------------------------------------------------------------------------------

class ConnectionThreads : public testing::Test {
 protected:
  PipeWorld world_{World::kThreads};
};

TEST_F(ConnectionThreads, ASecondReceiverIsRefusedAtOnce) {
  auto [near, far] = world_.Make<int>();
  Party receiver(World::kThreads, [&end = near] { EXPECT_EQ(end.Recv().value(), 1); });
  receiver.AwaitAsleep();
  EXPECT_TRUE(absl::IsFailedPrecondition(near.Recv().status()));
  EXPECT_FALSE(near.Poll().value());
  EXPECT_TRUE(near.Send(7).ok());  // the other direction is free
  ASSERT_TRUE(far.Send(1).ok());
  receiver.Join();
}

TEST_F(ConnectionThreads, ASecondSenderIsRefusedAtOnce) {
  auto [near, far] = world_.Make<int>({.capacity = 1});
  ASSERT_TRUE(near.Send(1).ok());
  Party sender(World::kThreads, [&end = near] { EXPECT_TRUE(end.Send(2).ok()); });
  sender.AwaitAsleep();
  EXPECT_TRUE(absl::IsFailedPrecondition(near.Send(3, kAtOnce)));
  EXPECT_EQ(far.Recv().value(), 1);
  sender.Join();
  EXPECT_EQ(far.Recv().value(), 2);
}

// Taking turns under a lock is fine, and nothing is lost or doubled.
TEST_F(ConnectionThreads, ThreadsTakeTurnsUnderALock) {
  constexpr int kEach = 500;
  auto [near, far] = world_.Make<int>({.capacity = 4});
  std::mutex sending;
  std::mutex receiving;
  std::atomic<int64_t> sum{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&, &end = near] {
      for (int k = 1; k <= kEach; ++k) {
        const std::lock_guard lock(sending);
        ASSERT_TRUE(end.Send(k).ok());
      }
    });
    threads.emplace_back([&, &end = far] {
      for (int k = 1; k <= kEach; ++k) {
        const std::lock_guard lock(receiving);
        sum += end.Recv().value();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sum, 2 * kEach * (kEach + 1) / 2);
}

TEST_F(ConnectionThreads, ClosingOnesOwnEndWakesWhoSleepsThere) {
  auto [near, far] = world_.Make<int>({.capacity = 1});
  ASSERT_TRUE(near.Send(1).ok());
  Party receiver(World::kThreads, [&end = near] { EXPECT_TRUE(absl::IsCancelled(end.Recv().status())); });
  Party sender(World::kThreads, [&end = near] { EXPECT_TRUE(absl::IsFailedPrecondition(end.Send(2))); });
  receiver.AwaitAsleep();
  sender.AwaitAsleep();
  near.Close();
  receiver.Join();
  sender.Join();
}

// ---- processes ----------------------------------------------------------------------------------------------------------------

class ConnectionDeaths : public testing::Test {
 protected:
  PipeWorld world_{World::kProcesses};
};

void WaitToBeKilled() {
  for (;;) pause();
}

TEST_F(ConnectionDeaths, WhatADeadSenderSentIsReceivedAndThenItIsUnavailable) {
  auto [near, far] = world_.Make<int>();
  Party sender = world_.Start<int, int>(1, std::move(far), [](Connection<int>& end) {
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(end.Send(i).ok());
    WaitToBeKilled();
  });
  Await([&, &end = near] { return end.Poll().value(); });
  sender.AwaitAsleep();
  const pid_t pid = sender.tid();
  sender.Kill();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(near.Recv().value(), i);
  for (int i = 0; i < 2; ++i) {
    const absl::Status gone = near.Recv().status();
    EXPECT_TRUE(absl::IsUnavailable(gone)) << gone;
    EXPECT_THAT(std::string(gone.message()), HasSubstr(std::to_string(pid)));
  }
  EXPECT_TRUE(absl::IsUnavailable(near.Send(1)));
  EXPECT_TRUE(near.Poll().value());
}

// Whoever sleeps at the other end is woken by a death in user code, where the dead did not hold anything of a call.
TEST_F(ConnectionDeaths, WhoSleepsIsWokenByADeath) {
  enum class Call { kRecv, kSend, kPoll, kFd };
  for (const Call call : {Call::kRecv, Call::kSend, Call::kPoll, Call::kFd}) {
    auto [near, far] = world_.Make<int>({.capacity = 1});
    Party victim = world_.Start<int, int>(1, std::move(far), [](Connection<int>&) { WaitToBeKilled(); });
    Party sleeper = world_.Start<int, int>(
        2, std::move(near), [call](Connection<int>& end) {
          switch (call) {
            case Call::kRecv:
              EXPECT_TRUE(absl::IsUnavailable(end.Recv().status()));
              break;
            case Call::kSend:
              EXPECT_TRUE(end.Send(1).ok());
              EXPECT_TRUE(absl::IsUnavailable(end.Send(2)));
              break;
            case Call::kPoll:
              EXPECT_TRUE(end.Poll(absl::InfiniteDuration()).value());
              break;
            case Call::kFd: {
              struct pollfd entry = {.fd = end.fd().value(), .events = POLLIN, .revents = 0};
              EXPECT_EQ(poll(&entry, 1, -1), 1);
              break;
            }
          }
        });
    victim.AwaitAsleep();
    sleeper.AwaitAsleep();
    victim.Kill();
    sleeper.Join();
  }
}

TEST_F(ConnectionDeaths, AnEndWhoseTicketDiesWithItsOwnerIsUnavailable) {
  auto [near, far] = world_.Make<Connection<int>>();
  Party owner = world_.Start<Connection<int>, Connection<int>>(1, std::move(far), [this](Connection<Connection<int>>& end) {
    auto [mine, yours] = world_.Make<int>();
    ASSERT_TRUE(end.Send(std::move(yours)).ok());
    const auto ticket = mine.HandOver().value();
    WaitToBeKilled();
  });
  Connection<int> end = near.Recv().value();
  owner.AwaitAsleep();
  owner.Kill();
  EXPECT_TRUE(absl::IsUnavailable(end.Recv().status()));
}

TEST_F(ConnectionDeaths, AnEndThatWasSentOutlivesItsSender) {
  auto [near, far] = world_.Make<Connection<int>>();
  Party sender = world_.Start<Connection<int>, Connection<int>>(1, std::move(far), [this](Connection<Connection<int>>& end) {
    auto [one, two] = world_.Make<int>();
    ASSERT_TRUE(end.Send(std::move(one)).ok());
    ASSERT_TRUE(end.Send(std::move(two)).ok());
    WaitToBeKilled();
  });
  Await([&, &end = near] { return end.Poll().value(); });
  Connection<int> one = near.Recv().value();
  sender.AwaitAsleep();
  sender.Kill();
  Connection<int> two = near.Recv().value();
  ASSERT_TRUE(one.Send(1).ok());
  EXPECT_EQ(two.Recv().value(), 1);
}

TEST_F(ConnectionDeaths, AForkedChildHasNoneOfItsParentsEnds) {
  auto [near, far] = world_.Make<int>();
  ASSERT_TRUE(far.Send(1).ok());
  Party child(World::kProcesses, [&end = near] {
    EXPECT_TRUE(end.closed());
    EXPECT_TRUE(absl::IsFailedPrecondition(end.Send(1)));
    EXPECT_TRUE(absl::IsFailedPrecondition(end.Recv().status()));
    EXPECT_TRUE(absl::IsFailedPrecondition(end.Poll().status()));
    EXPECT_TRUE(absl::IsFailedPrecondition(end.fd().status()));
    end.Close();
    const Connection<int> destroyed = std::move(end);
  });
  child.Join();
  EXPECT_EQ(near.Recv().value(), 1);
  EXPECT_TRUE(near.Send(2).ok());
  EXPECT_EQ(far.Recv().value(), 2);
}

// Killed at any moment, with blocks and without: what arrives is a beginning of what was sent, whole, and then the death.
TEST_F(ConnectionDeaths, ARandomDeathLosesNothingThatWasSent) {
  unsigned seed = 20261126;
  printf("seed %u\n", seed);
  for (int round = 0; round < 60; ++round) {
    auto [near, far] = world_.Make<std::string>({.capacity = 4});
    Party sender = world_.Start<std::string, std::string>(1, std::move(far), [](Connection<std::string>& end) {
      for (uint64_t i = 0;; ++i) {
        if (!end.Send(TextOf(i)).ok()) return;
      }
    });
    const int until = rand_r(&seed) % 300;
    int got = 0;
    for (; got < until; ++got) ASSERT_EQ(near.Recv().value(), TextOf(static_cast<uint64_t>(got)));
    sender.Kill();
    for (;; ++got) {
      const auto text = near.Recv();
      if (!text.ok()) {
        EXPECT_TRUE(absl::IsUnavailable(text.status())) << text.status();
        break;
      }
      ASSERT_EQ(*text, TextOf(static_cast<uint64_t>(got)));
    }
    EXPECT_LE(got, until + 4 + 1);
  }
  world_.segment().Reap();
}

// Nobody uses the queue: whoever waits at the other end finds out alone.
TEST_F(ConnectionDeaths, AnEndWhoseSenderDiesBeforeItIsInTheQueueIsUnavailable) {
  auto queue = Queue<Connection<int>>::Create({.segment = &world_.segment(), .capacity = 1}).value();
  ASSERT_TRUE(queue.PublishAs("ends").ok());
  ASSERT_TRUE(queue.Put(Connection<int>()).ok());
  for (const bool asleep : {false, true}) {
    auto [near, far] = world_.Make<int>();
    Party sender = world_.Start<int, int>(1, std::move(near), [this](Connection<int>& end) {
      auto full = Queue<Connection<int>>::Find(world_.segment(), "ends").value();
      full.Put(std::move(end)).IgnoreError();
    });
    sender.AwaitAsleep();
    EXPECT_TRUE(absl::IsDeadlineExceeded(far.Recv(kAtOnce).status()));
    if (!asleep) {
      sender.Kill();
      EXPECT_TRUE(absl::IsUnavailable(far.Recv().status()));
      EXPECT_TRUE(absl::IsUnavailable(far.Send(1)));
      continue;
    }
    Party receiver = world_.Start<int, int>(
        1, std::move(far), [](Connection<int>& end) { EXPECT_TRUE(absl::IsUnavailable(end.Recv().status())); });
    receiver.AwaitAsleep();
    sender.Kill();
    receiver.Join();
  }
}

TEST_F(ConnectionDeaths, AnEndThatIsInTheQueueOutlivesItsSender) {
  auto queue = Queue<Connection<int>>::Create({.segment = &world_.segment(), .capacity = 1}).value();
  ASSERT_TRUE(queue.PublishAs("ends").ok());
  auto [near, far] = world_.Make<int>();
  Party sender = world_.Start<int, int>(1, std::move(near), [this](Connection<int>& end) {
    auto empty = Queue<Connection<int>>::Find(world_.segment(), "ends").value();
    EXPECT_TRUE(empty.Put(std::move(end)).ok());
  });
  sender.Join();
  world_.segment().Reap();
  EXPECT_TRUE(absl::IsDeadlineExceeded(far.Recv(kAtOnce).status()));
  ASSERT_TRUE(far.Send(1).ok());
  EXPECT_EQ(queue.Get().value().Recv().value(), 1);
  EXPECT_TRUE(absl::IsCancelled(far.Recv().status()));
}

// Somebody dies while he takes an end out of a message, and nobody has looked after him yet: the end is in its message, and no more his.
TEST(ConnectionInQueueTest, AnEndThatADeadOneWasTakingIsNotDead) {
  auto segment = Segment::Create().value();
  const auto attachment = shm_internal::Attachment::Of(&segment.deaths());
  tests::JoinWithoutKeeper(*attachment);
  {
    auto queue = Queue<Connection<int>>::Create({.segment = &segment}).value();
    auto [near, far] = Pipe<int>({.segment = &segment}).value();
    const uint64_t name = [&, &end = near] {
      const auto ticket = end.HandOver().value();
      end = Connection<int>::Take(segment, ticket.number()).value();
      return shm_internal::TicketNumber::Name(ticket.number());
    }();
    ASSERT_TRUE(queue.Put(std::move(near)).ok());
    const pid_t taker = fork();
    if (taker == 0) {
      tests::JoinWithoutKeeper(*attachment);
      const auto& type = shm_internal::DescriptionOf<ipc_internal::PipeObject<int, int>>();
      auto section = shm_internal::SideSection::Open(attachment);
      if (section.ok() &&
          ipc_internal::PipeEnd::TakeOver(attachment, name, type, **section).ok()) {
        kill(getpid(), SIGKILL);
      }
      _exit(1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(taker, &status, 0), taker);
    ASSERT_TRUE(WIFSIGNALED(status));
    EXPECT_TRUE(absl::IsDeadlineExceeded(far.Recv(kAtOnce).status()));
    EXPECT_TRUE(far.Send(1).ok());
    auto end = queue.Get(kAtOnce);
    ASSERT_TRUE(end.ok()) << end.status();
    EXPECT_EQ(end->Recv().value(), 1);
    EXPECT_TRUE(end->Send(2).ok());
    EXPECT_EQ(far.Recv().value(), 2);
  }
  tests::LeaveWithoutKeeper(*attachment);
}

// Nobody has been told of the death but who looked for a message.
TEST(ConnectionDeathTest, WhatRecvHasFoundOutSendKnows) {
  auto segment = Segment::Create().value();
  const auto attachment = shm_internal::Attachment::Of(&segment.deaths());
  tests::JoinWithoutKeeper(*attachment);  // who would tell
  {
    auto [near, far] = Pipe<int>({.segment = &segment}).value();
    const auto ticket = far.HandOver().value();
    const pid_t peer = fork();
    if (peer == 0) {
      tests::JoinWithoutKeeper(*attachment);
      auto end = Connection<int>::Take(segment, ticket.number());
      if (end.ok() && end->Send(1).ok() && end->Recv().ok()) kill(getpid(), SIGKILL);
      _exit(1);
    }
    ASSERT_TRUE(near.Recv().ok());
    ASSERT_TRUE(near.Send(1).ok());
    int status = 0;
    ASSERT_EQ(waitpid(peer, &status, 0), peer);
    ASSERT_TRUE(WIFSIGNALED(status));
    EXPECT_TRUE(absl::IsUnavailable(near.Recv().status()));
    EXPECT_TRUE(absl::IsUnavailable(near.Send(1)));
  }
  tests::LeaveWithoutKeeper(*attachment);
}

// A vector says that it can be copied, whatever is in it. Ends move, and one that could not be sent is its sender's still.
TEST(ConnectionInQueueTest, ManyEndsAreMovedOrStay) {
  using Ends = std::vector<Connection<int>>;
  static_assert(!ipc_internal::Repeats<Ends> && ipc_internal::Repeats<std::vector<int>>);
  tests::PipeWorld world(World::kThreads);
  auto queue = Queue<Ends>::Create({.segment = &world.segment(), .capacity = 1});
  ASSERT_TRUE(queue.ok()) << queue.status();
  EXPECT_TRUE(absl::IsInvalidArgument(Queue<Ends>::Create({.segment = &world.segment(), .acknowledge = true}).status()));
  auto [here, there] = world.Make<int>();
  auto [near, far] = world.Make<int>();
  Ends first;
  first.push_back(std::move(there));
  ASSERT_TRUE(queue->Put(std::move(first)).ok());
  Ends second;
  second.push_back(std::move(far));
  EXPECT_TRUE(absl::IsDeadlineExceeded(queue->Put(std::move(second), absl::ZeroDuration())));
  ASSERT_EQ(second.size(), 1u);
  EXPECT_TRUE(near.Send(1).ok());
  EXPECT_EQ(second[0].Recv(absl::Seconds(100)).value(), 1);
  auto came = queue->Get();
  ASSERT_TRUE(came.ok()) << came.status();
  ASSERT_EQ(came->size(), 1u);
  EXPECT_TRUE(here.Send(2).ok());
  EXPECT_EQ((*came)[0].Recv().value(), 2);
}

}  // namespace
}  // namespace shoal
