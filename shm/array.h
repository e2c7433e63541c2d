#ifndef SHOAL_SHM_ARRAY_H_
#define SHOAL_SHM_ARRAY_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/borrows.h"
#include "shoal/shm/holder.h"
#include "shoal/shm/lingering.h"
#include "shoal/shm/participants.h"
#include "shoal/shm/section.h"
#include "shoal/shm/shareable.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/process_epoch.h"
#include "shoal/sync/status.h"

namespace shoal {

template <class T>
class Array;

// Some elements of an Array, lent to this process; gives them back on destruction. Of const elements: others may read them, too, and
// nobody changes them. Otherwise nobody else has them.
//
// Thread safety:   belongs to the process that borrowed: its threads may share the span, and any one may destroy the borrow.
// Process safety:  lies in its owner's memory only. In a child made by fork the parent's borrows are dead: they lend nothing.
// Crash safety:    when its process ends, in whatever way, exec included, the elements are free again; if they were lent for writing
//                  the next to borrow them finds abandoned().
// Ownership:       keeps the segment mapped, and the array and the span valid until it is given back.
template <class Element>
class [[nodiscard]] Borrowed final {
  using T = std::remove_const_t<Element>;
  static constexpr auto kKind =
      std::is_const_v<Element> ? shm_internal::BorrowKind::kShared : shm_internal::BorrowKind::kMutable;

 public:
  Borrowed(Borrowed&& other) noexcept
      : attachment_(std::move(other.attachment_)),
        array_(std::exchange(other.array_, nullptr)),
        elements_(other.elements_),
        place_(other.place_),
        id_(other.id_),
        epoch_(other.epoch_) {}
  Borrowed& operator=(Borrowed&& other) noexcept {
    if (this != &other) {
      Drop();
      attachment_ = std::move(other.attachment_);
      array_ = std::exchange(other.array_, nullptr);
      elements_ = other.elements_;
      place_ = other.place_;
      id_ = other.id_;
      epoch_ = other.epoch_;
    }
    return *this;
  }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;
  ~Borrowed() { Drop(); }

  // The elements: ordinary contiguous memory. Empty where nothing is held.
  std::span<Element> span() const { return held() ? elements_ : std::span<Element>(); }

  // Whether a process died that had some of these elements for writing, and nobody has had those for writing since: they may be
  // half changed.
  bool abandoned() const { return place_.abandoned; }

  // Gives them back now rather than at the end of the scope. The span must not be used any more.
  // FailedPrecondition: not held, or borrowed by the parent of this process. DataLoss: a peer had scribbled over the array.
  absl::Status Release() {
    if (array_ == nullptr) {
      return sync_internal::MakeStatus(absl::StatusCode::kFailedPrecondition,
                                       "this borrow has been given back, or moved away");
    }
    shm_internal::ArrayCore& array = *std::exchange(array_, nullptr);
    // The last thing, because the array may be unmapped with it.
    const std::shared_ptr<shm_internal::Attachment> attachment = std::move(attachment_);
    if (!sync_internal::InProcessOf(epoch_)) {
      return sync_internal::MakeStatus(absl::StatusCode::kFailedPrecondition,
                                       "the parent of this process has borrowed this");
    }
    const shm_internal::GivingBack giving_back(attachment, &array);
    return array.GiveBack(place_.place, id_, kKind);
  }

  // Whether it still stands for its elements: not moved from, not given back, not the parent's.
  bool held() const { return array_ != nullptr && sync_internal::InProcessOf(epoch_); }
  explicit operator bool() const { return held(); }

 private:
  friend class Array<T>;
  Borrowed(const shm_internal::Holder& holder, shm_internal::ArrayCore& array, std::span<Element> elements,
           shm_internal::ArrayCore::Borrow place)
      : attachment_(*holder.attachment),
        array_(&array),
        elements_(elements),
        place_(place),
        id_(holder.id),
        epoch_(sync_internal::ProcessEpoch()) {}
  void Drop() {
    if (array_ != nullptr) Release().IgnoreError();
  }

  std::shared_ptr<shm_internal::Attachment> attachment_;
  shm_internal::ArrayCore* array_;  // null: not held
  std::span<Element> elements_;
  shm_internal::ArrayCore::Borrow place_;
  shm_internal::ParticipantId id_;
  uint32_t epoch_;
};

// A fixed number of plain values, parts of which processes lend to each other: disjoint ranges to several at once, the same range to
// many who read, and never to one who writes and to anybody else.
//
//   SHOAL_ASSIGN_OR_RETURN(Shared<Array<double>> samples, segment.New<Array<double>>(size_t{1'000'000}));
//   SHOAL_ASSIGN_OR_RETURN(Borrowed<double> mine, samples->BorrowMut(0, 500'000));
//   for (double& sample : mine.span()) sample *= 2;  // ordinary memory; nobody else has these elements
//
// Thread safety:   every call may run concurrently with every other: borrows of the same process are checked, too.
// Process safety:  lies in a Segment.
// Crash safety:    what a dead process had borrowed is free again, and nobody sleeps beside it. Elements that it had for writing may
//                  be half changed: they are marked until somebody has borrowed them for writing (or Write has overwritten them).
//                  Beyond 30 such ranges, what lies between two is marked with them. (Threads that a borrower shared its span with
//                  may write for microseconds after the one that borrowed has died.)
// Blocking:        with a timeout, Borrow, BorrowMut, Read and Write sleep until nobody has what is in their way; they are woken when
//                  something is given back, or a process dies. Without, an overlap is refused. Not fair.
// Memory ordering: what a borrower did before it gave back is visible to whoever borrows after.
// Errors:          FailedPrecondition: the elements are borrowed (the message says by whom), or the array does not lie in a segment;
//                  DeadlineExceeded: they were until the timeout; OutOfRange; ResourceExhausted: 128 ranges are lent, or too many
//                  processes or threads use the segment; DataLoss: the shared bytes make no sense.
// Allocation:      the elements, once. The first call of a process starts the segment's keeper thread.
// Layout:          3904 bytes, aligned to 8; the elements lie elsewhere, one behind the other, aligned to 64. docs/memory_format.md.
template <class T>
class Array final {
 public:
  using value_type = T;

  // How Segment::New makes one: of a number of elements, which are zero, or of the values of a contiguous sequence.
  static absl::Status ConstructInSegment(Array* where, shm_internal::Section& section, size_t length) {
    static_assert(Checked());
    ::new (static_cast<void*>(where)) Array();
    return where->core_.elements().Construct(section, length, sizeof(T), kAlignment);
  }
  static absl::Status ConstructInSegment(Array* where, shm_internal::Section& section, std::span<const T> values) {
    SHOAL_RETURN_IF_ERROR(ConstructInSegment(where, section, values.size()));
    SHOAL_ASSIGN_OR_RETURN(const Extent extent, where->core_.elements().Locate(section.attachment(), sizeof(T)));
    if (!values.empty()) std::memcpy(extent.elements, values.data(), values.size_bytes());
    return absl::OkStatus();
  }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;

  size_t size() const { return core_.length(); }
  size_t length() const { return size(); }
  bool empty() const { return size() == 0; }

  // Lends elements [begin, end) for reading, or for writing.
  [[nodiscard]] absl::StatusOr<Borrowed<const T>> Borrow(size_t begin, size_t end,
                                                         absl::Duration timeout = absl::ZeroDuration()) {
    return Lend<const T>(begin, end, timeout, /*quiet=*/false);
  }
  [[nodiscard]] absl::StatusOr<Borrowed<T>> BorrowMut(size_t begin, size_t end,
                                                      absl::Duration timeout = absl::ZeroDuration()) {
    return Lend<T>(begin, end, timeout, /*quiet=*/false);
  }

  // The same at once or not at all, without a word why; for those who try again and again.
  [[nodiscard]] std::optional<Borrowed<const T>> TryBorrow(size_t begin, size_t end) {
    auto lent = Lend<const T>(begin, end, absl::ZeroDuration(), /*quiet=*/true);
    return lent.ok() ? std::optional<Borrowed<const T>>(*std::move(lent)) : std::nullopt;
  }
  [[nodiscard]] std::optional<Borrowed<T>> TryBorrowMut(size_t begin, size_t end) {
    auto lent = Lend<T>(begin, end, absl::ZeroDuration(), /*quiet=*/true);
    return lent.ok() ? std::optional<Borrowed<T>>(*std::move(lent)) : std::nullopt;
  }

  // One element. A Set that its process dies in leaves it as before or after if it has at most 8 bytes and is aligned to
  // them; otherwise marked.
  [[nodiscard]] absl::StatusOr<T> Get(size_t index) {
    SHOAL_ASSIGN_OR_RETURN(const Way way, Enter());
    SHOAL_RETURN_IF_ERROR(CheckIndex(index, way.extent.length));
    alignas(T) std::byte copy[sizeof(T)];
    SHOAL_RETURN_IF_ERROR(core_.Access(way.holder, shm_internal::BorrowKind::kShared, {index, index + 1}, way.extent.length,
                                       [&] { std::memcpy(copy, way.extent.elements + index * sizeof(T), sizeof(T)); }));
    return *reinterpret_cast<const T*>(copy);
  }
  absl::Status Set(size_t index, const T& value) {
    SHOAL_ASSIGN_OR_RETURN(const Way way, Enter());
    SHOAL_RETURN_IF_ERROR(CheckIndex(index, way.extent.length));
    return core_.Access(way.holder, shm_internal::BorrowKind::kMutable, {index, index + 1}, way.extent.length,
                        [&] { Store(way.extent.elements + index * sizeof(T), value); });
  }

  // Copies the elements from `begin` on out, or in: as many as the span has.
  absl::Status Read(size_t begin, std::span<T> out, absl::Duration timeout = absl::ZeroDuration()) {
    SHOAL_ASSIGN_OR_RETURN(const Borrowed<const T> lent, Borrow(begin, EndOf(begin, out.size()), timeout));
    if (!out.empty()) std::memcpy(static_cast<void*>(out.data()), lent.span().data(), out.size_bytes());
    return absl::OkStatus();
  }
  absl::Status Write(size_t begin, std::span<const T> values, absl::Duration timeout = absl::ZeroDuration()) {
    SHOAL_ASSIGN_OR_RETURN(const Borrowed<T> lent, BorrowMut(begin, EndOf(begin, values.size()), timeout));
    if (!values.empty()) std::memcpy(static_cast<void*>(lent.span().data()), values.data(), values.size_bytes());
    return absl::OkStatus();
  }

 private:
  static constexpr size_t kAlignment = std::max<size_t>(64, alignof(T));

  using Extent = shm_internal::ArrayElements::Extent;
  struct Way {
    shm_internal::Holder holder;
    Extent extent;  // looked up once in a call: it is shared
  };

  Array() = default;

  static constexpr bool Checked() {
    if constexpr (CheckShareable<T>()) {
      static_assert(SharedValue<T>,
                    "an Array holds plain values, which its processes copy byte by byte: no locks, containers or handles");
    }
    return SharedValue<T>;
  }

  // Does not wrap around.
  static size_t EndOf(size_t begin, size_t count) { return begin + count < begin ? SIZE_MAX : begin + count; }

  static absl::Status CheckIndex(size_t index, size_t length) {
    if (__builtin_expect(index < length, 1)) return absl::OkStatus();
    return shm_internal::NoSuchElement(index, length);
  }

  absl::StatusOr<Way> Enter() {
    SHOAL_ASSIGN_OR_RETURN(const shm_internal::Holder holder, shm_internal::EnterAsHolder(this, sizeof(*this)));
    SHOAL_ASSIGN_OR_RETURN(const Extent extent, core_.elements().Locate(holder.segment(), sizeof(T)));
    return Way{.holder = holder, .extent = extent};
  }

  template <class Element>
  absl::StatusOr<Borrowed<Element>> Lend(size_t begin, size_t end, absl::Duration timeout, bool quiet) {
    SHOAL_ASSIGN_OR_RETURN(const Way way, Enter());
    SHOAL_ASSIGN_OR_RETURN(const shm_internal::ArrayCore::Borrow place,
                           core_.Lend(way.holder, Borrowed<Element>::kKind, {begin, end}, way.extent.length,
                                      sync_internal::Deadline::After(timeout), quiet));
    const std::span<Element> elements(reinterpret_cast<T*>(way.extent.elements) + begin, end - begin);
    return Borrowed<Element>(way.holder, core_, elements, place);
  }

  // In one instruction where there is one.
  static void Store(std::byte* where, const T& value) {
    const auto as = [&]<class Word>(Word word) {
      std::memcpy(&word, &value, sizeof(word));
      // relaxed: the array's lock orders it; atomic so that it is one instruction
      __atomic_store_n(reinterpret_cast<Word*>(where), word, static_cast<int>(std::memory_order_relaxed));
    };
    if constexpr (sizeof(T) == 8 && alignof(T) == 8) {
      as(uint64_t{});
    } else if constexpr (sizeof(T) == 4 && alignof(T) == 4) {
      as(uint32_t{});
    } else if constexpr (sizeof(T) == 2 && alignof(T) == 2) {
      as(uint16_t{});
    } else {
      std::memcpy(static_cast<void*>(where), &value, sizeof(T));
    }
  }

  shm_internal::ArrayCore core_;
};

template <class T>
struct ShareableTraits<Array<T>> : SharedType<SharedKind::kConcurrent, T> {
  static constexpr std::string_view kName = "Array";
};

}  // namespace shoal

#endif  // SHOAL_SHM_ARRAY_H_
