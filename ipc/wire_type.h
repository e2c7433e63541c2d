#ifndef SHOAL_IPC_WIRE_TYPE_H_
#define SHOAL_IPC_WIRE_TYPE_H_

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "shoal/ipc/wire_as.h"
#include "shoal/shm/field_bindings.h"
#include "shoal/shm/shareable.h"
#include "shoal/shm/struct_fields.h"
#include "shoal/shm/type_layout.h"

// Which C++ types travel between processes, and what each looks like on the way. One classification serves the codec, the
// type codes and the messages.

namespace shoal::ipc_internal {

// One behind the other: in whatever of these they lie, they travel alike.
template <class T>
inline constexpr bool kIsSequence = false;
template <class T, class A>
inline constexpr bool kIsSequence<std::vector<T, A>> = true;
template <class T, class A>
inline constexpr bool kIsSequence<std::deque<T, A>> = true;
template <class T, class A>
inline constexpr bool kIsSequence<std::list<T, A>> = true;

// Sets and maps in which a key is there once, ordered or hashed: those of std, and others with the same members (Abseil's).
template <class T>
concept HasUniqueKeys = !std::is_aggregate_v<T> && requires {
  typename T::key_type;
  typename T::allocator_type;
  typename T::insert_return_type;
};
template <class T>
inline constexpr bool kIsMap = HasUniqueKeys<T> && requires { typename T::mapped_type; };
template <class T>
inline constexpr bool kIsSet = HasUniqueKeys<T> && !kIsMap<T>;

template <class T>
inline constexpr bool kIsOptional = false;
template <class T>
inline constexpr bool kIsOptional<std::optional<T>> = true;

template <class T>
inline constexpr bool kIsTuple = false;
template <class... T>
inline constexpr bool kIsTuple<std::tuple<T...>> = true;
template <class A, class B>
inline constexpr bool kIsTuple<std::pair<A, B>> = true;

template <class T>
inline constexpr bool kIsVariant = false;
template <class... T>
inline constexpr bool kIsVariant<std::variant<T...>> = true;

template <class T>
inline constexpr bool kIsStdArray = false;
template <class T, size_t n>
inline constexpr bool kIsStdArray<std::array<T, n>> = true;

// Numbers, bool and enums. (long double and the 128-bit integers have no portable form.)
template <class T>
concept WireScalar = (std::is_arithmetic_v<T> && sizeof(T) <= 8) || std::is_enum_v<T>;

// Names an object of a segment, and counts: Shared, Queue, Connection. Travels in a queue or a connection of the same segment.
template <class T>
concept WireHandle = requires {
  requires ShareableTraits<T>::kKind == SharedKind::kHandle;
};

// Travels as a value of another type, which wire_as.h tells: times, paths, complex numbers.
template <class T>
concept WireStandIn = requires {
  typename WireAs<T>::Type;
};

template <class T>
inline constexpr bool kIsLibraryType = WireHandle<T> || WireScalar<T> || WireStandIn<T> || std::same_as<T, std::string> ||
                                       std::same_as<T, std::monostate> || kIsSequence<T> || kIsMap<T> || kIsSet<T> ||
                                       kIsOptional<T> || kIsTuple<T> || kIsVariant<T> || kIsStdArray<T>;

// A plain struct: no constructors, no bases, no private members, as aggregate initialisation defines it.
template <class T>
concept WireStruct = std::is_class_v<T> && std::is_aggregate_v<T> && !kIsLibraryType<T>;

// One that can be taken apart. Others are refused (CheckTravels), and nothing is asked of their fields.
template <class T>
concept WireFields = WireStruct<T> && shm_internal::kStruct<T>
.problem == shm_internal::StructProblem::kNone;

template <WireFields T>
inline constexpr size_t kFieldCount = shm_internal::kStruct<T>.count;

// Calls use(field) for each, in order.
template <class T, class Use>
requires WireFields<std::remove_const_t<T>>
void ForEachField(T& value, Use use) {
  shm_internal::FieldBindings<kFieldCount<std::remove_const_t<T>>>::Apply(value, [&](auto&... field) { (use(field), ...); });
}

// What a T is made of, one level down: TypeList<key, value> of a map, the fields of a struct. Nothing is inside a handle.
template <class T>
constexpr auto PartsOf() {
  using shm_internal::TypeList;
  if constexpr (kIsMap<T>) {
    return TypeList<typename T::key_type, typename T::mapped_type>();
  } else if constexpr (kIsSequence<T> || kIsSet<T> || kIsOptional<T> || kIsStdArray<T>) {
    return TypeList<typename T::value_type>();
  } else if constexpr (kIsTuple<T> || kIsVariant<T>) {
    return []<template <class...> class Template, class... E>(std::type_identity<Template<E...>>) {
      return TypeList<E...>();
    }(std::type_identity<T>());
  } else if constexpr (WireFields<T>) {
    return shm_internal::FieldTypes<T>();
  } else {
    return TypeList<>();
  }
}

// Whether a value of T may have handles in it. `Outer`: what is around it.
template <class T, class... Outer>
constexpr bool ContainsHandle() {
  if constexpr (WireHandle<T>) {
    return true;
  } else if constexpr ((std::same_as<T, Outer> || ...)) {
    return false;
  } else {
    return []<class... Part>(shm_internal::TypeList<Part...>) {
      return (ContainsHandle<Part, T, Outer...>() || ...);
    }(PartsOf<T>());
  }
}

// Says in words why a type cannot travel, as far as its fields and elements do not: CheckTravelsWhole asks these, too. Specialised
// nowhere; every refusal names the type in the compiler's message.
template <class T>
constexpr void CheckTravels() {
  static_assert(!std::is_pointer_v<T> && !std::is_member_pointer_v<T>,
                "a pointer means nothing in another process: pass the value, or a Shared<T>");
  static_assert(!std::is_reference_v<T>, "a reference means nothing in another process: take the value (or a const T&)");
  static_assert(!std::is_polymorphic_v<T>, "a type with virtual functions cannot travel: its table lies at another address");
  static_assert(!std::is_union_v<T>,
                "a union cannot travel: nobody knows which member it holds; use a std::variant");
  static_assert(!std::is_array_v<T>, "a C array cannot travel: use std::array or std::vector");
  static_assert(kIsLibraryType<T> || WireStruct<T> || std::is_pointer_v<T> || std::is_member_pointer_v<T> ||
                    std::is_reference_v<T> || std::is_polymorphic_v<T> || std::is_union_v<T> || std::is_array_v<T>,
                "this type cannot travel between processes: use numbers, bool, enums, std::string, vector, map, set, optional, "
                "variant, tuple, pair, array, and plain structs (aggregates) of these");
  if constexpr (WireStruct<T> && !std::is_polymorphic_v<T>) {
    using shm_internal::StructProblem;
    constexpr StructProblem kProblem = shm_internal::kStruct<T>.problem;
    static_assert(kProblem != StructProblem::kReference, "a struct with a reference member cannot travel: take the value");
    static_assert(kProblem != StructProblem::kConstOrVolatile,
                  "a struct that travels is assigned where it arrives: no const or volatile members");
    static_assert(kProblem != StructProblem::kBitField,
                  "a struct with a bit-field, or with a const reference, cannot travel: use whole numbers, and values");
    static_assert(kProblem != StructProblem::kBase,
                  "a struct with a base class cannot travel: make the base its first field");
    static_assert(kProblem != StructProblem::kUnion,
                  "a struct with a union member cannot travel: nobody knows what it holds; use a std::variant");
    static_assert(kProblem != StructProblem::kPacked, "a packed struct cannot travel");
    static_assert(kProblem != StructProblem::kTooMany, "a struct with more than 100 fields cannot travel: group them");
    static_assert(kProblem != StructProblem::kTuple && kProblem != StructProblem::kUncountable,
                  "nobody can tell what fields this struct has: it cannot travel");
  }
}

// The same of T and everything in it. `Outer`: what is around it.
template <class T, class... Outer>
constexpr void CheckTravelsWhole() {
  static_assert(!(std::same_as<T, Outer> || ...),
                "a struct that contains itself, in a vector or a map, cannot be a message: it has no end");
  if constexpr (!(std::same_as<T, Outer> || ...)) {
    CheckTravels<T>();
    []<class... Part>(shm_internal::TypeList<Part...>) {
      (CheckTravelsWhole<Part, T, Outer...>(), ...);
    }(PartsOf<T>());
  }
}

// Whether T has a T in it: in a vector, say.
template <class T, class... Outer>
constexpr bool ContainsItself() {
  if constexpr ((std::same_as<T, Outer> || ...)) {
    return true;
  } else {
    return []<class... Part>(shm_internal::TypeList<Part...>) {
      return (ContainsItself<Part, T, Outer...>() || ...);
    }(PartsOf<T>());
  }
}

template <class T>
constexpr bool IsPlain();

template <class... Field>
constexpr bool AllPlain(shm_internal::TypeList<Field...>) {
  return (IsPlain<Field>() && ...);
}

// Plain values travel as their bytes: scalars, and arrays and structs of plain values.
template <class T>
constexpr bool IsPlain() {
  if constexpr (WireHandle<T>) {
    return false;
  } else if constexpr (WireScalar<T>) {
    return true;
  } else if constexpr (WireStandIn<T>) {
    return IsPlain<typename WireAs<T>::Type>();
  } else if constexpr (kIsStdArray<T>) {
    return IsPlain<typename T::value_type>();
  } else if constexpr (WireFields<T> && std::is_trivially_copyable_v<T> && std::is_default_constructible_v<T>) {
    return AllPlain(shm_internal::FieldTypes<T>());
  } else {
    return false;
  }
}
template <class T>
concept Plain = IsPlain<T>();

// Where each field of a plain struct lies.
template <WireFields T>
const std::array<size_t, kFieldCount<T>>& FieldOffsets() {
  static const auto offsets = shm_internal::FieldOffsets<T>();
  return offsets;
}

// The code of a type: a short text built from kinds, sizes and offsets, never from the compiler's names, so that two
// compilers agree. Equal codes mean equal bytes.
//
//   b  i1 i2 i4 i8  u1 u2 u4 u8  f4 f8    bool, integers, floating point (an enum has its underlying type's code)
//   s                                     string
//   [T]  {K,V}  {K}  ?T  (T,T)            vector or another sequence, map, set, optional, tuple or pair
//   |T,T|                                 variant
//   n                                     nothing (std::monostate)
//   #4:T                                  array of 4
//   <16@0:f8,8:f8>                        plain struct: size, then offset:type of each field; travels as its bytes
//   <T,T>                                 other struct; travels field by field
//   ~seconds:T                            T, and what it means; the bytes are those of T (wire_as.h)
//   v                                     nothing (result of a void function)
//   &Shared@8(...)                        a handle: the layout code of shm/type_layout.h behind '&'
// A struct that contains a vector of itself has no finite code: beyond these limits the code ends in '!', and is refused.
inline constexpr int kMaxTypeDepth = 32;
inline constexpr size_t kMaxTypeCode = 4096;

template <class T>
void AppendTypeCode(std::string& code, int depth = 0);

namespace wire_type_details {

template <class T>
void AppendScalar(std::string& code) {
  if constexpr (std::is_enum_v<T>) {
    AppendScalar<std::underlying_type_t<T>>(code);
  } else if constexpr (std::same_as<T, bool>) {
    code += 'b';
  } else {
    code += std::is_floating_point_v<T> ? 'f' : std::is_signed_v<T> ? 'i' : 'u';
    code += static_cast<char>('0' + sizeof(T));
  }
}

template <class T, class... Field>
void AppendFields(std::string& code, int depth, shm_internal::TypeList<Field...>) {
  size_t i = 0;
  const auto append = [&]<class F>(std::type_identity<F>) {
    if (i > 0) code += ',';
    if constexpr (Plain<T>) code += std::to_string(FieldOffsets<T>()[i]) + ':';
    AppendTypeCode<F>(code, depth);
    ++i;
  };
  (append(std::type_identity<Field>()), ...);
}

template <class... Part>
void AppendParts(std::string& code, [[maybe_unused]] int depth, shm_internal::TypeList<Part...>) {
  [[maybe_unused]] const char* before = "";
  ((code += before, before = ",", AppendTypeCode<Part>(code, depth)), ...);
}

}  // namespace wire_type_details

template <class T>
void AppendTypeCode(std::string& code, int depth) {
  namespace details = wire_type_details;
  if (depth > kMaxTypeDepth || code.size() > kMaxTypeCode) {
    code += '!';
    return;
  }
  if constexpr (std::is_void_v<T>) {
    code += 'v';
  } else {
    CheckTravels<T>();
    if constexpr (WireHandle<T>) {
      code += '&';
      code += shm_internal::LayoutCode<T>();
    } else if constexpr (WireScalar<T>) {
      details::AppendScalar<T>(code);
    } else if constexpr (WireStandIn<T>) {
      code += '~';
      code += std::string_view(WireAs<T>::kMeaning);
      code += ':';
      AppendTypeCode<typename WireAs<T>::Type>(code, depth + 1);
    } else if constexpr (std::same_as<T, std::string>) {
      code += 's';
    } else if constexpr (std::same_as<T, std::monostate>) {
      code += 'n';
    } else if constexpr (kIsOptional<T>) {
      code += '?';
      AppendTypeCode<typename T::value_type>(code, depth + 1);
    } else if constexpr (kIsSequence<T> || kIsMap<T> || kIsSet<T> || kIsTuple<T> || kIsVariant<T>) {
      constexpr std::string_view kAround = kIsSequence<T> ? "[]" : kIsTuple<T> ? "()" : kIsVariant<T> ? "||" : "{}";
      code += kAround[0];
      details::AppendParts(code, depth + 1, PartsOf<T>());
      code += kAround[1];
    } else if constexpr (kIsStdArray<T>) {
      code += '#' + std::to_string(std::tuple_size_v<T>) + ':';
      AppendTypeCode<typename T::value_type>(code, depth + 1);
    } else if constexpr (WireFields<T>) {
      code += '<';
      if constexpr (Plain<T>) code += std::to_string(sizeof(T)) + '@';
      details::AppendFields<T>(code, depth + 1, shm_internal::FieldTypes<T>());
      code += '>';
    }
  }
}

// The code of a function: "(u8,s)->b".
template <class R, class... A>
std::string SignatureCode() {
  static_assert(!(ContainsHandle<A>() || ...) && !ContainsHandle<R>(),
                "a handle travels in a Queue or a Connection of its segment: give the task a name to find the object by");
  std::string code;
  AppendTypeCode<std::tuple<A...>>(code);
  code += "->";
  AppendTypeCode<R>(code);
  return code;
}

// FNV-1a, 64 bits (Fowler, Noll, Vo): a fingerprint that any compiler and language can compute.
constexpr uint64_t Fingerprint(std::string_view code) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : code) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace shoal::ipc_internal

#endif  // SHOAL_IPC_WIRE_TYPE_H_
