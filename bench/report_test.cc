// The report runs, and every row has a number. No gate on the numbers: on a busy machine they would be a flaky test.

#include <stdio.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace {

using ::testing::HasSubstr;

struct Output {
  int exit_code = -1;
  std::string text;  // both streams
};

Output Report(const std::string& arguments) {
  Output run;
  FILE* const pipe = popen(("bench/report " + arguments + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return run;
  std::array<char, 4096> buffer;
  while (fgets(buffer.data(), buffer.size(), pipe) != nullptr) run.text += buffer.data();
  run.exit_code = WEXITSTATUS(pclose(pipe));
  return run;
}

// The cells of the table's rows, without its head.
std::vector<std::vector<std::string>> Rows(const std::string& output) {
  std::vector<std::vector<std::string>> rows;
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] != '|') continue;
    std::vector<std::string> cells;
    std::istringstream parts(line.substr(1));
    for (std::string cell; std::getline(parts, cell, '|');) cells.push_back(cell);
    rows.push_back(cells);
  }
  rows.erase(rows.begin(), rows.begin() + std::min<std::ptrdiff_t>(2, std::ssize(rows)));
  return rows;
}

void ExpectRatios(const std::string& subject, size_t count) {
  const Output run = Report(subject + " --quick");
  ASSERT_EQ(run.exit_code, 0) << run.text;
  const auto rows = Rows(run.text);
  ASSERT_EQ(rows.size(), count) << run.text;
  for (const auto& cells : rows) {
    ASSERT_EQ(cells.size(), 8u) << run.text;
    char* end = nullptr;
    const double ratio = std::strtod(cells[4].c_str(), &end);
    EXPECT_NE(end, cells[4].c_str()) << cells[4];
    EXPECT_TRUE(std::isfinite(ratio) && ratio > 0) << cells[4];
  }
}

TEST(Report, PrintsAFiniteRatioForEveryRowOfPool) { ExpectRatios("pool", 13); }
TEST(Report, PrintsAFiniteRatioForEveryRowOfSync) { ExpectRatios("sync", 25); }
TEST(Report, PrintsAFiniteRatioForEveryRowOfShm) { ExpectRatios("shm", 36); }
TEST(Report, PrintsAFiniteRatioForEveryRowOfIpc) { ExpectRatios("ipc", 291); }

TEST(Report, SaysWhichSubjectsThereAre) {
  const Output run = Report("horses");
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.text, HasSubstr("no subject \"horses\""));
  EXPECT_THAT(run.text, HasSubstr("pool"));
}

}  // namespace
