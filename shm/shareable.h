#ifndef SHOAL_SHM_SHAREABLE_H_
#define SHOAL_SHM_SHAREABLE_H_

#include <array>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <optional>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "shoal/shm/struct_fields.h"

// Which types may lie in shared memory, and which of these several processes may use at the same time.
//
//   struct Order { uint64_t number; char item[32]; double price; };
//   static_assert(shoal::Shareable<Order>);        // numbers, enums, arrays and plain structs of these
//   static_assert(!shoal::Concurrent<Order>);      // nobody keeps two processes from changing it at once ...
//   static_assert(shoal::Concurrent<shoal::Mutex<Order>>);  // ... but a Mutex does
//
// A type that is refused is refused where it is used, with the reason and the field: CheckShareable<T>() says it in words.

namespace shoal {

// What a type with a description of its own (see ShareableTraits) is.
enum class SharedKind {
  kValue,       // plain bytes: copied, compared with what lies in another process, restored as a whole
  kContainer,   // owns memory in its segment; lives inside a Mutex or RwLock, also inside another container
  kHandle,      // names a counted object elsewhere in the segment (Shared<T>); lives where a container may
  kConcurrent,  // may be called by several processes at once: Lock, Mutex<T>, Atomic<T>
  kRefused,     // may not be shared, although its fields could be
};

// Describes one type; `Arguments` are the types that decide what lies in it.
template <SharedKind kind, class... Arguments>
struct SharedType {
  static constexpr SharedKind kKind = kind;
  using Parts = shm_internal::TypeList<Arguments...>;
};

// Specialise this for a class that is not a plain struct, or to refuse one that is. Ours, for example:
//
//   template <class T>
//   struct shoal::ShareableTraits<Vector<T>> : shoal::SharedType<shoal::SharedKind::kContainer, T> {
//     static constexpr std::string_view kName = "Vector";
//   };
//
// And a class of yours, whose bytes mean the same in every process, and which promises what the compiler cannot see:
//
//   template <>
//   struct shoal::ShareableTraits<Money> : shoal::SharedType<shoal::SharedKind::kValue> {
//     static constexpr std::string_view kName = "Money.v1";  // another name for another layout
//   };
//
// kName: letters, digits, '_' and '.', beginning with a letter, at most 64. Together with the size and the Parts it is what two
// programs compare before they share a T. A template may describe itself while T is incomplete; a class template checks its T
// in its members (a constructor, say), not in the class, so that a T may contain it.
template <class T>
struct ShareableTraits {};

namespace shm_internal {

template <class T>
concept Described = requires {
  ShareableTraits<T>::kKind;
};

// What a T lies as in layout codes (type_layout.h). Specialise it for a type that stands for another without looking at it, and may be
// named while that is incomplete.
template <class T>
struct LaidOutAs {
  using Type = T;
};
// The name there of a struct that is sent piece by piece. What is inside may refer to it, as to a struct that lies in shared memory.
inline constexpr std::string_view kFieldsName = "fields";

template <class T>
concept SharedScalar = (std::is_enum_v<T> || std::is_arithmetic_v<T>)&&sizeof(T) <= 8;

template <class T>
inline constexpr bool kIsStdArray = false;
template <class T, size_t n>
inline constexpr bool kIsStdArray<std::array<T, n>> = true;

template <class T>
inline constexpr bool kIsStdAtomic = false;
template <class T>
inline constexpr bool kIsStdAtomic<std::atomic<T>> = true;

template <class T>
inline constexpr bool kIsStdSum = false;
template <class A, class B>
inline constexpr bool kIsStdSum<std::pair<A, B>> = true;
template <class... T>
inline constexpr bool kIsStdSum<std::tuple<T...>> = true;
template <class T>
inline constexpr bool kIsStdSum<std::optional<T>> = true;
template <class... T>
inline constexpr bool kIsStdSum<std::variant<T...>> = true;

// Recognised by what they have, so that the same classes of other libraries are met as well.
template <class T>
concept LooksLikeContainer = requires {
  typename T::allocator_type;
};
template <class T>
concept LooksLikeView = !LooksLikeContainer<T> && requires(const T& view) {
  typename T::value_type;
  view.data();
  view.size();
};
template <class T>
concept LooksLikePointer = requires(const T& pointer) {
  *pointer;
}
&&requires(const T& pointer) { pointer.operator->(); };
template <class T>
concept LooksLikeSystemObject = requires {
  typename T::native_handle_type;
};
template <class T>
concept LooksLikeFunction = requires {
  &T::operator();
}
|| requires { typename T::result_type; };

constexpr bool IsGoodName(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (name.empty() || name.size() > 64 || !letter(name[0])) return false;
  for (const char c : name) {
    if (!letter(c) && !(c >= '0' && c <= '9') && c != '_' && c != '.') return false;
  }
  return true;
}

enum class Refusal {
  kNone,
  kIncomplete,
  kQualified,
  kRefusedByTraits,
  kBadName,
  kPointer,
  kReference,
  kFunction,
  kWideNumber,
  kUnion,
  kPolymorphic,
  kStdAtomic,
  kStdSum,
  kContainer,
  kView,
  kSmartPointer,
  kSystemObject,
  kFunctionObject,
  kNotPlain,
  kBase,
  kReferenceMember,
  kBitField,
  kConstMember,
  kPacked,
  kUnionMember,
  kTupleLike,
  kTooManyFields,
  kUncountable,
  kOwnCopy,
};

constexpr Refusal RefusalOf(StructProblem problem) {
  switch (problem) {
    case StructProblem::kNone:
      return Refusal::kNone;
    case StructProblem::kBase:
      return Refusal::kBase;
    case StructProblem::kReference:
      return Refusal::kReferenceMember;
    case StructProblem::kBitField:
      return Refusal::kBitField;
    case StructProblem::kConstOrVolatile:
      return Refusal::kConstMember;
    case StructProblem::kPacked:
      return Refusal::kPacked;
    case StructProblem::kUnion:
      return Refusal::kUnionMember;
    case StructProblem::kTuple:
      return Refusal::kTupleLike;
    case StructProblem::kTooMany:
      return Refusal::kTooManyFields;
    case StructProblem::kUncountable:
      break;
  }
  return Refusal::kUncountable;
}

template <class... F>
constexpr bool AllTriviallyCopyable(TypeList<F...>) {
  return (std::is_trivially_copyable_v<F> && ...);
}

template <class T>
constexpr Refusal RefusalOfAggregate() {
  if constexpr (kStruct<T>.problem != StructProblem::kNone) {
    return RefusalOf(kStruct<T>.problem);
  } else {
    // What its fields do not bring in is the struct's own.
    return AllTriviallyCopyable(FieldTypes<T>()) && !std::is_trivially_copyable_v<T> ? Refusal::kOwnCopy : Refusal::kNone;
  }
}

template <class T>
constexpr Refusal RefusalOfClass() {
  if constexpr (std::is_polymorphic_v<T>) {
    return Refusal::kPolymorphic;
  } else if constexpr (kIsStdAtomic<T>) {
    return Refusal::kStdAtomic;
  } else if constexpr (kIsStdSum<T>) {
    return Refusal::kStdSum;
  } else if constexpr (LooksLikeContainer<T>) {
    return Refusal::kContainer;
  } else if constexpr (std::is_aggregate_v<T>) {
    return RefusalOfAggregate<T>();
  } else if constexpr (LooksLikeView<T>) {
    return Refusal::kView;
  } else if constexpr (LooksLikePointer<T>) {
    return Refusal::kSmartPointer;
  } else if constexpr (LooksLikeSystemObject<T>) {
    return Refusal::kSystemObject;
  } else if constexpr (LooksLikeFunction<T>) {
    return Refusal::kFunctionObject;
  } else {
    return Refusal::kNotPlain;
  }
}

// Why T itself cannot be shared; its parts are another question.
template <class T>
constexpr Refusal RefusalOfType() {
  if constexpr (std::is_reference_v<T>) {
    return Refusal::kReference;
  } else if constexpr (std::is_function_v<T>) {
    return Refusal::kFunction;
  } else if constexpr (std::is_const_v<T> || std::is_volatile_v<T>) {
    return Refusal::kQualified;
  } else if constexpr (std::is_pointer_v<T> || std::is_member_pointer_v<T> || std::is_null_pointer_v<T>) {
    return Refusal::kPointer;
  } else if constexpr (Described<T>) {
    if constexpr (ShareableTraits<T>::kKind == SharedKind::kRefused) {
      return Refusal::kRefusedByTraits;
    } else {
      return IsGoodName(ShareableTraits<T>::kName) ? Refusal::kNone : Refusal::kBadName;
    }
  } else if constexpr (!requires { sizeof(T); }) {
    return Refusal::kIncomplete;
  } else if constexpr (std::is_bounded_array_v<T> || kIsStdArray<T> || SharedScalar<T>) {
    return Refusal::kNone;
  } else if constexpr (std::is_union_v<T>) {
    return Refusal::kUnion;
  } else if constexpr (std::is_class_v<T>) {
    return RefusalOfClass<T>();
  } else {
    return Refusal::kWideNumber;
  }
}

// What an array is an array of.
template <class T>
struct ElementOf {};
template <class T, size_t n>
struct ElementOf<T[n]> {
  using Type = T;
  static constexpr size_t kCount = n;
};
template <class T, size_t n>
struct ElementOf<std::array<T, n>> {
  using Type = T;
  static constexpr size_t kCount = n;
};

template <class T, class... Outer>
inline constexpr bool kIsOneOf = (std::same_as<T, Outer> || ...);

// `Outer` are the structs around this one: a Node that contains a Vector<Node> is asked about once.
template <class T, class... Outer>
constexpr bool IsShareable();

template <class... Outer, class... Part>
constexpr bool AreShareable(TypeList<Part...>) {
  return (IsShareable<Part, Outer...>() && ...);
}

template <class T, class... Outer>
constexpr bool IsShareable() {
  if constexpr (kIsOneOf<T, Outer...>) {
    return true;
  } else if constexpr (RefusalOfType<T>() != Refusal::kNone) {
    return false;
  } else if constexpr (Described<T>) {
    return AreShareable<Outer...>(typename ShareableTraits<T>::Parts());
  } else if constexpr (requires { typename ElementOf<T>::Type; }) {
    return IsShareable<typename ElementOf<T>::Type, Outer...>();
  } else if constexpr (SharedScalar<T>) {
    return true;
  } else {
    return AreShareable<T, Outer...>(FieldTypes<T>());
  }
}

// Whether a value of `kind` lies in T: in its fields and elements, those of its containers included, but not behind a handle
// nor inside a Mutex.
template <SharedKind kind, class T, class... Outer>
constexpr bool Contains();

template <SharedKind kind, class... Outer, class... Part>
constexpr bool AnyContains(TypeList<Part...>) {
  return (Contains<kind, Part, Outer...>() || ...);
}

template <SharedKind kind, class T, class... Outer>
constexpr bool Contains() {
  if constexpr (kIsOneOf<T, Outer...> || RefusalOfType<T>() != Refusal::kNone) {
    return false;
  } else if constexpr (Described<T>) {
    constexpr SharedKind own = ShareableTraits<T>::kKind;
    if constexpr (own == kind) {
      return true;
    } else if constexpr (own == SharedKind::kValue || own == SharedKind::kContainer) {
      return AnyContains<kind, Outer...>(typename ShareableTraits<T>::Parts());
    } else {
      return false;
    }
  } else if constexpr (requires { typename ElementOf<T>::Type; }) {
    return Contains<kind, typename ElementOf<T>::Type, Outer...>();
  } else if constexpr (SharedScalar<T>) {
    return false;
  } else {
    return AnyContains<kind, T, Outer...>(FieldTypes<T>());
  }
}

template <class T>
constexpr bool IsConcurrent();

template <class... Part>
constexpr bool AreConcurrent(TypeList<Part...>) {
  return (IsConcurrent<Part>() && ...);
}

template <class T>
constexpr bool IsConcurrent() {
  if constexpr (RefusalOfType<T>() != Refusal::kNone) {
    return false;
  } else if constexpr (Described<T>) {
    return ShareableTraits<T>::kKind == SharedKind::kConcurrent;
  } else if constexpr (requires { typename ElementOf<T>::Type; }) {
    return IsConcurrent<typename ElementOf<T>::Type>();
  } else if constexpr (SharedScalar<T>) {
    return false;
  } else {
    return AreConcurrent(FieldTypes<T>());
  }
}

}  // namespace shm_internal

// May lie in shared memory: numbers, bool, enums, what ShareableTraits describes, and C arrays, std::arrays and plain structs of
// these. No pointers, no references, no virtual functions, nothing that owns memory of one process.
template <class T>
concept Shareable = shm_internal::IsShareable<T>();

// Shareable, and safe to use from several processes at once: locks, Mutex<T>, Atomic<T>, and plain structs and arrays that
// consist of such only.
template <class T>
concept Concurrent = Shareable<T> && shm_internal::IsConcurrent<T>();

// Whether a Concurrent object lies in T itself (in its containers too, but not behind a Shared). What a Mutex guards must not
// contain one: to take back a dead holder's changes would overwrite a lock that others hold.
template <class T>
inline constexpr bool kContainsConcurrent = shm_internal::Contains<SharedKind::kConcurrent, T>();

// Whether T needs a Mutex or RwLock around it, because it contains a container.
template <class T>
inline constexpr bool kContainsContainer = shm_internal::Contains<SharedKind::kContainer, T>();

// Whether T contains a counted handle: its bytes must not be copied without counting.
template <class T>
inline constexpr bool kContainsHandle = shm_internal::Contains<SharedKind::kHandle, T>();

// Plain bytes: may be copied byte by byte, out of the shared memory and back.
template <class T>
concept SharedValue = Shareable<T> && !kContainsConcurrent<T> && !kContainsContainer<T> && !kContainsHandle<T>;

// May be what a Mutex or RwLock guards.
template <class T>
concept Guardable = Shareable<T> && !kContainsConcurrent<T>;

namespace shm_internal {

template <class T, class... Outer>
constexpr void CheckType();

// These stand in the compiler's message, between the reason and the place of use: "CheckField<Order, 3, char*>". The first
// field is 1.
template <class Struct, size_t field, class T, class... Outer>
constexpr void CheckField() {
  CheckType<T, Outer...>();
}
template <class Template, class Part, class... Outer>
constexpr void CheckPart() {
  CheckType<Part, Outer...>();
}

template <class Struct, class... Outer, class... F, size_t... i>
constexpr void CheckFields(TypeList<F...>, std::index_sequence<i...>) {
  (CheckField<Struct, i + 1, F, Struct, Outer...>(), ...);
}
template <class Template, class... Outer, class... Part>
constexpr void CheckParts(TypeList<Part...>) {
  (CheckPart<Template, Part, Outer...>(), ...);
}

template <class T, Refusal refusal>
constexpr void Explain() {
  static_assert(refusal != Refusal::kIncomplete, "only a complete type can be shared: include its header");
  static_assert(refusal != Refusal::kQualified, "a const or volatile type cannot be shared: take the plain type");
  static_assert(refusal != Refusal::kRefusedByTraits, "this type refuses to be shared: see its ShareableTraits");
  static_assert(refusal != Refusal::kBadName,
                "the kName in ShareableTraits begins with a letter and has letters, digits, '_' and '.', 64 at most");
  static_assert(refusal != Refusal::kPointer,
                "a pointer means nothing in another process: use shoal::Shared, shoal::Box, or an index");
  static_assert(refusal != Refusal::kReference, "a reference means nothing in another process: take the value");
  static_assert(refusal != Refusal::kFunction, "a function lies at another address in another process: share its name");
  static_assert(refusal != Refusal::kWideNumber,
                "long double, 128-bit integers and enums of these have no fixed form: use double, or two 64-bit integers");
  static_assert(
      refusal != Refusal::kUnion,
      "a union cannot be shared, pthread's objects included, for nobody knows what it holds: use shoal::Variant, a "
      "struct, or shoal::Lock");
  static_assert(refusal != Refusal::kPolymorphic,
                "a type with virtual functions cannot be shared: its table lies at another address in another process");
  static_assert(refusal != Refusal::kStdAtomic, "std::atomic does not promise to work between processes: use shoal::Atomic");
  static_assert(refusal != Refusal::kStdSum,
                "std::optional, pair, tuple and variant have no fixed layout: use a struct, or shoal::Variant");
  static_assert(refusal != Refusal::kContainer,
                "its elements lie in memory of this process only: use shoal::String, Vector, Deque or HashMap");
  static_assert(refusal != Refusal::kView,
                "a view is a pointer in disguise: use shoal::String, std::array or shoal::Vector");
  static_assert(refusal != Refusal::kSmartPointer,
                "a smart pointer means nothing in another process: use shoal::Shared or shoal::Box");
  static_assert(refusal != Refusal::kSystemObject,
                "a thread, mutex or condition of one process cannot be shared: use shoal::Lock, RLock or Condition");
  static_assert(refusal != Refusal::kFunctionObject,
                "a function lies at another address in another process: share its name, or what it captures");
  static_assert(
      refusal != Refusal::kNotPlain,
      "only a plain struct can be shared (no constructors, no private fields, no virtual functions): make it one, or "
      "describe it by ShareableTraits");
  static_assert(refusal != Refusal::kBase, "a struct with a base class cannot be shared: make the base a field");
  static_assert(refusal != Refusal::kReferenceMember,
                "a struct with a reference member cannot be shared: a reference means nothing in another process");
  static_assert(refusal != Refusal::kBitField,
                "a struct with a bit-field, a volatile member or a const reference cannot be shared: use whole integers, "
                "Atomic, values");
  static_assert(refusal != Refusal::kConstMember,
                "a struct with a const or volatile member cannot be shared: remove the word, or use shoal::Atomic");
  static_assert(refusal != Refusal::kPacked,
                "a packed struct cannot be shared: two processes would see a misaligned field change in two steps");
  static_assert(
      refusal != Refusal::kUnionMember,
      "a struct with a union member cannot be shared, for nobody knows what that holds: use shoal::Variant, or fields");
  static_assert(refusal != Refusal::kTupleLike,
                "a struct with a std::tuple_size of its own hides its fields: describe it by ShareableTraits");
  static_assert(refusal != Refusal::kTooManyFields,
                "a struct with more than 100 fields cannot be shared: nest some in a struct");
  static_assert(
      refusal != Refusal::kUncountable,
      "the fields of this struct cannot be counted: give those without a default constructor an initial value, and "
      "take std::array instead of C arrays");
  static_assert(refusal != Refusal::kOwnCopy,
                "a struct with a destructor or an operator= of its own cannot be shared, for its bytes are copied and given up without "
                "them: take them away, or describe it by ShareableTraits");
}

template <class T, class... Outer>
constexpr void CheckType() {
  if constexpr (!kIsOneOf<T, Outer...>) {
    constexpr Refusal refusal = RefusalOfType<T>();
    Explain<T, refusal>();
    if constexpr (refusal != Refusal::kNone) {
      return;
    } else if constexpr (Described<T>) {
      CheckParts<T, Outer...>(typename ShareableTraits<T>::Parts());
    } else if constexpr (requires { typename ElementOf<T>::Type; }) {
      CheckType<typename ElementOf<T>::Type, Outer...>();
    } else if constexpr (!SharedScalar<T>) {
      CheckFields<T, Outer...>(FieldTypes<T>(), std::make_index_sequence<kStruct<T>.count>());
    }
  }
}

}  // namespace shm_internal

// Compiles if T is Shareable; otherwise the compiler's message says why not, and which field is to blame.
template <class T>
constexpr bool CheckShareable() {
  shm_internal::CheckType<T>();
  return Shareable<T>;
}

// The same for Concurrent.
template <class T>
constexpr bool CheckConcurrent() {
  if constexpr (CheckShareable<T>()) {
    static_assert(!Shareable<T> || !kContainsContainer<T> || Concurrent<T>,
                  "a container would be changed by several processes without a lock: put it into a shoal::Mutex or RwLock");
    static_assert(
        !Shareable<T> || kContainsContainer<T> || Concurrent<T>,
        "a Shared<T> of this would be changed by several processes without a lock: use Shared<Mutex<T>>, or shoal::Atomic "
        "for a number");
  }
  return Concurrent<T>;
}

// The same for Guardable: what Mutex<T> and RwLock<T> ask of their T.
template <class T>
constexpr bool CheckGuardable() {
  if constexpr (CheckShareable<T>()) {
    static_assert(!kContainsConcurrent<T>,
                  "a Mutex must not guard another lock, Mutex or Atomic by value (taking back a dead holder's changes would "
                  "overwrite it): put it beside the Mutex, or use a plain number, or Shared<...>");
  }
  return Guardable<T>;
}

// The bytes of a T that a Mutex, RwLock or Value may guard. Every section copies them when it opens; what the T's containers hold
// does not count.
inline constexpr size_t kMaxRootBytes = 4096;

// Specialise this for a larger T whose sections may cost that much:
//
//   template <>
//   inline constexpr bool shoal::kMayBeLargeRoot<Table> = true;
template <class T>
inline constexpr bool kMayBeLargeRoot = false;

// The same for what one Mutex, RwLock or Value guards: Guardable, and not too large.
template <class T>
constexpr bool CheckRoot() {
  if constexpr (CheckGuardable<T>()) {
    static_assert(sizeof(T) <= kMaxRootBytes || kMayBeLargeRoot<T>,
                  "every section would copy all of this, more than 4096 bytes: keep it in a shoal::Vector or HashMap, or "
                  "specialise shoal::kMayBeLargeRoot");
  }
  return Guardable<T>;
}

}  // namespace shoal

#endif  // SHOAL_SHM_SHAREABLE_H_
