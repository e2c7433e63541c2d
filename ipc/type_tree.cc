#include "shoal/ipc/type_tree.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "shoal/ipc/wire_type.h"
#include "shoal/sync/status.h"

namespace shoal::ipc_internal {
namespace {

using Kind = TypeTree::Kind;

constexpr size_t kMaxSize = size_t{1} << 32;  // of a plain value, in bytes

// A recursive descent over the grammar in wire_type.h. Every function takes what it recognises off the front of `rest_` and
// returns false at the first thing that is wrong.
class Parser {
 public:
  explicit Parser(std::string_view code) : rest_(code) {}

  bool Type(TypeTree& type, int depth = 0) {
    if (depth > kMaxTypeDepth + 1 || rest_.empty()) return false;
    const char kind = rest_.front();
    rest_.remove_prefix(1);
    switch (kind) {
      case 'v':
        type.kind = Kind::kVoid;
        return true;
      case 'b':
        return Scalar(type, Kind::kBool, 1);
      case 'i':
        return SizedScalar(type, Kind::kSigned);
      case 'u':
        return SizedScalar(type, Kind::kUnsigned);
      case 'f':
        return SizedScalar(type, Kind::kFloat) && type.size >= 4;
      case 's':
        type.kind = Kind::kString;
        return true;
      case '[':
        type.kind = Kind::kVector;
        return Child(type, depth) && Take(']');
      case '{':
        type.kind = Kind::kSet;
        if (!Child(type, depth)) return false;
        if (Take('}')) return true;
        type.kind = Kind::kMap;
        return Take(',') && Child(type, depth) && Take('}');
      case '?':
        type.kind = Kind::kOptional;
        return Child(type, depth);
      case '(':
        type.kind = Kind::kTuple;
        return Children(type, depth, ')');
      case '|':
        type.kind = Kind::kVariant;
        return AtLeastOne(type, depth) && Take('|');
      case 'n':
        type.kind = Kind::kNothing;
        return true;
      case '~':
        return Meaning(type.meaning) && Take(':') && Type(type, depth + 1) && type.kind != Kind::kVoid;
      case '#':
        return Array(type, depth);
      case '<':
        return Struct(type, depth);
      default:
        return false;
    }
  }

  bool Take(std::string_view token) {
    if (rest_.substr(0, token.size()) != token) return false;
    rest_.remove_prefix(token.size());
    return true;
  }
  bool Take(char c) { return Take(std::string_view(&c, 1)); }
  bool AtEnd() const { return rest_.empty(); }

 private:
  bool Scalar(TypeTree& type, Kind kind, size_t size) {
    type.kind = kind;
    type.plain = true;
    type.size = size;
    return true;
  }

  bool SizedScalar(TypeTree& type, Kind kind) {
    size_t size = 0;
    return Number(size) && (size == 1 || size == 2 || size == 4 || size == 8) && Scalar(type, kind, size);
  }

  bool Number(size_t& number) {
    const size_t digits = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
    if (digits > 12 || !absl::SimpleAtoi(absl::string_view(rest_.data(), digits), &number)) return false;
    rest_.remove_prefix(digits);
    return true;
  }

  bool Child(TypeTree& type, int depth) {
    TypeTree child;
    if (!Type(child, depth + 1) || child.kind == Kind::kVoid) return false;
    type.children.push_back(std::move(child));
    return true;
  }

  bool Children(TypeTree& type, int depth, char end) { return Take(end) || (AtLeastOne(type, depth) && Take(end)); }
  bool AtLeastOne(TypeTree& type, int depth) {
    do {
      if (!Child(type, depth)) return false;
    } while (Take(','));
    return true;
  }

  // Before a type, and only once.
  bool Meaning(std::string& meaning) {
    constexpr size_t kLongest = 64;
    const size_t length = std::min(rest_.find(':'), rest_.size());
    const std::string_view name = rest_.substr(0, length);
    const auto belongs = [](char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_'; };
    const bool good = !name.empty() && length <= kLongest && std::all_of(name.begin(), name.end(), belongs);
    if (!good || !meaning.empty()) return false;
    meaning = name;
    rest_.remove_prefix(length);
    return true;
  }

  bool Array(TypeTree& type, int depth) {
    type.kind = Kind::kArray;
    if (!Number(type.length) || !Take(':') || !Child(type, depth)) return false;
    const TypeTree& element = type.children.front();
    type.plain = element.plain;
    if (!type.plain) return true;
    if (type.length > kMaxSize / element.size) return false;
    type.size = std::max<size_t>(type.length * element.size, 1);  // no object is smaller, an empty array is none either
    return true;
  }

  bool Struct(TypeTree& type, int depth) {
    type.kind = Kind::kStruct;
    Parser ahead = *this;
    size_t size = 0;
    if (!ahead.Number(size) || !ahead.Take('@')) return Children(type, depth, '>');
    *this = ahead;
    type.plain = true;
    type.size = size;
    if (size == 0 || size > kMaxSize) return false;
    if (Take('>')) return true;
    do {
      size_t offset = 0;
      if (!Number(offset) || !Take(':') || !Child(type, depth)) return false;
      const TypeTree& field = type.children.back();
      if (!field.plain || offset > size || field.size > size - offset) return false;
      type.offsets.push_back(offset);
    } while (Take(','));
    return Take('>');
  }

  std::string_view rest_;
};

absl::Status NoTypeCode(std::string_view code) {
  return sync_internal::MakeStatus(absl::StatusCode::kInvalidArgument,
                                   absl::StrCat("not a type code: \"", absl::string_view(code.data(), code.size()), "\""));
}

std::string DescribeAll(const std::vector<TypeTree>& types) {
  return absl::StrJoin(types, ", ", [](std::string* out, const TypeTree& type) { out->append(type.Describe()); });
}

}  // namespace

std::string TypeTree::Describe() const {
  if (!meaning.empty()) {
    TypeTree bare = *this;
    bare.meaning.clear();
    return absl::StrCat(meaning, "(", bare.Describe(), ")");
  }
  switch (kind) {
    case Kind::kVoid:
      return "void";
    case Kind::kBool:
      return "bool";
    case Kind::kSigned:
      return absl::StrCat("int", size * 8);
    case Kind::kUnsigned:
      return absl::StrCat("uint", size * 8);
    case Kind::kFloat:
      return size == 4 ? "float" : "double";
    case Kind::kString:
      return "string";
    case Kind::kVector:
      return absl::StrCat("vector<", DescribeAll(children), ">");
    case Kind::kMap:
      return absl::StrCat("map<", DescribeAll(children), ">");
    case Kind::kSet:
      return absl::StrCat("set<", DescribeAll(children), ">");
    case Kind::kVariant:
      return absl::StrCat("variant<", DescribeAll(children), ">");
    case Kind::kNothing:
      return "nothing";
    case Kind::kOptional:
      return absl::StrCat("optional<", DescribeAll(children), ">");
    case Kind::kTuple:
      return absl::StrCat("tuple<", DescribeAll(children), ">");
    case Kind::kArray:
      return absl::StrCat("array<", DescribeAll(children), ", ", length, ">");
    case Kind::kStruct:
      return absl::StrCat("{", DescribeAll(children), "}");
  }
  return "?";
}

std::string SignatureTree::Describe(std::string_view function_name) const {
  return absl::StrCat(absl::string_view(function_name.data(), function_name.size()), "(", DescribeAll(arguments), ") -> ",
                      result.Describe());
}

absl::StatusOr<TypeTree> ParseTypeCode(std::string_view code) {
  Parser parser(code);
  TypeTree type;
  if (code.size() > 2 * kMaxTypeCode || !parser.Type(type) || !parser.AtEnd()) return NoTypeCode(code);
  return type;
}

absl::StatusOr<SignatureTree> ParseSignatureCode(std::string_view code) {
  Parser parser(code);
  TypeTree arguments;
  SignatureTree signature;
  if (code.size() > 4 * kMaxTypeCode || !parser.Type(arguments) || arguments.kind != Kind::kTuple || !parser.Take("->") ||
      !parser.Type(signature.result) || !parser.AtEnd()) {
    return NoTypeCode(code);
  }
  signature.arguments = std::move(arguments.children);
  return signature;
}

}  // namespace shoal::ipc_internal
