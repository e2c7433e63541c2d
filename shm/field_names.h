#ifndef SHOAL_SHM_FIELD_NAMES_H_
#define SHOAL_SHM_FIELD_NAMES_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "shoal/shm/shareable.h"
#include "shoal/shm/struct_fields.h"

// What the fields of a shared struct are called, for messages. Only g++ tells, so nothing may depend on it: two programs compare
// layouts (type_layout.h), never names.

namespace shoal::shm_internal {

#ifdef __clang__

// clang 14 takes no part of an object as a template argument.
template <class T, size_t i>
constexpr std::string_view FieldName() {
  return {};
}

#else

template <class T>
struct Outside {
  T value;
};
// Never made: only the addresses of its fields are spoken of.
template <class T>
extern const Outside<T> outside;

template <class T, size_t i>
constexpr auto* FieldOutside() {
  return FieldBindings<kStruct<T>.count>::Apply(outside<T>.value,
                                                [](auto&... field) { return std::get<i>(std::tuple{&field...}); });
}

template <auto* field>
constexpr std::string_view TextWithField() {
  return __PRETTY_FUNCTION__;
}

// The name of field `i` (from 0); empty if the compiler does not tell.
template <class T, size_t i>
constexpr std::string_view FieldName() {
  // "... [with auto* field = (& outside<Order>.Outside<Order>::value.Order::price); ..."
  constexpr std::string_view kText = TextWithField<FieldOutside<T, i>()>();
  constexpr size_t kEnd = kText.find(')', kText.find("::value."));
  constexpr size_t kColons = kText.rfind("::", kEnd);
  if constexpr (kEnd == std::string_view::npos || kColons == std::string_view::npos) return {};
  return kText.substr(kColons + 2, kEnd - kColons - 2);
}

#endif

template <class T, class... Outer>
void AddFieldNames(std::string& text);

template <class... Outer, class... Part>
void AddNamesOfParts(std::string& text, TypeList<Part...>) {
  const char* before = "(";
  ((text += before, before = ",", AddFieldNames<Part, Outer...>(text)), ...);
  text += ')';
}

template <class T, class... Outer, class... Field, size_t... i>
void AddNamesOfFields(std::string& text, TypeList<Field...>, std::index_sequence<i...>) {
  const char* before = "<";
  ((text += before, before = ",", text += FieldName<T, i>(), AddFieldNames<Field, T, Outer...>(text)), ...);
  text += '>';
}

template <class T, class... Outer>
void AddFieldNames(std::string& text) {
  if constexpr (kIsOneOf<T, Outer...> || SharedScalar<T>) {
    return;
  } else if constexpr (!std::is_same_v<typename LaidOutAs<T>::Type, T>) {
    AddFieldNames<typename LaidOutAs<T>::Type, Outer...>(text);
  } else if constexpr (Described<T>) {
    using Parts = typename ShareableTraits<T>::Parts;
    if constexpr (Parts::kSize > 0) AddNamesOfParts<T, Outer...>(text, Parts());
  } else if constexpr (requires { typename ElementOf<T>::Type; }) {
    AddFieldNames<typename ElementOf<T>::Type, Outer...>(text);
  } else if constexpr (FieldTypes<T>::kSize > 0) {
    AddNamesOfFields<T, Outer...>(text, FieldTypes<T>(), std::make_index_sequence<FieldTypes<T>::kSize>());
  }
}

// The names of all fields, in the order of LayoutCode<T>: "<number,item,price<amount,currency>>"; "(…)" are the parts of a type that
// has ShareableTraits. What has no fields has no text.
template <Shareable T>
std::string FieldNames() {
  std::string text;
  AddFieldNames<T>(text);
  return text;
}

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_FIELD_NAMES_H_
