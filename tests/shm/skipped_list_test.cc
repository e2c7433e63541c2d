// A process dies and the kernel tells nobody, because it cannot read the lists of its threads: the OOM killer has taken the memory that they
// lie in, or another library has put lists of its own in their place. What it held comes back all the same.

#include <dirent.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "shoal/shm/array.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/layout.h"
#include "shoal/shm/memory_file.h"
#include "shoal/shm/participants.h"
#include "shoal/shm/permit_pool.h"
#include "shoal/shm/section.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/shared.h"
#include "shoal/shm/value.h"
#include "shoal/sync/robust_list.h"
#include "shoal/sync/robust_lock.h"
#include "shoal/tests/shm/object_world.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal {
namespace {

using shm_internal::Attachment;
using shm_internal::Participant;
using shm_internal::ParticipantId;
using shm_internal::ParticipantSlot;
using shm_internal::ThreadSlot;
using tests::Await;
using tests::Cue;
using tests::Party;
using tests::World;

// Empties the lists of all threads of this process, the keeper's too.
void ForgetLists() {
  DIR* const tasks = opendir("/proc/self/task");
  while (const dirent* const task = readdir(tasks)) {
    robust_list_head* head = nullptr;
    size_t size_bytes = 0;
    const long tid = atol(task->d_name);
    if (tid != 0 && syscall(SYS_get_robust_list, tid, &head, &size_bytes) == 0) head->list.next = &head->list;
  }
  closedir(tasks);
}

// A process that does `take`, and dies with what it has taken in its hands, unnoticed by the kernel.
class Victim {
 public:
  explicit Victim(const std::function<void(const std::function<void()>& hold)>& take) {
    Cue ready;
    pid_ = fork();
    if (pid_ == 0) {
      take([&ready] {
        ForgetLists();
        ready.Give();
        for (;;) pause();
      });
      _exit(1);
    }
    ready.Await();
  }
  void Die() {
    kill(pid_, SIGKILL);
    int status = 0;
    EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
    EXPECT_TRUE(WIFSIGNALED(status)) << "it could not take what it was to take";
  }

 private:
  pid_t pid_;
};

TEST(SkippedListTest, APermitComesBackToWhoSleeps) {
  auto segment = Segment::Create();
  ASSERT_TRUE(segment.ok()) << segment.status();
  auto pool = segment->New<PermitPool>(1u);
  ASSERT_TRUE(pool.ok() && segment->Publish("pool", *pool).ok());
  Victim victim([&](const auto& hold) {
    const auto mine = segment->Find<PermitPool>("pool");
    const auto permit = (*mine)->Acquire();
    if (permit.ok()) hold();
  });
  const uint64_t before = sync_internal::BackstopCount();
  Party sleeper(World::kThreads, [&] { EXPECT_TRUE((*pool)->Acquire().ok()); });
  sleeper.AwaitAsleep();
  victim.Die();
  sleeper.Join();
  EXPECT_GT(sync_internal::BackstopCount(), before) << "the kernel had told of the death";
}

TEST(SkippedListTest, ABorrowComesBackToWhoSleeps) {
  auto segment = Segment::Create();
  ASSERT_TRUE(segment.ok()) << segment.status();
  auto array = segment->New<Array<int64_t>>(size_t{4});
  ASSERT_TRUE(array.ok() && segment->Publish("array", *array).ok());
  Victim victim([&](const auto& hold) {
    const auto mine = segment->Find<Array<int64_t>>("array");
    const auto lent = (*mine)->BorrowMut(0, 4);
    if (lent.ok()) hold();
  });
  Party sleeper(World::kThreads, [&] {
    const auto lent = (*array)->Borrow(0, 4, absl::InfiniteDuration());
    ASSERT_TRUE(lent.ok()) << lent.status();
    EXPECT_TRUE(lent->abandoned());
  });
  sleeper.AwaitAsleep();
  victim.Die();
  sleeper.Join();
}

TEST(SkippedListTest, AnObjectGoesWithItsHolder) {
  auto segment = Segment::Create();
  ASSERT_TRUE(segment.ok()) << segment.status();
  auto another = segment->New<Value<int64_t>>();  // so that this process has a keeper
  ASSERT_TRUE(another.ok()) << another.status();
  const size_t before = segment->used_bytes();
  Victim victim([&](const auto& hold) {
    const auto value = segment->New<Value<int64_t>>();
    if (value.ok()) hold();
  });
  EXPECT_GT(segment->used_bytes(), before);
  victim.Die();
  Await([&] { return segment->used_bytes() == before; });
}

// ---- on demand ----------------------------------------------------------------------------------------------------------------------

std::shared_ptr<Attachment> NewSegment() {
  auto file = shm_internal::CreateMemoryFile("skipped", 0);
  EXPECT_TRUE(file.ok()) << file.status();
  auto attachment = Attachment::Make(*std::move(file), 8);
  EXPECT_TRUE(attachment.ok()) << attachment.status();
  return *attachment;
}

TEST(SkippedListTest, WhoReapsLooksForItself) {
  const std::shared_ptr<Attachment> attachment = NewSegment();
  Victim victim([&](const auto& hold) {
    const auto participant = Participant::Join(*attachment, nullptr);
    if (participant.ok()) hold();
  });
  EXPECT_EQ(shm_internal::Reap(*attachment, nullptr), 0) << "it lives";
  victim.Die();
  EXPECT_EQ(shm_internal::Reap(*attachment, nullptr), 1);
  EXPECT_EQ(shm_internal::Reap(*attachment, nullptr), 0);
}

// A life word that names nobody, of a process that lives: somebody has written over it.
TEST(SkippedListTest, AScribbledLifeWordKillsNobody) {
  const std::shared_ptr<Attachment> attachment = NewSegment();
  auto own = Participant::Join(*attachment, nullptr);
  ASSERT_TRUE(own.ok()) << own.status();
  const pid_t gone = fork();
  if (gone == 0) _exit(0);
  waitpid(gone, nullptr, 0);
  const ParticipantId id = (*own)->id();
  auto& word = attachment->participants()[static_cast<size_t>(shm_internal::SlotOf(id))].life.word;
  const uint32_t life = word.exchange(sync_internal::kWaiters | static_cast<uint32_t>(gone));
  EXPECT_EQ(shm_internal::Reap(*attachment, nullptr), 0);
  EXPECT_FALSE(shm_internal::IsDead(*attachment, id));
  word = life;
}

// ---- what is left for those who come later --------------------------------------------------------------------------------------------

// The number of a dead thread, which nothing was told of, may be one of ours by now.
TEST(SkippedListTest, AThreadWithTheNumberOfADeadOneIsNoOtherCopyOfTheLibrary) {
  const std::shared_ptr<Attachment> attachment = NewSegment();
  constexpr uint64_t kProcess = 1'000'000;
  ParticipantSlot& process = attachment->participants()[5];
  process.pid = static_cast<uint32_t>(getppid());
  process.process = kProcess;
  process.life.word = static_cast<uint32_t>(gettid()) | sync_internal::kWaiters;
  ThreadSlot& thread = attachment->threads()[5];
  thread.process = kProcess;
  thread.life.word = static_cast<uint32_t>(gettid());
  auto own = Participant::Join(*attachment, nullptr);
  EXPECT_TRUE(own.ok()) << own.status();
}

TEST(SkippedListTest, SlotsOfThreadsThatAreGoneAreTakenWhenNoneIsFree) {
  const std::shared_ptr<Attachment> attachment = NewSegment();
  const pid_t gone = fork();
  if (gone == 0) _exit(0);
  waitpid(gone, nullptr, 0);
  for (ThreadSlot& thread : attachment->threads()) {
    thread.process = 1'000'000;
    thread.life.pid_namespace = sync_internal::ThisThread().pid_namespace;
    thread.life.word = static_cast<uint32_t>(gone);
  }
  Party(World::kThreads, [&] {
    const auto place = shm_internal::SectionAt(attachment->base());
    EXPECT_TRUE(place.ok()) << place.status();
  }).Join();
}

// All who use a segment die at once, as when a control group is killed: nobody is left to take back what they held.
TEST(AllDeadTest, WhoComesNextTakesTheSlotsOfTheDead) {
  const std::shared_ptr<Attachment> attachment = NewSegment();
  Cue joined;
  std::vector<pid_t> children;
  for (int i = 0; i < shm_internal::kMaxParticipants; ++i) {
    children.push_back(fork());
    if (children.back() == 0) {
      auto participant = Participant::Join(*attachment, nullptr);
      if (participant.ok()) joined.Give();
      for (;;) pause();
    }
    joined.Await();
  }
  EXPECT_TRUE(absl::IsResourceExhausted(Participant::Join(*attachment, nullptr).status())) << "they live";
  // Stopped first, so that none reaps another.
  for (const pid_t pid : children) {
    kill(pid, SIGSTOP);
    waitpid(pid, nullptr, WUNTRACED);
  }
  for (const pid_t pid : children) {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
  auto own = Participant::Join(*attachment, nullptr);
  EXPECT_TRUE(own.ok()) << own.status();
}

}  // namespace
}  // namespace shoal
