#ifndef SHOAL_SHM_STRUCT_FIELDS_H_
#define SHOAL_SHM_STRUCT_FIELDS_H_

#include <array>
#include <concepts>
#include <cstddef>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include "shoal/shm/field_bindings.h"

// Takes plain structs apart: how many fields, of which types, at which offsets. Unlike Boost.PFR it knows C arrays, sees
// reference members, and answers "no" with a reason where PFR stops the compiler. It stops only at what is no standard C++ (a
// struct without a name inside, an array without a length) and at volatile bit-fields.

namespace shoal::shm_internal {

inline constexpr size_t kMaxFields = 100;
inline constexpr size_t kMaxFlatFields = 256;  // see CountOneByOne
inline constexpr size_t kNoValues = ~size_t{0};

template <class... T>
struct TypeList {
  static constexpr size_t kSize = sizeof...(T);
};

// Why a struct cannot be taken apart.
enum class StructProblem {
  kNone,
  kBase,             // it has a base class
  kReference,        // a reference member
  kBitField,         // a bit-field, or a reference to const (to g++ also a volatile member)
  kConstOrVolatile,  // a const or volatile member
  kPacked,           // fields that are not aligned
  kUnion,            // a union member, with or without a name
  kTuple,            // std::tuple_size is specialised for it: structured bindings would show something else
  kTooMany,          // more than kMaxFields fields
  kUncountable,      // no list of initial values tells how many fields it has
};

// ---- Counting: which lists of initial values does the compiler take? Everything here is unevaluated. ----

// A value of whatever type is asked for; no lvalue reference binds to it.
struct AnyValue {
  template <class U>
  operator U() const;
};

// An lvalue of whatever type is asked for.
struct AnyLvalue {
  template <class U>
  operator U&() const;
};

// A value of any union type.
struct AnyUnion {
  template <class U>
  requires std::is_union_v<U>
  operator U() const;
};

// A value of any base class of T. Initialisers of bases come first: T{AnyBaseOf<T>} compiles only if T has one.
template <class T>
struct AnyBaseOf {
  template <class U>
  requires(std::is_base_of_v<U, T> && !std::same_as<U, T>) operator U() const;
};

// Nothing that any field could be made of, save those that take everything, as std::any does: what they take tells nothing.
struct NoValue {};

template <class Any, size_t>
using Repeated = Any;

// T{Any x before, Middle..., Any x after}
template <class T, class Any, class... Middle, size_t... before, size_t... after>
constexpr bool TakesMiddle(std::index_sequence<before...>, std::index_sequence<after...>) {
  return requires {
    T{std::declval<Repeated<Any, before>>()..., std::declval<Middle>()..., std::declval<Repeated<Any, after>>()...};
  };
}
template <class T, size_t before, size_t after, class... Middle>
inline constexpr bool kTakes = TakesMiddle<T, AnyValue, Middle...>(std::make_index_sequence<before>(),
                                                                   std::make_index_sequence<after>());

// T{Any x before, {}, Any x after}
template <class T, size_t... before, size_t... after>
constexpr bool TakesBracesBetween(std::index_sequence<before...>, std::index_sequence<after...>) {
  return requires { T{std::declval<Repeated<AnyValue, before>>()..., {}, std::declval<Repeated<AnyValue, after>>()...}; };
}
// T{Any x before, {Any, Any}, Any x after}
template <class T, size_t... before, size_t... after>
constexpr bool TakesPairBetween(std::index_sequence<before...>, std::index_sequence<after...>) {
  return requires {
    T{std::declval<Repeated<AnyValue, before>>()...,
      {std::declval<AnyValue>(), std::declval<AnyValue>()},
      std::declval<Repeated<AnyValue, after>>()...};
  };
}

struct FieldCount {
  size_t count = 0;
  StructProblem problem = StructProblem::kNone;
};

// The most empty braces that T takes.
template <class T, size_t count = 0>
constexpr size_t MostBraces() {
  if constexpr (count <= kMaxFields) {
    if constexpr (FieldBindings<count + 1>::template kTakesBraces<T>) return MostBraces<T, count + 1>();
  }
  return count;
}

template <class T, size_t... i>
constexpr bool HasUnion(std::index_sequence<i...>) {
  return ((FieldBindings<i>::template kTakesBraces<T, AnyUnion> && !FieldBindings<i>::template kTakesBraces<T, NoValue>) ||
          ...);
}

// Whether a value of kind Special, and no other, can stand between.
template <class T, size_t before, size_t after, class Special>
inline constexpr bool kTakesOnly = kTakes<T, before, after, Special> && !kTakes<T, before, after, NoValue>;

// The most values that T takes, an array counting as its elements; kNoValues: none, or too many to try.
template <class T, size_t count = 0, bool seen = false>
constexpr size_t MostValues() {
  if constexpr (count > kMaxFlatFields) {
    return kNoValues;
  } else if constexpr (kTakes<T, count, 0>) {
    return MostValues<T, count + 1, true>();
  } else if constexpr (seen) {
    return count - 1;
  } else {
    return MostValues<T, count + 1, false>();
  }
}

// How many of the `values` initial values from `at` on the field there takes up. 0: cannot be told.
template <class T, size_t at, size_t values, size_t after = values - at - 1>
constexpr size_t ValuesOfFieldAt() {
  if constexpr (TakesBracesBetween<T>(std::make_index_sequence<at>(), std::make_index_sequence<after>())) {
    return values - at - after;
  } else if constexpr (after > 0) {
    return ValuesOfFieldAt<T, at, values, after - 1>();
  } else if constexpr (values - at < 2) {
    return 1;  // one value is left, and empty braces are none for it
  } else {
    // Not made from empty braces: one object, or an array of such, in which two values leave room for fewer others.
    constexpr bool two = TakesPairBetween<T>(std::make_index_sequence<at>(), std::make_index_sequence<values - at - 2>());
    constexpr bool one = TakesPairBetween<T>(std::make_index_sequence<at>(), std::make_index_sequence<values - at - 1>());
    return two && !one ? 0 : 1;
  }
}

template <class T, size_t values, size_t at = 0, size_t fields = 0>
constexpr FieldCount CountFrom() {
  if constexpr (at >= values) {
    return {.count = fields, .problem = fields > kMaxFields ? StructProblem::kTooMany : StructProblem::kNone};
  } else if constexpr (kTakesOnly<T, at, values - at - 1, AnyUnion>) {
    return {.problem = StructProblem::kUnion};
  } else {
    constexpr size_t taken = ValuesOfFieldAt<T, at, values>();
    if constexpr (taken == 0) {
      return {.problem = StructProblem::kUncountable};
    } else {
      return CountFrom<T, values, at + taken, fields + 1>();
    }
  }
}

// For structs with a field that cannot be made from empty braces, such as a Semaphore: arrays are spelt out here, up to
// kMaxFlatFields values in all.
template <class T>
constexpr FieldCount CountOneByOne() {
  constexpr size_t values = MostValues<T>();
  if constexpr (values == kNoValues) {
    // A non-const lvalue reference takes no AnyValue.
    return {.problem = std::is_copy_assignable_v<T> || std::is_default_constructible_v<T> ? StructProblem::kUncountable
                                                                                          : StructProblem::kReference};
  } else if constexpr (kTakes<T, values, 0, AnyLvalue>) {
    return {.problem = StructProblem::kReference};
  } else if constexpr (values > 0) {
    if constexpr (kTakesOnly<T, 0, values - 1, AnyBaseOf<T>>) return {.problem = StructProblem::kBase};
    return CountFrom<T, values>();
  } else {
    return CountFrom<T, values>();
  }
}

// REQUIRES: T is an aggregate class.
template <class T>
constexpr FieldCount CountFields() {
  if constexpr (requires { std::tuple_size<T>::value; }) {
    return {.problem = StructProblem::kTuple};
  } else if constexpr (!FieldBindings<0>::template kTakesBraces<T>) {
    return CountOneByOne<T>();
  } else if constexpr (kTakesOnly<T, 0, 0, AnyBaseOf<T>>) {
    return {.problem = StructProblem::kBase};
  } else {
    constexpr size_t count = MostBraces<T>();
    if constexpr (count > kMaxFields) {
      return {.problem = StructProblem::kTooMany};
    } else if constexpr (FieldBindings<count>::template kTakesBraces<T, AnyValue>) {
      return CountOneByOne<T>();
    } else if constexpr (FieldBindings<count>::template kTakesBraces<T, AnyLvalue>) {
      return {.problem = StructProblem::kReference};
    } else if constexpr (HasUnion<T>(std::make_index_sequence<count>())) {
      return {.problem = StructProblem::kUnion};
    } else {
      return {.count = count};
    }
  }
}

// ---- Looking at the fields themselves ----

struct ListFieldTypes {
  template <class... F>
  constexpr auto operator()(F&&...) const {
    return TypeList<std::remove_reference_t<F>...>();
  }
};

template <class... F>
constexpr bool AllConst(TypeList<F...>) {
  return (std::is_const_v<F> && ...);
}
template <class T, class... F>
constexpr bool AllAligned(TypeList<F...>) {
  return ((alignof(F) <= alignof(T)) && ...);
}
template <class... F>
constexpr bool NoneQualified(TypeList<F...>) {
  return ((!std::is_const_v<F> && !std::is_volatile_v<F>)&&...);
}

struct TouchFields {
  template <class... F>
  constexpr bool operator()(F&&...) const {
    return true;
  }
};

template <class T, size_t count>
constexpr bool TouchRoom() {
  std::allocator<T> room;  // for a T that is never made
  T* const unmade = room.allocate(1);
  FieldBindings<count>::Apply(std::as_const(*unmade), TouchFields());
  room.deallocate(unmade, 1);
  return true;
}

// Whether every field is a place in the struct. To name a field of an unmade object is a constant expression; to read one is
// not, and a reference to a bit-field reads it, into a temporary, as a reference member is read to follow it.
template <class T, size_t count>
concept FieldsAreInside = requires {
  typename std::bool_constant<TouchRoom<T, count>()>;
};

template <class T, size_t count>
using FieldTypesOf = decltype(FieldBindings<count>::Apply(std::declval<T&>(), ListFieldTypes()));

template <class T>
constexpr FieldCount InspectStruct() {
  constexpr FieldCount fields = CountFields<T>();
  if constexpr (fields.problem != StructProblem::kNone) {
    return fields;
  } else if constexpr (!AllConst(FieldTypesOf<const T, fields.count>())) {
    return {.problem = StructProblem::kReference};  // const does not reach through a reference
  } else if constexpr (!AllAligned<T>(FieldTypesOf<const T, fields.count>())) {
    return {.problem = StructProblem::kPacked};
  } else if constexpr (!FieldsAreInside<T, fields.count>) {
    return {.problem = StructProblem::kBitField};
  } else if constexpr (!NoneQualified(FieldTypesOf<T, fields.count>())) {
    return {.problem = StructProblem::kConstOrVolatile};
  } else {
    return fields;
  }
}

template <class T>
inline constexpr FieldCount kStruct = InspectStruct<T>();

// TypeList<int, char[8], ...>. REQUIRES: kStruct<T>.problem is kNone.
template <class T>
using FieldTypes = FieldTypesOf<T, kStruct<T>.count>;

// Where the fields lie. No object is made for it: no field is read.
template <class T>
std::array<size_t, kStruct<T>.count> FieldOffsets() {
  alignas(T) static constinit std::byte storage[sizeof(T)] = {};
  return FieldBindings<kStruct<T>.count>::Apply(reinterpret_cast<T&>(storage), [](auto&... field) {
    return std::array<size_t, sizeof...(field)>{
        static_cast<size_t>(reinterpret_cast<const volatile std::byte*>(&field) - storage)...};
  });
}

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_STRUCT_FIELDS_H_
