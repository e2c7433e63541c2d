#include "shoal/ipc/codec.h"

#include <array>
#include <chrono>
#include <complex>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <limits>
#include <list>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "shoal/ipc/cbor.h"
#include "shoal/ipc/wire_type.h"

namespace shoal::ipc_internal {
namespace {

enum class Colour : uint8_t { kRed, kBlue };

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

using Answer = std::variant<std::monostate, bool, std::string, std::vector<Point>>;

// A message of a bit of everything.
struct Survey {
  std::vector<Answer> answers;
  std::set<std::string> tags;
  std::deque<int32_t> marks;
  std::vector<std::chrono::milliseconds> delays;
  absl::Time at;
  std::variant<std::map<int, Answer>, std::optional<Answer>> rest;
  bool operator==(const Survey&) const = default;
};

template <class T>
T RoundTrip(const T& value) {
  std::string bytes;
  EncodeMessage(bytes, value);
  T back{};
  EXPECT_TRUE(DecodeMessage(bytes, back)) << "size " << bytes.size();
  return back;
}

template <class T>
std::string Code() {
  std::string code;
  AppendTypeCode<T>(code);
  return code;
}

const Order kOrder{7, "Ann\0e", {{1, 2}, {-3, 4.5}}, {{"a", 1}, {"b", std::nullopt}}, {true, 0.25f}};

TEST(CodecTest, ValuesComeBackAsTheyWere) {
  EXPECT_EQ(RoundTrip(true), true);
  EXPECT_EQ(RoundTrip(std::numeric_limits<int64_t>::min()), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(RoundTrip(std::numeric_limits<uint64_t>::max()), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(RoundTrip(std::string("a\0b", 3)), std::string("a\0b", 3));
  EXPECT_EQ(RoundTrip(std::vector<double>{1.5, -2}), (std::vector<double>{1.5, -2}));
  EXPECT_EQ(RoundTrip(std::vector<bool>{true, false}), (std::vector<bool>{true, false}));
  EXPECT_EQ(RoundTrip(std::vector<std::string>{}), std::vector<std::string>{});
  EXPECT_EQ(RoundTrip(Padded{true, -1, Colour::kBlue, {1, 2, 3}}), (Padded{true, -1, Colour::kBlue, {1, 2, 3}}));
  EXPECT_EQ(RoundTrip(kOrder), kOrder);
  const std::unordered_map<int, std::vector<int8_t>> map{{1, {1}}, {-2, {}}};
  EXPECT_EQ(RoundTrip(map), map);
  using Nested = std::optional<std::optional<int>>;
  EXPECT_EQ(RoundTrip(Nested{}), Nested{});
  EXPECT_EQ(RoundTrip(Nested{std::optional<int>{}}), Nested{std::optional<int>{}});
  EXPECT_EQ(RoundTrip(Nested{3}), Nested{3});
  for (const int32_t edge : {0, 23, 24, 255, 256, 65535, 65536, -1, -24, -25, -257, std::numeric_limits<int32_t>::min()}) {
    EXPECT_EQ(RoundTrip(std::optional<int32_t>(edge)), edge);
  }
}

const Survey kSurvey{{std::monostate(), true, "yes", std::vector<Point>{{1, 2}}},
                     {"a", "bc"},
                     {1, -2},
                     {std::chrono::milliseconds(5)},
                     absl::FromUnixNanos(-7),
                     std::map<int, Answer>{{1, false}, {2, "no"}}};

TEST(CodecTest, AVariantComesBackWithTheAlternativeItHad) {
  EXPECT_EQ(RoundTrip(Answer()), Answer());
  EXPECT_EQ(RoundTrip(Answer("text")), Answer("text"));
  EXPECT_EQ(RoundTrip(Answer(std::vector<Point>{{1, 2}, {3, 4}})), Answer(std::vector<Point>{{1, 2}, {3, 4}}));
  using Twice = std::variant<int, int, std::variant<int, std::string>>;
  EXPECT_EQ(RoundTrip(Twice(std::in_place_index<1>, 5)), Twice(std::in_place_index<1>, 5));
  EXPECT_EQ(RoundTrip(Twice(std::in_place_index<2>, "x")), Twice(std::in_place_index<2>, "x"));
  EXPECT_EQ(RoundTrip(kSurvey), kSurvey);
  EXPECT_EQ(RoundTrip(std::monostate()), std::monostate());
}

TEST(CodecTest, AnIndexThatIsNoneIsRefused) {
  using Choice = std::variant<int32_t, std::string>;
  const auto bytes_of = [](uint64_t index, const auto& value, int items = 2) {
    std::string bytes;
    CborWriter writer(bytes);
    writer.Array(static_cast<size_t>(items));
    writer.Unsigned(index);
    EncodeItem(writer, value);
    return bytes;
  };
  Choice choice;
  EXPECT_TRUE(DecodeMessage(bytes_of(1, std::string("x")), choice));
  EXPECT_EQ(choice, Choice("x"));
  EXPECT_FALSE(DecodeMessage(bytes_of(2, std::string("x")), choice));
  EXPECT_FALSE(DecodeMessage(bytes_of(uint64_t{1} << 32 | 1, std::string("x")), choice));
  EXPECT_FALSE(DecodeMessage(bytes_of(std::numeric_limits<uint64_t>::max(), std::string("x")), choice));
  EXPECT_FALSE(DecodeMessage(bytes_of(0, std::string("x")), choice));
  EXPECT_FALSE(DecodeMessage(bytes_of(1, std::string("x"), 1), choice));
  EXPECT_FALSE(DecodeMessage(bytes_of(1, std::string("x"), 3), choice));
}

TEST(CodecTest, AVariantWithoutAValueIsNoMessage) {
  struct Throws {
    operator int() const { throw 1; }
  };
  std::variant<std::string, std::deque<int>> lost;
  const std::array<Throws, 1> source;
  try {
    lost.emplace<std::deque<int>>(source.begin(), source.end());
  } catch (int) {
  }
  ASSERT_TRUE(lost.valueless_by_exception());
  std::string bytes;
  CborWriter writer(bytes);
  EncodeItem(writer, lost);
  EXPECT_TRUE(writer.value_missing());
  EXPECT_FALSE(DecodeMessage(bytes, lost));
}

TEST(CodecTest, SequencesAndSetsTravelAlikeWhateverTheyLieIn) {
  EXPECT_EQ(RoundTrip(std::deque<int>{1, -2}), (std::deque<int>{1, -2}));
  EXPECT_EQ(RoundTrip(std::list<double>{1, 2.5}), (std::list<double>{1, 2.5}));
  EXPECT_EQ(RoundTrip(std::deque<bool>{true, false}), (std::deque<bool>{true, false}));
  EXPECT_EQ(RoundTrip(std::list<std::string>{"a", "b"}), (std::list<std::string>{"a", "b"}));
  EXPECT_EQ(RoundTrip(std::set<std::string>{"a", "b"}), (std::set<std::string>{"a", "b"}));
  EXPECT_EQ(RoundTrip(std::unordered_set<int>{3, 4, 5}), (std::unordered_set<int>{3, 4, 5}));
  const absl::flat_hash_map<std::string, int> map{{"x", 1}, {"y", 2}};
  EXPECT_EQ(RoundTrip(map), map);

  std::string vector;
  EncodeMessage(vector, std::vector<int16_t>{1, 2, 3});
  std::string list;
  EncodeMessage(list, std::list<int16_t>{1, 2, 3});
  EXPECT_EQ(vector, list);
  EXPECT_EQ(Code<std::vector<int16_t>>(), Code<std::list<int16_t>>());

  std::string twice;
  EncodeMessage(twice, std::vector<std::string>{"a", "a"});
  std::set<std::string> set;
  EXPECT_FALSE(DecodeMessage(twice, set));
}

TEST(CodecTest, TimesPathsAndComplexNumbersKeepTheirValues) {
  using std::chrono::microseconds;
  using Frames = std::chrono::duration<int32_t, std::ratio<1, 30>>;
  EXPECT_EQ(RoundTrip(microseconds(-5)), microseconds(-5));
  EXPECT_EQ(RoundTrip(std::vector<Frames>{Frames(1), Frames(-2)}), (std::vector<Frames>{Frames(1), Frames(-2)}));
  const auto now = std::chrono::system_clock::now();
  EXPECT_EQ(RoundTrip(now), now);
  const auto steady = std::chrono::steady_clock::now();
  EXPECT_EQ(RoundTrip(std::optional(steady)), steady);
  for (const absl::Duration duration :
       {absl::ZeroDuration(), absl::Nanoseconds(1) / 4, -absl::Nanoseconds(1) / 4, absl::Seconds(-1.5), absl::Hours(1),
        absl::InfiniteDuration(), -absl::InfiniteDuration(), absl::Seconds(std::numeric_limits<int64_t>::max()),
        absl::Seconds(std::numeric_limits<int64_t>::min())}) {
    EXPECT_EQ(RoundTrip(duration), duration);
    EXPECT_EQ(RoundTrip(absl::UnixEpoch() + duration), absl::UnixEpoch() + duration);
  }
  EXPECT_EQ(RoundTrip(absl::InfiniteFuture()), absl::InfiniteFuture());
  EXPECT_EQ(RoundTrip(std::filesystem::path("/tmp/\xff")), std::filesystem::path("/tmp/\xff"));
  EXPECT_EQ(RoundTrip(std::complex<double>(1, -2)), std::complex<double>(1, -2));
  const std::vector<std::complex<float>> signal{{1, 2}, {3, 4}};
  EXPECT_EQ(RoundTrip(signal), signal);

  std::string bytes;
  EncodeMessage(bytes, std::tuple<int64_t, uint32_t>(1, 4'000'000'000));  // a second too much
  absl::Duration duration;
  EXPECT_FALSE(DecodeMessage(bytes, duration));
}

TEST(CodecTest, VectorsOfEnumsTravelAsThoseOfTheirNumbers) {
  std::string colours;
  EncodeMessage(colours, std::vector<Colour>{Colour::kBlue, Colour::kRed});
  std::string numbers;
  EncodeMessage(numbers, std::vector<uint8_t>{1, 0});
  EXPECT_EQ(Code<std::vector<Colour>>(), Code<std::vector<uint8_t>>());
  EXPECT_EQ(colours, numbers);
  EXPECT_EQ(RoundTrip(std::vector<Colour>{Colour::kBlue}), std::vector<Colour>{Colour::kBlue});
}

TEST(CodecTest, AMessageIsAllItsValuesAndNothingMore) {
  std::string bytes;
  EncodeMessage(bytes, uint32_t{5}, std::string("x"));
  uint32_t number = 0;
  std::string text;
  EXPECT_TRUE(DecodeMessage(bytes, number, text));
  EXPECT_FALSE(DecodeMessage(bytes + "y", number, text));
  EXPECT_FALSE(DecodeMessage(std::string_view(bytes).substr(0, bytes.size() - 1), number, text));
  EXPECT_FALSE(DecodeMessage(bytes, number));
}

TEST(CodecTest, WhatDoesNotFitTheTypeIsRefused) {
  std::string bytes;
  EncodeMessage(bytes, std::optional<int64_t>(-1));
  std::optional<uint8_t> small;
  EXPECT_FALSE(DecodeMessage(bytes, small));
  bytes.clear();
  EncodeMessage(bytes, std::optional<uint64_t>(256));
  EXPECT_FALSE(DecodeMessage(bytes, small));
  bool flag = false;
  EXPECT_FALSE(DecodeMessage(std::string(1, '\2'), flag));
  Padded padded;
  std::string raw(sizeof(Padded), '\0');
  raw[0] = 7;
  EXPECT_FALSE(DecodeMessage(raw, padded));
}

// Property: whatever the bytes are, decoding ends, touches nothing outside them and allocates no more than a small multiple
// of them. (The sanitizers watch the first two.)
template <class T>
void DamageAndDecode(const T& value) {
  std::string good;
  EncodeMessage(good, value);
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = good;
    for (unsigned flips = 1 + random() % 4; flips > 0; --flips) bytes[random() % bytes.size()] = static_cast<char>(random());
    if (random() % 4 == 0) bytes.resize(random() % (bytes.size() + 1));
    T decoded;
    if (DecodeMessage(bytes, decoded)) {
      std::string again;
      EncodeMessage(again, decoded);
      EXPECT_LE(again.size(), bytes.size());  // heads may have been longer than needed, never shorter
    }
  }
}
TEST(CodecTest, DamagedMessagesAreRefusedOrDecodedNeverWorse) {
  DamageAndDecode(kOrder);
  DamageAndDecode(kSurvey);
}

TEST(CodecTest, ALengthThatClaimsMoreThanThereIsAllocatesNothing) {
  const std::string claim("\x9b\x7f\xff\xff\xff\xff\xff\xff\xff", 9);  // an array of 2^63 - 1 items
  std::vector<std::string> strings;
  EXPECT_FALSE(DecodeMessage(claim, strings));
  const std::string text("\x5b\x7f\xff\xff\xff\xff\xff\xff\xff", 9);  // as many bytes
  std::string target;
  EXPECT_FALSE(DecodeMessage(text, target));
}

TEST(WireTypeTest, CodesNameKindsSizesAndOffsets) {
  EXPECT_EQ(Code<bool>(), "b");
  EXPECT_EQ(Code<long>(), "i8");
  EXPECT_EQ(Code<long long>(), Code<long>());
  EXPECT_EQ(Code<Colour>(), "u1");
  EXPECT_EQ(Code<Point>(), "<16@0:f8,8:f8>");
  EXPECT_EQ(Code<Order>(), "<u8,s,[<16@0:f8,8:f8>],{s,?i4},(b,f4)>");
  EXPECT_EQ((Code<std::array<Point, 2>>()), "#2:<16@0:f8,8:f8>");
  EXPECT_EQ(Code<Answer>(), "|n,b,s,[<16@0:f8,8:f8>]|");
  EXPECT_EQ((Code<std::variant<std::variant<int, bool>, std::set<int>>>()), "||i4,b|,{i4}|");
  EXPECT_EQ(Code<std::deque<std::string>>(), "[s]");
  EXPECT_EQ((Code<absl::flat_hash_map<int, bool>>()), "{i4,b}");
  EXPECT_EQ(Code<std::chrono::milliseconds>(), "~milliseconds:i8");
  EXPECT_EQ((Code<std::chrono::duration<float, std::ratio<1, 30>>>()), "~seconds.1.30:f4");
  EXPECT_EQ(Code<std::chrono::system_clock::time_point>(), "~system_clock.nanoseconds:i8");
  EXPECT_EQ(Code<absl::Duration>(), "~absl.Duration:(i8,u4)");
  EXPECT_EQ(Code<std::filesystem::path>(), "~path:s");
  EXPECT_EQ(Code<std::complex<float>>(), "~complex:#2:f4");
  EXPECT_EQ((SignatureCode<bool, uint64_t, std::string>()), "(u8,s)->b");
  EXPECT_EQ((SignatureCode<void>()), "()->v");
}

// A type that contains itself.
struct Tree {
  std::vector<Tree> branches;
};

// Item in item in item, as a stranger may send it: refused, wherever the stack would have ended.
TEST(CodecTest, NestingHasAnEnd) {
  std::string hostile;
  for (int i = 0; i < 4'000'000; ++i) hostile += '\x81';  // an array of one, which is a struct, or a vector
  Tree tree;
  EXPECT_FALSE(DecodeMessage(hostile, tree));

  const auto depth_of = [](const Tree& top) {
    int depth = 1;
    for (const Tree* at = &top; !at->branches.empty(); at = &at->branches[0]) ++depth;
    return depth;
  };
  const auto tree_of = [](int depth) {
    Tree top;
    Tree* at = &top;
    for (int i = 1; i < depth; ++i) at = &at->branches.emplace_back();
    return top;
  };
  constexpr int kDeepest = kMaxCborDepth / 2;  // a struct and a vector each
  EXPECT_EQ(depth_of(RoundTrip(tree_of(kDeepest))), kDeepest);
  for (const int depth : {kDeepest, kDeepest + 1}) {
    std::string bytes;
    CborWriter writer(bytes);
    EncodeItem(writer, tree_of(depth));
    EXPECT_EQ(writer.too_deep(), depth > kDeepest);
  }
}

}  // namespace
}  // namespace shoal::ipc_internal
