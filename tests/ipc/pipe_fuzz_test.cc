// A pipe whose bytes somebody writes over while both ends use it: every call ends with a status, or a right or wrong answer; none crashes,
// hangs, or touches what is not the segment's (AddressSanitizer sees the rest).

#include <stdio.h>
#include <stdlib.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "shoal/ipc/connection.h"
#include "shoal/ipc/pipe.h"
#include "shoal/ipc/pipe_core.h"
#include "shoal/shm/atomic.h"
#include "shoal/shm/message_cells.h"
#include "shoal/shm/object.h"
#include "shoal/shm/pipe_ends.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/shared.h"

namespace shoal {

struct Parcel {
  std::string text;
  std::vector<std::string> lines;
  Shared<Atomic<int>> object;
  Connection<int> end;
};

struct Weight {
  uint64_t numbers[3];
  bool heavy;
};

namespace {

using ipc_internal::PipeCore;

// The pipe that is written over, T one way and Weight the other.
template <class T>
class PipeFuzz {
 public:
  explicit PipeFuzz(uint64_t seed) : random_(seed), segment_(Segment::Create({.limit_bytes = size_t{1} << 20}).value()) {}

  void Run() {
    auto made =
        Pipe<T, Weight>({.segment = &segment_, .capacity = uint32_t{1} << random_() % 4, .spin = random_() % 2 == 0});
    ASSERT_TRUE(made.ok());
    object_ = segment_.New<Atomic<int>>(1).value();
    first_ = std::move(made->first);
    second_ = std::move(made->second);
    Locate();
    for (int i = 0; i < 20; ++i) Use(random_);
    for (int round = 0; round < 8; ++round) {
      Scribble();
      for (int i = 0; i < 6; ++i) Use(random_);
    }
    // The same with somebody who writes while others are inside.
    std::atomic<bool> over = false;
    std::thread scribbler([this, &over] {
      while (!over) Scribble();
    });
    std::mt19937_64 random(random_());
    for (int i = 0; i < 40; ++i) Use(random);
    over = true;
    scribbler.join();
    first_ = {};
    second_ = {};
    object_ = {};
    segment_.Reap();
  }

 private:
  // A ticket says where the pipe lies.
  void Locate() {
    const auto ticket = second_.HandOver();
    ASSERT_TRUE(ticket.ok());
    const uint64_t object = shm_internal::StoredEnd::Offset(shm_internal::TicketNumber::Name(ticket->number())) + sizeof(shm_internal::ObjectHeader);
    core_ = segment_.BytesAt(object, sizeof(PipeCore));
    auto back = Connection<Weight, T>::Take(segment_, ticket->number());
    ASSERT_TRUE(back.ok()) << back.status();
    second_ = *std::move(back);
    for (const size_t side : {0, 1}) {
      shm_internal::CellTable table;
      std::memcpy(&table, &reinterpret_cast<const PipeCore*>(core_.data())->cells[side], sizeof(table));
      cells_[side] = segment_.BytesAt(table.block, table.first + size_t{table.count} * table.stride);
    }
  }

  // Word by word, as a stranger's stores would come.
  void Scribble() {
    const std::span<std::byte> places[] = {core_, cells_[0], cells_[1]};
    const int count = 1 + static_cast<int>(scribble_() % 4);
    for (int i = 0; i < count; ++i) {
      const std::span<std::byte> place = places[scribble_() % 3];
      const std::atomic_ref<uint64_t> at(*reinterpret_cast<uint64_t*>(place.data() + scribble_() % (place.size() / 8) * 8));
      const uint64_t word = at.load(std::memory_order_relaxed);  // relaxed, here and below: nonsense is what it is for
      const uint64_t other[] = {scribble_(), word ^ uint64_t{1} << scribble_() % 64, scribble_() % 16,
                                word + scribble_() % 3 - 1};
      at.store(other[scribble_() % 4], std::memory_order_relaxed);
    }
  }

  void Send() {
    if constexpr (std::is_same_v<T, Parcel>) {
      Parcel parcel = {.text = std::string(random_() % 400, 'x'), .lines = {"a", "b"}, .object = object_, .end = {}};
      if (random_() % 3 == 0) {
        if (auto inner = Pipe<int>({.segment = &segment_, .capacity = 1}); inner.ok()) parcel.end = std::move(inner->first);
      }
      first_.Send(std::move(parcel), absl::ZeroDuration()).IgnoreError();
    } else {
      first_.Send(T{}, absl::ZeroDuration()).IgnoreError();
    }
  }

  void Use(std::mt19937_64& random) {
    switch (random() % 13) {
      case 0:
      case 1:
        Send();
        break;
      case 2:
      case 3:
        second_.Recv(absl::ZeroDuration()).status().IgnoreError();
        break;
      case 4:
        second_.Send(Weight{}, absl::ZeroDuration()).IgnoreError();
        break;
      case 5:
        first_.Recv(absl::ZeroDuration()).status().IgnoreError();
        break;
      case 6:
        static_cast<void>(first_.Poll(absl::ZeroDuration()));
        break;
      case 7:
        static_cast<void>(second_.Poll(absl::Microseconds(50)));
        break;
      case 8:
        second_.Send(Weight{}, absl::Microseconds(50)).IgnoreError();
        break;
      case 9:
        if (auto loan = second_.Loan(absl::ZeroDuration()); loan.ok()) {
          **loan = {.numbers = {1, 2, 3}, .heavy = true};
          if (random() % 2 == 0) loan->Publish().IgnoreError();
        }
        break;
      case 10:
        if (const auto got = first_.RecvInPlace(absl::ZeroDuration()); got.ok()) seen_ = (*got)->numbers[0];
        break;
      case 11:
        if (random() % 10 == 0) {
          if (auto ticket = first_.HandOver(); ticket.ok()) {
            if (auto back = Connection<T, Weight>::Take(segment_, ticket->number()); back.ok()) first_ = *std::move(back);
          }
        }
        break;
      default:
        if (random() % 20 == 0) (random() % 2 == 0 ? first_.Close() : second_.Close());
        break;
    }
  }

  std::mt19937_64 random_;
  std::mt19937_64 scribble_{random_()};
  Segment segment_;
  Connection<T, Weight> first_;
  Connection<Weight, T> second_;
  Shared<Atomic<int>> object_;
  volatile uint64_t seen_ = 0;  // so that what was received is read
  std::span<std::byte> core_;
  std::array<std::span<std::byte>, 2> cells_;
};

uint64_t Seed() {
  const char* const given = getenv("SHOAL_FUZZ_SEED");
  const uint64_t seed = given != nullptr ? strtoull(given, nullptr, 10) : std::random_device()();
  printf("SHOAL_FUZZ_SEED=%lu\n", seed);
  return seed;
}

TEST(PipeFuzzTest, RandomBytesAreAStatusToThoseWhoSendValues) {
  const uint64_t seed = Seed();
  for (uint64_t i = 0; i < 200; ++i) PipeFuzz<Weight>(seed + i).Run();
}
TEST(PipeFuzzTest, RandomBytesAreAStatusToThoseWhoSendTextsAndHandles) {
  const uint64_t seed = Seed();
  for (uint64_t i = 0; i < 200; ++i) PipeFuzz<Parcel>(seed + i).Run();
}

}  // namespace
}  // namespace shoal
