#ifndef SHOAL_SHM_LAYOUT_TREE_H_
#define SHOAL_SHM_LAYOUT_TREE_H_

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

// The code of a type (type_layout.h) taken apart: for whoever compares two, and whoever walks through an object whose type it does
// not know.

namespace shoal::shm_internal {

// A code, taken apart.
struct Layout {
  enum class Kind { kScalar, kArray, kStruct, kNamed, kOuter };
  Kind kind = Kind::kScalar;
  std::string_view name;        // of a scalar or a named type
  size_t number = 0;            // elements of an array, bytes of a struct or named type, levels outwards
  std::vector<size_t> offsets;  // of a struct's fields
  std::vector<Layout> parts;    // element, fields, or parts of a named type
  std::vector<std::string_view> names;  // of a struct's fields, as far as they are known
  const Layout* around = nullptr;       // what it is a part of
};

// What ParseLayout accepts.
inline constexpr size_t kMaxLayoutCode = size_t{1} << 16;
inline constexpr int kMaxLayoutDepth = 64;

// The word for a scalar's code ("double"); empty: it is none.
std::string_view ScalarWord(std::string_view code);

// Null: `code`, which anybody may have written, is none, or longer or deeper than this follows. `names`: of
// its fields, as FieldNames writes them (field_names.h), if they are known. The tree names parts of both.
std::unique_ptr<const Layout> ParseLayout(std::string_view code, std::string_view names = {});

// Of kOuter, the struct that it stands for; of all others, itself.
const Layout& Resolved(const Layout& layout);

// Of one object of this type. 0: more than there can be.
size_t SizeOf(const Layout& layout);

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_LAYOUT_TREE_H_
