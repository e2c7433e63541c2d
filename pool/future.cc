#include "shoal/pool/future.h"

#include <cxxabi.h>
#include <stdio.h>

#include <exception>

namespace shoal::pool_internal {

void RunContained(const std::function<void()>& callback) {
  try {
    callback();
  } catch (const std::exception& e) {
    fprintf(stderr, "shoal: a callback threw: %s\n", e.what());
  } catch (...) {
    // Without a C++ type it is no exception but pthread_exit or cancellation, which is not ours to stop.
    if (abi::__cxa_current_exception_type() == nullptr) throw;
    fprintf(stderr, "shoal: a callback threw something that is no std::exception\n");
  }
}

}  // namespace shoal::pool_internal
