// The main job: `words` over every regular file below /usr/include, beside what wc counts.

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "shoal/tests/cli/program.h"

namespace shoal::cli_tests {
namespace {

class WordsTest : public ProgramTest {};

std::vector<std::string> RegularFiles(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && !entry.is_symlink()) files.push_back(entry.path());
  }
  return files;
}

// Paths may have quotes and backslashes in them.
std::string JsonString(const std::string& text) {
  std::string json = "\"";
  for (const char c : text) {
    char escape[8];
    std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned char>(c));
    json += c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20 ? std::string(escape) : std::string(1, c);
  }
  return json + "\"\n";
}

struct Counts {
  uint64_t lines = 0;
  uint64_t words = 0;
  uint64_t bytes = 0;
  bool operator==(const Counts&) const = default;
};

TEST_F(WordsTest, EveryFileBelowUsrIncludeCountsAsWcCountsIt) {
  const std::vector<std::string> files = RegularFiles("/usr/include");
  ASSERT_GT(files.size(), 100u);
  std::string input;
  std::string names;
  for (const std::string& file : files) {
    input += JsonString(file);
    names += file + '\0';
  }
  const Ended ours = RunProgram({kShoal, "map", kWords, "count"}, input);
  EXPECT_EQ(ours.code, 0);
  EXPECT_EQ(ours.err, "");
  const Ended theirs = RunProgram({"wc", "--lines", "--words", "--bytes", "--files0-from=-"}, names, {"LC_ALL=C"});
  ASSERT_EQ(theirs.code, 0) << theirs.err;

  std::istringstream our_lines(ours.out);
  std::istringstream their_lines(theirs.out);
  std::string line;
  Counts total;
  for (const std::string& file : files) {
    Counts our;
    Counts their;
    ASSERT_TRUE(std::getline(our_lines, line));
    ASSERT_EQ(std::sscanf(line.c_str(), "[%lu,%lu,%lu]", &our.lines, &our.words, &our.bytes), 3) << line;
    ASSERT_TRUE(std::getline(their_lines, line));
    ASSERT_EQ(std::sscanf(line.c_str(), "%lu %lu %lu", &their.lines, &their.words, &their.bytes), 3) << line;
    EXPECT_TRUE(our == their) << file;
    total = {total.lines + our.lines, total.words + our.words, total.bytes + our.bytes};
  }
  Counts their_total;
  ASSERT_TRUE(std::getline(their_lines, line));
  ASSERT_EQ(std::sscanf(line.c_str(), "%lu %lu %lu", &their_total.lines, &their_total.words, &their_total.bytes), 3) << line;
  EXPECT_TRUE(total == their_total) << line;
}

TEST_F(WordsTest, AFileThatCannotBeReadIsThatLinesError) {
  const Ended ended = RunProgram({kShoal, "map", kWords, "count"}, "\"/dev/null\"\n\"/nowhere\"\n\"/\"\n");
  EXPECT_EQ(ended.code, 1);
  EXPECT_NE(ended.out.find("[0,0,0]\n"), std::string::npos) << ended.out;
  EXPECT_NE(ended.out.find("std::system_error: /nowhere: No such file or directory"), std::string::npos) << ended.out;
  EXPECT_NE(ended.out.find("/: Is a directory"), std::string::npos) << ended.out;
}

}  // namespace
}  // namespace shoal::cli_tests
