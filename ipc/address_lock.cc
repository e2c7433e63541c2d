// ipc/address_lock.cc: a lock file that nobody need tidy up.
//
//  The owner removes the file while it has the lock, and then lets go. So whoever gets a lock looks whether it is on the file
//  that has the name: if not, that is a new one, and he begins again. Nobody removes a file that he has not locked.
//
//  If the process dies …                 the others see …
//   before it has the lock                a file that nobody has locked: the next one's
//   with it                               the same: the kernel has given it up
//   between removing and letting go       no file
//
//  A child that is forked meanwhile has the file open, too, and so the lock, should this process die before it removes the file;
//  until the child calls exec, or ends.

#include "shoal/ipc/address_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "shoal/sync/futex.h"
#include "shoal/sync/status.h"

namespace shoal::ipc_internal {

using shm_internal::UniqueFd;
using sync_internal::Deadline;
using sync_internal::ErrnoStatus;
using sync_internal::MakeStatus;

namespace {

constexpr absl::Duration kBetweenLooks = absl::Milliseconds(1);

std::string LockPath(const std::string& socket_path) {
  const size_t name = socket_path.rfind('/') + 1;  // 0: it has no directory
  return absl::StrCat(socket_path.substr(0, name), ".", socket_path.substr(name), ".shoal-lock");
}

void WaitALittle(Deadline deadline) {
  const sync_internal::FutexWord nobody{0};
  sync_internal::SleepWhile({{&nobody, 0}}, Deadline::Earlier(deadline, Deadline::After(kBetweenLooks)));
}

}  // namespace

absl::StatusOr<AddressLock> AddressLock::Take(const std::string& socket_path, Deadline deadline) {
  std::string path = LockPath(socket_path);
  for (;;) {
    UniqueFd file(open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
    if (!file.valid()) return CannotListen(errno, path);
    struct stat opened;
    if (fstat(file.get(), &opened) != 0) return ErrnoStatus(errno, absl::StrCat("cannot look at \"", path, "\""));
    if (!S_ISREG(opened.st_mode) || opened.st_size != 0 || opened.st_uid != geteuid()) {
      return MakeStatus(absl::StatusCode::kAlreadyExists, absl::StrCat("\"", path, "\" is no lock file of ours"));
    }
    if (flock(file.get(), LOCK_EX | LOCK_NB) == 0) {
      struct stat named;
      if (lstat(path.c_str(), &named) == 0 && named.st_dev == opened.st_dev && named.st_ino == opened.st_ino) {
        return AddressLock(std::move(path), std::move(file));
      }
    } else if (errno != EWOULDBLOCK && errno != EINTR) {
      return ErrnoStatus(errno, absl::StrCat("cannot lock \"", path, "\""));
    }
    if (deadline.passed()) {
      return MakeStatus(
          absl::StatusCode::kDeadlineExceeded,
          absl::StrCat("another process that is starting a listener there holds \"", path, "\", and does not go on"));
    }
    WaitALittle(deadline);
  }
}

AddressLock::~AddressLock() {
  if (file_.valid()) unlink(path_.c_str());
}

absl::Status CannotListen(int error, std::string_view address) {
  const std::string quoted = absl::StrCat("\"", std::string(address), "\"");
  switch (error) {
    case EADDRINUSE:
      return MakeStatus(absl::StatusCode::kAlreadyExists, absl::StrCat("somebody listens at ", quoted));
    case EACCES:
    case EPERM:
    case EROFS:
      return MakeStatus(absl::StatusCode::kPermissionDenied,
                        absl::StrCat("cannot listen there: ", quoted, " cannot be made"));
    case ENOENT:
    case ENOTDIR:
      return MakeStatus(absl::StatusCode::kNotFound, absl::StrCat("there is no directory for ", quoted));
    default:
      return ErrnoStatus(error, absl::StrCat("cannot listen at ", quoted));
  }
}

}  // namespace shoal::ipc_internal
