#include "shoal/shm/inheritance.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace shoal::shm_internal {
namespace {

// It may still have a number, for a parent that has not asked how it ended.
bool HasEnded(pid_t process) {
  const UniqueFd found(static_cast<int>(syscall(SYS_pidfd_open, process, 0)));
  if (!found.valid()) return errno == ESRCH;
  struct pollfd ended = {.fd = found.get(), .events = POLLIN, .revents = 0};
  return poll(&ended, 1, 0) == 1;
}

// The descriptor's number, or -1.
int FindInheritance() {
  const char* const value = getenv(kInheritanceVariable);
  int fd = -1;
  unsigned long device = 0;
  unsigned long inode = 0;
  int heirs_parent = 0;
  if (value == nullptr || sscanf(value, "%d,%lu,%lu,%d", &fd, &device, &inode, &heirs_parent) != 4) return -1;
  // An heir whose parent has ended has another parent now.
  if (heirs_parent <= 0 || (getppid() != heirs_parent && !HasEnded(heirs_parent))) return -1;
  struct stat found;
  if (fd < 0 || fstat(fd, &found) != 0 || found.st_dev != device || found.st_ino != inode) return -1;
  return fd;
}

}  // namespace

std::string InheritanceOf(int fd, int fd_in_child) {
  struct stat found;
  if (fstat(fd, &found) != 0) return "";
  return absl::StrCat(kInheritanceVariable, "=", fd_in_child, ",", found.st_dev, ",", found.st_ino, ",", getpid());
}

UniqueFd TakeInheritance() {
  CloseInheritanceOnExec();
  return UniqueFd(FindInheritance());
}

void CloseInheritanceOnExec() {
  if (const int fd = FindInheritance(); fd >= 0) fcntl(fd, F_SETFD, FD_CLOEXEC);
}

}  // namespace shoal::shm_internal
