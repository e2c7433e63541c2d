#ifndef SHOAL_SHM_OBJECT_H_
#define SHOAL_SHM_OBJECT_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "shoal/shm/attachment.h"
#include "shoal/shm/layout.h"

namespace shoal::shm_internal {

// What lies in front of an object that handles name. All words but `type` change under the ledger's lock only.
struct ObjectHeader {
  std::atomic<uint64_t> state;       // kLive or kDoomed, xor its own offset
  std::atomic<uint64_t> type;        // offset of its type record
  std::atomic<uint64_t> holders[2];  // bit p: the process in participant slot p has handles
  std::atomic<uint64_t> stored;      // handles to it that lie in shared memory
  std::atomic<uint64_t> next;        // in the list of objects, or of the doomed; offset, 0: none
  std::atomic<uint64_t> previous;
  uint64_t reserved;

  static constexpr uint64_t kLive = 0x5'ea'1f'15'4a'11'fe'00;
  static constexpr uint64_t kDoomed = 0x5'ea'1f'15'4d'0e'ad'00;
};
static_assert(sizeof(ObjectHeader) == 64 && kMaxParticipants <= 128, "part of the shared layout");

inline constexpr size_t kMaxObjectAlignment = sizeof(ObjectHeader);  // the object lies right behind its header

inline std::byte* ObjectOf(ObjectHeader& header) { return reinterpret_cast<std::byte*>(&header) + sizeof(ObjectHeader); }

// The object whose header begins at `offset`, which was read from shared bytes; null: there is none, or not in this `state`.
inline ObjectHeader* ObjectAtOrNull(const Attachment& attachment, uint64_t offset, uint64_t state = ObjectHeader::kLive) {
  if (offset % 16 != 0 || offset < attachment.areas().first_page || offset > attachment.size_bytes() - sizeof(ObjectHeader)) {
    return nullptr;
  }
  auto* const header = reinterpret_cast<ObjectHeader*>(attachment.base() + offset);
  // relaxed: whoever has a handle was given it after the object was made; the ledger's lock orders the rest
  return header->state.load(std::memory_order_relaxed) == (state ^ offset) ? header : nullptr;
}

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_OBJECT_H_
