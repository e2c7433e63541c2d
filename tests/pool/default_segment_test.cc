// Segment::Default() belongs to the process tree: a plug-in's function in a worker, a child and a grandchild have the very segment of
// the program that started them; whoever was started by somebody else has another.

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "shoal/pool/pool.h"
#include "shoal/process/process.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/segment.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal {
namespace {

using tests::Party;
using tests::World;

ino_t InodeOf(const Segment& segment) {
  struct stat found;
  EXPECT_EQ(fstat(segment.fd(), &found), 0);
  return found.st_ino;
}

// First: as long as this process has none, its forks make their own.
TEST(DefaultSegmentTest, OneThatCannotBeMadeSaysWhyToEveryCall) {
  Party party(World::kProcesses, [] {
    const struct rlimit little = {.rlim_cur = 1000, .rlim_max = 1000};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &little), 0);
    Segment& segment = Segment::Default();
    EXPECT_EQ(segment.status().code(), absl::StatusCode::kResourceExhausted) << segment.status();
    EXPECT_EQ(segment.Allocate(8, 8).status(), segment.status());
    EXPECT_EQ((segment.New<Mutex<uint64_t>>().status()), segment.status());
    EXPECT_EQ(segment.KeepFromForkedChildren(), segment.status());
    EXPECT_EQ(segment.At<uint64_t>(1 << 20), nullptr);
    EXPECT_EQ(segment.fd(), -1);
    EXPECT_EQ(segment.limit_bytes(), 0u);
    EXPECT_EQ(segment.used_bytes(), 0u);
    EXPECT_EQ(segment.Reap(), 0);
    EXPECT_EQ(segment.deaths().load(), 0u);
    // A child can be started all the same.
    auto child = Process::Start({.program = "/bin/true"});
    ASSERT_TRUE(child.ok()) << child.status();
    EXPECT_TRUE(child->Join().ok());
  });
  party.Join();
}

TEST(DefaultSegmentTest, AllThreadsGetTheSame) {
  Party party(World::kProcesses, [] {
    std::array<Segment*, 8> seen{};
    std::vector<std::thread> threads;
    for (Segment*& mine : seen) threads.emplace_back([&mine] { mine = &Segment::Default(); });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(std::set<Segment*>(seen.begin(), seen.end()).size(), 1u);
    EXPECT_TRUE(seen[0]->status().ok()) << seen[0]->status();
  });
  party.Join();
}

TEST(DefaultSegmentTest, WhereAddressesAreScarceItIsSmallerRatherThanNotThere) {
  Party party(World::kProcesses, [] {
    const struct rlimit little = {.rlim_cur = 200 << 20, .rlim_max = 200 << 20};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &little), 0);
    EXPECT_TRUE(Segment::Default().status().ok()) << Segment::Default().status();
    EXPECT_EQ(Segment::Default().limit_bytes(), size_t{64} << 20);
  });
  party.Join();
}

TEST(DefaultSegmentTest, APluginsFunctionInAWorkerHasTheSegmentOfThePoolsProgram) {
  const auto counter = Segment::Default().New<Mutex<uint64_t>>();
  ASSERT_TRUE(counter.ok()) << counter.status();
  const size_t offset = Segment::Default().Allocate(sizeof(Mutex<uint64_t>), 64).value();
  auto* const mutex = new (Segment::Default().At<Mutex<uint64_t>>(offset)) Mutex<uint64_t>;
  auto pool = Pool::Create({.workers = 2, .plugins = {"tests/pool/tree.so"}});
  ASSERT_TRUE(pool.ok()) << pool.status();
  const auto add = pool->Get<void(uint64_t)>("add_one_at");
  ASSERT_TRUE(add.ok()) << add.status();
  ASSERT_TRUE(add->Map(std::vector<uint64_t>(100, offset)).ok());
  EXPECT_EQ(**mutex->Lock(), 100u);
  // And the other way round: what a worker has made there is here.
  const auto make = pool->Get<uint64_t(uint64_t)>("make_with");
  ASSERT_TRUE(make.ok()) << make.status();
  const auto made = make->Apply(42);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(*Segment::Default().At<uint64_t>(*made), 42u);
}

TEST(DefaultSegmentTest, ChildrenAndTheirChildrenHaveIt) {
  const std::string inode = std::to_string(InodeOf(Segment::Default()));
  for (const char* generations : {"1", "2", "3"}) {
    auto child = Process::Start({.program = "tests/pool/tree_child", .arguments = {inode, generations}});
    ASSERT_TRUE(child.ok()) << child.status();
    ASSERT_TRUE(child->Join().ok());
    EXPECT_EQ(child->exit_code(), 0) << generations;
  }
}

TEST(DefaultSegmentTest, AProgramThatSomebodyElseStartedHasAnother) {
  const std::string inode = std::to_string(InodeOf(Segment::Default()));
  auto shell = Process::Start({.program = "/bin/sh", .arguments = {"-c", "tests/pool/tree_child " + inode + " 1; exit $?"}});
  ASSERT_TRUE(shell.ok()) << shell.status();
  ASSERT_TRUE(shell->Join().ok());
  EXPECT_EQ(shell->exit_code(), 1);
}

TEST(DefaultSegmentTest, AForkHasIt) {
  const size_t offset = Segment::Default().Allocate(8, 8).value();
  Party party(World::kProcesses, [&] { *Segment::Default().At<uint64_t>(offset) = 7; });
  party.Join();
  EXPECT_EQ(*Segment::Default().At<uint64_t>(offset), 7u);
}

}  // namespace
}  // namespace shoal
