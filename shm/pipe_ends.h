#ifndef SHOAL_SHM_PIPE_ENDS_H_
#define SHOAL_SHM_PIPE_ENDS_H_

#include <atomic>
#include <cstdint>

#include "shoal/shm/attachment.h"
#include "shoal/shm/participants.h"

// What whoever destroys a pipe, or a message with an end of one in it, must know of it. The rest is ipc's.

namespace shoal::shm_internal {

// Who has an end of a pipe: one 8-byte word. The table of states is in ipc/pipe_end.cc.
enum class EndState : uint8_t {
  kNobody = 0,      // the pipe is not complete, or has been damaged
  kOwned = 1,       // by a participant
  kHandedOver = 2,  // a participant has said that another may take it, and answers for it until then
  kTravelling = 3,  // it lies in a message
  kClosed = 4,      // for ever
};
// state:8, a number of who has it that grows each time it is taken:24, participant:32. So who has given an end away never takes it for
// his own again, although it may have come back to his process.
struct EndWord {
  static constexpr uint64_t Of(EndState state, ParticipantId who, uint32_t turn = 0) {
    return static_cast<uint64_t>(state) << 56 | static_cast<uint64_t>(turn & 0xffffff) << 32 | who;
  }
  static constexpr EndState State(uint64_t word) { return static_cast<EndState>(word >> 56); }
  static constexpr uint32_t Turn(uint64_t word) { return static_cast<uint32_t>(word >> 32) & 0xffffff; }
  static constexpr ParticipantId Who(uint64_t word) { return static_cast<ParticipantId>(word); }
  static constexpr uint64_t With(uint64_t word, EndState state) { return Of(state, Who(word), Turn(word)); }
};

// What a pipe begins with. Behind it are two CellTables: of what each end sends.
struct PipeEnds {
  std::atomic<uint64_t> end[2];
};
static_assert(sizeof(PipeEnds) == 16, "part of the shared layout");

// An end in a message: the offset of the pipe's object header, which is a multiple of 16, with bit 0 set as in every handle, bit 3
// because it is an end, and its number in bit 1.
struct StoredEnd {
  static constexpr uint64_t Of(uint64_t offset, int side) { return offset | 9 | static_cast<uint64_t>(side) << 1; }
  static constexpr bool Is(uint64_t word) { return (word & 9) == 9; }
  static constexpr uint64_t Offset(uint64_t word) { return word & ~uint64_t{15}; }
  static constexpr int Side(uint64_t word) { return static_cast<int>(word >> 1 & 1); }
};

// The number of a ticket: a StoredEnd, and in the 16 bits above it what tells this handing over from others at the same place: bits of its
// block's tag, which changes with each object there, and of the end's turn. It comes round after 4096 objects.
struct TicketNumber {
  static constexpr uint64_t kNameMask = (uint64_t{1} << 48) - 1;
  static constexpr uint64_t Of(uint64_t name, uint64_t block_tag, uint32_t turn) {
    return name | ((block_tag >> 1 & 0xfff) << 4 | (turn & 0xf)) << 48;
  }
  static constexpr uint64_t Name(uint64_t number) { return number & kNameMask; }
};

// The message that a travelling end lay in is destroyed: the end is closed, and its peer is told. Does nothing the second time.
void CloseTravellingEnd(const Attachment& attachment, uint64_t stored);

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_PIPE_ENDS_H_
