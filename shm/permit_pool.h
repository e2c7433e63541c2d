#ifndef SHOAL_SHM_PERMIT_POOL_H_
#define SHOAL_SHM_PERMIT_POOL_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/holder.h"
#include "shoal/shm/layout.h"
#include "shoal/shm/participants.h"
#include "shoal/shm/shareable.h"
#include "shoal/sync/futex.h"
#include "shoal/sync/robust_list.h"

namespace shoal {

class PermitPool;

// The right to a place in a PermitPool; gives it back on destruction. Move-only, and never ignored.
//
// Thread safety:   belongs to the process that acquired it: any one thread of that may use and destroy it.
// Process safety:  lies in its owner's memory only. In a child made by fork the parent's permits are dead: they give nothing back.
// Crash safety:    when its process ends, in whatever way, exec included, the permit returns.
// Blocking:        never.
// Memory ordering: what its owner did before giving it back is visible to whoever acquires it after.
// Ownership:       keeps the segment mapped, and the pool.
class [[nodiscard]] Permit final {
 public:
  Permit(Permit&& other) noexcept
      : attachment_(std::move(other.attachment_)),
        pool_(std::exchange(other.pool_, nullptr)),
        count_(other.count_),
        id_(other.id_),
        epoch_(other.epoch_) {}
  Permit& operator=(Permit&& other) noexcept {
    if (this != &other) {
      Drop();
      attachment_ = std::move(other.attachment_);
      pool_ = std::exchange(other.pool_, nullptr);
      count_ = other.count_;
      id_ = other.id_;
      epoch_ = other.epoch_;
    }
    return *this;
  }
  Permit(const Permit&) = delete;
  Permit& operator=(const Permit&) = delete;
  ~Permit() { Drop(); }

  // Gives it back now rather than at the end of the scope.
  // FailedPrecondition: not held, or acquired by the parent of this process; nothing was given back then.
  // DataLoss: a peer had scribbled over the pool.
  absl::Status Release();

  // Whether it still stands for something: not moved from, not given back, not the parent's.
  bool held() const;
  explicit operator bool() const { return held(); }
  // How many permits it stands for; 0: not held.
  uint32_t count() const { return held() ? count_ : 0; }

 private:
  friend class PermitPool;
  Permit(const shm_internal::Holder& holder, PermitPool& pool, uint32_t count);
  void Drop() {
    if (pool_ != nullptr) Release().IgnoreError();
  }

  std::shared_ptr<shm_internal::Attachment> attachment_;
  PermitPool* pool_;  // null: not held
  uint32_t count_;
  shm_internal::ParticipantId id_;
  uint32_t epoch_;
};

// A number of permits that come back by themselves: from who has them when he destroys them, and from a process that ends. What a
// semaphore is for things that may be lost with a process: licences, connections, slots of a device.
//
//   SHOAL_ASSIGN_OR_RETURN(Shared<PermitPool> slots, segment.New<PermitPool>(4u));
//   SHOAL_ASSIGN_OR_RETURN(Permit permit, slots->Acquire(absl::Seconds(1)));
//   UseTheDevice();  // killed here, the permit is the next one's
//
// Thread safety:   every call may run concurrently with every other. Not for signal handlers.
// Process safety:  lies in a Segment.
// Crash safety:    a process that dies, in a call or outside, has no permits any more, and nobody sleeps beside one that is free.
//                  (Threads that the holder handed its work to may still run for microseconds after the one that acquired.)
// Blocking:        Acquire sleeps until there are as many as it wants; it is woken by who gives back, or when a process dies. Not
//                  fair: who wants several may wait long for others who want one.
// Memory ordering: what a holder did before giving back is visible to whoever acquires after.
// Errors:          DeadlineExceeded; InvalidArgument: a pool of 0 (or zero-filled), or of more than 1,073,741,823, or none or more
//                  permits wanted than there are in all; FailedPrecondition: not in a segment; ResourceExhausted: too many processes
//                  or threads use the segment; DataLoss: the shared bytes make no sense.
// Allocation:      the first call of a process starts the segment's keeper thread.
// Layout:          1024 bytes, aligned to 8; docs/memory_format.md.
class PermitPool final {
 public:
  static constexpr uint32_t kMaxPermits = 0x3fffffff;

  explicit PermitPool(uint32_t permits) : total_(permits <= kMaxPermits ? permits : 0) {}
  PermitPool(const PermitPool&) = delete;
  PermitPool& operator=(const PermitPool&) = delete;

  // Takes one permit, or `count` of them at once.
  [[nodiscard]] absl::StatusOr<Permit> Acquire(absl::Duration timeout = absl::InfiniteDuration()) {
    return Acquire(1, timeout);
  }
  [[nodiscard]] absl::StatusOr<Permit> Acquire(uint32_t count, absl::Duration timeout = absl::InfiniteDuration());

  // Takes them if they are there; nullopt also wherever Acquire has an error.
  [[nodiscard]] std::optional<Permit> TryAcquire(uint32_t count = 1);

  // How many nobody holds. A hint: it may have changed by the time the caller looks at the answer.
  uint32_t available() const;
  uint32_t total() const { return total_; }

 private:
  friend class Permit;
  struct When {
    bool slept;      // others may sleep behind this caller
    bool last_look;  // it will not sleep
  };

  absl::Status CheckCount(uint32_t count) const;
  absl::Status Take(const shm_internal::Holder& holder, uint32_t count, sync_internal::Deadline deadline);
  absl::StatusOr<bool> TakeLocked(const shm_internal::Holder& holder, uint32_t count, When when, uint32_t& seen,
                                  bool& pass_on);
  absl::StatusOr<uint32_t> CountFree(const shm_internal::Holder& holder) const;
  void TakeBackFromTheDead(const shm_internal::Holder& holder);
  absl::Status GiveBack(shm_internal::ParticipantId id, uint32_t count);

  sync_internal::RobustWord lock_ = {};  // held by whoever looks for permits to take
  uint32_t total_;                       // 0: the constructor's argument was out of range
  sync_internal::FutexWord changes_{0};  // what those sleep on who want one
  sync_internal::FutexWord several_{0};  // the others
  std::atomic<uint32_t> cells_{0};       // the cells in front of this one may be in use; only grows
  [[maybe_unused]] uint32_t reserved_[2] = {};
  std::atomic<uint64_t> held_[shm_internal::kMaxParticipants] = {};  // by a slot's number: participant:32, permits:32
};
static_assert(sizeof(PermitPool) == 1024, "part of the shared layout");

template <>
struct ShareableTraits<PermitPool> : SharedType<SharedKind::kConcurrent> {
  static constexpr std::string_view kName = "PermitPool";
};

}  // namespace shoal

#endif  // SHOAL_SHM_PERMIT_POOL_H_
