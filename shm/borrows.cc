// shm/borrows.cc: the places, the word, the edges, the deaths.
//
//  owner of a place        meaning                                           who may change it, to what
//   0                      nobody's                                          with the lock → lent, mark
//   (P, shared), P lives   P reads [begin, end)                              P, without the lock → 0
//   (P, mutable), P lives  P changes [begin, end)                            the same
//   (P, shared), P dead    nobody reads, and nobody has seen it yet          with the lock → 0
//   (P, mutable), P dead   P may have left [begin, end) half changed         with the lock → mark
//   (0, mark)              the same, seen                                    with the lock → 0, when a mutable borrow, or marks that
//                                                                            cover more, are in other places
//
//  `begin` and `end` are written while the place is nobody's; the store of `owner` publishes them, and changes everything else.
//  Without the lock borrows only go away, so whoever looks never overlooks one. The lock protects nothing but that there is one who
//  looks and lends: a death of its owner leaves nothing to repair, for marks may overlap each other and borrows.
//
//  changes_: waiters:1 sequence:31. Whoever gives back frees its place, and then adds 1 to the sequence, forgets the bit, and, if it
//  was set, wakes all. A sleeper sets the bit, looks once more, and sleeps on the word as it left it.
//
//  EDGE array.handoff: a place given up, release → looked at, acquire. Publishes what the borrower did to the elements.
//  EDGE array.returned: the sequence + 1, release → the bit set, acquire. The look that follows sees the place given up.
//
//  If the process dies …                       the others see …
//   before `owner` is stored                     nothing
//   with a borrow, in whatever place             a dead borrower: whoever looks takes it back, and a keeper's `deaths` makes everybody
//                                                 look (holder.cc)
//   having borrowed, before the marks are gone   its own borrow, which becomes a mark that covers them
//   between two marks and the one for both       all three
//   having given back, before the wake           the place free, and the same `deaths`

#include "shoal/shm/borrows.h"

#include <algorithm>
#include <cstddef>
#include <limits>

#include "absl/strings/str_cat.h"
#include "shoal/shm/held_words.h"
#include "shoal/sync/robust_lock.h"
#include "shoal/sync/status.h"

namespace shoal::shm_internal {

using sync_internal::Deadline;
using sync_internal::MakeStatus;

namespace {

constexpr uint32_t kWaiters = 0x80000000;
constexpr uint32_t kSequence = 0x7fffffff;
constexpr uint64_t kMark = 3;
constexpr int kSpare = 2;  // places: a mark is split into two before it goes

constexpr uint64_t OwnerOf(ParticipantId id, BorrowKind kind) { return uint64_t{id} << 32 | static_cast<uint64_t>(kind); }
constexpr ParticipantId IdOf(uint64_t owner) { return static_cast<ParticipantId>(owner >> 32); }
constexpr bool IsLent(uint64_t owner) { return owner != 0 && owner != kMark; }
constexpr BorrowKind KindOf(uint64_t owner) {
  return static_cast<uint32_t>(owner) == static_cast<uint32_t>(BorrowKind::kShared) ? BorrowKind::kShared
                                                                                    : BorrowKind::kMutable;
}
// What becomes of a dead one's.
constexpr uint64_t LeftBy(uint64_t owner) { return KindOf(owner) == BorrowKind::kMutable ? kMark : 0; }

absl::Status Scribbled() {
  return MakeStatus(absl::StatusCode::kDataLoss, "somebody wrote over an array: who has borrowed what makes no sense");
}
absl::Status QuietRefusal() {
  static const absl::Status* const status =
      new absl::Status(MakeStatus(absl::StatusCode::kFailedPrecondition, "these elements are borrowed"));
  return *status;
}
std::string InWords(Range range) { return absl::StrCat("[", range.begin, ", ", range.end, ")"); }
const char* InWords(BorrowKind kind) { return kind == BorrowKind::kMutable ? "writing" : "reading"; }

}  // namespace

absl::Status NoSuchElement(uint64_t index, uint64_t length) {
  return MakeStatus(absl::StatusCode::kOutOfRange,
                    absl::StrCat("element ", index, " of an array that has ", length, " of them"));
}

// ---- lending -------------------------------------------------------------------------------------------------------------------

absl::Status ArrayCore::CheckRange(Range range, uint64_t length) {
  if (range.begin <= range.end && range.end <= length) return absl::OkStatus();
  return MakeStatus(absl::StatusCode::kOutOfRange,
                    absl::StrCat("elements ", InWords(range), " of an array that has ", length, " of them"));
}

absl::StatusOr<ArrayCore::Borrow> ArrayCore::Lend(const Holder& holder, BorrowKind kind, Range range, uint64_t length,
                                                  Deadline deadline, bool quiet) {
  SHOAL_RETURN_IF_ERROR(CheckRange(range, length));
  if (range.empty()) return Borrow{};
  for (;;) {
    const bool last_look = deadline.passed();
    const uint32_t deaths = DeathsBeforeLook(holder);
    uint32_t seen = 0;
    sync_internal::Thread& self = sync_internal::ThisThread();
    SHOAL_RETURN_IF_ERROR(AcquireInner(self, lock_, deadline));
    absl::StatusOr<Answer> answer = LendLocked(holder, kind, range, !last_look, seen);
    const bool intact = sync_internal::Release(self, lock_);
    if (!answer.ok()) return answer.status();
    if (answer->lent) return answer->borrow;
    if (!intact) return Scribbled();
    if (last_look) {
      if (quiet) return QuietRefusal();
      const auto code = deadline.poll_once() ? absl::StatusCode::kFailedPrecondition : absl::StatusCode::kDeadlineExceeded;
      return Refusal(code, holder, kind, range, answer->conflict);
    }
    SleepUntilGivenBack(holder, changes_, seen, deaths, deadline);
  }
}

absl::StatusOr<ArrayCore::Answer> ArrayCore::LendLocked(const Holder& holder, BorrowKind kind, Range range, bool announce,
                                                        uint32_t& seen) {
  SHOAL_RETURN_IF_ERROR(CheckAlive(holder));
  Answer answer;
  if (!IsFree(holder, kind, range, answer.conflict)) {
    if (!announce) return answer;
    seen = changes_.fetch_or(kWaiters, std::memory_order_acquire) | kWaiters;  // array.returned (acquire)
    if (!IsFree(holder, kind, range, answer.conflict)) return answer;
  }
  answer.lent = true;
  answer.borrow.abandoned = IsMarked(range);
  SHOAL_ASSIGN_OR_RETURN(answer.borrow.place, FreePlace(holder));
  Publish(answer.borrow.place, range, OwnerOf(holder.id, kind));
  if (answer.borrow.abandoned && kind == BorrowKind::kMutable) TakeMarksAway(range);
  return answer;
}

absl::Status ArrayCore::Access(const Holder& holder, BorrowKind kind, Range range, uint64_t length,
                               absl::FunctionRef<void()> access) {
  SHOAL_RETURN_IF_ERROR(CheckRange(range, length));
  sync_internal::Thread& self = sync_internal::ThisThread();
  SHOAL_RETURN_IF_ERROR(AcquireInner(self, lock_, Deadline::Passed()));
  const absl::Status status = [&]() -> absl::Status {
    SHOAL_RETURN_IF_ERROR(CheckAlive(holder));
    Conflict conflict;
    if (!IsFree(holder, kind, range, conflict)) {
      return Refusal(absl::StatusCode::kFailedPrecondition, holder, kind, range, conflict);
    }
    uint32_t place = kNoPlace;
    if (kind == BorrowKind::kMutable) {
      SHOAL_ASSIGN_OR_RETURN(place, FreePlace(holder));
      Publish(place, range, OwnerOf(holder.id, kind));
    }
    access();
    // array.handoff (release): the elements are changed. Nobody has been refused meanwhile: we have the lock.
    if (place != kNoPlace) places_[place].owner.store(0, std::memory_order_release);
    return absl::OkStatus();
  }();
  sync_internal::Release(self, lock_);
  return status;
}

absl::Status ArrayCore::GiveBack(uint32_t place, ParticipantId id, BorrowKind kind) {
  if (place == kNoPlace) return absl::OkStatus();
  uint64_t owner = OwnerOf(id, kind);
  // array.handoff (release): what was done to the elements; on failure relaxed: it is not ours
  if (!places_[place].owner.compare_exchange_strong(owner, 0, std::memory_order_release, std::memory_order_relaxed)) {
    return Scribbled();
  }
  uint32_t seen = changes_.load(std::memory_order_relaxed);  // relaxed: the CAS decides
  // array.returned (release); on failure relaxed: look again
  while (
      !changes_.compare_exchange_weak(seen, (seen + 1) & kSequence, std::memory_order_release, std::memory_order_relaxed)) {
  }
  if ((seen & kWaiters) != 0) sync_internal::WakeAll(changes_);
  return absl::OkStatus();
}

// ---- the table: under the lock from here on ---------------------------------------------------------------------------------------

uint32_t ArrayCore::PlacesInUse() const {
  return std::min<uint32_t>(places_used_.load(std::memory_order_relaxed), kPlaces);  // relaxed: only under the lock
}

Range ArrayCore::RangeOf(const Place& place) {
  // relaxed, both: written under the lock, before the place was published
  return {.begin = place.begin.load(std::memory_order_relaxed), .end = place.end.load(std::memory_order_relaxed)};
}

// Whether nobody who lives has borrowed of `range` what `kind` excludes; if so, `conflict` is who.
bool ArrayCore::IsFree(const Holder& holder, BorrowKind kind, Range range, Conflict& conflict) {
  static_assert(offsetof(ArrayCore, places_) + offsetof(Place, owner) == kBorrowWords.at &&
                    sizeof(Place) == kBorrowWords.stride && kPlaces == kBorrowWords.count,
                "where who looks for the living finds what they have");
  const uint32_t used = PlacesInUse();
  for (uint32_t i = 0; i < used; ++i) {
    Place& place = places_[i];
    uint64_t owner = place.owner.load(std::memory_order_acquire);  // array.handoff (acquire)
    if (!IsLent(owner)) continue;
    if (kind == BorrowKind::kShared && KindOf(owner) == BorrowKind::kShared) continue;
    const Range lent = RangeOf(place);
    if (!lent.Overlaps(range)) continue;
    if (!IsDead(holder.segment(), IdOf(owner))) {
      conflict = {.id = IdOf(owner), .kind = KindOf(owner), .range = lent};
      return false;
    }
    // relaxed: the dead one's stores are published by the kernel's mark, and the next borrower acquires that through IsDead
    place.owner.compare_exchange_strong(owner, LeftBy(owner), std::memory_order_relaxed);
  }
  return true;
}

// Of all the dead.
void ArrayCore::TakeBack(const Holder& holder) {
  const uint32_t used = PlacesInUse();
  for (uint32_t i = 0; i < used; ++i) {
    uint64_t owner = places_[i].owner.load(std::memory_order_relaxed);  // relaxed: the CAS decides
    if (!IsLent(owner) || !IsDead(holder.segment(), IdOf(owner))) continue;
    places_[i].owner.compare_exchange_strong(owner, LeftBy(owner), std::memory_order_relaxed);  // relaxed: as in IsFree
  }
}

// A place for a borrow, so that the spare ones stay free.
absl::StatusOr<uint32_t> ArrayCore::FreePlace(const Holder& holder) {
  if (CountFree() <= kSpare || kPlaces - CountFree() >= kMaxBorrows) {
    TakeBack(holder);
    while (CountFree() <= kSpare && MergeTwoMarks()) {
    }
    int lent = 0;
    for (uint32_t i = 0; i < PlacesInUse(); ++i) {
      lent += IsLent(places_[i].owner.load(std::memory_order_relaxed)) ? 1 : 0;  // relaxed: a count
    }
    if (lent >= kMaxBorrows || CountFree() <= kSpare) {
      return MakeStatus(absl::StatusCode::kResourceExhausted,
                        absl::StrCat("an array lends ", kMaxBorrows, " ranges at one time, and ", lent, " are lent"));
    }
  }
  return FindFree();
}

int ArrayCore::CountFree() const {
  int used = 0;
  for (uint32_t i = 0; i < PlacesInUse(); ++i) {
    used += places_[i].owner.load(std::memory_order_relaxed) != 0 ? 1 : 0;  // relaxed: a count
  }
  return kPlaces - used;
}

// REQUIRES: there is one.
uint32_t ArrayCore::FindFree() const {
  uint32_t i = 0;
  // array.handoff (acquire): who had the place has read its range for the last time
  while (i < PlacesInUse() && places_[i].owner.load(std::memory_order_acquire) != 0) ++i;
  return std::min<uint32_t>(i, kPlaces - 1);
}

void ArrayCore::Publish(uint32_t place, Range range, uint64_t owner) {
  // relaxed, all: only under the lock, and in front of it before it is in use
  if (places_used_.load(std::memory_order_relaxed) <= place) places_used_.store(place + 1, std::memory_order_relaxed);
  places_[place].begin.store(range.begin, std::memory_order_relaxed);  // relaxed: published by the owner
  places_[place].end.store(range.end, std::memory_order_relaxed);      // relaxed: as above
  places_[place].owner.store(owner, std::memory_order_release);        // array.handoff (release): the range
}

// ---- marks ------------------------------------------------------------------------------------------------------------------------

bool ArrayCore::IsMarked(Range range) const {
  for (uint32_t i = 0; i < PlacesInUse(); ++i) {
    // relaxed: only under the lock
    if (places_[i].owner.load(std::memory_order_relaxed) == kMark && RangeOf(places_[i]).Overlaps(range)) return true;
  }
  return false;
}

// False: there is no place left.
bool ArrayCore::AddMark(Range range) {
  if (range.empty()) return true;
  if (CountFree() == 0) return false;
  Publish(FindFree(), range, kMark);
  return true;
}

// A mutable borrow of `range` is in the table.
void ArrayCore::TakeMarksAway(Range range) {
  const uint32_t used = PlacesInUse();
  for (uint32_t i = 0; i < used; ++i) {
    Place& place = places_[i];
    if (place.owner.load(std::memory_order_relaxed) != kMark) continue;  // relaxed: only under the lock
    const Range mark = RangeOf(place);
    if (!mark.Overlaps(range)) continue;
    // First what stays marked. Where there is no place for it, too much stays marked.
    const int pieces = (mark.begin < range.begin ? 1 : 0) + (range.end < mark.end ? 1 : 0);
    if (CountFree() < pieces) continue;
    AddMark({.begin = mark.begin, .end = range.begin});
    AddMark({.begin = range.end, .end = mark.end});
    place.owner.store(0, std::memory_order_release);  // array.handoff (release): the place
  }
}

// Makes one mark of the two that are nearest to each other, and of all between them. False: there are not two.
bool ArrayCore::MergeTwoMarks() {
  uint32_t first = kNoPlace;
  uint32_t second = kNoPlace;
  uint64_t nearest = std::numeric_limits<uint64_t>::max();
  for (uint32_t i = 0; i < PlacesInUse(); ++i) {
    if (places_[i].owner.load(std::memory_order_relaxed) != kMark) continue;  // relaxed: only under the lock
    const Range a = RangeOf(places_[i]);
    for (uint32_t j = i + 1; j < PlacesInUse(); ++j) {
      if (places_[j].owner.load(std::memory_order_relaxed) != kMark) continue;  // relaxed: as above
      const Range b = RangeOf(places_[j]);
      const uint64_t gap = a.Overlaps(b) ? 0 : a.end <= b.begin ? b.begin - a.end : a.begin - b.end;
      if (gap >= nearest) continue;
      nearest = gap;
      first = i;
      second = j;
    }
  }
  if (first == kNoPlace) return false;
  const Range a = RangeOf(places_[first]);
  const Range b = RangeOf(places_[second]);
  if (!AddMark({.begin = std::min(a.begin, b.begin), .end = std::max(a.end, b.end)})) return false;
  places_[first].owner.store(0, std::memory_order_release);   // array.handoff (release): the place
  places_[second].owner.store(0, std::memory_order_release);  // array.handoff (release): the same
  return true;
}

absl::Status ArrayCore::Refusal(absl::StatusCode code, const Holder& holder, BorrowKind kind, Range range,
                                const Conflict& conflict) const {
  const std::string who = conflict.id == holder.id ? "this process" : Describe(holder.segment(), conflict.id);
  return MakeStatus(code, absl::StrCat("elements ", InWords(range), " cannot be borrowed for ", InWords(kind), ": ", who,
                                       " has ", InWords(conflict.range), " for ", InWords(conflict.kind)));
}

}  // namespace shoal::shm_internal
