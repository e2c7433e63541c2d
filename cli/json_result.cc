#include "shoal/cli/json_result.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include "shoal/cli/json_text.h"
#include "shoal/ipc/cbor.h"
#include "shoal/sync/status.h"

namespace shoal::cli_internal {
namespace {

using ipc_internal::CborKind;
using ipc_internal::CborReader;
using ipc_internal::CborToken;
using ipc_internal::TypeTree;
using Kind = TypeTree::Kind;

// Writes values as JSON. Every function returns false at the first that cannot be; `why` tells if it is JSON's fault.
class Decoder {
 public:
  Decoder(std::string_view bytes, std::string& json) : in_(bytes), json_(json) {}

  bool Message(const TypeTree& type) {
    if (type.kind == Kind::kVoid) {
      json_ += "null";
    } else if (type.plain) {
      std::string_view bytes;
      if (!in_.Raw(type.size, bytes) || !Plain(type, bytes)) return false;
    } else if (!Item(type)) {
      return false;
    }
    return in_.rest().empty();
  }

  // Null: the bytes are wrong.
  const char* why() const { return why_; }

 private:
  bool Fail(const char* why) {
    why_ = why;
    return false;
  }

  template <class T>
  bool Number(T number) {
    std::array<char, 32> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    json_.append(digits.data(), end);
    return true;
  }

  // The shortest digits that mean this number, with something that shows that it is not an integer.
  template <class T>
  bool Real(T number) {
    if (!std::isfinite(number)) return Fail("the result holds a number that is infinite or not a number, and JSON has none");
    const size_t at = json_.size();
    Number(number);
    if (json_.find_first_of(".e", at) == std::string::npos) json_ += ".0";
    return true;
  }

  bool String(std::string_view text) {
    return AppendJsonString(text, json_) || Fail("the result holds a string that is not UTF-8, and JSON has no other");
  }

  template <class Each>
  bool Array(size_t items, Each each) {
    json_ += '[';
    for (size_t i = 0; i < items; ++i) {
      if (i > 0) json_ += ',';
      if (!each(i)) return false;
    }
    json_ += ']';
    return true;
  }

  template <class T>
  static T Load(std::string_view bytes) {
    T value;
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }

  bool Plain(const TypeTree& type, std::string_view bytes) {
    switch (type.kind) {
      case Kind::kBool:
        if (static_cast<unsigned char>(bytes[0]) > 1) return false;
        json_ += bytes[0] != 0 ? "true" : "false";
        return true;
      case Kind::kUnsigned: {
        uint64_t number = 0;
        std::memcpy(&number, bytes.data(), type.size);  // little-endian: the low bytes come first
        return Number(number);
      }
      case Kind::kSigned: {
        uint64_t number = 0;
        std::memcpy(&number, bytes.data(), type.size);
        const size_t unused = 64 - 8 * type.size;
        return Number(static_cast<int64_t>(number << unused) >> unused);  // extends the sign
      }
      case Kind::kFloat:
        return type.size == 4 ? Real(Load<float>(bytes)) : Real(Load<double>(bytes));
      case Kind::kArray: {
        const TypeTree& element = type.children[0];
        return Array(type.length, [&](size_t i) { return Plain(element, bytes.substr(i * element.size, element.size)); });
      }
      case Kind::kStruct:
        return Array(type.children.size(), [&](size_t i) {
          return Plain(type.children[i], bytes.substr(type.offsets[i], type.children[i].size));
        });
      default:
        return false;
    }
  }

  bool Integer(const TypeTree& type, const CborToken& token) {
    const size_t bits = 8 * type.size - (type.kind == Kind::kSigned ? 1 : 0);
    if (token.number > std::numeric_limits<uint64_t>::max() >> (64 - bits)) return false;
    if (token.kind == CborKind::kUnsigned) return Number(token.number);
    if (token.kind != CborKind::kNegative || type.kind != Kind::kSigned) return false;
    return Number(-1 - static_cast<int64_t>(token.number));
  }

  bool Item(const TypeTree& type) {
    CborToken token;
    if (!in_.Next(token)) return false;
    switch (type.kind) {
      case Kind::kVoid:
        return false;
      case Kind::kBool:
        if (token.kind != CborKind::kBool) return false;
        json_ += token.number != 0 ? "true" : "false";
        return true;
      case Kind::kSigned:
      case Kind::kUnsigned:
        return Integer(type, token);
      case Kind::kFloat:
        if (type.size == 4) return token.kind == CborKind::kFloat && Real(static_cast<float>(token.real));
        return token.kind == CborKind::kDouble && Real(token.real);
      case Kind::kString:
        return token.kind == CborKind::kBytes && String(token.bytes);
      case Kind::kVector:
        return Vector(type.children[0], token);
      case Kind::kSet:
        return IsArrayOf(token, token.number) && Array(token.number, [&](size_t) { return Item(type.children[0]); });
      case Kind::kMap:
        return Map(type, token);
      case Kind::kVariant:
        return Variant(type, token);
      case Kind::kNothing:
        json_ += "null";
        return token.kind == CborKind::kNull;
      case Kind::kOptional:
        return Optional(type.children[0], token);
      case Kind::kArray:
        return IsArrayOf(token, type.length) && Array(type.length, [&](size_t) { return Item(type.children[0]); });
      case Kind::kTuple:
      case Kind::kStruct:
        return IsArrayOf(token, type.children.size()) &&
               Array(type.children.size(), [&](size_t i) { return Item(type.children[i]); });
    }
    return false;
  }

  // Every item has at least one byte: a count is believed no further than that.
  bool IsArrayOf(const CborToken& token, size_t items) const {
    return token.kind == CborKind::kArray && token.number == items && items <= in_.rest().size();
  }

  bool Vector(const TypeTree& element, const CborToken& token) {
    if (element.kind == Kind::kSigned || element.kind == Kind::kUnsigned || element.kind == Kind::kFloat) {
      if (token.kind != CborKind::kBytes || token.bytes.size() % element.size != 0) return false;
      return Array(token.bytes.size() / element.size,
                   [&](size_t i) { return Plain(element, token.bytes.substr(i * element.size, element.size)); });
    }
    return IsArrayOf(token, token.number) && Array(token.number, [&](size_t) { return Item(element); });
  }

  bool Map(const TypeTree& type, const CborToken& token) {
    if (token.kind != CborKind::kMap || token.number > in_.rest().size()) return false;
    const bool object = type.children[0].kind == Kind::kString;
    json_ += object ? '{' : '[';
    for (uint64_t i = 0; i < token.number; ++i) {
      if (i > 0) json_ += ',';
      if (!object) json_ += '[';
      if (!Item(type.children[0])) return false;
      json_ += object ? ':' : ',';
      if (!Item(type.children[1])) return false;
      if (!object) json_ += ']';
    }
    json_ += object ? '}' : ']';
    return true;
  }

  bool Variant(const TypeTree& type, const CborToken& token) {
    CborToken index;
    if (!IsArrayOf(token, 2) || !in_.Next(index) || index.kind != CborKind::kUnsigned) return false;
    if (index.number >= type.children.size()) return false;
    return Array(2, [&](size_t i) { return i == 0 ? Number(index.number) : Item(type.children[index.number]); });
  }

  bool Optional(const TypeTree& child, const CborToken& token) {
    if (token.kind == CborKind::kNull) {
      json_ += "null";
      return true;
    }
    if (token.kind != CborKind::kArray || token.number != 1) return false;
    const bool may_be_null = child.kind == Kind::kOptional || child.kind == Kind::kNothing;
    return may_be_null ? Array(1, [&](size_t) { return Item(child); }) : Item(child);
  }

  CborReader in_;
  std::string& json_;
  const char* why_ = nullptr;
};

}  // namespace

absl::Status DecodeResult(const TypeTree& type, std::string_view bytes, std::string& json) {
  Decoder decoder(bytes, json);
  if (decoder.Message(type)) return absl::OkStatus();
  if (decoder.why() != nullptr) return sync_internal::MakeStatus(absl::StatusCode::kOutOfRange, decoder.why());
  return sync_internal::MakeStatus(absl::StatusCode::kDataLoss,
                                   "the bytes of the result do not have the type of its signature");
}

}  // namespace shoal::cli_internal
