#ifndef SHOAL_SHM_STRING_H_
#define SHOAL_SHM_STRING_H_

#include <compare>
#include <concepts>
#include <cstddef>
#include <span>
#include <string_view>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/shm/section.h"
#include "shoal/shm/shareable.h"
#include "shoal/shm/stored.h"
#include "shoal/shm/vector_core.h"

namespace shoal {

namespace shm_internal {
template <class K>
struct MapKey;
}  // namespace shm_internal

// Bytes in shared memory, usually text, inside a Mutex or RwLock, or inside a container there. Any bytes, zero included.
//
//   names->With([](Vector<String>& all) -> absl::Status {
//     SHOAL_RETURN_IF_ERROR(all.PushBack("herring"));
//     SHOAL_ASSIGN_OR_RETURN(String* name, all.Edit(0));
//     return name->Append(", salted");
//   });
//
// It reads as a std::string_view, which is valid until the string changes or the section ends. The header is compared with the segment
// each time: one that makes no sense reads as empty.
//
// Thread safety, process safety, crash safety, ownership, errors: as Vector.
// Allocation:      one block, doubled when it is full; none while it is empty and has never been anything else.
// Layout:          40 bytes; docs/memory_format.md.
class String final {
 public:
  String() = default;
  String(const String&) = delete;
  String& operator=(const String&) = delete;

  // ---- reading --------------------------------------------------------------------------------------------------------------

  size_t size() const { return view().size(); }
  bool empty() const { return view().empty(); }
  size_t capacity() const { return core_.capacity; }
  std::string_view view() const {
    const shm_internal::VectorExtent seen = core_.Look(kShape);
    return {reinterpret_cast<const char*>(seen.elements), seen.size};
  }
  operator std::string_view() const { return view(); }

  friend bool operator==(const String& left, const String& right) { return left.view() == right.view(); }
  friend bool operator==(const String& left, std::string_view right) { return left.view() == right; }
  friend std::strong_ordering operator<=>(const String& left, const String& right) { return left.view() <=> right.view(); }
  friend std::strong_ordering operator<=>(const String& left, std::string_view right) { return left.view() <=> right; }

  // All of it, after the header has been compared with the segment. DataLoss; FailedPrecondition: not in a segment.
  [[nodiscard]] absl::StatusOr<std::string_view> Checked() const;

  // ---- writing: all or nothing ----------------------------------------------------------------------------------------------

  // `text` may be a part of this string.
  [[nodiscard]] absl::Status Assign(std::string_view text);
  [[nodiscard]] absl::Status Append(std::string_view text);
  [[nodiscard]] absl::Status Resize(size_t size, char fill = '\0');
  [[nodiscard]] absl::Status Reserve(size_t capacity);
  [[nodiscard]] absl::Status Clear();  // keeps the capacity

  // All bytes, to write to.
  [[nodiscard]] absl::StatusOr<std::span<char>> EditAll();

  // FailedPrecondition also: they do not lie in one segment.
  [[nodiscard]] absl::Status Swap(String& other) { return shm_internal::VectorCore::Swap(kShape, core_, other.core_); }

 private:
  friend struct shm_internal::StoredAccess;
  template <class K>
  friend struct shm_internal::MapKey;
  using Section = shm_internal::Section;
  using Change = shm_internal::VectorChange;

  static constexpr shm_internal::ElementShape kShape = {1, 1};

  // For StoredAccess.
  static absl::Status Construct(Section& section, String* where) {
    shm_internal::VectorCore::Make(section, &where->core_);
    return absl::OkStatus();
  }
  template <class Text>
  requires std::convertible_to<const Text&, std::string_view>
  static absl::Status Construct(Section& section, String* where, const Text& text) {
    return ConstructFrom(section, where, text);
  }
  static absl::Status ConstructFrom(Section& section, String* where, std::string_view text);
  static void Relocate(Section& section, String* from, String* to) {
    shm_internal::VectorCore::Relocate(section, &from->core_, &to->core_);
  }
  static absl::Status Dispose(shm_internal::Disposal& disposal, String& string);

  // What the header says, for who compares it himself.
  std::string_view Unchecked() const {
    return {reinterpret_cast<const char*>(core_.first()), shm_internal::Once(core_.size)};
  }

  // Makes room for `size` bytes.
  absl::Status GrowTo(Change& change, size_t size);

  shm_internal::VectorCore core_;
};

template <>
struct ShareableTraits<String> : SharedType<SharedKind::kContainer> {
  static constexpr std::string_view kName = "String";
};

}  // namespace shoal

#endif  // SHOAL_SHM_STRING_H_
