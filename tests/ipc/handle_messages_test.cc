// Handles in messages: to queues and pipes of their own kind, many at once, and an end of a pipe that goes round.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shoal/ipc/connection.h"
#include "shoal/ipc/joinable_queue.h"
#include "shoal/ipc/pipe.h"
#include "shoal/ipc/queue.h"
#include "shoal/ipc/simple_queue.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/type_layout.h"
#include "shoal/tests/ipc/queue_world.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal {

// A question says where the answer goes; an answer is one, too.
struct Letter {
  std::string text;
  Queue<Letter> reply;
};
struct Visitor {
  int32_t name = 0;
  std::vector<Connection<Visitor>> ways;
};
struct Task {
  int32_t number = 0;
  JoinableQueue<Task> next;
};
struct Answer;
struct Question {
  std::string text;
  Queue<Answer> reply;
};
struct Answer {
  double value = 0;
  std::variant<std::monostate, Connection<Question>, std::string> more;
};

namespace {

using testing::HasSubstr;
using tests::Await;
using tests::Party;
using tests::QueueWorld;
using tests::World;

constexpr absl::Duration kAtOnce = absl::ZeroDuration();

template <class Q>
QueueWorld<Q> WorldOf(World world, size_t capacity) {
  return QueueWorld<Q>(world, [capacity](const Segment& segment) {
    return Q::Create({.segment = &segment, .capacity = capacity});
  });
}

class HandleMessageWorlds : public testing::TestWithParam<World> {};
INSTANTIATE_TEST_SUITE_P(All, HandleMessageWorlds, testing::ValuesIn(tests::kAllWorlds), tests::WorldName);

// ---- of their own kind ------------------------------------------------------------------------------------------------------------

// Property: everybody who asks gets the answer to his question, where he wanted it.
TEST_P(HandleMessageWorlds, AMessageSaysWhereItsAnswerGoes) {
  constexpr int kAskers = 3;
  constexpr int kQuestions = 20;
  auto world = WorldOf<Queue<Letter>>(GetParam(), 4);
  std::vector<Party> askers;
  for (int i = 0; i < kAskers; ++i) {
    askers.push_back(world.Start(i, [&world](Queue<Letter>& questions, int number) {
      auto reply = Queue<Letter>::Create({.segment = &world.segment(number), .capacity = 1});
      ASSERT_TRUE(reply.ok()) << reply.status();
      for (int i = 0; i < kQuestions; ++i) {
        const std::string text = std::to_string(number) + "." + std::to_string(i);
        ASSERT_TRUE(questions.Put({.text = text, .reply = *reply}).ok());
        const auto answer = reply->Get();
        ASSERT_TRUE(answer.ok()) << answer.status();
        EXPECT_EQ(answer->text, text + "!");
        EXPECT_FALSE(answer->reply);
      }
    }));
  }
  for (int i = 0; i < kAskers * kQuestions; ++i) {
    auto question = world->Get();
    ASSERT_TRUE(question.ok()) << question.status();
    ASSERT_TRUE(question->reply.Put({.text = question->text + "!", .reply = {}}).ok());
  }
  for (Party& asker : askers) asker.Join();
}

TEST(HandleMessageTest, AnEndTravelsInAPipeOfItsOwnKind) {
  auto segment = Segment::Create().value();
  auto [here, there] = Pipe<Visitor>({.segment = &segment}).value();
  auto [near, far] = Pipe<Visitor>({.segment = &segment}).value();
  Visitor visitor = {.name = 1, .ways = {}};
  visitor.ways.push_back(std::move(far));
  ASSERT_TRUE(here.Send(std::move(visitor)).ok());
  auto came = there.Recv();
  ASSERT_TRUE(came.ok()) << came.status();
  ASSERT_EQ(came->ways.size(), 1u);
  ASSERT_TRUE(came->ways[0].Send({.name = 2, .ways = {}}).ok());
  EXPECT_EQ(near.Recv()->name, 2);
}

TEST(HandleMessageTest, TasksAndTwoKindsThatNameEachOther) {
  auto segment = Segment::Create().value();
  auto tasks = JoinableQueue<Task>::Create({.segment = &segment}).value();
  auto next = JoinableQueue<Task>::Create({.segment = &segment}).value();
  ASSERT_TRUE(tasks.Put({.number = 1, .next = next}).ok());
  {
    auto task = tasks.Get().value();
    ASSERT_TRUE(task.next.Put({.number = 2, .next = {}}).ok());
    ASSERT_TRUE(tasks.TaskDone().ok());
  }
  EXPECT_EQ(next.Get()->number, 2);

  auto questions = Queue<Question>::Create({.segment = &segment}).value();
  auto answers = Queue<Answer>::Create({.segment = &segment}).value();
  ASSERT_TRUE(questions.Put({.text = "?", .reply = answers}).ok());
  auto [near, far] = Pipe<Question>({.segment = &segment}).value();
  Answer answer = {.value = 0.5, .more = std::move(far)};
  ASSERT_TRUE(questions.Get()->reply.Put(std::move(answer)).ok());
  auto got = answers.Get();
  ASSERT_TRUE(got.ok() && got->more.index() == 1) << got.status();
  ASSERT_TRUE(near.Send({.text = "again", .reply = {}}).ok());
  EXPECT_EQ(std::get<1>(got->more).Recv()->text, "again");
}

TEST(HandleMessageTest, ATypeThatNamesItselfHasAFiniteCode) {
  EXPECT_EQ(shm_internal::LayoutCode<ipc_internal::QueueObject<Letter>>(),
            "Queue@448(fields@1(text@1,Shared@8(Queue@448(^1))))");
  EXPECT_EQ(shm_internal::LayoutCode<ipc_internal::QueueObject<Question>>(),
            "Queue@448(fields@1(text@1,Shared@8(Queue@448(fields@1(f8,variant@1(<1@>,Connection@8(^2,^2),text@1))))))");
}

// The same but for one field, deep inside.
struct LetterElsewhere {
  int32_t text = 0;
  Queue<LetterElsewhere> reply;
};
using Choice = std::variant<int32_t, std::string>;
using ChoiceElsewhere = std::variant<int32_t, double>;

TEST(HandleMessageTest, AnotherTypeIsRefusedInWords) {
  auto segment = Segment::Create().value();
  auto letters = Queue<Letter>::Create({.segment = &segment}).value();
  auto choices = Queue<Choice>::Create({.segment = &segment}).value();
  ASSERT_TRUE(letters.PublishAs("letters").ok() && choices.PublishAs("choices").ok());
  EXPECT_TRUE(Queue<Letter>::Find(segment, "letters").ok());
  EXPECT_TRUE(Queue<Choice>::Find(segment, "choices").ok());
  const absl::Status letter = Queue<LetterElsewhere>::Find(segment, "letters").status();
  EXPECT_TRUE(absl::IsFailedPrecondition(letter)) << letter;
  EXPECT_THAT(letter.message(), HasSubstr("in fields: text, here int32"));
  const absl::Status choice = Queue<ChoiceElsewhere>::Find(segment, "choices").status();
  EXPECT_TRUE(absl::IsFailedPrecondition(choice)) << choice;
  EXPECT_THAT(choice.message(), HasSubstr("in variant: text, here double"));
}

// ---- many at once -----------------------------------------------------------------------------------------------------------------

TEST(HandleMessageTest, OfManyThatOnlyMoveTheRestStaysTheCallers) {
  auto segment = Segment::Create().value();
  auto queue = Queue<Connection<int>>::Create({.segment = &segment, .capacity = 2}).value();
  std::vector<Connection<int>> near;
  std::vector<Connection<int>> far;
  for (int i = 0; i < 3; ++i) {
    auto [one, other] = Pipe<int>({.segment = &segment}).value();
    near.push_back(std::move(one));
    far.push_back(std::move(other));
  }
  const auto put = queue.PutMany(far, kAtOnce);
  ASSERT_TRUE(put.ok()) << put.status();
  EXPECT_EQ(*put, 2u);
  EXPECT_TRUE(absl::IsFailedPrecondition(far[0].Send(0)));
  EXPECT_THAT(far[1].Send(0).message(), HasSubstr("moved away"));
  ASSERT_TRUE(far[2].Send(2).ok());
  EXPECT_EQ(near[2].Recv().value(), 2);

  EXPECT_TRUE(absl::IsDeadlineExceeded(queue.PutMany(std::span(far).subspan(2), kAtOnce).status()));
  auto came = queue.GetMany(10);
  ASSERT_TRUE(came.ok() && came->size() == 2) << came.status();
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE((*came)[static_cast<size_t>(i)].Send(i).ok());
    EXPECT_EQ(near[static_cast<size_t>(i)].Recv().value(), i);
  }
  EXPECT_EQ(queue.PutMany(std::span(far).subspan(2)).value(), 1u);
  queue.Close();
  EXPECT_TRUE(absl::IsFailedPrecondition(queue.PutMany(near).status()));
  ASSERT_TRUE(near[2].Send(5).ok());
  EXPECT_EQ(queue.Get()->Recv().value(), 5);
}

TEST_P(HandleMessageWorlds, EndsTravelInASimpleQueue) {
  auto world = WorldOf<SimpleQueue<Connection<int>>>(GetParam(), 1);
  Party receiver = world.Start(1, [](SimpleQueue<Connection<int>>& ends, int) {
    auto end = ends.Get();
    ASSERT_TRUE(end.ok()) << end.status();
    EXPECT_TRUE(end->Send(7).ok());
  });
  auto [near, far] = Pipe<int>({.segment = &world.segment()}).value();
  ASSERT_TRUE(world->Put(std::move(far)).ok());
  EXPECT_EQ(near.Recv().value(), 7);
  receiver.Join();
  auto [first, second] = Pipe<int>({.segment = &world.segment()}).value();
  ASSERT_TRUE(world->Put(std::move(first)).ok());
  EXPECT_TRUE(absl::IsDeadlineExceeded(world->Put(std::move(second), kAtOnce)));
  EXPECT_TRUE(second.Send(1).ok());  // its sender's still
  EXPECT_EQ(world->Get(kAtOnce)->Recv().value(), 1);
  EXPECT_TRUE(absl::IsDeadlineExceeded(world->Get(kAtOnce).status()));
}

// ---- an end that goes round -------------------------------------------------------------------------------------------------------

using Turns = Queue<Connection<int>>;

// Property: several take turns at one end; each message is received once, in the order in which they were sent.
TEST_P(HandleMessageWorlds, SeveralReadOneEndInTurns) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer takes a compare-exchange that fails, in another thread's look at a cell, for a store to it";
#endif
  constexpr int kReaders = 4;
  constexpr int kMessages = 200;
  auto world = WorldOf<Turns>(GetParam(), 1);
  auto [near, far] = Pipe<int>({.segment = &world.segment()}).value();
  ASSERT_TRUE(world->Put(std::move(far)).ok());
  std::vector<Party> readers;
  for (int i = 0; i < kReaders; ++i) {
    readers.push_back(world.Start(i, [&world](Turns& turns, int number) {
      for (;;) {
        auto end = turns.Get();
        if (absl::IsCancelled(end.status())) return;
        ASSERT_TRUE(end.ok()) << end.status();
        const auto message = end->Recv();
        if (absl::IsCancelled(message.status())) return turns.Close();
        ASSERT_TRUE(message.ok()) << message.status();
        EXPECT_EQ(*message, world.counter(0)++);
        ++world.counter(1 + number);
        ASSERT_TRUE(turns.Put(*std::move(end)).ok());
      }
    }));
  }
  for (int i = 0; i < kMessages; ++i) ASSERT_TRUE(near.Send(i).ok());
  near.Close();
  for (Party& reader : readers) reader.Join();
  EXPECT_EQ(world.counter(0), kMessages);
}

// Takes one message in a turn, when counter 0 says so, and tells counter 1 that its turn has begun.
void TakeATurn(const QueueWorld<Turns>& world, Turns& turns, int expected) {
  auto end = turns.Get();
  ASSERT_TRUE(end.ok()) << end.status();
  ++world.counter(1);
  Await([&] { return world.counter(0) != 0; });
  EXPECT_EQ(end->Recv().value(), expected);
  ASSERT_TRUE(turns.Put(*std::move(end)).ok());
}

TEST(TurnsTest, WhoDiesBesideItsTurnTakesNothingAway) {
  auto world = WorldOf<Turns>(World::kProcesses, 1);
  auto [near, far] = Pipe<int>({.segment = &world.segment()}).value();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(near.Send(i).ok());
  ASSERT_TRUE(world->Put(std::move(far)).ok());
  Party first = world.Start(0, [&world](Turns& turns, int) { TakeATurn(world, turns, 0); });
  Await([&] { return world.counter(1) == 1; });
  Party dies = world.Start(1, [](Turns& turns, int) { turns.Get().IgnoreError(); });
  dies.AwaitAsleep();
  dies.Kill();
  world.counter(0) = 1;
  first.Join();  // and has ended its turn
  Party second = world.Start(2, [&world](Turns& turns, int) {
    TakeATurn(world, turns, 1);
    world.counter(2) = 1;
    Await([] { return false; });
  });
  Await([&] { return world.counter(2) == 1; });
  second.Kill();
  auto end = world->Get();
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->Recv().value(), 2);
}

// Whoever dies in its turn takes the end with it. The other end is told; its owner goes on with another pipe.
TEST(TurnsTest, WhoDiesInItsTurnEndsThePipeAndTheOtherEndIsTold) {
  auto world = WorldOf<Turns>(World::kProcesses, 1);
  auto [near, far] = Pipe<int>({.segment = &world.segment()}).value();
  ASSERT_TRUE(world->Put(std::move(far)).ok());
  Party dies = world.Start(0, [&world](Turns& turns, int) { TakeATurn(world, turns, 0); });
  Await([&] { return world.counter(1) == 1; });
  Party waits = world.Start(1, [](Turns& turns, int) {
    auto end = turns.Get();
    ASSERT_TRUE(end.ok()) << end.status();
    EXPECT_EQ(end->Recv().value(), 5);
  });
  waits.AwaitAsleep();
  dies.Kill();
  const absl::Status told = near.Recv().status();
  EXPECT_TRUE(absl::IsUnavailable(told)) << told;
  auto [again, other] = Pipe<int>({.segment = &world.segment()}).value();
  ASSERT_TRUE(again.Send(5).ok());
  ASSERT_TRUE(world->Put(std::move(other)).ok());
  waits.Join();
}

}  // namespace
}  // namespace shoal
