// Somebody writes over one of a segment's own locks: its word names a thread that has never had it, and that does not die.

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "shoal/shm/array.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/layout.h"
#include "shoal/shm/ledger.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/shared.h"
#include "shoal/shm/value.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/robust_list.h"
#include "shoal/sync/robust_lock.h"
#include "shoal/tests/shm/object_world.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal {
namespace {

using shm_internal::Attachment;
using shm_internal::SegmentHeader;
using sync_internal::RobustWord;

// A process that has nothing to do with any segment.
class Stranger {
 public:
  Stranger() {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    pid_ = fork();
    if (pid_ == 0) {
      execl("/bin/sleep", "sleep", "1000", nullptr);
      _exit(1);
    }
    close(ends[1]);
    char byte;
    EXPECT_EQ(read(ends[0], &byte, 1), 0) << "exec closes it";
    close(ends[0]);
  }
  ~Stranger() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  uint32_t tid() const { return static_cast<uint32_t>(pid_); }

 private:
  pid_t pid_;
};

struct World {
  Segment segment = Segment::Create({.limit_bytes = size_t{4} << 20}).value();
  size_t offset = segment.Allocate(64, 16).value();
  std::shared_ptr<Attachment> attachment = Attachment::Of(segment.At<std::byte>(offset));
  SegmentHeader& header() { return attachment->header(); }
};

TEST(ScribbledLockTest, AnOwnerThatHasNotMappedTheSegmentIsNone) {
  const Stranger stranger;
  const uint64_t before = sync_internal::BackstopCount();
  World world;
  SegmentHeader& header = world.header();
  std::vector<RobustWord*> locks = {&header.joining, &header.ledger.interning, &header.ledger.lock, &header.heap.lock};
  for (RobustWord* const lock : locks) lock->word = stranger.tid();
  const auto array = world.segment.New<Array<int64_t>>(size_t{20'000});  // needs them all
  EXPECT_TRUE(array.ok()) << array.status();
  for (RobustWord* const lock : locks) EXPECT_NE(sync_internal::OwnerOf(lock->word), stranger.tid());
  EXPECT_EQ(sync_internal::BackstopCount(), before + locks.size());
}

// Nobody waits for this one.
TEST(ScribbledLockTest, WhoReapsFindsOutThatNobodyDestroys) {
  const Stranger stranger;
  World world;
  auto value = world.segment.New<Value<int64_t>>().value();
  world.header().ledger.disposing.pid_namespace = sync_internal::ThisThread().pid_namespace;
  world.header().ledger.disposing.word = stranger.tid();
  value.Reset();
  EXPECT_NE(world.header().ledger.doomed, 0u) << "somebody else was at it";
  EXPECT_EQ(world.segment.Reap(), 0);
  EXPECT_EQ(world.header().ledger.doomed, 0u);
}

// Of a thread that has, nobody can say whether it has taken the lock: it is not taken away.
TEST(ScribbledLockTest, AStoppedOwnerIsWaitedFor) {
  World world;
  RobustWord& lock = world.header().ledger.lock;
  const auto acquire = [&](sync_internal::Deadline deadline) {
    bool owner_died = false;
    return sync_internal::Acquire(sync_internal::ThisThread(), lock, deadline, &owner_died, sync_internal::Whose::kOurs);
  };
  const tests::Cue cue;
  tests::Party owner(tests::World::kProcesses, [&] {
    EXPECT_TRUE(acquire(sync_internal::Deadline::Infinite()).ok());
    cue.Give();
    raise(SIGSTOP);
    sync_internal::Release(sync_internal::ThisThread(), lock);
  });
  cue.Await();
  tests::Await([&] { return tests::ProcessState(owner.tid()) == 'T'; });
  // Two looks.
  EXPECT_TRUE(absl::IsDeadlineExceeded(acquire(sync_internal::Deadline::After(absl::Milliseconds(2100)))));
  kill(owner.tid(), SIGCONT);
  owner.Join();
}

}  // namespace
}  // namespace shoal
