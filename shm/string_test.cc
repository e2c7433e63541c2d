#include "shoal/shm/string.h"

#include <array>
#include <span>
#include <string>
#include <string_view>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shoal/shm/container_world.h"
#include "shoal/shm/type_layout.h"

namespace shoal {
namespace {

using shm_internal::ContainerWorld;
using shm_internal::JournalUsed;
using testing::HasSubstr;

static_assert(Guardable<String> && !std::is_copy_constructible_v<String> && sizeof(String) == 40);

TEST(StringTest, HoldsAnyBytes) {
  ContainerWorld<String> world;
  const std::string bytes("\0a\0", 3);
  ASSERT_TRUE(world
                  .Change([&](String& s) {
                    SHOAL_RETURN_IF_ERROR(s.Append(bytes));
                    return s.Append(std::string(1000, 'x'));
                  })
                  .ok());
  world.Look([&](const String& s) {
    EXPECT_EQ(s.size(), 1003u);
    EXPECT_EQ(s.view().substr(0, 3), bytes);
    EXPECT_EQ(*s.Checked(), bytes + std::string(1000, 'x'));
  });
  EXPECT_EQ(world.OwnedBlocks(), 1u);
}

TEST(StringTest, EveryKindOfChange) {
  ContainerWorld<String> world;
  ASSERT_TRUE(world
                  .Change([](String& s) {
                    SHOAL_RETURN_IF_ERROR(s.Assign("herring"));
                    SHOAL_RETURN_IF_ERROR(s.Append(s));
                    EXPECT_EQ(s, "herringherring");
                    SHOAL_RETURN_IF_ERROR(s.Assign(s.view().substr(3, 6)));
                    EXPECT_EQ(s, "ringhe");
                    SHOAL_RETURN_IF_ERROR(s.Resize(8, '!'));
                    SHOAL_RETURN_IF_ERROR(s.Resize(40, '-'));
                    SHOAL_RETURN_IF_ERROR(s.Resize(9));
                    s.EditAll().value()[0] = 'R';
                    EXPECT_EQ(s, "Ringhe!!-");
                    EXPECT_TRUE(s < std::string_view("Rz") && s > std::string_view("Ri") && s != "x");
                    return s.Reserve(500);
                  })
                  .ok());
  world.Look([](const String& s) {
    EXPECT_EQ(s, "Ringhe!!-");
    EXPECT_GE(s.capacity(), 500u);
  });
}

TEST(StringTest, ARollbackTakesEveryChangeBack) {
  ContainerWorld<String> world;
  ASSERT_TRUE(world.Change([](String& s) { return s.Assign("herring"); }).ok());
  const auto changes = std::to_array<absl::Status (*)(String&)>({
      [](String& s) { return s.Assign("eel"); },
      [](String& s) { return s.Assign(std::string(500, 'x')); },
      [](String& s) { return s.Append("s"); },
      [](String& s) { return s.Clear(); },
      [](String& s) { return s.Resize(3); },
      [](String& s) { return s.Resize(300); },
      [](String& s) {
        const std::span<char> all = *s.EditAll();
        for (char& c : all) c = '?';
        return absl::OkStatus();
      },
  });
  for (const auto& first : changes) {
    for (const auto& second : changes) {
      world.InVain([&](String& s) {
        EXPECT_TRUE(first(s).ok());
        EXPECT_TRUE(second(s).ok());
      });
      world.Look([](const String& s) { EXPECT_EQ(s, "herring"); });
    }
  }
  EXPECT_EQ(world.OwnedBlocks(), 1u);
}

TEST(StringTest, IsSavedOnceInASection) {
  ContainerWorld<String> world;
  ASSERT_TRUE(world.Change([](String& s) { return s.Assign("herring"); }).ok());
  world.InVain([](String& s) {
    EXPECT_TRUE(s.Assign("eel").ok());
    const size_t used = JournalUsed();
    EXPECT_TRUE(s.Assign("cod").ok());
    EXPECT_TRUE(s.Append("ling").ok());
    EXPECT_TRUE(s.EditAll().ok());
    EXPECT_EQ(JournalUsed(), used);
  });
  world.Look([](const String& s) { EXPECT_EQ(s, "herring"); });
}

TEST(StringTest, AFullSegmentLeavesItAsItWas) {
  ContainerWorld<String> world;
  ASSERT_TRUE(world.Change([](String& s) { return s.Assign("herring"); }).ok());
  world.FillUp();
  ASSERT_TRUE(world
                  .Change([](String& s) {
                    EXPECT_EQ(s.Append(std::string(100, 'x')).code(), absl::StatusCode::kResourceExhausted);
                    EXPECT_EQ(s.Assign(std::string(100, 'x')).code(), absl::StatusCode::kResourceExhausted);
                    EXPECT_EQ(s.Resize(100).code(), absl::StatusCode::kResourceExhausted);
                    EXPECT_EQ(s.Reserve(~size_t{0}).code(), absl::StatusCode::kResourceExhausted);
                    return absl::OkStatus();
                  })
                  .ok());
  world.Relieve();
  world.Look([](const String& s) { EXPECT_EQ(s, "herring"); });
  EXPECT_EQ(world.OwnedBlocks(), 1u);
}

TEST(StringTest, MisuseAndDamageAreRefused) {
  String local;
  EXPECT_THAT(local.Assign("x").message(), HasSubstr("does not lie in a segment"));
  EXPECT_EQ(local, "");
  ContainerWorld<String> world;
  uint64_t* words = nullptr;
  ASSERT_TRUE(world
                  .Change([&](String& s) {
                    words = reinterpret_cast<uint64_t*>(&s);
                    return s.Assign("herring");
                  })
                  .ok());
  EXPECT_THAT(reinterpret_cast<String*>(words)->Clear().message(), HasSubstr("no critical section"));
  for (const size_t word : {0, 1, 2}) {
    words[word] ^= uint64_t{1} << 50;
    EXPECT_TRUE(world
                    .Change([&](String& s) {
                      for (const absl::Status& status : {s.Assign("x"), s.Append("x"), s.Clear(), s.Resize(1),
                                                         s.EditAll().status(), s.Reserve(1), s.Checked().status()}) {
                        EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
                      }
                      EXPECT_TRUE(s.empty());
                      EXPECT_EQ(std::string(s), "");
                      EXPECT_NE(s, "herring");
                      EXPECT_LT(s, "herring");
                      return absl::OkStatus();
                    })
                    .ok());
    words[word] ^= uint64_t{1} << 50;
  }
  world.Look([](const String& s) { EXPECT_EQ(s, "herring"); });
}

TEST(StringTest, SwapExchangesTwo) {
  struct Two {
    String left;
    String right;
  };
  ContainerWorld<Two> world;
  ASSERT_TRUE(world
                  .Change([](Two& two) {
                    SHOAL_RETURN_IF_ERROR(two.left.Assign("eel"));
                    return two.left.Swap(two.right);
                  })
                  .ok());
  world.Look([](const Two& two) {
    EXPECT_EQ(two.left, "");
    EXPECT_EQ(two.right, "eel");
  });
}

TEST(StringTest, ItsLayoutIsItsName) { EXPECT_EQ(shm_internal::LayoutCode<String>(), "String@40"); }

}  // namespace
}  // namespace shoal
