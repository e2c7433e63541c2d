// shm/type_table.cc: types are entered by their code; the list only grows.
//
//  If the process dies …                         the others see …
//   before its section commits                    nothing: the record's block is given back
//   committed, the record not yet in the list     a committed section: whoever finishes it enters the record
//   and meanwhile another enters the same type    two records of one type, which is as good as one
//
//  EDGE types.list: whoever looks takes the ledger's lock, as did who entered the record. So nothing here needs an order of its own.

#include "shoal/shm/type_table.h"

#include <cstring>
#include <new>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shoal/shm/ledger.h"
#include "shoal/shm/section.h"
#include "shoal/sync/robust_lock.h"
#include "shoal/sync/status.h"

namespace shoal::shm_internal {
namespace {

std::string_view CodeAt(const TypeRecord& record, size_t code_bytes) {
  return {reinterpret_cast<const char*>(&record + 1), code_bytes};
}

// 0: it is not there.
absl::StatusOr<uint64_t> Find(const Attachment& attachment, const TypeDescription& type, std::string_view code) {
  uint64_t offset;
  {
    SHOAL_ASSIGN_OR_RETURN(const OpenLedger ledger, OpenLedger::Of(attachment));
    offset = OpenLedger::Get(attachment.header().ledger.types);
  }
  for (uint64_t left = attachment.size_bytes() / sizeof(TypeRecord); offset != 0; --left) {
    const TypeRecord* const record = TypeAtOrNull(attachment, offset);
    if (record == nullptr || left == 0) {
      return sync_internal::MakeStatus(absl::StatusCode::kDataLoss, absl::StrCat("no type is at offset ", offset));
    }
    const uint64_t code_bytes = record->code_bytes;
    if (record->fingerprint == type.fingerprint && record->size_bytes == type.size_bytes && code_bytes == code.size() &&
        attachment.Contains(record, sizeof(TypeRecord) + code.size()) && CodeAt(*record, code.size()) == code) {
      return offset;
    }
    offset = OpenLedger::Get(record->next);
  }
  return 0;
}

absl::StatusOr<uint64_t> Enter(const std::shared_ptr<Attachment>& attachment, const TypeDescription& type,
                               std::string_view code) {
  SHOAL_ASSIGN_OR_RETURN(SideSection section, SideSection::Open(attachment));
  SHOAL_ASSIGN_OR_RETURN(const Block block, section->Allocate(sizeof(TypeRecord) + code.size(), alignof(TypeRecord)));
  auto* const record = new (attachment->base() + block.offset) TypeRecord{
      .next = 0, .fingerprint = type.fingerprint, .size_bytes = type.size_bytes, .code_bytes = code.size()};
  std::memcpy(static_cast<void*>(record + 1), code.data(), code.size());
  SHOAL_RETURN_IF_ERROR(section->Defer(Reference::kTypeMade, block.offset, 0));
  section.Commit();
  return block.offset;
}

}  // namespace

const TypeRecord* TypeAtOrNull(const Attachment& attachment, uint64_t offset) {
  if (offset % 16 != 0 || offset < attachment.areas().first_page || offset > attachment.size_bytes() - sizeof(TypeRecord)) {
    return nullptr;
  }
  return reinterpret_cast<const TypeRecord*>(attachment.base() + offset);
}

absl::StatusOr<uint64_t> InternType(const std::shared_ptr<Attachment>& attachment, const TypeDescription& type) {
  const std::string code = type.code();
  if (code.size() > kMaxLayoutCode) {
    return sync_internal::MakeStatus(absl::StatusCode::kInvalidArgument, "the type is too large to be described");
  }
  SHOAL_ASSIGN_OR_RETURN(uint64_t found, Find(*attachment, type, code));
  if (found != 0) return found;
  sync_internal::Thread& self = sync_internal::ThisThread();
  sync_internal::RobustWord& interning = attachment->header().ledger.interning;
  bool owner_died = false;  // what it had begun is nothing to us
  SHOAL_RETURN_IF_ERROR(sync_internal::Acquire(self, interning, sync_internal::Deadline::Infinite(), &owner_died,
                                               sync_internal::Whose::kOurs));
  absl::StatusOr<uint64_t> entered = Find(*attachment, type, code);
  if (entered.ok() && *entered == 0) entered = Enter(attachment, type, code);
  sync_internal::Release(self, interning);
  return entered;
}

absl::StatusOr<std::string> CodeOf(const Attachment& attachment, uint64_t offset) {
  const TypeRecord* const record = TypeAtOrNull(attachment, offset);
  const uint64_t code_bytes = record == nullptr ? 0 : record->code_bytes;
  if (code_bytes == 0 || code_bytes > kMaxLayoutCode || !attachment.Contains(record, sizeof(TypeRecord) + code_bytes)) {
    return sync_internal::MakeStatus(absl::StatusCode::kDataLoss, absl::StrCat("no type is at offset ", offset));
  }
  return std::string(CodeAt(*record, code_bytes));
}

}  // namespace shoal::shm_internal
