#ifndef SHOAL_POOL_FUNCTION_H_
#define SHOAL_POOL_FUNCTION_H_

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <ranges>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/ipc/codec.h"
#include "shoal/ipc/wire_type.h"
#include "shoal/plugins/call.h"
#include "shoal/pool/engine.h"
#include "shoal/pool/future.h"
#include "shoal/pool/map_job.h"
#include "shoal/pool/map_options.h"
#include "shoal/pool/stream.h"

namespace shoal {

template <class Sig>
class Function;

// A function of a plug-in that runs in the workers of a pool. Made by Pool::Get; copyable; may outlive the pool, whose calls
// then fail.
//
//   is_prime.Apply(7)            one call, and its result           Submit(7)          a Future
//   is_prime.Map(numbers)        a vector of results                StarMap(tuples)    the same for several arguments
//   is_prime.IMap(numbers)       a lazy stream of results           IMapUnordered(…)   in the order in which they are ready
//
// Thread safety:   all calls from any thread.
// Blocking:        Apply, Map and StarMap, until all their calls have ended.
// Errors:          as of Future::Get, per call; of Map: those of the first input that failed, after all have ended, with its
//                  number. FailedPrecondition: the pool was closed.
template <class R, class... A>
class Function<R(A...)> final {
  using Value = typename plugins_internal::Result<R>::Value;
  template <class T>
  using Stored = typename plugins_internal::Parameter<T>::Stored;
  using Arguments = std::tuple<Stored<A>...>;
  using First = std::tuple_element_t<0, std::tuple<Stored<A>..., char>>;  // of a function without arguments: unused

 public:
  using Outcome = pool_internal::Outcome<Value>;
  using Results = std::conditional_t<std::is_void_v<Value>, absl::Status,
                                     absl::StatusOr<std::vector<std::conditional_t<std::is_void_v<Value>, char, Value>>>>;

  static std::string SignatureCode() { return plugins_internal::Thunk<R, A...>::Signature(); }

  Outcome Apply(const Stored<A>&... arguments) const { return Start(Then::kWait, arguments...).Get(); }
  Future<Value> Submit(const Stored<A>&... arguments) const { return Start(Then::kGoOn, arguments...); }

  // One call per input, for functions of one argument.
  template <std::ranges::input_range Inputs>
  requires(sizeof...(A) == 1 && std::convertible_to<std::ranges::range_reference_t<Inputs>, First>) Results
      Map(Inputs&& inputs, const MapOptions& options = {})
  const {
    return MapWith<First>(inputs, options,
                          [](const First& input, std::string& out) { ipc_internal::EncodeMessage(out, input); });
  }
  Results Map(std::initializer_list<First> inputs, const MapOptions& options = {}) const requires(sizeof...(A) == 1) {
    return Map(std::vector<First>(inputs), options);
  }

  // One call per input, a tuple of all arguments.
  template <std::ranges::input_range Inputs>
  requires(std::convertible_to<std::ranges::range_reference_t<Inputs>, Arguments>) Results
      StarMap(Inputs&& inputs, const MapOptions& options = {})
  const { return MapWith<Arguments>(inputs, options, EncodeTuple); }

  template <std::ranges::input_range Inputs>
  Stream<Value> IMap(Inputs&& inputs, const MapOptions& options = {}) const {
    return StreamOf(std::forward<Inputs>(inputs), options, /*ordered=*/true);
  }
  template <std::ranges::input_range Inputs>
  Stream<Value> IMapUnordered(Inputs&& inputs, const MapOptions& options = {}) const {
    return StreamOf(std::forward<Inputs>(inputs), options, /*ordered=*/false);
  }

 private:
  friend class Pool;
  Function(std::shared_ptr<pool_internal::Engine> engine, uint32_t index) : engine_(std::move(engine)), index_(index) {}

  using Then = pool_internal::Engine::Then;

  Future<Value> Start(Then then, const Stored<A>&... arguments) const {
    std::string bytes;
    ipc_internal::EncodeMessage(bytes, arguments...);
    auto call = std::make_shared<pool_internal::CallState<Value>>(Options({}), std::move(bytes));
    engine_->Add(call, 1, then);
    return Future<Value>(engine_, std::move(call));
  }

  pool_internal::JobOptions Options(const MapOptions& options) const {
    const PoolOptions& pool = engine_->options();
    return {.function = index_,
            .timeout = options.timeout.value_or(pool.task_timeout),
            .max_retries = options.max_retries.value_or(pool.max_retries),
            .chunk = std::max<size_t>(options.chunk, 1)};
  }

  static void EncodeTuple(const Arguments& arguments, std::string& out) {
    std::apply([&](const auto&... argument) { ipc_internal::EncodeMessage(out, argument...); }, arguments);
  }

  template <class Input, class Inputs, class EncodeInput>
  Results MapWith(Inputs& inputs, const MapOptions& options, EncodeInput encode_input) const {
    if constexpr (std::ranges::contiguous_range<Inputs> && std::ranges::sized_range<Inputs> &&
                  std::is_same_v<std::ranges::range_value_t<Inputs>, Input>) {
      // Plain memory: items are encoded when a worker is to get them, wherever that happens.
      const Input* const first = std::ranges::data(inputs);
      return MapItems(std::ranges::size(inputs), options,
                      [first, encode_input](size_t item, std::string& out) { encode_input(first[item], out); });
    } else {
      // Going through any other range runs the user's code: here, in the user's thread, and at no other time.
      std::string bytes;
      std::vector<size_t> ends;
      for (auto&& input : inputs) {
        encode_input(static_cast<Input>(std::forward<decltype(input)>(input)), bytes);
        ends.push_back(bytes.size());
      }
      return MapItems(ends.size(), options, [&](size_t item, std::string& out) {
        const size_t begin = item == 0 ? 0 : ends[item - 1];
        out.append(bytes, begin, ends[item] - begin);
      });
    }
  }

  template <class Encoder>
  Results MapItems(size_t items, const MapOptions& options, Encoder encode) const {
    const auto job = std::make_shared<pool_internal::MapJob<Value, Encoder>>(Options(options), items, std::move(encode));
    engine_->Add(job, items, Then::kWait);
    engine_->Await([&] { return job->done(); }, absl::InfiniteDuration());
    return job->TakeResults();
  }

  template <class Inputs>
  Stream<Value> StreamOf(Inputs&& inputs, const MapOptions& options, bool ordered) const {
    struct Source {
      Inputs range;  // Inputs is a reference type where the caller keeps the range, else the stream owns it
      std::optional<std::ranges::iterator_t<std::remove_reference_t<Inputs>>> next;
    };
    auto source = std::shared_ptr<Source>(new Source{std::forward<Inputs>(inputs), std::nullopt});
    auto pull = [source](std::string& out) {
      if (!source->next.has_value()) {
        source->next.emplace(std::ranges::begin(source->range));
      } else {
        ++*source->next;
      }
      if (*source->next == std::ranges::end(source->range)) return false;
      if constexpr (sizeof...(A) == 1 && std::convertible_to<std::ranges::range_reference_t<Inputs>, First>) {
        const First input = **source->next;
        ipc_internal::EncodeMessage(out, input);
      } else {
        EncodeTuple(Arguments(**source->next), out);
      }
      return true;
    };
    const size_t window = options.window > 0 ? options.window : 2048;
    return Stream<Value>(engine_, Options(options), window, ordered, std::move(pull));
  }

  std::shared_ptr<pool_internal::Engine> engine_;
  uint32_t index_;
};

}  // namespace shoal

#endif  // SHOAL_POOL_FUNCTION_H_
