#include "shoal/tests/kill/participant_operations.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "shoal/ipc/connection.h"
#include "shoal/ipc/pipe.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/dispose.h"
#include "shoal/shm/layout.h"
#include "shoal/shm/participants.h"
#include "shoal/shm/references.h"
#include "shoal/shm/section.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/thread_slot.h"
#include "shoal/sync/check.h"
#include "shoal/sync/robust_lock.h"
#include "shoal/tests/kill/census.h"
#include "shoal/tests/kill/member_without_keeper.h"

// Before anybody comes a process ends with its robust list forgotten: its words look as if it lived. Nobody of these has a keeper, whose
// look once a second would come between: Reap is the same look, on demand.

namespace shoal::tests {
namespace {

using shm_internal::Attachment;
using shm_internal::ParticipantId;
using shm_internal::ParticipantSlot;

// More than one store.
struct Pair {
  int64_t left = 0;
  int64_t right = 0;
};
using Pairs = Connection<Pair>;

struct Room {
  Pair* pair;
  uint64_t ends[2];  // tickets
  uint64_t blocks_at_first;
  std::atomic<ParticipantId> gone;
  std::atomic<bool> told;  // who slept at the other end
  std::atomic<bool> torn;
};

Segment* segment = nullptr;
// The operation's process keeps what it hands over.
std::vector<ConnectionTicket>* tickets = nullptr;

std::shared_ptr<Attachment> TheAttachment() { return Attachment::Of(&segment->deaths()); }
ParticipantId Self() { return static_cast<ParticipantId>(TheAttachment()->membership().load()); }
ParticipantSlot& SlotOf(ParticipantId id) {
  return TheAttachment()->participants()[static_cast<size_t>(shm_internal::SlotOf(id))];
}

void ComeIn(Room&) { JoinWatchedWithoutKeeper(*TheAttachment()); }

Pairs Taken(uint64_t name) {
  auto taken = Pairs::Take(*segment, name);
  SHOAL_CHECK(taken.ok(), "an end that was handed over can be taken");
  return *std::move(taken);
}

// Takes an end of the pipe, opens a section and changes half of it; and the kernel does not find what it is to mark.
[[noreturn]] void HoldAndGo(Room& room) {
  ComeIn(room);
  room.gone = Self();
  new Pairs(Taken(room.ends[0]));
  // Without a lock, whose word nobody would mark who does not wait for it.
  shm_internal::Section& section = **shm_internal::SectionAt(room.pair);
  section.Open(std::span<sync_internal::RobustWord* const>());
  SHOAL_CHECK(section.Save(room.pair, sizeof(Pair)).ok(), "there is memory for a journal");
  ++room.pair->left;
  robust_list_head* head = nullptr;
  size_t size_bytes = 0;
  SHOAL_CHECK(syscall(SYS_get_robust_list, 0, &head, &size_bytes) == 0, "a thread knows its list");
  head->list.next = &head->list;
  _exit(0);
}

void SetUp(Room& room, bool somebody_goes) {
  if (segment != nullptr) {
    const std::shared_ptr<Attachment> attachment = TheAttachment();
    delete tickets;
    LeaveWithoutKeeper(*attachment);
    delete segment;
  }
  auto made = Segment::Create({.limit_bytes = size_t{2} << 20});
  SHOAL_CHECK(made.ok(), "a segment can be made");
  segment = new Segment(*std::move(made));
  tickets = new std::vector<ConnectionTicket>;
  ComeIn(room);
  room.pair = new (segment->At<Pair>(segment->Allocate(sizeof(Pair), 64).value())) Pair;
  const auto make = [] { return Pipe<Pair>({.segment = segment, .capacity = 1, .spin = false}).value(); };
  make();  // so that the type is known
  room.blocks_at_first = BlocksBesideJournals(*TheAttachment());
  auto ends = make();
  tickets->push_back(ends.first.HandOver().value());
  tickets->push_back(ends.second.HandOver().value());
  for (size_t i = 0; i < 2; ++i) room.ends[i] = (*tickets)[i].number();
  if (!somebody_goes) return;
  const pid_t pid = fork();
  SHOAL_CHECK(pid >= 0, "a child can be forked");
  if (pid == 0) HoldAndGo(room);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  SHOAL_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a child does what it is to do");
}

void Reap(Room&) { segment->Reap(); }
void ReapAndComeIn(Room& room) {
  segment->Reap();
  ComeIn(room);
}
void DoNothingBefore(Room&) {}

// Sleeps at the other end, until it is told.
void Receive(Room& room) {
  ComeIn(room);
  const auto got = Taken(room.ends[1]).Recv();
  if (!absl::IsUnavailable(got.status())) room.torn = true;
  room.told = true;
}

void ReapBesides(void* shared, const Gate& gate) {
  Reap(*static_cast<Room*>(shared));
  gate.Hold();
}

// Forgets that whoever dies now leaves nothing by which the next one knows what is still to be done.
void GiveSlotBackFirst(Room& room) {
  const std::shared_ptr<Attachment> attachment = TheAttachment();
  SlotOf(room.gone).life.word = 0;
  shm_internal::ClearHolderEverywhere(*attachment, shm_internal::SlotOf(room.gone)).IgnoreError();
  shm_internal::TellOfDeath(attachment->header());
}

Verdict Judge(void* shared) {
  Room& room = *static_cast<Room*>(shared);
  if (room.torn || !room.told || room.pair->left != room.pair->right) return Verdict::kHalfDone;
  const ParticipantId gone = room.gone;
  const ParticipantSlot& slot = SlotOf(gone);
  const bool taken_back = shm_internal::ParticipantIdOf(shm_internal::SlotOf(gone), slot.life_number) != gone || slot.life.word == 0;
  if (!taken_back) return Verdict::kLeaked;
  segment->Reap();
  const std::shared_ptr<Attachment> attachment = TheAttachment();
  // As if the operation's process had let go of what it has handed over.
  if (!shm_internal::ClearHolderEverywhere(*attachment, shm_internal::SlotOf(Self())).ok()) return Verdict::kHalfDone;
  shm_internal::DestroyDoomed(attachment);
  if (AnySectionIsOpen(*attachment)) return Verdict::kHalfDone;
  return OfBlocks(BlocksBesideJournals(*attachment), room.blocks_at_first);
}

Operation Registered(std::string name, void (*prepare)(Room&), void (*body)(Room&)) {
  Operation operation = OperationOn<Room>(std::move(name));
  operation.setup = [](void* shared) { SetUp(*new (shared) Room{}, true); };
  operation.warm = [] { SetUp(*new Room{}, false); };
  operation.prepare = On(prepare);
  operation.sleepers = {On(Receive)};
  operation.body = On(body);
  operation.rescuer = On(Reap);
  operation.kill_rescuer_too = true;
  // Until somebody has looked, nobody knows.
  operation.may_sleep = [](const void*, int asleep) { return asleep <= 1; };
  operation.check = Judge;
  return operation;
}

}  // namespace

std::vector<Operation> ParticipantOperations() {
  Operation reap = Registered("gone unnoticed, reaped, peer asleep", ComeIn, Reap);
  reap.thief = ReapBesides;
  // The victim's newcomer has the very slot that the paused one is about to mark.
  Operation beside = Registered("gone unnoticed, its slot taken, beside a paused reaper", DoNothingBefore, ReapAndComeIn);
  beside.sleepers.insert(beside.sleepers.begin(), On(Reap));
  beside.pause_first_sleeper = true;
  beside.kill_rescuer_too = false;
  return {reap, beside};
}

std::vector<Operation> ParticipantOperationsThatLeak() {
  return {Registered("gone unnoticed, its slot is given back first", ComeIn, GiveSlotBackFirst)};
}

}  // namespace shoal::tests
