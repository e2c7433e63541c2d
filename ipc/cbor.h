#ifndef SHOAL_IPC_CBOR_H_
#define SHOAL_IPC_CBOR_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace shoal::ipc_internal {

// Tokens of CBOR (RFC 8949), written and read through libcbor's streaming interface. Nothing here knows about types.

// Appends tokens to a string of bytes. Allocation: grows the string.
class CborWriter {
 public:
  explicit CborWriter(std::string& out) : out_(out) {}

  void Unsigned(uint64_t value);
  void Signed(int64_t value);
  void Float(float value);
  void Double(double value);
  void Bool(bool value);
  void Null();
  void Bytes(std::string_view bytes);
  void BytesHead(size_t size);  // `size` raw bytes must follow
  void Array(size_t items);     // `items` items must follow
  void Map(size_t pairs);       // `pairs` keys and values must follow, alternating
  void Raw(std::string_view bytes) { out_.append(bytes); }

 private:
  std::string& out_;
};

enum class CborKind : uint8_t {
  kUnsigned,  // number
  kNegative,  // -1 - number
  kFloat,     // real, single precision
  kDouble,    // real
  kBool,      // number is 0 or 1
  kNull,
  kBytes,  // bytes
  kText,   // bytes
  kArray,  // number of items
  kMap,    // number of pairs
  kOther,  // tags, indefinite lengths, undefined: never written by us
};

struct CborToken {
  CborKind kind = CborKind::kOther;
  uint64_t number = 0;
  double real = 0;
  std::string_view bytes;  // into the buffer that is read
};

// Reads tokens from bytes that somebody else wrote. Allocation: none; no length in the bytes is believed beyond their end.
class CborReader {
 public:
  explicit CborReader(std::string_view bytes) : rest_(bytes) {}

  // The next token; false at the end and where the bytes make no sense (nothing is taken then).
  [[nodiscard]] bool Next(CborToken& token);

  // The next `size` bytes as they are; false if there are fewer.
  [[nodiscard]] bool Raw(size_t size, std::string_view& bytes);

  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

}  // namespace shoal::ipc_internal

#endif  // SHOAL_IPC_CBOR_H_
