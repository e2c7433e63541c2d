// Bits are flipped at random in a live segment: in containers of every kind, in the blocks behind them, in the heap's own words and in the
// segment's header. Property: every call answers with a status or with a value; nobody crashes, hangs, or reads or writes outside of
// the mapping.
//
// The mapping has 64 MiB of inaccessible memory on both sides, so that an access a little outside is a crash, and wilder ones mostly are
// one anyway. Each round runs in a process of its own, as what it does to the heap is not to be survived but to be answered; a watchdog
// (this test's size) notices one that never ends. Links of locks that are held are spared, as the kernel and other libraries follow them.

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/box.h"
#include "shoal/shm/deque.h"
#include "shoal/shm/hash_map.h"
#include "shoal/shm/layout.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/shared.h"
#include "shoal/shm/string.h"
#include "shoal/shm/variant.h"
#include "shoal/shm/vector.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/robust_list.h"
#include "shoal/sync/status.h"

namespace shoal::tests {
namespace {

struct Item {
  int64_t number = 0;
  String name;
  Box<String> note;
};
struct Root {
  HashMap<uint32_t, int64_t> numbers;
  HashMap<String, Vector<Variant>> rows;
  Vector<Item> items;
  Deque<String> queue;
  Variant variant;
  Shared<Mutex<int>> handle;
};

// What reads and writes here is the test: the answers are looked at only for being there.
template <class T>
bool Answered(const absl::StatusOr<T>& result) {
  return result.ok();
}
bool Answered(const absl::Status& status) { return status.ok(); }

class Round {
 public:
  explicit Round(uint64_t seed) : random_(seed) {}

  // Returns whether there were guards on both sides.
  bool Run() {
    std::byte* const hole = MakeHole(shm_internal::Areas::OfPages(kPages).file_bytes);
    auto segment = Segment::Create({.limit_bytes = kPages * shm_internal::kHeapPageBytes});
    if (!segment.ok()) _exit(2);
    segment_ = std::make_unique<Segment>(*std::move(segment));
    mutex_ = new (segment_->At<Mutex<Root>>(segment_->Allocate(sizeof(Mutex<Root>), 64).value())) Mutex<Root>;
    attachment_ = shm_internal::Attachment::Of(mutex_);
    const bool guarded = attachment_->base() == hole;
    if (!mutex_->With([&](Root& root) { return Fill(root); }).ok()) _exit(2);
    for (int section = 0; section < 6; ++section) {
      auto guard = mutex_->Lock(absl::ZeroDuration());
      if (!guard.ok()) break;  // the lock's word itself was hit
      Flip(Below(6) + 1);
      for (int i = 0; i < 12; ++i) {
        Use(**guard);
        if (Below(3) == 0) Flip(1);
      }
      if (Below(3) == 0) guard->Rollback();
    }
    asm volatile("" : : "r"(seen_));
    return guarded;
  }

 private:
  static std::byte* Inaccessible(size_t bytes) {
    return static_cast<std::byte*>(mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  }
  // A hole in inaccessible memory, where the kernel will put the next mapping of so many bytes: all others are filled.
  static std::byte* MakeHole(size_t bytes) {
    std::byte* const hole = Inaccessible(kGuardBytes + bytes + kGuardBytes) + kGuardBytes;
    munmap(hole, bytes);
    for (int i = 0; i < 1000; ++i) {
      std::byte* const filled = Inaccessible(bytes);
      if (filled != hole) continue;
      munmap(filled, bytes);
      break;
    }
    return hole;
  }

  size_t Below(size_t limit) { return std::uniform_int_distribution<size_t>(0, limit - 1)(random_); }

  absl::Status Fill(Root& root) {
    for (uint32_t i = 0; i < 50; ++i) SHOAL_RETURN_IF_ERROR(root.numbers.Set(i, i));
    for (int i = 0; i < 12; ++i) {
      SHOAL_ASSIGN_OR_RETURN(Vector<Variant> * row, root.rows.Insert(std::to_string(i)));
      SHOAL_RETURN_IF_ERROR(row->PushBack(i));
      SHOAL_RETURN_IF_ERROR(row->PushBack("salted herring"));
      SHOAL_RETURN_IF_ERROR(root.items.PushBack(i, "an item", "a note"));
      SHOAL_RETURN_IF_ERROR(root.queue.PushBack("waits"));
    }
    SHOAL_ASSIGN_OR_RETURN(const Shared<Mutex<int>> made, segment_->New<Mutex<int>>());
    SHOAL_RETURN_IF_ERROR(root.handle.Assign(made));
    return root.variant.SetString("text");
  }

  // Bytes that matter: most often the root and the pages that are in use, sometimes anything.
  void Flip(size_t count) {
    const size_t first_page = attachment_->areas().first_page;
    while (count-- != 0) {
      const size_t kind = Below(8);
      const size_t at = kind < 3   ? attachment_->OffsetOf(mutex_) + Below(sizeof(Root))
                        : kind < 6 ? first_page + Below(12 * shm_internal::kHeapPageBytes)
                        : kind < 7 ? attachment_->areas().page_table + Below(16 * sizeof(uint64_t))
                                   : Below(attachment_->size_bytes());
      if (Spared(at)) continue;
      attachment_->base()[at] ^= static_cast<std::byte>(1 << Below(8));
    }
  }

  // A held lock: the mutex's, and this thread's life word in its slot.
  bool Spared(size_t at) const {
    const size_t lock = attachment_->OffsetOf(mutex_) + sizeof(Mutex<Root>) - sizeof(sync_internal::RobustWord);
    if (at >= lock && at < lock + sizeof(sync_internal::RobustWord)) return true;
    return at >= shm_internal::Areas::kParticipantsAt && at < attachment_->areas().page_table;
  }

  void Use(Root& root) {
    const auto key = static_cast<uint32_t>(Below(80));
    const std::string text = std::to_string(Below(16));
    switch (Below(24)) {
      case 22:
        seen_ += root.handle.get() != nullptr && root.handle->locked();
        return;
      case 23:
        if (Shared<Mutex<int>> copy; copy.Assign(root.handle).ok()) seen_ += copy.get() != nullptr;
        return;
      case 0:
        if (const int64_t* const found = root.numbers.Find(key); found != nullptr) seen_ += static_cast<size_t>(*found);
        return;
      case 1:
        for (const auto& [number, value] : root.numbers) seen_ += number + static_cast<size_t>(value);
        return;
      case 2:
        seen_ += Answered(root.numbers.Set(key, 5));
        return;
      case 3:
        seen_ += Answered(root.numbers.Erase(key));
        return;
      case 4:
        seen_ += Answered(root.numbers.Reserve(Below(300)));
        return;
      case 5:
        if (const auto all = root.numbers.EditAll(); all.ok()) {
          for (auto [number, value] : *all) ++value;
        }
        return;
      case 6:
      case 7:
        if (const Vector<Variant>* const row = root.rows.Find(text); row != nullptr) Look(*row);
        return;
      case 8:
        for (const auto& [name, row] : root.rows) {
          if (const auto checked = name.Checked(); checked.ok()) seen_ += Sum(*checked);
          Look(row);
        }
        return;
      case 9:
        seen_ += Answered(root.rows.Set(text, std::array{1, 2}));
        return;
      case 10:
        seen_ += Answered(root.rows.Erase(text));
        return;
      case 11:
        if (const auto row = root.rows.FindOrInsert(text); row.ok()) {
          seen_ += Answered((*row)->PushBack("more"));
          if (const auto first = (*row)->Edit(0); first.ok()) seen_ += Answered((*first)->SetDouble(0.5));
        }
        return;
      case 12:
        if (Below(4) == 0) seen_ += Answered(root.rows.Clear()) + Answered(root.numbers.Clear());
        return;
      case 13:
        seen_ += Answered(root.items.PushBack(5, "new", "note")) + Answered(root.items.Insert(2, 6, "inserted"));
        return;
      case 14:
        seen_ += Answered(root.items.Erase(Below(5)));
        return;
      case 15:
        if (const auto item = root.items.Edit(Below(8)); item.ok()) {
          seen_ += Answered((*item)->name.Append("er"));
          seen_ += Answered((*item)->note.Set("noted"));
        }
        return;
      case 16:
        if (const auto all = root.items.Checked(); all.ok()) {
          for (const Item& item : *all) {
            if (const auto name = item.name.Checked(); name.ok()) seen_ += Sum(*name);
          }
        }
        return;
      case 17:
        seen_ += Answered(root.queue.PushBack("later")) + Answered(root.queue.PushFront("sooner"));
        return;
      case 18:
        seen_ += Answered(root.queue.PopFront());
        return;
      case 19:
        seen_ += Answered(root.variant.SetInt(5)) + Answered(root.variant.SetString("a longer text than before"));
        return;
      case 20:
        if (const auto found = root.variant.AsString(); found.ok()) seen_ += Sum(*found);
        return;
      default:
        seen_ += Answered(root.items.Resize(Below(20))) + Answered(root.items.ShrinkToFit());
        return;
    }
  }

  void Look(const Vector<Variant>& row) {
    const auto all = row.Checked();
    if (!all.ok()) return;
    for (const Variant& variant : *all) {
      if (const auto text = variant.AsString(); text.ok()) seen_ += Sum(*text);
      if (const auto number = variant.AsInt(); number.ok()) seen_ += static_cast<size_t>(*number);
    }
  }
  static size_t Sum(std::string_view text) {
    size_t sum = 0;
    for (const char c : text) sum += static_cast<unsigned char>(c);
    return sum;
  }

  static constexpr size_t kGuardBytes = size_t{64} << 20;
  static constexpr size_t kPages = 32;

  std::mt19937_64 random_;
  std::unique_ptr<Segment> segment_;
  std::shared_ptr<shm_internal::Attachment> attachment_;
  Mutex<Root>* mutex_ = nullptr;
  uint64_t seen_ = 0;  // so that what is read is used
};

TEST(ScribbleTest, EveryCallAnswersWhateverTheBytesAre) {
  const char* const given = getenv("SHOAL_SCRIBBLE_SEED");
  const uint64_t seed = given != nullptr ? strtoull(given, nullptr, 10) : std::random_device()();
  const char* const seconds = getenv("SHOAL_SCRIBBLE_SECONDS");
  const int64_t end = sync_internal::Deadline::Now() + static_cast<int64_t>((seconds != nullptr ? atof(seconds) : 4) * 1e9);
  constexpr int kUnguarded = 3;
  int unguarded = 0;
  int rounds = 0;
  for (; sync_internal::Deadline::Now() < end; ++rounds) {
    const uint64_t own_seed = seed + static_cast<uint64_t>(rounds);
    const pid_t pid = fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      alarm(60);  // a watchdog: a round takes a millisecond
      _exit(Round(own_seed).Run() ? 0 : kUnguarded);
    }
    int status = 0;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    unguarded += WIFEXITED(status) && WEXITSTATUS(status) == kUnguarded;
    ASSERT_TRUE(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == kUnguarded))
        << "status " << status << "; repeat it by SHOAL_SCRIBBLE_SEED=" << own_seed << " SHOAL_SCRIBBLE_SECONDS=0.001";
    if (given != nullptr && seconds != nullptr && atof(seconds) < 0.01) break;
  }
  printf("SHOAL_SCRIBBLE_SEED=%lu, %d rounds, %d without guards\n", seed, rounds, unguarded);
  EXPECT_LT(unguarded, rounds / 2 + 1);
}

}  // namespace
}  // namespace shoal::tests
