// shm/permit_pool.cc: the cells, the word, the edges, the deaths.
//
//  cell of a slot       meaning                                          who may change it, to what
//   (anybody, 0), 0      the slot's participant holds nothing              that participant, with the lock → (itself, n)
//   (P, n), P lives      P holds n permits                                 P: with the lock → n + k; without it → n - k
//   (P, n), P is dead    they are free, and nobody has seen it yet         whoever has the lock → 0; the slot's next participant, with
//                                                                          the lock → (itself, k)
//
//  The cells are all there is: what is free is `total_` less the cells of the living, and is counted by whoever has the lock. Without
//  the lock cells only get smaller, so a count is never too high. The lock protects nothing else: a death of its owner leaves nothing
//  to repair.
//
//  changes_: waiters:1 several:1 sequence:30. Whoever gives back makes its cell smaller, and then adds 1 to the sequence and forgets
//  both bits. If the first was set, it wakes as many as it brought permits. If the second was, it adds 1 to `several_` and wakes all
//  who sleep there: those who want several have a word of their own, because one that cannot go on would swallow the wake of one that
//  could. A sleeper sets its bit, counts once more, and sleeps on its word as it was. Who has slept sets the bit before it counts, for
//  others may sleep behind it; and whoever takes and leaves some behind, with the first bit set, wakes the next (the baton).
//
//  EDGE permit_pool.handoff: a cell made smaller, release → counted, acquire. Publishes what the holder did before.
//  EDGE permit_pool.changed: the sequence + 1, release → the bits set, acquire. The count that follows sees the smaller cell.
//
//  If the process dies …                       the others see …
//   with the lock, before its cell is stored     nothing
//   after that, in whatever place                permits of a dead one: whoever looks takes them back, and a keeper's `deaths` makes
//                                                 everybody look (holder.cc)
//   asleep, or woken and nothing done yet        the same `deaths`: the wake it swallowed is made up for
//   giving back, before the cell is stored       as above
//   giving back, before the wake                 the permits free, and the same `deaths`
//   taking back a dead one's                     a cell of a dead one, or 0

#include "shoal/shm/permit_pool.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "shoal/shm/held_words.h"
#include "shoal/shm/lingering.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/process_epoch.h"
#include "shoal/sync/robust_lock.h"
#include "shoal/sync/status.h"

namespace shoal {

using shm_internal::Holder;
using shm_internal::kMaxParticipants;
using shm_internal::ParticipantId;
using sync_internal::Deadline;
using sync_internal::MakeStatus;

namespace {

constexpr uint32_t kWaiters = 0x80000000;
constexpr uint32_t kSeveral = 0x40000000;
constexpr uint32_t kSequence = 0x3fffffff;

constexpr uint64_t CellOf(ParticipantId id, uint32_t count) { return uint64_t{id} << 32 | count; }
constexpr ParticipantId IdOf(uint64_t cell) { return static_cast<ParticipantId>(cell >> 32); }
constexpr uint32_t CountOf(uint64_t cell) { return static_cast<uint32_t>(cell); }

absl::Status TimedOut() {
  // Made once, so that a timeout allocates nothing.
  static const absl::Status* const status =
      new absl::Status(MakeStatus(absl::StatusCode::kDeadlineExceeded, "no permit was free in time"));
  return *status;
}

absl::Status Scribbled() {
  return MakeStatus(absl::StatusCode::kDataLoss, "somebody wrote over a pool of permits: its counters make no sense");
}

}  // namespace

// ---- PermitPool ---------------------------------------------------------------------------------------------------------------

absl::StatusOr<Permit> PermitPool::Acquire(uint32_t count, absl::Duration timeout) {
  SHOAL_RETURN_IF_ERROR(CheckCount(count));
  SHOAL_ASSIGN_OR_RETURN(const Holder holder, shm_internal::EnterAsHolder(this, sizeof(*this)));
  SHOAL_RETURN_IF_ERROR(Take(holder, count, Deadline::After(timeout)));
  return Permit(holder, *this, count);
}

std::optional<Permit> PermitPool::TryAcquire(uint32_t count) {
  auto permit = Acquire(count, absl::ZeroDuration());
  if (!permit.ok()) return std::nullopt;
  return *std::move(permit);
}

absl::Status PermitPool::CheckCount(uint32_t count) const {
  if (__builtin_expect(total_ != 0 && total_ <= kMaxPermits && count != 0 && count <= total_, 1)) return absl::OkStatus();
  if (total_ == 0 || total_ > kMaxPermits) {
    return MakeStatus(absl::StatusCode::kInvalidArgument,
                      absl::StrCat("this pool was made with no permits, or with more than ", kMaxPermits));
  }
  return MakeStatus(absl::StatusCode::kInvalidArgument,
                    absl::StrCat(count, " permits are wanted at once of a pool that has ", total_, " in all"));
}

absl::Status PermitPool::Take(const Holder& holder, uint32_t count, Deadline deadline) {
  const sync_internal::FutexWord& word = count == 1 ? changes_ : several_;
  for (bool slept = false;; slept = true) {
    const When when = {.slept = slept, .last_look = deadline.passed()};
    const uint32_t deaths = shm_internal::DeathsBeforeLook(holder);
    uint32_t seen = 0;
    bool pass_on = false;
    sync_internal::Thread& self = sync_internal::ThisThread();
    if (absl::Status entered = shm_internal::AcquireInner(self, lock_, deadline); !entered.ok()) {
      // It may have been woken for a permit that it cannot look for: another must.
      if (slept) sync_internal::Wake(word, 1);
      return entered;
    }
    const absl::StatusOr<bool> taken = TakeLocked(holder, count, when, seen, pass_on);
    const bool intact = sync_internal::Release(self, lock_);
    if (!taken.ok()) return taken.status();
    if (*taken) {
      if (pass_on) sync_internal::Wake(changes_, 1);
      return absl::OkStatus();
    }
    if (!intact) return Scribbled();
    if (when.last_look) return TimedOut();
    shm_internal::SleepUntilGivenBack(holder, word, seen, deaths, deadline);
  }
}

// Takes `count`, if there are as many. If not, and unless this is the last look, the word says that somebody sleeps; `seen` is
// what its word was then. `pass_on`: whether to wake another.
absl::StatusOr<bool> PermitPool::TakeLocked(const Holder& holder, uint32_t count, When when, uint32_t& seen, bool& pass_on) {
  SHOAL_RETURN_IF_ERROR(shm_internal::CheckAlive(holder));
  const auto announce = [&] {
    const uint32_t bit = count == 1 ? kWaiters : kSeveral;
    const uint32_t several =
        several_.load(std::memory_order_relaxed);  // relaxed: before the bit, which whoever changes this looks at
    seen = changes_.fetch_or(bit, std::memory_order_acquire) | bit;  // permit_pool.changed (acquire)
    if (count != 1) seen = several;
  };
  if (when.slept) announce();
  SHOAL_ASSIGN_OR_RETURN(uint32_t free, CountFree(holder));
  if (free < count) {
    TakeBackFromTheDead(holder);
    if (!when.slept && !when.last_look) announce();
    SHOAL_ASSIGN_OR_RETURN(free, CountFree(holder));
    if (free < count) return false;
  }
  const auto slot = static_cast<uint32_t>(shm_internal::SlotOf(holder.id));
  // relaxed, all: only who has the lock uses it, and a cell is in front of it before it is in use
  if (cells_.load(std::memory_order_relaxed) <= slot) cells_.store(slot + 1, std::memory_order_relaxed);
  std::atomic<uint64_t>& cell = held_[slot];
  uint64_t before = cell.load(std::memory_order_relaxed);  // relaxed: the CAS decides
  uint64_t after;
  do {
    after = CellOf(holder.id, (IdOf(before) == holder.id ? CountOf(before) : 0) + count);
    // relaxed: what the cell publishes, it publishes when it gets smaller
  } while (!cell.compare_exchange_weak(before, after, std::memory_order_relaxed));
  // relaxed: the bit orders nothing
  pass_on = free > count && (changes_.load(std::memory_order_relaxed) & kWaiters) != 0;
  return true;
}

// What the living, as far as is known, have left. Too low at most: others give back meanwhile.
absl::StatusOr<uint32_t> PermitPool::CountFree(const Holder& holder) const {
  static_assert(offsetof(PermitPool, held_) == shm_internal::kPermitWords.at &&
                    sizeof(held_) == shm_internal::kPermitWords.count * shm_internal::kPermitWords.stride,
                "where who looks for the living finds what they hold");
  const auto own = static_cast<uint32_t>(shm_internal::SlotOf(holder.id));
  const uint32_t cells = std::min<uint32_t>(cells_.load(std::memory_order_relaxed), kMaxParticipants);  // relaxed: the lock
  uint64_t held = 0;
  for (uint32_t i = 0; i < cells; ++i) {
    const uint64_t cell = held_[i].load(std::memory_order_acquire);  // permit_pool.handoff (acquire)
    if (i == own && IdOf(cell) != holder.id) continue;               // who had our slot before us is dead
    held += CountOf(cell);
  }
  if (held > total_) return Scribbled();
  return total_ - static_cast<uint32_t>(held);
}

void PermitPool::TakeBackFromTheDead(const Holder& holder) {
  const uint32_t cells = std::min<uint32_t>(cells_.load(std::memory_order_relaxed), kMaxParticipants);  // relaxed: the lock
  for (uint32_t i = 0; i < cells; ++i) {
    uint64_t cell = held_[i].load(std::memory_order_relaxed);  // relaxed: the CAS decides
    if (CountOf(cell) == 0 || IdOf(cell) == holder.id || !shm_internal::IsDead(holder.segment(), IdOf(cell))) continue;
    // permit_pool.handoff (release): whatever the kernel's mark of the death published; on failure relaxed: it is the next one's
    held_[i].compare_exchange_strong(cell, 0, std::memory_order_acq_rel, std::memory_order_relaxed);
  }
}

absl::Status PermitPool::GiveBack(ParticipantId id, uint32_t count) {
  std::atomic<uint64_t>& cell = held_[shm_internal::SlotOf(id)];
  uint64_t before = cell.load(std::memory_order_relaxed);  // relaxed: the CAS decides
  do {
    if (IdOf(before) != id || CountOf(before) < count) return Scribbled();
    // permit_pool.handoff (release); on failure relaxed: look again
  } while (!cell.compare_exchange_weak(before, before - count, std::memory_order_release, std::memory_order_relaxed));
  uint32_t seen = changes_.load(std::memory_order_relaxed);  // relaxed: the CAS decides
  // permit_pool.changed (release); on failure relaxed: look again
  while (
      !changes_.compare_exchange_weak(seen, (seen + 1) & kSequence, std::memory_order_release, std::memory_order_relaxed)) {
  }
  if ((seen & kWaiters) != 0) sync_internal::Wake(changes_, static_cast<int>(count));
  if ((seen & kSeveral) != 0) {
    several_.fetch_add(1, std::memory_order_relaxed);  // relaxed: they sleep comparing it; the cell tells the rest
    sync_internal::WakeAll(several_);
  }
  return absl::OkStatus();
}

uint32_t PermitPool::available() const {
  const std::shared_ptr<shm_internal::Attachment> attachment = shm_internal::Attachment::Of(this);
  const uint32_t cells = std::min<uint32_t>(cells_.load(std::memory_order_relaxed), kMaxParticipants);  // relaxed: a hint
  uint64_t held = 0;
  for (uint32_t i = 0; i < cells; ++i) {
    const uint64_t cell = held_[i].load(std::memory_order_relaxed);  // relaxed: a hint
    if (CountOf(cell) == 0 || attachment == nullptr || shm_internal::IsDead(*attachment, IdOf(cell))) continue;
    held += CountOf(cell);
  }
  return total_ - static_cast<uint32_t>(std::min<uint64_t>(held, total_));
}

// ---- Permit -------------------------------------------------------------------------------------------------------------------

Permit::Permit(const Holder& holder, PermitPool& pool, uint32_t count)
    : attachment_(*holder.attachment), pool_(&pool), count_(count), id_(holder.id), epoch_(sync_internal::ProcessEpoch()) {}

bool Permit::held() const { return pool_ != nullptr && sync_internal::InProcessOf(epoch_); }

absl::Status Permit::Release() {
  if (pool_ == nullptr)
    return MakeStatus(absl::StatusCode::kFailedPrecondition, "this permit has been given back, or moved away");
  PermitPool& pool = *std::exchange(pool_, nullptr);
  // The last thing, because the pool may be unmapped with it.
  const std::shared_ptr<shm_internal::Attachment> attachment = std::move(attachment_);
  if (!sync_internal::InProcessOf(epoch_)) {
    return MakeStatus(absl::StatusCode::kFailedPrecondition, "the parent of this process holds this permit");
  }
  const shm_internal::GivingBack giving_back(attachment, &pool);
  return pool.GiveBack(id_, count_);
}

}  // namespace shoal
