// Objects, and the processes that hold them and die.

#include "shoal/shm/shared.h"

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/layout.h"
#include "shoal/shm/membership.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/segment.h"

namespace shoal {
namespace {

using shm_internal::Attachment;
using shm_internal::ParticipantId;

struct Account {
  int64_t balance = 0;
};
using SharedAccount = Shared<Mutex<Account>>;

struct Root {
  std::array<SharedAccount, 4> accounts;
};

// A segment with a root whose address children know.
struct World {
  World() {
    root->Lock().value()->accounts[0] = segment.New<Mutex<Account>>().value();
    root->Lock().value()->accounts[0].Reset();
    baseline = segment.used_bytes();
  }
  void Fill() {
    for (size_t i = 0; i < 4; ++i) {
      SharedAccount made = segment.New<Mutex<Account>>(static_cast<int64_t>(i)).value();
      root->Lock().value()->accounts[i] = made;
    }
  }
  void Empty() {
    auto guard = root->Lock().value();
    for (SharedAccount& account : guard->accounts) account.Reset();
  }

  Segment segment = Segment::Create({.limit_bytes = size_t{8} << 20}).value();
  Shared<Mutex<Root>> handle = segment.New<Mutex<Root>>().value();
  Mutex<Root>* root = handle.get();
  std::shared_ptr<Attachment> attachment = Attachment::Of(root);
  size_t baseline = 0;
};

// A child that runs `body`, says so, and then waits to be killed.
struct Child {
  pid_t pid;
  ParticipantId id;
};
Child Start(World& world, const std::function<void()>& body, bool exec = false) {
  int pipe_fds[2];
  EXPECT_EQ(pipe(pipe_fds), 0);
  const pid_t pid = fork();
  if (pid == 0) {
    body();
    auto id = shm_internal::Participate(*world.attachment);
    if (!id.ok() || write(pipe_fds[1], &*id, sizeof(*id)) != sizeof(*id)) _exit(1);
    if (exec) execl("/bin/sleep", "sleep", "1000", static_cast<char*>(nullptr));
    for (;;) pause();
  }
  ParticipantId id = 0;
  EXPECT_EQ(read(pipe_fds[0], &id, sizeof(id)), static_cast<ssize_t>(sizeof(id)));
  close(pipe_fds[0]);
  close(pipe_fds[1]);
  return {pid, id};
}

void AwaitReaping(const Attachment& attachment, const Child& child) {
  const auto& slot = attachment.participants()[static_cast<size_t>(shm_internal::SlotOf(child.id))];
  while (slot.life.word.load() != 0) sched_yield();
}
void Kill(const Child& child) { kill(child.pid, SIGKILL); }
void Bury(const Child& child) { waitpid(child.pid, nullptr, 0); }

// Handles of a child that lives in this process's memory until it dies.
std::vector<SharedAccount>& Kept() {
  static auto& kept = *new std::vector<SharedAccount>;
  return kept;
}
void TakeAll(World& world, int times) {
  for (int i = 0; i < times; ++i) {
    auto guard = world.root->Lock().value();
    for (const SharedAccount& account : guard->accounts) Kept().push_back(account);
  }
}

TEST(SharedTest, AKilledHoldersHandlesAreDropped) {
  World world;
  world.Fill();
  const Child child = Start(world, [&] { TakeAll(world, 1000); });
  world.Empty();
  EXPECT_GT(world.segment.used_bytes(), world.baseline + 4 * 64);
  Kill(child);
  AwaitReaping(*world.attachment, child);
  EXPECT_EQ(world.segment.used_bytes(), world.baseline);
  Bury(child);
}

TEST(SharedTest, AnObjectLivesWhileOneOfTwoHoldersDoes) {
  World world;
  world.Fill();
  const Child first = Start(world, [&] { TakeAll(world, 1); });
  const Child second = Start(world, [&] { TakeAll(world, 1); });
  world.Empty();
  const size_t held = world.segment.used_bytes();
  Kill(first);
  AwaitReaping(*world.attachment, first);
  EXPECT_LT(world.segment.used_bytes(), held);  // its journal
  EXPECT_GT(world.segment.used_bytes(), world.baseline);
  Kill(second);
  AwaitReaping(*world.attachment, second);
  EXPECT_EQ(world.segment.used_bytes(), world.baseline);
  Bury(first);
  Bury(second);
}

TEST(SharedTest, TwoHoldersKilledAtOnce) {
  World world;
  world.Fill();
  const Child first = Start(world, [&] { TakeAll(world, 10); });
  const Child second = Start(world, [&] { TakeAll(world, 10); });
  world.Empty();
  Kill(first);
  Kill(second);
  AwaitReaping(*world.attachment, first);
  AwaitReaping(*world.attachment, second);
  EXPECT_EQ(world.segment.used_bytes(), world.baseline);
  Bury(first);
  Bury(second);
}

TEST(SharedTest, AHolderThatExecsHasDied) {
  World world;
  world.Fill();
  const Child child = Start(world, [&] { TakeAll(world, 1); }, /*exec=*/true);
  world.Empty();
  AwaitReaping(*world.attachment, child);
  EXPECT_EQ(world.segment.used_bytes(), world.baseline);
  Kill(child);
  Bury(child);
}

TEST(SharedTest, WhatADeadProcessMadeAndStoredInAnOpenSectionIsGone) {
  World world;
  const Child child = Start(world, [&] {
    static auto guard = world.root->Lock().value();
    for (SharedAccount& account : guard->accounts) {
      Kept().push_back(world.segment.New<Mutex<Account>>().value());
      account = Kept().back();
    }
  });
  Kill(child);
  AwaitReaping(*world.attachment, child);
  EXPECT_EQ(world.segment.used_bytes(), world.baseline);
  auto guard = world.root->Lock().value();
  EXPECT_TRUE(guard.recovered());
  for (const SharedAccount& account : guard->accounts) EXPECT_FALSE(account);
  Bury(child);
}

TEST(SharedTest, WhatADeadProcessStoredAndCommittedStays) {
  World world;
  const Child child = Start(world, [&] { world.Fill(); });
  Kill(child);
  AwaitReaping(*world.attachment, child);
  for (size_t i = 0; i < 4; ++i) {
    const SharedAccount account = world.root->Lock().value()->accounts[i];
    EXPECT_EQ(account->Lock().value()->balance, static_cast<int64_t>(i));
  }
  world.Empty();
  EXPECT_EQ(world.segment.used_bytes(), world.baseline);
  Bury(child);
}

TEST(SharedTest, ReapDoesWhatKeepersDo) {
  World world;
  world.Fill();
  const Child child = Start(world, [&] { TakeAll(world, 1); });
  world.Empty();
  Kill(child);
  Bury(child);
  world.segment.Reap();
  EXPECT_EQ(world.segment.used_bytes(), world.baseline);
}

TEST(SharedTest, AForkedChildDoesNotDropItsParentsHandles) {
  World world;
  world.Fill();
  SharedAccount account = world.root->Lock().value()->accounts[3];
  world.Empty();
  const Child child = Start(world, [&] {
    SharedAccount copied;
    const bool refused = absl::IsFailedPrecondition(copied.Assign(account));
    if (!refused || account) _exit(1);
    account.Reset();
  });
  Kill(child);
  AwaitReaping(*world.attachment, child);
  Bury(child);
  EXPECT_EQ(account->Lock().value()->balance, 3);
}

TEST(SharedDeathTest, AForkedChildThatUsesItsParentsHandleEnds) {
  World world;
  const pid_t pid = fork();
  if (pid == 0) {
    close(STDERR_FILENO);
    static_cast<void>(world.handle->locked());
    _exit(0);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) << status;
}

}  // namespace
}  // namespace shoal
