#ifndef SHOAL_IPC_MESSAGE_TYPE_H_
#define SHOAL_IPC_MESSAGE_TYPE_H_

#include <array>
#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "shoal/ipc/codec.h"
#include "shoal/ipc/wire_as.h"
#include "shoal/ipc/wire_type.h"
#include "shoal/shm/shareable.h"
#include "shoal/shm/struct_fields.h"
#include "shoal/shm/type_layout.h"

// Which types may be messages, how each lies in its cell, and what two programs compare before they exchange some.

namespace shoal {
namespace ipc_internal {

enum class MessageForm {
  kBytes,    // a plain value: as its bytes
  kBulk,     // a string, or a sequence of numbers: as the bytes of all its elements
  kEncoded,  // anything else: one item of CBOR
};

template <class T>
constexpr bool IsBulkMessage() {
  if constexpr (std::same_as<T, std::string>) {
    return true;
  } else if constexpr (kIsSequence<T>) {
    return codec_details::kBulk<typename T::value_type>;
  } else {
    return false;
  }
}

template <class T>
constexpr MessageForm FormOf() {
  if constexpr (SharedValue<T>) {
    return MessageForm::kBytes;
  } else if constexpr (IsBulkMessage<T>()) {
    return MessageForm::kBulk;
  } else {
    return MessageForm::kEncoded;
  }
}

// Of the room in a cell, and of a block.
inline constexpr size_t kMostAlignment = 64;

// Says in words why a type cannot be a message.
template <class T>
constexpr bool CheckMessage() {
  static_assert(!std::is_const_v<T> && !std::is_reference_v<T>, "a message is a value: take the plain type");
  static_assert(!std::is_array_v<T>, "a C array is no value: use std::array");
  if constexpr (SharedValue<T>) {
    static_assert(alignof(T) <= kMostAlignment, "a message lies where its bytes are aligned to 64 at most, and this type asks for more");
  }
  if constexpr (!SharedValue<T> && !std::is_const_v<T> && !std::is_reference_v<T> && !std::is_array_v<T>) {
    static_assert(!Shareable<T> || !(kContainsConcurrent<T> || kContainsContainer<T>),
                  "a lock or a container of shared memory stays where it is: send a Shared<...> of it");
    if constexpr (!(Shareable<T> && (kContainsConcurrent<T> || kContainsContainer<T>))) CheckTravelsWhole<T>();
  }
  return true;
}

// Whether a T contains a handle that moves: it is sent as an rvalue only.
template <class T, class... Outer>
constexpr bool MovesHandles() {
  if constexpr ((std::same_as<T, Outer> || ...)) {
    return false;
  } else if constexpr (WireHandle<T>) {
    return !std::copy_constructible<T>;
  } else if constexpr (SharedValue<T>) {
    return false;
  } else {
    return []<class... Part>(shm_internal::TypeList<Part...>) {
      return (MovesHandles<Part, T, Outer...>() || ...);
    }(PartsOf<T>());
  }
}

// Of which a message can be made, and the value kept. A vector of what cannot be copied says that it can be.
template <class T>
concept Repeats = std::copy_constructible<T> && !MovesHandles<T>();

// Whether all bool among the bytes of a plain value are 0 or 1. To load another byte as a bool would be undefined.
template <class T>
bool HasValidBools(const std::byte* bytes);

template <class... Field, size_t count>
bool FieldsHaveValidBools(const std::byte* bytes, const std::array<size_t, count>& offsets,
                          shm_internal::TypeList<Field...>) {
  size_t i = 0;
  return (HasValidBools<Field>(bytes + offsets[i++]) && ...);
}

template <class T>
bool HasValidBools(const std::byte* bytes) {
  if constexpr (std::is_enum_v<T>) {
    return HasValidBools<std::underlying_type_t<T>>(bytes);
  } else if constexpr (std::is_same_v<T, bool>) {
    return static_cast<unsigned char>(*bytes) <= 1;
  } else if constexpr (shm_internal::SharedScalar<T> || shm_internal::Described<T>) {
    return true;
  } else if constexpr (requires { typename shm_internal::ElementOf<T>::Type; }) {
    using Element = typename shm_internal::ElementOf<T>::Type;
    if constexpr (!std::is_arithmetic_v<Element> || std::is_same_v<Element, bool>) {
      for (size_t i = 0; i < shm_internal::ElementOf<T>::kCount; ++i) {
        if (!HasValidBools<Element>(bytes + i * sizeof(Element))) return false;
      }
    }
    return true;
  } else {
    static const auto offsets = shm_internal::FieldOffsets<T>();
    return FieldsHaveValidBools(bytes, offsets, shm_internal::FieldTypes<T>());
  }
}

// Stands in the layout code for a type that is encoded: "text", "list(f8)", "fields(text,i4)". Never made.
template <class T>
struct OnWire {};

// What a layout code says of a T that is sent.
template <class T>
struct SentAsOf {
  using Type = OnWire<T>;
};
template <class T>
requires(SharedValue<T> || WireHandle<T>) struct SentAsOf<T> {
  using Type = T;
};
template <class T>
using SentAs = typename SentAsOf<T>::Type;

// A T that is sent, named without looking at it: a queue of messages may have a handle to itself in them.
template <class T>
struct Sent {};

template <class T>
constexpr auto SentParts() {
  if constexpr (WireStandIn<T>) {
    return shm_internal::TypeList<SentAs<typename WireAs<T>::Type>>();
  } else if constexpr (!ContainsItself<T>()) {
    return []<class... Part>(shm_internal::TypeList<Part...>) {
      return shm_internal::TypeList<SentAs<Part>...>();
    }(PartsOf<T>());
  } else {
    return shm_internal::TypeList<>();  // CheckMessage has said that it cannot be sent
  }
}

// "array.3"
template <size_t count>
struct ArrayName {
  static constexpr std::string_view kArray = "array.";
  static constexpr auto kCount = DigitsOf<count>();
  static constexpr auto kName = JoinedMeaning<kArray, kCount>();
};

template <class T>
constexpr std::string_view SentName() {
  if constexpr (std::same_as<T, std::string>) {
    return "text";
  } else if constexpr (WireStandIn<T>) {
    return WireAs<T>::kMeaning;
  } else if constexpr (kIsSequence<T>) {
    return "list";
  } else if constexpr (kIsSet<T>) {
    return "set";
  } else if constexpr (kIsVariant<T>) {
    return "variant";
  } else if constexpr (kIsMap<T>) {
    return "map";
  } else if constexpr (kIsOptional<T>) {
    return "optional";
  } else if constexpr (kIsTuple<T>) {
    return "tuple";
  } else if constexpr (kIsStdArray<T>) {
    return ArrayName<std::tuple_size_v<T>>::kName;
  } else {
    return shm_internal::kFieldsName;
  }
}

}  // namespace ipc_internal

template <class T>
struct ShareableTraits<ipc_internal::Sent<T>> : SharedType<SharedKind::kValue> {
  static constexpr std::string_view kName = "sent";  // no code has it
};
template <class T>
struct shm_internal::LaidOutAs<ipc_internal::Sent<T>> {
  using Type = ipc_internal::SentAs<T>;
};

template <class T>
struct ShareableTraits<ipc_internal::OnWire<T>> {
  static constexpr SharedKind kKind = SharedKind::kValue;
  using Parts = decltype(ipc_internal::SentParts<T>());
  static constexpr std::string_view kName = ipc_internal::SentName<T>();
};

}  // namespace shoal

#endif  // SHOAL_IPC_MESSAGE_TYPE_H_
