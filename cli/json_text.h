#ifndef SHOAL_CLI_JSON_TEXT_H_
#define SHOAL_CLI_JSON_TEXT_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace shoal::cli_internal {

// No type of a signature nests deeper than 33 levels, and none needs more than three of JSON for one of its own.
inline constexpr int kMaxJsonDepth = 128;

// One JSON value out of a line that anybody may have written. Stricter than the library below it: a key that appears twice in
// an object, and nesting beyond kMaxJsonDepth, are refused; nothing may follow the value.
//
// Thread safety: pure function. Errors: InvalidArgument, with what is wrong and at which column.
absl::StatusOr<nlohmann::json> ParseJson(std::string_view text);

// Text as a JSON string, quotes included. False, and nothing appended, if it is not UTF-8.
[[nodiscard]] bool AppendJsonString(std::string_view text, std::string& out);

// The same for messages: bytes that are not UTF-8 become U+FFFD.
void AppendJsonMessage(std::string_view text, std::string& out);

}  // namespace shoal::cli_internal

#endif  // SHOAL_CLI_JSON_TEXT_H_
