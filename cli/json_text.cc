#include "shoal/cli/json_text.h"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "shoal/sync/status.h"

namespace shoal::cli_internal {
namespace {

using nlohmann::json;

// Receives the parser's events and builds the value. The library's own builder would let the last of two equal keys win, and
// go as deep as the text says.
class Builder {
 public:
  using number_integer_t = json::number_integer_t;
  using number_unsigned_t = json::number_unsigned_t;
  using number_float_t = json::number_float_t;
  using string_t = json::string_t;
  using binary_t = json::binary_t;

  bool null() { return Put(nullptr); }
  bool boolean(bool value) { return Put(value); }
  bool number_integer(number_integer_t value) { return Put(value); }
  bool number_unsigned(number_unsigned_t value) { return Put(value); }
  bool number_float(number_float_t value, const string_t&) { return Put(value); }
  bool string(string_t& value) { return Put(std::move(value)); }
  bool binary(binary_t&) { return false; }  // no text has one

  bool start_object(size_t) { return Open(json::object()); }
  bool key(string_t& key) {
    key_ = std::move(key);
    if (open_.back()->contains(key_)) return Fail("has the key " + json(key_).dump() + " twice");
    return true;
  }
  bool end_object() { return Close(); }
  bool start_array(size_t) { return Open(json::array()); }
  bool end_array() { return Close(); }

  bool parse_error(size_t position, const std::string&, const json::exception& error) {
    if (error.id == 406) return Fail("has a number that is too large");
    return Fail(absl::StrCat("is not JSON at column ", position));
  }

  json TakeValue() { return std::move(value_); }
  const std::string& why() const { return why_; }

 private:
  bool Fail(std::string why) {
    why_ = std::move(why);
    return false;
  }

  template <class T>
  json* Place(T&& value) {
    if (open_.empty()) return &(value_ = json(std::forward<T>(value)));
    json& parent = *open_.back();
    if (parent.is_array()) return &parent.emplace_back(std::forward<T>(value));
    return &(parent[key_] = json(std::forward<T>(value)));
  }

  template <class T>
  bool Put(T&& value) {
    Place(std::forward<T>(value));
    return true;
  }

  // A pointer to an open value stays good: its parent does not grow before it is closed.
  bool Open(json empty) {
    if (open_.size() >= static_cast<size_t>(kMaxJsonDepth)) return Fail(absl::StrCat("nests deeper than ", kMaxJsonDepth));
    open_.push_back(Place(std::move(empty)));
    return true;
  }
  bool Close() {
    open_.pop_back();
    return true;
  }

  json value_;
  std::vector<json*> open_;
  std::string key_;
  std::string why_;
};

std::string Dump(std::string_view text, json::error_handler_t on_error) { return json(text).dump(-1, ' ', false, on_error); }

}  // namespace

absl::StatusOr<json> ParseJson(std::string_view text) {
  Builder builder;
  if (!json::sax_parse(text.begin(), text.end(), &builder)) {
    return sync_internal::MakeStatus(absl::StatusCode::kInvalidArgument, absl::StrCat("the line ", builder.why()));
  }
  return builder.TakeValue();
}

bool AppendJsonString(std::string_view text, std::string& out) {
  try {
    out += Dump(text, json::error_handler_t::strict);
    return true;
  } catch (const json::type_error&) {
    return false;
  }
}

void AppendJsonMessage(std::string_view text, std::string& out) { out += Dump(text, json::error_handler_t::replace); }

}  // namespace shoal::cli_internal
