#include "shoal/bench/table.h"

#include <sched.h>
#include <stdlib.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace shoal::bench {
namespace {

constexpr size_t kColumns = 8;
using Cells = std::array<std::string, kColumns>;

// Three digits that say something.
std::string Number(double value) {
  const int digits = value == 0 ? 2 : std::clamp(2 - static_cast<int>(std::floor(std::log10(std::fabs(value)))), 0, 6);
  return absl::StrFormat("%.*f", digits, value);
}

std::string Amount(const Row& row, double seconds) {
  if (row.quantity == Quantity::kRate) return absl::StrCat(Number(1e-6 / seconds), " M/s");
  if (seconds < 1e-6) return absl::StrCat(Number(seconds * 1e9), " ns");
  if (seconds < 1e-3) return absl::StrCat(Number(seconds * 1e6), " µs");
  return absl::StrCat(Number(seconds * 1e3), " ms");
}

std::string Target(const Row& row) {
  if (!row.target.has_value()) return "";
  return absl::StrCat(row.quantity == Quantity::kRate ? "≥ " : "≤ ", *row.target);
}

Cells CellsOf(const Row& row) {
  return {row.work,
          row.peer,
          Amount(row, row.our_seconds),
          Amount(row, row.peer_seconds),
          Number(row.ratio),
          Target(row),
          Verdict(row),
          absl::StrCat(Number(row.least_ratio), " to ", Number(row.largest_ratio))};
}

// In characters: "µ" and "≥" have more bytes than that.
size_t Width(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace

std::string FormatTable(const std::vector<Row>& rows) {
  std::vector<Cells> lines = {{"work", "peer", "ours", "peer's", "ratio", "target", "verdict", "spread of the ratio"}};
  for (const Row& row : rows) lines.push_back(CellsOf(row));

  std::array<size_t, kColumns> widths{};
  for (const Cells& cells : lines) {
    for (size_t i = 0; i < kColumns; ++i) widths[i] = std::max(widths[i], Width(cells[i]));
  }
  std::string out;
  for (size_t line = 0; line < lines.size(); ++line) {
    for (size_t i = 0; i < kColumns; ++i) {
      const std::string& cell = lines[line][i];
      absl::StrAppend(&out, "| ", cell, std::string(widths[i] - Width(cell) + 1, ' '));
    }
    absl::StrAppend(&out, "|\n");
    if (line == 0) {
      for (const size_t width : widths) absl::StrAppend(&out, "|", std::string(width + 2, '-'));
      absl::StrAppend(&out, "|\n");
    }
  }
  return out;
}

std::string FormatCircumstances(const Settings& settings) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  sched_getaffinity(0, sizeof cpus, &cpus);
  double load = 0;
  getloadavg(&load, 1);
  std::string out;
#ifndef __OPTIMIZE__
  absl::StrAppend(&out, "NOT OPTIMISED: the ratios mean nothing; run with -c opt.\n");
#endif
  if (settings.quick) absl::StrAppend(&out, "QUICK: the ratios mean nothing; run without --quick.\n");
  absl::StrAppendFormat(
      &out,
      "%d CPUs, load %.1f at the start. Rounds: %d, which alternate between ours and the peers'.\n"
      "Ratio: ours to the peer's, the median of the rounds. Of rates (M/s) more is better, of times less.\n"
      "* the target lies inside the spread: another run may say otherwise. Within 1.3 is noise.\n",
      CPU_COUNT(&cpus), load, settings.quick ? 1 : settings.rounds);
  return out;
}

}  // namespace shoal::bench
