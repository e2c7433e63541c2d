#ifndef SHOAL_PLUGINS_CATALOG_H_
#define SHOAL_PLUGINS_CATALOG_H_

#include <deque>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "shoal/ipc/wire_type.h"
#include "shoal/plugins/abi.h"
#include "shoal/plugins/call.h"

namespace shoal {

// The functions that a plug-in offers.
//
//   SHOAL_PLUGIN(catalog) { catalog.Add("is_prime", IsPrime, "Whether n is prime."); }
//
// Thread safety:   none needed: it is filled once, while the plug-in is loaded.
// Errors:          a name that is empty, too long or taken, or a type that contains itself, makes loading the plug-in fail
//                  with a sentence that names the function. A type that cannot travel does not compile.
// Ownership:       keeps copies of the texts; functions live as long as the plug-in.
class Catalog final {
 public:
  Catalog() = default;
  Catalog(const Catalog&) = delete;
  Catalog& operator=(const Catalog&) = delete;

  // Offers `function` under `name`. Its signature is deduced: arguments by value or const reference (std::string_view is
  // fine), any result that can travel, void, absl::Status or absl::StatusOr of such. It may throw.
  template <class R, class... A>
  void Add(std::string_view name, R (*function)(A...), std::string_view help = "") {
    using Thunk = plugins_internal::Thunk<R, A...>;
    AddEntry(name, Thunk::Signature(), help, reinterpret_cast<const void*>(function), &Thunk::Call);
  }
  template <class R, class... A>
  void Add(std::string_view name, R (*function)(A...) noexcept, std::string_view help = "") {
    Add(name, static_cast<R (*)(A...)>(function), help);
  }
  // A lambda that captures nothing.
  template <class F>
  requires requires(F f) { +f; } && std::is_class_v<F>
  void Add(std::string_view name, F function, std::string_view help = "") { Add(name, +function, help); }

  // The catalogue as it crosses the boundary. Valid as long as this object lives and is not added to.
  const shoal_plugin* Describe();

 private:
  struct Entry {
    std::string name;
    std::string signature;
    std::string help;
    shoal_function function;
  };
  using Call = void (*)(const shoal_function*, const void*, size_t, const shoal_reply*);

  void AddEntry(std::string_view name, std::string signature, std::string_view help, const void* target, Call call);

  std::deque<Entry> entries_;  // never moves an entry
  std::vector<const shoal_function*> functions_;
  std::string error_;
  shoal_plugin plugin_{};
};

namespace plugins_internal {

// The plug-in's own catalogue, filled by the first call.
const shoal_plugin* DescribePlugin(const shoal_host* host, void (*fill)(Catalog&));

}  // namespace plugins_internal
}  // namespace shoal

#endif  // SHOAL_PLUGINS_CATALOG_H_
