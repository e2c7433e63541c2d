#include "shoal/shm/inheritance.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "gtest/gtest.h"
#include "shoal/shm/memory_file.h"
#include "shoal/shm/unique_fd.h"

namespace shoal::shm_internal {
namespace {

// An heir that comes to ask only after its parent has ended, whose parent in turn has not asked how.
TEST(InheritanceTest, AnHeirMayOutliveItsParent) {
  const UniqueFd file = CreateMemoryFile("inherited", 4096).value();
  int answer[2];
  ASSERT_EQ(pipe(answer), 0);
  const pid_t parent = fork();
  if (parent == 0) {
    const std::string variable = InheritanceOf(file.get(), file.get());
    const size_t name = variable.find('=');
    setenv(variable.substr(0, name).c_str(), variable.c_str() + name + 1, 1);
    const UniqueFd self(static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0)));
    if (fork() != 0) _exit(0);
    struct pollfd ended = {.fd = self.get(), .events = POLLIN, .revents = 0};
    poll(&ended, 1, -1);
    const char found = TakeInheritance().valid() ? 'y' : 'n';
    _exit(write(answer[1], &found, 1) == 1 ? 0 : 1);
  }
  close(answer[1]);
  char found = 0;
  EXPECT_EQ(read(answer[0], &found, 1), 1);
  EXPECT_EQ(found, 'y');
  close(answer[0]);
  waitpid(parent, nullptr, 0);  // until now it was there, ended
}

TEST(InheritanceTest, WhatAnotherProcessWasLeftIsNotTaken) {
  const UniqueFd file = CreateMemoryFile("inherited", 4096).value();
  const std::string variable = InheritanceOf(file.get(), file.get());  // for a child of this one
  const size_t name = variable.find('=');
  setenv(variable.substr(0, name).c_str(), variable.c_str() + name + 1, 1);
  EXPECT_FALSE(TakeInheritance().valid());
  unsetenv(variable.substr(0, name).c_str());
}

}  // namespace
}  // namespace shoal::shm_internal
