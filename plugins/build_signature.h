#ifndef SHOAL_PLUGINS_BUILD_SIGNATURE_H_
#define SHOAL_PLUGINS_BUILD_SIGNATURE_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/base/config.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "shoal/plugins/headers_signature.h"

namespace shoal::plugins_internal {

// Two copies of this library that work on the same objects must have been compiled from the same headers, ours and those that ours
// are made of. This number differs where they were not.
constexpr uint64_t BuildSignature() {
  uint64_t signature = 0xcbf29ce484222325;  // FNV-1a
  for (const uint64_t number : {kHeadersSignature, uint64_t{sizeof(std::string)}, uint64_t{sizeof(std::vector<int>)},
                                uint64_t{sizeof(std::shared_ptr<int>)}, uint64_t{sizeof(std::mutex)},
                                uint64_t{sizeof(absl::Status)}, uint64_t{sizeof(absl::Duration)},
                                uint64_t{ABSL_LTS_RELEASE_VERSION}, uint64_t{_GLIBCXX_USE_CXX11_ABI}}) {
    signature = (signature ^ number) * 0x100000001b3;
  }
  return signature;
}

}  // namespace shoal::plugins_internal

#endif  // SHOAL_PLUGINS_BUILD_SIGNATURE_H_
