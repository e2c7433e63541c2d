#include "shoal/shm/holds.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shoal/shm/dispose.h"
#include "shoal/shm/in_use.h"
#include "shoal/shm/object.h"
#include "shoal/shm/references.h"
#include "shoal/shm/sleep_in_guard.h"
#include "shoal/shm/type_layout.h"
#include "shoal/sync/process_epoch.h"
#include "shoal/sync/status.h"

//  The last handle of this process to an object may go before what it has of the object outside of calls: a guard, a reader, a Borrowed,
//  a Permit. Then the process holds it all the same, without a handle: it lingers, until somebody of this process gives something back and
//  finds it unused, or takes a handle to it again. What other processes have of it they hold themselves. So all of this is between threads,
//  and a death leaves one bit, as of any handle.
//
//   of one object           means                                        who may change it, under the mutex
//    handles > 0             held                                         a handle is copied, dropped
//    0, lingers              held, as long as it is used                  Take → handles > 0; DropUnused → gone
//    gone                    its bit is cleared, the record deleted
//
//  Use only ends while an object lingers: to take more of it is a call, and calls are made through handles. A thread that sleeps in a
//  guard's Condition::Wait uses it, too, although it owns no lock: it is in a list. And whoever gives something back that it touches
//  after that (a Borrowed, a Permit) is counted meanwhile.
//
//  EDGE holds.last: Drop() release → the Drop() of the last handle, acquire. What each thread did with the object is over before it is
//  let go.
//  Whoever gives something back looks only at the object that it lay in: the last to use one object is the one to let go of it. (And at
//  those that linger although nobody was found to use them, because something was just being given back.) The locks of sync know nothing
//  of this, nor does a thread that ends with a guard: after these it is the next last handle of this process, or Reap.
//
//  EDGE holds.lingering: {`lingers` := 1; the object's words are looked at} against {a word says that something is given back; `lingers` is
//  looked at}, and the same of `giving_back`: a Dekker pair. Whoever gives back does so in a locked instruction, which is a full barrier.

namespace shoal::shm_internal {

using sync_internal::MakeStatus;

absl::Status Holds::CheckType(const Attachment& attachment, uint64_t offset, const TypeDescription& type) {
  const ObjectHeader* const object = ObjectAtOrNull(attachment, offset);
  // relaxed: written before anybody had a handle
  const uint64_t place = object == nullptr ? 0 : object->type.load(std::memory_order_relaxed);
  const TypeRecord* const record = TypeAtOrNull(attachment, place);
  if (record == nullptr || !attachment.Contains(object + 1, type.size_bytes)) {
    return MakeStatus(absl::StatusCode::kDataLoss, absl::StrCat("a handle names no object at offset ", offset));
  }
  if (record->fingerprint == type.fingerprint && record->size_bytes == type.size_bytes) return absl::OkStatus();
  SHOAL_ASSIGN_OR_RETURN(const std::string code, CodeOf(attachment, place));
  SHOAL_RETURN_IF_ERROR(CompareLayouts(code, type.code(), type.field_names()));
  return MakeStatus(absl::StatusCode::kDataLoss, "the record of a type is damaged");
}

const Layout* Holds::LayoutIfUsable(const TypeDescription& type) {
  if (const auto known = usable_.find(type.fingerprint); known != usable_.end()) return known->second->layout.get();
  auto usable = std::make_unique<Usable>();
  usable->code = type.code();
  usable->layout = ParseLayout(usable->code);
  if (usable->layout != nullptr && !MayBeUsed(*usable->layout)) usable->layout = nullptr;
  return usable_.emplace(type.fingerprint, std::move(usable)).first->second->layout.get();
}

Hold* Holds::Enter(const std::shared_ptr<Attachment>& attachment, uint64_t offset, const TypeDescription& type,
                   ParticipantId self) {
  auto* const object = reinterpret_cast<ObjectHeader*>(attachment->base() + offset);
  std::unique_ptr<Hold> hold(new Hold{.handles = 1,
                                      .object = ObjectOf(*object),
                                      .offset = offset,
                                      .type = &type,
                                      .layout = LayoutIfUsable(type),
                                      .participant = self,
                                      .epoch = sync_internal::ProcessEpoch(),
                                      .holds = this,
                                      .attachment = attachment});
  holds_.emplace(offset, hold.get());
  return hold.release();
}

absl::StatusOr<Hold*> Holds::Take(const std::shared_ptr<Attachment>& attachment, ParticipantId self, uint64_t offset,
                                  const TypeDescription& type) {
  SHOAL_RETURN_IF_ERROR(CheckType(*attachment, offset, type));
  const std::lock_guard lock(mutex_);
  if (const auto known = holds_.find(offset); known != holds_.end()) {
    Copy(*known->second);
    return known->second;
  }
  // What may throw comes first: without it there is no bit that nobody would take away.
  std::unique_ptr<Hold> hold(Enter(attachment, offset, type, self));
  struct Entry {
    std::unordered_map<uint64_t, Hold*>& holds;
    const uint64_t offset;
    bool stays = false;
    ~Entry() {
      if (!stays) holds.erase(offset);
    }
  } entry{holds_, offset};
  SHOAL_RETURN_IF_ERROR(SetHolder(*attachment, offset, SlotOf(self)));
  entry.stays = true;
  return hold.release();
}

Hold* Holds::Adopt(const std::shared_ptr<Attachment>& attachment, ParticipantId self, uint64_t offset,
                   const TypeDescription& type) {
  const std::lock_guard lock(mutex_);
  return Enter(attachment, offset, type, self);
}

absl::StatusOr<uint64_t> Holds::TypeOffset(const std::shared_ptr<Attachment>& attachment, const TypeDescription& type) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = types_.find(type.fingerprint); known != types_.end()) return known->second;
  }
  SHOAL_RETURN_IF_ERROR(CheckCanBeDestroyed(type.code()));
  SHOAL_ASSIGN_OR_RETURN(const uint64_t offset, InternType(attachment, type));
  const std::lock_guard lock(mutex_);
  types_.emplace(type.fingerprint, offset);
  return offset;
}

std::shared_ptr<Attachment> Holds::Drop(Hold& hold) {
  uint64_t handles = hold.handles.load(std::memory_order_relaxed);  // relaxed: the compare-exchange decides
  while (handles > 1) {
    // holds.last (release): what was done with the object is over when the last handle goes; on failure relaxed: try again
    if (hold.handles.compare_exchange_weak(handles, handles - 1, std::memory_order_release, std::memory_order_relaxed)) {
      return nullptr;
    }
  }
  Holds& holds = *hold.holds;
  std::shared_ptr<Attachment> attachment;
  {
    const std::lock_guard lock(holds.mutex_);
    // Somebody may have taken one more from a stored handle meanwhile. holds.last (acq_rel): see above
    if (hold.handles.fetch_sub(1, std::memory_order_acq_rel) != 1) return nullptr;
    if (hold.lingers) return hold.attachment;
    // Use only ends: that it is used no more is final. Whoever ends it after this look must see that we want to know.
    if (hold.layout != nullptr && holds.IsUsed(hold)) {
      hold.attachment->lingers().store(1, std::memory_order_seq_cst);  // holds.lingering
      if (holds.IsUsed(hold)) {
        hold.lingers = true;
        hold.next_lingering = std::exchange(holds.lingering_, &hold);
        return hold.attachment;
      }
      if (holds.lingering_ == nullptr) hold.attachment->lingers().store(0, std::memory_order_relaxed);  // relaxed: nothing does
    }
    attachment = std::move(hold.attachment);
    holds.LetGo(hold, *attachment);
  }
  delete &hold;
  return attachment;
}

bool Holds::DropUnused(Attachment& attachment, const void* given_back) {
  const auto concerns = [given_back](const Hold& hold) {
    if (given_back == nullptr || hold.waits_for_giving_back) return true;
    const size_t offset = reinterpret_cast<uintptr_t>(given_back) - reinterpret_cast<uintptr_t>(hold.object);
    return offset < SizeOf(*hold.layout);
  };
  Hold* unused = nullptr;
  {
    const std::lock_guard lock(mutex_);
    for (Hold** link = &lingering_; *link != nullptr;) {
      Hold& hold = **link;
      const bool held = hold.handles.load(std::memory_order_relaxed) != 0;  // relaxed: from 0 it changes under the mutex
      if (!held && (!concerns(hold) || IsUsed(hold))) {
        link = &hold.next_lingering;
        continue;
      }
      *link = hold.next_lingering;
      hold.lingers = false;
      if (held) continue;
      LetGo(hold, attachment);
      hold.next_lingering = std::exchange(unused, &hold);
    }
    if (lingering_ == nullptr) attachment.lingers().store(0, std::memory_order_relaxed);  // relaxed: nothing does
  }
  const bool any = unused != nullptr;
  while (unused != nullptr) delete std::exchange(unused, unused->next_lingering);
  return any;
}

// REQUIRES, of all below: the mutex is held.

bool Holds::IsUsed(Hold& hold) const {
  hold.waits_for_giving_back = false;
  if (IsUsedHere(*hold.attachment, hold.participant, *hold.layout, hold.object)) return true;
  const size_t bytes = SizeOf(*hold.layout);
  for (const SleepInGuard* sleep = sleeping_; sleep != nullptr; sleep = sleep->next()) {
    if (sleep->IsIn(hold.object, bytes)) return true;
  }
  // After that look: who has given something back may touch the object still. seq_cst: holds.lingering
  hold.waits_for_giving_back = hold.attachment->giving_back().load(std::memory_order_seq_cst) != 0;
  return hold.waits_for_giving_back;
}

void Holds::LetGo(Hold& hold, Attachment& attachment) {
  holds_.erase(hold.offset);
  // relaxed: it was set by a thread with a handle, and holds.last orders that
  delete hold.companion.load(std::memory_order_relaxed);
  // If it cannot be done now, it is done when this process has ended.
  ClearHolder(attachment, hold.offset, SlotOf(hold.participant)).IgnoreError();
}

void Holds::Add(SleepInGuard& sleep) {
  const std::lock_guard lock(mutex_);
  sleep.LinkBefore(sleeping_);
}
void Holds::Remove(SleepInGuard& sleep) {
  const std::lock_guard lock(mutex_);
  sleep.Unlink(sleeping_);
}

}  // namespace shoal::shm_internal
