#ifndef SHOAL_SHM_TYPE_LAYOUT_H_
#define SHOAL_SHM_TYPE_LAYOUT_H_

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "shoal/shm/layout_tree.h"
#include "shoal/shm/shareable.h"

// How the bytes of a shared type lie, as a short text that two programs compare before they share one. It is made of kinds, sizes
// and offsets, never of the compiler's names, so that a program built by g++ and a plug-in built by clang agree. Equal codes
// mean equal bytes.
//
//   b  i1 i2 i4 i8  u1 u2 u4 u8  f4 f8   bool, integers, floating point (an enum has its underlying type's code)
//   #4:T                                 array of 4
//   <24@0:i8,8:f8,16:#4:u2>              struct: size, then offset:type of each field
//   Vector@24(T)                         a type described by ShareableTraits: name, size and its parts
//   fields@1(T,T)                        a struct that is sent piece by piece (ipc/message_type.h)
//   ^2                                   the second struct or fields around this place, counted outwards: a type that contains itself

namespace shoal::shm_internal {

// FNV-1a, 64 bits (Fowler, Noll, Vo): a fingerprint that any compiler and language can compute.
class FingerprintSink {
 public:
  constexpr void Add(std::string_view text) {
    for (const char c : text) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  constexpr uint64_t hash() const { return hash_; }

 private:
  uint64_t hash_ = 0xcbf29ce484222325;
};

class CodeSink {
 public:
  void Add(std::string_view text) { code_ += text; }
  std::string Take() && { return std::move(code_); }

 private:
  std::string code_;
};

template <class Sink>
void AddNumber(Sink& sink, size_t number) {
  std::array<char, 24> digits = {};
  const std::to_chars_result end = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  sink.Add({digits.data(), static_cast<size_t>(end.ptr - digits.data())});
}

template <class T, class Sink>
void AddScalar(Sink& sink) {
  if constexpr (std::is_enum_v<T>) {
    AddScalar<std::underlying_type_t<T>>(sink);
  } else if constexpr (std::is_same_v<T, bool>) {
    sink.Add("b");
  } else {
    sink.Add(std::is_floating_point_v<T> ? "f" : std::is_signed_v<T> ? "i" : "u");
    AddNumber(sink, sizeof(T));
  }
}

// How many structs outwards T is; 0: it is none of them.
template <class T, class... Outer>
constexpr size_t LevelsOut() {
  size_t level = 0;
  size_t found = 0;
  ((++level, found = found == 0 && std::is_same_v<T, Outer> ? level : found), ...);
  return found;
}

template <class T, class... Outer>
struct LayoutOf;

template <class... Outer, class Sink, class... Part>
void AddParts(Sink& sink, TypeList<Part...>) {
  bool first = true;
  ((sink.Add(first ? "" : ","), first = false, LayoutOf<Part, Outer...>::AddTo(sink)), ...);
}

template <class... Outer, class Sink, size_t count, class... Field>
void AddFields(Sink& sink, const std::array<size_t, count>& offsets, TypeList<Field...>) {
  size_t i = 0;
  [[maybe_unused]] const auto add = [&]<class F>() {
    if (i > 0) sink.Add(",");
    AddNumber(sink, offsets[i++]);
    sink.Add(":");
    LayoutOf<F, Outer...>::AddTo(sink);
  };
  (add.template operator()<Field>(), ...);
}

template <class T, class... Outer>
struct LayoutOf {
  template <class Sink>
  static void AddTo(Sink& sink) {
    if constexpr (LevelsOut<T, Outer...>() > 0) {
      sink.Add("^");
      AddNumber(sink, LevelsOut<T, Outer...>());
    } else if constexpr (!std::is_same_v<typename LaidOutAs<T>::Type, T>) {
      LayoutOf<typename LaidOutAs<T>::Type, Outer...>::AddTo(sink);
    } else if constexpr (Described<T>) {
      sink.Add(ShareableTraits<T>::kName);
      sink.Add("@");
      AddNumber(sink, sizeof(T));
      using Parts = typename ShareableTraits<T>::Parts;
      if constexpr (Parts::kSize > 0) {
        sink.Add("(");
        if constexpr (ShareableTraits<T>::kName == kFieldsName) {
          AddParts<T, Outer...>(sink, Parts());
        } else {
          AddParts<Outer...>(sink, Parts());
        }
        sink.Add(")");
      }
    } else if constexpr (requires { typename ElementOf<T>::Type; }) {
      sink.Add("#");
      AddNumber(sink, ElementOf<T>::kCount);
      sink.Add(":");
      LayoutOf<typename ElementOf<T>::Type, Outer...>::AddTo(sink);
    } else if constexpr (SharedScalar<T>) {
      AddScalar<T>(sink);
    } else {
      sink.Add("<");
      AddNumber(sink, sizeof(T));
      sink.Add("@");
      AddFields<T, Outer...>(sink, FieldOffsets<T>(), FieldTypes<T>());
      sink.Add(">");
    }
  }
};

// The code of T.
template <Shareable T>
std::string LayoutCode() {
  CodeSink sink;
  LayoutOf<T>::AddTo(sink);
  return std::move(sink).Take();
}

// Its fingerprint. Allocates nothing.
template <Shareable T>
uint64_t LayoutFingerprint() {
  FingerprintSink sink;
  LayoutOf<T>::AddTo(sink);
  return sink.hash();
}

// OK if the codes are equal. `stored` was read from shared memory, where anybody may have written it; `here` is LayoutCode<T>()
// of this program, and `names_here` perhaps FieldNames<T>(). Fields are counted from 1.
// Errors: FailedPrecondition: they differ; the message lists how, field by field ("field 3 'price': double at 16, here float at 16").
//         DataLoss: `stored` is no code. InvalidArgument: `here` is none, or is longer or deeper than this function follows.
absl::Status CompareLayouts(std::string_view stored, std::string_view here, std::string_view names_here = {});

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_TYPE_LAYOUT_H_
