#ifndef SHOAL_SYNC_CANCELLATION_H_
#define SHOAL_SYNC_CANCELLATION_H_

#include <pthread.h>

namespace shoal::sync_internal {

// Keeps pthread_cancel out of a system call that is made while something is half done: the thread ends at its next cancellation point
// after this object's end. Several nanoseconds: for what makes a system call anyway.
class NoCancellation final {
 public:
  NoCancellation() { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
  ~NoCancellation() { pthread_setcancelstate(before_, nullptr); }
  NoCancellation(const NoCancellation&) = delete;
  NoCancellation& operator=(const NoCancellation&) = delete;

 private:
  int before_ = PTHREAD_CANCEL_ENABLE;
};

}  // namespace shoal::sync_internal

#endif  // SHOAL_SYNC_CANCELLATION_H_
