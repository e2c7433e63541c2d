// The last holder of a tree of objects is killed, and the first to look is another program, which knows none of their types. It destroys
// them by their layout: nothing is left.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <string>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "shoal/shm/box.h"
#include "shoal/shm/deque.h"
#include "shoal/shm/hash_map.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/shared.h"
#include "shoal/shm/string.h"
#include "shoal/shm/variant.h"
#include "shoal/shm/vector.h"
#include "shoal/sync/status.h"

namespace shoal {
namespace {

struct Leaf {
  String text;
};
struct Tree {
  int64_t number = 0;
  Vector<String> names;
  HashMap<String, Box<Vector<Variant>>> rows;
  Deque<Shared<Mutex<Leaf>>> leaves;
};

absl::Status Fill(const Segment& segment, Tree& tree) {
  for (int i = 0; i < 40; ++i) {
    SHOAL_RETURN_IF_ERROR(tree.names.PushBack("a name longer than nothing"));
    SHOAL_ASSIGN_OR_RETURN(Box<Vector<Variant>> * row, tree.rows.Insert(std::to_string(i)));
    SHOAL_RETURN_IF_ERROR(row->Set());
    SHOAL_RETURN_IF_ERROR((*row->Edit())->PushBack("text"));
    SHOAL_ASSIGN_OR_RETURN(Shared<Mutex<Leaf>> leaf, segment.New<Mutex<Leaf>>());
    SHOAL_RETURN_IF_ERROR(tree.leaves.PushBack(leaf));
  }
  return absl::OkStatus();
}

// Makes a tree in a new segment, from a process of its own, which dies with it or drops it first.
void MakeTree(const std::string& name, bool die) {
  const pid_t pid = fork();
  if (pid == 0) {
    const auto segment = Segment::Create(name, {.limit_bytes = 1 << 22});
    if (!segment.ok()) _exit(1);
    auto tree = segment->New<Mutex<Tree>>();
    if (!tree.ok() || !(*tree)->With([&](Tree& root) { return Fill(*segment, root); }).ok()) _exit(2);
    if (die) raise(SIGKILL);
    tree->Reset();
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  ASSERT_TRUE(die ? WIFSIGNALED(status) : WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

struct Blocks {
  uint64_t before = 0;
  uint64_t after = 0;
};
Blocks AskStranger(const std::string& name) {
  Blocks blocks;
  FILE* const answer = popen(("tests/shm/stranger " + name).c_str(), "r");
  EXPECT_EQ(fscanf(answer, "%lu %lu", &blocks.before, &blocks.after), 2);
  EXPECT_EQ(pclose(answer), 0);
  return blocks;
}

TEST(StrangerTest, DestroysWhatItDoesNotKnow) {
  const std::string name = "stranger-" + std::to_string(getpid());
  MakeTree(name, /*die=*/false);
  const Blocks dropped = AskStranger(name);
  EXPECT_TRUE(Segment::Remove(name).ok());
  MakeTree(name, /*die=*/true);
  const Blocks killed = AskStranger(name);
  EXPECT_TRUE(Segment::Remove(name).ok());
  EXPECT_EQ(dropped.before, dropped.after);
  EXPECT_GT(killed.before, dropped.before + 100);
  EXPECT_EQ(killed.after, dropped.after);
}

}  // namespace
}  // namespace shoal
