#ifndef SHOAL_SHM_HOLDS_H_
#define SHOAL_SHM_HOLDS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/layout_tree.h"
#include "shoal/shm/participants.h"
#include "shoal/shm/type_table.h"

namespace shoal::shm_internal {

class Holds;
class SleepInGuard;

// What a layer above keeps for an object as long as this process holds it. It ends before the others may destroy the object.
struct HoldCompanion {
  virtual ~HoldCompanion() = default;
};

// An object that this process holds, however many handles it has; it keeps the segment mapped. For the other processes it is one bit.
struct Hold {
  std::atomic<uint64_t> handles;  // of this process; the last goes under the mutex of `holds`
  std::byte* object;
  uint64_t offset;  // of its header
  const TypeDescription* type;
  const Layout* layout;       // if it can be used without a handle (in_use.h), else null
  ParticipantId participant;  // this process
  uint32_t epoch;             // of the process: in a forked child it is dead
  Holds* holds;
  std::shared_ptr<Attachment> attachment;
  std::atomic<HoldCompanion*> companion{nullptr};  // set once
  // Guarded by the mutex of `holds`:
  bool lingers = false;
  bool waits_for_giving_back = false;  // it lingers for that alone
  Hold* next_lingering = nullptr;
};

// The objects of one segment that this process holds.
//
// Thread safety:  all calls may run concurrently.
// Crash safety:   a bit in the object's header stands for all of them; whoever reaps this process clears it (references.h).
class Holds final {
 public:
  // One handle more to the object at `offset`, which is a `type`. REQUIRES: somebody holds it meanwhile.
  // DataLoss: there is no such object. FailedPrecondition: it is of another type. And the errors of a lock.
  absl::StatusOr<Hold*> Take(const std::shared_ptr<Attachment>& attachment, ParticipantId self, uint64_t offset,
                             const TypeDescription& type);
  // The same for an object that this process is making, with its bit set: before anybody can find it.
  Hold* Adopt(const std::shared_ptr<Attachment>& attachment, ParticipantId self, uint64_t offset,
              const TypeDescription& type);

  // InternType, remembered. InvalidArgument: see CheckCanBeDestroyed.
  absl::StatusOr<uint64_t> TypeOffset(const std::shared_ptr<Attachment>& attachment, const TypeDescription& type);

  static void Copy(Hold& hold) {
    hold.handles.fetch_add(1, std::memory_order_relaxed);  // relaxed: its copier has one, so it does not end meanwhile
  }
  // One handle less. Returns the segment if that was the last: the object may be doomed, and what lingers may be unused.
  static std::shared_ptr<Attachment> Drop(Hold& hold);
  // Lets go of what this process uses no more, of that to which it has no handle. Whether there was any: objects may be doomed.
  // `given_back`: looks only at the object there, and those that linger because something was being given back; null: at all.
  bool DropUnused(Attachment& attachment, const void* given_back);

  // A thread sleeps in a guard's Condition::Wait: it comes back to the locks.
  void Add(SleepInGuard& sleep);
  void Remove(SleepInGuard& sleep);

  // What type the object at `offset` is a record of; whether it is `type`. Errors as Take.
  static absl::Status CheckType(const Attachment& attachment, uint64_t offset, const TypeDescription& type);

 private:
  Hold* Enter(const std::shared_ptr<Attachment>& attachment, uint64_t offset, const TypeDescription& type,
              ParticipantId self);
  const Layout* LayoutIfUsable(const TypeDescription& type);
  bool IsUsed(Hold& hold) const;
  void LetGo(Hold& hold, Attachment& attachment);

  std::mutex mutex_;
  struct Usable {
    std::string code;                      // which the layout names parts of
    std::unique_ptr<const Layout> layout;  // null: cannot be used without a handle
  };
  // By their fingerprints, as descriptions go with their plug-ins.
  std::unordered_map<uint64_t, std::unique_ptr<const Usable>> usable_;
  Hold* lingering_ = nullptr;                     // objects without handles, or that had none for a while
  SleepInGuard* sleeping_ = nullptr;              // all of them
  std::unordered_map<uint64_t, uint64_t> types_;  // by their fingerprints
  std::unordered_map<uint64_t, Hold*> holds_;     // not deleted with it: in a forked child handles name them still
};

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_HOLDS_H_
