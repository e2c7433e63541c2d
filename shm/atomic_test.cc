#include "shoal/shm/atomic.h"

#include <atomic>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "shoal/shm/shareable.h"

namespace shoal {
namespace {

enum class State : uint8_t { kIdle, kBusy };

static_assert(Concurrent<Atomic<int>> && Concurrent<Atomic<State>> && Concurrent<Atomic<Atomic<int>::value_type>>);
static_assert(!Guardable<Atomic<int>> && kContainsConcurrent<Atomic<bool>>);
static_assert(sizeof(Atomic<bool>) == 1 && sizeof(Atomic<int64_t>) == 8 && sizeof(Atomic<float>) == 4);

template <class T>
concept Adds = requires(Atomic<T>& value) {
  value.fetch_add(T{});
};
template <class T>
concept HasBits = requires(Atomic<T>& value) {
  value.fetch_or(T{});
};
static_assert(Adds<int> && Adds<double> && !Adds<bool> && !Adds<State>);
static_assert(HasBits<uint8_t> && !HasBits<double> && !HasBits<bool>);

TEST(AtomicTest, ZeroFilledMemoryIsAValidAtomic) {
  alignas(Atomic<int64_t>) unsigned char memory[sizeof(Atomic<int64_t>)] = {};
  EXPECT_EQ(reinterpret_cast<Atomic<int64_t>*>(memory)->load(), 0);
}

TEST(AtomicTest, EveryOperationReturnsTheValueBeforeIt) {
  Atomic<int> value = 5;
  EXPECT_EQ(value.fetch_add(3), 5);
  EXPECT_EQ(value.fetch_sub(2, std::memory_order_relaxed), 8);
  EXPECT_EQ(value.fetch_and(4), 6);
  EXPECT_EQ(value.fetch_or(3), 4);
  EXPECT_EQ(value.fetch_xor(1), 7);
  EXPECT_EQ(value.exchange(10), 6);
  EXPECT_EQ(value++, 10);
  EXPECT_EQ(++value, 12);
  EXPECT_EQ(value--, 12);
  EXPECT_EQ(--value, 10);
  value.store(1, std::memory_order_release);
  EXPECT_EQ(value.load(std::memory_order_acquire), 1);
}

TEST(AtomicTest, SignedNumbersWrapAround) {
  Atomic<int8_t> value = std::numeric_limits<int8_t>::max();
  EXPECT_EQ(++value, std::numeric_limits<int8_t>::min());
}

TEST(AtomicTest, CompareExchangeTellsWhatItFound) {
  Atomic<State> state;
  State expected = State::kBusy;
  EXPECT_FALSE(state.compare_exchange_strong(expected, State::kIdle));
  EXPECT_EQ(expected, State::kIdle);
  EXPECT_TRUE(state.compare_exchange_strong(expected, State::kBusy));
  EXPECT_EQ(state.load(), State::kBusy);
  while (!state.compare_exchange_weak(expected, State::kIdle)) {
  }
  EXPECT_EQ(state.load(), State::kIdle);
}

TEST(AtomicTest, ABoolFromForeignBytesIsTrueOrFalse) {
  Atomic<bool> flag;
  std::memset(static_cast<void*>(&flag), 0x82, sizeof(flag));
  EXPECT_EQ(flag.load(), true);
  bool expected = false;
  EXPECT_FALSE(flag.compare_exchange_strong(expected, true));
  EXPECT_TRUE(expected);
}

TEST(AtomicTest, FloatingPointNumbersAdd) {
  Atomic<double> sum = 0.5;
  EXPECT_EQ(sum.fetch_add(0.25), 0.5);
  EXPECT_EQ(sum.load(), 0.75);
}

// No addition is lost.
TEST(AtomicTest, AdditionsFromSeveralThreadsAddUp) {
  Atomic<uint64_t> count;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 10000; ++n) count.fetch_add(1, std::memory_order_relaxed);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(count.load(), 40000u);
}

}  // namespace
}  // namespace shoal
