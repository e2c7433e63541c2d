#include "shoal/ipc/type_tree.h"

#include <array>
#include <chrono>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "shoal/ipc/wire_type.h"

namespace shoal::ipc_internal {
namespace {

struct Point {
  double x = 0;
  double y = 0;
};
struct Named {
  std::string name;
  std::array<Point, 2> corners;
};

template <class R, class... A>
std::string Describe() {
  const auto signature = ParseSignatureCode(SignatureCode<R, A...>());
  return signature.ok() ? signature->Describe("f") : signature.status().ToString();
}

TEST(TypeTreeTest, EveryCodeOfACppTypeIsReadBackInWords) {
  EXPECT_EQ((Describe<bool, uint64_t>()), "f(uint64) -> bool");
  EXPECT_EQ(Describe<void>(), "f() -> void");
  EXPECT_EQ((Describe<std::vector<std::string>, std::map<int, std::optional<float>>, Named>()),
            "f(map<int32, optional<float>>, {string, array<{double, double}, 2>}) -> vector<string>");
  EXPECT_EQ((Describe<std::tuple<int8_t, std::pair<uint16_t, double>>>()), "f() -> tuple<int8, tuple<uint16, double>>");
  EXPECT_EQ((Describe<std::variant<std::monostate, std::variant<bool>, std::string>, std::set<int>>()),
            "f(set<int32>) -> variant<nothing, variant<bool>, string>");
  EXPECT_EQ((Describe<std::vector<std::chrono::milliseconds>, absl::Time>()),
            "f(absl.Time(tuple<int64, uint32>)) -> vector<milliseconds(int64)>");
}

TEST(TypeTreeTest, PlainStructsKnowTheirOffsets) {
  std::string code;
  AppendTypeCode<Point>(code);
  const auto type = ParseTypeCode(code);
  ASSERT_TRUE(type.ok()) << type.status();
  EXPECT_TRUE(type->plain);
  EXPECT_EQ(type->size, sizeof(Point));
  EXPECT_EQ(type->offsets, (std::vector<size_t>{0, 8}));
}

TEST(TypeTreeTest, AnEmptyArrayHasTheSizeItHasInMemory) {
  std::string code;
  AppendTypeCode<std::array<std::array<int32_t, 0>, 3>>(code);
  const auto type = ParseTypeCode(code);
  ASSERT_TRUE(type.ok()) << type.status();
  EXPECT_EQ(type->size, sizeof(std::array<std::array<int32_t, 0>, 3>));
}

TEST(TypeTreeTest, WhatIsNoCodeIsRefused) {
  for (const char* bad : {"", "x", "u3", "u", "f2", "[u8", "{u8", "{u8,u8", "(u8", "<8@0:u8", "<8@4:u8>", "<8@0:s>", "#:u8", "vv",
                          "[v]", "u8 ", "#99999999999:u8", "<0@>", "<99999999999999999999@>",
                          "||", "|u8", "|u8,", "|v|", "~:u8", "~a", "~a:", "~a:v", "~a b:u8", "~a:~b:u8", "{}", "{u8,}"}) {
    EXPECT_FALSE(ParseTypeCode(bad).ok()) << bad;
  }
  EXPECT_FALSE(ParseTypeCode(std::string(5000, '?')).ok());
  EXPECT_FALSE(ParseTypeCode(std::string(50000, '[')).ok());
  EXPECT_FALSE(ParseSignatureCode("u8->u8").ok());
  EXPECT_FALSE(ParseSignatureCode("(u8)u8").ok());
}

struct Tree {
  std::vector<Tree> left;
  std::vector<Tree> right;
};
TEST(TypeTreeTest, ATypeThatContainsItselfHasNoCode) {
  std::string code;
  AppendTypeCode<Tree>(code);
  EXPECT_FALSE(ParseTypeCode(code).ok());
}

TEST(TypeTreeTest, RandomBytesAreRefusedOrDescribed) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  constexpr std::string_view kAlphabet = "biufsvn[]{}?(),#<>@:|~.0123456789";
  for (int round = 0; round < 100000; ++round) {
    std::string code(random() % 24, ' ');
    for (char& c : code) c = kAlphabet[random() % kAlphabet.size()];
    const auto type = ParseTypeCode(code);
    if (type.ok()) {
      EXPECT_FALSE(type->Describe().empty());
    }
  }
}

}  // namespace
}  // namespace shoal::ipc_internal
