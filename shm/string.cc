// shm/string.cc: a VectorCore of bytes. Its states and deaths are those of vector_core.cc.

#include "shoal/shm/string.h"

#include <algorithm>
#include <cstring>

#include "shoal/sync/status.h"

namespace shoal {

using shm_internal::VectorCore;
using shm_internal::VectorExtent;
using shm_internal::VectorRoom;

absl::StatusOr<std::string_view> String::Checked() const {
  VectorExtent extent;
  SHOAL_RETURN_IF_ERROR(core_.ReadAnywhere(kShape, extent));
  return std::string_view(reinterpret_cast<const char*>(extent.elements), extent.size);
}

absl::Status String::Assign(std::string_view text) {
  Change change;
  SHOAL_RETURN_IF_ERROR(core_.Begin(kShape, change));
  if (text.size() > change.capacity) {
    VectorRoom room;
    SHOAL_RETURN_IF_ERROR(VectorCore::MakeRoom(kShape, change, text.size(), room));
    std::memcpy(room.elements, text.data(), text.size());
    core_.MoveTo(room, text.size());
    return absl::OkStatus();
  }
  if (!text.empty()) {
    SHOAL_RETURN_IF_ERROR(core_.SaveFrom(kShape, change, 0));
    std::memmove(change.elements, text.data(), text.size());
  }
  core_.size = text.size();
  return absl::OkStatus();
}

absl::Status String::Append(std::string_view text) {
  Change change;
  SHOAL_RETURN_IF_ERROR(core_.Begin(kShape, change));
  if (text.empty()) return absl::OkStatus();
  if (text.size() <= change.capacity - change.size) {
    SHOAL_RETURN_IF_ERROR(core_.SaveFrom(kShape, change, change.size));
    std::memmove(change.elements + change.size, text.data(), text.size());
    core_.size = change.size + text.size();
    return absl::OkStatus();
  }
  const size_t needed = std::max(text.size(), change.size + text.size());  // refused either way if the sum wraps around
  VectorRoom room;
  SHOAL_RETURN_IF_ERROR(VectorCore::MakeRoom(kShape, change, needed, room));
  if (change.size != 0) std::memcpy(room.elements, change.elements, change.size);
  std::memcpy(room.elements + change.size, text.data(), text.size());
  core_.MoveTo(room, change.size + text.size());
  return absl::OkStatus();
}

absl::Status String::GrowTo(Change& change, size_t size) {
  VectorRoom room;
  SHOAL_RETURN_IF_ERROR(VectorCore::MakeRoom(kShape, change, size, room));
  if (change.size != 0) std::memcpy(room.elements, change.elements, change.size);
  core_.MoveTo(room, change.size);
  change.elements = room.elements;
  return absl::OkStatus();
}

absl::Status String::Resize(size_t size, char fill) {
  Change change;
  SHOAL_RETURN_IF_ERROR(core_.Begin(kShape, change));
  if (size > change.size) {
    if (size > change.capacity) {
      SHOAL_RETURN_IF_ERROR(GrowTo(change, size));
    } else {
      SHOAL_RETURN_IF_ERROR(core_.SaveFrom(kShape, change, change.size));
    }
    std::memset(change.elements + change.size, fill, size - change.size);
  }
  core_.size = size;
  return absl::OkStatus();
}

absl::Status String::Reserve(size_t capacity) {
  Change change;
  SHOAL_RETURN_IF_ERROR(core_.Begin(kShape, change));
  return capacity <= change.capacity ? absl::OkStatus() : GrowTo(change, capacity);
}

absl::Status String::Clear() {
  Change change;
  SHOAL_RETURN_IF_ERROR(core_.Begin(kShape, change));
  core_.size = 0;
  return absl::OkStatus();
}

absl::StatusOr<std::span<char>> String::EditAll() {
  Change change;
  SHOAL_RETURN_IF_ERROR(core_.Begin(kShape, change));
  SHOAL_RETURN_IF_ERROR(core_.SaveFrom(kShape, change, 0));
  return std::span<char>(reinterpret_cast<char*>(change.elements), change.size);
}

absl::Status String::ConstructFrom(Section& section, String* where, std::string_view text) {
  SHOAL_RETURN_IF_ERROR(Construct(section, where));
  if (text.empty()) return absl::OkStatus();
  const Change empty = {{.elements = nullptr, .size = 0, .capacity = 0}, &section, 0};
  VectorRoom room;
  SHOAL_RETURN_IF_ERROR(VectorCore::MakeRoom(kShape, empty, text.size(), room));
  std::memcpy(room.elements, text.data(), text.size());
  where->core_.MoveTo(room, text.size());
  return absl::OkStatus();
}

absl::Status String::Dispose(shm_internal::Disposal& disposal, String& string) {
  VectorExtent extent;
  if (!string.core_.ReadIn(disposal.section(), kShape, extent)) return string.core_.Nonsense();
  return extent.capacity == 0 ? absl::OkStatus() : disposal.Free(extent.elements);
}

}  // namespace shoal
