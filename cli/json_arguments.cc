#include "shoal/cli/json_arguments.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "shoal/cli/json_text.h"
#include "shoal/ipc/cbor.h"
#include "shoal/sync/status.h"

namespace shoal::cli_internal {
namespace {

using ipc_internal::CborWriter;
using ipc_internal::SignatureTree;
using ipc_internal::TypeTree;
using nlohmann::json;
using Kind = TypeTree::Kind;

constexpr size_t kMaxPlainBytes = size_t{1} << 30;  // the limit of a pool's messages
constexpr size_t kShownBytes = 40;                  // of a value in a message

absl::Status Misfit(const std::string& message) {
  return sync_internal::MakeStatus(absl::StatusCode::kInvalidArgument, message);
}

std::string Items(size_t count) { return absl::StrCat(count, count == 1 ? " item" : " items"); }

// A value for a message: short, printable, whatever is in it.
std::string Show(const json& value) {
  if (value.is_array()) return absl::StrCat("an array of ", Items(value.size()));
  if (value.is_object()) return "an object";
  std::string text = value.dump(-1, ' ', /*ensure_ascii=*/true);
  if (text.size() > kShownBytes) text = absl::StrCat(text.substr(0, kShownBytes), "...");
  return text;
}

bool IsStringMap(const TypeTree& type) { return type.kind == Kind::kMap && type.children[0].kind == Kind::kString; }

// Whether some value of the type is null in JSON: an optional of it is an array then, of one item.
bool MayBeNull(const TypeTree& type) { return type.kind == Kind::kOptional || type.kind == Kind::kNothing; }

// Whether some value of the type is a JSON array.
bool MayBeArray(const TypeTree& type) {
  switch (type.kind) {
    case Kind::kVector:
    case Kind::kSet:
    case Kind::kTuple:
    case Kind::kVariant:
    case Kind::kArray:
    case Kind::kStruct:
      return true;
    case Kind::kMap:
      return !IsStringMap(type);
    case Kind::kOptional:
      return MayBeNull(type.children[0]) || MayBeArray(type.children[0]);
    default:
      return false;
  }
}

bool IsNumber(const TypeTree& type) {
  return type.kind == Kind::kSigned || type.kind == Kind::kUnsigned || type.kind == Kind::kFloat;
}

int64_t Lowest(const TypeTree& type) { return std::numeric_limits<int64_t>::min() >> (64 - 8 * type.size); }
uint64_t Highest(const TypeTree& type) {
  const size_t bits = 8 * type.size - (type.kind == Kind::kSigned ? 1 : 0);
  return std::numeric_limits<uint64_t>::max() >> (64 - bits);
}

// Appends values to the bytes of a message. Every function returns false at the first value that does not fit; `why` and
// `where` then tell.
class Encoder {
 public:
  explicit Encoder(std::string& out) : out_(out), cbor_(out) {}

  // One value of a message: plain ones are their bytes.
  bool Value(const TypeTree& type, const json& value) {
    if (!type.plain) return Item(type, value);
    if (type.size > kMaxPlainBytes) return Fail(absl::StrCat("a value of this type has ", type.size, " bytes"));
    const size_t at = out_.size();
    out_.resize(at + type.size, '\0');  // gaps between fields are zero
    return Plain(type, value, at);
  }

  const std::string& why() const { return why_; }
  const std::string& where() const { return where_; }

 private:
  bool Fail(std::string why) {
    why_ = std::move(why);
    return false;
  }
  bool Expected(const TypeTree& type, const json& value) {
    return Fail(absl::StrCat("expected ", DescribeJson(type), ", not ", Show(value)));
  }
  bool Within(size_t index, bool good) {
    if (!good) where_ = absl::StrCat("[", index, "]", where_);
    return good;
  }

  // An integer of the type's range, as the 64 bits of its two's complement.
  bool Integer(const TypeTree& type, const json& value, uint64_t& bits) {
    if (!value.is_number_integer()) return Expected(type, value);
    const bool negative = !value.is_number_unsigned() && value.get<int64_t>() < 0;
    const bool fits = negative ? type.kind == Kind::kSigned && value.get<int64_t>() >= Lowest(type)
                               : value.get<uint64_t>() <= Highest(type);
    if (!fits) return Expected(type, value);
    bits = negative ? static_cast<uint64_t>(value.get<int64_t>()) : value.get<uint64_t>();
    return true;
  }

  bool Real(const TypeTree& type, const json& value, double& real) {
    if (!value.is_number()) return Expected(type, value);
    real = value.get<double>();
    if (type.size == 8) return true;
    // What rounds to the largest float is in range: its shortest digits, 3.4028235e38, are a little more than it.
    constexpr double kMax = std::numeric_limits<float>::max();
    constexpr double kBeyond = 0x1.ffffffp127;  // half a step above
    if (std::abs(real) >= kBeyond) return Expected(type, value);
    real = std::clamp(real, -kMax, kMax);
    return true;
  }

  bool IsArrayOf(const TypeTree& type, const json& value, size_t items) {
    return value.is_array() && value.size() == items ? true : Expected(type, value);
  }

  void Store(size_t at, const void* bytes, size_t size) { std::memcpy(out_.data() + at, bytes, size); }

  bool Plain(const TypeTree& type, const json& value, size_t at) {
    switch (type.kind) {
      case Kind::kBool: {
        if (!value.is_boolean()) return Expected(type, value);
        out_[at] = value.get<bool>() ? 1 : 0;
        return true;
      }
      case Kind::kSigned:
      case Kind::kUnsigned: {
        uint64_t bits = 0;
        if (!Integer(type, value, bits)) return false;
        Store(at, &bits, type.size);  // little-endian: the low bytes come first
        return true;
      }
      case Kind::kFloat: {
        double real = 0;
        if (!Real(type, value, real)) return false;
        const auto single = static_cast<float>(real);
        Store(at, type.size == 4 ? static_cast<const void*>(&single) : &real, type.size);
        return true;
      }
      case Kind::kArray:
        if (!IsArrayOf(type, value, type.length)) return false;
        for (size_t i = 0; i < type.length; ++i) {
          if (!Within(i, Plain(type.children[0], value[i], at + i * type.children[0].size))) return false;
        }
        return true;
      case Kind::kStruct:
        if (!IsArrayOf(type, value, type.children.size())) return false;
        for (size_t i = 0; i < type.children.size(); ++i) {
          if (!Within(i, Plain(type.children[i], value[i], at + type.offsets[i]))) return false;
        }
        return true;
      default:
        return Fail("a type that is not plain is inside a plain one");
    }
  }

  bool Item(const TypeTree& type, const json& value) {
    switch (type.kind) {
      case Kind::kBool:
        if (!value.is_boolean()) return Expected(type, value);
        cbor_.Bool(value.get<bool>());
        return true;
      case Kind::kSigned: {
        uint64_t bits = 0;
        if (!Integer(type, value, bits)) return false;
        cbor_.Signed(static_cast<int64_t>(bits));
        return true;
      }
      case Kind::kUnsigned: {
        uint64_t bits = 0;
        if (!Integer(type, value, bits)) return false;
        cbor_.Unsigned(bits);
        return true;
      }
      case Kind::kFloat: {
        double real = 0;
        if (!Real(type, value, real)) return false;
        if (type.size == 4) {
          cbor_.Float(static_cast<float>(real));
        } else {
          cbor_.Double(real);
        }
        return true;
      }
      case Kind::kString:
        if (!value.is_string()) return Expected(type, value);
        cbor_.Bytes(value.get_ref<const std::string&>());
        return true;
      case Kind::kVector:
        return Vector(type, value);
      case Kind::kMap:
        return IsStringMap(type) ? Object(type, value) : Pairs(type, value);
      case Kind::kSet:
        return Set(type, value);
      case Kind::kVariant:
        return Variant(type, value);
      case Kind::kNothing:
        if (!value.is_null()) return Expected(type, value);
        cbor_.Null();
        return true;
      case Kind::kOptional:
        return Optional(type, value);
      case Kind::kArray:
        return IsArrayOf(type, value, type.length) && Elements(
                                                          type, value, [&](size_t) -> auto& { return type.children[0]; });
      case Kind::kTuple:
      case Kind::kStruct:
        return IsArrayOf(type, value, type.children.size()) &&
               Elements(
                   type, value, [&](size_t i) -> auto& { return type.children[i]; });
      case Kind::kVoid:
        break;
    }
    return Fail("nothing can be passed as void");
  }

  template <class TypeOf>
  bool Elements(const TypeTree&, const json& value, TypeOf type_of) {
    cbor_.Array(value.size());
    for (size_t i = 0; i < value.size(); ++i) {
      if (!Within(i, Item(type_of(i), value[i]))) return false;
    }
    return true;
  }

  bool Vector(const TypeTree& type, const json& value) {
    if (!value.is_array()) return Expected(type, value);
    const TypeTree& element = type.children[0];
    if (!IsNumber(element))
      return Elements(
          type, value, [&](size_t) -> auto& { return element; });
    cbor_.BytesHead(value.size() * element.size);
    const size_t at = out_.size();
    out_.resize(at + value.size() * element.size);
    for (size_t i = 0; i < value.size(); ++i) {
      if (!Within(i, Plain(element, value[i], at + i * element.size))) return false;
    }
    return true;
  }

  bool Object(const TypeTree& type, const json& value) {
    if (!value.is_object()) return Expected(type, value);
    cbor_.Map(value.size());
    for (const auto& [key, mapped] : value.items()) {
      cbor_.Bytes(key);
      if (!Item(type.children[1], mapped)) {
        where_ = absl::StrCat("[", Show(json(key)), "]", where_);
        return false;
      }
    }
    return true;
  }

  bool Pairs(const TypeTree& type, const json& value) {
    if (!value.is_array()) return Expected(type, value);
    cbor_.Map(value.size());
    std::set<std::string, std::less<>> keys;  // as bytes: equal values have equal bytes
    for (size_t i = 0; i < value.size(); ++i) {
      const json& pair = value[i];
      if (!pair.is_array() || pair.size() != 2) {
        return Within(i, Fail(absl::StrCat("expected a [key, value] pair, not ", Show(pair))));
      }
      const size_t at = out_.size();
      if (!Within(i, Within(0, Item(type.children[0], pair[0])))) return false;
      if (!keys.insert(out_.substr(at)).second) return Within(i, Fail("a key that was there already"));
      if (!Within(i, Within(1, Item(type.children[1], pair[1])))) return false;
    }
    return true;
  }

  bool Set(const TypeTree& type, const json& value) {
    if (!value.is_array()) return Expected(type, value);
    cbor_.Array(value.size());
    std::set<std::string, std::less<>> keys;  // as bytes, as above
    for (size_t i = 0; i < value.size(); ++i) {
      const size_t at = out_.size();
      if (!Within(i, Item(type.children[0], value[i]))) return false;
      if (!keys.insert(out_.substr(at)).second) return Within(i, Fail("a value that was there already"));
    }
    return true;
  }

  bool Variant(const TypeTree& type, const json& value) {
    if (!value.is_array() || value.size() != 2) return Expected(type, value);
    if (!value[0].is_number_unsigned() || value[0].get<uint64_t>() >= type.children.size()) {
      return Within(0, Fail(absl::StrCat("expected an index below ", type.children.size(), ", not ", Show(value[0]))));
    }
    const auto index = value[0].get<size_t>();
    cbor_.Array(2);
    cbor_.Unsigned(index);
    return Within(1, Item(type.children[index], value[1]));
  }

  bool Optional(const TypeTree& type, const json& value) {
    if (value.is_null()) {
      cbor_.Null();
      return true;
    }
    cbor_.Array(1);
    const TypeTree& child = type.children[0];
    if (!MayBeNull(child)) return Item(child, value);
    return IsArrayOf(type, value, 1) && Within(0, Item(child, value[0]));
  }

  std::string& out_;
  CborWriter cbor_;
  std::string why_;
  std::string where_;  // from the argument to the value that does not fit: [3]["key"]
};

absl::Status EncodeAll(const SignatureTree& signature, const std::vector<const json*>& values, std::string& out) {
  Encoder encoder(out);
  for (size_t i = 0; i < values.size(); ++i) {
    if (encoder.Value(signature.arguments[i], *values[i])) continue;
    const std::string which = values.size() > 1 ? absl::StrCat("argument ", i + 1) : "the argument";
    const std::string at = encoder.where().empty() ? "" : absl::StrCat(", at ", encoder.where());
    return Misfit(absl::StrCat(which, at, ": ", encoder.why()));
  }
  return absl::OkStatus();
}

}  // namespace

std::string DescribeJson(const TypeTree& type) {
  switch (type.kind) {
    case Kind::kVoid:
      return "null";
    case Kind::kBool:
      return "true or false";
    case Kind::kSigned:
      return absl::StrCat("an integer from ", Lowest(type), " to ", Highest(type));
    case Kind::kUnsigned:
      return absl::StrCat("an integer from 0 to ", Highest(type));
    case Kind::kFloat:
      return type.size == 4 ? "a number in the range of float" : "a number";
    case Kind::kString:
      return "a string";
    case Kind::kVector:
      return "an array";
    case Kind::kSet:
      return "an array without repetitions";
    case Kind::kVariant:
      return "an [index, value] pair";
    case Kind::kNothing:
      return "null";
    case Kind::kMap:
      return IsStringMap(type) ? "an object" : "an array of [key, value] pairs";
    case Kind::kOptional:
      return MayBeNull(type.children[0]) ? "null or an array of 1 item"
                                         : absl::StrCat("null or ", DescribeJson(type.children[0]));
    case Kind::kTuple:
    case Kind::kStruct:
      return absl::StrCat("an array of ", Items(type.children.size()));
    case Kind::kArray:
      return absl::StrCat("an array of ", Items(type.length));
  }
  return "?";
}

absl::Status EncodeArguments(const SignatureTree& signature, std::string_view line, std::string& out) {
  SHOAL_ASSIGN_OR_RETURN(const json value, ParseJson(line));
  const size_t count = signature.arguments.size();
  if (count == 1) {
    const bool wrapped = value.is_array() && value.size() == 1 && !MayBeArray(signature.arguments[0]);
    return EncodeAll(signature, {wrapped ? &value[0] : &value}, out);
  }
  if (count == 0 && (value.is_null() || (value.is_array() && value.empty()))) return absl::OkStatus();
  if (!value.is_array() || value.size() != count) {
    const std::string wanted = count == 0 ? "no arguments ([] or null)" : absl::StrCat("an array of ", count, " arguments");
    return Misfit(absl::StrCat("expected ", wanted, ", not ", Show(value)));
  }
  std::vector<const json*> values;
  for (const json& argument : value) values.push_back(&argument);
  return EncodeAll(signature, values, out);
}

}  // namespace shoal::cli_internal
