#ifndef SHOAL_IPC_TYPE_TREE_H_
#define SHOAL_IPC_TYPE_TREE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace shoal::ipc_internal {

// A wire type known at run time: what a type code (wire_type.h) says, as a tree. For programs that have the bytes of a
// message and not the C++ types: the command line, tools, bindings.
struct TypeTree {
  enum class Kind : uint8_t {
    kVoid,
    kBool,
    kSigned,
    kUnsigned,
    kFloat,
    kString,
    kVector,    // children: element
    kMap,       // children: key, value
    kSet,       // children: key
    kOptional,  // children: value
    kTuple,     // children: elements
    kVariant,   // children: alternatives
    kNothing,   // std::monostate
    kArray,     // children: element; `length`
    kStruct,    // children: fields; `plain` tells how it travels
  };

  Kind kind = Kind::kVoid;
  bool plain = false;  // a value of a message travels as its `size` bytes, not as an item of CBOR
  size_t size = 0;     // in memory; of plain types only
  size_t length = 0;
  std::vector<TypeTree> children;
  std::vector<size_t> offsets;  // of the fields of a plain struct
  std::string meaning;          // "seconds": of a value that is more than its kind says; else empty

  // In words: "vector<uint64>", "{double, double}".
  std::string Describe() const;
};

struct SignatureTree {
  std::vector<TypeTree> arguments;
  TypeTree result;

  // "is_prime(uint64) -> bool".
  std::string Describe(std::string_view function_name) const;
};

// Errors: InvalidArgument: not a type code. Codes come from plug-ins: any bytes are fine, depth and size are limited.
absl::StatusOr<TypeTree> ParseTypeCode(std::string_view code);
absl::StatusOr<SignatureTree> ParseSignatureCode(std::string_view code);

}  // namespace shoal::ipc_internal

#endif  // SHOAL_IPC_TYPE_TREE_H_
