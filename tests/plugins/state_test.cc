// What a program and its plug-ins share although each has a copy of the library: the record of a thread, its open section, its place
// in a segment. And that a copy which cannot share refuses.

#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <optional>
#include <thread>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "shoal/plugins/build_signature.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/section.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/unique_fd.h"
#include "shoal/sync/guard.h"
#include "shoal/sync/lock.h"
#include "shoal/sync/robust_list.h"
#include "shoal/tests/plugins/ledger.h"
#include "shoal/tests/plugins/loaded_plugin.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal {
namespace {

using shm_internal::Attachment;
using shm_internal::UniqueFd;
using tests::Ledger;
using tests::LoadedPlugin;
using tests::Party;
using tests::World;

const LoadedPlugin& Plugin() {
  static const LoadedPlugin* const plugin = new LoadedPlugin("tests/plugins/state_plugin.so");
  return *plugin;
}

// A segment with a Mutex<Ledger> and a Lock.
class PluginStateTest : public testing::Test {
 protected:
  PluginStateTest() : segment_(Segment::Create({.limit_bytes = 1 << 20}).value()) {
    offset_ = segment_.Allocate(sizeof(Mutex<Ledger>), 64).value();
    mutex_ = new (segment_.At<Mutex<Ledger>>(offset_)) Mutex<Ledger>;
    lock_ = new (shm_internal::ObjectIn<Lock>(segment_, segment_.Allocate(sizeof(Lock), 64).value())) Lock;
  }
  int ThreadSlotsInUse() const {
    int used = 0;
    for (const auto& slot : Attachment::Of(mutex_)->threads()) used += slot.life.word.load() != 0;
    return used;
  }
  uint64_t Blocks() const { return Attachment::Of(mutex_)->heap().Usage().allocated_blocks; }
  uint64_t InBlock(const Ledger& ledger) const { return *segment_.At<uint64_t>(ledger.block); }

  Segment segment_;
  size_t offset_;
  Mutex<Ledger>* mutex_;
  Lock* lock_;
};

TEST_F(PluginStateTest, APluginWritesInItsProgramsSection) {
  {
    auto guard = mutex_->Lock();
    ASSERT_TRUE(guard.ok());
    EXPECT_EQ(Plugin().Call("replace_block", &**guard), absl::OkStatus());
    EXPECT_EQ(Plugin().Call("replace_block", &**guard), absl::OkStatus());
  }
  auto guard = mutex_->Lock();
  EXPECT_EQ((*guard)->left, 2u);
  EXPECT_EQ(InBlock(**guard), 2u);
}

TEST_F(PluginStateTest, RollbackUndoesWhatThePluginWrote) {
  ASSERT_TRUE(mutex_->With([](Ledger& ledger) { return Plugin().Call("replace_block", &ledger); }).ok());
  const uint64_t blocks = Blocks();
  {
    auto guard = mutex_->Lock();
    ASSERT_EQ(Plugin().Call("replace_block", &**guard), absl::OkStatus());
    EXPECT_EQ((*guard)->left, 2u);
    guard->Rollback();
    EXPECT_EQ((*guard)->left, 1u);
    EXPECT_EQ(InBlock(**guard), 1u);
  }
  EXPECT_EQ(Blocks(), blocks);
}

TEST_F(PluginStateTest, WithoutASectionThePluginIsRefused) {
  EXPECT_EQ(Plugin().Call("replace_block", mutex_).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ThreadSlotsInUse(), 0);
}

TEST_F(PluginStateTest, AThreadHasOnePlaceInASegmentWhoeverAsks) {
  ASSERT_EQ(Plugin().Call("lock_and_replace", mutex_), absl::OkStatus());
  ASSERT_TRUE(mutex_->Lock().ok());
  ASSERT_EQ(Plugin().Call("lock_and_replace", mutex_), absl::OkStatus());
  EXPECT_EQ(ThreadSlotsInUse(), 1);
  // The plug-in was first in this thread, and its end gives the place back all the same.
  std::thread([&] {
    ASSERT_EQ(Plugin().Call("lock_and_replace", mutex_), absl::OkStatus());
    ASSERT_TRUE(mutex_->Lock().ok());
    EXPECT_EQ(ThreadSlotsInUse(), 2);
  }).join();
  EXPECT_EQ(ThreadSlotsInUse(), 1);
}

TEST_F(PluginStateTest, OneSectionAtATimeAlsoOnBothSides) {
  auto guard = mutex_->Lock();
  EXPECT_EQ(Plugin().Call("lock_and_replace", mutex_).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(PluginStateTest, AGuardOfTheProgramsIsReleasedInThePlugin) {
  auto guard = lock_->Acquire();
  ASSERT_TRUE(guard.ok());
  EXPECT_EQ(Plugin().Call("acquire", lock_).code(), absl::StatusCode::kFailedPrecondition) << "this thread has it";
  EXPECT_EQ(Plugin().Call("release_guard", &*guard), absl::OkStatus());
  EXPECT_FALSE(lock_->locked());
  EXPECT_FALSE(guard->held());
  EXPECT_EQ(Plugin().Call("acquire", lock_), absl::OkStatus());
}

TEST_F(PluginStateTest, ASectionBeginsOnOneSideAndEndsOnTheOther) {
  std::optional<MutexGuard<Ledger>> guard;
  ASSERT_EQ(Plugin().Call("begin_section", mutex_, &guard), absl::OkStatus());
  ASSERT_TRUE(guard.has_value());
  ++(*guard)->left;
  ++(*guard)->right;
  guard.reset();
  guard.emplace(mutex_->Lock().value());
  ++(*guard)->left;
  ++(*guard)->right;
  ASSERT_EQ(Plugin().Call("end_section", &guard), absl::OkStatus());
  EXPECT_FALSE(mutex_->locked());
  EXPECT_EQ((*mutex_->Lock())->right, 2u);
}

TEST_F(PluginStateTest, WhatAPluginHadOpenIsUndoneWhenItsProcessDies) {
  Party party(World::kProcesses, [&] {
    auto guard = mutex_->Lock();
    if (!Plugin().Call("replace_block", &**guard).ok()) _exit(1);
    for (;;) pause();
  });
  tests::Await([&] { return mutex_->locked(); });
  party.AwaitAsleep();
  party.Kill();
  auto guard = mutex_->Lock();
  ASSERT_TRUE(guard.ok());
  EXPECT_TRUE(guard->recovered());
  EXPECT_EQ((*guard)->left, 0u);
  EXPECT_EQ((*guard)->block, 0u);
}

// ---- copies that share nothing ------------------------------------------------------------------------------------------

template <class F>
F* FromUngiven(const char* name) {
  static void* const library = dlopen("tests/plugins/ungiven.so", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) ADD_FAILURE() << dlerror();
  return reinterpret_cast<F*>(dlsym(library, name));
}
constexpr int kRefused = static_cast<int>(absl::StatusCode::kFailedPrecondition);

TEST_F(PluginStateTest, ACopyThatWasGivenNothingIsRefusedWhereItsProcessIsAttachedAlready) {
  Party party(World::kProcesses, [&] {  // whatever it finds out there, this process keeps
    auto guard = mutex_->Lock();
    ASSERT_TRUE(guard.ok());
    EXPECT_EQ(FromUngiven<int(Ledger*)>("Change")(&**guard), kRefused);
    EXPECT_EQ(FromUngiven<int(Mutex<Ledger>*)>("LockMutex")(mutex_), kRefused);
    guard->Release();
    EXPECT_EQ(FromUngiven<int(int, size_t)>("AttachAndLock")(fcntl(segment_.fd(), F_DUPFD_CLOEXEC, 0), offset_), kRefused);
  });
  party.Join();
}

TEST_F(PluginStateTest, AndTheProgramIsRefusedWhereSuchACopyCameFirst) {
  Party party(World::kProcesses, [&] {
    auto* const attach = FromUngiven<int(int, size_t)>("AttachAndLock");
    EXPECT_EQ(attach(fcntl(segment_.fd(), F_DUPFD_CLOEXEC, 0), offset_), 0);
    EXPECT_EQ(mutex_->Lock().status().code(), absl::StatusCode::kFailedPrecondition);
  });
  party.Join();
}

TEST_F(PluginStateTest, ACopyOfAnotherBuildRefusesEverything) {
  Party party(World::kProcesses, [&] {
    shoal_host host = {.abi_version = SHOAL_ABI_VERSION,
                       .reserved = 0,
                       .struct_size = sizeof(shoal_host),
                       .process_table = sync_internal::TableToGive(),
                       .build_signature = plugins_internal::BuildSignature() + 1};
    ASSERT_TRUE(FromUngiven<bool(const shoal_host*)>("MeetProgram")(&host)) << "its functions may still run";
    EXPECT_EQ(FromUngiven<int(Lock*)>("AcquireLock")(lock_), kRefused);
    EXPECT_EQ(FromUngiven<int(Mutex<Ledger>*)>("LockMutex")(mutex_), kRefused);
    EXPECT_EQ(FromUngiven<int(int, size_t)>("AttachAndLock")(fcntl(segment_.fd(), F_DUPFD_CLOEXEC, 0), offset_), kRefused);
    auto guard = mutex_->Lock();
    ASSERT_TRUE(guard.ok());
    EXPECT_EQ(FromUngiven<int(Ledger*)>("Change")(&**guard), kRefused);
  });
  party.Join();
}

TEST_F(PluginStateTest, ACopyThatIsInUseCannotBeGivenATableAnyMore) {
  Party party(World::kProcesses, [&] {
    EXPECT_EQ(FromUngiven<int(Lock*)>("AcquireLock")(lock_), 0) << "locks of its own it may have";
    shoal_host host = {.abi_version = SHOAL_ABI_VERSION,
                       .reserved = 0,
                       .struct_size = sizeof(shoal_host),
                       .process_table = sync_internal::TableToGive(),
                       .build_signature = plugins_internal::BuildSignature()};
    EXPECT_FALSE(FromUngiven<bool(const shoal_host*)>("MeetProgram")(&host));
  });
  party.Join();
}

}  // namespace
}  // namespace shoal
