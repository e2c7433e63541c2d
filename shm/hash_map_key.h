#ifndef SHOAL_SHM_HASH_MAP_KEY_H_
#define SHOAL_SHM_HASH_MAP_KEY_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "shoal/shm/shareable.h"
#include "shoal/shm/string.h"
#include "shoal/shm/struct_fields.h"

// What may be a key of a HashMap, when two keys are the same, and their hash. The hash is a part of the shared format: programs of
// different builds must find each other's keys (docs/memory_format.md).

namespace shoal {

// Specialise this for a key that describes itself by ShareableTraits, or for a struct that is not to be compared field by field:
//
//   template <>
//   struct shoal::HashMapHash<Money> {
//     static uint64_t Hash(const Money& money) { return money.cents; }  // the map mixes the bits once more
//     static bool Equal(const Money& left, const Money& right) { return left.cents == right.cents; }
//   };
//
// Both must give the same answers in every program that uses the map, for ever.
template <class K>
struct HashMapHash {};

namespace shm_internal {

template <class K>
concept HasOwnHash = requires(const K& key) {
  { HashMapHash<K>::Hash(key) } -> std::convertible_to<uint64_t>;
  { HashMapHash<K>::Equal(key, key) } -> std::convertible_to<bool>;
};

// Whether a HashMapHash of the user's is called for a key.
template <class K>
constexpr bool RunsUsersCode();

template <class... Field>
constexpr bool RunUsersCode(TypeList<Field...>) {
  return (RunsUsersCode<Field>() || ...);
}

template <class K>
constexpr bool RunsUsersCode() {
  if constexpr (HasOwnHash<K>) {
    return true;
  } else if constexpr (Described<K> || SharedScalar<K>) {
    return false;
  } else if constexpr (requires { typename ElementOf<K>::Type; }) {
    return RunsUsersCode<typename ElementOf<K>::Type>();
  } else {
    return RunUsersCode(FieldTypes<K>());
  }
}

// The 128 bits of a product, folded.
inline uint64_t Fold(uint64_t left, uint64_t right) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = Wide{left} * right;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline constexpr uint64_t kHashSeed = 0x9e37'79b9'7f4a'7c15;    // 2^64 / golden ratio
inline constexpr uint64_t kHashFactor = 0xd1b5'4a32'd192'ed03;  // odd, half of its bits set

inline uint64_t HashWord(uint64_t seed, uint64_t word) { return Fold(word ^ seed, kHashFactor); }

// Words of 8 bytes, the last one padded with zeros; then the length.
inline uint64_t HashText(uint64_t seed, std::string_view text) {
  uint64_t hash = seed;
  size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + i, sizeof(word));
    hash = HashWord(hash, word) + kHashSeed;
  }
  uint64_t rest = 0;
  if (i < text.size()) std::memcpy(&rest, text.data() + i, text.size() - i);
  return HashWord(HashWord(hash, rest) + kHashSeed, text.size());
}

// A number as an unsigned one of its size. A bool that another process has scribbled on is neither true nor false, so it is not
// read as one.
template <SharedScalar K>
uint64_t Raw(const K& key) {
  if constexpr (std::is_integral_v<K> && !std::is_same_v<K, bool>) {
    return static_cast<std::make_unsigned_t<K>>(key);
  } else {
    uint64_t raw = 0;
    std::memcpy(&raw, &key, sizeof(key));
    return raw;
  }
}

// Whether a key can be compared field by field.
template <class K>
constexpr bool IsPlainKey();

template <class... Field>
constexpr bool ArePlainKeys(TypeList<Field...>) {
  return (IsPlainKey<Field>() && ...);
}

template <class K>
constexpr bool IsPlainKey() {
  if constexpr (HasOwnHash<K>) {
    return true;
  } else if constexpr (Described<K>) {
    return false;
  } else if constexpr (requires { typename ElementOf<K>::Type; }) {
    return IsPlainKey<typename ElementOf<K>::Type>();
  } else if constexpr (SharedScalar<K>) {
    return !std::is_floating_point_v<K>;
  } else {
    return ArePlainKeys(FieldTypes<K>());
  }
}

template <class K>
uint64_t HashValue(uint64_t seed, const K& key) {
  if constexpr (HasOwnHash<K>) {
    return HashWord(seed, HashMapHash<K>::Hash(key));
  } else if constexpr (requires { typename ElementOf<K>::Type; }) {
    for (const auto& element : key) seed = HashValue(seed, element) + kHashSeed;
    return seed;
  } else if constexpr (SharedScalar<K>) {
    return HashWord(seed, Raw(key));
  } else {
    return FieldBindings<kStruct<K>.count>::Apply(key, [seed](const auto&... field) {
      uint64_t hash = seed;
      ((hash = HashValue(hash, field) + kHashSeed), ...);
      return hash;
    });
  }
}

template <class K>
bool SameValue(const K& left, const K& right) {
  if constexpr (HasOwnHash<K>) {
    return HashMapHash<K>::Equal(left, right);
  } else if constexpr (requires { typename ElementOf<K>::Type; }) {
    for (size_t i = 0; i < ElementOf<K>::kCount; ++i) {
      if (!SameValue(left[i], right[i])) return false;
    }
    return true;
  } else if constexpr (SharedScalar<K>) {
    return Raw(left) == Raw(right);
  } else {
    return FieldBindings<kStruct<K>.count>::Apply(left, [&right](const auto&... of_left) {
      return FieldBindings<kStruct<K>.count>::Apply(
          right, [&](const auto&... of_right) { return (SameValue(of_left, of_right) && ...); });
    });
  }
}

template <class K>
struct MapKey {
  // What a caller names a key by. Whether it may be followed is asked of `is_ours(address, bytes)`.
  using View = const K&;
  static uint64_t Hash(const K& key) { return HashWord(HashValue(kHashSeed, key), kHashSeed); }
  template <class IsOurs>
  static bool Same(const K& stored, const K& key, const IsOurs&) {
    return SameValue(stored, key);
  }
  template <class IsOurs>
  static bool HashStored(const K& stored, const IsOurs&, uint64_t& hash) {
    hash = Hash(stored);
    return true;
  }
};

template <class K>
requires(SharedScalar<K> && !HasOwnHash<K>) struct MapKey<K> {
  using View = K;
  static uint64_t Hash(const K& key) { return HashWord(kHashSeed, Raw(key)); }
  template <class IsOurs>
  static bool Same(const K& stored, K key, const IsOurs&) {
    return Raw(stored) == Raw(key);
  }
  template <class IsOurs>
  static bool HashStored(const K& stored, const IsOurs&, uint64_t& hash) {
    hash = Hash(stored);
    return true;
  }
};

// Text is looked up as text; a String that leads out of the segment is the same as no text.
template <>
struct MapKey<String> {
  using View = std::string_view;
  static uint64_t Hash(std::string_view key) { return HashText(kHashSeed, key); }
  template <class IsOurs>
  static bool Same(const String& stored, std::string_view key, const IsOurs& is_ours) {
    const std::string_view text = stored.Unchecked();
    return text.size() == key.size() &&
           (key.empty() || (is_ours(text.data(), key.size()) && std::memcmp(text.data(), key.data(), key.size()) == 0));
  }
  template <class IsOurs>
  static bool HashStored(const String& stored, const IsOurs& is_ours, uint64_t& hash) {
    const std::string_view text = stored.Unchecked();
    const size_t size = text.size();
    if (size != 0 && !is_ours(text.data(), size)) return false;
    hash = Hash({text.data(), size});
    return true;
  }
};

// Compiles if K may be a key; otherwise the compiler's message says why not.
template <class K>
constexpr bool CheckMapKey() {
  if constexpr (!std::is_same_v<K, String> && CheckShareable<K>()) {
    static_assert(!Shareable<K> || SharedValue<K>,
                  "a key of a HashMap is a number, an enum, a bool, a plain struct or array of these, or a shoal::String");
    if constexpr (SharedValue<K>) {
      static_assert(IsPlainKey<K>(),
                    "a key of a HashMap must have one meaning in every process: no floating point, and for a described type "
                    "a shoal::HashMapHash of its own");
    }
  }
  return true;
}

}  // namespace shm_internal
}  // namespace shoal

#endif  // SHOAL_SHM_HASH_MAP_KEY_H_
