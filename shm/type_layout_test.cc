#include "shoal/shm/type_layout.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shoal/shm/atomic.h"
#include "shoal/shm/shareable.h"
#include "shoal/shm/shareable_sync.h"
#include "shoal/sync/lock.h"

namespace shoal {

template <class T>
class Row {
  [[maybe_unused]] size_t offset_ = 0;
};
template <class T>
struct ShareableTraits<Row<T>> : SharedType<SharedKind::kContainer, T> {
  static constexpr std::string_view kName = "Row";
};

namespace shm_internal {
namespace {

using testing::HasSubstr;

enum class Side : uint8_t { kBuy, kSell };
struct Price {
  double amount;
  char currency[4];
};
struct Order {
  uint64_t number;
  Side side;
  std::array<Price, 2> limits;
  uint16_t codes[2][3];
};
struct Node {
  int32_t value;
  Row<Node> children;
  struct Inner {
    Row<Node> others;
  } inner;
};

TEST(TypeLayoutTest, ACodeIsMadeOfKindsSizesAndOffsets) {
  EXPECT_EQ(LayoutCode<bool>(), "b");
  EXPECT_EQ(LayoutCode<Side>(), "u1");
  EXPECT_EQ(LayoutCode<int64_t[3]>(), "#3:i8");
  EXPECT_EQ(LayoutCode<Price>(), "<16@0:f8,8:#4:i1>");
  EXPECT_EQ(LayoutCode<Order>(), "<64@0:u8,8:u1,16:#2:<16@0:f8,8:#4:i1>,48:#2:#3:u2>");
  EXPECT_EQ(LayoutCode<Lock>(), "Lock@40");
  EXPECT_EQ(LayoutCode<Row<Atomic<float>>>(), "Row@8(Atomic@4(f4))");
}

TEST(TypeLayoutTest, ATypeThatContainsItselfHasAFiniteCode) {
  EXPECT_EQ(LayoutCode<Node>(), "<24@0:i4,8:Row@8(^1),16:<8@0:Row@8(^2)>>");
}

TEST(TypeLayoutTest, TwoDefinitionsOfTheSameBytesAgree) {
  struct Amount {
    double value;
    std::array<char, 4> unit;
  };
  EXPECT_EQ(LayoutCode<Amount>(), LayoutCode<Price>());
  EXPECT_EQ(LayoutFingerprint<Amount>(), LayoutFingerprint<Price>());
  EXPECT_TRUE(CompareLayouts(LayoutCode<Amount>(), LayoutCode<Price>()).ok());
}

TEST(TypeLayoutTest, TheFingerprintIsThatOfTheCode) {
  FingerprintSink sink;
  sink.Add(LayoutCode<Order>());
  EXPECT_EQ(LayoutFingerprint<Order>(), sink.hash());
  static_assert(FingerprintSink().hash() == 0xcbf29ce484222325);
  FingerprintSink a;
  a.Add("a");
  EXPECT_EQ(a.hash(), 0xaf63dc4c8601ec8c) << "the published value of FNV-1a";
}

// The text behind the code of two layouts that differ.
std::string Difference(std::string_view stored, std::string_view here) {
  const absl::Status status = CompareLayouts(stored, here);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  const std::string message(status.message());
  const std::string start = "the stored type is another one than here: ";
  EXPECT_EQ(message.substr(0, start.size()), start);
  return message.substr(start.size());
}

TEST(TypeLayoutTest, EveryKindOfDifferenceIsNamed) {
  EXPECT_EQ(Difference("i4", "u4"), "int32, here uint32");
  EXPECT_EQ(Difference("<24@0:i8,8:i8,16:f8>", "<24@0:i8,8:i8,16:f4>"), "field 3: double at 16, here float at 16");
  EXPECT_EQ(Difference("<16@0:i4,8:i4>", "<16@0:i4,4:i4>"), "field 2: int32 at 8, here int32 at 4");
  EXPECT_EQ(Difference("<8@0:i4,4:i4>", "<4@0:i4>"), "field 2: int32 at 4, here no such field");
  EXPECT_EQ(Difference("<4@0:i4>", "<8@0:i4,4:b>"), "field 2: no such field, here bool at 4");
  EXPECT_EQ(Difference("<8@0:i4>", "<4@0:i4>"), "struct of 8 bytes, here struct of 4 bytes");
  EXPECT_EQ(Difference("<8@0:#4:u2>", "<8@0:#8:u1>"), "field 1: array of 4 x uint16 at 0, here array of 8 x uint8 at 0");
  EXPECT_EQ(Difference("<8@0:#4:u2>", "<8@0:#4:i2>"), "field 1, each element: uint16, here int16");
  EXPECT_EQ(Difference("<8@0:<8@0:f4,4:f4>>", "<8@0:<8@0:f4,4:i4>>"), "field 1, field 2: float at 4, here int32 at 4");
  EXPECT_EQ(Difference("Row@8(f8)", "Row@8(<8@0:f4>)"), "in Row: double, here struct of 8 bytes");
  EXPECT_EQ(Difference("Row@8(f8)", "HashMap@8(i4,f8)"), "Row of double, here HashMap of int32 and double");
  EXPECT_EQ(Difference("Lock@40", "Lock@48"), "Lock of 40 bytes, here Lock of 48 bytes");
  EXPECT_EQ(Difference("<8@0:Row@8(^1)>", "<8@0:Row@8(i4)>"), "field 1, in Row: the struct 1 levels around it, here int32");
  EXPECT_EQ(Difference("<2@0:b,1:b>", "<2@0:u1,1:i1>"),
            "field 1: bool at 0, here uint8 at 0; field 2: bool at 1, here int8 at 1");
}

// What is sent piece by piece counts as a struct.
TEST(TypeLayoutTest, FieldsAreReferredToFromInside) {
  EXPECT_EQ(Difference("Queue@8(fields@1(text@1,Shared@8(Queue@8(^1))))", "Queue@8(fields@1(i4,Shared@8(Queue@8(^1))))"),
            "in Queue, in fields: text, here int32");
  EXPECT_EQ(Difference("fields@1(<8@0:Row@8(^2)>)", "fields@1(<8@0:Row@8(^1)>)"),
            "in fields, field 1, in Row: the struct 2 levels around it, here the struct 1 levels around it");
  EXPECT_TRUE(absl::IsDataLoss(CompareLayouts("fields@1(Row@8(^2))", "i4")));
  EXPECT_TRUE(absl::IsDataLoss(CompareLayouts("list@1(^1)", "i4")));
}

TEST(TypeLayoutTest, ManyDifferencesAreCountedNotListed) {
  std::string stored = "<20@0:i1";
  std::string here = "<20@0:u1";
  for (int i = 1; i < 20; ++i) {
    stored += "," + std::to_string(i) + ":i1";
    here += "," + std::to_string(i) + ":u1";
  }
  EXPECT_THAT(Difference(stored + ">", here + ">"), HasSubstr("field 8: int8 at 7, here uint8 at 7; and 12 more"));
}

TEST(TypeLayoutTest, NonsenseIsDataLoss) {
  const std::string deep = std::string(200, '<');
  std::string nested = "i4";
  for (int i = 0; i < 100; ++i) nested = "#1:" + nested;
  const std::string long_code = "<8@0:" + std::string(kMaxLayoutCode, 'x') + "@8>";
  for (const std::string_view code : {std::string_view(""),          std::string_view("i3"),
                                      std::string_view("x"),         std::string_view("i4i4"),
                                      std::string_view("#:i4"),      std::string_view("#4"),
                                      std::string_view("#4:"),       std::string_view("#-4:i4"),
                                      std::string_view("#04:i4"),    std::string_view("#99999999999999999999:i4"),
                                      std::string_view("<8@"),       std::string_view("<8@0:i4"),
                                      std::string_view("<8@0:i4,>"), std::string_view("<8@0i4>"),
                                      std::string_view("<@0:i4>"),   std::string_view("^1"),
                                      std::string_view("<8@0:^0>"),  std::string_view("<8@0:^2>"),
                                      std::string_view("Row@"),      std::string_view("Row@8("),
                                      std::string_view("Row@8()"),   std::string_view("@8"),
                                      std::string_view("1Row@8"),    std::string_view("Row@8(i4"),
                                      std::string_view("i4\0", 3),   std::string_view(deep),
                                      std::string_view(nested),      std::string_view(long_code)}) {
    EXPECT_EQ(CompareLayouts(code, "i4").code(), absl::StatusCode::kDataLoss) << std::string(code.substr(0, 40));
  }
  EXPECT_EQ(CompareLayouts("i4", nested).code(), absl::StatusCode::kInvalidArgument);
}

// Whatever was done to a stored code, the answer is one of the promised ones, and short.
TEST(TypeLayoutTest, DamagedCodesAreAnswered) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const std::string whole = LayoutCode<Order>();
  constexpr std::string_view kCharacters = "<>(),:@#^0123456789biufRow";
  for (int i = 0; i < 20000; ++i) {
    std::string code = whole;
    for (unsigned n = random() % 4 + 1; n > 0; --n) {
      const size_t at = random() % code.size();
      switch (random() % 3) {
        case 0:
          code[at] = kCharacters[random() % kCharacters.size()];
          break;
        case 1:
          code.insert(at, 1, kCharacters[random() % kCharacters.size()]);
          break;
        default:
          code.erase(at, 1);
      }
    }
    const absl::Status status = CompareLayouts(code, whole);
    if (code == whole) {
      EXPECT_TRUE(status.ok());
    } else {
      EXPECT_TRUE(status.code() == absl::StatusCode::kFailedPrecondition || status.code() == absl::StatusCode::kDataLoss)
          << code;
      EXPECT_FALSE(std::string(status.message()).ends_with(": ")) << "no difference found in " << code;
      EXPECT_LT(status.message().size(), 4096u);
    }
  }
}

}  // namespace
}  // namespace shm_internal
}  // namespace shoal
