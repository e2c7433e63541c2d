// What nobody hopes for: messages that make no sense among those that do, and values for which there is no memory.

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shoal/ipc/pipe.h"
#include "shoal/ipc/queue.h"
#include "shoal/shm/segment.h"
#include "shoal/tests/ipc/queue_world.h"

namespace shoal {
namespace {

using testing::ElementsAre;
using Lines = std::vector<std::string>;

constexpr absl::Duration kAtOnce = absl::ZeroDuration();

// Writes over the head of every text `to_be_damaged`.
void Damage(const Segment& segment, std::string_view to_be_damaged) {
  const std::span<std::byte> all = tests::HeapOf(segment);
  const std::string_view bytes(reinterpret_cast<const char*>(all.data()), all.size());
  for (size_t at = 0; (at = bytes.find(to_be_damaged, at)) != bytes.npos; ++at) std::memset(all.data() + at - 1, 0xff, 2);
}

TEST(QueueDamageTest, WhatMakesNoSenseBehindOthersIsToldByTheNextCall) {
  for (const bool acknowledge : {false, true}) {
    for (const size_t padding : {0, 1000}) {  // in the cell, and in a block
      auto segment = Segment::Create({.limit_bytes = size_t{4} << 20}).value();
      auto queue = Queue<Lines>::Create({.segment = &segment, .acknowledge = acknowledge}).value();
      const std::string more(padding, 'x');
      for (const char* line : {"one", "to be damaged", "three", "four"}) ASSERT_TRUE(queue.Put({line, more}).ok());
      Damage(segment, "to be damaged");
      EXPECT_THAT(queue.GetMany(10).value(), ElementsAre(Lines{"one", more}));
      EXPECT_TRUE(absl::IsDataLoss(queue.GetMany(10).status()));
      EXPECT_THAT(queue.GetMany(10).value(), ElementsAre(Lines{"three", more}, Lines{"four", more}));
      EXPECT_TRUE(absl::IsDeadlineExceeded(queue.GetMany(10, kAtOnce).status()));
    }
  }
}

thread_local bool no_memory = false;

// An allocator that can be told to have nothing.
template <class T>
struct Scarce {
  using value_type = T;
  Scarce() = default;
  template <class U>
  Scarce(const Scarce<U>&) {}
  T* allocate(size_t count) {
    if (no_memory) throw std::bad_alloc();
    return std::allocator<T>().allocate(count);
  }
  void deallocate(T* at, size_t count) { std::allocator<T>().deallocate(at, count); }
  friend bool operator==(const Scarce&, const Scarce&) { return true; }
};
using Numbers = std::vector<int, Scarce<int>>;
using Encoded = std::vector<Numbers>;

template <class F>
void IsRefusedWithoutMemory(F call) {
  no_memory = true;
  EXPECT_TRUE(absl::IsResourceExhausted(call().status()));
  no_memory = false;
}

template <class T>
void AMessageWithoutMemoryStays(const T& value) {
  for (const bool acknowledge : {false, true}) {
    auto segment = Segment::Create({.limit_bytes = size_t{4} << 20}).value();
    auto queue = Queue<T>::Create({.segment = &segment, .capacity = 1, .acknowledge = acknowledge}).value();
    for (int i = 0; i < 50; ++i) {  // more often than there are cells
      ASSERT_TRUE(queue.Put(value, kAtOnce).ok());
      IsRefusedWithoutMemory([&] { return queue.Get(kAtOnce); });
      IsRefusedWithoutMemory([&] { return queue.GetMany(1, kAtOnce); });
      IsRefusedWithoutMemory([&] { return queue.Receive(kAtOnce); });
      ASSERT_EQ(queue.Get(kAtOnce).value(), value);
      if (acknowledge) {
        ASSERT_TRUE(queue.Done().ok());
      }
    }
  }
}

TEST(QueueDamageTest, AMessageForWhichThereIsNoMemoryStaysInTheQueue) {
  AMessageWithoutMemoryStays(Numbers{1, 2, 3});
  AMessageWithoutMemoryStays(Numbers(1000, 7));
  AMessageWithoutMemoryStays(Encoded{{1, 2, 3}, {4}});
  AMessageWithoutMemoryStays(Encoded{Numbers(1000, 7), {4}});
}

TEST(QueueDamageTest, AMessageForWhichThereIsNoMemoryStaysInThePipe) {
  auto segment = Segment::Create({.limit_bytes = size_t{4} << 20}).value();
  auto [first, second] = Pipe<Encoded>({.segment = &segment, .capacity = 1}).value();
  for (const Encoded& value : {Encoded{{1, 2, 3}, {4}}, Encoded{Numbers(1000, 7)}}) {
    ASSERT_TRUE(first.Send(value, kAtOnce).ok());
    for (int i = 0; i < 2; ++i) IsRefusedWithoutMemory([&, &end = second] { return end.Recv(kAtOnce); });
    EXPECT_EQ(second.Recv(kAtOnce).value(), value);
  }
}

}  // namespace
}  // namespace shoal
