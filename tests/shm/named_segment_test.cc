// Segments that are found by name: whole or not at all, never in the way of each other or of other things in /dev/shm, and with a
// clear status for whatever is no segment.

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/unique_fd.h"
#include "shoal/sync/status.h"
#include "shoal/tests/worlds/worlds.h"

namespace shoal {
namespace {

using shm_internal::UniqueFd;
using tests::Party;
using tests::World;

// A name that no other test has; removed with this object.
class Name {
 public:
  Name() : text_("test-" + std::to_string(getpid()) + "-" + std::to_string(++last)) {}
  ~Name() { Segment::Remove(text_).IgnoreError(); }
  operator std::string_view() const { return text_; }
  std::string path() const { return "/dev/shm/shoal." + text_; }

 private:
  static inline int last = 0;
  std::string text_;
};

bool Listed(std::string_view name) {
  const auto names = Segment::Names();
  EXPECT_TRUE(names.ok()) << names.status();
  return names.ok() && std::find(names->begin(), names->end(), name) != names->end();
}

TEST(NamedSegmentTest, WhoeverKnowsTheNameHasTheSameSegment) {
  const Name name;
  EXPECT_EQ(Segment::Open(name).status().code(), absl::StatusCode::kNotFound);
  auto made = Segment::Create(name, {.limit_bytes = 1 << 20});
  ASSERT_TRUE(made.ok()) << made.status();
  const size_t offset = made->Allocate(8, 8).value();
  Party party(World::kProcesses, [&] {
    auto opened = Segment::Open(name);
    ASSERT_TRUE(opened.ok()) << opened.status();
    *opened->At<uint64_t>(offset) = 42;
  });
  party.Join();
  EXPECT_EQ(*made->At<uint64_t>(offset), 42u);
  struct stat found;
  ASSERT_EQ(stat(name.path().c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600u);
}

TEST(NamedSegmentTest, OneCreatorWins) {
  const Name name;
  std::array<absl::Status, 8> outcomes;
  std::vector<std::thread> threads;
  for (absl::Status& outcome : outcomes) {
    threads.emplace_back([&] { outcome = Segment::Create(name, {.limit_bytes = 1 << 16}).status(); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::count(outcomes.begin(), outcomes.end(), absl::OkStatus()), 1);
  for (const absl::Status& outcome : outcomes) {
    if (outcome.ok()) continue;
    EXPECT_EQ(outcome.code(), absl::StatusCode::kAlreadyExists) << outcome;
    EXPECT_TRUE(MadeByShoal(outcome));
  }
}

TEST(NamedSegmentTest, RemoveTakesTheNameAndNothingElse) {
  const Name name;
  auto first = Segment::Create(name, {.limit_bytes = 1 << 16});
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE(Listed(name));
  const size_t offset = first->Allocate(8, 8).value();
  EXPECT_TRUE(Segment::Remove(name).ok());
  EXPECT_FALSE(Listed(name));
  EXPECT_EQ(Segment::Remove(name).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Segment::Open(name).status().code(), absl::StatusCode::kNotFound);
  *first->At<uint64_t>(offset) = 1;
  EXPECT_TRUE(first->Allocate(20'000, 8).ok());  // it still grows

  auto second = Segment::Create(name, {.limit_bytes = 1 << 16});
  ASSERT_TRUE(second.ok()) << second.status();
  const size_t other = second->Allocate(8, 8).value();
  EXPECT_EQ(*second->At<uint64_t>(other), 0u);
  EXPECT_EQ(*first->At<uint64_t>(offset), 1u);
}

TEST(NamedSegmentTest, ANameThatCannotBeOneIsInvalidArgument) {
  const std::string too_long(250, 'x');
  const std::string with_nul("a\0b", 3);
  for (const std::string_view name : {std::string_view(""), std::string_view("a/b"), std::string_view("/a"),
                                      std::string_view("."), std::string_view(".."), std::string_view(too_long),
                                      std::string_view(with_nul)}) {
    EXPECT_EQ(Segment::Create(name).status().code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_EQ(Segment::Open(name).status().code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_EQ(Segment::Remove(name).code(), absl::StatusCode::kInvalidArgument) << name;
  }
  const std::string longest(249, 'x');
  Segment::Remove(longest).IgnoreError();
  EXPECT_TRUE(Segment::Create(longest, {.limit_bytes = 1}).ok());
  EXPECT_TRUE(Segment::Remove(longest).ok());
}

TEST(NamedSegmentTest, AModeThatTheUmaskWouldTakeAwayIsThereAllTheSame) {
  const Name name;
  const mode_t before = umask(0777);
  const auto made = Segment::Create(name, {.limit_bytes = 1});
  umask(before);
  ASSERT_TRUE(made.ok());
  struct stat found;
  ASSERT_EQ(stat(name.path().c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600u);
}

TEST(NamedSegmentTest, WhatIsNoFileOrNoSegmentIsDataLoss) {
  const Name fifo, folder, link, empty, text;
  ASSERT_EQ(mkfifo(fifo.path().c_str(), 0600), 0);
  ASSERT_EQ(mkdir(folder.path().c_str(), 0700), 0);
  ASSERT_EQ(symlink("/etc/passwd", link.path().c_str()), 0);
  std::ofstream(empty.path()).flush();
  std::ofstream(text.path()) << std::string(1 << 20, 'x');
  for (const Name* name : {&fifo, &folder, &link, &empty, &text}) {
    const absl::Status status = Segment::Open(*name).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << name->path() << ": " << status;
    EXPECT_EQ(Segment::Create(*name, {.limit_bytes = 1}).status().code(), absl::StatusCode::kAlreadyExists);
  }
  rmdir(folder.path().c_str());
}

struct Root {
  uint64_t count = 0;
};

// A segment as bytes of a file, with a Mutex<Root> at `mutex`.
struct Original {
  std::string bytes;
  size_t mutex = 0;
};
Original MakeOriginal() {
  Original original;
  const Name name;
  auto made = Segment::Create(name, {.limit_bytes = 4 << 14});
  EXPECT_TRUE(made.ok()) << made.status();
  original.mutex = made->Allocate(sizeof(Mutex<Root>), 64).value();
  new (made->At<Mutex<Root>>(original.mutex)) Mutex<Root>;
  std::ifstream file(name.path(), std::ios::binary);
  original.bytes.assign(std::istreambuf_iterator<char>(file), {});
  return original;
}

// Works with whatever was opened: every call has an answer or a status, and what it gives lies in the mapping.
void Use(const Segment& segment, size_t mutex_offset, size_t file_bytes) {
  for (const size_t size : {size_t{8}, size_t{5000}, size_t{20'000}}) {
    const auto offset = segment.Allocate(size, 8);
    if (!offset.ok()) continue;
    ASSERT_LE(*offset + size, file_bytes);
    std::memset(segment.BytesAt(*offset, size).data(), 1, size);
  }
  auto* const mutex = segment.At<Mutex<Root>>(mutex_offset);
  if (mutex == nullptr) return;
  for (int i = 0; i < 2; ++i) {
    auto guard = mutex->Lock();
    if (guard.ok()) ++(*guard)->count;
  }
}

void Write(const std::string& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

TEST(NamedSegmentTest, EveryFlippedBitOfTheHeaderIsAStatusOrASegmentThatStillWorks) {
  const Original original = MakeOriginal();
  constexpr size_t kHeader = 512;      // of 4096 bytes; nothing lies behind them
  constexpr size_t kHeapLockAt = 384;  // a lock that says it is held looks like one that is: not part of this test
  const Name name;
  int opened = 0;
  for (size_t bit = 0; bit < kHeader * 8; ++bit) {
    if (bit / 8 - kHeapLockAt < 4) continue;
    std::string bytes = original.bytes;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    unlink(name.path().c_str());  // a new file: the last one may still be mapped
    Write(name.path(), bytes);
    const auto segment = Segment::Open(name);
    if (!segment.ok()) {
      EXPECT_TRUE(MadeByShoal(segment.status()));
      EXPECT_TRUE(absl::IsDataLoss(segment.status()) || absl::IsFailedPrecondition(segment.status())) << segment.status();
      continue;
    }
    ++opened;
    Use(*segment, original.mutex, bytes.size());
  }
  EXPECT_GT(opened, 1000);  // counters and hints may have any value
}

TEST(NamedSegmentTest, AFileOfAnotherLengthIsDataLoss) {
  const Original original = MakeOriginal();
  const Name name;
  std::vector<size_t> lengths;
  for (size_t length = 0; length < original.bytes.size(); length += 509) lengths.push_back(length);
  for (const size_t near : {size_t{56}, size_t{512}, size_t{4096}, original.bytes.size()}) {
    for (const size_t length : {near - 1, near, near + 1}) lengths.push_back(length);
  }
  for (const size_t length : lengths) {
    unlink(name.path().c_str());
    std::string bytes = original.bytes;
    bytes.resize(length);
    Write(name.path(), bytes);
    const auto segment = Segment::Open(name);
    if (length == original.bytes.size()) {
      ASSERT_TRUE(segment.ok()) << segment.status();
      Use(*segment, original.mutex, length);
    } else {
      EXPECT_EQ(segment.status().code(), absl::StatusCode::kDataLoss) << length << " bytes: " << segment.status();
    }
  }
}

TEST(NamedSegmentTest, AnotherFormatLayoutOrPidNamespaceIsRefusedWithANameForIt) {
  const Original original = MakeOriginal();
  struct Case {
    size_t offset;
    const char* said;
  };
  for (const Case& test : {Case{8, "has format"}, Case{16, "signature"}, Case{48, "another pid namespace"}}) {
    const Name name;
    std::string bytes = original.bytes;
    ++bytes[test.offset];
    Write(name.path(), bytes);
    const absl::Status status = Segment::Open(name).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_NE(status.message().find(test.said), absl::string_view::npos) << status;
  }
}

// ---- /dev/shm is full -----------------------------------------------------------------------------------------------

void WriteTo(const char* path, const std::string& text) {
  const UniqueFd file(open(path, O_WRONLY | O_CLOEXEC));
  if (file.valid()) [[maybe_unused]] const ssize_t ignored = write(file.get(), text.data(), text.size());
}

// Gives this process, which has one thread, a /dev/shm of its own that holds so little.
bool MountSmallFolder(const char* size) {
  const std::string uid = std::to_string(geteuid());
  const std::string gid = std::to_string(getegid());
  if (unshare(CLONE_NEWNS) != 0) {
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
    WriteTo("/proc/self/setgroups", "deny");
    WriteTo("/proc/self/uid_map", uid + " " + uid + " 1");
    WriteTo("/proc/self/gid_map", gid + " " + gid + " 1");
  }
  mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  return mount("none", "/dev/shm", "tmpfs", 0, (std::string("mode=1777,size=") + size).c_str()) == 0;
}

bool MayMount() {
  const pid_t child = fork();
  if (child == 0) _exit(MountSmallFolder("1m") ? 0 : 1);
  int status = 0;
  waitpid(child, &status, 0);
  return status == 0;
}

TEST(NamedSegmentTest, AFullFolderIsResourceExhaustedWithTheNumbersAndNeverASignal) {
  if (!MayMount()) GTEST_SKIP() << "this system allows no mount namespace: a full /dev/shm cannot be made here";
  Party party(World::kProcesses, [] {
    ASSERT_TRUE(MountSmallFolder("1m"));
    auto segment = Segment::Create("full", {.limit_bytes = 64 << 20});  // the limit is a promise of addresses, not of memory
    ASSERT_TRUE(segment.ok()) << segment.status();
    size_t got = 0;
    absl::Status refused;
    for (int i = 0; i < 100 && refused.ok(); ++i) {
      const auto offset = segment->Allocate(30'000, 8);
      refused = offset.status();
      if (!offset.ok()) break;
      std::memset(segment->BytesAt(*offset, 30'000).data(), 1, 30'000);
      got += 30'000;
    }
    EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
    EXPECT_NE(refused.message().find("of 1048576 bytes left"), absl::string_view::npos) << refused;
    EXPECT_GT(got, 500'000u);
    // A section that finds no memory says so, and leaves what was there.
    const auto second = Segment::Create("second", {.limit_bytes = 1 << 20});
    EXPECT_EQ(second.status().code(), absl::StatusCode::kResourceExhausted) << second.status();
    EXPECT_EQ(Segment::Open("second").status().code(), absl::StatusCode::kNotFound);
    EXPECT_TRUE(Segment::Open("full").ok());
  });
  party.Join();
}

TEST(NamedSegmentTest, AFolderWithoutAnyRoomRefusesTheSegmentItself) {
  if (!MayMount()) GTEST_SKIP() << "this system allows no mount namespace: a full /dev/shm cannot be made here";
  Party party(World::kProcesses, [] {
    ASSERT_TRUE(MountSmallFolder("64k"));
    const auto segment = Segment::Create("none", {.limit_bytes = 1 << 20});
    EXPECT_EQ(segment.status().code(), absl::StatusCode::kResourceExhausted) << segment.status();
    EXPECT_NE(segment.status().message().find("of 65536 bytes left"), absl::string_view::npos) << segment.status();
  });
  party.Join();
}

}  // namespace
}  // namespace shoal
