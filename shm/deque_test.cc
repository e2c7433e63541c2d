#include "shoal/shm/deque.h"

#include <stdlib.h>

#include <array>
#include <cstdint>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shoal/shm/container_world.h"
#include "shoal/shm/string.h"
#include "shoal/shm/type_layout.h"
#include "shoal/shm/vector.h"

namespace shoal {
namespace {

using shm_internal::ContainerWorld;
using shm_internal::JournalUsed;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct Job {
  int number = 0;
  String name;
  Deque<Job> parts;
};

static_assert(Guardable<Job> && !std::is_move_constructible_v<Deque<int>> && sizeof(Deque<Job>) == 56);

std::vector<int> Contents(const Deque<int>& deque) { return {deque.begin(), deque.end()}; }

TEST(DequeTest, GrowsAtBothEnds) {
  ContainerWorld<Deque<int>> world;
  ASSERT_TRUE(world
                  .Change([](Deque<int>& d) {
                    for (int i = 0; i < 100; ++i) {
                      SHOAL_RETURN_IF_ERROR(d.PushBack(i));
                      SHOAL_RETURN_IF_ERROR(d.PushFront(-i - 1));
                    }
                    return absl::OkStatus();
                  })
                  .ok());
  world.Look([](const Deque<int>& d) {
    ASSERT_EQ(d.size(), 200u);
    for (size_t i = 0; i < 200; ++i) EXPECT_EQ(d[i], static_cast<int>(i) - 100);
    EXPECT_EQ(**d.Checked(199), 99);
  });
  EXPECT_EQ(world.OwnedBlocks(), 1u);
}

TEST(DequeTest, EveryKindOfChangeAndItsRollback) {
  ContainerWorld<Deque<int>> world;
  ASSERT_TRUE(world
                  .Change([](Deque<int>& d) {
                    for (int i = 0; i < 4; ++i) SHOAL_RETURN_IF_ERROR(d.PushBack(i));
                    SHOAL_RETURN_IF_ERROR(d.PopFront());
                    return d.PushBack(4);
                  })
                  .ok());
  world.InVain([](Deque<int>& d) {  // turns once around the ring
    for (int i = 0; i < 9; ++i) {
      EXPECT_TRUE(d.PopFront().ok());
      EXPECT_TRUE(d.PushBack(50 + i).ok());
    }
    EXPECT_TRUE(d.PopBack().ok());
    EXPECT_TRUE(d.PushFront(7).ok());
    EXPECT_TRUE(d.Set(1, 8).ok());
    **d.Edit(2) = 9;
    EXPECT_THAT(Contents(d), ElementsAre(7, 8, 9, 57));
    EXPECT_TRUE(d.Reserve(100).ok());
    EXPECT_TRUE(d.Clear().ok());
    EXPECT_TRUE(d.PushBack(5).ok());
  });
  world.Look([](const Deque<int>& d) { EXPECT_THAT(Contents(d), ElementsAre(1, 2, 3, 4)); });
  EXPECT_EQ(world.OwnedBlocks(), 1u);
}

TEST(DequeTest, ElementsOwnWhatTheyContain) {
  ContainerWorld<Deque<Job>> world;
  ASSERT_TRUE(world
                  .Change([](Deque<Job>& d) -> absl::Status {
                    for (int i = 0; i < 10; ++i) {
                      SHOAL_ASSIGN_OR_RETURN(Job* const job, d.EmplaceFront(i, "job " + std::to_string(i)));
                      SHOAL_RETURN_IF_ERROR(job->parts.PushBack(100 + i));
                      SHOAL_RETURN_IF_ERROR(d.PushBack(-i, d[0].name));
                    }
                    SHOAL_RETURN_IF_ERROR(d.PopBack());
                    SHOAL_RETURN_IF_ERROR(d.PopFront());
                    return d.Set(0, 77, d[0].name);
                  })
                  .ok());
  EXPECT_EQ(world.OwnedBlocks(), 1u + 18 + 8);
  world.Look([](const Deque<Job>& d) {
    ASSERT_EQ(d.size(), 18u);
    EXPECT_EQ(d[0].number, 77);
    EXPECT_EQ(d[0].name, "job 8");
    EXPECT_EQ(d[1].parts[0].number, 107);
    EXPECT_EQ(d[17].name, "job 8");
  });
  ASSERT_TRUE(world.Change([](Deque<Job>& d) { return d.Clear(); }).ok());
  EXPECT_EQ(world.OwnedBlocks(), 1u);
}

TEST(DequeTest, ArgumentsMayLieInTheDeque) {
  struct Pair {
    int64_t low = 0;
    int64_t high = 0;
  };
  ContainerWorld<Deque<Pair>> world;
  ASSERT_TRUE(world
                  .Change([](Deque<Pair>& d) {
                    SHOAL_RETURN_IF_ERROR(d.PushBack(1, 2));
                    SHOAL_RETURN_IF_ERROR(d.Set(0, d[0].high, d[0].low));
                    for (int i = 0; i < 9; ++i) SHOAL_RETURN_IF_ERROR(d.PushFront(d[0].high, d[0].low));
                    return d.Set(1, d[0]);
                  })
                  .ok());
  world.Look([](const Deque<Pair>& d) {
    ASSERT_EQ(d.size(), 10u);
    EXPECT_EQ(d[9].low, 2);
    EXPECT_EQ(d[9].high, 1);
    for (const size_t i : {0, 1}) {
      EXPECT_EQ(d[i].low, 1);
      EXPECT_EQ(d[i].high, 2);
    }
  });
}

TEST(DequeTest, ElementsMayBeLargeAndTooManyAreRefused) {
  using Large = std::array<int64_t, (size_t{16} << 20) / sizeof(int64_t)>;
  ContainerWorld<Deque<Large>> world(size_t{128} << 20);
  ASSERT_TRUE(world
                  .Change([&](Deque<Large>& d) {
                    SHOAL_RETURN_IF_ERROR(d.PushBack());
                    SHOAL_ASSIGN_OR_RETURN(Large* const large, d.Edit(0));
                    large->fill(5);
                    EXPECT_EQ(d.Reserve(SIZE_MAX).code(), absl::StatusCode::kResourceExhausted);
                    return absl::OkStatus();
                  })
                  .ok());
  world.Look([](const Deque<Large>& d) { EXPECT_EQ(d[0].back(), 5); });
  ASSERT_TRUE(world.Change([&](Deque<Large>& d) { return d.Set(0); }).ok());
  world.Look([](const Deque<Large>& d) { EXPECT_EQ(d[0].back(), 0); });
}

TEST(DequeTest, NothingIsSavedTwiceNorOfBlocksOfTheSameSection) {
  ContainerWorld<Deque<int>> world;
  ASSERT_TRUE(world.Change([](Deque<int>& d) { return d.PushBack(1); }).ok());
  world.InVain([](Deque<int>& d) {
    EXPECT_TRUE(d.Reserve(100).ok());
    const size_t used = JournalUsed();
    EXPECT_TRUE(d.Set(0, 2).ok());
    for (int i = 0; i < 500; ++i) {
      EXPECT_TRUE(d.PushBack(i).ok());
      EXPECT_TRUE(d.PopFront().ok());
    }
    EXPECT_EQ(JournalUsed(), used);
  });
  world.Look([](const Deque<int>& d) { EXPECT_THAT(Contents(d), ElementsAre(1)); });
}

TEST(DequeTest, MisuseAndDamageAreRefused) {
  Deque<int> local;
  EXPECT_THAT(local.PushBack(1).message(), HasSubstr("does not lie in a segment"));
  EXPECT_EQ(local.begin(), local.end());
  ContainerWorld<Deque<int>> world;
  uint64_t* words = nullptr;
  ASSERT_TRUE(world
                  .Change([&](Deque<int>& d) {
                    words = reinterpret_cast<uint64_t*>(&d);
                    EXPECT_EQ(d.PopFront().code(), absl::StatusCode::kOutOfRange);
                    EXPECT_EQ(d.PopBack().code(), absl::StatusCode::kOutOfRange);
                    EXPECT_EQ(d.Set(0, 1).code(), absl::StatusCode::kOutOfRange);
                    EXPECT_EQ(d.Edit(0).status().code(), absl::StatusCode::kOutOfRange);
                    EXPECT_EQ(d.Checked(0).status().code(), absl::StatusCode::kOutOfRange);
                    return d.PushBack(5);
                  })
                  .ok());
  auto& outside = *reinterpret_cast<Deque<int>*>(words);
  EXPECT_THAT(outside.PopBack().message(), HasSubstr("no critical section"));
  EXPECT_DEATH(static_cast<void>(outside[1]), "index 1 of a container of 1 elements");
  for (const size_t word : {0, 1, 2, 3}) {
    words[word] ^= uint64_t{1} << 50;
    EXPECT_TRUE(world
                    .Change([&](Deque<int>& d) {
                      for (const absl::Status& status :
                           {d.PushBack(1), d.PushFront(1), d.PopBack(), d.PopFront(), d.Clear(), d.Set(0, 1),
                            d.Edit(0).status(), d.Reserve(9), d.Checked(0).status()}) {
                        EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
                      }
                      EXPECT_TRUE(d.empty());
                      EXPECT_THAT(Contents(d), IsEmpty());
                      return absl::OkStatus();
                    })
                    .ok());
    words[word] ^= uint64_t{1} << 50;
  }
  world.Look([](const Deque<int>& d) { EXPECT_THAT(Contents(d), ElementsAre(5)); });
}

TEST(DequeTest, ItsLayoutSaysWhatIsInIt) {
  EXPECT_EQ(shm_internal::LayoutCode<Job>(), "<104@0:i4,8:String@40,48:Deque@56(^1)>");
}

// Random changes against std::deque, committed or in vain, with and without memory.
TEST(DequeTest, BehavesAsItsModelAlsoWhenMemoryRunsOut) {
  const char* const given = getenv("SHOAL_DEQUE_SEED");
  const uint64_t seed = given != nullptr ? strtoull(given, nullptr, 10) : std::random_device()();
  printf("SHOAL_DEQUE_SEED=%lu\n", seed);
  std::mt19937_64 random(seed);
  const auto below = [&](size_t limit) { return std::uniform_int_distribution<size_t>(0, limit - 1)(random); };
  ContainerWorld<Deque<String>> world(size_t{10} << 14);
  std::deque<std::string> committed;
  int refused = 0;
  const auto done = [&](const absl::Status& status) {
    EXPECT_TRUE(status.ok() || absl::IsResourceExhausted(status)) << status;
    refused += !status.ok();
    return status.ok();
  };
  const auto same = [](const Deque<String>& deque, const std::deque<std::string>& model) {
    ASSERT_EQ(deque.size(), model.size());
    for (size_t i = 0; i < model.size(); ++i) ASSERT_EQ(deque[i], model[i]);
  };
  for (int section = 0; section < 2000 && !testing::Test::HasFailure(); ++section) {
    std::deque<std::string> model = committed;
    const bool commits = below(3) != 0;
    const bool full = below(2) == 0;
    if (full) world.FillUp();
    world
        .Change([&](Deque<String>& deque) {
          for (size_t i = below(12) + 1; i != 0; --i) {
            const std::string text(below(40), static_cast<char>('a' + below(26)));
            const size_t at = model.empty() ? 0 : below(model.size());
            switch (below(model.empty() ? 3 : 8)) {
              case 0:
                if (done(deque.PushBack(text))) model.push_back(text);
                break;
              case 1:
                if (done(deque.PushFront(text))) model.push_front(text);
                break;
              case 2:
                done(deque.Reserve(model.size() + 3));
                break;
              case 3:
                if (done(deque.Set(at, text))) model[at] = text;
                break;
              case 4:
                if (auto edited = deque.Edit(at); done(edited.status()) && done((*edited)->Append(text))) model[at] += text;
                break;
              case 5:
              case 6:
                if (done(deque.PopFront())) model.pop_front();
                break;
              default:
                if (done(deque.PopBack())) model.pop_back();
            }
            same(deque, model);
          }
          return commits ? absl::OkStatus() : absl::AbortedError("in vain");
        })
        .IgnoreError();
    if (full) world.Relieve();
    if (commits) committed = model;
    world.Look([&](const Deque<String>& deque) { same(deque, committed); });
  }
  EXPECT_GT(refused, 100);
  ASSERT_TRUE(world.Change([](Deque<String>& deque) { return deque.Clear(); }).ok());
  EXPECT_LE(world.OwnedBlocks(), 1u);
}

TEST(DequeTest, SwapDoesNotMakeItOwnItself) {
  struct Node {
    int value = 0;
    Deque<Node> children;
  };
  ContainerWorld<Deque<Node>> world;
  ASSERT_TRUE(world
                  .Change([](Deque<Node>& all) -> absl::Status {
                    SHOAL_RETURN_IF_ERROR(all.PushBack(1));
                    SHOAL_ASSIGN_OR_RETURN(Node* const node, all.EmplaceFront(2));
                    SHOAL_RETURN_IF_ERROR(node->children.PushBack(3));
                    EXPECT_EQ(all.Swap(node->children).code(), absl::StatusCode::kFailedPrecondition);
                    EXPECT_EQ(node->children.Swap(all).code(), absl::StatusCode::kFailedPrecondition);
                    return node->children.Swap((*all.Edit(1))->children);  // neither is in the other
                  })
                  .ok());
  world.Look([](const Deque<Node>& all) {
    ASSERT_EQ(all.size(), 2u);
    EXPECT_TRUE(all[0].children.empty());
    EXPECT_EQ(all[1].children[0].value, 3);
  });
}

}  // namespace
}  // namespace shoal
