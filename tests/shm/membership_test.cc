// A process becomes a participant when it first holds something, and what its dead threads left is taken back.

#include "shoal/shm/membership.h"

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <new>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/layout.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/participants.h"
#include "shoal/shm/section.h"
#include "shoal/shm/segment.h"

namespace shoal::shm_internal {
namespace {

struct Pair {
  uint64_t left = 0;
  uint64_t right = 0;
};

struct World {
  Segment segment = Segment::Create({.limit_bytes = size_t{1} << 20}).value();
  Mutex<Pair>* mutex = new (segment.At<Mutex<Pair>>(segment.Allocate(sizeof(Mutex<Pair>), 64).value())) Mutex<Pair>;
  std::shared_ptr<Attachment> attachment = Attachment::Of(mutex);
};

// A child that runs `body` and then waits to be killed. It is there when it has told its participant's id.
struct Child {
  pid_t pid;
  ParticipantId id;
};
Child Start(Attachment& attachment, const std::function<void()>& body) {
  int pipe_fds[2];
  EXPECT_EQ(pipe(pipe_fds), 0);
  const pid_t pid = fork();
  if (pid == 0) {
    auto id = Participate(attachment);
    if (!id.ok()) _exit(1);
    body();
    if (write(pipe_fds[1], &*id, sizeof(*id)) != sizeof(*id)) _exit(1);
    for (;;) pause();
  }
  ParticipantId id = 0;
  EXPECT_EQ(read(pipe_fds[0], &id, sizeof(id)), static_cast<ssize_t>(sizeof(id)));
  close(pipe_fds[0]);
  close(pipe_fds[1]);
  return {pid, id};
}

void KillAndAwaitReaping(const Attachment& attachment, const Child& child) {
  kill(child.pid, SIGKILL);
  const ParticipantSlot& slot = attachment.participants()[static_cast<size_t>(SlotOf(child.id))];
  while (slot.life.word.load() != 0) sched_yield();
  waitpid(child.pid, nullptr, 0);
}

TEST(MembershipTest, AProcessIsOneParticipantHoweverOftenItAsks) {
  World world;
  const ParticipantId id = Participate(*world.attachment).value();
  ParticipantId other = 0;
  std::thread([&] { other = Participate(*world.attachment).value(); }).join();
  EXPECT_EQ(other, id);
  EXPECT_FALSE(IsDead(*world.attachment, id));
}

TEST(MembershipTest, AForkedChildIsAnotherParticipant) {
  World world;
  const ParticipantId id = Participate(*world.attachment).value();
  const Child child = Start(*world.attachment, [] {});
  EXPECT_NE(child.id, id);
  KillAndAwaitReaping(*world.attachment, child);
  EXPECT_TRUE(IsDead(*world.attachment, child.id));
  EXPECT_FALSE(IsDead(*world.attachment, id));
}

// A thread of the parent's may have been changing it at the moment of the fork.
TEST(MembershipTest, AForkedChildLeavesWhatItsParentHasOfTheSegment) {
  struct Watched final : Attachment::Companion {
    explicit Watched(bool& ended) : ended(ended) {}
    ~Watched() override { ended = true; }
    bool& ended;
  };
  bool ended = false;
  for (const bool child_has_one : {false, true}) {
    auto world = std::make_unique<World>();
    world->attachment->SetCompanion(std::make_unique<Watched>(ended));
    const pid_t pid = fork();
    if (pid == 0) {
      bool own_ended = false;
      if (child_has_one) world->attachment->SetCompanion(std::make_unique<Watched>(own_ended));
      world.reset();
      _exit(!ended && own_ended == child_has_one ? 0 : 1);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
    EXPECT_FALSE(ended);
    world.reset();
    EXPECT_TRUE(std::exchange(ended, false));
  }
}

// While the keeper holds the life words of a dead process's threads, a thread of its own process that comes to the segment must not take
// it for another copy of the library.
TEST(MembershipTest, AThreadThatComesWhileTheDeadAreReapedIsLetIn) {
  for (int round = 0; round < 20; ++round) {
    World world;
    ASSERT_TRUE(Participate(*world.attachment).ok());
    std::vector<Child> children;  // made while this process has no thread that could be in the middle of anything
    for (int i = 0; i < 4; ++i) {
      children.push_back(Start(*world.attachment, [&] {
        for (int thread = 0; thread < 8; ++thread) {
          std::thread([&] {
            EXPECT_TRUE(SectionAt(world.mutex).ok());
            pause();
          }).detach();
        }
        EXPECT_TRUE(SectionAt(world.mutex).ok());
      }));
    }
    std::atomic<bool> stop{false};
    std::thread newcomers([&] {
      while (!stop) {
        std::thread([&] {
          const auto guard = world.mutex->Lock();
          EXPECT_TRUE(guard.ok()) << guard.status();
        }).join();
      }
    });
    for (const Child& child : children) KillAndAwaitReaping(*world.attachment, child);
    stop = true;
    newcomers.join();
  }
}

TEST(MembershipTest, ItEndsWithTheLastUseOfTheSegment) {
  World world;
  const Child child = Start(*world.attachment, [&] {
    world.attachment.reset();
    world.segment = Segment::Create().value();
  });
  // It has left, although it lives.
  EXPECT_TRUE(IsDead(*world.attachment, child.id));
  kill(child.pid, SIGKILL);
  waitpid(child.pid, nullptr, 0);
}

TEST(MembershipTest, ASectionWhoseLockNobodyWantsIsUndone) {
  World world;
  world.mutex->Lock().value()->left = 1;
  ASSERT_TRUE(Participate(*world.attachment).ok());
  const uint64_t blocks = world.attachment->heap().Usage().allocated_blocks;
  const Child child = Start(*world.attachment, [&] {
    static auto guard = world.mutex->Lock();
    (*guard)->left = 7;
    for (int i = 0; i < 10; ++i) {
      if (!ThisThreadSections().open->Allocate(64, 8).ok()) _exit(1);
    }
  });
  EXPECT_EQ(world.attachment->heap().Usage().allocated_blocks, blocks + 11);  // and a journal
  KillAndAwaitReaping(*world.attachment, child);
  const HeapUsage usage = world.attachment->heap().Usage();
  EXPECT_EQ(usage.allocated_blocks, blocks);
  EXPECT_EQ(usage.slab_pages, 0u);
  int slots = 0;
  for (const ThreadSlot& slot : world.attachment->threads()) slots += slot.life.word.load() != 0;
  EXPECT_EQ(slots, 1);
  auto guard = world.mutex->Lock();
  EXPECT_TRUE(guard->recovered());
  EXPECT_EQ((*guard)->left, 1u);
}

}  // namespace
}  // namespace shoal::shm_internal
