#include "shoal/shm/layout_tree.h"

#include <charconv>
#include <cstdint>
#include <optional>
#include <system_error>
#include <utility>

#include "shoal/shm/shareable.h"

namespace shoal::shm_internal {
namespace {

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNameCharacter(char c) { return IsLetter(c) || IsDigit(c) || c == '_' || c == '.'; }

constexpr std::pair<std::string_view, std::string_view> kScalars[] = {
    {"b", "bool"},    {"i1", "int8"},   {"i2", "int16"},  {"i4", "int32"}, {"i8", "int64"}, {"u1", "uint8"},
    {"u2", "uint16"}, {"u4", "uint32"}, {"u8", "uint64"}, {"f4", "float"}, {"f8", "double"}};

}  // namespace

std::string_view ScalarWord(std::string_view code) {
  for (const auto& [scalar, word] : kScalars) {
    if (scalar == code) return word;
  }
  return {};
}

namespace {

// Whether it is counted by what is inside of it and refers to it.
bool IsLevel(const Layout& layout) { return layout.kind == Layout::Kind::kStruct || layout.name == kFieldsName; }

// Reads a code from its beginning. Every step takes at least one character, and no deeper than kMaxLayoutDepth.
class Parser {
 public:
  explicit Parser(std::string_view code) : rest_(code) {}

  std::optional<Layout> ParseAll() {
    if (rest_.size() > kMaxLayoutCode) return std::nullopt;
    std::optional<Layout> layout = Parse(/*depth=*/0, /*structs=*/0);
    if (!rest_.empty()) return std::nullopt;
    return layout;
  }

 private:
  bool Take(char c) {
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  std::optional<size_t> TakeNumber() {
    size_t number = 0;
    if (rest_.size() > 1 && rest_[0] == '0' && IsDigit(rest_[1])) return std::nullopt;  // one number, one text
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), number);
    if (error != std::errc()) return std::nullopt;
    rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
    return number;
  }

  std::optional<Layout> Parse(int depth, size_t structs) {
    if (depth > kMaxLayoutDepth || rest_.empty()) return std::nullopt;
    if (Take('#')) return ParseArray(depth, structs);
    if (Take('<')) return ParseStruct(depth, structs);
    if (Take('^')) return ParseOuter(structs);
    return ParseName(depth, structs);
  }

  std::optional<Layout> ParseArray(int depth, size_t structs) {
    const std::optional<size_t> count = TakeNumber();
    if (!count || !Take(':')) return std::nullopt;
    std::optional<Layout> element = Parse(depth + 1, structs);
    if (!element) return std::nullopt;
    Layout layout = {.kind = Layout::Kind::kArray, .number = *count};
    layout.parts.push_back(*std::move(element));
    return layout;
  }

  std::optional<Layout> ParseStruct(int depth, size_t structs) {
    const std::optional<size_t> size = TakeNumber();
    if (!size || !Take('@')) return std::nullopt;
    Layout layout = {.kind = Layout::Kind::kStruct, .number = *size};
    if (Take('>')) return layout;
    do {
      const std::optional<size_t> offset = TakeNumber();
      if (!offset || !Take(':')) return std::nullopt;
      std::optional<Layout> field = Parse(depth + 1, structs + 1);
      if (!field) return std::nullopt;
      layout.offsets.push_back(*offset);
      layout.parts.push_back(*std::move(field));
    } while (Take(','));
    if (!Take('>')) return std::nullopt;
    return layout;
  }

  std::optional<Layout> ParseOuter(size_t structs) {
    const std::optional<size_t> levels = TakeNumber();
    if (!levels || *levels == 0 || *levels > structs) return std::nullopt;
    return Layout{.kind = Layout::Kind::kOuter, .number = *levels};
  }

  std::optional<Layout> ParseName(int depth, size_t structs) {
    size_t length = 0;
    while (length < rest_.size() && IsNameCharacter(rest_[length])) ++length;
    const std::string_view name = rest_.substr(0, length);
    rest_.remove_prefix(length);
    if (!Take('@')) {
      if (ScalarWord(name).empty()) return std::nullopt;
      return Layout{.kind = Layout::Kind::kScalar, .name = name};
    }
    const std::optional<size_t> size = TakeNumber();
    if (!IsGoodName(name) || !size) return std::nullopt;
    Layout layout = {.kind = Layout::Kind::kNamed, .name = name, .number = *size};
    if (!Take('(')) return layout;
    if (IsLevel(layout)) ++structs;
    do {
      std::optional<Layout> part = Parse(depth + 1, structs);
      if (!part) return std::nullopt;
      layout.parts.push_back(*std::move(part));
    } while (Take(','));
    if (!Take(')')) return std::nullopt;
    return layout;
  }

  std::string_view rest_;
};

// Reads the names of the fields in `layout` from the beginning of `names`. Where there are none, none are set.
void SetNames(Layout& layout, std::string_view& names) {
  const bool is_struct = layout.kind == Layout::Kind::kStruct;
  if (layout.kind == Layout::Kind::kArray) return SetNames(layout.parts[0], names);
  if (layout.parts.empty()) return;
  const auto take = [&names](char c) {
    if (names.empty() || names[0] != c) return false;
    names.remove_prefix(1);
    return true;
  };
  if (!take(is_struct ? '<' : '(')) return;
  for (Layout& part : layout.parts) {
    size_t length = 0;
    while (length < names.size() && IsNameCharacter(names[length])) ++length;
    if (is_struct) layout.names.push_back(names.substr(0, length));
    names.remove_prefix(length);
    SetNames(part, names);
    if (!take(',')) break;
  }
  take(is_struct ? '>' : ')');
}

void SetAround(Layout& layout) {
  for (Layout& part : layout.parts) {
    part.around = &layout;
    SetAround(part);
  }
}

}  // namespace

std::unique_ptr<const Layout> ParseLayout(std::string_view code, std::string_view names) {
  std::optional<Layout> parsed = Parser(code).ParseAll();
  if (!parsed) return nullptr;
  auto layout = std::make_unique<Layout>(*std::move(parsed));
  SetAround(*layout);
  SetNames(*layout, names);
  return layout;
}

const Layout& Resolved(const Layout& layout) {
  if (layout.kind != Layout::Kind::kOuter) return layout;
  size_t levels = layout.number;
  const Layout* outer = layout.around;
  for (; outer != nullptr; outer = outer->around) {
    if (IsLevel(*outer) && --levels == 0) return *outer;
  }
  return layout;  // the parser refuses such
}

size_t SizeOf(const Layout& layout) {
  const Layout& type = Resolved(layout);
  switch (type.kind) {
    case Layout::Kind::kScalar:
      return type.name == "b" ? 1 : static_cast<size_t>(type.name[1] - '0');
    case Layout::Kind::kArray: {
      if (type.number == 0) return 1;  // every object has an address
      const size_t each = SizeOf(type.parts[0]);
      return each == 0 || type.number > (size_t{1} << 40) / each ? 0 : each * type.number;
    }
    case Layout::Kind::kStruct:
    case Layout::Kind::kNamed:
      return type.number > size_t{1} << 40 ? 0 : type.number;
    case Layout::Kind::kOuter:
      break;
  }
  return 0;
}

}  // namespace shoal::shm_internal
