#ifndef SHOAL_IPC_WIRE_AS_H_
#define SHOAL_IPC_WIRE_AS_H_

#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <ratio>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "absl/time/time.h"

// Types of std and Abseil that travel as a value of another type, because they are no plain structs: times, paths, complex numbers. What
// a value means is part of its type's code, so that nobody takes seconds for milliseconds.

namespace shoal::ipc_internal {

// Specialise it for a T that travels as a Type: kMeaning (letters, digits, '.' and '_'), Type To(value), bool From(Type, T& out), which is
// false if there is no such T. Where Type is plain (wire_type.h), a T has the same bytes.
template <class T>
struct WireAs {};

// ---- <chrono> -------------------------------------------------------------------------------------------------------------------

// A text made of others while the program is compiled.
template <size_t size>
struct Meaning {
  std::array<char, size> text;
  constexpr operator std::string_view() const { return {text.data(), text.size()}; }
};

template <const auto&... part>
constexpr auto JoinedMeaning() {
  Meaning<(std::string_view(part).size() + ...)> all = {};
  size_t at = 0;
  const auto add = [&](std::string_view text) {
    for (const char c : text) all.text[at++] = c;
  };
  (add(part), ...);
  return all;
}

template <intmax_t number>
constexpr auto DigitsOf() {
  constexpr size_t kCount = [] {
    size_t count = 1;
    for (intmax_t rest = number; rest >= 10; rest /= 10) ++count;
    return count;
  }();
  Meaning<kCount> digits = {};
  intmax_t rest = number;
  for (size_t i = kCount; i > 0; --i, rest /= 10) digits.text[i - 1] = static_cast<char>('0' + rest % 10);
  return digits;
}

// "seconds"; what has no name is "seconds.1.30": a thirtieth of a second.
template <class Period>
struct PeriodName {
  static constexpr std::string_view kSeconds = "seconds.";
  static constexpr std::string_view kDot = ".";
  static constexpr auto kNumber = DigitsOf<Period::num>();
  static constexpr auto kParts = DigitsOf<Period::den>();
  static constexpr auto kName = JoinedMeaning<kSeconds, kNumber, kDot, kParts>();
};
template <>
struct PeriodName<std::nano> {
  static constexpr std::string_view kName = "nanoseconds";
};
template <>
struct PeriodName<std::micro> {
  static constexpr std::string_view kName = "microseconds";
};
template <>
struct PeriodName<std::milli> {
  static constexpr std::string_view kName = "milliseconds";
};
template <>
struct PeriodName<std::ratio<1>> {
  static constexpr std::string_view kName = "seconds";
};
template <>
struct PeriodName<std::ratio<60>> {
  static constexpr std::string_view kName = "minutes";
};
template <>
struct PeriodName<std::ratio<3600>> {
  static constexpr std::string_view kName = "hours";
};
template <>
struct PeriodName<std::ratio<86400>> {
  static constexpr std::string_view kName = "days";
};

template <class Rep>
concept WireTicks = std::is_arithmetic_v<Rep> && sizeof(Rep) <= 8 && !std::same_as<Rep, bool>;

template <WireTicks Rep, class Period>
struct WireAs<std::chrono::duration<Rep, Period>> {
  using Type = Rep;
  static constexpr auto kMeaning = PeriodName<typename Period::type>::kName;
  static Type To(const std::chrono::duration<Rep, Period>& value) { return value.count(); }
  static bool From(Type ticks, std::chrono::duration<Rep, Period>& out) {
    out = std::chrono::duration<Rep, Period>(ticks);
    return true;
  }
};

// Clocks that all processes of a machine share.
template <class Clock>
struct ClockName {};
template <>
struct ClockName<std::chrono::system_clock> {
  static constexpr std::string_view kName = "system_clock.";
};
template <>
struct ClockName<std::chrono::steady_clock> {
  static constexpr std::string_view kName = "steady_clock.";
};

template <class Clock, WireTicks Rep, class Period>
requires requires { ClockName<Clock>::kName; }
struct WireAs<std::chrono::time_point<Clock, std::chrono::duration<Rep, Period>>> {
  using Time = std::chrono::time_point<Clock, std::chrono::duration<Rep, Period>>;
  using Type = Rep;
  static constexpr auto kMeaning = JoinedMeaning<ClockName<Clock>::kName, PeriodName<typename Period::type>::kName>();
  static Type To(const Time& value) { return value.time_since_epoch().count(); }
  static bool From(Type ticks, Time& out) {
    out = Time(typename Time::duration(ticks));
    return true;
  }
};

// ---- Abseil's times: exact, the infinite ones included --------------------------------------------------------------------------

inline constexpr uint32_t kQuartersPerSecond = 4'000'000'000;  // of a nanosecond: what an absl::Duration counts in
inline constexpr uint32_t kInfinite = std::numeric_limits<uint32_t>::max();

template <>
struct WireAs<absl::Duration> {
  using Type = std::tuple<int64_t, uint32_t>;  // whole seconds, rounded down, and quarters of a nanosecond
  static constexpr std::string_view kMeaning = "absl.Duration";
  static Type To(const absl::Duration& value) {
    if (value == absl::InfiniteDuration()) return {1, kInfinite};
    if (value == -absl::InfiniteDuration()) return {-1, kInfinite};
    absl::Duration rest;
    int64_t seconds = absl::IDivDuration(value, absl::Seconds(1), &rest);
    if (rest < absl::ZeroDuration()) {
      --seconds;
      rest += absl::Seconds(1);
    }
    return {seconds, static_cast<uint32_t>(absl::IDivDuration(rest, absl::Nanoseconds(1) / 4, &rest))};
  }
  static bool From(Type parts, absl::Duration& out) {
    const auto [seconds, quarters] = parts;
    if (quarters == kInfinite) {
      out = seconds < 0 ? -absl::InfiniteDuration() : absl::InfiniteDuration();
      return seconds == 1 || seconds == -1;
    }
    out = absl::Seconds(seconds) + quarters * (absl::Nanoseconds(1) / 4);
    return quarters < kQuartersPerSecond;
  }
};

template <>
struct WireAs<absl::Time> {
  using Type = std::tuple<int64_t, uint32_t>;  // since 1970
  static constexpr std::string_view kMeaning = "absl.Time";
  static Type To(const absl::Time& value) { return WireAs<absl::Duration>::To(value - absl::UnixEpoch()); }
  static bool From(Type parts, absl::Time& out) {
    absl::Duration since;
    const bool good = WireAs<absl::Duration>::From(parts, since);
    out = absl::UnixEpoch() + since;
    return good;
  }
};

// ---- recognised by what they have: their headers are large, and few need them -----------------------------------------------------

// std::complex of float or double.
template <class T>
concept LooksComplex = !std::is_aggregate_v<T> && std::is_trivially_copyable_v<T> && requires(const T& value) {
  requires std::floating_point<typename T::value_type> && sizeof(T) == 2 * sizeof(typename T::value_type);
  requires sizeof(typename T::value_type) <= 8;
  T(value.real(), value.imag());
  value *value;
};
template <LooksComplex T>
struct WireAs<T> {
  using Type = std::array<typename T::value_type, 2>;
  static constexpr std::string_view kMeaning = "complex";
  static Type To(const T& value) { return {value.real(), value.imag()}; }
  static bool From(const Type& parts, T& out) {
    out = T(parts[0], parts[1]);
    return true;
  }
};

// std::filesystem::path, of systems where it is a string of char.
template <class T>
concept LooksLikePath = requires(const T& path) {
  requires std::same_as<std::remove_cvref_t<decltype(path.native())>, std::string>;
  path.lexically_normal();
  T(std::string());
};
template <LooksLikePath T>
struct WireAs<T> {
  using Type = std::string;
  static constexpr std::string_view kMeaning = "path";
  static const std::string& To(const T& path) { return path.native(); }
  static bool From(Type text, T& out) {
    out = T(std::move(text));
    return true;
  }
};

}  // namespace shoal::ipc_internal

#endif  // SHOAL_IPC_WIRE_AS_H_
