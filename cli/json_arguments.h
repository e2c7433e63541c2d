#ifndef SHOAL_CLI_JSON_ARGUMENTS_H_
#define SHOAL_CLI_JSON_ARGUMENTS_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "shoal/ipc/type_tree.h"

namespace shoal::cli_internal {

// From a line of JSON to the bytes of a call's arguments, as ipc/codec.h defines them.
//
//   bool                    true, false
//   integer, enum           a number without fraction or exponent, in the type's range
//   float, double           a number; for float one that float can hold
//   string                  a string
//   vector, array           an array; for array<T, N> of exactly N
//   map with string keys    an object
//   any other map           an array of [key, value] pairs, no key twice
//   optional                null, or the value. Where the value may itself be null (an optional of an optional): null, or [value]
//   tuple, pair, struct     an array of the fields, in order (a plug-in says the types of fields, not their names)
//
// The line of a function with several arguments is an array of them; that of a function without arguments is [] or null. The
// line of a function with one argument is the argument itself; an array that holds just the argument will also do, unless the
// argument may itself be an array (then it would be ambiguous).
//
// Thread safety: pure function.
// Errors: InvalidArgument, in words for whoever wrote the line; `out` then holds something unspecified.

// Appends the bytes of the arguments.
absl::Status EncodeArguments(const ipc_internal::SignatureTree& signature, std::string_view line, std::string& out);

// How a value of this type looks as JSON, in a few words.
std::string DescribeJson(const ipc_internal::TypeTree& type);

}  // namespace shoal::cli_internal

#endif  // SHOAL_CLI_JSON_ARGUMENTS_H_
