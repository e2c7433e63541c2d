#include "shoal/pool/future.h"

#include <cxxabi.h>
#include <stdio.h>

#include <exception>

namespace shoal::pool_internal {

void RunContained(const std::function<void()>& callback) {
  try {
    callback();
  } catch (const abi::__forced_unwind&) {
    throw;  // pthread_exit or cancellation: not ours to stop
  } catch (const std::exception& e) {
    fprintf(stderr, "shoal: a callback threw: %s\n", e.what());
  } catch (...) {
    fprintf(stderr, "shoal: a callback threw something that is no std::exception\n");
  }
}

}  // namespace shoal::pool_internal
