// Bits are flipped at random in a live segment: in containers of every kind, in the blocks behind them, in the heap's own words and in the
// segment's header. Property: every call answers with a status or with a value; nobody crashes, hangs, or reads or writes outside of
// the mapping. That goes for the calls that can say so, and for those that users read with: iterators, indexes below size(), view, ==,
// empty and * of a box.
//
// The mapping has 64 MiB of inaccessible memory on both sides, so that an access a little outside is a crash, and wilder ones mostly are
// one anyway.

#include "shoal/tests/shm/scribble.h"

#include <unistd.h>

#include <array>
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
#include "shoal/sync/robust_list.h"
#include "shoal/sync/status.h"

namespace shoal::tests {
namespace {

using sync_internal::RobustWord;

struct Item {
  int64_t number = 0;
  String name;
  Box<String> note;
};
struct Link {
  int64_t value = 0;
  Box<Link> next;
};
struct Root {
  HashMap<uint32_t, int64_t> numbers;
  HashMap<String, Vector<Variant>> rows;
  Vector<Item> items;
  Deque<String> queue;
  Variant variant;
  Shared<Mutex<int>> handle;
  Box<Link> list;
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
    locks_ = std::make_unique<LockWords>(*attachment_);
    locks_->Add(*reinterpret_cast<const RobustWord*>(reinterpret_cast<const std::byte*>(mutex_ + 1) - sizeof(RobustWord)));
    const bool guarded = attachment_->base() == hole;
    if (!mutex_->With([&](Root& root) { return Fill(root); }).ok()) _exit(2);
    for (int section = 0; section < 6; ++section) {
      auto guard = mutex_->Lock(absl::ZeroDuration());
      if (!guard.ok()) break;
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
    Box<Link>* last = &root.list;
    for (int i = 0; i < 4; ++i) {
      SHOAL_RETURN_IF_ERROR(last->Set(i));
      SHOAL_ASSIGN_OR_RETURN(Link * link, last->Edit());
      last = &link->next;
    }
    SHOAL_ASSIGN_OR_RETURN(const Shared<Mutex<int>> made, segment_->New<Mutex<int>>());
    SHOAL_RETURN_IF_ERROR(root.handle.Assign(made));
    return root.variant.SetString("text");
  }

  // The segment's header, the first slots of participants and threads, and of the pages.
  size_t PlaceInTables() {
    switch (Below(4)) {
      case 0:
        return Below(sizeof(shm_internal::SegmentHeader));
      case 1:
        return shm_internal::Areas::kParticipantsAt + Below(2 * sizeof(shm_internal::ParticipantSlot));
      case 2:
        return shm_internal::Areas::kThreadsAt + Below(3 * sizeof(shm_internal::ThreadSlot));
      default:
        return attachment_->areas().page_table + Below(16 * sizeof(uint64_t));
    }
  }

  // Bytes that matter: most often the root and the pages that are in use, sometimes anything.
  void Flip(size_t count) {
    const size_t first_page = attachment_->areas().first_page;
    while (count-- != 0) {
      const size_t kind = Below(8);
      const size_t at = kind < 3   ? attachment_->OffsetOf(mutex_) + Below(sizeof(Root))
                        : kind < 6 ? first_page + Below(12 * shm_internal::kHeapPageBytes)
                        : kind < 7 ? PlaceInTables()
                                   : Below(attachment_->size_bytes());
      if (locks_->Has(at)) continue;
      attachment_->base()[at] ^= static_cast<std::byte>(1 << Below(8));
    }
  }

  void Use(Root& root) {
    const auto key = static_cast<uint32_t>(Below(80));
    const std::string text = std::to_string(Below(16));
    switch (Below(32)) {
      case 24:
        for (const Item& item : root.items) {
          seen_ += Sum(item.name.view()) + (item.name == "an item") + (item.name < "an item");
          if (!item.note.empty()) seen_ += Sum(*item.note);
        }
        for (size_t i = 0; i < root.items.size(); ++i) seen_ += Sum(root.items[i].name);
        return;
      case 25:
        for (const String& waits : root.queue) seen_ += Sum(waits) + (waits == "waits");
        for (size_t i = 0; i < root.queue.size(); ++i) seen_ += Sum(root.queue[i]);
        return;
      case 26:
        for (const auto& [name, row] : root.rows) {
          seen_ += std::string(name).size() + name.size();
          for (const Variant& variant : row) seen_ += variant == root.variant;
        }
        return;
      case 27: {
        int steps = 0;  // a link may lead back
        for (const Box<Link>* at = &root.list; !at->empty() && ++steps < 100; at = &(*at)->next) {
          seen_ += static_cast<size_t>((*at)->value);
        }
        return;
      }
      case 28:
        if (!root.items.empty()) seen_ += static_cast<size_t>(root.items.data()->number);
        if (!root.queue.empty()) seen_ += Sum(*root.queue.begin());
        return;
      case 29:
        if (const auto item = root.items.EmplaceBack(7); item.ok()) seen_ += Sum((*item)->name);
        if (const auto text = root.queue.Edit(1); text.ok()) seen_ += Answered((*text)->Assign("edited"));
        return;
      case 30:
        if (const auto first = root.list.Edit(); first.ok()) {
          seen_ += Answered(root.list.Swap((*first)->next)) + Answered(root.list.Take((*first)->next));
        }
        return;
      case 31:
        for (const String& waits : root.queue) {
          seen_ += Answered(root.variant.SetString(waits));
          break;
        }
        return;
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

  static constexpr size_t kPages = 32;

  std::mt19937_64 random_;
  std::unique_ptr<Segment> segment_;
  std::shared_ptr<shm_internal::Attachment> attachment_;
  Mutex<Root>* mutex_ = nullptr;
  std::unique_ptr<LockWords> locks_;
  uint64_t seen_ = 0;  // so that what is read is used
};

TEST(ScribbleTest, EveryCallAnswersWhateverTheBytesAre) {
  RunRounds([](uint64_t seed) { return Round(seed).Run(); });
}

}  // namespace
}  // namespace shoal::tests
