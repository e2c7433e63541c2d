#ifndef SHOAL_IPC_CBOR_H_
#define SHOAL_IPC_CBOR_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace shoal::ipc_internal {

// Tokens of CBOR (RFC 8949), written and read through libcbor's streaming interface. Nothing here knows about types.

class HandleWriter;
class HandleReader;

// How many items may lie in each other. A type that contains itself sets no bound of its own, and each level takes some stack.
inline constexpr int kMaxCborDepth = 256;

// One level of items deeper, as long as this lives. False: too deep; neither written nor read.
template <class Stream>
class CborLevel final {
 public:
  explicit CborLevel(Stream& stream) : stream_(stream) { ++stream_.depth_; }
  CborLevel(const CborLevel&) = delete;
  CborLevel& operator=(const CborLevel&) = delete;
  ~CborLevel() { --stream_.depth_; }
  explicit operator bool() const {
    if (__builtin_expect(stream_.depth_ > kMaxCborDepth, 0)) stream_.too_deep_ = true;
    return stream_.depth_ <= kMaxCborDepth;
  }

 private:
  Stream& stream_;
};

// Writes tokens to the end of a string; or into a room of fixed size; or nowhere, to learn how many bytes there would be.
// Allocation: grows the string; otherwise none.
class CborWriter {
 public:
  explicit CborWriter(std::string& out) : string_(&out) {}
  // With `handles`: where the handles go that are met on the way; null: there may be none.
  CborWriter(std::span<std::byte> room, HandleWriter* handles) : room_(room), handles_(handles) {}
  explicit CborWriter(HandleWriter* handles) : counts_only_(true), handles_(handles) {}

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
  void Raw(std::string_view bytes) {
    if (string_ != nullptr) {
      string_->append(bytes);
      return;
    }
    if (!counts_only_) {
      if (bytes.size() > room_.size() - size_) {
        overflown_ = true;
        return;
      }
      if (!bytes.empty()) std::memcpy(room_.data() + size_, bytes.data(), bytes.size());
    }
    size_ += bytes.size();
  }

  // Bytes written, or counted; not of a string.
  size_t size() const { return size_; }
  // There was not room for all: the value has changed since it was counted.
  bool overflown() const { return overflown_; }
  // Some was left out.
  bool too_deep() const { return too_deep_; }
  // In place of a value that is not there: what is written is no message.
  void LeaveOutValue() {
    value_missing_ = true;
    Null();
  }
  bool value_missing() const { return value_missing_; }
  HandleWriter* handles() const { return handles_; }

 private:
  std::string* string_ = nullptr;
  std::span<std::byte> room_;
  size_t size_ = 0;
  bool counts_only_ = false;
  bool overflown_ = false;
  friend class CborLevel<CborWriter>;
  int depth_ = 0;
  bool too_deep_ = false;
  bool value_missing_ = false;
  HandleWriter* handles_ = nullptr;
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
  explicit CborReader(std::string_view bytes, HandleReader* handles = nullptr) : rest_(bytes), handles_(handles) {}

  // The next token; false at the end and where the bytes make no sense (nothing is taken then).
  [[nodiscard]] bool Next(CborToken& token);

  // The next `size` bytes as they are; false if there are fewer.
  [[nodiscard]] bool Raw(size_t size, std::string_view& bytes);

  std::string_view rest() const { return rest_; }
  // Where the message's handles are; null: it has none.
  HandleReader* handles() const { return handles_; }

 private:
  friend class CborLevel<CborReader>;
  std::string_view rest_;
  int depth_ = 0;
  bool too_deep_ = false;
  HandleReader* handles_;
};

}  // namespace shoal::ipc_internal

#endif  // SHOAL_IPC_CBOR_H_
