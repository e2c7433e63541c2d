#include "shoal/cli/call_window.h"

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "shoal/pool/job.h"

namespace shoal::cli_internal {
namespace {

constexpr size_t kPlenty = 1'000'000;

std::vector<NewCall> Calls(const std::vector<std::string>& arguments) {
  std::vector<NewCall> calls;
  for (const std::string& argument : arguments) {
    NewCall call{.arguments = argument, .input_bytes = 10};
    if (argument == "bad") call.arguments = absl::InvalidArgumentError("bad line");
    calls.push_back(std::move(call));
  }
  return calls;
}

void Finish(CallWindow& window, size_t item, const std::string& bytes) {
  window.Finish(item, {.status = absl::OkStatus(), .bytes = bytes});
}

// "0:a 1:b", until nothing more comes.
std::string TakeAll(CallWindow& window) {
  std::string all;
  std::vector<EndedCall> ended;
  while (window.Take(ended)) {
    for (const EndedCall& call : ended) {
      all += std::to_string(call.index) + ":" +
             (call.bytes.ok() ? *call.bytes : std::string(call.bytes.status().message())) + " ";
    }
  }
  return all;
}

TEST(CallWindowTest, ResultsComeInTheOrderOfTheLines) {
  CallWindow window({}, /*ordered=*/true, kPlenty, kPlenty);
  EXPECT_EQ(window.Append(Calls({"a", "b", "c"})), 3u);
  Finish(window, 2, "C");
  Finish(window, 0, "A");
  Finish(window, 1, "B");
  window.EndInput();
  EXPECT_EQ(TakeAll(window), "0:A 1:B 2:C ");
}

TEST(CallWindowTest, ResultsComeAsTheyEndWithoutOrder) {
  CallWindow window({}, /*ordered=*/false, kPlenty, kPlenty);
  EXPECT_EQ(window.Append(Calls({"a", "b", "c"})), 3u);
  Finish(window, 2, "C");
  Finish(window, 0, "A");
  Finish(window, 1, "B");
  window.EndInput();
  EXPECT_EQ(TakeAll(window), "2:C 0:A 1:B ");
}

TEST(CallWindowTest, LinesThatMakeNoCallKeepTheirPlace) {
  for (const bool ordered : {true, false}) {
    CallWindow window({}, ordered, kPlenty, kPlenty);
    EXPECT_EQ(window.Append(Calls({"bad", "b", "bad", "d"})), 2u);
    std::string bytes;
    window.Encode(0, bytes);
    window.Encode(1, bytes);
    EXPECT_EQ(bytes, "bd");
    Finish(window, 0, "B");
    Finish(window, 1, "D");
    window.EndInput();
    EXPECT_EQ(TakeAll(window), ordered ? "0:bad line 1:B 2:bad line 3:D " : "0:bad line 2:bad line 1:B 3:D ");
    EXPECT_EQ(window.totals().calls, 4u);
    EXPECT_EQ(window.totals().failed, 2u);
    EXPECT_EQ(window.totals().input_bytes, 40u);
  }
}

TEST(CallWindowTest, ArgumentsCanBeEncodedAgainUntilTheCallEnds) {
  CallWindow window({}, true, kPlenty, kPlenty);
  EXPECT_EQ(window.Append(Calls({"a"})), 1u);
  std::string bytes;
  window.Encode(0, bytes);
  window.Encode(0, bytes);
  EXPECT_EQ(bytes, "aa");
}

TEST(CallWindowTest, AStoppedWindowHandsOutWhatHadEndedInOrderAndNoMore) {
  CallWindow window({}, true, kPlenty, kPlenty);
  EXPECT_EQ(window.Append(Calls({"a", "b", "c"})), 3u);
  Finish(window, 0, "A");
  Finish(window, 2, "C");
  window.Stop();
  window.Finish(1, {.status = absl::CancelledError("terminated"), .bytes = {}});
  EXPECT_EQ(TakeAll(window), "0:A ");
  EXPECT_FALSE(window.WaitForRoom());
}

// Property: a reader that is faster than the pool and a printer that is faster than the reader never have more than the window
// between them, and nothing is lost. Also with a thread that ends calls from the back.
TEST(CallWindowTest, NeverHoldsMoreThanItsSize) {
  constexpr size_t kSize = 8;
  constexpr size_t kCalls = 10'000;
  for (const bool ordered : {true, false}) {
    CallWindow window({}, ordered, kSize, kPlenty);
    std::thread reader([&] {
      for (size_t i = 0; i < kCalls; i += 2) {
        ASSERT_TRUE(window.WaitForRoom());
        ASSERT_EQ(window.Append(Calls({"x", "y"})), 2u);
        Finish(window, i + 1, "Y");
        Finish(window, i, "X");
      }
      window.EndInput();
    });
    size_t taken = 0;
    std::vector<EndedCall> ended;
    while (window.Take(ended)) {
      EXPECT_LE(ended.size(), kSize + 1);
      taken += ended.size();
    }
    reader.join();
    EXPECT_EQ(taken, kCalls);
  }
}

TEST(CallWindowTest, BytesFillTheWindowToo) {
  CallWindow window({}, true, kPlenty, /*most_bytes=*/100);
  ASSERT_TRUE(window.WaitForRoom());
  EXPECT_EQ(window.Append(Calls({std::string(101, 'x')})), 1u);
  bool may_go_on = false;
  std::thread reader([&] { may_go_on = window.WaitForRoom(); });
  Finish(window, 0, std::string(101, 'y'));
  std::vector<EndedCall> ended;
  EXPECT_TRUE(window.Take(ended));
  reader.join();
  EXPECT_TRUE(may_go_on);
}

}  // namespace
}  // namespace shoal::cli_internal
