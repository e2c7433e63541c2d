// shm/variant.cc: a kind, a number and a String, one of which counts.
//
// The String has its own record of what it has saved (vector_core.cc); kind and number are saved before each change, once in a section
// if that is remembered. Every Set does first what may fail, and then stores.
//
//  If the thread dies …                      the others see, after the section is undone, …
//   anywhere in a Set                         the old kind, the old number, the old text

#include "shoal/shm/variant.h"

#include <bit>
#include <cstring>
#include <memory>
#include <new>

#include "absl/strings/str_cat.h"
#include "shoal/sync/status.h"

namespace shoal {
namespace {

using sync_internal::MakeStatus;

const char* NameOf(VariantKind kind) {
  switch (kind) {
    case VariantKind::kNull:
      return "null";
    case VariantKind::kBool:
      return "a bool";
    case VariantKind::kInt:
      return "an int64";
    case VariantKind::kDouble:
      return "a double";
    case VariantKind::kString:
      return "a string";
    case VariantKind::kBytes:
      return "bytes";
  }
  return "nonsense";
}

std::string_view AsText(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

absl::Status Variant::IsNot(const char* wanted) const {
  const VariantKind kind = kind_;
  if (kind > VariantKind::kBytes) {
    return MakeStatus(absl::StatusCode::kDataLoss, absl::StrCat("no variant is of kind ", static_cast<int>(kind)));
  }
  return MakeStatus(absl::StatusCode::kFailedPrecondition, absl::StrCat("the variant is ", NameOf(kind), ", not ", wanted));
}

// ---- reading ----------------------------------------------------------------------------------------------------------------------

absl::StatusOr<bool> Variant::AsBool() const {
  if (kind_ != VariantKind::kBool) return IsNot("a bool");
  return number_ != 0;
}

absl::StatusOr<int64_t> Variant::AsInt() const {
  if (kind_ != VariantKind::kInt) return IsNot("an int64");
  return static_cast<int64_t>(number_);
}

absl::StatusOr<double> Variant::AsDouble() const {
  if (kind_ != VariantKind::kDouble) return IsNot("a double");
  return std::bit_cast<double>(number_);
}

absl::StatusOr<std::string_view> Variant::AsString() const {
  if (kind_ != VariantKind::kString) return IsNot("a string");
  return text_.Checked();
}

absl::StatusOr<std::span<const std::byte>> Variant::AsBytes() const {
  if (kind_ != VariantKind::kBytes) return IsNot("bytes");
  SHOAL_ASSIGN_OR_RETURN(const std::string_view text, text_.Checked());
  return std::as_bytes(std::span(text));
}

bool operator==(const Variant& left, const Variant& right) {
  if (left.kind_ != right.kind_) return false;
  switch (left.kind_) {
    case VariantKind::kNull:
      return true;
    case VariantKind::kBool:
      return (left.number_ != 0) == (right.number_ != 0);
    case VariantKind::kInt:
      return left.number_ == right.number_;
    case VariantKind::kDouble:
      return std::bit_cast<double>(left.number_) == std::bit_cast<double>(right.number_);
    case VariantKind::kString:
    case VariantKind::kBytes: {
      const auto left_text = left.text_.Checked();
      const auto right_text = right.text_.Checked();
      return left_text.ok() && right_text.ok() && *left_text == *right_text;
    }
  }
  return false;
}

// ---- writing ----------------------------------------------------------------------------------------------------------------------

absl::Status Variant::Begin(Section*& section) {
  section = shm_internal::OpenSectionOrNull(this, sizeof(*this));
  if (section == nullptr) return shm_internal::NoOpenSection(this);
  if (!MakesSense()) return IsNot("what it was");
  return section->SaveOnce(this, offsetof(Variant, text_));
}

absl::Status Variant::Put(VariantKind kind, uint64_t number) {
  Section* section;
  SHOAL_RETURN_IF_ERROR(Begin(section));
  if (text_.capacity() != 0) {
    SHOAL_RETURN_IF_ERROR(section->SaveOnce(&text_, sizeof(text_)));
    SHOAL_RETURN_IF_ERROR(shm_internal::Dispose(*section, text_));
    SHOAL_RETURN_IF_ERROR(shm_internal::Construct(*section, &text_));  // cannot fail
  }
  kind_ = kind;
  number_ = number;
  return absl::OkStatus();
}

absl::Status Variant::PutText(VariantKind kind, std::string_view text) {
  Section* section;
  SHOAL_RETURN_IF_ERROR(Begin(section));
  SHOAL_RETURN_IF_ERROR(text_.Assign(text));
  kind_ = kind;
  number_ = 0;
  return absl::OkStatus();
}

absl::Status Variant::SetDouble(double value) { return Put(VariantKind::kDouble, std::bit_cast<uint64_t>(value)); }

absl::Status Variant::SetBytes(std::span<const std::byte> bytes) { return PutText(VariantKind::kBytes, AsText(bytes)); }

absl::Status Variant::Set(const Variant& value) {
  const VariantKind kind = value.kind_;
  if (kind > VariantKind::kBytes) return value.IsNot("a value");
  if (kind != VariantKind::kString && kind != VariantKind::kBytes) return Put(kind, value.number_);
  SHOAL_ASSIGN_OR_RETURN(const std::string_view text, value.text_.Checked());
  return PutText(kind, text);
}

// ---- for containers ---------------------------------------------------------------------------------------------------------------

absl::Status Variant::Construct(Section& section, Variant* where) {
  ::new (static_cast<void*>(where)) Variant;
  return shm_internal::Construct(section, &where->text_);
}

absl::Status Variant::ConstructNumber(Section& section, Variant* where, VariantKind kind, uint64_t number) {
  SHOAL_RETURN_IF_ERROR(Construct(section, where));
  where->kind_ = kind;
  where->number_ = number;
  return absl::OkStatus();
}

absl::Status Variant::ConstructDouble(Section& section, Variant* where, double value) {
  return ConstructNumber(section, where, VariantKind::kDouble, std::bit_cast<uint64_t>(value));
}

absl::Status Variant::ConstructText(Section& section, Variant* where, VariantKind kind, std::string_view text) {
  ::new (static_cast<void*>(where)) Variant;
  where->kind_ = kind;
  return shm_internal::Construct(section, &where->text_, text);
}

absl::Status Variant::ConstructBytes(Section& section, Variant* where, std::span<const std::byte> bytes) {
  return ConstructText(section, where, VariantKind::kBytes, AsText(bytes));
}

absl::Status Variant::ConstructCopy(Section& section, Variant* where, const Variant& value) {
  const VariantKind kind = value.kind_;
  if (kind > VariantKind::kBytes) return value.IsNot("a value");
  if (kind != VariantKind::kString && kind != VariantKind::kBytes)
    return ConstructNumber(section, where, kind, value.number_);
  SHOAL_ASSIGN_OR_RETURN(const std::string_view text, value.text_.Checked());
  return ConstructText(section, where, kind, text);
}

void Variant::Relocate(Section& section, Variant* from, Variant* to) {
  std::memcpy(static_cast<void*>(to), static_cast<const void*>(from), offsetof(Variant, text_));
  shm_internal::Relocate(section, &from->text_, &to->text_);
}

absl::Status Variant::Dispose(shm_internal::Disposal& disposal, Variant& variant) {
  disposal.Add(&variant.text_, 1);
  return absl::OkStatus();
}

}  // namespace shoal
