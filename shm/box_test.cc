#include "shoal/shm/box.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shoal/shm/container_world.h"
#include "shoal/shm/string.h"
#include "shoal/shm/type_layout.h"

namespace shoal {
namespace {

using shm_internal::ContainerWorld;
using testing::HasSubstr;

struct Link {
  int value = 0;
  String name;
  Box<Link> next;
};

static_assert(Guardable<Link> && !std::is_move_constructible_v<Box<int>> && sizeof(Box<Link>) == 40);

TEST(BoxTest, HoldsOneOrNothing) {
  ContainerWorld<Box<int>> world;
  world.Look([](const Box<int>& box) {
    EXPECT_TRUE(box.empty());
    EXPECT_EQ(*box.Checked(), nullptr);
  });
  ASSERT_TRUE(world
                  .Change([](Box<int>& box) {
                    SHOAL_RETURN_IF_ERROR(box.Set(5));
                    SHOAL_RETURN_IF_ERROR(box.Set(*box + 1));
                    **box.Edit() += 1;
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_EQ(world.OwnedBlocks(), 1u);
  world.Look([](const Box<int>& box) {
    EXPECT_EQ(*box, 7);
    EXPECT_EQ(**box.Checked(), 7);
  });
  world.InVain([](Box<int>& box) {
    **box.Edit() = 1;
    EXPECT_TRUE(box.Clear().ok());
    EXPECT_TRUE(box.empty());
    EXPECT_TRUE(box.Set(9).ok());
  });
  world.Look([](const Box<int>& box) { EXPECT_EQ(*box, 7); });
  ASSERT_TRUE(world.Change([](Box<int>& box) { return box.Clear(); }).ok());
  EXPECT_EQ(world.OwnedBlocks(), 0u);
}

TEST(BoxTest, AListOfBoxesIsGivenUpAsAWhole) {
  constexpr int kLinks = 3000;
  ContainerWorld<Box<Link>> world(size_t{1} << 22);
  ASSERT_TRUE(world
                  .Change([](Box<Link>& first) -> absl::Status {
                    Box<Link>* last = &first;
                    for (int i = 0; i < kLinks; ++i) {
                      SHOAL_RETURN_IF_ERROR(last->Set(i, "link " + std::to_string(i)));
                      SHOAL_ASSIGN_OR_RETURN(Link* const link, last->Edit());
                      last = &link->next;
                    }
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_EQ(world.OwnedBlocks(), uint64_t{2 * kLinks});
  world.Look([](const Box<Link>& first) {
    EXPECT_EQ(first->next->name, "link 1");
    EXPECT_EQ(first->next->next->value, 2);
  });
  ASSERT_TRUE(world
                  .Change([](Box<Link>& first) -> absl::Status {  // the second one becomes the first
                    SHOAL_ASSIGN_OR_RETURN(Link* const link, first.Edit());
                    SHOAL_RETURN_IF_ERROR(first.Take(link->next));
                    return (*first.Edit())->name.Append("!");
                  })
                  .ok());
  world.Look([](const Box<Link>& first) { EXPECT_EQ(first->name, "link 1!"); });
  EXPECT_EQ(world.OwnedBlocks(), uint64_t{2 * kLinks - 2});
  world.InVain([](Box<Link>& first) {
    EXPECT_TRUE(first.Take(first.Edit().value()->next).ok());
    EXPECT_TRUE(first.Clear().ok());
  });
  world.Look([](const Box<Link>& first) { EXPECT_EQ(first->next->name, "link 2"); });
  ASSERT_TRUE(world.Change([](Box<Link>& first) { return first.Clear(); }).ok());
  EXPECT_EQ(world.OwnedBlocks(), 0u);
}

TEST(BoxTest, AFullSegmentLeavesItAsItWas) {
  ContainerWorld<Box<Link>> world;
  ASSERT_TRUE(world.Change([](Box<Link>& box) { return box.Set(1, "one"); }).ok());
  world.FillUp();
  ASSERT_TRUE(world
                  .Change([](Box<Link>& box) {
                    EXPECT_EQ(box.Set(2, "two").code(), absl::StatusCode::kResourceExhausted);
                    EXPECT_EQ((*box.Edit())->next.Set(3).code(), absl::StatusCode::kResourceExhausted);
                    return absl::OkStatus();
                  })
                  .ok());
  world.Relieve();
  EXPECT_EQ(world.OwnedBlocks(), 2u);
  world.Look([](const Box<Link>& box) {
    EXPECT_EQ(box->name, "one");
    EXPECT_TRUE(box->next.empty());
  });
}

TEST(BoxTest, MisuseAndDamageAreRefused) {
  Box<int> local;
  EXPECT_THAT(local.Set(1).message(), HasSubstr("does not lie in a segment"));
  EXPECT_DEATH(static_cast<void>(*local), "an empty Box");
  ContainerWorld<Box<int>> world;
  uint64_t* words = nullptr;
  ASSERT_TRUE(world
                  .Change([&](Box<int>& box) {
                    words = reinterpret_cast<uint64_t*>(&box);
                    EXPECT_EQ(box.Edit().status().code(), absl::StatusCode::kFailedPrecondition);
                    return box.Set(1);
                  })
                  .ok());
  for (const size_t word : {0, 1, 2}) {
    words[word] ^= uint64_t{1} << 50;
    EXPECT_TRUE(
        world
            .Change([&](Box<int>& box) {
              for (const absl::Status& status : {box.Set(1), box.Clear(), box.Edit().status(), box.Checked().status()}) {
                EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
              }
              EXPECT_TRUE(box.empty());
              return absl::OkStatus();
            })
            .ok());
    words[word] ^= uint64_t{1} << 50;
  }
  world.Look([](const Box<int>& box) { EXPECT_EQ(*box, 1); });
}

TEST(BoxTest, ItDoesNotComeToOwnItself) {
  ContainerWorld<Box<Link>> world;
  ASSERT_TRUE(world
                  .Change([](Box<Link>& list) -> absl::Status {
                    SHOAL_RETURN_IF_ERROR(list.Set(1));
                    SHOAL_RETURN_IF_ERROR((*list.Edit())->next.Set(2));
                    return (*(*list.Edit())->next.Edit())->next.Set(3);
                  })
                  .ok());
  ASSERT_TRUE(world
                  .Change([](Box<Link>& list) {
                    Box<Link>& part = (*list.Edit())->next;
                    for (const absl::Status& status : {list.Swap(part), part.Swap(list), part.Take(list)}) {
                      EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
                      EXPECT_THAT(status.message(), HasSubstr("Box::Take"));
                    }
                    EXPECT_TRUE(list.Swap(list).ok());
                    EXPECT_TRUE(part.Take(part).ok());
                    return absl::OkStatus();
                  })
                  .ok());
  world.Look([](const Box<Link>& list) {
    EXPECT_EQ(list->value, 1);
    EXPECT_EQ(list->next->value, 2);
    EXPECT_EQ(list->next->next->value, 3);
  });
  ASSERT_TRUE(world.Change([](Box<Link>& list) { return list.Clear(); }).ok());
  EXPECT_EQ(world.OwnedBlocks(), 0u);
}

TEST(BoxTest, ItsLayoutSaysWhatIsInIt) {
  EXPECT_EQ(shm_internal::LayoutCode<Link>(), "<88@0:i4,8:String@40,48:Box@40(^1)>");
}

}  // namespace
}  // namespace shoal
