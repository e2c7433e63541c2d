#ifndef SHOAL_SHM_STORED_H_
#define SHOAL_SHM_STORED_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <tuple>
#include <type_traits>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "shoal/shm/section.h"
#include "shoal/shm/shareable.h"
#include "shoal/shm/struct_fields.h"
#include "shoal/sync/status.h"

// How an object of any Shareable type is built, moved and given up inside a segment. The one place that knows: containers do this
// to their elements, and the elements may be plain values, structs, arrays, handles, or containers again.
//
//   Construct(section, where, arguments...)   Status. A plain value: of what its constructor or its braces take. A struct that owns
//                                             something: one argument for each of its first fields, or none.
//                                             A container or handle: what its own Construct takes.
//   Relocate(section, from, to)               moves one object to where none is; `from` is dead afterwards, its bytes as before.
//   Replace(section, object, arguments...)    Status. Disposes of what the object owns, and builds it anew; the arguments may be parts
//                                             of it.
//   Dispose(section, object)                  Status. What it owns is given back when the section commits; its bytes stay.
//
// All of them write without saving: the bytes at `where` and `to` are saved already, or were nobody's when the section began, or lie
// in a block that the section has taken. An error leaves everything as it was; so does an exception, which only what the user wrote
// can throw in Construct and Replace: constructors, conversions, ranges.

namespace shoal::shm_internal {

class Disposal;

// Reaches what containers and handles keep to themselves: a class C of kind kContainer or kHandle declares this a friend, and has
//
//   template <class... Args>
//   static absl::Status Construct(Section& section, C* where, Args&&... args);  // without arguments it cannot fail
//   static void Relocate(Section& section, C* from, C* to);
//   static absl::Status Dispose(Disposal& disposal, C& object);                 // names what it owns, and changes nothing
//
// The header of a container that Construct or Relocate has just written needs no saving in this section: it can say so in itself.
struct StoredAccess {
  // Whether a C is built of these.
  template <class C, class... Args>
  static constexpr bool kTakes = requires(Section& section, C* where, Args&&... args) {
    C::Construct(section, where, std::forward<Args>(args)...);
  };
  template <class C, class... Args>
  static absl::Status Construct(Section& section, C* where, Args&&... args) {
    return C::Construct(section, where, std::forward<Args>(args)...);
  }
  template <class C>
  static void Relocate(Section& section, C* from, C* to) {
    C::Relocate(section, from, to);
  }
  template <class C>
  static absl::Status Dispose(Disposal& disposal, C& object) {
    return C::Dispose(disposal, object);
  }
};

// Whether T is a container or a handle itself.
template <class T>
constexpr bool IsOwner() {
  if constexpr (Described<T>) {
    return ShareableTraits<T>::kKind == SharedKind::kContainer || ShareableTraits<T>::kKind == SharedKind::kHandle;
  } else {
    return false;
  }
}

template <class T>
concept StoredArray = requires {
  typename ElementOf<T>::Type;
};

// A plain struct, some field of which owns something.
template <class T>
concept StoredStruct = !SharedValue<T> && !IsOwner<T>() && !StoredArray<T> && !Described<T>;

template <StoredStruct T>
auto FieldsOf(T& object) {
  return FieldBindings<kStruct<T>.count>::Apply(object, [](auto&... field) { return std::tie(field...); });
}

// ---- Construct ----------------------------------------------------------------------------------------------------------------

template <class T, class... Args>
absl::Status Construct(Section& section, T* where, Args&&... args);

// Tells the containers in a struct or an array that has just been made that their headers are new in this section.
template <class T>
void ConstructOwners(Section& section, T& object) {
  if constexpr (SharedValue<T>) {
    return;
  } else if constexpr (IsOwner<T>()) {
    StoredAccess::Construct(section, std::addressof(object)).IgnoreError();  // cannot fail without arguments
  } else if constexpr (StoredArray<T>) {
    for (auto& element : object) ConstructOwners(section, element);
  } else {
    std::apply([&section](auto&... field) { (ConstructOwners(section, field), ...); }, FieldsOf(object));
  }
}

template <class T, class... Args, size_t... i>
absl::Status ConstructFields(Section& section, T& object, std::index_sequence<i...>, Args&&... args) {
  auto fields = FieldsOf(object);
  absl::Status status;
  // Stops at the first that fails.
  static_cast<void>(
      ((status = Construct(section, std::addressof(std::get<i>(fields)), std::forward<Args>(args)), status.ok()) && ...));
  return status;
}

template <class Arg>
concept NumberOrEnum = std::is_arithmetic_v<std::remove_cvref_t<Arg>> || std::is_enum_v<std::remove_cvref_t<Arg>>;

// An argument for a T in braces, where a number of another type would be refused as narrower: it is converted, as by =.
template <class T, class Arg>
decltype(auto) InBraces(Arg&& arg) {
  if constexpr (SharedScalar<T> && NumberOrEnum<Arg>) {
    return static_cast<T>(arg);
  } else {
    return std::forward<Arg>(arg);
  }
}

// Whether each argument is one for a field: no inner braces are left out, which would count otherwise.
template <class... Args, class... Field, size_t... i>
constexpr bool FitFields(TypeList<Field...>, std::index_sequence<i...>) {
  using Fields = std::tuple<std::type_identity<Field>...>;
  return (std::is_convertible_v<Args, typename std::tuple_element_t<i, Fields>::type> && ...);
}
template <class T, class... Args>
constexpr bool FitFields() {
  if constexpr (std::is_class_v<T> && std::is_aggregate_v<T> && !StoredArray<T>) {
    if constexpr (sizeof...(Args) <= kStruct<T>.count) return FitFields<Args...>(FieldTypes<T>(), std::index_sequence_for<Args...>());
  }
  return false;
}
template <class T, class... Field, size_t... i, class... Args>
T MadeOfFields(TypeList<Field...>, std::index_sequence<i...>, Args&&... args) {
  using Fields = std::tuple<std::type_identity<Field>...>;
  return T{InBraces<typename std::tuple_element_t<i, Fields>::type>(std::forward<Args>(args))...};
}

// A T that is no C array, of what its constructor or its braces take.
template <class T, class... Args>
T MakeValue(Args&&... args) {
  if constexpr (sizeof...(Args) == 0) {
    return T{};
  } else if constexpr (SharedScalar<T> && sizeof...(Args) == 1 && (NumberOrEnum<Args> && ...)) {
    return static_cast<T>((args, ...));
  } else if constexpr (std::is_constructible_v<T, Args...>) {
    return T(std::forward<Args>(args)...);
  } else if constexpr (FitFields<T, Args...>()) {
    return MadeOfFields<T>(FieldTypes<T>(), std::index_sequence_for<Args...>(), std::forward<Args>(args)...);
  } else {
    constexpr bool takes = requires { T{std::forward<Args>(args)...}; };
    static_assert(takes,
                  "it is not made of these arguments: give what its constructor or its braces take; containers are filled by "
                  "Segment::New, or inside a section");
    if constexpr (takes) return T{std::forward<Args>(args)...};
    __builtin_unreachable();
  }
}

template <class T, class... Args>
absl::Status ConstructValue(T* where, Args&&... args) {
  if constexpr (std::is_bounded_array_v<T> && sizeof...(Args) == 0) {
    ::new (static_cast<void*>(where)) T{};
  } else if constexpr (std::is_bounded_array_v<T>) {
    static_assert((std::same_as<std::remove_cvref_t<Args>, T> && ...), "an array is built from an array of the same type");
    (std::memcpy(static_cast<void*>(where), std::addressof(args), sizeof(T)), ...);
  } else {
    ::new (static_cast<void*>(where)) T(MakeValue<T>(std::forward<Args>(args)...));
  }
  return absl::OkStatus();
}

template <class T, class... Args>
absl::Status Construct(Section& section, T* where, Args&&... args) {
  if constexpr (SharedValue<T>) {
    return ConstructValue(where, std::forward<Args>(args)...);
  } else if constexpr (sizeof...(Args) == 0) {
    if constexpr (!IsOwner<T>()) ::new (static_cast<void*>(where)) T{};
    ConstructOwners(section, *where);
    return absl::OkStatus();
  } else if constexpr (IsOwner<T>()) {
    constexpr bool takes = StoredAccess::kTakes<T, Args...>;
    static_assert(takes, "the container or handle is not built of these arguments: build it empty, and fill it");
    if constexpr (takes) {
      CancelGuard records(section);
      absl::Status status = StoredAccess::Construct(section, where, std::forward<Args>(args)...);
      if (__builtin_expect(status.ok(), 1)) records.Dismiss();
      return status;
    } else {
      return absl::OkStatus();
    }
  } else {
    constexpr bool copied = (std::same_as<std::remove_cvref_t<Args>, T> || ...);
    static_assert(StoredStruct<T>, "an array of containers or handles is built empty, and filled then");
    static_assert(!copied,
                  "a struct with containers or handles is not copied: give one argument for each of its first fields, or "
                  "build it empty and fill it");
    constexpr bool fields = StoredStruct<T> && !copied;
    constexpr bool too_many = fields && sizeof...(Args) > kStruct<T>.count;
    static_assert(!too_many, "more arguments than the struct has fields");
    if constexpr (fields && !too_many) {
      CancelGuard records(section);
      ::new (static_cast<void*>(where)) T{};
      ConstructOwners(section, *where);
      absl::Status status =
          ConstructFields(section, *where, std::index_sequence_for<Args...>(), std::forward<Args>(args)...);
      if (__builtin_expect(status.ok(), 1)) records.Dismiss();
      return status;
    } else {
      return absl::OkStatus();
    }
  }
}

// ---- Relocate -----------------------------------------------------------------------------------------------------------------

template <class T>
void RelocateOwners(Section& section, T& from, T& to) {
  if constexpr (SharedValue<T>) {
    return;
  } else if constexpr (IsOwner<T>()) {
    StoredAccess::Relocate(section, std::addressof(from), std::addressof(to));
  } else if constexpr (StoredArray<T>) {
    for (size_t i = 0; i < ElementOf<T>::kCount; ++i) RelocateOwners(section, from[i], to[i]);
  } else {
    const auto each = [&]<size_t... i>(std::index_sequence<i...>, auto from_fields, auto to_fields) {
      (RelocateOwners(section, std::get<i>(from_fields), std::get<i>(to_fields)), ...);
    };
    each(std::make_index_sequence<kStruct<T>.count>(), FieldsOf(from), FieldsOf(to));
  }
}

// `count` of them, that do not overlap with where they go.
template <class T>
void Relocate(Section& section, T* from, T* to, size_t count = 1) {
  if constexpr (IsOwner<T>()) {
    for (size_t i = 0; i < count; ++i) StoredAccess::Relocate(section, from + i, to + i);
  } else {
    if (count != 0) std::memcpy(static_cast<void*>(to), static_cast<const void*>(from), count * sizeof(T));
    if constexpr (!SharedValue<T>) {
      for (size_t i = 0; i < count; ++i) RelocateOwners(section, from[i], to[i]);
    }
  }
}

// ---- Dispose ------------------------------------------------------------------------------------------------------------------

// Walks through everything that some objects own, however deep, without recursion: a list of a million boxes is given up in
// the stack of one. What waits for its turn is one entry for each level on the way down, so memory beside the stack is needed only
// for what is nested deeply and branches there.
class Disposal final {
 public:
  explicit Disposal(Section& section) : section_(section), mark_(section.mark()) {}
  Disposal(const Disposal&) = delete;
  Disposal& operator=(const Disposal&) = delete;

  Section& section() const { return section_; }

  // The block that begins at `block` goes. DataLoss: none does, or more have gone than there can be.
  absl::Status Free(const void* block);

  // What is still to go of something: of objects one behind the other, or of the slots of a table.
  struct Pending {
    void* objects;
    size_t next;
    size_t count;
    // Moves `next` on, until something has been Added or `count` is reached.
    absl::Status (*go_on)(Disposal&, Pending& rest);
  };
  void Add(const Pending& pending) { pending_.push_back(pending); }
  size_t pending() const { return pending_.size(); }

  // What `count` objects own goes, too, later on. REQUIRES: they lie in the segment.
  template <class T>
  void Add(T* objects, size_t count) {
    if constexpr (!SharedValue<T>) {
      if (count != 0) Add({.objects = objects, .next = 0, .count = count, .go_on = &GoOn<T>});
    }
  }

  // Does it. An error: nothing goes. ResourceExhausted also: this process has no memory of its own.
  absl::Status Run();

  // What one object owns goes: of containers, their own Dispose.
  template <class T>
  static absl::Status One(Disposal& disposal, T& object) {
    if constexpr (SharedValue<T>) {
      return absl::OkStatus();
    } else if constexpr (IsOwner<T>()) {
      return StoredAccess::Dispose(disposal, object);
    } else if constexpr (StoredArray<T>) {
      if constexpr (ElementOf<T>::kCount != 0) disposal.Add(&object[0], ElementOf<T>::kCount);
      return absl::OkStatus();
    } else {
      absl::Status status;
      std::apply([&](auto&... field) { static_cast<void>(((status = One(disposal, field), status.ok()) && ...)); },
                 FieldsOf(object));
      return status;
    }
  }

 private:
  static constexpr size_t kMostInStack = 8;

  template <class T>
  static absl::Status GoOn(Disposal& disposal, Pending& rest) {
    const size_t before = disposal.pending();
    while (rest.next < rest.count && disposal.pending() == before) {
      SHOAL_RETURN_IF_ERROR(One(disposal, static_cast<T*>(rest.objects)[rest.next++]));
    }
    return absl::OkStatus();
  }

  absl::Status RunAll();

  Section& section_;
  const size_t mark_;
  size_t freed_ = 0;
  absl::InlinedVector<Pending, kMostInStack> pending_;  // the last is the next
};

template <class T>
absl::Status Dispose(Section& section, T* objects, size_t count) {
  if constexpr (SharedValue<T>) {
    return absl::OkStatus();
  } else {
    Disposal disposal(section);
    disposal.Add(objects, count);
    return disposal.Run();
  }
}
template <class T>
absl::Status Dispose(Section& section, T& object) {
  return Dispose(section, std::addressof(object), 1);
}

// ---- Replace ------------------------------------------------------------------------------------------------------------------

// Memory for one T that is built before it goes to its place: in the stack, or, if it is large, in this process's heap.
template <class T>
class Aside final {
 public:
  // Null: there is no memory.
  T* get() { return reinterpret_cast<T*>(At()); }

 private:
  static constexpr size_t kMostInStack = 4096;
  struct InStack {
    alignas(T) std::byte bytes[sizeof(T)];
  };
  struct InHeap {
    InHeap() = default;
    InHeap(const InHeap&) = delete;
    InHeap& operator=(const InHeap&) = delete;
    ~InHeap() { ::operator delete(bytes, std::align_val_t(alignof(T))); }
    void* const bytes = ::operator new(sizeof(T), std::align_val_t(alignof(T)), std::nothrow);
  };

  void* At() { return room_.bytes; }

  std::conditional_t<sizeof(T) <= kMostInStack, InStack, InHeap> room_;
};

template <class T, class... Args>
absl::Status Replace(Section& section, T* object, Args&&... args) {
  if constexpr (sizeof...(Args) == 1 && SharedValue<T> && (std::same_as<std::remove_cvref_t<Args>, T> && ...) &&
                std::is_trivially_constructible_v<T, Args...>) {
    // A copy of plain bytes: of itself, or of another object.
    (std::memmove(static_cast<void*>(object), std::addressof(args), sizeof(T)), ...);
  } else {
    // Aside first: the arguments may be in the object, and the old one stays if this fails.
    Aside<T> aside;
    T* const built = aside.get();
    if (__builtin_expect(built == nullptr, 0)) return sync_internal::NoMemoryStatus();
    CancelGuard records(section);
    SHOAL_RETURN_IF_ERROR(Construct(section, built, std::forward<Args>(args)...));
    SHOAL_RETURN_IF_ERROR(Dispose(section, *object));
    records.Dismiss();
    Relocate(section, built, object);
  }
  return absl::OkStatus();
}

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_STORED_H_
