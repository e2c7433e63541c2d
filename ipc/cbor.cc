#include "shoal/ipc/cbor.h"

#include <cbor.h>

namespace shoal::ipc_internal {
namespace {

constexpr size_t kLongestHead = 9;  // one byte of type, eight of value

template <class Encode, class... Value>
void Append(CborWriter& out, Encode encode, Value... value) {
  unsigned char head[kLongestHead];
  const size_t size = encode(value..., head, sizeof head);
  out.Raw({reinterpret_cast<const char*>(head), size});
}

CborToken& Token(void* context) { return *static_cast<CborToken*>(context); }

template <CborKind kind>
void OnNumber8(void* context, uint8_t value) {
  Token(context) = {.kind = kind, .number = value};
}
template <CborKind kind>
void OnNumber16(void* context, uint16_t value) {
  Token(context) = {.kind = kind, .number = value};
}
template <CborKind kind>
void OnNumber32(void* context, uint32_t value) {
  Token(context) = {.kind = kind, .number = value};
}
template <CborKind kind>
void OnNumber64(void* context, uint64_t value) {
  Token(context) = {.kind = kind, .number = value};
}
template <CborKind kind>
void OnBytes(void* context, cbor_data data, size_t size) {
  Token(context) = {.kind = kind, .bytes = {reinterpret_cast<const char*>(data), size}};
}
template <CborKind kind>
void OnCollection(void* context, size_t size) {
  Token(context) = {.kind = kind, .number = size};
}
void OnOther(void* context) { Token(context) = {}; }

cbor_callbacks Callbacks() {
  cbor_callbacks on = cbor_empty_callbacks;
  on.uint8 = OnNumber8<CborKind::kUnsigned>;
  on.uint16 = OnNumber16<CborKind::kUnsigned>;
  on.uint32 = OnNumber32<CborKind::kUnsigned>;
  on.uint64 = OnNumber64<CborKind::kUnsigned>;
  on.negint8 = OnNumber8<CborKind::kNegative>;
  on.negint16 = OnNumber16<CborKind::kNegative>;
  on.negint32 = OnNumber32<CborKind::kNegative>;
  on.negint64 = OnNumber64<CborKind::kNegative>;
  on.byte_string = OnBytes<CborKind::kBytes>;
  on.string = OnBytes<CborKind::kText>;
  on.array_start = OnCollection<CborKind::kArray>;
  on.map_start = OnCollection<CborKind::kMap>;
  on.float4 = [](void* context, float value) { Token(context) = {.kind = CborKind::kFloat, .real = value}; };
  on.float8 = [](void* context, double value) { Token(context) = {.kind = CborKind::kDouble, .real = value}; };
  on.float2 = [](void* context, float) { OnOther(context); };
  on.boolean = [](void* context, bool value) { Token(context) = {.kind = CborKind::kBool, .number = value}; };
  on.null = [](void* context) { Token(context) = {.kind = CborKind::kNull}; };
  on.undefined = OnOther;
  on.byte_string_start = OnOther;
  on.string_start = OnOther;
  on.indef_array_start = OnOther;
  on.indef_map_start = OnOther;
  on.indef_break = OnOther;
  on.tag = [](void* context, uint64_t) { OnOther(context); };
  return on;
}

}  // namespace

void CborWriter::Unsigned(uint64_t value) { Append(*this, cbor_encode_uint, value); }
void CborWriter::Signed(int64_t value) {
  if (value >= 0) {
    Append(*this, cbor_encode_uint, static_cast<uint64_t>(value));
  } else {
    Append(*this, cbor_encode_negint, ~static_cast<uint64_t>(value));  // -1 - value
  }
}
void CborWriter::Float(float value) { Append(*this, cbor_encode_single, value); }
void CborWriter::Double(double value) { Append(*this, cbor_encode_double, value); }
void CborWriter::Bool(bool value) { Append(*this, cbor_encode_bool, value); }
void CborWriter::Null() { Append(*this, cbor_encode_null); }
void CborWriter::BytesHead(size_t size) { Append(*this, cbor_encode_bytestring_start, size); }
void CborWriter::Bytes(std::string_view bytes) {
  BytesHead(bytes.size());
  Raw(bytes);
}
void CborWriter::Array(size_t items) { Append(*this, cbor_encode_array_start, items); }
void CborWriter::Map(size_t pairs) { Append(*this, cbor_encode_map_start, pairs); }

bool CborReader::Next(CborToken& token) {
  static const cbor_callbacks callbacks = Callbacks();
  const cbor_decoder_result result =
      cbor_stream_decode(reinterpret_cast<cbor_data>(rest_.data()), rest_.size(), &callbacks, &token);
  if (result.status != CBOR_DECODER_FINISHED) return false;
  rest_.remove_prefix(result.read);
  return true;
}

bool CborReader::Raw(size_t size, std::string_view& bytes) {
  if (size > rest_.size()) return false;
  bytes = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return true;
}

}  // namespace shoal::ipc_internal
