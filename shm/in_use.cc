#include "shoal/shm/in_use.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "shoal/shm/held_words.h"
#include "shoal/shm/journal.h"
#include "shoal/shm/participants.h"
#include "shoal/sync/read_write_lock.h"
#include "shoal/sync/robust_list.h"
#include "shoal/sync/robust_lock.h"

namespace shoal::shm_internal {
namespace {

using sync_internal::ReadWriteLock;
using sync_internal::RobustWord;

// `at` and the `bytes` from there lie in the segment.
using UseFunction = bool (*)(Attachment& attachment, const Layout& layout, std::byte* at, size_t bytes);

constexpr size_t RoundUp(size_t value, size_t multiple) { return (value + multiple - 1) / multiple * multiple; }

bool IsOwned(RobustWord& lock) {
  const auto owner = [&] {
    // lock.handoff (acquire); seq_cst: store→load with a release, which looks for the doomed after it
    return sync_internal::OwnerOf(lock.word.load(std::memory_order_seq_cst));
  };
  if (owner() != 0 && owner() != sync_internal::ThisThread().tid) sync_internal::MarkIfOwnerIsGone(lock);
  return owner() != 0;
}

// The same of a lock whose owner has a section open. Nobody can own it any more, so a dead owner's section is ours to undo.
bool IsOwnedOrOpen(Attachment& attachment, RobustWord& lock) {
  if (IsOwned(lock)) return true;
  // relaxed: after IsOwned, nobody changes it
  if (!sync_internal::OwnerDied(lock.word.load(std::memory_order_relaxed))) return false;
  const absl::Status undone = RecoverSection(attachment, attachment.OffsetOf(&lock));
  return !undone.ok() && !absl::IsDataLoss(undone);  // what is damaged will be no better
}

bool LockIsUsed(Attachment&, const Layout&, std::byte* at, size_t bytes) {
  return bytes >= sizeof(RobustWord) && IsOwned(*reinterpret_cast<RobustWord*>(at));
}

// Mutex and Value: behind what they guard.
bool MutexIsUsed(Attachment& attachment, const Layout& layout, std::byte* at, size_t bytes) {
  const size_t lock_at = layout.parts.empty() ? bytes : RoundUp(SizeOf(layout.parts[0]), alignof(RobustWord));
  if (lock_at > bytes || bytes - lock_at < sizeof(RobustWord)) return false;
  return IsOwnedOrOpen(attachment, *reinterpret_cast<RobustWord*>(at + lock_at));
}

bool RwLockIsUsed(Attachment& attachment, const Layout& layout, std::byte* at, size_t bytes) {
  const size_t lock_at = layout.parts.empty() ? bytes : RoundUp(SizeOf(layout.parts[0]), alignof(ReadWriteLock));
  if (lock_at > bytes || bytes - lock_at < sizeof(ReadWriteLock)) return false;
  auto& lock = *reinterpret_cast<ReadWriteLock*>(at + lock_at);
  if (reinterpret_cast<uintptr_t>(&lock) % alignof(ReadWriteLock) != 0) return false;
  for (int i = 0; i < ReadWriteLock::kReaders; ++i) {
    if (IsOwned(lock.reader(i))) return true;
  }
  return IsOwnedOrOpen(attachment, lock.turnstile());
}

bool AnyHeld(const Attachment& attachment, HeldWords words, std::byte* at, size_t bytes) {
  if (bytes < words.at + words.count * words.stride) return false;
  for (size_t i = 0; i < words.count; ++i) {
    auto* const word = reinterpret_cast<std::atomic<uint64_t>*>(at + words.at + i * words.stride);
    // permit_pool.handoff, array.handoff (acquire); seq_cst: store→load with who gives it back, who looks for the doomed after it
    const ParticipantId holder = HeldWords::HolderOf(word->load(std::memory_order_seq_cst));
    if (holder != 0 && !IsDead(attachment, holder)) return true;
  }
  return false;
}
bool ArrayIsUsed(Attachment& attachment, const Layout&, std::byte* at, size_t bytes) {
  return AnyHeld(attachment, kBorrowWords, at, bytes);
}
bool PoolIsUsed(Attachment& attachment, const Layout&, std::byte* at, size_t bytes) {
  return AnyHeld(attachment, kPermitWords, at, bytes);
}

// What may be held or locked from outside of calls. The others are only inside of calls, which are made through a handle.
constexpr struct {
  std::string_view name;
  UseFunction is_used;
} kUsed[] = {
    {"Mutex", &MutexIsUsed}, {"Value", &MutexIsUsed}, {"RwLock", &RwLockIsUsed},   {"Lock", &LockIsUsed},
    {"RLock", &LockIsUsed},  {"Array", &ArrayIsUsed}, {"PermitPool", &PoolIsUsed},
};

UseFunction UseOf(const Layout& layout) {
  if (layout.kind != Layout::Kind::kNamed) return nullptr;
  for (const auto& row : kUsed) {
    if (row.name == layout.name) return row.is_used;
  }
  return nullptr;
}

bool MayBeUsed(const Layout& layout) {
  return UseOf(layout) != nullptr || std::any_of(layout.parts.begin(), layout.parts.end(), MayBeUsed);
}

}  // namespace

bool IsInUse(Attachment& attachment, const Layout& layout, std::byte* object) {
  const size_t bytes = SizeOf(layout);
  if (bytes == 0 || !MayBeUsed(layout)) return false;
  if (!attachment.Contains(object, bytes) || reinterpret_cast<uintptr_t>(object) % alignof(RobustWord) != 0) return false;
  switch (layout.kind) {
    case Layout::Kind::kScalar:
    case Layout::Kind::kOuter:
      return false;
    case Layout::Kind::kArray:
      for (size_t i = 0; i < layout.number; ++i) {
        if (IsInUse(attachment, layout.parts[0], object + i * SizeOf(layout.parts[0]))) return true;
      }
      return false;
    case Layout::Kind::kStruct:
      for (size_t i = 0; i < layout.parts.size(); ++i) {
        if (IsInUse(attachment, layout.parts[i], object + layout.offsets[i])) return true;
      }
      return false;
    case Layout::Kind::kNamed:
      break;
  }
  // Of other classes it is not known where their parts lie.
  const UseFunction is_used = UseOf(layout);
  return is_used != nullptr && is_used(attachment, layout, object, bytes);
}

}  // namespace shoal::shm_internal
