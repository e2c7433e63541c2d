#ifndef SHOAL_IPC_CODEC_H_
#define SHOAL_IPC_CODEC_H_

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <ranges>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "shoal/ipc/cbor.h"
#include "shoal/ipc/wire_as.h"
#include "shoal/ipc/wire_type.h"
#include "shoal/shm/struct_fields.h"

// How values become bytes and bytes become values.
//
// A message is a sequence of values whose types both sides know: their fingerprints were compared when they met. A plain
// value (see wire_type.h) is its bytes; any other value is one item of CBOR:
//
//   number, bool         CBOR's own                    string                byte string
//   sequence of numbers  byte string of all elements   other sequence, set   array
//   map                  map                           optional              null, or an array of one
//   tuple, pair, struct  array of the fields           std::array            array
//   variant              array of index and value      monostate             null
//
// Decoding believes nothing: every length is compared with the bytes that are there, numbers with the range of their type,
// bool and kinds with what is allowed, and no more than kMaxCborDepth items may lie in each other. A message that is too long is refused
// like one that is too short.
//
// Thread safety: pure functions. Errors: Decode… return false where the bytes are not such a value; the target then holds
// something valid but unspecified. Allocation: the target's own; at most a small multiple of the bytes present.

namespace shoal::ipc_internal {

template <class T>
void EncodeItem(CborWriter& out, const T& value);
template <class T>
[[nodiscard]] bool DecodeItem(CborReader& in, T& value);

// How a handle is written and read: message_handles.h.
template <WireHandle T>
void EncodeHandle(CborWriter& out, const T& value);
template <WireHandle T>
[[nodiscard]] bool DecodeHandle(CborReader& in, T& value);

namespace codec_details {

template <class T>
std::string_view BytesOf(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

// A container is given this many elements at once at most on the word of a length; beyond, it grows as elements arrive.
inline constexpr size_t kTrustedReserve = 1024;

// Vectors of these are copied as they are. (vector<bool> is no array of bool, and any byte is a number but not a bool.) An enum
// travels as its number does: their codes are equal, so their bytes must be.
template <class T>
constexpr bool IsBulk() {
  if constexpr (std::is_enum_v<T>) {
    return IsBulk<std::underlying_type_t<T>>();
  } else if constexpr (WireStandIn<T>) {
    return IsBulk<typename WireAs<T>::Type>();
  } else {
    return std::is_arithmetic_v<T> && !std::same_as<T, bool>;
  }
}
template <class T>
inline constexpr bool kBulk = IsBulk<T>();

// Whether all bool among the bytes of a plain T are 0 or 1. Loading another byte as bool would be undefined.
template <class T>
bool ValidBools(const char* bytes) {
  if constexpr (std::same_as<T, bool>) {
    return static_cast<unsigned char>(*bytes) <= 1;
  } else if constexpr (std::is_enum_v<T>) {
    return ValidBools<std::underlying_type_t<T>>(bytes);
  } else if constexpr (WireScalar<T> || WireStandIn<T>) {  // those of numbers have no bool
    return true;
  } else if constexpr (kIsStdArray<T>) {
    using Element = typename T::value_type;
    if constexpr (!WireScalar<Element> || std::same_as<Element, bool> || std::is_enum_v<Element>) {
      for (size_t i = 0; i < std::tuple_size_v<T>; ++i) {
        if (!ValidBools<Element>(bytes + i * sizeof(Element))) return false;
      }
    }
    return true;
  } else {
    return [bytes]<class... Field>(shm_internal::TypeList<Field...>) {
      size_t i = 0;
      return (ValidBools<Field>(bytes + FieldOffsets<T>()[i++]) && ...);
    }(shm_internal::FieldTypes<T>());
  }
}

template <class T>
bool DecodeInteger(const CborToken& token, T& value) {
  if (token.kind == CborKind::kUnsigned) {
    if (token.number > static_cast<uint64_t>(std::numeric_limits<T>::max())) return false;
    value = static_cast<T>(token.number);
    return true;
  }
  if constexpr (std::is_signed_v<T>) {
    if (token.kind == CborKind::kNegative && token.number <= static_cast<uint64_t>(std::numeric_limits<T>::max())) {
      value = static_cast<T>(-1 - static_cast<int64_t>(token.number));
      return true;
    }
  }
  return false;
}

template <class T>
bool DecodeScalar(CborReader& in, T& value) {
  CborToken token;
  if constexpr (std::is_enum_v<T>) {
    std::underlying_type_t<T> number{};
    if (!DecodeScalar(in, number)) return false;
    value = static_cast<T>(number);
    return true;
  } else if constexpr (std::same_as<T, bool>) {
    if (!in.Next(token) || token.kind != CborKind::kBool) return false;
    value = token.number != 0;
    return true;
  } else if constexpr (std::is_floating_point_v<T>) {
    constexpr CborKind kKind = sizeof(T) == 4 ? CborKind::kFloat : CborKind::kDouble;
    if (!in.Next(token) || token.kind != kKind) return false;
    value = static_cast<T>(token.real);
    return true;
  } else {
    return in.Next(token) && DecodeInteger(token, value);
  }
}

inline bool DecodeHead(CborReader& in, CborKind kind, uint64_t& size) {
  CborToken token;
  if (!in.Next(token) || token.kind != kind) return false;
  size = token.number;
  return size <= in.rest().size();  // every item has at least one byte
}

template <class Tuple, class F>
constexpr void ForEachElement(Tuple&& tuple, F&& f) {
  std::apply([&](auto&&... element) { (f(element), ...); }, std::forward<Tuple>(tuple));
}

template <class T>
void EncodeSequence(CborWriter& out, const T& value) {
  using Element = typename T::value_type;
  if constexpr (!kBulk<Element>) {
    out.Array(value.size());
    for (const auto& element : value) EncodeItem<Element>(out, element);
  } else if constexpr (std::ranges::contiguous_range<T>) {
    out.Bytes({reinterpret_cast<const char*>(value.data()), value.size() * sizeof(Element)});
  } else {
    out.BytesHead(value.size() * sizeof(Element));
    for (const Element& element : value) out.Raw(BytesOf(element));
  }
}

template <class T>
bool DecodeSequence(CborReader& in, T& value) {
  using Element = typename T::value_type;
  value.clear();
  if constexpr (kBulk<Element>) {
    CborToken token;
    if (!in.Next(token) || token.kind != CborKind::kBytes || token.bytes.size() % sizeof(Element) != 0) return false;
    value.resize(token.bytes.size() / sizeof(Element));
    if constexpr (std::ranges::contiguous_range<T>) {
      if (!token.bytes.empty()) std::memcpy(value.data(), token.bytes.data(), token.bytes.size());
    } else {
      const char* from = token.bytes.data();
      for (Element& element : value) {
        std::memcpy(&element, from, sizeof(Element));
        from += sizeof(Element);
      }
    }
    return true;
  } else {
    uint64_t size = 0;
    if (!DecodeHead(in, CborKind::kArray, size)) return false;
    if constexpr (requires { value.reserve(size); }) value.reserve(std::min<uint64_t>(size, kTrustedReserve));
    for (uint64_t i = 0; i < size; ++i) {
      Element element{};
      if (!DecodeItem(in, element)) return false;
      value.push_back(std::move(element));
    }
    return true;
  }
}

template <class T>
bool DecodeSet(CborReader& in, T& value) {
  value.clear();
  uint64_t size = 0;
  if (!DecodeHead(in, CborKind::kArray, size)) return false;
  for (uint64_t i = 0; i < size; ++i) {
    typename T::key_type key{};
    if (!DecodeItem(in, key) || !value.emplace(std::move(key)).second) return false;  // or a key twice
  }
  return true;
}

template <class T>
bool DecodeMap(CborReader& in, T& value) {
  value.clear();
  uint64_t pairs = 0;
  if (!DecodeHead(in, CborKind::kMap, pairs)) return false;
  for (uint64_t i = 0; i < pairs; ++i) {
    typename T::key_type key{};
    typename T::mapped_type mapped{};
    if (!DecodeItem(in, key) || !DecodeItem(in, mapped)) return false;
    if (!value.emplace(std::move(key), std::move(mapped)).second) return false;  // a key twice
  }
  return true;
}

template <class T>
bool DecodeOptional(CborReader& in, T& value) {
  CborToken token;
  if (!in.Next(token)) return false;
  value.reset();
  if (token.kind == CborKind::kNull) return true;
  if (token.kind != CborKind::kArray || token.number != 1) return false;
  return DecodeItem(in, value.emplace());
}

// One that an exception has left without a value has an index that nobody accepts.
template <class... Alternative>
void EncodeVariant(CborWriter& out, const std::variant<Alternative...>& value) {
  out.Array(2);
  out.Unsigned(value.valueless_by_exception() ? sizeof...(Alternative) : value.index());
  if (value.valueless_by_exception()) {
    out.LeaveOutValue();
  } else {
    std::visit([&](const auto& alternative) { EncodeItem(out, alternative); }, value);
  }
}

template <size_t index, class Variant>
bool DecodeAlternative(CborReader& in, Variant& value) {
  return DecodeItem(in, value.template emplace<index>());
}

template <class... Alternative>
bool DecodeVariant(CborReader& in, std::variant<Alternative...>& value) {
  uint64_t size = 0;
  uint64_t index = 0;
  if (!DecodeHead(in, CborKind::kArray, size) || size != 2) return false;
  if (!DecodeScalar(in, index) || index >= sizeof...(Alternative)) return false;
  using Decode = bool (*)(CborReader&, std::variant<Alternative...>&);
  constexpr auto kDecode = []<size_t... i>(std::index_sequence<i...>) {
    return std::array<Decode, sizeof...(i)>{&DecodeAlternative<i, std::variant<Alternative...>>...};
  }(std::index_sequence_for<Alternative...>());
  return kDecode[index](in, value);
}

template <class T>
bool DecodeStandIn(CborReader& in, T& value) {
  typename WireAs<T>::Type read{};
  return DecodeItem(in, read) && WireAs<T>::From(std::move(read), value);
}

}  // namespace codec_details

// One item of CBOR. A handle is its number among those of the message; the writer's HandleWriter has the handle itself.
template <class T>
void EncodeItem(CborWriter& out, const T& value) {
  namespace details = codec_details;
  CheckTravels<T>();
  if constexpr (WireHandle<T>) {
    EncodeHandle(out, value);
  } else if constexpr (WireStandIn<T>) {
    EncodeItem<typename WireAs<T>::Type>(out, WireAs<T>::To(value));
  } else if constexpr (std::is_enum_v<T>) {
    EncodeItem(out, static_cast<std::underlying_type_t<T>>(value));
  } else if constexpr (std::same_as<T, bool>) {
    out.Bool(value);
  } else if constexpr (std::is_floating_point_v<T>) {
    if constexpr (sizeof(T) == 4) {
      out.Float(value);
    } else {
      out.Double(value);
    }
  } else if constexpr (std::is_integral_v<T>) {
    if constexpr (std::is_signed_v<T>) {
      out.Signed(value);
    } else {
      out.Unsigned(value);
    }
  } else if constexpr (std::same_as<T, std::string>) {
    out.Bytes(value);
  } else if constexpr (std::same_as<T, std::monostate>) {
    out.Null();
  } else if (const CborLevel level(out); !level) {
    return;
  } else if constexpr (kIsSequence<T>) {
    details::EncodeSequence(out, value);
  } else if constexpr (kIsSet<T>) {
    out.Array(value.size());
    for (const auto& key : value) EncodeItem(out, key);
  } else if constexpr (kIsVariant<T>) {
    details::EncodeVariant(out, value);
  } else if constexpr (kIsMap<T>) {
    out.Map(value.size());
    for (const auto& [key, mapped] : value) {
      EncodeItem(out, key);
      EncodeItem(out, mapped);
    }
  } else if constexpr (kIsOptional<T>) {
    if (value.has_value()) {
      out.Array(1);
      EncodeItem(out, *value);
    } else {
      out.Null();
    }
  } else if constexpr (kIsStdArray<T> || kIsTuple<T>) {
    out.Array(std::tuple_size_v<T>);
    details::ForEachElement(value, [&](const auto& element) { EncodeItem(out, element); });
  } else if constexpr (WireFields<T>) {
    out.Array(kFieldCount<T>);
    ForEachField(value, [&](const auto& field) { EncodeItem(out, field); });
  }
}

template <class T>
bool DecodeItem(CborReader& in, T& value) {
  namespace details = codec_details;
  CheckTravels<T>();
  if constexpr (WireHandle<T>) {
    return DecodeHandle(in, value);
  } else if constexpr (WireStandIn<T>) {
    return details::DecodeStandIn(in, value);
  } else if constexpr (WireScalar<T>) {
    return details::DecodeScalar(in, value);
  } else if constexpr (std::same_as<T, std::string>) {
    CborToken token;
    if (!in.Next(token) || token.kind != CborKind::kBytes) return false;
    value.assign(token.bytes);
    return true;
  } else if constexpr (std::same_as<T, std::monostate>) {
    CborToken token;
    return in.Next(token) && token.kind == CborKind::kNull;
  } else if (const CborLevel level(in); !level) {
    return false;
  } else if constexpr (kIsSequence<T>) {
    return details::DecodeSequence(in, value);
  } else if constexpr (kIsSet<T>) {
    return details::DecodeSet(in, value);
  } else if constexpr (kIsVariant<T>) {
    return details::DecodeVariant(in, value);
  } else if constexpr (kIsMap<T>) {
    return details::DecodeMap(in, value);
  } else if constexpr (kIsOptional<T>) {
    return details::DecodeOptional(in, value);
  } else {
    uint64_t size = 0;
    if (!details::DecodeHead(in, CborKind::kArray, size)) return false;
    bool good = true;
    [[maybe_unused]] const auto decode = [&](auto& element) { good = good && DecodeItem(in, element); };
    if constexpr (kIsStdArray<T> || kIsTuple<T>) {
      if (size != std::tuple_size_v<T>) return false;
      details::ForEachElement(value, decode);
    } else if constexpr (WireFields<T>) {
      if (size != kFieldCount<T>) return false;
      ForEachField(value, decode);
    }
    return good;
  }
}

// One value of a message.
template <class T>
void EncodeValue(std::string& out, const T& value) {
  CheckTravels<T>();
  if constexpr (Plain<T>) {
    out.append(codec_details::BytesOf(value));
  } else {
    CborWriter writer(out);
    EncodeItem(writer, value);
  }
}

template <class T>
[[nodiscard]] bool DecodeValue(CborReader& in, T& value) {
  CheckTravels<T>();
  if constexpr (Plain<T>) {
    std::string_view bytes;
    if (!in.Raw(sizeof value, bytes) || !codec_details::ValidBools<T>(bytes.data())) return false;
    std::memcpy(&value, bytes.data(), sizeof value);
    return true;
  } else {
    return DecodeItem(in, value);
  }
}

// A whole message: all values, and nothing behind the last.
template <class... T>
void EncodeMessage(std::string& out, const T&... values) {
  (EncodeValue(out, values), ...);
}

template <class... T>
[[nodiscard]] bool DecodeMessage(std::string_view bytes, T&... values) {
  CborReader reader(bytes);
  return (DecodeValue(reader, values) && ...) && reader.rest().empty();
}

}  // namespace shoal::ipc_internal

#endif  // SHOAL_IPC_CODEC_H_
