#include "shoal/cli/progress_line.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace shoal::cli_internal {
namespace {

constexpr size_t kBarCharacters = 20;

std::string WithCommas(uint64_t number) {
  std::string digits = absl::StrCat(number);
  for (size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, 1, ',');
  return digits;
}

std::string Clock(absl::Duration duration) {
  const int64_t seconds = absl::ToInt64Seconds(duration);
  if (seconds < 3600) return absl::StrFormat("%d:%02d", seconds / 60, seconds % 60);
  return absl::StrFormat("%d:%02d:%02d", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

std::string Rate(uint64_t calls, absl::Duration elapsed) {
  const double rate = static_cast<double>(calls) / std::max(absl::ToDoubleSeconds(elapsed), 1e-3);
  return rate >= 10 ? WithCommas(static_cast<uint64_t>(rate)) : absl::StrFormat("%.1f", rate);
}

}  // namespace

std::string ProgressLine(const Totals& totals, std::optional<uint64_t> input_bytes, absl::Duration elapsed, size_t width) {
  std::string line;
  std::string clock = Clock(elapsed);
  if (input_bytes.has_value()) {
    const double share =
        *input_bytes == 0 ? 1 : std::min(1.0, static_cast<double>(totals.input_bytes) / static_cast<double>(*input_bytes));
    const auto filled = static_cast<size_t>(share * kBarCharacters);
    line = absl::StrFormat("%3d%% [%s%s]  ", static_cast<int>(share * 100), std::string(filled, '#'),
                           std::string(kBarCharacters - filled, '.'));
    if (share > 0 && share < 1) clock = absl::StrCat(Clock(elapsed * ((1 - share) / share)), " left");
  }
  absl::StrAppend(&line, WithCommas(totals.calls), " done, ", WithCommas(totals.failed), " failed, ",
                  Rate(totals.calls, elapsed), "/s, ", clock);
  if (line.size() > width) line.resize(width);
  return line;
}

}  // namespace shoal::cli_internal
