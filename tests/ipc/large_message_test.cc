// Messages of a gibibyte, and of one byte more.

#include <cstddef>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "shoal/ipc/connection.h"
#include "shoal/ipc/pipe.h"
#include "shoal/ipc/queue.h"
#include "shoal/shm/segment.h"

namespace shoal {
namespace {

constexpr size_t kGibibyte = size_t{1} << 30;

// A text in which no two pages are the same.
std::string Text(size_t bytes) {
  std::string text(bytes, 'x');
  for (size_t at = 0; at < bytes; at += 4096) text.replace(at, 1, 1, static_cast<char>('a' + at / 4096 % 23));
  return text;
}

class LargeMessageTest : public testing::Test {
 protected:
  const Segment segment_ = Segment::Create({.limit_bytes = 3 * kGibibyte}).value();
};

TEST_F(LargeMessageTest, ThroughAQueue) {
  auto queue = Queue<std::string>::Create({.segment = &segment_}).value();
  const std::string sent = Text(kGibibyte + 1);
  ASSERT_TRUE(queue.Put(sent).ok());
  ASSERT_TRUE(queue.Put(std::string()).ok());
  const auto got = queue.Get();
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_TRUE(*got == sent) << got->size();
  EXPECT_EQ(queue.Get().value(), "");
}

TEST_F(LargeMessageTest, ThroughAPipe) {
  auto [near, far] = Pipe<std::string>({.segment = &segment_}).value();
  const std::string sent = Text(kGibibyte);
  ASSERT_TRUE(near.Send(sent).ok());
  const auto got = far.Recv();
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_TRUE(*got == sent) << got->size();
}

}  // namespace
}  // namespace shoal
