#ifndef SHOAL_POOL_MESSAGES_H_
#define SHOAL_POOL_MESSAGES_H_

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

// Messages between a pool and its workers that are more than a task's own bytes.

namespace shoal::pool_internal {

// Name, signature code and help of every function, in the order of their indices.
using Catalogue = std::vector<std::tuple<std::string, std::string, std::string>>;

// Why a task gave no value. `kind` is a shoal_failure_kind or one of ours.
struct FailureMessage {
  int32_t kind = 0;
  int32_t code = 0;
  std::string type;
  std::string message;
};
inline constexpr int32_t kTooLarge = 100;  // the result exceeds the limit

}  // namespace shoal::pool_internal

#endif  // SHOAL_POOL_MESSAGES_H_
