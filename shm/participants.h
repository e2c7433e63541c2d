#ifndef SHOAL_SHM_PARTICIPANTS_H_
#define SHOAL_SHM_PARTICIPANTS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/layout.h"

// The processes that hold something of a segment outside of calls: who they are, and who notices that one is gone. The state
// table, the edges and the deaths are told in participants.cc.

namespace shoal::shm_internal {

// Names one process's use of a segment, for ever: the slot in the low bits, and the slot's life number. 0: nobody.
using ParticipantId = uint32_t;
inline constexpr uint32_t kSlotBits = 7;
static_assert(kMaxParticipants < (1 << kSlotBits), "a slot's number, and 0 for nobody, fit");

inline constexpr ParticipantId ParticipantIdOf(int slot, uint32_t life_number) {
  return life_number << kSlotBits | static_cast<uint32_t>(slot + 1);
}
inline constexpr int SlotOf(ParticipantId id) { return static_cast<int>(id & ((1u << kSlotBits) - 1)) - 1; }

// Takes back what participant `id`, which is dead, held. May be called by several processes at once, and again after a death.
using Reaper = void (*)(Attachment& attachment, ParticipantId id);

// A process's membership of one segment: its slot, and the keeper thread that holds it and watches the others.
//
// Crash safety:  when the process dies, by whatever way, exec included, the kernel marks its life word and wakes the others'
//                keepers; each takes back what the dead held, adds 1 to `deaths` and wakes all who sleep on it.
// Blocking:      the destructor waits for the keeper thread, which is never busy for long.
class Participant final {
 public:
  // Errors: ResourceExhausted: too many processes use the segment, or there are no threads to be had.
  // REQUIRES: `attachment` outlives it.
  static absl::StatusOr<std::unique_ptr<Participant>> Join(Attachment& attachment, Reaper reaper);
  ~Participant();
  Participant(const Participant&) = delete;
  Participant& operator=(const Participant&) = delete;

  ParticipantId id() const { return id_; }
  bool InThisProcess() const;

 private:
  class Keeper;
  Participant() = default;

  std::shared_ptr<Keeper> keeper_;
  std::thread thread_;
  ParticipantId id_ = 0;
  uint32_t epoch_ = 0;
};

// Whether the process that `id` names is gone, so that nothing of it will ever run again: no thread of it, at least, that has a slot
// in the segment.
bool IsDead(const Attachment& attachment, ParticipantId id);

// Whether its life word says so: threads of it may still run for a moment, and the caller be one of them.
bool LifeHasEnded(const Attachment& attachment, ParticipantId id);

// Takes back what dead participants held; how many there were. As the keepers do, on demand.
int Reap(Attachment& attachment, Reaper reaper);

// "process 1234 (name)", for messages.
std::string Describe(const Attachment& attachment, ParticipantId id);

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_PARTICIPANTS_H_
