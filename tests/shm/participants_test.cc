// A process that uses a segment dies, and the others take back what it held.

#include "shoal/shm/participants.h"

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/layout.h"
#include "shoal/shm/memory_file.h"
#include "shoal/shm/thread_slot.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/robust_list.h"
#include "shoal/sync/robust_lock.h"

namespace shoal::shm_internal {
namespace {

std::atomic<int> reaped_count{0};
std::atomic<ParticipantId> reaped_last{0};
void Count(Attachment&, ParticipantId id) {
  reaped_last = id;
  ++reaped_count;
}

std::shared_ptr<Attachment> NewSegment() {
  auto file = CreateMemoryFile("participants", 0);
  EXPECT_TRUE(file.ok()) << file.status();
  auto attachment = Attachment::Make(*std::move(file), 8);
  EXPECT_TRUE(attachment.ok()) << attachment.status();
  return *attachment;
}

// Waits until `id` has no slot any more.
void UntilReaped(const Attachment& attachment, ParticipantId id) {
  const ParticipantSlot& slot = attachment.participants()[static_cast<size_t>(SlotOf(id))];
  while (slot.life.word.load() != 0) sched_yield();
}

// A process that joins and then waits to be killed, or leaves and ends when told to.
struct Child {
  pid_t pid;
  ParticipantId id;
};
Child Join(const std::shared_ptr<Attachment>& attachment, bool leave) {
  int pipe_fds[2];
  EXPECT_EQ(pipe(pipe_fds), 0);
  const pid_t pid = fork();
  if (pid == 0) {
    auto participant = Participant::Join(*attachment, &Count);
    if (!participant.ok()) _exit(1);
    const ParticipantId id = (*participant)->id();
    if (write(pipe_fds[1], &id, sizeof(id)) != sizeof(id)) _exit(1);
    if (leave) {
      participant->reset();
      _exit(0);
    }
    for (;;) pause();
  }
  ParticipantId id = 0;
  EXPECT_EQ(read(pipe_fds[0], &id, sizeof(id)), static_cast<ssize_t>(sizeof(id)));
  close(pipe_fds[0]);
  close(pipe_fds[1]);
  return {pid, id};
}

TEST(ParticipantsTest, AKilledProcessIsReapedOnceByTheKeeperOfAnother) {
  reaped_count = 0;
  const std::shared_ptr<Attachment> attachment = NewSegment();
  auto own = Participant::Join(*attachment, &Count);
  ASSERT_TRUE(own.ok()) << own.status();
  const Child child = Join(attachment, /*leave=*/false);
  EXPECT_NE(child.id, (*own)->id());
  EXPECT_FALSE(IsDead(*attachment, child.id));
  EXPECT_NE(Describe(*attachment, child.id).find(std::to_string(child.pid)), std::string::npos);
  kill(child.pid, SIGKILL);
  UntilReaped(*attachment, child.id);
  EXPECT_TRUE(IsDead(*attachment, child.id));
  EXPECT_FALSE(IsDead(*attachment, (*own)->id()));
  EXPECT_EQ(reaped_count, 1);
  EXPECT_EQ(reaped_last, child.id);
  waitpid(child.pid, nullptr, 0);
}

TEST(ParticipantsTest, WhoLeavesIsNotReapedAndItsSlotIsAnotherLife) {
  reaped_count = 0;
  const std::shared_ptr<Attachment> attachment = NewSegment();
  const Child first = Join(attachment, /*leave=*/true);
  waitpid(first.pid, nullptr, 0);
  EXPECT_TRUE(IsDead(*attachment, first.id));
  const Child second = Join(attachment, /*leave=*/false);
  EXPECT_EQ(SlotOf(second.id), SlotOf(first.id));
  EXPECT_NE(second.id, first.id);
  EXPECT_TRUE(IsDead(*attachment, first.id));
  kill(second.pid, SIGKILL);
  waitpid(second.pid, nullptr, 0);
  EXPECT_EQ(Reap(*attachment, &Count), 1);
  EXPECT_EQ(reaped_count, 1);
}

// It is stopped between two steps of joining. Who watches it sets the bit that it has not set yet, and sleeps.
TEST(ParticipantsTest, WhoIsAboutToJoinKeepsNobodyAwake) {
  const std::shared_ptr<Attachment> attachment = NewSegment();
  auto own = Participant::Join(*attachment, &Count);
  ASSERT_TRUE(own.ok()) << own.status();
  ParticipantSlot& slot = attachment->participants()[static_cast<size_t>(SlotOf((*own)->id()) + 1)];
  bool owner_died = false;
  sync_internal::Thread& self = sync_internal::ThisThread();
  ASSERT_TRUE(sync_internal::Acquire(self, slot.life, sync_internal::Deadline::Passed(), &owner_died).ok());
  TellOfDeath(attachment->header());
  while ((slot.life.word.load() & sync_internal::kWaiters) == 0) sched_yield();
  sync_internal::Release(self, slot.life);
}

// A reaper holds the words of the dead one's threads while it is at them.
TEST(ParticipantsTest, WhoReapsAThreadIsNotTakenForIt) {
  const std::shared_ptr<Attachment> attachment = NewSegment();
  const Child child = Join(attachment, /*leave=*/false);
  kill(child.pid, SIGKILL);
  waitpid(child.pid, nullptr, 0);
  ThreadSlot& thread = attachment->threads()[0];
  thread.process.store(attachment->participants()[static_cast<size_t>(SlotOf(child.id))].process.load());
  thread.life.word.store(static_cast<uint32_t>(gettid()));
  EXPECT_TRUE(IsDead(*attachment, child.id));
  thread.life.word.store(0);
  EXPECT_TRUE(IsDead(*attachment, child.id));
}

TEST(ParticipantsTest, TwoKilledAtOnceAreBothReaped) {
  reaped_count = 0;
  const std::shared_ptr<Attachment> attachment = NewSegment();
  auto own = Participant::Join(*attachment, &Count);
  ASSERT_TRUE(own.ok()) << own.status();
  const Child a = Join(attachment, /*leave=*/false);
  const Child b = Join(attachment, /*leave=*/false);
  // Stopped first, so that neither reaps the other.
  for (const pid_t pid : {a.pid, b.pid}) {
    kill(pid, SIGSTOP);
    waitpid(pid, nullptr, WUNTRACED);
  }
  kill(a.pid, SIGKILL);
  kill(b.pid, SIGKILL);
  UntilReaped(*attachment, a.id);
  UntilReaped(*attachment, b.id);
  EXPECT_EQ(reaped_count, 2);
  waitpid(a.pid, nullptr, 0);
  waitpid(b.pid, nullptr, 0);
}

}  // namespace
}  // namespace shoal::shm_internal
