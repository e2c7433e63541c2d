#include "shoal/shm/type_layout.h"

#include <charconv>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "shoal/sync/status.h"

namespace shoal::shm_internal {
namespace {

// A code, taken apart.
struct Layout {
  enum class Kind { kScalar, kArray, kStruct, kNamed, kOuter };
  Kind kind = Kind::kScalar;
  std::string_view name;        // of a scalar or a named type
  size_t number = 0;            // elements of an array, bytes of a struct or named type, levels outwards
  std::vector<size_t> offsets;  // of a struct's fields
  std::vector<Layout> parts;    // element, fields, or parts of a named type
};

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNameCharacter(char c) { return IsLetter(c) || IsDigit(c) || c == '_' || c == '.'; }

constexpr std::pair<std::string_view, std::string_view> kScalars[] = {
    {"b", "bool"},    {"i1", "int8"},   {"i2", "int16"},  {"i4", "int32"}, {"i8", "int64"}, {"u1", "uint8"},
    {"u2", "uint16"}, {"u4", "uint32"}, {"u8", "uint64"}, {"f4", "float"}, {"f8", "double"}};

// The word for a scalar's code; empty: it is none.
std::string_view ScalarWord(std::string_view code) {
  for (const auto& [scalar, word] : kScalars) {
    if (scalar == code) return word;
  }
  return {};
}

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

// "array of 4 x double". Cut short, as `layout` may have been written to be long.
std::string Describe(const Layout& layout, int depth = 0) {
  constexpr int kDeepest = 4;
  constexpr size_t kMostParts = 3;
  switch (layout.kind) {
    case Layout::Kind::kScalar:
      return std::string(ScalarWord(layout.name));
    case Layout::Kind::kArray:
      return absl::StrCat("array of ", layout.number, " x ",
                          depth < kDeepest ? Describe(layout.parts[0], depth + 1) : "...");
    case Layout::Kind::kStruct:
      return absl::StrCat("struct of ", layout.number, " bytes");
    case Layout::Kind::kOuter:
      return absl::StrCat("the struct ", layout.number, " levels around it");
    case Layout::Kind::kNamed:
      break;
  }
  std::string text(layout.name);
  for (size_t i = 0; i < layout.parts.size(); ++i) {
    const bool cut = i >= kMostParts || depth >= kDeepest;
    absl::StrAppend(&text, i == 0 ? " of " : " and ", cut ? "..." : Describe(layout.parts[i], depth + 1));
    if (cut) break;
  }
  return text;
}

std::string Join(const std::string& place, const std::string& inner) {
  return place.empty() ? inner : absl::StrCat(place, ", ", inner);
}

// Collects how two layouts differ, each difference at the innermost place where it shows.
class Comparison {
 public:
  void Compare(const std::string& place, const Layout& stored, const Layout& here) {
    if (!AlikeOutside(stored, here)) {
      const bool size_only = stored.name == here.name && Describe(stored) == Describe(here);
      return Add(place, size_only ? WithSize(stored) : Describe(stored), size_only ? WithSize(here) : Describe(here));
    }
    switch (stored.kind) {
      case Layout::Kind::kStruct:
        return CompareStructs(place, stored, here);
      case Layout::Kind::kArray:
        return Compare(Join(place, "each element"), stored.parts[0], here.parts[0]);
      case Layout::Kind::kNamed:
        for (size_t i = 0; i < stored.parts.size(); ++i) {
          Compare(Join(place, absl::StrCat("in ", std::string(stored.name))), stored.parts[i], here.parts[i]);
        }
        return;
      case Layout::Kind::kScalar:
      case Layout::Kind::kOuter:
        return;  // nothing is inside
    }
  }

  std::string Text() const {
    if (differences_ <= kMostShown) return text_;
    return absl::StrCat(text_, "; and ", differences_ - kMostShown, " more");
  }

 private:
  static constexpr int kMostShown = 8;

  // Whether any difference is inside of them. Of structs it is: their fields say more than their sizes.
  static bool AlikeOutside(const Layout& stored, const Layout& here) {
    if (stored.kind != here.kind || stored.name != here.name) return false;
    if (stored.kind == Layout::Kind::kStruct) return true;
    return stored.number == here.number && stored.parts.size() == here.parts.size();
  }

  static std::string WithSize(const Layout& layout) {
    return absl::StrCat(Describe(layout), " of ", layout.number, " bytes");
  }

  void Add(const std::string& place, const std::string& stored, const std::string& here) {
    if (++differences_ > kMostShown) return;
    absl::StrAppend(&text_, text_.empty() ? "" : "; ", place, place.empty() ? "" : ": ", stored, ", here ", here);
  }

  void CompareStructs(const std::string& place, const Layout& stored, const Layout& here) {
    const int before = differences_;
    for (size_t i = 0; i < stored.parts.size() || i < here.parts.size(); ++i) {
      CompareFields(Join(place, absl::StrCat("field ", i + 1)), i, stored, here);
    }
    if (differences_ == before && stored.number != here.number) Add(place, Describe(stored), Describe(here));
  }

  void CompareFields(const std::string& place, size_t i, const Layout& stored, const Layout& here) {
    const bool both = i < stored.parts.size() && i < here.parts.size();
    const bool alike = both && AlikeOutside(stored.parts[i], here.parts[i]);
    if (!alike || stored.offsets[i] != here.offsets[i]) Add(place, FieldText(stored, i), FieldText(here, i));
    if (alike) Compare(place, stored.parts[i], here.parts[i]);
  }

  static std::string FieldText(const Layout& layout, size_t i) {
    if (i >= layout.parts.size()) return "no such field";
    return absl::StrCat(Describe(layout.parts[i]), " at ", layout.offsets[i]);
  }

  std::string text_;
  int differences_ = 0;
};

}  // namespace

absl::Status CompareLayouts(std::string_view stored, std::string_view here) {
  if (stored == here) return absl::OkStatus();
  const std::optional<Layout> theirs = Parser(stored).ParseAll();
  if (!theirs) {
    return sync_internal::MakeStatus(absl::StatusCode::kDataLoss, "the description of the stored type makes no sense");
  }
  const std::optional<Layout> ours = Parser(here).ParseAll();
  if (!ours) {
    return sync_internal::MakeStatus(absl::StatusCode::kInvalidArgument, "this program's type is too large to be compared");
  }
  Comparison comparison;
  comparison.Compare("", *theirs, *ours);
  return sync_internal::MakeStatus(absl::StatusCode::kFailedPrecondition,
                                   absl::StrCat("the stored type is another one than here: ", comparison.Text()));
}

}  // namespace shoal::shm_internal
