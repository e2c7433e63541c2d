#ifndef SHOAL_IPC_ADDRESS_LOCK_H_
#define SHOAL_IPC_ADDRESS_LOCK_H_

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/shm/unique_fd.h"
#include "shoal/sync/deadline.h"

namespace shoal::ipc_internal {

// The right to make a socket's file, and to take away the one that a dead listener has left: programs that start at once take
// turns. It is a lock (flock) on an empty file beside the socket, ".NAME.shoal-lock", which only the same user can open, so
// nobody else can hold it.
//
// Crash safety:  a killed owner's lock is free at once; the file that it leaves is the next one's, who removes it.
// Blocking:      Take looks again and again, until the deadline: an owner has it for microseconds, unless it is stopped.
class AddressLock final {
 public:
  // Errors: DeadlineExceeded: somebody has it (the message names the file); AlreadyExists: a file of that name is something else;
  // those of CannotListen.
  static absl::StatusOr<AddressLock> Take(const std::string& socket_path, sync_internal::Deadline deadline);
  AddressLock(AddressLock&&) = default;
  AddressLock& operator=(AddressLock&&) = delete;
  ~AddressLock();

 private:
  AddressLock(std::string path, shm_internal::UniqueFd file) : path_(std::move(path)), file_(std::move(file)) {}

  std::string path_;
  shm_internal::UniqueFd file_;  // invalid: moved away
};

// Why there can be no listener: AlreadyExists, PermissionDenied, NotFound, as `error` says.
absl::Status CannotListen(int error, std::string_view address);

}  // namespace shoal::ipc_internal

#endif  // SHOAL_IPC_ADDRESS_LOCK_H_
