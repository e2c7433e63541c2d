#ifndef SHOAL_PLUGINS_CALL_H_
#define SHOAL_PLUGINS_CALL_H_

#include <cxxabi.h>

#include <cstddef>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/ipc/codec.h"
#include "shoal/ipc/wire_type.h"
#include "shoal/plugins/abi.h"

// From bytes to a call of an ordinary function, and back: the plug-in's side of the C boundary.

namespace shoal::plugins_internal {

// What a parameter of type T is decoded into.
template <class T>
struct Parameter {
  static_assert(!std::is_lvalue_reference_v<T> || std::is_const_v<std::remove_reference_t<T>>,
                "a task function cannot change its caller's variable: take the argument by value or const reference, and "
                "return what is new");
  using Stored =
      std::conditional_t<std::is_same_v<std::remove_cvref_t<T>, std::string_view>, std::string, std::remove_cvref_t<T>>;
};

// What travels back for a function that returns R.
template <class R>
struct Result {
  static_assert(!std::is_same_v<R, std::string_view>, "the string would be gone when it arrives: return a std::string");
  using Value = std::remove_cvref_t<R>;
};
template <>
struct Result<void> {
  using Value = void;
};
template <>
struct Result<absl::Status> {
  using Value = void;
};
template <class T>
struct Result<absl::StatusOr<T>> {
  using Value = T;
};

inline void FailWithStatus(const shoal_reply& reply, const absl::Status& status) {
  const std::string message(status.message());
  reply.failure(reply.context, SHOAL_FAILURE_STATUS, static_cast<int>(status.code()), "", message.c_str());
}

inline std::string CurrentExceptionType() {
  const std::type_info* const type = abi::__cxa_current_exception_type();
  int status = 0;
  char* const demangled = abi::__cxa_demangle(type->name(), nullptr, nullptr, &status);
  const std::string name = status == 0 ? demangled : type->name();
  std::free(demangled);
  return name;
}

// Runs `body` and turns whatever it throws into a failure.
template <class Body>
void ReportingExceptions(const shoal_reply& reply, Body body) {
#ifdef __cpp_exceptions
  try {
    body();
  } catch (const std::exception& e) {
    reply.failure(reply.context, SHOAL_FAILURE_EXCEPTION, 0, CurrentExceptionType().c_str(), e.what());
  } catch (...) {
    // Without a C++ type it is no exception but pthread_exit or cancellation, which is not ours to stop.
    if (abi::__cxa_current_exception_type() == nullptr) throw;
    reply.failure(reply.context, SHOAL_FAILURE_EXCEPTION, 0, CurrentExceptionType().c_str(), "");
  }
#else
  static_cast<void>(reply);
  body();
#endif
}

template <class R, class... A>
struct Thunk {
  using Value = typename Result<R>::Value;

  static std::string Signature() { return ipc_internal::SignatureCode<Value, typename Parameter<A>::Stored...>(); }

  static void Call(const shoal_function* self, const void* arguments, size_t size, const shoal_reply* reply) {
    const auto function = reinterpret_cast<R (*)(A...)>(const_cast<void*>(self->target));
    std::string encoded;  // short results stay inside the string object: no allocation
    bool has_value = false;
    ReportingExceptions(*reply, [&] {
      std::tuple<typename Parameter<A>::Stored...> values;
      const std::string_view bytes(static_cast<const char*>(arguments), size);
      const bool decoded = std::apply([&](auto&... value) { return ipc_internal::DecodeMessage(bytes, value...); }, values);
      if (!decoded) {
        reply->failure(reply->context, SHOAL_FAILURE_ARGUMENTS, 0, "",
                       "the arguments do not have the types of the signature");
        return;
      }
      const auto call = [&]() -> R {
        return std::apply([&](auto&... value) -> R { return function(Pass<A>(value)...); }, values);
      };
      if constexpr (std::is_void_v<R>) {
        call();
        has_value = true;
      } else if constexpr (std::is_same_v<R, absl::Status>) {
        const absl::Status status = call();
        has_value = status.ok();
        if (!has_value) FailWithStatus(*reply, status);
      } else if constexpr (std::is_same_v<R, absl::StatusOr<Value>>) {
        const R result = call();
        has_value = result.ok();
        if (has_value) {
          ipc_internal::EncodeMessage(encoded, *result);
        } else {
          FailWithStatus(*reply, result.status());
        }
      } else {
        const Value result = call();
        ipc_internal::EncodeMessage(encoded, result);
        has_value = true;
      }
    });
    if (has_value) reply->value(reply->context, encoded.data(), encoded.size());
  }

 private:
  // Values and rvalue references get the decoded object itself, const references and views look at it.
  template <class T>
  static decltype(auto) Pass(typename Parameter<T>::Stored& stored) {
    if constexpr (std::is_lvalue_reference_v<T>) {
      return static_cast<const typename Parameter<T>::Stored&>(stored);
    } else if constexpr (std::is_same_v<std::remove_cvref_t<T>, std::string_view>) {
      return std::string_view(stored);
    } else {
      return std::move(stored);
    }
  }
};

}  // namespace shoal::plugins_internal

#endif  // SHOAL_PLUGINS_CALL_H_
