// Bits are flipped at random in a live segment, in what is no container: Array, PermitPool, RwLock, Mutex and Value, the headers of
// objects, names, types and journals, the segment's header, and the slots of participants and threads. Property: every call answers with a
// status or with a value; nobody crashes, hangs, or reads or writes outside of the mapping.
//
// All waiting is bounded, as a damaged object may well say that somebody has it.

#include <unistd.h>

#include <memory>
#include <random>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "shoal/shm/array.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/hash_map.h"
#include "shoal/shm/layout.h"
#include "shoal/shm/lock_all.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/permit_pool.h"
#include "shoal/shm/rw_lock.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/shared.h"
#include "shoal/shm/string.h"
#include "shoal/shm/value.h"
#include "shoal/shm/vector.h"
#include "shoal/sync/robust_list.h"
#include "shoal/sync/status.h"
#include "shoal/tests/shm/scribble.h"

namespace shoal::tests {
namespace {

using shm_internal::Areas;
using shm_internal::SegmentHeader;
using sync_internal::RobustWord;

struct Root {
  int64_t number = 0;
  Vector<int64_t> numbers;
  Shared<Value<int64_t>> value;
  HashMap<String, Shared<Array<int>>> arrays;
};

// Where bits are flipped, by the number of the round.
enum class Area { kArray, kPermitPool, kRwLock, kPages, kHeader, kMutex, kSlots };
constexpr uint64_t kAreas = 7;

template <class T>
T Must(absl::StatusOr<T> made) {
  if (!made.ok()) _exit(2);
  return *std::move(made);
}

class Round {
 public:
  explicit Round(uint64_t seed) : random_(seed), area_(static_cast<Area>(seed % kAreas)) {}

  // Returns whether there were guards on both sides.
  bool Run() {
    const std::byte* const hole = MakeHole(Areas::OfPages(kPages).file_bytes);
    segment_ = std::make_unique<Segment>(Must(Segment::Create({.limit_bytes = kPages * shm_internal::kHeapPageBytes})));
    array_ = Must(segment_->New<Array<double>>(kItems));
    permits_ = Must(segment_->New<PermitPool>(4u));
    read_ = Must(segment_->New<RwLock<Root>>());
    mutex_ = Must(segment_->New<Mutex<Root>>());
    value_ = Must(segment_->New<Value<int64_t>>(5));
    attachment_ = shm_internal::Attachment::Of(array_.get());
    if (!Prepare().ok()) _exit(2);
    locks_ = std::make_unique<LockWords>(*attachment_);
    locks_->Add(*reinterpret_cast<const RobustWord*>(permits_.get()));  // its first field
    for (int i = 0; i < 4; ++i) {
      Flip();
      for (int j = 0; j < 6; ++j) Use();
    }
    asm volatile("" : : "r"(seen_));
    return attachment_->base() == hole;
  }

 private:
  absl::Status Prepare() {
    SHOAL_RETURN_IF_ERROR(segment_->Publish("array", array_));
    SHOAL_RETURN_IF_ERROR(segment_->Publish("permits", permits_));
    SHOAL_RETURN_IF_ERROR(segment_->Publish("read", read_));
    return read_->WithWrite([&](Root& root) -> absl::Status {
      for (int i = 0; i < 20; ++i) SHOAL_RETURN_IF_ERROR(root.numbers.PushBack(i));
      SHOAL_RETURN_IF_ERROR(root.value.Assign(value_));
      return root.arrays.Set("a", Must(segment_->New<Array<int>>(4)));
    });
  }

  size_t Below(size_t limit) { return std::uniform_int_distribution<size_t>(0, limit - 1)(random_); }

  template <class T>
  size_t PlaceIn(const Shared<T>& object) {
    constexpr size_t kObjectHeader = 64;
    return attachment_->OffsetOf(object.get()) - kObjectHeader + Below(kObjectHeader + sizeof(T));
  }
  size_t Place() {
    switch (area_) {
      case Area::kArray:
        return PlaceIn(array_);
      case Area::kPermitPool:
        return PlaceIn(permits_);
      case Area::kRwLock:
        return PlaceIn(read_);
      case Area::kPages:
        return attachment_->areas().first_page + Below(6 * shm_internal::kHeapPageBytes);
      case Area::kHeader:
        return Below(sizeof(SegmentHeader));
      case Area::kMutex:
        return PlaceIn(mutex_);
      case Area::kSlots:
        return Below(2) == 0 ? Areas::kParticipantsAt + Below(2 * sizeof(shm_internal::ParticipantSlot))
                             : Areas::kThreadsAt + Below(4 * sizeof(shm_internal::ThreadSlot));
    }
    return 0;
  }
  void Flip() {
    size_t at = Place();
    while (locks_->Has(at)) at = Place();
    attachment_->base()[at] ^= static_cast<std::byte>(1 << Below(8));
  }

  void See(const absl::Status& status) { seen_ += status.ok(); }
  void Use() {
    switch (Below(18)) {
      case 0:
        if (const auto borrowed = array_->BorrowMut(Below(kItems), kItems, kWait); borrowed.ok()) {
          for (double& item : borrowed->span()) item = 1;
        }
        return;
      case 1:
        if (const auto borrowed = array_->Borrow(0, Below(kItems + 1), kWait); borrowed.ok()) {
          for (const double item : borrowed->span()) seen_ += static_cast<uint64_t>(item);
        }
        return;
      case 2:
        See(array_->Set(Below(kItems + 1), 3.0));
        See(array_->Get(Below(kItems + 1)).status());
        return;
      case 3: {
        const auto one = permits_->Acquire(1, kWait);
        const auto two = permits_->Acquire(2, kWait);
        seen_ += permits_->available() + one.ok() + two.ok();
        return;
      }
      case 4:
        if (const auto guard = read_->Read(kWait); guard.ok()) {
          for (const int64_t number : (*guard)->numbers) seen_ += static_cast<uint64_t>(number);
          for (const auto& [name, array] : (*guard)->arrays) seen_ += std::string(name).size() + static_cast<bool>(array);
        }
        return;
      case 5:
        See(read_->WithWrite([](Root& root) { return root.numbers.PushBack(5); }, kWait));
        return;
      case 6:
        See(segment_->Find<Array<double>>("array").status());
        return;
      case 7:
        See(segment_->Find<PermitPool>("array").status());
        return;
      case 8:
        See(segment_->Publish("new", value_));
        See(segment_->Unpublish("new"));
        return;
      case 9:
        if (const auto made = segment_->New<Mutex<Root>>(); made.ok()) {
          See((*made)->With([](Root& root) { return root.numbers.PushBack(1); }, kWait));
        }
        return;
      case 10:
        See(value_->Set(4, kWait));
        See(value_->Get(kWait).status());
        return;
      case 11:
        See(mutex_->With(
            [&](Root& root) -> absl::Status {
              SHOAL_RETURN_IF_ERROR(root.value.Assign(value_));
              return root.arrays.Set("b", Shared<Array<int>>());
            },
            kWait));
        return;
      case 12:
        See(WithAll(
            kWait, [](Root& root, Root&) { return root.numbers.PushBack(3); }, *mutex_, *read_));
        return;
      case 13:
        seen_ += static_cast<uint64_t>(segment_->Reap());
        return;
      case 14:
        See(read_->WithWrite([](Root& root) { return root.arrays.Erase("a"); }, kWait).status());
        return;
      case 15:
        See(read_->WithRead(
            [](const Root& root) {
              Shared<Value<int64_t>> copy;
              return copy.Assign(root.value);
            },
            kWait));
        return;
      case 16:
        See(value_->Update([](int64_t& value) { ++value; }, kWait));
        return;
      default:
        if (const auto guard = mutex_->Lock(kWait); guard.ok()) {
          ++(*guard)->number;
          See((*guard)->numbers.Assign({1, 2, 3}));
        }
        return;
    }
  }

  static constexpr size_t kPages = 128;
  static constexpr size_t kItems = 1000;
  static constexpr absl::Duration kWait = absl::Milliseconds(1);

  std::mt19937_64 random_;
  const Area area_;
  std::unique_ptr<Segment> segment_;
  Shared<Array<double>> array_;
  Shared<PermitPool> permits_;
  Shared<RwLock<Root>> read_;
  Shared<Mutex<Root>> mutex_;
  Shared<Value<int64_t>> value_;
  std::shared_ptr<shm_internal::Attachment> attachment_;
  std::unique_ptr<LockWords> locks_;
  uint64_t seen_ = 0;  // so that what is read is used
};

TEST(ScribbleObjectsTest, EveryCallAnswersWhateverTheBytesAre) {
  RunRounds([](uint64_t seed) { return Round(seed).Run(); });
}

}  // namespace
}  // namespace shoal::tests
