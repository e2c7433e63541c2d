#ifndef SHOAL_SHM_UNIQUE_FD_H_
#define SHOAL_SHM_UNIQUE_FD_H_

#include <unistd.h>

#include <utility>

#include "shoal/sync/cancellation.h"

namespace shoal::shm_internal {

// Owns one file descriptor and closes it. Move-only.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1) {
    if (fd_ >= 0) {
      const sync_internal::NoCancellation whole;  // a destructor cannot be unwound
      close(fd_);
    }
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_UNIQUE_FD_H_
