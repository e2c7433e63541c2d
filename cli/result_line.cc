#include "shoal/cli/result_line.h"

#include <cstddef>

#include "absl/strings/str_cat.h"
#include "shoal/cli/json_result.h"
#include "shoal/cli/json_text.h"
#include "shoal/sync/status.h"

namespace shoal::cli_internal {
namespace {

// A status that a plug-in's function returned has a code worth showing; in ours and in what it threw the message says it all.
std::string Words(const absl::Status& status) {
  const std::string message(status.message());
  if (MadeByShoal(status) || status.code() == absl::StatusCode::kUnknown) return message;
  return absl::StrCat(absl::StatusCodeToString(status.code()), message.empty() ? "" : ": ", message);
}

void AppendError(const EndedCall& call, const absl::Status& status, bool ordered, std::string& out) {
  if (!ordered) absl::StrAppend(&out, "{\"index\": ", call.index, ", \"error\": ");
  if (ordered) out += "{\"error\": ";
  AppendJsonMessage(Words(status), out);
  if (ordered) absl::StrAppend(&out, ", \"index\": ", call.index);
  out += "}\n";
}

}  // namespace

absl::Status AppendResultLine(const ipc_internal::TypeTree& type, const EndedCall& call, bool ordered, std::string& out) {
  if (!call.bytes.ok()) {
    AppendError(call, call.bytes.status(), ordered, out);
    return absl::OkStatus();
  }
  const size_t begin = out.size();
  if (!ordered) absl::StrAppend(&out, "{\"index\": ", call.index, ", \"result\": ");
  if (const absl::Status decoded = DecodeResult(type, *call.bytes, out); !decoded.ok()) {
    out.resize(begin);
    AppendError(call, decoded, ordered, out);
    return decoded;
  }
  out += ordered ? "\n" : "}\n";
  return absl::OkStatus();
}

}  // namespace shoal::cli_internal
