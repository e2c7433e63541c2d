#ifndef SHOAL_IPC_PAYLOAD_H_
#define SHOAL_IPC_PAYLOAD_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <ranges>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/base/attributes.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/ipc/cbor.h"
#include "shoal/ipc/codec.h"
#include "shoal/ipc/message_handles.h"
#include "shoal/ipc/message_type.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/message_cells.h"
#include "shoal/shm/section.h"
#include "shoal/sync/status.h"

// How a value of any supported type is put into a cell, and taken out of it.
//
//   a plain value that fits               its bytes, in the cell: no section, no system call
//   a string or vector of numbers, that   the bytes of its elements, in the cell
//     fits; anything else that fits       one item of CBOR, in the cell
//   what does not fit, or has handles     the same in a block of the heap, which the cell names; behind it the handles
//
// A value is encoded straight to where it will lie, and decoded from there: its length is counted first. Cells are the caller's: it
// has the cell while it calls, and its machine's word says so.
//
// Crash safety:  what a message owns changes in sections only. Whoever makes up for a dead process first finishes what that had open
//                (the cell's owner is dead, and its sections are undone or finished), and then calls DropMessage.
// Errors:        InvalidArgument, ResourceExhausted (numbers in the message), FailedPrecondition (a handle of another segment): the
//                cell is as empty as before. DataLoss: what lies in the cell makes no sense.

namespace shoal::ipc_internal {

// What `call` says; ResourceExhausted: this process has no memory of its own for it. Other exceptions are a value's own, and come out.
template <class F>
auto OrNoMemory(F call) -> decltype(call()) {
#ifdef __cpp_exceptions
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return sync_internal::NoMemoryStatus();
  }
#else
  return call();
#endif
}
// Whether `call` came to its end: an exception of a value's own ends it, and goes on from here unless `has_something` to return instead.
template <class F, class HasSomething>
bool CompletesOrHas(F call, HasSomething has_something) {
#ifdef __cpp_exceptions
  try {
    call();
  } catch (const std::exception&) {
    if (!has_something()) throw;
    return false;
  }
#else
  static_cast<void>(has_something);
  call();
#endif
  return true;
}

// A cell that this thread has, and the bytes for a message behind it.
struct MessageCell {
  shm_internal::Cell* cell;
  std::span<std::byte> room;
  const Carrier* carrier = nullptr;  // of a message that is being sent and may have ends in it
};

using SegmentRef = std::shared_ptr<shm_internal::Attachment>;

// An errand that needs a section: allocates, counts, gives up. Cold, beside what it does.
absl::Status MessageTooLarge(uint64_t bytes, uint64_t most);
absl::Status DamagedMessage();
absl::Status ChangedWhileSent();
// Whether all of a value has been written. InvalidArgument: it is nested too deeply, or a variant in it has no value.
absl::Status WrittenWhole(const CborWriter& writer);

// A block for a message of `content_size` (CellContent::SizeOf), in a section. `fill` writes it: its bytes, its handles. The cell
// names it when this returns OK.
class BlockWriter final {
 public:
  static absl::StatusOr<BlockWriter> Begin(const SegmentRef& segment, uint64_t content_size);
  std::span<std::byte> bytes() const { return bytes_; }
  std::span<uint64_t> handles() const { return handles_; }
  shm_internal::Section& section() const { return *section_; }
  absl::Status Finish(shm_internal::Cell& cell);

 private:
  BlockWriter(shm_internal::SideSection section, uint64_t offset, uint64_t size, std::span<std::byte> bytes,
              std::span<uint64_t> handles)
      : section_(std::move(section)), offset_(offset), size_(size), bytes_(bytes), handles_(handles) {}

  shm_internal::SideSection section_;
  uint64_t offset_;
  uint64_t size_;
  std::span<std::byte> bytes_;
  std::span<uint64_t> handles_;
};

// What a message owns goes; nothing happens to one that owns nothing. ResourceExhausted: no memory for the journal.
absl::Status DropMessage(const SegmentRef& segment, shm_internal::Cell& cell);
// The same, and the cell's word becomes `spent` if that is given, both or neither.
absl::Status DropAndMark(const SegmentRef& segment, shm_internal::SideSection& section, shm_internal::Cell& cell,
                         std::optional<uint64_t> spent);

// ---- putting ------------------------------------------------------------------------------------------------------------------

// Calls use(bytes) with the bytes of all elements.
template <class T, class Use>
auto WithBulkBytes(const T& value, Use use) {
  if constexpr (std::ranges::contiguous_range<T>) {
    return use(std::as_bytes(std::span(value.data(), value.size())));
  } else {
    const std::vector<typename T::value_type> copy(value.begin(), value.end());
    return use(std::as_bytes(std::span(copy)));
  }
}

inline absl::Status PutBytes(const SegmentRef& segment, MessageCell at, std::span<const std::byte> bytes, uint64_t most) {
  if (__builtin_expect(bytes.size() > most, 0)) return MessageTooLarge(bytes.size(), most);
  if (bytes.size() <= at.room.size()) {
    at.cell->content.size = bytes.size();
    if (!bytes.empty()) std::memcpy(at.room.data(), bytes.data(), bytes.size());
    return absl::OkStatus();
  }
  SHOAL_ASSIGN_OR_RETURN(BlockWriter block, BlockWriter::Begin(segment, bytes.size()));
  std::memcpy(block.bytes().data(), bytes.data(), bytes.size());
  return block.Finish(*at.cell);
}

template <class T>
absl::Status PutEncoded(const SegmentRef& segment, MessageCell at, const T& value, uint64_t most) {
  HandleWriter handles(at.carrier);
  CborWriter counter(&handles);
  EncodeItem(counter, value);
  const uint64_t bytes = counter.size();
  SHOAL_RETURN_IF_ERROR(WrittenWhole(counter));
  if (bytes > most || handles.count() > shm_internal::CellContent::kMaxHandles) return MessageTooLarge(bytes, most);
  if (handles.count() == 0 && bytes <= at.room.size()) {
    CborWriter writer(at.room, &handles);
    EncodeItem(writer, value);
    if (writer.overflown() || writer.size() != bytes || writer.value_missing()) return ChangedWhileSent();
    at.cell->content.size = bytes;
    return absl::OkStatus();
  }
  SHOAL_ASSIGN_OR_RETURN(BlockWriter block,
                         BlockWriter::Begin(segment, shm_internal::CellContent::SizeOf(bytes, handles.count())));
  handles.Begin(block.section(), block.handles());
  CborWriter writer(block.bytes(), &handles);
  EncodeItem(writer, value);
  SHOAL_RETURN_IF_ERROR(handles.status());
  if (writer.overflown() || writer.size() != bytes || writer.value_missing() || handles.count() != block.handles().size()) {
    return ChangedWhileSent();
  }
  return block.Finish(*at.cell);
}

// Puts `value` into the cell, which is empty. ResourceExhausted: also more than `most` bytes.
template <class T>
absl::Status PutMessage(const SegmentRef& segment, MessageCell at, const T& value, uint64_t most) {
  if constexpr (FormOf<T>() == MessageForm::kBytes) {
    if (__builtin_expect(sizeof(T) <= at.room.size() && sizeof(T) <= most, 1)) {
      std::memcpy(at.room.data(), std::addressof(value), sizeof(T));
      return absl::OkStatus();
    }
    return PutBytes(segment, at, std::as_bytes(std::span(std::addressof(value), 1)), most);
  } else if constexpr (FormOf<T>() == MessageForm::kBulk) {
    return WithBulkBytes(value, [&](std::span<const std::byte> bytes) { return PutBytes(segment, at, bytes, most); });
  } else {
    return PutEncoded(segment, at, value, most);
  }
}

// ---- taking -------------------------------------------------------------------------------------------------------------------

template <class T>
absl::Status Decode(std::span<const std::byte> bytes, HandleReader* handles, std::optional<T>& out) {
  if constexpr (FormOf<T>() == MessageForm::kBytes) {
    if (bytes.size() < sizeof(T)) return DamagedMessage();
    // A copy first: nobody changes what has been looked at.
    if constexpr (sizeof(T) > 256 && std::is_trivially_copyable_v<T>) {  // no bool itself: it is not loaded as one
      if (reinterpret_cast<uintptr_t>(bytes.data()) % alignof(T) != 0) return DamagedMessage();
      out.emplace(*reinterpret_cast<const T*>(bytes.data()));
      if (HasValidBools<T>(reinterpret_cast<const std::byte*>(std::addressof(*out)))) return absl::OkStatus();
      out.reset();
      return DamagedMessage();
    }
    alignas(T) std::byte copy[sizeof(T)];
    std::memcpy(copy, bytes.data(), sizeof(T));
    if (!HasValidBools<T>(copy)) return DamagedMessage();
    out.emplace(*reinterpret_cast<const T*>(copy));
    return absl::OkStatus();
  } else if constexpr (FormOf<T>() == MessageForm::kBulk) {
    using Element = typename T::value_type;
    if (bytes.size() % sizeof(Element) != 0) return DamagedMessage();
    const auto* const first = reinterpret_cast<const Element*>(bytes.data());  // a cell's room and a block are aligned to 8
    const auto* const end = first + bytes.size() / sizeof(Element);
    if (out.has_value()) {
      out->assign(first, end);  // in the memory that it has, if there is enough
    } else {
      out.emplace(first, end);
    }
    return absl::OkStatus();
  } else {
    CborReader reader({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, handles);
    out.emplace();
    if (DecodeItem(reader, *out) && reader.rest().empty()) return absl::OkStatus();
    out.reset();
    return handles != nullptr && !handles->status().ok() ? handles->status() : DamagedMessage();
  }
}

// What becomes of a message that makes no sense.
enum class IfDamaged { kDrop, kLeave };

template <class T>
ABSL_ATTRIBUTE_NOINLINE absl::Status TakeFromBlock(const SegmentRef& segment, MessageCell at, std::optional<uint64_t> spent,
                                                   std::optional<T>& out, IfDamaged if_damaged) {
  Arrivals arrivals;
  SHOAL_ASSIGN_OR_RETURN(shm_internal::SideSection section, shm_internal::SideSection::Open(segment));
  const auto message = shm_internal::LocateMessage(*segment, at.cell->content);
  absl::Status decoded = message.status();
  if (message.ok()) {
    HandleReader handles(*section, message->handles, arrivals);
    decoded = Decode(message->bytes, &handles, out);
  }
  if (!decoded.ok() && (if_damaged == IfDamaged::kLeave || !absl::IsDataLoss(decoded))) return decoded;
  SHOAL_RETURN_IF_ERROR(DropAndMark(segment, section, *at.cell, spent));
  arrivals.Keep();
  return decoded;
}

// Takes the message out of the cell, which is empty afterwards, into `out`. A text or vector of plain elements that is there already keeps
// its memory. If the message owned anything, the cell's word has become `spent` in the same step in which it ceased to; otherwise (or
// without `spent`) the word is as it was, and the caller's to change.
// Errors: DataLoss: what the message owned is gone, unless it is left. Others, and an exception: it is still there.
template <class T>
absl::Status TakeMessage(const SegmentRef& segment, MessageCell at, std::optional<uint64_t> spent, std::optional<T>& out,
                         IfDamaged if_damaged = IfDamaged::kDrop) {
  if (__builtin_expect(at.cell->content.block != 0, 0)) return TakeFromBlock(segment, at, spent, out, if_damaged);
  if constexpr (FormOf<T>() == MessageForm::kBytes) {
    return Decode(std::span<const std::byte>(at.room), nullptr, out);
  } else {
    const uint64_t bytes = at.cell->content.size;
    if (bytes > at.room.size()) return DamagedMessage();
    return Decode(std::span<const std::byte>(at.room).first(bytes), nullptr, out);
  }
}

// A text or vector that a message is to be taken into: in the slot as long as this lives, then where it was.
template <class T>
requires(FormOf<T>() == MessageForm::kBulk) class RefilledValue final {
 public:
  explicit RefilledValue(T& value) : slot(std::move(value)), value_(value) {}
  RefilledValue(const RefilledValue&) = delete;
  RefilledValue& operator=(const RefilledValue&) = delete;
  ~RefilledValue() {
    if (slot.has_value()) value_ = *std::move(slot);
  }

  std::optional<T> slot;

 private:
  T& value_;
};

// A copy of the message, which stays where it is. Errors as TakeMessage: it is still there.
template <class T>
absl::Status ReadMessage(const SegmentRef& segment, MessageCell at, std::optional<T>& out) {
  if (at.cell->content.block == 0) return TakeMessage(segment, at, 0, out);
  // Handles may want one; it changes nothing.
  Arrivals arrivals;
  SHOAL_ASSIGN_OR_RETURN(const shm_internal::SideSection section, shm_internal::SideSection::Open(segment));
  SHOAL_ASSIGN_OR_RETURN(const shm_internal::MessageBlock message,
                         shm_internal::LocateMessage(*segment, at.cell->content));
  HandleReader handles(*section, message.handles, arrivals);
  return Decode(message.bytes, &handles, out);
}

// A plain value where it lies. DataLoss.
template <SharedValue T>
absl::StatusOr<T*> LocateValue(const SegmentRef& segment, MessageCell at) {
  std::span<std::byte> bytes = at.room;
  if (at.cell->content.block != 0) {
    SHOAL_ASSIGN_OR_RETURN(const shm_internal::MessageBlock message,
                           shm_internal::LocateMessage(*segment, at.cell->content));
    bytes = message.bytes;
  }
  if (bytes.size() < sizeof(T) || reinterpret_cast<uintptr_t>(bytes.data()) % alignof(T) != 0 ||
      !HasValidBools<T>(bytes.data())) {
    return DamagedMessage();
  }
  return reinterpret_cast<T*>(bytes.data());
}

// Room for a T that is built where it will lie: zero-filled, if it needs a block.
template <SharedValue T>
absl::StatusOr<T*> MakeRoomForValue(const SegmentRef& segment, MessageCell at, uint64_t most) {
  if (sizeof(T) > most) return MessageTooLarge(sizeof(T), most);
  if (sizeof(T) > at.room.size()) {
    SHOAL_ASSIGN_OR_RETURN(BlockWriter block, BlockWriter::Begin(segment, sizeof(T)));
    SHOAL_RETURN_IF_ERROR(block.Finish(*at.cell));
    SHOAL_ASSIGN_OR_RETURN(const shm_internal::MessageBlock message,
                           shm_internal::LocateMessage(*segment, at.cell->content));
    return ::new (static_cast<void*>(message.bytes.data())) T{};
  }
  return ::new (static_cast<void*>(at.room.data())) T{};
}

}  // namespace shoal::ipc_internal

#endif  // SHOAL_IPC_PAYLOAD_H_
