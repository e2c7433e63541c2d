#ifndef SHOAL_SHM_BORROWS_H_
#define SHOAL_SHM_BORROWS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/shm/array_elements.h"
#include "shoal/shm/holder.h"
#include "shoal/shm/participants.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/futex.h"
#include "shoal/sync/robust_list.h"

namespace shoal::shm_internal {

// OutOfRange, with the numbers.
absl::Status NoSuchElement(uint64_t index, uint64_t length);

enum class BorrowKind : uint8_t { kShared = 1, kMutable = 2 };

// Elements [begin, end).
struct Range {
  uint64_t begin = 0;
  uint64_t end = 0;
  bool empty() const { return begin >= end; }
  bool Overlaps(const Range& other) const { return begin < other.end && other.begin < end; }
};

// What an Array has beside its elements: where they lie, and who has borrowed which of them. Knows no types. The table of a place's
// states, the edges and the deaths are told in borrows.cc.
class ArrayCore final {
 public:
  static constexpr int kMaxBorrows = 128;  // at one time, by the living
  static constexpr int kPlaces = 160;      // the others: marks of what the dead had borrowed for writing
  static constexpr uint32_t kNoPlace = kPlaces;

  struct Borrow {
    uint32_t place = kNoPlace;  // kNoPlace: of no elements
    bool abandoned = false;     // some of it was borrowed for writing by one that died, and nobody since
  };

  ArrayCore() = default;
  ArrayCore(const ArrayCore&) = delete;
  ArrayCore& operator=(const ArrayCore&) = delete;

  ArrayElements& elements() { return elements_; }
  uint64_t length() const { return elements_.length(); }

  // Lends `range` of `length` elements, waiting until `deadline` for who has it. `quiet`: the message of a refusal need not say who.
  // FailedPrecondition: it is borrowed, and the caller would not wait; DeadlineExceeded; OutOfRange; ResourceExhausted: too many
  // borrows at one time; and as AcquireInner.
  absl::StatusOr<Borrow> Lend(const Holder& holder, BorrowKind kind, Range range, uint64_t length,
                              sync_internal::Deadline deadline, bool quiet);
  // Runs `access` while nobody can borrow `range`; if that is lent it is refused at once. With `kind` kMutable a death in it leaves a
  // mark. Errors: as Lend that does not wait.
  absl::Status Access(const Holder& holder, BorrowKind kind, Range range, uint64_t length, absl::FunctionRef<void()> access);
  // DataLoss: somebody has written over the table.
  absl::Status GiveBack(uint32_t place, ParticipantId id, BorrowKind kind);

 private:
  struct Place {
    std::atomic<uint64_t> owner;  // participant:32, state
    std::atomic<uint64_t> begin;
    std::atomic<uint64_t> end;
  };
  // Why a range cannot be lent.
  struct Conflict {
    ParticipantId id;
    BorrowKind kind;
    Range range;
  };
  struct Answer {
    Borrow borrow;
    bool lent = false;
    Conflict conflict = {};
  };

  static absl::Status CheckRange(Range range, uint64_t length);
  absl::StatusOr<Answer> LendLocked(const Holder& holder, BorrowKind kind, Range range, bool announce, uint32_t& seen);
  bool IsFree(const Holder& holder, BorrowKind kind, Range range, Conflict& conflict);
  absl::StatusOr<uint32_t> FreePlace(const Holder& holder);
  int CountFree() const;
  void TakeBack(const Holder& holder);
  bool MergeTwoMarks();
  bool IsMarked(Range range) const;
  void TakeMarksAway(Range range);
  bool AddMark(Range range);
  void Publish(uint32_t place, Range range, uint64_t owner);
  uint32_t FindFree() const;
  uint32_t PlacesInUse() const;
  static Range RangeOf(const Place& place);
  absl::Status Refusal(absl::StatusCode code, const Holder& holder, BorrowKind kind, Range range,
                       const Conflict& conflict) const;

  ArrayElements elements_;
  sync_internal::RobustWord lock_ = {};   // held by whoever looks for a range to borrow
  sync_internal::FutexWord changes_{0};   // what sleepers sleep on
  std::atomic<uint32_t> places_used_{0};  // the places in front of this one may be in use; only grows
  Place places_[kPlaces] = {};
};
static_assert(sizeof(ArrayCore) == 3904, "part of the shared layout");

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_BORROWS_H_
