#ifndef SHOAL_SHM_VALUE_H_
#define SHOAL_SHM_VALUE_H_

#include <concepts>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/shareable.h"

namespace shoal {

namespace shm_internal {

// Says in words what Value<T> asks of T.
template <class T>
constexpr bool CheckValue() {
  if constexpr (CheckRoot<T>()) {
    static_assert(SharedValue<T>,
                  "a Value is copied out and in, and containers and handles are not copied: use shoal::Mutex, and change it there");
    static_assert(!std::is_array_v<T>, "a function cannot return a C array: use std::array");
  }
  return SharedValue<T>;
}

}  // namespace shm_internal

// A Mutex<T> in everyday form: a value that is read, set and updated as a whole.
//
//   SHOAL_ASSIGN_OR_RETURN(Shared<Value<int64_t>> total, segment.New<Value<int64_t>>(0));
//   SHOAL_RETURN_IF_ERROR(total->Update([](int64_t& value) { value += 5; }));
//   SHOAL_ASSIGN_OR_RETURN(const int64_t now, total->Get());
//
// Every call is one failure-atomic section: everything on Mutex's card holds, T at the beginning included.
template <class T>
class Value final {
 public:
  Value() { shm_internal::CheckValue<T>(); }
  template <class First, class... Rest>
  requires(!std::same_as<std::remove_cvref_t<First>, Value>) explicit Value(First&& first, Rest&&... rest)
      : mutex_(std::forward<First>(first), std::forward<Rest>(rest)...) {
    shm_internal::CheckValue<T>();
  }
  Value(const Value&) = delete;
  Value& operator=(const Value&) = delete;

  [[nodiscard]] absl::StatusOr<T> Get(absl::Duration timeout = absl::InfiniteDuration()) {
    return mutex_.With([](const T& value) -> T { return value; }, timeout);
  }

  absl::Status Set(const T& value, absl::Duration timeout = absl::InfiniteDuration()) {
    return mutex_.With([&value](T& shared) { shared = value; }, timeout);
  }

  // Runs f(T&), which may change the value; takes that back if `f` returns a status that is not OK, or throws.
  // Returns what `f` returns, as a StatusOr; a Status where it returns one or nothing.
  template <class F>
  auto Update(F&& f, absl::Duration timeout = absl::InfiniteDuration()) {
    return mutex_.With(std::forward<F>(f), timeout);
  }

 private:
  Mutex<T> mutex_;
};

template <class T>
struct ShareableTraits<Value<T>> : SharedType<SharedKind::kConcurrent, T> {
  static constexpr std::string_view kName = "Value";
};

}  // namespace shoal

#endif  // SHOAL_SHM_VALUE_H_
