#include "shoal/shm/type_layout.h"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "shoal/shm/layout_tree.h"
#include "shoal/sync/status.h"

namespace shoal::shm_internal {
namespace {

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
      std::string field = absl::StrCat("field ", i + 1);
      if (i < here.names.size() && !here.names[i].empty()) absl::StrAppend(&field, " '", std::string(here.names[i]), "'");
      CompareFields(Join(place, field), i, stored, here);
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

absl::Status CompareLayouts(std::string_view stored, std::string_view here, std::string_view names_here) {
  if (stored == here) return absl::OkStatus();
  const std::unique_ptr<const Layout> theirs = ParseLayout(stored);
  if (!theirs) {
    return sync_internal::MakeStatus(absl::StatusCode::kDataLoss, "the description of the stored type makes no sense");
  }
  const std::unique_ptr<const Layout> ours = ParseLayout(here, names_here);
  if (!ours) {
    return sync_internal::MakeStatus(absl::StatusCode::kInvalidArgument, "this program's type is too large to be compared");
  }
  Comparison comparison;
  comparison.Compare("", *theirs, *ours);
  return sync_internal::MakeStatus(absl::StatusCode::kFailedPrecondition,
                                   absl::StrCat("the stored type is another one than here: ", comparison.Text()));
}

}  // namespace shoal::shm_internal
