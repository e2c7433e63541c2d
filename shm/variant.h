#ifndef SHOAL_SHM_VARIANT_H_
#define SHOAL_SHM_VARIANT_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/shm/section.h"
#include "shoal/shm/shareable.h"
#include "shoal/shm/stored.h"
#include "shoal/shm/string.h"

namespace shoal {

// What a Variant holds. The numbers are a part of the shared format.
enum class VariantKind : uint8_t { kNull = 0, kBool = 1, kInt = 2, kDouble = 3, kString = 4, kBytes = 5 };

// Nothing, or a bool, a whole number, a floating-point number, text, or bytes, in shared memory: for data whose types are not known
// when the program is compiled. Inside a Mutex or RwLock, usually inside a container there.
//
//   Shared<Mutex<HashMap<String, Vector<Variant>>>> rows = ...;
//   rows->With([](HashMap<String, Vector<Variant>>& all) -> absl::Status {
//     SHOAL_ASSIGN_OR_RETURN(Vector<Variant>* row, all.FindOrInsert("herring"));
//     SHOAL_RETURN_IF_ERROR(row->PushBack("salted"));  // built from a value, or from nothing as null
//     SHOAL_RETURN_IF_ERROR(row->PushBack(2.5));
//     SHOAL_ASSIGN_OR_RETURN(Variant* first, row->Edit(0));
//     return first->SetInt(17);
//   });
//
// Kinds are never converted into each other: AsDouble of a whole number is an error.
//
// Thread safety, process safety, crash safety, ownership: as Vector.
// Errors:          every Set leaves the variant as it was unless it is OK. FailedPrecondition: As of another kind (the message names both);
//                  Set outside of a section. ResourceExhausted: the segment is full. DataLoss: the bytes are no variant.
// Allocation:      one block for text or bytes that are not empty; given up when a value of another kind is set.
// Layout:          56 bytes; docs/memory_format.md.
class Variant final {
 public:
  Variant() = default;
  Variant(const Variant&) = delete;
  Variant& operator=(const Variant&) = delete;

  // ---- reading --------------------------------------------------------------------------------------------------------------

  VariantKind kind() const { return kind_; }
  bool is_null() const { return kind_ == VariantKind::kNull; }
  [[nodiscard]] absl::StatusOr<bool> AsBool() const;
  [[nodiscard]] absl::StatusOr<int64_t> AsInt() const;
  [[nodiscard]] absl::StatusOr<double> AsDouble() const;
  // Valid until the variant changes or the section ends.
  [[nodiscard]] absl::StatusOr<std::string_view> AsString() const;
  [[nodiscard]] absl::StatusOr<std::span<const std::byte>> AsBytes() const;

  // Of one kind and value. Numbers are compared as such, so that a NaN equals nothing.
  friend bool operator==(const Variant& left, const Variant& right);

  // ---- writing: all or nothing ----------------------------------------------------------------------------------------------

  [[nodiscard]] absl::Status SetNull() { return Put(VariantKind::kNull, 0); }
  [[nodiscard]] absl::Status SetBool(bool value) { return Put(VariantKind::kBool, value ? 1 : 0); }
  [[nodiscard]] absl::Status SetInt(int64_t value) { return Put(VariantKind::kInt, static_cast<uint64_t>(value)); }
  [[nodiscard]] absl::Status SetDouble(double value);
  [[nodiscard]] absl::Status SetString(std::string_view text) { return PutText(VariantKind::kString, text); }
  [[nodiscard]] absl::Status SetBytes(std::span<const std::byte> bytes);
  // A copy.
  [[nodiscard]] absl::Status Set(const Variant& value);

 private:
  friend struct shm_internal::StoredAccess;
  using Section = shm_internal::Section;

  // For StoredAccess.
  static absl::Status Construct(Section& section, Variant* where);
  template <class T>
  static absl::Status Construct(Section& section, Variant* where, const T& value);
  static absl::Status ConstructNumber(Section& section, Variant* where, VariantKind kind, uint64_t number);
  static absl::Status ConstructDouble(Section& section, Variant* where, double value);
  static absl::Status ConstructText(Section& section, Variant* where, VariantKind kind, std::string_view text);
  static absl::Status ConstructBytes(Section& section, Variant* where, std::span<const std::byte> bytes);
  static absl::Status ConstructCopy(Section& section, Variant* where, const Variant& value);
  static void Relocate(Section& section, Variant* from, Variant* to);
  static absl::Status Dispose(shm_internal::Disposal& disposal, Variant& variant);

  absl::Status Begin(Section*& section);
  absl::Status Put(VariantKind kind, uint64_t number);
  absl::Status PutText(VariantKind kind, std::string_view text);
  bool MakesSense() const { return kind_ <= VariantKind::kBytes; }
  absl::Status IsNot(const char* wanted) const;

  VariantKind kind_ = VariantKind::kNull;
  [[maybe_unused]] uint8_t reserved_[7] = {};
  uint64_t number_ = 0;  // of the kinds that have one
  String text_;          // of the others
};
static_assert(sizeof(Variant) == 56, "part of the shared layout");

template <>
struct ShareableTraits<Variant> : SharedType<SharedKind::kContainer> {
  static constexpr std::string_view kName = "Variant";
};

// ---- implementation -------------------------------------------------------------------------------------------------------------

// Of what one has at hand. A pointer is not taken for a bool.
template <class T>
absl::Status Variant::Construct(Section& section, Variant* where, const T& value) {
  if constexpr (std::same_as<T, Variant>) {
    return ConstructCopy(section, where, value);
  } else if constexpr (std::same_as<T, std::nullptr_t>) {
    return Construct(section, where);
  } else if constexpr (std::same_as<T, bool>) {
    return ConstructNumber(section, where, VariantKind::kBool, value ? 1 : 0);
  } else if constexpr (std::integral<T>) {
    static_assert(sizeof(T) < 8 || std::is_signed_v<T>, "a Variant holds an int64_t, which has no room for every uint64_t");
    return ConstructNumber(section, where, VariantKind::kInt, static_cast<uint64_t>(static_cast<int64_t>(value)));
  } else if constexpr (std::floating_point<T>) {
    return ConstructDouble(section, where, static_cast<double>(value));
  } else if constexpr (std::convertible_to<const T&, std::string_view>) {
    return ConstructText(section, where, VariantKind::kString, value);
  } else {
    static_assert(std::convertible_to<const T&, std::span<const std::byte>>,
                  "a Variant is built from nothing, nullptr, a bool, a number, text, or a span of bytes");
    return ConstructBytes(section, where, value);
  }
}

}  // namespace shoal

#endif  // SHOAL_SHM_VARIANT_H_
