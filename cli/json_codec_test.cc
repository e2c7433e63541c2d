// JSON and the bytes of messages, checked against the codec that workers use: what one side writes the other must read.

#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "shoal/cli/json_arguments.h"
#include "shoal/cli/json_result.h"
#include "shoal/cli/json_text.h"
#include "shoal/ipc/codec.h"
#include "shoal/ipc/type_tree.h"
#include "shoal/ipc/wire_type.h"

namespace shoal::cli_internal {
namespace {

enum class Colour : int16_t { kRed = -7, kBlue = 300 };

struct Point {
  double x = 0;
  double y = 0;
  bool operator==(const Point&) const = default;
};
struct Padded {
  bool flag = false;
  int64_t number = 0;
  Colour colour = Colour::kRed;
  std::array<int16_t, 3> triple{};
  bool operator==(const Padded&) const = default;
};
struct Order {
  uint64_t id = 0;
  std::string customer;
  std::vector<Point> path;
  std::map<std::string, std::optional<int32_t>> lines;
  std::tuple<bool, float> flags;
  bool operator==(const Order&) const = default;
};
struct Wrapper {
  std::string text;
  bool operator==(const Wrapper&) const = default;
};

template <class R, class... A>
ipc_internal::SignatureTree Signature() {
  return ipc_internal::ParseSignatureCode(ipc_internal::SignatureCode<R, A...>()).value();
}

template <class... A>
absl::Status Encode(const std::string& line) {
  std::string bytes;
  return EncodeArguments(Signature<void, A...>(), line, bytes);
}

template <class T>
std::string Decode(const std::string& bytes) {
  std::string json;
  const absl::Status status = DecodeResult(Signature<T>().result, bytes, json);
  return status.ok() ? json : status.ToString();
}

template <class T>
std::string DecodeValue(const T& value) {
  std::string bytes;
  ipc_internal::EncodeMessage(bytes, value);
  return Decode<T>(bytes);
}

// The value and the JSON mean the same, in both directions, alone and behind another argument.
template <class T>
void ExpectSame(const T& value, const std::string& json) {
  SCOPED_TRACE(json);
  EXPECT_EQ(DecodeValue(value), json);

  std::string bytes;
  const absl::Status one = EncodeArguments(Signature<void, T>(), json, bytes);
  ASSERT_TRUE(one.ok()) << one;
  T back{};
  ASSERT_TRUE(ipc_internal::DecodeMessage(bytes, back));
  EXPECT_TRUE(back == value);  // EXPECT_EQ would compile a printer for each type

  bytes.clear();
  const absl::Status three = EncodeArguments(Signature<void, bool, T, std::string>(), "[true, " + json + ", \"z\"]", bytes);
  ASSERT_TRUE(three.ok()) << three;
  bool flag = false;
  std::string text;
  ASSERT_TRUE(ipc_internal::DecodeMessage(bytes, flag, back, text));
  EXPECT_TRUE(flag && back == value && text == "z");
}

#define EXPECT_REFUSED(status, words) EXPECT_TRUE(IsRefusal(status, words))
testing::AssertionResult IsRefusal(const absl::Status& status, const std::string& words) {
  if (status.code() == absl::StatusCode::kInvalidArgument &&
      std::string(status.message()).find(words) != std::string::npos) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure() << status << ", not with " << words;
}

TEST(JsonCodecTest, Scalars) {
  ExpectSame(true, "true");
  ExpectSame<int8_t>(-128, "-128");
  ExpectSame<int8_t>(127, "127");
  ExpectSame<uint8_t>(255, "255");
  ExpectSame<int16_t>(-32768, "-32768");
  ExpectSame<uint32_t>(4294967295, "4294967295");
  ExpectSame(std::numeric_limits<int64_t>::min(), "-9223372036854775808");
  ExpectSame(std::numeric_limits<int64_t>::max(), "9223372036854775807");
  ExpectSame(std::numeric_limits<uint64_t>::max(), "18446744073709551615");
  ExpectSame(Colour::kBlue, "300");
  ExpectSame(Colour::kRed, "-7");
  ExpectSame(0.1, "0.1");
  ExpectSame(3.0, "3.0");
  ExpectSame(-0.0, "-0.0");
  ExpectSame(1e300, "1e+300");
  ExpectSame(5e-324, "5e-324");
  ExpectSame(0.1f, "0.1");
  ExpectSame(std::numeric_limits<float>::max(), "3.4028235e+38");
}

TEST(JsonCodecTest, ScalarsThatAreItemsAndNotPlain) {
  ExpectSame<std::optional<int8_t>>(-128, "-128");
  ExpectSame<std::optional<uint8_t>>(255, "255");
  ExpectSame<std::optional<int64_t>>(std::numeric_limits<int64_t>::min(), "-9223372036854775808");
  ExpectSame<std::optional<uint64_t>>(std::numeric_limits<uint64_t>::max(), "18446744073709551615");
  ExpectSame<std::optional<float>>(0.1f, "0.1");
  ExpectSame<std::optional<double>>(0.1, "0.1");
  ExpectSame<std::optional<bool>>(false, "false");
  ExpectSame<std::optional<Colour>>(Colour::kRed, "-7");
  ExpectSame<std::optional<Point>>(Point{1, 2}, "[1.0,2.0]");
}

TEST(JsonCodecTest, Strings) {
  ExpectSame(std::string(), "\"\"");
  ExpectSame(std::string("a\0b\n\"\\", 6), R"("a\u0000b\n\"\\")");
  ExpectSame(std::string("gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\x9f"), "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\x9f\"");
}

TEST(JsonCodecTest, Containers) {
  ExpectSame(std::vector<uint8_t>{1, 2, 255}, "[1,2,255]");
  ExpectSame(std::vector<int64_t>{}, "[]");
  ExpectSame(std::vector<double>{1.5, -2}, "[1.5,-2.0]");
  ExpectSame(std::vector<bool>{true, false}, "[true,false]");
  ExpectSame(std::vector<Colour>{Colour::kBlue, Colour::kRed}, "[300,-7]");
  ExpectSame(std::vector<std::string>{"a", ""}, R"(["a",""])");
  ExpectSame(std::vector<Point>{{1, 2}, {3, 4}}, "[[1.0,2.0],[3.0,4.0]]");
  ExpectSame(std::vector<std::vector<int>>{{1}, {}}, "[[1],[]]");
  ExpectSame(std::array<int32_t, 2>{5, -5}, "[5,-5]");
  ExpectSame(std::array<std::string, 2>{"x", "y"}, R"(["x","y"])");
  ExpectSame(std::array<int32_t, 0>{}, "[]");
  ExpectSame(std::map<std::string, int>{{"a", 1}, {"b", -1}}, R"({"a":1,"b":-1})");
  ExpectSame(std::unordered_map<std::string, std::string>{{"k", "v"}}, R"({"k":"v"})");
  ExpectSame(std::map<int, std::string>{{-1, "a"}, {2, "b"}}, R"([[-1,"a"],[2,"b"]])");
  ExpectSame(std::map<std::pair<int, int>, bool>{{{1, 2}, true}}, "[[[1,2],true]]");
  ExpectSame(std::map<std::optional<int>, int>{{std::nullopt, 1}, {5, 2}}, "[[null,1],[5,2]]");
  ExpectSame(std::optional<std::string>{}, "null");
  ExpectSame(std::optional<std::vector<int>>{{1}}, "[1]");
  ExpectSame(std::tuple<>(), "[]");
  ExpectSame(std::make_tuple(1, std::string("x"), 0.5), R"([1,"x",0.5])");
  ExpectSame(std::pair<bool, uint8_t>{true, 9}, "[true,9]");
}

TEST(JsonCodecTest, AnOptionalOfAnOptionalTellsItsTwoNullsApart) {
  using Nested = std::optional<std::optional<int>>;
  ExpectSame(Nested{}, "null");
  ExpectSame(Nested{std::optional<int>{}}, "[null]");
  ExpectSame(Nested{3}, "[3]");
}

TEST(JsonCodecTest, Structs) {
  ExpectSame(Point{0.5, -1}, "[0.5,-1.0]");
  ExpectSame(Padded{true, -1, Colour::kBlue, {1, 2, 3}}, "[true,-1,300,[1,2,3]]");
  ExpectSame(Wrapper{"x"}, R"(["x"])");
  ExpectSame(Order{7, "Ann", {{1, 2}, {-3, 4.5}}, {{"a", 1}, {"b", std::nullopt}}, {true, 0.25f}},
             R"([7,"Ann",[[1.0,2.0],[-3.0,4.5]],{"a":1,"b":null},[true,0.25]])");
}

TEST(JsonCodecTest, TheGapsOfAPlainStructAreZero) {
  std::string bytes;
  ASSERT_TRUE(EncodeArguments(Signature<void, Padded>(), "[true,-1,300,[1,2,3]]", bytes).ok());
  for (size_t i = 1; i < 8; ++i) EXPECT_EQ(bytes[i], 0) << i;
}

TEST(JsonCodecTest, IntegersOutOfRangeAndFractionsAreRefused) {
  EXPECT_REFUSED(Encode<uint8_t>("256"), "expected an integer from 0 to 255, not 256");
  EXPECT_REFUSED(Encode<uint64_t>("-1"), "not -1");
  EXPECT_REFUSED(Encode<uint64_t>("18446744073709551616"), "expected an integer");
  EXPECT_REFUSED(Encode<int8_t>("128"), "from -128 to 127");
  EXPECT_REFUSED(Encode<int8_t>("-129"), "not -129");
  EXPECT_REFUSED(Encode<int64_t>("9223372036854775808"), "not 9223372036854775808");
  EXPECT_REFUSED(Encode<int>("3.0"), "not 3.0");
  EXPECT_REFUSED(Encode<int>("1e2"), "not 100.0");
  EXPECT_REFUSED(Encode<std::vector<uint8_t>>("[1,256]"), "at [1]: expected an integer from 0 to 255, not 256");
  EXPECT_REFUSED(Encode<std::optional<uint8_t>>("-1"), "not -1");
}

TEST(JsonCodecTest, NumbersThatFloatingPointCannotHoldAreRefused) {
  EXPECT_REFUSED(Encode<float>("1e39"), "in the range of float");
  EXPECT_REFUSED(Encode<double>("1e999"), "too large");
  EXPECT_REFUSED(Encode<double>("NaN"), "not JSON");
  EXPECT_TRUE(Encode<double>("7").ok());
  EXPECT_TRUE(Encode<float>("18446744073709551615").ok());
}

TEST(JsonCodecTest, OtherKindsAreRefused) {
  EXPECT_REFUSED(Encode<bool>("1"), "expected true or false, not 1");
  EXPECT_REFUSED(Encode<int>("true"), "not true");
  EXPECT_REFUSED(Encode<int>("\"1\""), "not \"1\"");
  EXPECT_REFUSED(Encode<int>("null"), "not null");
  EXPECT_REFUSED(Encode<double>("\"1\""), "expected a number");
  EXPECT_REFUSED(Encode<std::string>("5"), "expected a string, not 5");
  EXPECT_REFUSED(Encode<std::string>("{}"), "not an object");
  EXPECT_REFUSED(Encode<std::vector<int>>("5"), "expected an array, not 5");
  EXPECT_REFUSED((Encode<std::map<std::string, int>>("[]")), "expected an object, not an array of 0 items");
  EXPECT_REFUSED((Encode<std::map<int, int>>("{}")), "expected an array of [key, value] pairs, not an object");
  EXPECT_REFUSED((Encode<std::map<int, int>>("[[1]]")), "at [0]: expected a [key, value] pair, not an array of 1 item");
  EXPECT_REFUSED((Encode<std::map<int, int>>("[[1,2],[1,3]]")), "at [1]: a key that was there already");
  EXPECT_REFUSED((Encode<std::map<std::string, int>>(R"({"a":{}})")), R"(at ["a"]: expected an integer)");
  EXPECT_REFUSED((Encode<std::array<int, 2>>("[1]")), "expected an array of 2 items, not an array of 1 item");
  EXPECT_REFUSED((Encode<std::tuple<int, int>>("[1,2,3]")), "not an array of 3 items");
  EXPECT_REFUSED(Encode<Point>("[1]"), "expected an array of 2 items");
  EXPECT_REFUSED(Encode<Point>(R"({"x":1,"y":2})"), "not an object");
  EXPECT_REFUSED((Encode<std::optional<std::optional<int>>>("3")), "null or an array of 1 item, not 3");
  EXPECT_REFUSED((Encode<std::string, Order>(R"(["x", [7,"Ann",[[1,2],[1,"2"]],{},[true,1]]])")),
                 "argument 2, at [2][1][1]: expected a number, not \"2\"");
}

TEST(JsonCodecTest, TheNumberOfArgumentsMustBeThatOfTheSignature) {
  EXPECT_TRUE(Encode<>("[]").ok());
  EXPECT_TRUE(Encode<>("null").ok());
  EXPECT_REFUSED(Encode<>("[1]"), "no arguments ([] or null), not an array of 1 item");
  EXPECT_REFUSED(Encode<>("0"), "not 0");
  EXPECT_REFUSED((Encode<int, int>("[1]")), "expected an array of 2 arguments, not an array of 1 item");
  EXPECT_REFUSED((Encode<int, int>("[1,2,3]")), "not an array of 3 items");
  EXPECT_REFUSED((Encode<int, int>("1")), "not 1");
}

TEST(JsonCodecTest, AnArrayOfTheOneArgumentWillDoUnlessTheArgumentMayBeAnArray) {
  EXPECT_TRUE(Encode<int>("[1]").ok());
  EXPECT_TRUE(Encode<std::optional<int>>("[null]").ok());
  EXPECT_TRUE((Encode<std::map<std::string, int>>("[{}]").ok()));
  EXPECT_REFUSED(Encode<int>("[1,2]"), "not an array of 2 items");
  EXPECT_REFUSED(Encode<int>("[[1]]"), "not an array of 1 item");
  EXPECT_REFUSED(Encode<std::vector<int>>("[[1]]"), "at [0]");
  EXPECT_REFUSED(Encode<std::optional<std::vector<int>>>("[[1]]"), "at [0]");
  EXPECT_REFUSED(Encode<Point>("[[1,2]]"), "expected an array of 2 items");
}

TEST(JsonCodecTest, LinesThatAreNoJsonAreRefused) {
  for (const char* line :
       {"", "x", "[1", "1 2", "{\"a\"}", "'a'", "\"\xff\"", "\"\\ud800\"", "[1,]", "01", "// 1", "\"a\nb\""}) {
    EXPECT_REFUSED(Encode<int>(line), "is not JSON at column");
  }
  EXPECT_REFUSED((Encode<std::map<std::string, int>>(R"({"a":1,"b":2,"a":3})")), "has the key \"a\" twice");
  EXPECT_TRUE(Encode<int>(" 1\t\r").ok());
}

TEST(JsonCodecTest, NestingHasALimit) {
  EXPECT_TRUE(ParseJson(std::string(kMaxJsonDepth, '[') + std::string(kMaxJsonDepth, ']')).ok());
  EXPECT_REFUSED(ParseJson(std::string(kMaxJsonDepth + 1, '[') + std::string(kMaxJsonDepth + 1, ']')).status(),
                 "nests deeper");
  EXPECT_REFUSED(ParseJson(std::string(1000000, '[')).status(), "nests deeper");
}

TEST(JsonCodecTest, ResultsThatJsonCannotHoldAreRefusedAndNeverChanged) {
  EXPECT_NE(DecodeValue(std::nan("")).find("OUT_OF_RANGE"), std::string::npos);
  EXPECT_NE(DecodeValue(std::vector<float>{1, HUGE_VALF}).find("OUT_OF_RANGE"), std::string::npos);
  EXPECT_NE(DecodeValue(std::optional<double>(-HUGE_VAL)).find("OUT_OF_RANGE"), std::string::npos);
  EXPECT_NE(DecodeValue(std::string("\xff")).find("not UTF-8"), std::string::npos);
  EXPECT_NE(DecodeValue(std::map<std::string, int>{{"\xc3", 1}}).find("not UTF-8"), std::string::npos);
}

TEST(JsonCodecTest, VariantsAreIndexAndValue) {
  using Choice = std::variant<std::monostate, int32_t, std::vector<std::string>, std::optional<bool>>;
  ExpectSame(Choice(), "[0,null]");
  ExpectSame(Choice(-5), "[1,-5]");
  ExpectSame(Choice(std::vector<std::string>{"a"}), R"([2,["a"]])");
  ExpectSame(Choice(std::optional<bool>()), "[3,null]");
  ExpectSame(std::vector<Choice>{1, Choice()}, "[[1,1],[0,null]]");
  ExpectSame(std::optional<std::monostate>(), "null");
  ExpectSame(std::optional<std::monostate>(std::monostate()), "[null]");
  EXPECT_REFUSED(Encode<Choice>("[4,1]"), "expected an index below 4, not 4");
  EXPECT_REFUSED(Encode<Choice>("[-1,1]"), "expected an index below 4, not -1");
  EXPECT_REFUSED(Encode<Choice>("[1]"), "expected an [index, value] pair");
  EXPECT_REFUSED(Encode<Choice>(R"([1,"a"])"), "at [1]");
  EXPECT_REFUSED(Encode<Choice>("[0,1]"), "expected null, not 1");
}

TEST(JsonCodecTest, SetsAreArraysAndTimesAreTheirNumbers) {
  ExpectSame(std::set<std::string>{"a", "b"}, R"(["a","b"])");
  EXPECT_REFUSED(Encode<std::set<int>>("[1,2,1]"), "at [2]: a value that was there already");
  ExpectSame(std::chrono::milliseconds(5), "5");
  ExpectSame(std::vector<std::chrono::seconds>{std::chrono::seconds(1), std::chrono::seconds(2)}, "[1,2]");
}

TEST(JsonCodecTest, NothingIsNull) {
  EXPECT_EQ(Decode<void>(""), "null");
  EXPECT_NE(Decode<void>("x").find("DATA_LOSS"), std::string::npos);
}

TEST(JsonCodecTest, BytesOfAnotherTypeAreRefused) {
  std::string order;
  ipc_internal::EncodeMessage(order, Order{7, "Ann", {{1, 2}}, {{"a", 1}}, {true, 1.f}});
  EXPECT_NE(Decode<std::string>(order).find("DATA_LOSS"), std::string::npos);
  EXPECT_NE(Decode<Point>(order).find("DATA_LOSS"), std::string::npos);
  EXPECT_NE(Decode<Order>(order + "x").find("DATA_LOSS"), std::string::npos);
  EXPECT_NE(Decode<Order>(order.substr(0, order.size() - 1)).find("DATA_LOSS"), std::string::npos);
  EXPECT_NE(Decode<bool>("\2").find("DATA_LOSS"), std::string::npos);
}

// Property: whatever the bytes are, decoding ends, touches nothing outside them, and what it accepts is JSON.
template <class T>
void DamageAndDecode(const T& value) {
  std::string good;
  ipc_internal::EncodeMessage(good, value);
  const ipc_internal::TypeTree type = Signature<T>().result;
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = good;
    for (unsigned flips = 1 + random() % 4; flips > 0; --flips) bytes[random() % bytes.size()] = static_cast<char>(random());
    if (random() % 4 == 0) bytes.resize(random() % (bytes.size() + 1));
    std::string json;
    if (DecodeResult(type, bytes, json).ok()) {
      EXPECT_TRUE(nlohmann::json::accept(json)) << json;
    }
  }
}
TEST(JsonCodecTest, DamagedResultsAreRefusedOrAreJson) {
  DamageAndDecode(Order{7, "Ann", {{1, 2}, {-3, 4.5}}, {{"a", 1}, {"b", std::nullopt}}, {true, 0.25f}});
  using Choice = std::variant<std::monostate, int32_t, std::string>;
  DamageAndDecode(std::pair(std::vector<Choice>{1, "text", Choice()}, std::set<std::string>{"a", "b"}));
}

// Property: whatever the line is, it is refused, or makes bytes that the codec takes.
TEST(JsonCodecTest, DamagedLinesAreRefusedOrFit) {
  const std::string good = R"([7,"Ann",[[1.0,2.0],[-3.0,4.5]],{"a":1,"b":null},[true,0.25]])";
  const ipc_internal::SignatureTree signature = Signature<void, Order>();
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  constexpr std::string_view kAlphabet = "[]{},:\"0123456789.-eAntrufalsn ";
  for (int round = 0; round < 20000; ++round) {
    std::string line = good;
    for (unsigned flips = 1 + random() % 3; flips > 0; --flips)
      line[random() % line.size()] = kAlphabet[random() % kAlphabet.size()];
    std::string bytes;
    if (EncodeArguments(signature, line, bytes).ok()) {
      Order order;
      EXPECT_TRUE(ipc_internal::DecodeMessage(bytes, order)) << line;
    }
  }
}

}  // namespace
}  // namespace shoal::cli_internal
