// tree_child INODE GENERATIONS: ends with 0 if Segment::Default() is the file of that inode, here and in as many generations of
// children less one; with 1 if it is another here.

#include <sys/stat.h>

#include <cstdlib>
#include <string>

#include "shoal/process/process.h"
#include "shoal/shm/segment.h"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const int generations = atoi(argv[2]);
  if (generations % 2 == 0) {  // passes on what it has not used itself
    auto child = shoal::Process::Start(
        {.program = "/proc/self/exe", .arguments = {argv[1], std::to_string(generations - 1)}});
    if (!child.ok() || !child->Join().ok() || child->exit_code() != 0) return 3;
  }
  struct stat found;
  if (fstat(shoal::Segment::Default().fd(), &found) != 0) return 4;
  if (found.st_ino != strtoull(argv[1], nullptr, 10)) return 1;
  if (generations % 2 == 0 || generations == 1) return 0;
  auto child =
      shoal::Process::Start({.program = "/proc/self/exe", .arguments = {argv[1], std::to_string(generations - 1)}});
  return child.ok() && child->Join().ok() && child->exit_code() == 0 ? 0 : 3;
}
