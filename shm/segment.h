#ifndef SHOAL_SHM_SEGMENT_H_
#define SHOAL_SHM_SEGMENT_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/membership.h"
#include "shoal/shm/names.h"
#include "shoal/shm/object.h"
#include "shoal/shm/objects.h"
#include "shoal/shm/shareable.h"
#include "shoal/shm/shared.h"
#include "shoal/shm/unique_fd.h"
#include "shoal/sync/futex.h"
#include "shoal/sync/status.h"

namespace shoal {

struct SegmentOptions {
  size_t limit_bytes = size_t{64} << 20;  // for objects; address space only: memory is used for what has been allocated
};

// A region of memory that several processes share. It grows up to its limit without moving; offsets, not addresses, are the
// same in all of them.
//
//   SHOAL_ASSIGN_OR_RETURN(Segment segment, Segment::Create({.limit_bytes = 1 << 20}));
//   SHOAL_ASSIGN_OR_RETURN(Shared<Mutex<Account>> account, segment.New<Mutex<Account>>());
//
// Thread safety:   all const calls may run concurrently, in all processes.
// Process safety:  another process opens it by its name; or attaches through the file descriptor, which it inherits or is sent.
// Crash safety:    a death in Allocate leaves at most that allocation unused until the segment is gone. An anonymous segment
//                  is gone with its last process, however that ends; a named one stays until Remove. A name appears with a
//                  complete segment behind it, or not at all.
// Blocking:        at most for the heap's lock, while another takes pages.
// Errors:          ResourceExhausted: over the limit, or the system has no memory (numbers in the message).
//                  FailedPrecondition: Attach to another format or another build's layout, or from another pid namespace.
//                  DataLoss: Attach to bytes that are no segment; a header that makes no sense.
//                  Of named ones: AlreadyExists, NotFound, PermissionDenied; InvalidArgument: that cannot be a name.
// Allocation:      memory is reserved before Allocate returns, so that using it can never raise SIGBUS; unless somebody of the same
//                  user truncates a named segment's file, which the kernel lets nobody forbid.
// Layout:          docs/memory_format.md.
class Segment {
 public:
  // An anonymous segment.
  static absl::StatusOr<Segment> Create(SegmentOptions options);
  static absl::StatusOr<Segment> Create() { return Create(SegmentOptions()); }

  // A segment that all processes of this user find by its name (1 to 249 bytes, no '/'): the file /dev/shm/shoal.NAME, mode 0600.
  // A template, so that Create({}) cannot mean it.
  template <std::convertible_to<std::string_view> Name>
  static absl::StatusOr<Segment> Create(const Name& name, SegmentOptions options = {}) {
    return CreateNamed(name, options);
  }
  static absl::StatusOr<Segment> Open(std::string_view name);
  // Takes the name away. Whoever has the segment keeps it, and it is gone with the last of them.
  static absl::Status Remove(std::string_view name);
  // The names there are, in no order.
  static absl::StatusOr<std::vector<std::string>> Names();

  // This process tree's own, made by the first that asks: the children that this library starts (Process, the workers of a Pool) have
  // it too, and so has a fork of whoever has asked. In a program that somebody else has started it is a new one. It lives as long as
  // one of them.
  // If it cannot be had, every call on it says why, and so does status().
  static Segment& Default();
  absl::Status status() const { return unusable_; }

  Segment(const Segment&) = default;
  Segment& operator=(const Segment&) = default;
  // One that was moved away is told from one that could not be had.
  Segment(Segment&& other) noexcept : attachment_(std::move(other.attachment_)), unusable_(other.unusable_) {}
  Segment& operator=(Segment&& other) noexcept {
    attachment_ = std::move(other.attachment_);
    unusable_ = other.unusable_;
    return *this;
  }

  // The segment behind a descriptor made by Create, usually in another process. Takes the descriptor.
  static absl::StatusOr<Segment> Attach(shm_internal::UniqueFd file);

  // The same, as one that this process has already.
  static Segment Of(std::shared_ptr<shm_internal::Attachment> attachment) { return Segment(std::move(attachment)); }

  // Sets `size_bytes` aside, zero-filled, and returns their offset. REQUIRES: `alignment` is a power of two, at most 4096.
  absl::StatusOr<size_t> Allocate(size_t size_bytes, size_t alignment) const;

  // Makes a T from `args`, and the first handle to it. May be called inside a section; it is no part of that. A number becomes the number
  // that is wanted, as by =. A container in a Mutex or RwLock is built as an element of a container is: New<Mutex<String>>("a").
  // Errors: also ResourceExhausted: too many processes or threads use the segment.
  template <class T, class... Args>
  [[nodiscard]] absl::StatusOr<Shared<T>> New(Args&&... args) const {
    SHOAL_RETURN_IF_ERROR(CheckUsable());
    if constexpr (CheckConcurrent<T>()) {  // what is refused is refused in one sentence
      return Make<T>(std::forward<Args>(args)...);
    } else {
      return CheckUsable();
    }
  }

  // Makes the object findable by a name of 1 to 255 bytes, in all processes; the name holds it until Unpublish. Not inside a section.
  // Errors: AlreadyExists; InvalidArgument; FailedPrecondition: `object` names nothing in this segment, or a section is open.
  template <class T>
  [[nodiscard]] absl::Status Publish(std::string_view key, const Shared<T>& object) const {
    SHOAL_RETURN_IF_ERROR(CheckUsable());
    if constexpr (CheckConcurrent<T>()) {
      return shm_internal::PublishName(attachment_, key, object.handle_, Shared<T>::Type());
    } else {
      return absl::OkStatus();
    }
  }
  // Errors: NotFound; FailedPrecondition: what is published there is no T (the message says where the bytes differ), or a section is
  // open; DataLoss.
  template <class T>
  [[nodiscard]] absl::StatusOr<Shared<T>> Find(std::string_view key) const {
    SHOAL_RETURN_IF_ERROR(CheckUsable());
    if constexpr (CheckConcurrent<T>()) {
      SHOAL_ASSIGN_OR_RETURN(shm_internal::Hold * hold, shm_internal::FindName(attachment_, key, Shared<T>::Type()));
      return Shared<T>(hold);
    } else {
      return CheckUsable();
    }
  }
  // Takes the name away; handles stay good. Errors: NotFound; FailedPrecondition: a section is open.
  [[nodiscard]] absl::Status Unpublish(std::string_view key) const {
    SHOAL_RETURN_IF_ERROR(CheckUsable());
    return shm_internal::UnpublishName(attachment_, key);
  }

  // Takes back what dead processes held, and destroys what nobody holds any more, as others do it on the way; how many of them there
  // were.
  int Reap() const { return attachment_ == nullptr ? 0 : shm_internal::ReapDead(attachment_); }

  // Gives the memory of what has been freed back to the system; how many bytes that were. By itself only a block of 256 MiB or more goes
  // back when it is freed; everything else is kept for what is allocated next. Others who need memory of the segment wait meanwhile, some
  // 0.1 ms for each MiB. Errors: ResourceExhausted: too many processes or threads use the segment.
  absl::StatusOr<size_t> ReleaseFreeMemory() const;

  // The bytes at [offset, offset + size), or an empty span where these are not all inside the segment.
  std::span<std::byte> BytesAt(size_t offset, size_t size_bytes) const;

  // The T at `offset`, or null where it cannot lie there (outside, or misaligned).
  template <class T>
  T* At(size_t offset) const;

  // Counts the deaths of processes attached to this segment. Whoever learns of one from the kernel adds 1 and wakes all who
  // sleep on it; every sleeper of the packages above includes it.
  sync_internal::FutexWord& deaths() const;

  // The descriptor a child must inherit to attach; -1: a Default() that cannot be had.
  int fd() const { return attachment_ == nullptr ? -1 : attachment_->file().get(); }
  // For objects, as asked for and rounded up to pages of 16 KiB.
  size_t limit_bytes() const { return attachment_ == nullptr ? 0 : attachment_->pages() * shm_internal::kHeapPageBytes; }
  // What has been allocated, as far as is known: exact while nobody is in a call.
  size_t used_bytes() const { return attachment_ == nullptr ? 0 : attachment_->heap().Usage().allocated_bytes; }

  // Children made by fork() from now on do not have this process's mapping.
  absl::Status KeepFromForkedChildren() {
    return attachment_ == nullptr ? unusable_ : attachment_->mapping().KeepFromForkedChildren();
  }

 private:
  explicit Segment(std::shared_ptr<shm_internal::Attachment> attachment) : attachment_(std::move(attachment)) {}
  explicit Segment(absl::Status unusable) : unusable_(std::move(unusable)) {}

  static absl::StatusOr<Segment> CreateNamed(std::string_view name, SegmentOptions options);

  absl::Status CheckUsable() const;

  template <class T, class... Args>
  absl::StatusOr<Shared<T>> Make(Args&&... args) const {
    static_assert(alignof(T) <= shm_internal::kMaxObjectAlignment, "an object in a segment is aligned to at most 64 bytes");
    SHOAL_ASSIGN_OR_RETURN(shm_internal::Creation creation,
                           shm_internal::Creation::Begin(attachment_, Shared<T>::Type(), alignof(T)));
    if constexpr (requires(T* where) {
                    { T::ConstructInSegment(where, creation.section(), std::forward<Args>(args)...) };
                  }) {
      SHOAL_RETURN_IF_ERROR(
          T::ConstructInSegment(static_cast<T*>(creation.where()), creation.section(), std::forward<Args>(args)...));
    } else if constexpr (std::is_constructible_v<T, Args...>) {
      new (creation.where()) T(std::forward<Args>(args)...);
    } else {
      new (creation.where()) T{std::forward<Args>(args)...};
    }
    SHOAL_ASSIGN_OR_RETURN(shm_internal::Hold * hold, creation.Finish());
    return Shared<T>(hold);
  }

  std::shared_ptr<shm_internal::Attachment> attachment_;  // null: unusable, or moved away
  absl::Status unusable_;
};

namespace shm_internal {

// Segment::At, for what only the library knows. The one cast from bytes to objects.
template <class T>
T* ObjectIn(const Segment& segment, size_t offset) {
  const std::span<std::byte> bytes = segment.BytesAt(offset, sizeof(T));
  if (bytes.empty() || reinterpret_cast<uintptr_t>(bytes.data()) % alignof(T) != 0) return nullptr;
  return reinterpret_cast<T*>(bytes.data());
}

}  // namespace shm_internal

template <class T>
T* Segment::At(size_t offset) const {
  if constexpr (CheckShareable<T>()) {
    return shm_internal::ObjectIn<T>(*this, offset);
  } else {
    return nullptr;
  }
}

}  // namespace shoal

#endif  // SHOAL_SHM_SEGMENT_H_
