#ifndef SHOAL_SHM_ATOMIC_H_
#define SHOAL_SHM_ATOMIC_H_

#include <atomic>
#include <concepts>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "shoal/shm/shareable.h"

namespace shoal {

// A number, bool or enum that several processes change without a lock. Like std::atomic, which does not promise as much.
//
//   struct Counters { shoal::Atomic<uint64_t> hits, misses; };
//   counters->hits.fetch_add(1);
//
// Thread safety:   every call may run concurrently with every other; all are async-signal-safe.
// Process safety:  lies in any MAP_SHARED memory, at any address; valid when zero-filled (0, false).
// Crash safety:    a death inside any call leaves the value as before or after it. Nobody is told of the death: what belongs to
//                  two numbers at once belongs into a Mutex. Not inside a Mutex or RwLock (does not compile): what a dead holder
//                  changed is taken back there, and others' changes would be taken back with it.
// Blocking:        never.
// Memory ordering: sequentially consistent, unless the caller gives another order; then as for std::atomic.
// Allocation:      none.
// Layout:          that of T.
template <class T>
class Atomic final {
  static_assert(shm_internal::SharedScalar<T>, "an Atomic holds a number, a bool or an enum of at most 8 bytes");
  static constexpr bool kIsInteger = std::is_integral_v<T> && !std::same_as<T, bool>;
  static constexpr bool kIsNumber = kIsInteger || std::is_floating_point_v<T>;

 public:
  using value_type = T;
  // seq_cst: the order that needs no argument; who needs less says so
  static constexpr std::memory_order kDefaultOrder = std::memory_order_seq_cst;

  constexpr Atomic() = default;
  constexpr Atomic(T value) : value_(static_cast<Raw>(value)) {}  // as std::atomic: Atomic<int> n = 5;
  Atomic(const Atomic&) = delete;
  Atomic& operator=(const Atomic&) = delete;

  [[nodiscard]] T load(std::memory_order order = kDefaultOrder) const { return Read(value_.load(order)); }
  void store(T value, std::memory_order order = kDefaultOrder) { value_.store(static_cast<Raw>(value), order); }
  T exchange(T value, std::memory_order order = kDefaultOrder) {
    return Read(value_.exchange(static_cast<Raw>(value), order));
  }

  // Writes `desired` if the value is `expected`, and otherwise the value into `expected`. Returns: whether it wrote.
  // The weak form may fail although they are equal, and is meant for loops. Failing, `order` counts as for a load.
  [[nodiscard]] bool compare_exchange_strong(T& expected, T desired, std::memory_order order = kDefaultOrder) {
    Raw raw = static_cast<Raw>(expected);
    const bool written = value_.compare_exchange_strong(raw, static_cast<Raw>(desired), order);
    if (!written) expected = Read(raw);
    return written;
  }
  [[nodiscard]] bool compare_exchange_weak(T& expected, T desired, std::memory_order order = kDefaultOrder) {
    Raw raw = static_cast<Raw>(expected);
    const bool written = value_.compare_exchange_weak(raw, static_cast<Raw>(desired), order);
    if (!written) expected = Read(raw);
    return written;
  }

  // Each returns the value before. Signed integers wrap around.
  T fetch_add(T n, std::memory_order order = kDefaultOrder) requires kIsNumber { return value_.fetch_add(n, order); }
  T fetch_sub(T n, std::memory_order order = kDefaultOrder) requires kIsNumber { return value_.fetch_sub(n, order); }
  T fetch_and(T bits, std::memory_order order = kDefaultOrder) requires kIsInteger { return value_.fetch_and(bits, order); }
  T fetch_or(T bits, std::memory_order order = kDefaultOrder) requires kIsInteger { return value_.fetch_or(bits, order); }
  T fetch_xor(T bits, std::memory_order order = kDefaultOrder) requires kIsInteger { return value_.fetch_xor(bits, order); }

  // The new value before the name, the old one behind it.
  T operator++() requires kIsInteger { return static_cast<T>(fetch_add(1) + 1); }
  T operator--() requires kIsInteger { return static_cast<T>(fetch_sub(1) - 1); }
  T operator++(int) requires kIsInteger { return fetch_add(1); }
  T operator--(int) requires kIsInteger { return fetch_sub(1); }

 private:
  // A bool is kept as a byte: in shared memory it could be neither 0 nor 1.
  using Raw = std::conditional_t<std::same_as<T, bool>, uint8_t, T>;
  static T Read(Raw raw) { return static_cast<T>(raw); }

  std::atomic<Raw> value_{};
  static_assert(std::atomic<Raw>::is_always_lock_free, "a lock inside would belong to one process only");
  static_assert(sizeof(std::atomic<Raw>) == sizeof(T), "part of the shared layout");
};

template <class T>
struct ShareableTraits<Atomic<T>> : SharedType<SharedKind::kConcurrent, T> {
  static constexpr std::string_view kName = "Atomic";
};

}  // namespace shoal

#endif  // SHOAL_SHM_ATOMIC_H_
