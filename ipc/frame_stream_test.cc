#include "shoal/ipc/frame_stream.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "shoal/ipc/byte_ring.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/unique_fd.h"

namespace shoal::ipc_internal {
namespace {

constexpr size_t kCapacity = 1024;
constexpr uint64_t kLimit = 1 << 20;

struct Channel {
  Segment segment = *Segment::Create({.limit_bytes = 1 << 16});
  RingPlace place = *AllocateRing(segment, kCapacity);
  RingView ring = *ViewRing(segment, place);
};

std::span<const std::byte> Bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

std::string Text(const Frame& frame) { return {reinterpret_cast<const char*>(frame.bytes.data()), frame.bytes.size()}; }

// Frame number i has a size and a content that follow from i.
std::string Content(uint64_t i) { return std::string((i * 7919) % 3000, static_cast<char>('a' + i % 26)); }

// Property: frames of all sizes, smaller and larger than the ring, arrive whole, in order, once.
void Produce(const RingView& ring, int frames) {
  FrameSender sender(ring);
  for (int i = 0; i < frames; ++i) {
    ASSERT_TRUE(sender.Append({.kind = 1, .id = static_cast<uint64_t>(i)}, Bytes(Content(i))).ok());
    do {
      ASSERT_TRUE(sender.Publish().ok());
      if (!sender.drained()) std::this_thread::yield();
    } while (!sender.drained());
  }
}
void Consume(const RingView& ring, int frames) {
  FrameReceiver receiver(ring, kLimit);
  for (int i = 0; i < frames;) {
    const auto frame = receiver.Next();
    ASSERT_TRUE(frame.ok()) << frame.status();
    if (frame->has_value()) {
      ASSERT_EQ((*frame)->header.id, static_cast<uint64_t>(i));
      ASSERT_EQ(Text(**frame), Content(i));
      ++i;
    } else {
      std::this_thread::yield();
    }
    receiver.Release();
  }
}

TEST(FrameStreamTest, FramesOfEverySizeArriveWholeAndInOrderBetweenThreads) {
  Channel channel;
  std::thread producer([&] { Produce(channel.ring, 3000); });
  Consume(channel.ring, 3000);
  producer.join();
}

TEST(FrameStreamTest, TheSameBetweenTwoMappings) {
  Channel channel;
  auto other = Segment::Attach(shm_internal::UniqueFd(fcntl(channel.segment.fd(), F_DUPFD_CLOEXEC, 0)));
  ASSERT_TRUE(other.ok());
  const auto ring = ViewRing(*other, channel.place);
  ASSERT_TRUE(ring.ok());
  std::thread producer([&] { Produce(*ring, 3000); });
  Consume(channel.ring, 3000);
  producer.join();
}

TEST(FrameStreamTest, TheSameBetweenProcesses) {
  Channel channel;
  const pid_t child = fork();
  if (child == 0) {
    Produce(channel.ring, 3000);
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  Consume(channel.ring, 3000);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(FrameStreamTest, WhatADeadProducerHadNotPublishedNeverArrives) {
  Channel channel;
  {
    FrameSender sender(channel.ring);
    ASSERT_TRUE(sender.Append({.id = 1}, Bytes("seen")).ok());
    ASSERT_TRUE(*sender.Publish());
    ASSERT_TRUE(sender.Append({.id = 2}, Bytes("lost")).ok());
  }
  FrameReceiver receiver(channel.ring, kLimit);
  auto frame = receiver.Next();
  ASSERT_TRUE(frame.ok() && frame->has_value());
  EXPECT_EQ(Text(**frame), "seen");
  frame = receiver.Next();
  EXPECT_TRUE(frame.ok() && !frame->has_value());
}

TEST(FrameStreamTest, TheProducerIsToldOfRoomOnlyWhenItAskedForIt) {
  Channel channel;
  FrameSender sender(channel.ring);
  FrameReceiver receiver(channel.ring, kLimit);
  ASSERT_TRUE(sender.Append({}, Bytes(std::string(600, 'x'))).ok());
  ASSERT_TRUE(sender.Append({}, Bytes(std::string(600, 'y'))).ok());
  ASSERT_TRUE(*sender.Publish());
  ASSERT_FALSE(sender.drained());
  ASSERT_TRUE((*receiver.Next()).has_value());
  EXPECT_FALSE(receiver.Release());
  sender.AskForRoom();
  ASSERT_FALSE((*receiver.Next()).has_value());
  EXPECT_TRUE(receiver.Release());
  EXPECT_FALSE(receiver.Release());
  ASSERT_TRUE(*sender.Publish());
  EXPECT_TRUE(sender.drained());
  EXPECT_TRUE((*receiver.Next()).has_value());
}

TEST(FrameStreamTest, AFrameThatClaimsMoreThanTheLimitIsDataLoss) {
  Channel channel;
  FrameSender sender(channel.ring);
  ASSERT_TRUE(sender.Append({}, Bytes(std::string(200, 'x'))).ok());
  ASSERT_TRUE(*sender.Publish());
  FrameReceiver receiver(channel.ring, 100);
  EXPECT_EQ(receiver.Next().status().code(), absl::StatusCode::kDataLoss);
}

// Property: a peer that scribbles over the whole ring, positions included, never makes the receiver hang, crash or read
// outside the ring: each call returns a frame, nothing, or DataLoss.
TEST(FrameStreamTest, RandomBytesInTheRingAreDataLossOrFramesNeverWorse) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 2000; ++round) {
    Channel channel;
    for (std::byte& byte : channel.ring.bytes) byte = random() % 3 == 0 ? std::byte(random()) : std::byte{0};
    channel.ring.state->tail.store(random() % 2 == 0 ? random() : random() % (2 * kCapacity));
    FrameReceiver receiver(channel.ring, kLimit);
    for (int i = 0; i < 100; ++i) {
      const auto frame = receiver.Next();
      if (!frame.ok()) break;
      receiver.Release();
    }
    channel.ring.state->head.store(random());
    FrameSender sender(channel.ring);
    for (int i = 0; i < 10; ++i) {
      if (!sender.Append({}, Bytes(std::string(300, 'z'))).ok() || !sender.Publish().ok()) break;
    }
  }
}

}  // namespace
}  // namespace shoal::ipc_internal
