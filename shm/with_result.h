#ifndef SHOAL_SHM_WITH_RESULT_H_
#define SHOAL_SHM_WITH_RESULT_H_

#include <functional>
#include <optional>
#include <ranges>
#include <tuple>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/shm/shareable.h"

namespace shoal::shm_internal {

// What a value of type R consists of, as far as it is told from R.
template <class R>
struct ResultParts {
  using Type = TypeList<>;
};
template <class T>
struct ResultParts<absl::StatusOr<T>> {
  using Type = TypeList<T>;
};
template <class T>
struct ResultParts<std::optional<T>> {
  using Type = TypeList<T>;
};
template <class T>
struct ResultParts<std::reference_wrapper<T>> {
  using Type = TypeList<T&>;
};
template <class A, class B>
struct ResultParts<std::pair<A, B>> {
  using Type = TypeList<A, B>;
};
template <class... T>
struct ResultParts<std::tuple<T...>> {
  using Type = TypeList<T...>;
};

template <class R>
constexpr bool PointsElsewhere();

template <class... T>
constexpr bool AnyPointsElsewhere(TypeList<T...>) {
  return (PointsElsewhere<T>() || ...);
}

// Whether an R is a pointer, a reference or a view, or holds some.
template <class R>
constexpr bool PointsElsewhere() {
  using Value = std::remove_cv_t<R>;
  if constexpr (std::is_reference_v<R>) {
    return true;
  } else if constexpr (std::is_pointer_v<R>) {
    return !std::is_function_v<std::remove_pointer_t<R>>;
  } else if constexpr (!std::is_class_v<R>) {
    return false;
  } else if constexpr (std::ranges::enable_borrowed_range<Value> || std::ranges::enable_view<Value>) {
    return true;
  } else if constexpr (LooksLikeContainer<Value>) {
    using Element = typename Value::value_type;
    if constexpr (std::is_same_v<Element, Value>) {
      return false;
    } else {
      return PointsElsewhere<Element>();
    }
  } else {
    return AnyPointsElsewhere(typename ResultParts<Value>::Type());
  }
}

// What Mutex::With and its kin return for a function that returns R.
template <class R>
struct WithResult {
  using Type = absl::StatusOr<std::decay_t<R>>;
};
template <>
struct WithResult<void> {
  using Type = absl::Status;
};
template <>
struct WithResult<absl::Status> {
  using Type = absl::Status;
};
template <class T>
struct WithResult<absl::StatusOr<T>> {
  using Type = absl::StatusOr<T>;
};

// Rolls a section back that is left without having been ended: by an exception, or by pthread_exit, which is no exception in flight.
template <class Guard>
class RollbackOfLeft final {
 public:
  explicit RollbackOfLeft(Guard& guard) : guard_(guard) {}
  RollbackOfLeft(const RollbackOfLeft&) = delete;
  RollbackOfLeft& operator=(const RollbackOfLeft&) = delete;
  ~RollbackOfLeft() {
    if (__builtin_expect(!ended_, 0)) guard_.RollbackAndEnd();
  }
  // Over in any case.
  __attribute__((always_inline)) absl::Status Commit() {
    absl::Status status = guard_.Commit();
    ended_ = true;
    return status;
  }

 private:
  Guard& guard_;
  bool ended_ = false;
};

// Runs f(objects...) in the open section of `guard` and ends it: commits, or rolls back if `f` returns a status that is not OK, or
// throws. Returns what `f` returns, as a StatusOr; a Status where it returns one or nothing; or why it could not commit.
template <class Guard, class F, class... T>
auto RunInSection(Guard& guard, F&& f, T&... objects) {
  using R = std::invoke_result_t<F, T&...>;
  using Result = typename WithResult<R>::Type;
  constexpr bool leaves = PointsElsewhere<R>();
  static_assert(!leaves,
                "a pointer, a reference or a view of what is guarded would be used when the section is over, without its lock and "
                "its journal: use it inside, and return values");
  if constexpr (leaves) {
    return Result(absl::OkStatus());
  } else if constexpr (std::is_void_v<R>) {
    RollbackOfLeft section(guard);
    std::forward<F>(f)(objects...);
    return section.Commit();
  } else {
    RollbackOfLeft section(guard);
    Result result(std::forward<F>(f)(objects...));
    if (!result.ok()) return result;
    if (absl::Status committed = section.Commit(); __builtin_expect(!committed.ok(), 0)) return Result(std::move(committed));
    return result;
  }
}

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_WITH_RESULT_H_
