// A queue whose bytes somebody has written over: every call ends with a status, or a right or wrong answer; none crashes, hangs, or
// touches what is not the segment's (AddressSanitizer sees the rest).

#include <stdio.h>
#include <stdlib.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "shoal/ipc/queue.h"
#include "shoal/shm/atomic.h"
#include "shoal/shm/message_cells.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/shared.h"

namespace shoal {

struct Letter {
  std::string text;
  std::vector<std::string> lines;
  std::variant<std::monostate, std::string, Shared<Atomic<int>>> choice;
  Shared<Atomic<int>> object;
};

namespace {

class QueueFuzz {
 public:
  explicit QueueFuzz(uint64_t seed) : random_(seed), segment_(Segment::Create({.limit_bytes = size_t{1} << 20}).value()) {}

  void Run() {
    const bool acknowledge = random_() % 2 == 0;
    auto made = Queue<Letter>::Create({.segment = &segment_, .capacity = 1 + random_() % 8, .acknowledge = acknowledge});
    ASSERT_TRUE(made.ok());
    queue_ = *std::move(made);
    object_ = segment_.New<Atomic<int>>(1).value();
    for (int i = 0; i < 20; ++i) Use();
    for (int round = 0; round < 8; ++round) {
      Scribble();
      for (int i = 0; i < 6; ++i) Use();
    }
    queue_ = {};
    object_ = {};
    segment_.Reap();
  }

 private:
  void Scribble() {
    auto* const object = reinterpret_cast<std::byte*>(queue_.shared().get());
    // Where the cells are is known from before: a handle has looked at it once.
    if (cells_.empty()) {
      shm_internal::CellTable table;
      std::memcpy(&table, object, sizeof(table));
      cells_ = segment_.BytesAt(table.block, table.first + size_t{table.count} * table.stride);
    }
    const std::span<std::byte> places[] = {{object, sizeof(*queue_.shared().get())}, cells_, cells_};
    const int count = 1 + static_cast<int>(random_() % 4);
    for (int i = 0; i < count; ++i) {
      const std::span<std::byte> place = places[random_() % 3];
      const size_t at = random_() % (place.size() / 8) * 8;
      uint64_t word;
      std::memcpy(&word, place.data() + at, sizeof(word));
      switch (random_() % 4) {
        case 0:
          word = random_();
          break;
        case 1:
          word ^= uint64_t{1} << random_() % 64;
          break;
        case 2:
          word = random_() % 16;
          break;
        default:
          word += random_() % 3 - 1;
          break;
      }
      std::memcpy(place.data() + at, &word, sizeof(word));
    }
  }

  void Use() {
    switch (random_() % 9) {
      case 0:
      case 1:
        queue_.Put({.text = std::string(random_() % 400, 'x'), .lines = {"a", "b"}, .choice = Choice(), .object = object_},
                   absl::ZeroDuration())
            .IgnoreError();
        break;
      case 2:
      case 3:
        queue_.Get(absl::ZeroDuration()).status().IgnoreError();
        break;
      case 4:
        queue_.Receive(absl::ZeroDuration()).status().IgnoreError();
        break;
      case 5:
        queue_.Done().IgnoreError();
        break;
      case 6:
        EXPECT_LE(queue_.size(), 8u);
        break;
      case 7:
        static_cast<void>(queue_.full());
        break;
      default:
        if (random_() % 20 == 0) queue_.Close();
        break;
    }
  }

  decltype(Letter::choice) Choice() {
    switch (random_() % 3) {
      case 0:
        return {};
      case 1:
        return std::string(random_() % 50, 'y');
      default:
        return object_;
    }
  }

  std::mt19937_64 random_;
  Segment segment_;
  Queue<Letter> queue_;
  Shared<Atomic<int>> object_;
  std::span<std::byte> cells_;
};

TEST(QueueFuzzTest, RandomBytesAreAStatus) {
  const char* const given = getenv("SHOAL_FUZZ_SEED");
  const uint64_t seed = given != nullptr ? strtoull(given, nullptr, 10) : std::random_device()();
  printf("SHOAL_FUZZ_SEED=%lu\n", seed);
  for (uint64_t i = 0; i < 300; ++i) QueueFuzz(seed + i).Run();
}

}  // namespace
}  // namespace shoal
