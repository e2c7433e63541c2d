#ifndef SHOAL_IPC_MESSAGE_HANDLES_H_
#define SHOAL_IPC_MESSAGE_HANDLES_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "shoal/ipc/cbor.h"
#include "shoal/ipc/codec.h"
#include "shoal/ipc/wire_type.h"
#include "shoal/shm/message_cells.h"
#include "shoal/shm/section.h"
#include "shoal/shm/stored.h"
#include "shoal/sync/status.h"

// The handles in a message: in its bytes each is a number, and behind the bytes is one word for each, which counts.

namespace shoal::ipc_internal {

// The way that a message takes, for handles that must be found on it: see ipc/pipe_end.cc.
struct Carrier {
  uint64_t way;  // the end of a pipe that will receive it, a StoredEnd; or a queue, the offset of its header with bit 0 set
  uint64_t position;  // of the message there; or its cell

  static constexpr Carrier InQueue(uint64_t offset, uint64_t cell) { return {.way = offset | 1, .position = cell}; }
};

// What a section takes out of a message, and must be told how that ended. Declare it before the section: it speaks when that is over.
class Arrivals final {
 public:
  using Settle = void (*)(void* arrival, bool kept);

  Arrivals() = default;
  Arrivals(const Arrivals&) = delete;
  Arrivals& operator=(const Arrivals&) = delete;
  ~Arrivals() { SettleAll(/*kept=*/false); }

  // So that Add cannot fail.
  void MakeRoomForOne() {
    if (all_.size() == all_.capacity()) all_.reserve(2 * all_.size() + 1);
  }
  void Add(void* arrival, Settle settle) { all_.push_back({arrival, settle}); }
  // The section has committed.
  void Keep() { SettleAll(/*kept=*/true); }

 private:
  struct One {
    void* arrival;
    Settle settle;
  };
  void SettleAll(bool kept) {
    for (const One& one : std::exchange(all_, {})) one.settle(one.arrival, kept);
  }

  std::vector<One> all_;
};

// How a handle gets into a message that is being sent, and how it leaves one that is being received, inside a section. Specialise it for
// one that moves rather than being copied: `stored` is what lies in the message, and names nothing after Take.
template <class T>
struct MessageHandle {
  static absl::Status Put(shm_internal::Section& section, T* stored, const T& value, const Carrier*) {
    if constexpr (std::copy_constructible<T>) {
      return shm_internal::StoredAccess::Construct(section, stored, value);
    } else {
      // What cannot be copied is sent from a T&& only (see those who call).
      return shm_internal::StoredAccess::Construct(section, stored, const_cast<T&>(value));
    }
  }
  static absl::Status Take(shm_internal::Section&, T& stored, T& out, Arrivals&) { return out.Assign(stored); }
};

// Where the handles go that the codec meets. First it counts them; then there is room for so many, in the block of the message.
class HandleWriter final {
 public:
  explicit HandleWriter(const Carrier* carrier = nullptr) : carrier_(carrier) {}
  void Begin(shm_internal::Section& section, std::span<uint64_t> words) {
    section_ = &section;
    words_ = words;
    count_ = 0;
  }

  // Its number.
  template <WireHandle T>
  uint64_t Add(const T& value) {
    static_assert(sizeof(T) == sizeof(uint64_t));
    const uint64_t number = count_++;
    if (section_ == nullptr || !status_.ok()) return number;
    if (number >= words_.size()) {
      status_ = sync_internal::MakeStatus(absl::StatusCode::kInvalidArgument, "a value changed while it was sent");
      return number;
    }
    status_ = MessageHandle<T>::Put(*section_, reinterpret_cast<T*>(&words_[number]), value, carrier_);
    return number;
  }

  uint64_t count() const { return count_; }
  const absl::Status& status() const { return status_; }

 private:
  const Carrier* const carrier_;              // null: somewhere else
  shm_internal::Section* section_ = nullptr;  // null: it counts
  std::span<uint64_t> words_;
  uint64_t count_ = 0;
  absl::Status status_;
};

class HandleReader final {
 public:
  HandleReader(shm_internal::Section& section, std::span<uint64_t> words, Arrivals& arrivals)
      : section_(section), words_(words), arrivals_(arrivals) {}

  template <WireHandle T>
  bool Take(uint64_t number, T& out) {
    if (number >= words_.size()) return false;
    status_ = MessageHandle<T>::Take(section_, *reinterpret_cast<T*>(&words_[number]), out, arrivals_);
    return status_.ok();
  }
  const absl::Status& status() const { return status_; }

 private:
  shm_internal::Section& section_;
  std::span<uint64_t> words_;
  Arrivals& arrivals_;
  absl::Status status_;
};

template <WireHandle T>
void EncodeHandle(CborWriter& out, const T& value) {
  out.Unsigned(out.handles()->Add(value));
}

template <WireHandle T>
bool DecodeHandle(CborReader& in, T& value) {
  uint64_t number = 0;
  return codec_details::DecodeScalar(in, number) && in.handles() != nullptr && in.handles()->Take(number, value);
}

}  // namespace shoal::ipc_internal

#endif  // SHOAL_IPC_MESSAGE_HANDLES_H_
