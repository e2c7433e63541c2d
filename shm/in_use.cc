#include "shoal/shm/in_use.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "shoal/shm/held_words.h"
#include "shoal/shm/journal.h"
#include "shoal/sync/read_write_lock.h"
#include "shoal/sync/robust_list.h"
#include "shoal/sync/robust_lock.h"

namespace shoal::shm_internal {
namespace {

using sync_internal::ReadWriteLock;
using sync_internal::RobustWord;

// What there is to look at in an object. `true` ends it.
class Look {
 public:
  // `opens`: its owner may have a section open.
  virtual bool AtLock(RobustWord& lock, bool opens) = 0;
  virtual bool AtHolders(HeldWords words, std::byte* object) = 0;

 protected:
  ~Look() = default;
};

// The `bytes` from `at` lie in the segment.
using Way = bool (*)(const Layout& layout, std::byte* at, size_t bytes, Look& look);

constexpr size_t RoundUp(size_t value, size_t multiple) { return (value + multiple - 1) / multiple * multiple; }

bool ToLock(const Layout&, std::byte* at, size_t bytes, Look& look) {
  return bytes >= sizeof(RobustWord) && look.AtLock(*reinterpret_cast<RobustWord*>(at), /*opens=*/false);
}

// Mutex and Value: behind what they guard.
bool ToMutex(const Layout& layout, std::byte* at, size_t bytes, Look& look) {
  const size_t lock_at = layout.parts.empty() ? bytes : RoundUp(SizeOf(layout.parts[0]), alignof(RobustWord));
  if (lock_at > bytes || bytes - lock_at < sizeof(RobustWord)) return false;
  return look.AtLock(*reinterpret_cast<RobustWord*>(at + lock_at), /*opens=*/true);
}

bool ToRwLock(const Layout& layout, std::byte* at, size_t bytes, Look& look) {
  const size_t lock_at = layout.parts.empty() ? bytes : RoundUp(SizeOf(layout.parts[0]), alignof(ReadWriteLock));
  if (lock_at > bytes || bytes - lock_at < sizeof(ReadWriteLock)) return false;
  auto& lock = *reinterpret_cast<ReadWriteLock*>(at + lock_at);
  if (reinterpret_cast<uintptr_t>(&lock) % alignof(ReadWriteLock) != 0) return false;
  for (int i = 0; i < ReadWriteLock::kReaders; ++i) {
    if (look.AtLock(lock.reader(i), /*opens=*/false)) return true;
  }
  return look.AtLock(lock.turnstile(), /*opens=*/true);
}

template <const HeldWords& words>
bool ToHolders(const Layout&, std::byte* at, size_t bytes, Look& look) {
  return bytes >= words.at + words.count * words.stride && look.AtHolders(words, at);
}

// What may be held or locked from outside of calls. The others are only inside of calls, which are made through a handle.
constexpr struct {
  std::string_view name;
  Way way;
} kWays[] = {
    {"Mutex", &ToMutex}, {"Value", &ToMutex}, {"RwLock", &ToRwLock},
    {"Lock", &ToLock},   {"RLock", &ToLock},  {"Array", &ToHolders<kBorrowWords>}, {"PermitPool", &ToHolders<kPermitWords>},
};

Way WayOf(const Layout& layout) {
  if (layout.kind != Layout::Kind::kNamed) return nullptr;
  for (const auto& row : kWays) {
    if (row.name == layout.name) return row.way;
  }
  return nullptr;
}

bool LookAt(const Attachment& attachment, const Layout& layout, std::byte* object, Look& look) {
  const size_t bytes = SizeOf(layout);
  if (bytes == 0 || !MayBeUsed(layout)) return false;
  if (!attachment.Contains(object, bytes) || reinterpret_cast<uintptr_t>(object) % alignof(RobustWord) != 0) return false;
  switch (layout.kind) {
    case Layout::Kind::kScalar:
    case Layout::Kind::kOuter:
      return false;
    case Layout::Kind::kArray:
      for (size_t i = 0; i < layout.number; ++i) {
        if (LookAt(attachment, layout.parts[0], object + i * SizeOf(layout.parts[0]), look)) return true;
      }
      return false;
    case Layout::Kind::kStruct:
      for (size_t i = 0; i < layout.parts.size(); ++i) {
        if (LookAt(attachment, layout.parts[i], object + layout.offsets[i], look)) return true;
      }
      return false;
    case Layout::Kind::kNamed:
      break;
  }
  // Of other classes it is not known where their parts lie.
  const Way way = WayOf(layout);
  return way != nullptr && way(layout, object, bytes, look);
}

class UseHere final : public Look {
 public:
  explicit UseHere(ParticipantId self) : self_(self) {}

  bool AtLock(RobustWord& lock, bool) override {
    // lock.handoff (acquire); seq_cst: holds.lingering, for the second look
    const uint32_t owner = sync_internal::OwnerOf(lock.word.load(std::memory_order_seq_cst));
    if (owner == 0 || owner == sync_internal::ThisThread().tid) return owner != 0;
    return tgkill(getpid(), static_cast<pid_t>(owner), 0) == 0;  // a thread of ours
  }
  bool AtHolders(HeldWords words, std::byte* object) override {
    for (size_t i = 0; i < words.count; ++i) {
      auto* const word = reinterpret_cast<std::atomic<uint64_t>*>(object + words.at + i * words.stride);
      // permit_pool.handoff, array.handoff (acquire); seq_cst: holds.lingering
      if (HeldWords::HolderOf(word->load(std::memory_order_seq_cst)) == self_) return true;
    }
    return false;
  }

 private:
  const ParticipantId self_;
};

class DeadOwners final : public Look {
 public:
  explicit DeadOwners(Attachment& attachment) : attachment_(attachment) {}

  bool AtLock(RobustWord& lock, bool opens) override {
    uint32_t seen = lock.word.load(std::memory_order_acquire);  // lock.handoff (acquire)
    if (sync_internal::OwnerOf(seen) != 0) {
      sync_internal::MarkIfOwnerIsGone(lock);
      seen = lock.word.load(std::memory_order_acquire);  // lock.handoff (acquire)
    }
    if (sync_internal::OwnerOf(seen) != 0) return true;
    if (!opens || !sync_internal::OwnerDied(seen)) return false;
    // Nobody can own it any more, so a dead owner's section is ours to undo. What is damaged will be no better.
    const absl::Status undone = RecoverSection(attachment_, attachment_.OffsetOf(&lock));
    return !undone.ok() && !absl::IsDataLoss(undone);
  }
  bool AtHolders(HeldWords, std::byte*) override { return false; }

 private:
  Attachment& attachment_;
};

}  // namespace

bool MayBeUsed(const Layout& layout) {
  if (layout.kind == Layout::Kind::kNamed) return WayOf(layout) != nullptr;
  return std::any_of(layout.parts.begin(), layout.parts.end(), MayBeUsed);
}

bool IsUsedHere(const Attachment& attachment, ParticipantId self, const Layout& layout, std::byte* object) {
  UseHere use(self);
  return LookAt(attachment, layout, object, use);
}

bool FinishDeadSections(Attachment& attachment, const Layout& layout, std::byte* object) {
  DeadOwners owners(attachment);
  return !LookAt(attachment, layout, object, owners);
}

}  // namespace shoal::shm_internal
